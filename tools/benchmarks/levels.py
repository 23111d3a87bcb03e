"""Section: compression levels."""

from __future__ import annotations

from common.documents import figure, table

from .bench import Bench
from .cold import COPY
from .figures import SPREAD
from .running import MIB, brought, say
from .texts import text
from .timing import copying, take_turns, unpack_onefile

LEVEL_TURNS = 5


def levels(bench: Bench) -> str:
    variants = [["--codec", "store"], ["--codec", "xz", "--level", "6"]]
    variants += [["--level", str(n)] for n in (1, 3, 6, 9, 12, 15, 17, 19, 22)]
    for level in (12, 19):
        for size in (2, 4, 8, 16):
            variants.append(["--level", str(level), "--frame-size", str(size << 10)])
    place = bench.places[0]
    tables = ""
    heads = ["codec", "frames, MiB", "bytes", "of tree", "pack, s", "cold, ms", SPREAD]
    heads += ["CPU, ms", "to `cp -a`"]
    for tree in (bench.fastapi, bench.node):
        with place.room() as room:
            files = []
            for number, options in enumerate(variants):
                say(f"levels: packing {tree.name} {' '.join(options)}")
                files.append(bench.workshop.pack(tree, room / str(number), *options))
            cases = {str(n): place.fresh(unpack_onefile(file.path)) for n, file in enumerate(files)}
            cases[COPY] = place.fresh(copying(brought(tree.path, room)))
            runs = take_turns(cases, LEVEL_TURNS)
        rows = []
        for number, packed in enumerate(files):
            facts, unpacking = packed.facts, runs[str(number)]
            row = [packed.codec, figure(facts["frame_size"] / MIB), figure(facts["bytes_out"])]
            row += [f"{facts['ratio'] * 100:.1f} %", figure(facts["seconds"], 1)]
            row += [*unpacking.wall.cells(), figure(unpacking.processor.median)]
            rows.append(row + [figure(unpacking.wall.over(runs[COPY].wall).median, 2)])
        copy = figure(runs[COPY].wall.median)
        tables += f"\n{tree.description}; `cp -a`: {copy} ms.\n\n{table(heads, rows)}"
    return text("levels", turns=LEVEL_TURNS, place=place.name, tables=tables)
