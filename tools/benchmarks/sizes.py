"""Section: sizes."""

from __future__ import annotations

import re

from common.documents import figure, table

from .bench import Bench
from .pictures import Bar, Group, Range, bar_chart
from .running import output_of
from .texts import text
from .trees import Tree

# The figures of the design.
BOOTLOADER_BYTES = 420_000
TO_ARCHIVE = 1.02
TO_PYINSTALLER = 1

ARCHIVE_OPTIONS = ("-19", "--long=27")


ARCHIVE = f"`tar`, `zstd {' '.join(ARCHIVE_OPTIONS)}`"
PYINSTALLER = "PyInstaller `--onefile`"


HEADS = ["tree", "bytes", "onefile", ARCHIVE, "onefile to it", PYINSTALLER, "onefile to it"]


def rivals_of(bench: Bench, tree: Tree) -> dict[str, int]:
    """The bytes of other files of the tree, or of the same server."""
    sizes = {}
    if tree not in (bench.frozen, bench.many):
        sizes[ARCHIVE] = bench.workshop.archived(tree, *ARCHIVE_OPTIONS).path.stat().st_size
    if tree in (bench.fastapi, bench.frozen):
        sizes[PYINSTALLER] = bench.pyinstaller_onefile.stat().st_size
    return sizes


def row_of(bench: Bench, tree: Tree, others: dict[str, int]) -> list[str]:
    """Checks the targets as well."""
    packed = bench.workshop.packed(tree)
    if ARCHIVE in others:
        what = f"size to {ARCHIVE}, {tree.name}"
        bench.check(what, packed.size / others[ARCHIVE], TO_ARCHIVE, "", digits=3)
    if tree is bench.fastapi:
        what = f"size to {PYINSTALLER} of the same server"
        bench.check(what, packed.size / others[PYINSTALLER], TO_PYINSTALLER, "", digits=3)
    row = [tree.name, figure(tree.size), f"{figure(packed.size)} ({packed.codec})"]
    for name in (ARCHIVE, PYINSTALLER):
        other = others.get(name)
        row += [figure(other), figure(packed.size / other, 3)] if other else ["", ""]
    return row


def sizes(bench: Bench) -> str:
    bootloader = bench.workshop.bootloader
    size = bootloader.stat().st_size
    bench.check("bootloader", size, BOOTLOADER_BYTES, "bytes")
    headers = output_of(["readelf", "--wide", "--program-headers", bootloader])
    is_dynamic = re.search(r"^ +(INTERP|DYNAMIC) ", headers, re.MULTILINE)
    programs = [[f"bootloader ({'**dynamic**' if is_dynamic else 'static'})", figure(size)]]
    programs.append(["`onefold`", figure(bench.workshop.program.stat().st_size)])
    rows, groups = [], []
    for tree in bench.trees:
        others = rivals_of(bench, tree)
        rows.append(row_of(bench, tree, others))
        packed = bench.workshop.packed(tree)
        sizes = {f"onefile, {packed.codec}": packed.size, **others}
        bars = [Bar(name, Range(size / 1e6)) for name, size in sizes.items()]
        groups.append(Group(f"{tree.name}: {figure(tree.size / 1e6)} MB", bars))
    drawn = bar_chart("Size of the file", "MB", groups)
    says = "Bars: megabytes of the onefile and of other files of the same trees"
    picture = bench.picture("sizes", drawn, says)
    programs_table = table(["program", "bytes"], programs)
    return text("sizes", programs=programs_table, table=table(HEADS, rows), picture=picture)
