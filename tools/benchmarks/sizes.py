"""Section: sizes."""

from __future__ import annotations

import struct
from pathlib import Path

from .bench import Bench
from .figures import figure, table

BOOTLOADER_BYTES = 400_000


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
    rows = []
    for tree in bench.trees:
        packed = bench.workshop.packed(tree)
        archive = bench.workshop.archived(tree, "-19", "--long=27").stat().st_size
        row = [tree.name, figure(tree.size), f"{figure(packed.size)} ({packed.codec})"]
        row += [figure(archive), figure(packed.size / archive, 3)]
        if tree is bench.fastapi:
            other = bench.pyinstaller_onefile.stat().st_size
            row += [figure(other), figure(packed.size / other, 3)]
        else:
            row += ["", ""]
        rows.append(row)
    heads = ["tree", "bytes", "onefile", "`tar`, `zstd -19 --long=27`", "onefile to it"]
    heads += ["PyInstaller `--onefile`", "onefile to it"]
    return f"{text}\n{table(heads, rows)}"
