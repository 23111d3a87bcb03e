"""Section: scale."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from common.documents import figure, table

from .bench import Bench
from .figures import fit, table_of
from .pictures import log_chart
from .places import Place
from .running import remove, say
from .texts import text
from .timing import copying, launch, take_turns, unpack_onefile
from .trees import Tree, stretches, synthetic
from .warm import overheads_of

FILE_BYTES = 1 << 10
FILES_OF_A_DIRECTORY = 100
LARGE_FILES = 4  # that the bytes are in
QUICK_SIZES = 4  # of each series, with --quick

LEVEL = 3
# Short ones are repeated until they have taken this long, up to the turns of the run.
CASE_MS = 1_000
WARM_TURNS = 40
# Of memory: what the largest tree, its copy and its file need on a tmpfs.
ROOM_FOR_A_COPY = 2.7

# The columns of a tree after the first, which is files or MB, and their digits.
COLUMNS = {"directories": 0, "pack, s": 2, "cold, ms": 1, "`cp -a`, ms": 1, "to `cp -a`": 2}
COLUMNS |= {"peak of unpacking, MiB": 1, "warm, `seal`, ms": 2, "warm, `dirs`, ms": 2}
DIRECTORIES, PACK, COLD, COPY, RATIO, PEAK, SEAL, DIRS = COLUMNS

Measured = dict[str, float]  # of one tree, by column


class Slope(NamedTuple):
    """A line that is fitted to a column, over the amount or another column."""

    what: str
    column: str
    unit: str
    factor: float  # from the units of the table to `unit`
    start_unit: str = "ms"  # of the intercept
    over: str = ""

    def row(self, amount: str, trees: Sequence[Measured]) -> list[str]:
        rise, start = fit([(one[self.over or amount], one[self.column]) for one in trees])
        slope = f"{figure(rise * self.factor, 2)} {self.unit}"
        return [self.what, slope, f"{figure(start, 2)} {self.start_unit}"]


class Series(NamedTuple):
    """Trees that grow, and the lines over their size."""

    name: str
    unit: str
    bytes_of_one: int
    amounts: Sequence[int]
    make: Callable[[Path, Path, int], Tree]
    slopes: Sequence[Slope]


def small_files(program: Path, at: Path, count: int) -> Tree:
    files = min(count, FILES_OF_A_DIRECTORY)
    return synthetic(program, at, count // files, files, FILE_BYTES, stretches(renamed=False))


def large_files(program: Path, at: Path, megabytes: int) -> Tree:
    size = megabytes * 1_000_000 // LARGE_FILES
    return synthetic(program, at, 1, LARGE_FILES, size, stretches(renamed=True))


FILE_SLOPES = [
    Slope("packing", PACK, "µs per file", 1e6, "s"),
    Slope("cold", COLD, "µs per file", 1e3),
    Slope("`cp -a`", COPY, "µs per file", 1e3),
    Slope("warm, `dirs`", DIRS, "µs per directory", 1e3, over=DIRECTORIES),
    Slope("warm, `seal`", SEAL, "µs per directory", 1e3, over=DIRECTORIES),
    Slope("peak of unpacking", PEAK, "bytes per file", 1 << 20, "MiB"),
]
BYTE_SLOPES = [
    Slope("packing", PACK, "ms per MB", 1e3, "s"),
    Slope("cold", COLD, "ms per MB", 1),
    Slope("`cp -a`", COPY, "ms per MB", 1),
    Slope("warm, `seal`", SEAL, "µs per MB", 1e3),
    Slope("peak of unpacking", PEAK, "KiB per MB", 1 << 10, "MiB"),
]
COUNTS, MEGABYTES = (10, 100, 1_000, 10_000, 100_000, 200_000), (1, 10, 100, 1_000, 5_000)
ALL_SERIES = [
    Series("files", "files", FILE_BYTES, COUNTS, small_files, FILE_SLOPES),
    Series("bytes", "MB", 1_000_000, MEGABYTES, large_files, BYTE_SLOPES),
]


def measure(bench: Bench, place: Place, tree: Tree) -> Measured:
    file, cache = tree.path.with_name("onefile"), tree.path.with_name("cache")
    helper = bench.workshop.compiled("PEAK")
    packed = launch(bench.workshop.packing(tree, file, "--level", str(LEVEL)))
    first = launch([file], helper, ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    remove(cache)
    turns = max(1, bench.at_most(int(CASE_MS / first.wall)))
    cases = {COLD: place.fresh(unpack_onefile(file)), COPY: place.fresh(copying(tree.path))}
    runs = take_turns(cases, turns, warm_up=int(turns > 1))
    cold, copy = (runs[name].wall.median for name in cases)
    _, directories = tree.counts
    remove(tree.path)  # room for the cache
    warm = overheads_of(bench, file, ("seal", "dirs"), WARM_TURNS)
    remove(file)
    figures = (directories, packed.wall / 1e3, cold, copy, cold / copy, first.peak)
    return dict(zip(COLUMNS, (*figures, warm["seal"].median, warm["dirs"].median)))


def drawing(title: str, amount: str, trees: Sequence[Measured]) -> str:
    curves = {"pack": PACK, "cp -a": COPY, "cold": COLD, "warm, dirs": DIRS, "warm, seal": SEAL}
    lines = {}
    for name, column in curves.items():
        factor = 1e3 if column == PACK else 1
        lines[name] = [(one[amount], one[column] * factor) for one in trees]
    return log_chart(title, amount, "ms", lines)


def available() -> int:
    """Bytes of memory that are available."""
    with open("/proc/meminfo") as lines:
        facts = dict(line.split(":") for line in lines)
    return int(facts["MemAvailable"].split()[0]) * 1024


def measured(bench: Bench, series: Series) -> str:
    place, trees, missing, unit = bench.places[0], [], "", series.unit
    for amount in series.amounts[: QUICK_SIZES if bench.quick else None]:
        what = f"{figure(amount)} {unit}"
        if amount * series.bytes_of_one * ROOM_FOR_A_COPY > available():
            missing += f"\n{what} are left out: memory is short.\n"
            continue
        say(f"scale: {what}")
        with place.room() as room:
            tree = series.make(bench.workshop.compiled("TARGET"), room / "tree", amount)
            trees.append({unit: amount, **measure(bench, place, tree)})
    digits = {unit: 0, **COLUMNS}
    rows = [[(name, figure(one[name], digits[name])) for name in digits] for one in trees]
    slopes = [slope.row(unit, trees) for slope in series.slopes]
    fitted = table([f"by {series.name}", "slope", "intercept"], slopes)
    says = f"Lines: milliseconds of packing, unpacking, copying and launching, by {unit}"
    chart = drawing(f"Time by number of {series.name}", unit, trees)
    picture = bench.picture(f"scale-{series.name}", chart, says)
    return f"\n{table_of(rows)}\n{fitted}{picture}{missing}"


def scale(bench: Bench) -> str:
    values = {"place": bench.places[0].name, "file_bytes": figure(FILE_BYTES), "level": LEVEL}
    values |= {"files": FILES_OF_A_DIRECTORY, "large": LARGE_FILES, "warm": WARM_TURNS}
    tables = "".join(measured(bench, series) for series in ALL_SERIES)
    return text("scale", **values, tables=tables)
