"""Sections: cold unpacking, compression levels."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from common.documents import figure

from .bench import Bench
from .figures import cells, table_of
from .pictures import bar_chart
from .places import Place
from .running import MIB, Part, brought, say
from .texts import text
from .timing import Case, Run, Runs, copying, launch, take_turns, unpack_onefile
from .trees import Tree
from .workshop import QUICK_LEVEL, SELF_EXTRACTING

# The figures of the design.
COLD_TO_COPY = 0.75
PYINSTALLER_TO_COLD = 4

COLD_TURNS = 9
MEMORY_TURNS = 4  # on a tmpfs, where times vary less

LEVELS_BESIDE_DEFAULT = (3, 12, 19)

COPY, PYINSTALLER = "`cp -a`", "PyInstaller `--onefile`"


def unpacking(archive: Path) -> Callable[[Path], Run]:
    def run(target: Path) -> Run:
        target.mkdir()
        return launch(["tar", "-C", target, "--zstd", "-xf", archive])

    return run


def extraction_by_makeself(file: Path) -> Callable[[Path], Run]:
    command: list[Part] = [file, *SELF_EXTRACTING, "--noexec", "--target"]
    return lambda target: launch([*command, target])


def extraction_by_pyinstaller(onefile: Path, tree: Tree) -> Callable[[Path], Run]:
    def run(target: Path) -> Run:
        target.mkdir()
        whole = launch([onefile, "--version"], TMPDIR=target)
        return whole - launch([*tree.command(tree.path), "--version"])

    return run


def cold_cases(bench: Bench, place: Place, tree: Tree, room: Path) -> dict[str, Case]:
    workshop = bench.workshop
    default = workshop.packed(tree)
    level = default.facts["level"]
    here = Tree(tree.name, brought(tree.path, room), tree.entry, tree.arguments)
    cases = {COPY: place.fresh(copying(here.path))}
    files = {f"onefile, {default.codec} (default)": default}
    for other in LEVELS_BESIDE_DEFAULT:
        if other != level:
            packed = workshop.packed(tree, "--level", str(other))
            files[f"onefile, {packed.codec}"] = packed
    for name, packed in files.items():
        cases[name] = place.fresh(unpack_onefile(brought(packed.path, room)))
    if tree is bench.frozen:
        run = extraction_by_pyinstaller(brought(bench.pyinstaller_onefile, room), here)
        cases[PYINSTALLER] = place.fresh(run)
        return cases
    archive, _ = workshop.archived(tree, f"-{QUICK_LEVEL}", "-T0")
    cases[f"`tar --zstd -x`, zstd {QUICK_LEVEL}"] = place.fresh(unpacking(brought(archive, room)))
    if tree is not bench.many:
        rival = brought(workshop.self_extracting(tree), room)
        run = extraction_by_makeself(rival)
        cases[f"makeself, zstd {QUICK_LEVEL}"] = place.fresh(run)
    return cases


def check_targets(bench: Bench, tree: Tree, runs: dict[str, Runs]) -> None:
    where = bench.disk.name
    [default] = (name for name in runs if name.endswith("(default)"))
    ratio = runs[default].wall.over(runs[COPY].wall).median
    what = f"cold unpacking to `cp -a`, {tree.name}, {where}"
    bench.check(what, ratio, COLD_TO_COPY, digits=2)
    if PYINSTALLER in runs:
        ratio = runs[PYINSTALLER].wall.over(runs[default].wall).median
        what = f"PyInstaller's unpacking to ours, of the same tree, {where}"
        bench.check(what, ratio, PYINSTALLER_TO_COLD, digits=1, at_least=True)


def unpacked_on(bench: Bench, place: Place, tree: Tree, turns: int) -> tuple[str, dict[str, Runs]]:
    """The table of one tree; on the last place its targets as well."""
    say(f"cold: {tree.name} on {place.name}")
    with place.room() as room:
        runs = take_turns(cold_cases(bench, place, tree, room), turns)
    rows = []
    for name, result in runs.items():
        row = cells("what", name) + result.wall.cells("ms")
        row += cells("CPU, ms:0", result.processor.median)
        rows.append(row + result.wall.over(runs[COPY].wall).cells(f"to {COPY}", 2))
    if place is bench.disk:
        check_targets(bench, tree, runs)
    return f"\n{tree.description}, {place.name}:\n\n{table_of(rows)}", runs


def cold(bench: Bench) -> str:
    tables, groups = "", {}
    for place in bench.places:
        most = COLD_TURNS if place is bench.disk else MEMORY_TURNS
        for tree in bench.trees:
            said, runs = unpacked_on(bench, place, tree, bench.at_most(most))
            tables += said
            if place is bench.disk:
                groups[tree.name] = {name: run.wall for name, run in runs.items()}
    drawn = bar_chart(f"Unpacking on {bench.disk.name}", "ms", groups)
    says = f"Bars: milliseconds of unpacking each tree on {bench.disk.name}, as in the tables"
    values = {"turns": COLD_TURNS, "memory_turns": MEMORY_TURNS, "tables": tables}
    return text("cold", **values, picture=bench.picture("cold", drawn, says))


# Compression levels

LEVEL_TURNS = 5

# Options of `onefold pack`.
VARIANTS = [["--codec", "store"], ["--codec", "xz", "--level", "6"]]
VARIANTS += [["--level", str(level)] for level in (1, 3, 6, 9, 12, 15, 17, 19, 22)]
VARIANTS += [
    ["--level", level, "--frame-size", str(mebibytes << 10)]
    for level in ("12", "19")
    for mebibytes in (2, 4, 8, 16)
]


def levels(bench: Bench) -> str:
    place, tables = bench.places[0], ""
    for tree in (bench.fastapi, bench.node):
        with place.room() as room:
            files = {}
            for number, options in enumerate(VARIANTS):
                say(f"levels: packing {tree.name} {' '.join(options)}")
                files[str(number)] = bench.workshop.pack(tree, room / str(number), *options)
            cases = {name: place.fresh(unpack_onefile(file.path)) for name, file in files.items()}
            cases[COPY] = place.fresh(copying(brought(tree.path, room)))
            runs = take_turns(cases, LEVEL_TURNS)
        copy, rows = runs[COPY].wall, []
        for name, packed in files.items():
            facts, run = packed.facts, runs[name]
            share, frames = f"{facts['ratio'] * 100:.1f} %", facts["frame_size"] / MIB
            figures = (packed.codec, frames, facts["bytes_out"], share, facts["seconds"])
            row = cells("codec | frames, MiB:0 | bytes:0 | of tree | pack, s:1", *figures)
            row += run.wall.cells("cold, ms")
            ratio = run.wall.over(copy).median
            rows.append(row + cells(f"CPU, ms:0 | to {COPY}:2", run.processor.median, ratio))
        told = f"{tree.description}; {COPY}: {figure(copy.median)} ms."
        tables += f"\n{told}\n\n{table_of(rows)}"
    return text("levels", turns=LEVEL_TURNS, place=place.name, tables=tables)
