"""Section: phases, by onefold bench."""

from __future__ import annotations

from typing import Optional

from common.documents import figure, table

from .bench import Bench
from .figures import SPREAD, Sample
from .launches import SERVER_TURNS, Launches, Metrics
from .running import brought, say
from .texts import text
from .timing import unpack_onefile
from .trees import Tree

# By row, the metrics whose medians are added.
ROWS = {
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


def metrics_of(bench: Bench, tree: Tree, turns: int) -> Metrics:
    """Those of a server, and `outside`: how long its file takes to unpack alone."""
    with bench.disk.room() as room:
        file = brought(bench.workshop.packed(tree).path, room)
        launches = Launches([file], room, turns, arguments=["--port", "{port}"])
        launches.until_health = True
        launches.variables = {"HOME": room}
        [metrics] = launches.measured(bench.workshop)
        unpack = bench.disk.fresh(unpack_onefile(file))
        unpack()
        metrics["outside"] = Sample(unpack().wall for _ in range(turns))
    return metrics


def cells(samples: list[Optional[Sample]]) -> list[str]:
    """The median, or the sum of several medians; and the spread of a single one."""
    found = [sample for sample in samples if sample]
    if len(found) == 1:
        return found[0].cells(2)
    return [figure(sum(sample.median for sample in found), 2) if found else "", ""]


def phases(bench: Bench) -> str:
    turns = min(bench.turns, SERVER_TURNS)
    rows, heads = [[name] for name in ROWS], ["what"]
    for tree in (bench.fastapi, bench.node):
        say(f"phases: {tree.name}")
        metrics = metrics_of(bench, tree, turns)
        for row, names in zip(rows, ROWS.values()):
            row += cells([metrics.get(name) for name in names])
        heads += [tree.name, SPREAD]
    return text("phases", place=bench.disk.name, rounds=turns, table=table(heads, rows))
