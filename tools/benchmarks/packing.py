"""Section: packing."""

from __future__ import annotations

import shutil
from pathlib import Path

from common.basics import Failure, Unavailable
from common.documents import figure, table

from .bench import Bench
from .figures import SPREAD, Sample
from .running import Part, output_of, remove, say
from .sizes import ARCHIVE_OPTIONS
from .texts import text
from .timing import Case, Run, launch, take_turns
from .trees import Tree, stretches, synthetic
from .workshop import hash_of

# The figures of the design.
PACK_TO_ZSTD = 1.10
PACK_PEAK_MIB = 512

PACKING_TURNS = 2
LARGE_BYTES, LARGE_LEVEL = 1_000_000_000, 3
SMALL_BYTES = 100_000_000  # with --quick

ONEFOLD, CACHED = "`onefold pack`", "`onefold pack`, frames in its cache"


def commands_of(bench: Bench, tree: Tree, level: int, room: Path) -> dict[str, list[Part]]:
    """The same bytes, by zstd from a tar file, by Onefold from the tree."""
    archive, pack = room / "tar", bench.workshop.packing
    output_of(["tar", "-C", tree.path, "-cf", archive, "."])
    compressor = shutil.which("zstd")
    if not compressor:
        raise Unavailable("there is no program zstd")
    zstd: list[Part] = [compressor, "-q", "-f", "-T0", f"-{level}", archive, "-o", room / "0"]
    options = ("--level", str(level))
    return {
        f"`zstd -T0 -{level}`": zstd,
        ONEFOLD: pack(tree, room / "1", *options),
        CACHED: pack(tree, room / "2", *options, cache=room / "cache"),
    }


def compared(bench: Bench, tree: Tree, level: int, room: Path, turns: int) -> tuple[str, float]:
    """The table, and the peak memory of packing."""
    commands = commands_of(bench, tree, level, room)
    outputs = {name: room / str(number) for number, name in enumerate(commands)}
    zstd = next(iter(commands))
    launch(commands[CACHED])  # fills the cache
    digests, helper = set(), bench.workshop.compiled("PEAK")

    def case(name: str) -> Case:
        def run() -> Run:
            result = launch(commands[name], helper)
            if name != zstd:
                digests.add(hash_of(outputs[name].read_bytes()))
            return result

        return run

    runs = take_turns({name: case(name) for name in commands}, turns, warm_up=0)
    if len(digests) > 1:
        raise Failure(f"packing {tree.name} again gave other bytes")
    rows, size = [], tree.size / 1e6
    for name, result in runs.items():
        seconds = Sample(value / 1e3 for value in result.wall)
        row = [name, figure(outputs[name].stat().st_size / 1e6, 1), *seconds.cells(2)]
        row += [figure(size / seconds.median, 1), figure(result.processor.median / 1e3, 2)]
        row += [figure(max(result.peak)), figure(result.wall.over(runs[zstd].wall).median, 3)]
        rows.append(row)
    ratio = runs[ONEFOLD].wall.over(runs[zstd].wall).median
    bench.check(f"packing to {zstd}, {tree.name}", ratio, PACK_TO_ZSTD, "", digits=2)
    heads = ["what", "MB", "s", SPREAD, "MB/s", "CPU, s", "peak memory, MiB"]
    said = f"\n{tree.description}, zstd {level}:\n\n{table([*heads, f'to {zstd}'], rows)}"
    return said, max(runs[ONEFOLD].peak)


def pack(bench: Bench) -> str:
    workshop, place = bench.workshop, bench.places[0]
    turns = min(bench.turns, PACKING_TURNS)
    tree = bench.fastapi
    say(f"pack: {tree.name}")
    with place.room() as room:
        level = workshop.packed(tree).facts["level"]
        server, _ = compared(bench, tree, level, room, turns)
    archive = workshop.archived(tree, *ARCHIVE_OPTIONS)
    size = SMALL_BYTES if bench.quick else LARGE_BYTES
    say(f"pack: {size / 1e6:.0f} MB")
    with place.room() as room:
        shape = (1, 4, size // 4, stretches(renamed=True))
        large = synthetic(workshop.compiled("TARGET"), room / "mixed content", *shape)
        mixed, peak = compared(bench, large, LARGE_LEVEL, room, turns)
        remove(large.path)
    bench.check(f"peak memory, packing {figure(size / 1e6)} MB", peak, PACK_PEAK_MIB, "MiB")
    values = {"place": place.name, "turns": turns, "options": " ".join(ARCHIVE_OPTIONS)}
    return text("pack", **values, seconds=figure(archive.processor), server=server, mixed=mixed)
