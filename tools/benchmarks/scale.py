"""Section: scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Callable, Sequence

from .bench import Bench, copying, peak_of, unpack_onefile
from .content import FILES_OF_A_DIRECTORY, large_files, small_files
from .figures import Runs, figure, fit, prose, table, take_turns
from .pictures import Line, log_chart
from .places import Place
from .running import Run, remove, say
from .trees import Tree
from .warm import overheads_of

FILE_BYTES = 1 << 10
FILE_COUNTS = (10, 100, 1_000, 10_000, 100_000, 200_000)
MEGABYTES = (1, 10, 100, 1_000, 5_000)
LARGE_FILES = 4  # that the bytes are in
QUICK_SIZES = 4  # of those above, with --quick

LEVEL = 3
# Short ones are repeated until they have taken this long, up to the turns of the run.
CASE_MS = 1_000
WARM_TURNS = 40
CHECKS = ("seal", "dirs")
# Of memory: what the largest tree, its copy and its file need on a tmpfs.
ROOM_FOR_A_COPY = 2.7


@dataclass
class Measured:
    """Of one tree, in the units of the table."""

    amount: float  # files, or MB
    directories: int
    pack: float
    cold: float
    peak: float
    seal: float
    dirs: float
    copy: float


def turns_of(bench: Bench, first: Run) -> int:
    return max(1, min(bench.turns, int(CASE_MS / first.wall)))


def measure(bench: Bench, place: Place, amount: float, tree: Tree) -> Measured:
    file, cache = tree.path.with_name("onefile"), tree.path.with_name("cache")
    options = ("--level", str(LEVEL))
    packing = bench.workshop.packing(tree, file, *options)
    _, packed = peak_of(bench, packing)
    peak, first = peak_of(bench, [file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    remove(cache)
    turns = turns_of(bench, first)
    cases = {
        "cold": place.fresh(unpack_onefile(file)),
        "copy": place.fresh(copying(tree.path)),
    }
    runs: dict[str, Runs] = take_turns(cases, turns, warm_up=int(turns > 1))
    _, directories = tree.counts
    remove(tree.path)  # room for the cache
    warm = overheads_of(bench, file, cache, CHECKS, WARM_TURNS)
    remove(cache)
    remove(file)
    return Measured(
        amount,
        directories,
        packed.wall / 1e3,
        runs["cold"].wall.median,
        peak,
        warm["seal"].median,
        warm["dirs"].median,
        runs["copy"].wall.median,
    )


def row_of(one: Measured) -> list[str]:
    row = [figure(one.amount), figure(one.directories), figure(one.pack, 2)]
    row += [figure(one.cold, 1), figure(one.copy, 1), figure(one.cold / one.copy, 2)]
    return [*row, figure(one.peak, 1), figure(one.seal, 2), figure(one.dirs, 2)]


HEADS = ["directories", "pack, s", "cold, ms", "`cp -a`, ms", "to `cp -a`"]
HEADS += ["peak of unpacking, MiB", "warm, `seal`, ms", "warm, `dirs`, ms"]


@dataclass
class Slope:
    what: str
    unit: str
    of: Callable[[Measured], float]
    intercept: str = "ms"
    over: Callable[[Measured], float] = lambda one: one.amount
    factor: float = 1.0  # from the units of the table to `unit`

    def row(self, all_of: Sequence[Measured]) -> list[str]:
        slope, start = fit([(self.over(one), self.of(one)) for one in all_of])
        slope *= self.factor
        return [
            self.what,
            f"{figure(slope, 2)} {self.unit}",
            f"{figure(start, 2)} {self.intercept}",
        ]


def directories(one: Measured) -> float:
    return one.directories


FILE_SLOPES = [
    Slope("packing", "µs per file", lambda one: one.pack, "s", factor=1e6),
    Slope("cold", "µs per file", lambda one: one.cold, factor=1e3),
    Slope("`cp -a`", "µs per file", lambda one: one.copy, factor=1e3),
    Slope(
        "warm, `dirs`", "µs per directory", lambda one: one.dirs, "ms", directories, 1e3
    ),
    Slope(
        "warm, `seal`", "µs per directory", lambda one: one.seal, "ms", directories, 1e3
    ),
    Slope(
        "peak of unpacking",
        "bytes per file",
        lambda one: one.peak,
        "MiB",
        factor=1 << 20,
    ),
]
BYTE_SLOPES = [
    Slope("packing", "ms per MB", lambda one: one.pack, "s", factor=1e3),
    Slope("cold", "ms per MB", lambda one: one.cold),
    Slope("`cp -a`", "ms per MB", lambda one: one.copy),
    Slope("warm, `seal`", "µs per MB", lambda one: one.seal, factor=1e3),
    Slope(
        "peak of unpacking", "KiB per MB", lambda one: one.peak, "MiB", factor=1 << 10
    ),
]


def drawing(title: str, across: str, all_of: Sequence[Measured]) -> str:
    curves: dict[str, Callable[[Measured], float]] = {
        "pack": lambda one: one.pack * 1e3,
        "cp -a": lambda one: one.copy,
        "cold": lambda one: one.cold,
        "warm, dirs": lambda one: one.dirs,
        "warm, seal": lambda one: one.seal,
    }
    lines = [
        Line(name, [(one.amount, of(one)) for one in all_of])
        for name, of in curves.items()
    ]
    return log_chart(title, across, "ms", lines)


def available() -> int:
    """Bytes of memory that are to be had."""
    with open("/proc/meminfo") as lines:
        facts = dict(line.split(":") for line in lines)
    return int(facts["MemAvailable"].split()[0]) * 1024


METHOD = """
    On {place}. Small files have {file_bytes} bytes each, {files} in a directory: stretches of what the
    interpreter's prefix holds, libraries, sources and byte code. Bytes are in {large} files of such
    stretches, in each MiB of which the 256 bytes have other names, so that no frame is like
    another. Packed once at zstd {level}, with `--no-cache`. Cold is `ONEFOLD=trace`; it and `cp -a`
    take as many turns as fit in a second, once at least. Warm is over the shim, as above, {warm}
    turns. Slopes are least squares of the relative errors, over all rows: each row counts alike; what
    is left at none is the intercept.
"""


def scale(bench: Bench) -> str:
    place = bench.places[0]
    sizes = QUICK_SIZES if bench.quick else max(len(FILE_COUNTS), len(MEGABYTES))
    by_files, by_bytes, missing = [], [], ""
    for count in FILE_COUNTS[:sizes]:
        say(f"scale: {count} files")
        with place.room() as room:
            tree = small_files(bench.workshop, room / "tree", count, FILE_BYTES)
            by_files.append(measure(bench, place, count, tree))
    for megabytes in MEGABYTES[:sizes]:
        size = megabytes * 1_000_000
        if size * ROOM_FOR_A_COPY > available():
            missing += f"\n{figure(megabytes)} MB are left out: memory is short.\n"
            continue
        say(f"scale: {megabytes} MB")
        with place.room() as room:
            tree = large_files(bench.workshop, room / "tree", size, LARGE_FILES)
            by_bytes.append(measure(bench, place, megabytes, tree))
    text = prose(
        METHOD.format(
            place=place.name,
            file_bytes=figure(FILE_BYTES),
            files=FILES_OF_A_DIRECTORY,
            large=LARGE_FILES,
            level=LEVEL,
            warm=WARM_TURNS,
        )
    )
    for name, across, all_of, slopes in (
        ("files", "files", by_files, FILE_SLOPES),
        ("bytes", "MB", by_bytes, BYTE_SLOPES),
    ):
        text += "\n" + table([across, *HEADS], [row_of(one) for one in all_of])
        rows = [slope.row(all_of) for slope in slopes]
        text += "\n" + table([f"by {name}", "slope", "intercept"], rows)
        title = f"Time by number of {name}"
        says = f"Lines: milliseconds of packing, unpacking, copying and launching, by {across}"
        picture = drawing(title, across, all_of)
        text += bench.picture(f"scale-{name}", picture, says)
    return text + missing
