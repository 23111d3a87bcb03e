"""Section: sizes."""

from __future__ import annotations

import struct
from pathlib import Path

from .bench import Bench
from .figures import figure, prose, table
from .pictures import Bar, Group, Range, bar_chart
from .trees import Tree

# The figures of the design.
BOOTLOADER_BYTES = 400_000
TO_ARCHIVE = 1.02
TO_PYINSTALLER = 1

ARCHIVE_OPTIONS = ("-19", "--long=27")


def is_static(program: Path) -> bool:
    """Whether an ELF file names no dynamic loader and no shared library."""
    image = program.read_bytes()
    offset = struct.unpack_from("<Q", image, 32)[0]
    size, count = struct.unpack_from("<HH", image, 54)
    types = [
        struct.unpack_from("<I", image, offset + n * size)[0] for n in range(count)
    ]
    dynamic, interpreter = 2, 3
    return dynamic not in types and interpreter not in types


ARCHIVE = f"`tar`, `zstd {' '.join(ARCHIVE_OPTIONS)}`"
PYINSTALLER = "PyInstaller `--onefile`"


HEADS = [
    "tree",
    "bytes",
    "onefile",
    ARCHIVE,
    "onefile to it",
    PYINSTALLER,
    "onefile to it",
]


def archived_trees(bench: Bench) -> list[Tree]:
    """One stream is compressed on one core, for about a minute each."""
    return [bench.fastapi, bench.node]


def rivals_of(bench: Bench, tree: Tree) -> dict[str, int]:
    """The bytes of other files of the tree, or of the same server."""
    sizes = {}
    if tree not in (bench.frozen, bench.many):
        sizes[ARCHIVE] = bench.workshop.archived(tree, *ARCHIVE_OPTIONS).stat().st_size
    if tree in (bench.fastapi, bench.frozen):
        sizes[PYINSTALLER] = bench.pyinstaller_onefile.stat().st_size
    return sizes


def row_of(bench: Bench, tree: Tree, others: dict[str, int]) -> list[str]:
    """Checks the targets as well."""
    packed = bench.workshop.packed(tree)
    if ARCHIVE in others:
        what = f"size to {ARCHIVE}, {tree.name}"
        bench.check(what, packed.size / others[ARCHIVE], TO_ARCHIVE, "", 3)
    if tree is bench.fastapi:
        what = f"size to {PYINSTALLER} of the same server"
        bench.check(what, packed.size / others[PYINSTALLER], TO_PYINSTALLER, "", 3)
    row = [tree.name, figure(tree.size), f"{figure(packed.size)} ({packed.codec})"]
    for name in (ARCHIVE, PYINSTALLER):
        other = others.get(name)
        row += [figure(other), figure(packed.size / other, 3)] if other else ["", ""]
    return row


def sizes(bench: Bench) -> str:
    bootloader = bench.workshop.bootloader
    bench.check("bootloader", bootloader.stat().st_size, BOOTLOADER_BYTES, "bytes")
    linking = "static" if is_static(bootloader) else "**dynamic**"
    text = table(
        ["program", "bytes"],
        [
            [f"bootloader ({linking})", figure(bootloader.stat().st_size)],
            ["`onefold`", figure(bench.workshop.program.stat().st_size)],
        ],
    )
    rows, groups = [], []
    for tree in bench.trees:
        others = rivals_of(bench, tree)
        rows.append(row_of(bench, tree, others))
        packed = bench.workshop.packed(tree)
        sizes = {f"onefile, {packed.codec}": packed.size, **others}
        bars = [Bar(name, Range(size / 1e6)) for name, size in sizes.items()]
        groups.append(Group(f"{tree.name}: {figure(tree.size / 1e6)} MB", bars))
    text += f"\n{table(HEADS, rows)}"
    text += "\n" + prose("""
        *FastAPI server* is packed from its spec; *frozen* is the tree that PyInstaller's `--onedir`
        makes of it. PyInstaller's file is the same in both rows.
    """)
    drawn = bar_chart("Size of the file", "MB", groups)
    says = "Bars: megabytes of the onefile and of other files of the same trees"
    return text + bench.picture("sizes", drawn, says)
