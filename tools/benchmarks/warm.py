"""Section: warm launches."""

from __future__ import annotations

from pathlib import Path
from typing import Sequence

from .bench import Bench
from .figures import Case, SPREAD, Sample, figure, prose, spread, table, take_turns
from .running import launch, output_of, remove, say
from .trees import synthetic

# The figures of the design.
WARM_SEAL_MS = 0.3
WARM_DIRECTORIES_MS = 1.0
WARM_DIRECTORIES = 1_000


WARM_LAUNCHES_PER_TURN = 20


CHECKS = ("seal", "dirs", "files")


def overheads_of(
    bench: Bench, file: Path, cache: Path, checks: Sequence[str], turns: int
) -> dict[str, Sample]:
    """By check, the milliseconds that a warm launch of `file`, whose entry is `program`, takes longer
    than the shim; and the shim's."""
    launch([file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    root = output_of([file], ONEFOLD="path", ONEFOLD_CACHE=cache).strip()
    program = Path(root) / "program"
    shim = bench.workshop.compiled("SHIM")
    cases: dict[str, Case] = {"shim": lambda: launch([shim, program])}
    for check in checks:
        cases[check] = lambda check=check: launch(
            [file], ONEFOLD_CACHE=cache, ONEFOLD_CHECK=check
        )
    runs = take_turns(cases, turns, warm_up=5)
    overheads = {check: runs[check].wall.minus(runs["shim"].wall) for check in checks}
    return {"shim": runs["shim"].wall, **overheads}


def warm_overheads(bench: Bench, at: Path, *shape: int) -> dict[str, Sample]:
    tree = synthetic(bench.workshop, at, *shape)
    file, cache = at.with_name("onefile"), at.with_name("cache")
    bench.workshop.pack(tree, file, "--codec", "store")
    turns = bench.turns * WARM_LAUNCHES_PER_TURN
    overheads = overheads_of(bench, file, cache, CHECKS, turns)
    for path in (at, cache, file):
        remove(path)
    return overheads


def warm(bench: Bench) -> str:
    # Directories, files in each of them, bytes in all.
    shapes = [(1, 10, 10_000), (100, 10, 1_000_000), (WARM_DIRECTORIES, 10, 10_000_000)]
    shapes += [(1, 50, size * 1_000_000) for size in (5, 50, 500)]
    rows = []
    seal = []
    for directories, files, size in shapes:
        say(f"warm: {directories} directories, {size / 1e6:.2f} MB")
        with bench.disk.room() as room:
            overheads = warm_overheads(bench, room / "tree", directories, files, size)
        row = [figure(directories), figure(directories * files), figure(size / 1e6, 2)]
        row.append(figure(overheads.pop("shim").median, 3))
        for check, overhead in overheads.items():
            row += [figure(overhead.median, 3), spread(overhead, 2)]
        rows.append(row)
        seal.append(overheads["seal"].median)
        if directories == WARM_DIRECTORIES:
            what = f"warm launch over a bare shim, `dirs` at {figure(directories)} directories"
            bench.check(what, overheads["dirs"].median, WARM_DIRECTORIES_MS, "ms", 2)
    what = "warm launch over a bare shim, `seal`, the slowest payload"
    bench.check(what, max(seal), WARM_SEAL_MS, "ms", 2)
    heads = ["directories", "files", "MB", "shim, ms"]
    for check in CHECKS:
        heads += [f"+ `{check}`, ms", SPREAD]
    launches = bench.turns * WARM_LAUNCHES_PER_TURN
    text = f"""
        The shim is a static program that does nothing but `execve`; it and the onefile execute the
        same static program, which ends at once. A column with a + is how much longer a warm launch
        of the onefile takes than the shim in the same turn, by `ONEFOLD_CHECK`; {launches} turns,
        on {bench.disk.name}.
    """
    return f"{prose(text)}\n{table(heads, rows)}"
