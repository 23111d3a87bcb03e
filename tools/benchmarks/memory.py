"""Section: memory."""

from __future__ import annotations

from pathlib import Path

from common.documents import figure, table

from .bench import Bench
from .figures import Sample
from .running import MIB, remove, say
from .texts import text
from .timing import launch
from .trees import Tree, random_bytes, stretches, synthetic
from .warm import WARM_DIRECTORIES

# The figures of the design.
COLD_PEAK_MIB = 64
WARM_PEAK_MIB = 8

XZ_BYTES = 64_000_000  # four of the largest frames; xz takes long to pack more
MEMORY_RUNS = 3


def peaks(bench: Bench, file: Path, has_program: bool) -> tuple[Sample, Sample]:
    """MiB, of unpacking; and of warm launches of a program that ends at once."""
    colds, warms, cache = Sample(), Sample(), file.with_name("cache")
    helper = bench.workshop.compiled("PEAK")
    for _ in range(min(bench.turns, MEMORY_RUNS)):
        unpacking = launch([file], helper, ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
        colds.append(unpacking.peak)
        if has_program:
            warms.append(launch([file], helper, ONEFOLD_CACHE=cache).peak)
        remove(cache)
    return colds, warms


def memory(bench: Bench) -> str:
    workshop, program = bench.workshop, bench.workshop.compiled("TARGET")
    rows, limited, warm_peaks = [], Sample(), Sample()
    # The level does not change the memory of unpacking; a low one is quick.
    quick, largest = ("--level", "3"), ("--frame-size", "16384")
    with bench.disk.room() as room:

        def measure(tree: Tree, *options: str, extreme: bool = False) -> None:
            say(f"memory: {tree.name} {' '.join(options)}")
            packed = workshop.pack(tree, room / "onefile", *options)
            colds, warms = peaks(bench, packed.path, tree.entry == "program")
            row = [tree.name, figure(packed.facts["bytes_in"] / 1e6), packed.codec]
            row += [figure(packed.facts["frame_size"] / MIB), figure(max(colds), 1)]
            rows.append(row + [figure(max(warms), 1) if warms else ""])
            limited.extend([] if extreme else colds)
            warm_peaks.extend(warms)

        for tree in bench.trees:
            measure(tree, *quick)
        for shape in ((1, 50, 10_000_000), (WARM_DIRECTORIES, 10, 1_000)):
            tree = synthetic(program, room / "random bytes", *shape, random_bytes())
            measure(tree, "--codec", "store")
            remove(tree.path)
        measure(bench.fastapi, *quick, *largest, extreme=True)
        tree = synthetic(program, room / "mixed", 1, 1, XZ_BYTES, stretches(renamed=True))
        measure(tree, "--codec", "xz", "--level", "6", *largest, extreme=True)
    what = "peak memory, unpacking, default frames"
    bench.check(what, max(limited), COLD_PEAK_MIB, "MiB", digits=1)
    bench.check("peak memory, warm", max(warm_peaks), WARM_PEAK_MIB, "MiB", digits=1)
    heads = ["tree", "MB", "codec", "frames, MiB", "unpacking", "warm"]
    return text("memory", runs=min(bench.turns, MEMORY_RUNS), table=table(heads, rows))
