"""Section: warm launches."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from common.documents import figure, table

from .bench import Bench
from .figures import SPREAD, Sample
from .launches import Launches
from .running import Part, output_of, remove, say
from .texts import text
from .trees import Tree, random_bytes, synthetic

# The figures of the design.
WARM_SEAL_MS = 0.3
WARM_DIRECTORIES_MS = 1.0
WARM_DIRECTORIES = 1_000

WARM_LAUNCHES_PER_TURN = 20

CHECKS = ("seal", "dirs", "files")

# Directories, files in each of them, bytes in each file.
SHAPES = [(1, 10, 1_000), (100, 10, 1_000), (WARM_DIRECTORIES, 10, 1_000)]
SHAPES += [(1, 50, size) for size in (100_000, 1_000_000, 10_000_000)]


def overheads_of(bench: Bench, file: Path, checks: Sequence[str], turns: int) -> dict[str, Sample]:
    """By check, the milliseconds that a warm launch of `file`, whose entry is `program`, takes
    longer than the shim; and the shim's.

    `onefold bench` would launch its FILE cold in each round. That takes long for a large tree, so
    FILE is a onefile of one small program, and `file` is another command, with its own cache.
    """
    target = bench.workshop.compiled("TARGET")
    least = bench.workshop.packed(Tree("least", target.parent, target.name)).path
    cache = file.with_name("warm-cache")
    output_of([file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    root = output_of([file], ONEFOLD="path", ONEFOLD_CACHE=cache).strip()
    against: list[list[Part]] = [[file], [bench.workshop.compiled("SHIM"), f"{root}/program"]]
    launches = Launches([least], file.parent, turns, warm_up=5, against=against)
    results: dict[str, Sample] = {}
    for check in checks:
        launches.variables = {"ONEFOLD_CACHE": cache, "ONEFOLD_CHECK": check}
        _, ours, shim = launches.measured(bench.workshop)
        results.setdefault("shim", shim["warm"])
        results[check] = ours["warm"].minus(shim["warm"])
    remove(cache)
    return results


def warm(bench: Bench) -> str:
    rows = []
    seal = []
    launches = min(1_000, bench.turns * WARM_LAUNCHES_PER_TURN)
    for directories, files, size in SHAPES:
        count = directories * files
        say(f"warm: {directories} directories, {count * size / 1e6:.2f} MB")
        with bench.disk.room() as room:
            shape = (directories, files, size, random_bytes())
            tree = synthetic(bench.workshop.compiled("TARGET"), room / "tree", *shape)
            file = bench.workshop.pack(tree, room / "onefile", "--codec", "store").path
            overheads = overheads_of(bench, file, CHECKS, launches)
        row = [figure(directories), figure(count), figure(count * size / 1e6, 2)]
        row.append(figure(overheads["shim"].median, 3))
        for check in CHECKS:
            row += overheads[check].cells(3, 2)
        rows.append(row)
        seal.append(overheads["seal"].median)
        if directories == WARM_DIRECTORIES:
            what = f"warm launch over a bare shim, `dirs` at {figure(directories)} directories"
            bench.check(what, overheads["dirs"].median, WARM_DIRECTORIES_MS, "ms", digits=2)
    what = "warm launch over a bare shim, `seal`, the slowest payload"
    bench.check(what, max(seal), WARM_SEAL_MS, "ms", digits=2)
    heads = ["directories", "files", "MB", "shim, ms"]
    for check in CHECKS:
        heads += [f"+ `{check}`, ms", SPREAD]
    place = bench.disk.name
    return text("warm", rounds=launches, place=place, table=table(heads, rows))
