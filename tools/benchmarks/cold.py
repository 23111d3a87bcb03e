"""Section: cold unpacking."""

from __future__ import annotations

from pathlib import Path
from typing import Callable

from .bench import Bench, brought, copying, prewarm
from .figures import Case, SPREAD, figure, prose, spread, table, take_turns
from .places import Place
from .running import Run, launch, say
from .trees import Tree

# The figure of the design.
COLD_TO_COPY = 0.75


LEVELS_BESIDE_DEFAULT = (3, 12, 19)


def unpacking(archive: Path) -> Callable[[Path], Run]:
    def run(target: Path) -> Run:
        target.mkdir()
        return launch(["tar", "-C", target, "--zstd", "-xf", archive])

    return run


def extraction_by_pyinstaller(onefile: Path, tree: Tree) -> Callable[[Path], Run]:
    def run(target: Path) -> Run:
        target.mkdir()
        whole = launch([onefile, "--version"], TMPDIR=target)
        return whole - launch([*tree.command(tree.path), "--version"])

    return run


COPY = "`cp -a`"
ONEFILE = "onefile"


def cold_cases(bench: Bench, place: Place, tree: Tree, room: Path) -> dict[str, Case]:
    workshop = bench.workshop
    default = workshop.packed(tree)
    level = default.facts["level"]
    here = Tree(tree.name, brought(tree.path, room), tree.entry, tree.arguments)
    archive = brought(workshop.archived(tree, f"-{level}", "-T0"), room)
    cases = {COPY: place.fresh(copying(here.path))}
    files = {f"{ONEFILE}, {default.codec} (default)": default}
    for other in LEVELS_BESIDE_DEFAULT:
        if other != level:
            packed = workshop.packed(tree, "--level", str(other))
            files[f"{ONEFILE}, {packed.codec}"] = packed
    for name, packed in files.items():
        cases[name] = place.fresh(prewarm(brought(packed.path, room)))
    cases[f"`tar --zstd -x`, zstd {level}"] = place.fresh(unpacking(archive))
    if tree is bench.fastapi:
        rival = brought(bench.pyinstaller_onefile, room)
        run = extraction_by_pyinstaller(rival, here)
        cases["PyInstaller `--onefile`"] = place.fresh(run)
    return cases


def cold(bench: Bench) -> str:
    text = prose(
        """
        `ONEFOLD=prewarm` into a cache that does not exist, against other ways to the same tree.
        Everything that is read lies on the same file system as what is written, and in the page
        cache. Removing the result, and `sync` on ext4, are not in the time; nothing that is
        measured calls `fsync`. `tar` reads a file that the program zstd compressed at the level
        named. PyInstaller has no command that only unpacks: its figure is how much longer its one
        file takes for `--version` than its directory, and contains removing the files, as each of
        its launches does. *Processor* is user and system time. As nothing waits for a disk, a few
        large files cost `cp -a` little more than one copy of their bytes in memory; unpacking
        hashes and decodes them as well.
    """
    )
    for place in bench.places:
        for tree in bench.trees:
            say(f"cold: {tree.name} on {place.name}")
            with place.room() as room:
                runs = take_turns(cold_cases(bench, place, tree, room), bench.turns)
            rows = []
            for name, result in runs.items():
                ratio = result.wall.over(runs[COPY].wall)
                row = [name, figure(result.wall.median), spread(result.wall)]
                row += [figure(result.processor.median)]
                rows.append(row + [figure(ratio.median, 2), spread(ratio, 2)])
                if place is bench.disk and name.endswith("(default)"):
                    what = f"cold unpacking to `cp -a`, {tree.name}, {place.name}"
                    bench.check(what, ratio.median, COLD_TO_COPY, "", 2)
            heads = ["what", "ms", SPREAD, "processor, ms", "to `cp -a`", SPREAD]
            text += f"\n{tree.description}, {place.name}:\n\n{table(heads, rows)}"
    return text
