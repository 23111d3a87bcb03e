"""Sections: sizes, packing."""

from __future__ import annotations

import hashlib
import re
import shutil
from pathlib import Path

from common.basics import Failure, Unavailable
from common.documents import figure

from .bench import Bench
from .figures import Row, Sample, cells, table_of
from .pictures import bar_chart
from .running import Part, output_of, remove, say
from .texts import text
from .timing import Case, Run, launch, take_turns
from .trees import Tree, stretches, synthetic

# The figures of the design.
BOOTLOADER_BYTES = 434_000
TO_ARCHIVE = 1.02
TO_PYINSTALLER = 1
PACK_TO_ZSTD = 1.10
PACK_PEAK_MIB = 512

ARCHIVE_OPTIONS = ("-19", "--long=27")
ARCHIVE = f"`tar`, `zstd {' '.join(ARCHIVE_OPTIONS)}`"
PYINSTALLER = "PyInstaller `--onefile`"

PACKING_TURNS = 2
LARGE_BYTES, LARGE_LEVEL = 1_000_000_000, 3
SMALL_BYTES = 100_000_000  # with --quick

ONEFOLD, CACHED = "`onefold pack`", "`onefold pack`, frames in its cache"


# Sizes


def archive_of(bench: Bench, tree: Tree) -> dict[str, int]:
    """The bytes of the archive, by its name; checks the target as well."""
    archive, _ = bench.workshop.archived(tree, *ARCHIVE_OPTIONS)
    size = archive.stat().st_size
    ratio = bench.workshop.packed(tree).size / size
    bench.check(f"size to {ARCHIVE}, {tree.name}", ratio, TO_ARCHIVE, digits=3)
    return {ARCHIVE: size}


def size_row(bench: Bench, tree: Tree, others: dict[str, int]) -> Row:
    """`others` are bytes of other files of the tree, or of the same server."""
    packed = bench.workshop.packed(tree)
    onefile = f"{figure(packed.size)} ({packed.codec})"
    row = cells("tree | bytes:0 | onefile", tree.name, tree.size, onefile)
    for name in (ARCHIVE, PYINSTALLER):
        size = others.get(name)
        row += cells(f"{name}:0 | onefile to it:3", size, packed.size / size if size else None)
    return row


def programs(bench: Bench) -> str:
    bootloader, program = bench.workshop.bootloader, bench.workshop.program
    size = bootloader.stat().st_size
    bench.check("bootloader", size, BOOTLOADER_BYTES, "bytes")
    headers = output_of(["readelf", "--wide", "--program-headers", bootloader])
    is_dynamic = re.search(r"^ +(INTERP|DYNAMIC) ", headers, re.MULTILINE)
    kind = "**dynamic**" if is_dynamic else "static"
    sizes = {f"bootloader ({kind})": size, "`onefold`": program.stat().st_size}
    return table_of([cells("program | bytes:0", *row) for row in sizes.items()])


def sizes(bench: Bench) -> str:
    said = programs(bench)
    # Which trees have an archive, and a file by PyInstaller.
    compared_trees = [(bench.fastapi, True, True), (bench.frozen, False, True)]
    compared_trees += [(bench.node, True, False), (bench.many, False, False)]
    rows, groups = [], {}
    for tree, archived, frozen in compared_trees:
        others = archive_of(bench, tree) if archived else {}
        if frozen:
            others[PYINSTALLER] = bench.pyinstaller_onefile.stat().st_size
        packed = bench.workshop.packed(tree)
        if tree is bench.fastapi:
            what = f"size to {PYINSTALLER} of the same server"
            bench.check(what, packed.size / others[PYINSTALLER], TO_PYINSTALLER, digits=3)
        rows.append(size_row(bench, tree, others))
        files = {f"onefile, {packed.codec}": packed.size, **others}
        bars = {name: Sample([size / 1e6]) for name, size in files.items()}
        groups[f"{tree.name}: {figure(tree.size / 1e6)} MB"] = bars
    says = "Bars: megabytes of the onefile and of other files of the same trees"
    picture = bench.picture("sizes", bar_chart("Size of the file", "MB", groups), says)
    return text("sizes", programs=said, table=table_of(rows), picture=picture)


# Packing


def compared(bench: Bench, tree: Tree, level: int, room: Path, turns: int) -> tuple[str, float]:
    """A table of packing by zstd from a tar file, and by Onefold from the tree; and the peak memory
    of Onefold's."""
    compressor = shutil.which("zstd")
    if not compressor:
        raise Unavailable("there is no program zstd")
    archive, pack, options = room / "tar", bench.workshop.packing, ("--level", str(level))
    output_of(["tar", "-C", tree.path, "-cf", archive, "."])
    zstd = f"`zstd -T0 -{level}`"
    outputs = {name: room / str(number) for number, name in enumerate((zstd, ONEFOLD, CACHED))}
    commands: dict[str, list[Part]] = {
        zstd: [compressor, "-q", "-f", "-T0", f"-{level}", archive, "-o", outputs[zstd]],
        ONEFOLD: pack(tree, outputs[ONEFOLD], *options),
        CACHED: pack(tree, outputs[CACHED], *options, cache=room / "cache"),
    }
    launch(commands[CACHED])  # fills the cache
    digests, helper = set(), bench.workshop.compiled("PEAK")

    def case(name: str) -> Case:
        def run() -> Run:
            result = launch(commands[name], helper)
            if name != zstd:
                digests.add(hashlib.sha256(outputs[name].read_bytes()).digest())
            return result

        return run

    runs = take_turns({name: case(name) for name in commands}, turns, warm_up=0)
    if len(digests) > 1:
        raise Failure(f"packing {tree.name} again gave other bytes")
    rows, size = [], tree.size / 1e6
    for name, result in runs.items():
        seconds = Sample(value / 1e3 for value in result.wall)
        ratio = result.wall.over(runs[zstd].wall).median
        row = cells("what | MB:1", name, outputs[name].stat().st_size / 1e6) + seconds.cells("s", 2)
        figures = (size / seconds.median, result.processor.median / 1e3, result.peak, ratio)
        heads = f"MB/s:1 | CPU, s:2 | peak memory, MiB:0 | to {zstd}:3"
        rows.append(row + cells(heads, *figures))
    ratio = runs[ONEFOLD].wall.over(runs[zstd].wall).median
    bench.check(f"packing to {zstd}, {tree.name}", ratio, PACK_TO_ZSTD, digits=2)
    return f"\n{tree.description}, zstd {level}:\n\n{table_of(rows)}", runs[ONEFOLD].peak


def pack(bench: Bench) -> str:
    workshop, place, turns = bench.workshop, bench.places[0], bench.at_most(PACKING_TURNS)
    tree = bench.fastapi
    say(f"pack: {tree.name}")
    with place.room() as room:
        level = workshop.packed(tree).facts["level"]
        server, _ = compared(bench, tree, level, room, turns)
    _, archiving = workshop.archived(tree, *ARCHIVE_OPTIONS)
    size = SMALL_BYTES if bench.quick else LARGE_BYTES
    say(f"pack: {size / 1e6:.0f} MB")
    with place.room() as room:
        shape = (1, 4, size // 4, stretches(renamed=True))
        large = synthetic(workshop.compiled("TARGET"), room / "mixed content", *shape)
        mixed, peak = compared(bench, large, LARGE_LEVEL, room, turns)
        remove(large.path)
    bench.check(f"peak memory, packing {figure(size / 1e6)} MB", peak, PACK_PEAK_MIB, "MiB")
    values = {"place": place.name, "turns": turns, "options": " ".join(ARCHIVE_OPTIONS)}
    seconds = figure(archiving.processor / 1e3)
    return text("pack", **values, seconds=seconds, server=server, mixed=mixed)
