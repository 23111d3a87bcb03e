"""Sections: warm launches, memory."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from common.documents import figure

from .bench import Bench
from .figures import Row, Sample, cells, table_of
from .launches import Launches
from .running import MIB, Part, output_of, remove, say
from .texts import text
from .timing import launch
from .trees import Tree, random_bytes, stretches, synthetic

# The figures of the design.
WARM_SEAL_MS = 0.3
WARM_DIRECTORIES_MS = 1.0
WARM_DIRECTORIES = 1_000
COLD_PEAK_MIB = 64
WARM_PEAK_MIB = 8

WARM_LAUNCHES_PER_TURN = 20

CHECKS = ("seal", "dirs", "files")

# Directories, files in each of them, bytes in each file.
SHAPES = [(1, 10, 1_000), (100, 10, 1_000), (WARM_DIRECTORIES, 10, 1_000)]
SHAPES += [(1, 50, size) for size in (100_000, 1_000_000, 10_000_000)]

XZ_BYTES = 64_000_000  # four of the largest frames; xz takes long to pack more
MEMORY_RUNS = 3


# Warm launches


def overheads_of(bench: Bench, file: Path, checks: Sequence[str], turns: int) -> dict[str, Sample]:
    """By check, the milliseconds that a warm launch of `file`, whose entry is `program`, takes
    longer than the shim; and the shim's.

    `onefold bench` would launch its FILE cold in each round. That takes long for a large tree, so
    FILE is a onefile of one small program, and `file` is another command, with its own cache.
    """
    cache = file.with_name("warm-cache")
    output_of([file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    root = output_of([file], ONEFOLD="path", ONEFOLD_CACHE=cache).strip()
    against: list[list[Part]] = [[file], [bench.workshop.compiled("SHIM"), f"{root}/program"]]
    launches = Launches([bench.workshop.least()], file.parent, turns, warm_up=5, against=against)
    results: dict[str, Sample] = {}
    for check in checks:
        launches.variables = {"ONEFOLD_CACHE": cache, "ONEFOLD_CHECK": check}
        _, ours, shim = launches.measured(bench.workshop)
        results.setdefault("shim", shim["warm"])
        results[check] = ours["warm"].minus(shim["warm"])
    remove(cache)
    return results


def warm(bench: Bench) -> str:
    rows, seal, place = [], [], bench.disk
    rounds = min(1_000, bench.turns * WARM_LAUNCHES_PER_TURN)
    for directories, files, size in SHAPES:
        count = directories * files
        say(f"warm: {directories} directories, {count * size / 1e6:.2f} MB")
        with place.room() as room:
            shape = (directories, files, size, random_bytes())
            tree = synthetic(bench.workshop.compiled("TARGET"), room / "tree", *shape)
            file = bench.workshop.pack(tree, room / "onefile", "--codec", "store").path
            overheads = overheads_of(bench, file, CHECKS, rounds)
        figures = (directories, count, count * size / 1e6, overheads["shim"].median)
        row = cells("directories:0 | files:0 | MB:2 | shim, ms:3", *figures)
        for check in CHECKS:
            row += overheads[check].cells(f"+ `{check}`, ms", 3, 2)
        rows.append(row)
        seal.append(overheads["seal"].median)
        if directories == WARM_DIRECTORIES:
            what = f"warm launch over a bare shim, `dirs` at {figure(directories)} directories"
            bench.check(what, overheads["dirs"].median, WARM_DIRECTORIES_MS, "ms", digits=2)
    what = "warm launch over a bare shim, `seal`, the slowest payload"
    bench.check(what, max(seal), WARM_SEAL_MS, "ms", digits=2)
    return text("warm", rounds=rounds, place=place.name, table=table_of(rows))


# Memory


def memory(bench: Bench) -> str:
    workshop, program = bench.workshop, bench.workshop.compiled("TARGET")
    runs, helper = bench.at_most(MEMORY_RUNS), workshop.compiled("PEAK")
    rows: list[Row] = []
    limited: list[float] = []  # peaks of unpacking that have a limit
    warms: list[float] = []
    # The level does not change the memory of unpacking; a low one is quick.
    quick, largest = ("--level", "3"), ("--frame-size", "16384")
    with bench.disk.room() as room:

        def measure(tree: Tree, *options: str, has_limit: bool = True) -> None:
            """Peaks in MiB of unpacking; and of warm launches, if the program ends at once."""
            say(f"memory: {tree.name} {' '.join(options)}")
            packed, cache = workshop.pack(tree, room / "onefile", *options), room / "cache"
            peaks: dict[str, list[float]] = {"prewarm": [], "": []}
            for _ in range(runs):
                for verb in peaks if tree.entry == "program" else ["prewarm"]:
                    run = launch([packed.path], helper, ONEFOLD=verb, ONEFOLD_CACHE=cache)
                    peaks[verb].append(run.peak)
                remove(cache)
            cold, warm = peaks.values()
            megabytes, frames = packed.facts["bytes_in"] / 1e6, packed.facts["frame_size"] / MIB
            row = cells("tree | MB:0 | codec", tree.name, megabytes, packed.codec)
            figures = (frames, max(cold), max(warm, default=None))
            rows.append(row + cells("frames, MiB:0 | unpacking:1 | warm:1", *figures))
            limited.extend(cold if has_limit else [])
            warms.extend(warm)

        for tree in bench.trees:
            measure(tree, *quick)
        for shape in ((1, 50, 10_000_000), (WARM_DIRECTORIES, 10, 1_000)):
            tree = synthetic(program, room / "random bytes", *shape, random_bytes())
            measure(tree, "--codec", "store")
            remove(tree.path)
        measure(bench.fastapi, *quick, *largest, has_limit=False)
        tree = synthetic(program, room / "mixed", 1, 1, XZ_BYTES, stretches(renamed=True))
        measure(tree, "--codec", "xz", "--level", "6", *largest, has_limit=False)
    what = "peak memory, unpacking, default frames"
    bench.check(what, max(limited), COLD_PEAK_MIB, "MiB", digits=1)
    bench.check("peak memory, warm", max(warms), WARM_PEAK_MIB, "MiB", digits=1)
    return text("memory", runs=runs, table=table_of(rows))
