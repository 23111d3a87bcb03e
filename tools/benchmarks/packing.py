"""Section: packing."""

from __future__ import annotations

import hashlib
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from .bench import Bench, peak_of
from .content import large_files
from .figures import (
    SPREAD,
    Case,
    Runs,
    Sample,
    figure,
    prose,
    spread,
    table,
    take_turns,
)
from .running import Failure, Part, Run, Unavailable, launch, output_of, remove, say
from .sizes import ARCHIVE_OPTIONS
from .trees import Tree

# The figures of the design.
PACK_TO_ZSTD = 1.10
PACK_PEAK_MIB = 512

PACKING_TURNS = 2
LARGE_BYTES, LARGE_LEVEL = 1_000_000_000, 3
SMALL_BYTES = 100_000_000  # with --quick

ONEFOLD, CACHED = "`onefold pack`", "`onefold pack`, frames in its cache"


@dataclass
class Rival:
    """A command whose runs are measured with their peak memory."""

    command: Sequence[Part]
    output: Path
    peaks: Sample = field(default_factory=Sample)
    digests: set[bytes] = field(default_factory=set)

    def run(self, bench: Bench) -> Run:
        peak, run = peak_of(bench, self.command)
        self.peaks.append(peak)
        self.digests.add(hashlib.sha256(self.output.read_bytes()).digest())
        return run


def row_of(what: str, tree: Tree, runs: Runs, base: Runs, rival: Rival) -> list[str]:
    size, wall = tree.size, runs.wall
    seconds = Sample(value / 1e3 for value in wall)
    row = [
        what,
        figure(rival.output.stat().st_size / 1e6, 1),
        figure(seconds.median, 2),
    ]
    row += [spread(seconds, 2), figure(size / 1e6 / seconds.median, 1)]
    row += [figure(runs.processor.median / 1e3, 2), figure(max(rival.peaks))]
    return [*row, figure(wall.over(base.wall).median, 3)]


def rivals_of(bench: Bench, tree: Tree, level: int, room: Path) -> dict[str, Rival]:
    """The same bytes, by Onefold from the tree, by zstd from a tar file."""
    archive = room / "tar"
    output_of(["tar", "-C", tree.path, "-cf", archive, "."])
    compressor = shutil.which("zstd")
    if not compressor:
        raise Unavailable("there is no program zstd")
    zstd = [compressor, "-q", "-f", "-T0", f"-{level}", archive, "-o", room / "zst"]
    file, again, cache = room / "onefile", room / "again", room / "cache"
    options = ("--level", str(level))
    packing = bench.workshop.packing
    return {
        zstd_name(level): Rival(zstd, room / "zst"),
        ONEFOLD: Rival(packing(tree, file, *options), file),
        CACHED: Rival(packing(tree, again, *options, cache=cache), again),
    }


def zstd_name(level: int) -> str:
    return f"`zstd -T0 -{level}`"


def compared(
    bench: Bench, tree: Tree, level: int, room: Path, turns: int
) -> tuple[str, float]:
    """The table, and the peak memory of packing."""
    rivals = rivals_of(bench, tree, level, room)
    launch(rivals[CACHED].command)  # fills the cache
    cases: dict[str, Case] = {
        name: (lambda rival=rival: rival.run(bench)) for name, rival in rivals.items()
    }
    runs = take_turns(cases, turns, warm_up=0)
    if len(rivals[ONEFOLD].digests | rivals[CACHED].digests) > 1:
        raise Failure(f"packing {tree.name} again gave other bytes")
    base = runs[zstd_name(level)]
    rows = [row_of(name, tree, runs[name], base, rivals[name]) for name in rivals]
    what = f"packing to {zstd_name(level)}, {tree.name}"
    ratio = runs[ONEFOLD].wall.over(base.wall).median
    bench.check(what, ratio, PACK_TO_ZSTD, "", 2)
    heads = ["what", "MB", "s", SPREAD, "MB/s", "processor, s", "peak memory, MiB"]
    text = f"\n{tree.description}, zstd {level}:\n\n"
    text += table([*heads, f"to {zstd_name(level)}"], rows)
    return text, max(rivals[ONEFOLD].peaks)


METHOD = """
    `onefold pack` of a tree, with `--no-cache`, against the program zstd at the same level, on as many
    threads as there are processors, of a tar file of the same tree; both write to {place}. {turns}
    turns, of which none warms up: these take long. MB/s are those of the tree. All packings of a tree
    gave the same bytes, with and without the cache.
"""


def pack(bench: Bench) -> str:
    place = bench.places[0]
    turns = min(bench.turns, PACKING_TURNS)
    text = prose(METHOD.format(place=place.name, turns=turns))
    tree = bench.fastapi
    level = bench.workshop.packed(tree).facts["level"]
    say(f"pack: {tree.name}")
    with place.room() as room:
        text += compared(bench, tree, level, room, turns)[0]
    archive = bench.workshop.archived(tree, *ARCHIVE_OPTIONS)
    seconds = bench.workshop.seconds_of(archive)
    options = " ".join(ARCHIVE_OPTIONS)
    text += "\n" + prose(f"""
        `zstd {options}` of the same tree, which is one thread's work, took {figure(seconds)} s of
        processor time, once, beside something else.
    """)
    size = SMALL_BYTES if bench.quick else LARGE_BYTES
    say(f"pack: {size / 1e6:.0f} MB")
    with place.room() as room:
        large = large_files(bench.workshop, room / "mixed content", size, 4)
        said, peak = compared(bench, large, LARGE_LEVEL, room, turns)
        remove(large.path)
    what = f"peak memory, packing {figure(size / 1e6)} MB"
    bench.check(what, peak, PACK_PEAK_MIB, "MiB")
    return text + said
