"""Section: phases, by onefold bench."""

from __future__ import annotations

import json
from typing import Callable

from .bench import Bench, brought, unpack_onefile
from .figures import SPREAD, Sample, figure, prose, spread, table
from .running import Part, Run, output_of, say
from .servers import SERVER_TURNS
from .trees import Tree

Metrics = dict[str, dict]


def turns_of(bench: Bench) -> int:
    return min(bench.turns, SERVER_TURNS)


def metrics_of(bench: Bench, tree: Tree) -> tuple[Metrics, list[Run]]:
    """What `onefold bench` measures of a server, and runs that only unpack."""
    turns = turns_of(bench)
    with bench.disk.room() as room:
        file = brought(bench.workshop.packed(tree).path, room)
        caches, home = room / "caches", room / "home"
        caches.mkdir()
        home.mkdir()
        command: list[Part] = [bench.workshop.program, "bench", file, "--json"]
        command += ["--http", "/api/health", "--runs", str(turns)]
        command += [
            "--directory",
            caches,
            "--env",
            f"HOME={home}",
            "--",
            "--port",
            "{port}",
        ]
        report = json.loads(output_of(command))
        unpack = bench.disk.fresh(unpack_onefile(file))
        unpack()
        runs = [unpack() for _ in range(turns)]
    [subject] = report["subjects"]
    for note in report["notes"]:
        say(f"phases: {note}")
    return subject["metrics"], runs


def milliseconds(*names: str) -> Callable[[Metrics], list[str]]:
    """The median of a metric, or the sum of those of several, and the spread of one."""

    def cells(metrics: Metrics) -> list[str]:
        found = [metrics[name] for name in names if name in metrics]
        if not found:
            return ["", ""]
        shown = figure(sum(one["median"] for one in found) / 1e6, 2)
        if len(found) > 1:
            return [shown, ""]
        keys = ("least", "lower_quartile", "upper_quartile")
        return [shown, " / ".join(figure(found[0][key] / 1e6, 2) for key in keys)]

    return cells


ROWS = {
    "verification (`work-hash-sum`)": milliseconds("work-hash-sum"),
    "reading (`work-read-sum`)": milliseconds("work-read-sum"),
    "decoding (`work-decode-sum`)": milliseconds("work-decode-sum"),
    "writing (`work-write-sum`)": milliseconds("work-write-sum"),
    "`cold-phase-plan`": milliseconds("cold-phase-plan"),
    "`cold-phase-unpack`": milliseconds("cold-phase-unpack"),
    "publishing (`cold-phase-seal` and `-publish`)": milliseconds(
        "cold-phase-seal", "cold-phase-publish"
    ),
    "`cold-launch`, all phases": milliseconds("cold-launch"),
    "`ONEFOLD=trace`, by this tool": None,
    "`warm-launch`, all phases": milliseconds("warm-launch"),
    "`direct`, the unpacked entry until it answers": milliseconds("direct"),
    "`warm` until it answers": milliseconds("warm"),
    "`cold` until it answers": milliseconds("cold"),
    "`warm-overhead`": milliseconds("warm-overhead"),
    "`cold-overhead`": milliseconds("cold-overhead"),
}

METHOD = """
    By `onefold bench --http /api/health` ([bench.md](bench.md) says what each metric is), on {place}.
    Verification, reading, decoding and writing are what all workers together took; they overlap in
    `cold-phase-unpack`. *By this tool* is the same unpacking measured from outside, from before
    `posix_spawn` until `wait4`: it differs from `cold-launch` by making and ending the process.
    Milliseconds; {turns} rounds.
"""


def phases(bench: Bench) -> str:
    columns = []
    trees = (bench.fastapi, bench.node)
    for tree in trees:
        say(f"phases: {tree.name}")
        metrics, runs = metrics_of(bench, tree)
        wall = Sample(run.wall for run in runs)
        outside = [figure(wall.median, 2), spread(wall, 2)]
        columns.append(
            [cells(metrics) if cells else outside for cells in ROWS.values()]
        )
    rows = [
        [name, *(cell for column in columns for cell in column[number])]
        for number, name in enumerate(ROWS)
    ]
    heads = ["what"]
    for tree in trees:
        heads += [tree.name, SPREAD]
    method = METHOD.format(place=bench.disk.name, turns=turns_of(bench))
    return f"{prose(method)}\n{table(heads, rows)}"
