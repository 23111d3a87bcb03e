"""Section: memory."""

from __future__ import annotations

from pathlib import Path

from .bench import Bench, peak_of
from .content import large_files
from .figures import Sample, figure, prose, table
from .running import MIB, remove, say
from .trees import Packed, Tree, synthetic
from .warm import WARM_DIRECTORIES

# The figures of the design.
COLD_PEAK_MIB = 64
WARM_PEAK_MIB = 8

XZ_BYTES = 64_000_000  # four of the largest frames; xz takes long to pack more
MEMORY_RUNS = 3


def peaks(
    bench: Bench, packed: Packed, cache: Path, warm: bool
) -> tuple[Sample, Sample]:
    """MiB, of unpacking and of warm launches."""
    colds, warms = Sample(), Sample()
    for _ in range(min(bench.turns, MEMORY_RUNS)):
        peak, _ = peak_of(bench, [packed.path], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
        colds.append(peak)
        if warm:
            peak, _ = peak_of(bench, [packed.path], ONEFOLD_CACHE=cache)
            warms.append(peak)
        remove(cache)
    return colds, warms


def memory(bench: Bench) -> str:
    workshop = bench.workshop
    rows = []
    limited: list[float] = []
    warm_peaks: list[float] = []
    with bench.disk.room() as room:

        def measure(tree: Tree, *options: str, extreme: bool = False) -> None:
            say(f"memory: {tree.name} {' '.join(options)}".rstrip())
            packed = workshop.pack(tree, room / "onefile", *options)
            colds, warms = peaks(bench, packed, room / "cache", tree.entry == "program")
            row = [tree.name, figure(packed.facts["bytes_in"] / 1e6, 0), packed.codec]
            row += [figure(packed.facts["frame_size"] / MIB, 0), figure(max(colds), 1)]
            rows.append(row + [figure(max(warms), 1) if warms else ""])
            if not extreme:
                limited.append(max(colds))
            warm_peaks.extend(warms)

        # The level is of no account here; a low one is quick.
        quick = ("--level", "3")
        for tree in bench.trees:
            measure(tree, *quick)
        for shape in ((1, 50, 500_000_000), (WARM_DIRECTORIES, 10, 10_000_000)):
            tree = synthetic(workshop, room / "random bytes", *shape)
            measure(tree, "--codec", "store")
            remove(tree.path)
        largest = ("--frame-size", "16384")
        measure(bench.fastapi, *quick, *largest, extreme=True)
        tree = large_files(workshop, room / "mixed", XZ_BYTES, 1)
        measure(tree, "--codec", "xz", "--level", "6", *largest, extreme=True)
    bench.check(
        "peak memory, unpacking, default frames", max(limited), COLD_PEAK_MIB, "MiB", 1
    )
    bench.check("peak memory, warm", max(warm_peaks), WARM_PEAK_MIB, "MiB", 1)
    text = f"""
        The most resident memory, in MiB, of `ONEFOLD=prewarm` into a fresh cache, and of a warm
        launch of a static program that ends at once. Linux carries the peak of a process over
        `execve`, so that what the parent had before it executed the onefile counts as well: here a
        static program of a few hundred KiB. Linux counts the pages of small processes in batches;
        figures below 1 MiB are rough. The most of {min(bench.turns, MEMORY_RUNS)} runs.
    """
    heads = ["tree", "MB", "codec", "frames, MiB", "unpacking", "warm"]
    return f"{prose(text)}\n{table(heads, rows)}"
