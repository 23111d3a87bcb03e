"""Sections: phases of a launch, start of a Node.js server."""

from __future__ import annotations

from typing import Optional

from .bench import Bench
from .figures import SPREAD, Row, Sample, cells, table_of
from .launches import SERVER_TURNS, Launches, Metrics
from .running import brought, say
from .texts import text
from .timing import unpack_onefile
from .trees import Tree

# By row, the metrics whose medians are added.
PHASES = {
    "verification (`work-hash-sum`)": ["work-hash-sum"],
    "reading (`work-read-sum`)": ["work-read-sum"],
    "decoding (`work-decode-sum`)": ["work-decode-sum"],
    "writing (`work-write-sum`)": ["work-write-sum"],
    "`cold-phase-plan`": ["cold-phase-plan"],
    "`cold-phase-unpack`": ["cold-phase-unpack"],
    "publishing (`cold-phase-seal` and `-publish`)": ["cold-phase-seal", "cold-phase-publish"],
    "`cold-launch`, all phases": ["cold-launch"],
    "`ONEFOLD=trace`, by this tool": ["outside"],
    "`warm-launch`, all phases": ["warm-launch"],
    "`direct`, the unpacked entry until it answers": ["direct"],
    "`warm` until it answers": ["warm"],
    "`cold` until it answers": ["cold"],
    "`warm-overhead`": ["warm-overhead"],
    "`cold-overhead`": ["cold-overhead"],
}
WAYS = {"unpacked tree": "direct", "onefile, warm": "warm", "onefile, cold": "cold"}


def metrics_of(bench: Bench, tree: Tree, turns: int) -> Metrics:
    """Those of a server, and `outside`: how long its file takes to unpack alone."""
    with bench.disk.room() as room:
        file = brought(bench.workshop.packed(tree).path, room)
        launches = Launches([file], room, turns, until_health=True, variables={"HOME": room})
        launches.arguments = ["--port", "{port}"]
        [metrics] = launches.measured(bench.workshop)
        unpack = bench.disk.fresh(unpack_onefile(file))
        unpack()
        metrics["outside"] = Sample(unpack().wall for _ in range(turns))
    return metrics


def sum_of(head: str, samples: list[Optional[Sample]]) -> Row:
    """The median, or the sum of several medians; and the spread of a single one."""
    found = [sample for sample in samples if sample]
    if len(found) == 1:
        return found[0].cells(head, 2)
    total = sum(sample.median for sample in found) if found else None
    return cells(f"{head}:2 | {SPREAD}", total, None)


def phases(bench: Bench) -> str:
    turns = bench.at_most(SERVER_TURNS)
    rows = [cells("what", name) for name in PHASES]
    for tree in (bench.fastapi, bench.node):
        say(f"phases: {tree.name}")
        metrics = metrics_of(bench, tree, turns)
        for row, names in zip(rows, PHASES.values()):
            row += sum_of(tree.name, [metrics.get(name) for name in names])
    return text("phases", place=bench.disk.name, rounds=turns, table=table_of(rows))


def start(bench: Bench) -> str:
    tree = bench.node
    say(f"start: {tree.name}")
    rows = [cells("what", name) for name in WAYS]
    with bench.disk.room() as room:
        launches = Launches([brought(bench.workshop.packed(tree).path, room)], room, bench.turns)
        ends = {"`--version`, ms": ["--version"], "first answer, ms": ["--port", "{port}"]}
        for head, arguments in ends.items():
            launches.arguments, launches.until_health = arguments, "--port" in arguments
            [metrics] = launches.measured(bench.workshop)
            metrics["direct-overhead"] = Sample([0])
            for row, way in zip(rows, WAYS.values()):
                row += metrics[way].cells(head)
                row += cells("more, ms:1", metrics[f"{way}-overhead"].median)
    return text("start", place=bench.disk.name, table=table_of(rows))
