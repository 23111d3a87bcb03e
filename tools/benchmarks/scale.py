"""Section: scale."""

from __future__ import annotations

from pathlib import Path
from typing import Callable, NamedTuple, Sequence

from common.documents import figure, table

from .bench import Bench
from .figures import fit
from .pictures import Line, log_chart
from .places import Place
from .running import remove, say
from .texts import text
from .timing import copying, launch, take_turns, unpack_onefile
from .trees import Tree, stretches, synthetic
from .warm import overheads_of

FILE_BYTES = 1 << 10
FILES_OF_A_DIRECTORY = 100
FILE_COUNTS = (10, 100, 1_000, 10_000, 100_000, 200_000)
MEGABYTES = (1, 10, 100, 1_000, 5_000)
LARGE_FILES = 4  # that the bytes are in
QUICK_SIZES = 4  # of those above, with --quick

LEVEL = 3
# Short ones are repeated until they have taken this long, up to the turns of the run.
CASE_MS = 1_000
WARM_TURNS = 40
# Of memory: what the largest tree, its copy and its file need on a tmpfs.
ROOM_FOR_A_COPY = 2.7

# The columns of a tree, in the order of the table, and their digits. `amount` is files, or MB.
COLUMNS = {"amount": 0, "directories": 0, "pack, s": 2, "cold, ms": 1, "`cp -a`, ms": 1}
COLUMNS |= {"to `cp -a`": 2, "peak of unpacking, MiB": 1}
COLUMNS |= {"warm, `seal`, ms": 2, "warm, `dirs`, ms": 2}
AMOUNT, DIRECTORIES, PACK, COLD, COPY, RATIO, PEAK, SEAL, DIRS = COLUMNS

Measured = dict[str, float]  # of one tree, by column


def measure(bench: Bench, place: Place, amount: float, tree: Tree) -> Measured:
    file, cache = tree.path.with_name("onefile"), tree.path.with_name("cache")
    helper = bench.workshop.compiled("PEAK")
    packed = launch(bench.workshop.packing(tree, file, "--level", str(LEVEL)))
    first = launch([file], helper, ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    remove(cache)
    turns = max(1, min(bench.turns, int(CASE_MS / first.wall)))
    cases = {COLD: place.fresh(unpack_onefile(file)), COPY: place.fresh(copying(tree.path))}
    runs = take_turns(cases, turns, warm_up=int(turns > 1))
    cold, copy = (runs[name].wall.median for name in cases)
    _, directories = tree.counts
    remove(tree.path)  # room for the cache
    warm = overheads_of(bench, file, ("seal", "dirs"), WARM_TURNS)
    remove(file)
    figures = (amount, directories, packed.wall / 1e3, cold, copy, cold / copy, first.peak)
    return dict(zip(COLUMNS, (*figures, warm["seal"].median, warm["dirs"].median)))


class Slope(NamedTuple):
    """A line that is fitted to a column, over another one."""

    what: str
    column: str
    unit: str
    factor: float  # from the units of the table to `unit`
    start_unit: str = "ms"  # of the intercept
    over: str = AMOUNT

    def row(self, all_of: Sequence[Measured]) -> list[str]:
        rise, start = fit([(one[self.over], one[self.column]) for one in all_of])
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
ALL_SERIES = [
    Series("files", "files", FILE_BYTES, FILE_COUNTS, small_files, FILE_SLOPES),
    Series("bytes", "MB", 1_000_000, MEGABYTES, large_files, BYTE_SLOPES),
]


def drawing(title: str, across: str, all_of: Sequence[Measured]) -> str:
    curves = {"pack": PACK, "cp -a": COPY, "cold": COLD, "warm, dirs": DIRS, "warm, seal": SEAL}
    lines = []
    for name, column in curves.items():
        factor = 1e3 if column == PACK else 1
        lines.append(Line(name, [(one[AMOUNT], one[column] * factor) for one in all_of]))
    return log_chart(title, across, "ms", lines)


def available() -> int:
    """Bytes of memory that are available."""
    with open("/proc/meminfo") as lines:
        facts = dict(line.split(":") for line in lines)
    return int(facts["MemAvailable"].split()[0]) * 1024


def measured(bench: Bench, series: Series) -> str:
    place, all_of, missing = bench.places[0], [], ""
    for amount in series.amounts[: QUICK_SIZES if bench.quick else None]:
        what = f"{figure(amount)} {series.unit}"
        if amount * series.bytes_of_one * ROOM_FOR_A_COPY > available():
            missing += f"\n{what} are left out: memory is short.\n"
            continue
        say(f"scale: {what}")
        with place.room() as room:
            tree = series.make(bench.workshop.compiled("TARGET"), room / "tree", amount)
            all_of.append(measure(bench, place, amount, tree))
    rows = [[figure(one[name], digits) for name, digits in COLUMNS.items()] for one in all_of]
    result = "\n" + table([series.unit, *list(COLUMNS)[1:]], rows)
    slopes = [slope.row(all_of) for slope in series.slopes]
    result += "\n" + table([f"by {series.name}", "slope", "intercept"], slopes)
    says = f"Lines: milliseconds of packing, unpacking, copying and launching, by {series.unit}"
    chart = drawing(f"Time by number of {series.name}", series.unit, all_of)
    return result + bench.picture(f"scale-{series.name}", chart, says) + missing


def scale(bench: Bench) -> str:
    values = {"place": bench.places[0].name, "file_bytes": figure(FILE_BYTES), "level": LEVEL}
    values |= {"files": FILES_OF_A_DIRECTORY, "large": LARGE_FILES, "warm": WARM_TURNS}
    tables = "".join(measured(bench, series) for series in ALL_SERIES)
    return text("scale", **values, tables=tables)
