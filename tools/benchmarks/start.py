"""Section: start of the Node.js server."""

from __future__ import annotations

from common.documents import figure, table

from .bench import Bench
from .figures import SPREAD, Sample
from .launches import Launches
from .running import brought, say
from .texts import text

WAYS = {"unpacked tree": "direct", "onefile, warm": "warm", "onefile, cold": "cold"}


def start(bench: Bench) -> str:
    tree = bench.node
    say(f"start: {tree.name}")
    rows = [[name] for name in WAYS]
    with bench.disk.room() as room:
        launches = Launches([brought(bench.workshop.packed(tree).path, room)], room, bench.turns)
        for arguments in (["--version"], ["--port", "{port}"]):
            launches.arguments = arguments
            launches.until_health = arguments[0] == "--port"
            [metrics] = launches.measured(bench.workshop)
            metrics["direct-overhead"] = Sample([0])
            for row, way in zip(rows, WAYS.values()):
                row += metrics[way].cells()
                row.append(figure(metrics[f"{way}-overhead"].median, 1))
    heads = ["what"]
    for what in ("`--version`", "first answer"):
        heads += [f"{what}, ms", SPREAD, "more, ms"]
    return text("start", place=bench.disk.name, table=table(heads, rows))
