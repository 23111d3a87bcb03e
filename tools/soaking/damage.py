"""Sections: flips and fuzz."""

from __future__ import annotations

import os
import re
import subprocess
import tempfile
from pathlib import Path
from typing import Iterator

from common.basics import Failure

from .soak import REPOSITORY, Row, Soak  # Before what it makes importable.

from damage_support import DamagedBootloader, Flip, counts, spread
from support import Onefile, make_tree, pack, parts, scratch
from test_launch_damage import PACKING, entries

# Flips and cuts, of the file that the test makes and of one that was packed.
OF_THE_TEST = (100_000, 5_000)
OF_A_PACKED_FILE = (20_000, 2_000)
LAUNCHES = 2_000
SECONDS_OF_A_TARGET = 180
TARGETS = 8


def flips(soak: Soak) -> Iterator[Row]:
    directory = Path(tempfile.mkdtemp(dir=scratch()))
    directory.chmod(0o755)
    tree = make_tree(directory / "tree", entries())
    onefile = pack(tree, directory / "packed", *PACKING, arguments=["a", "{root}"])
    if soak.wants("test"):
        yield verified(soak, "test", "a file of 48 kB, verified", {}, *OF_THE_TEST)
    if soak.wants("packed"):
        environment = {"ONEFOLD_SWEEP_FILE": str(onefile.path)}
        what = f"a packed file of {onefile.path.stat().st_size // 1000} kB, verified"
        yield verified(soak, "packed", what, environment, *OF_A_PACKED_FILE)
    work = directory / "work"
    work.mkdir()
    yield from launched(soak, onefile, tree, work)


def verified(
    soak: Soak, point: str, what: str, environment: dict[str, str], flips: int, cuts: int
) -> Row:
    """By the unit test, which needs no process for a damage."""
    numbers = {"ONEFOLD_SWEEP_FLIPS": str(flips), "ONEFOLD_SWEEP_CUTS": str(cuts)}
    result = subprocess.run(
        ["swift", "test", "--filter", "DamageSweepTests"],
        cwd=REPOSITORY,
        env={**os.environ, **environment, **numbers},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
    )
    regions = re.findall(r"^sweep: (.+), \d+ bytes: (\d+) flips", result.stdout, re.MULTILINE)
    lengths = re.findall(r"^sweep: (\d+) cuts", result.stdout, re.MULTILINE)
    if not (regions and lengths):
        raise Failure(f"the sweep did not run:\n{result.stdout[-2000:]}")
    wrong = re.findall(r"^\S+ ((?:byte|cut to) \d.+)", result.stdout, re.MULTILINE)
    for text in wrong or ["the test failed"] * (result.returncode != 0):
        soak.failed(point, text)
    tried = sum(int(count) for _, count in regions)
    note = f"{tried:,} flips in {len(regions)} regions, {int(lengths[0]):,} cuts"
    tried += int(lengths[0])
    return Row(what, tried, tried, len(wrong) or int(result.returncode != 0), note)


def launched(soak: Soak, onefile: Onefile, tree: Path, directory: Path) -> Iterator[Row]:
    """Flips of the bootloader alone: no other part of the file has a say before it is verified."""
    damaged = DamagedBootloader(onefile, tree, directory)
    length = parts(onefile.path).trailer.bootloader_length
    wanted = [flip for flip in spread(0, length, LAUNCHES) if soak.wants(str(flip))]
    if soak.point is not None and "^" in soak.point and not wanted:
        offset, _, mask = soak.point.partition("^")
        wanted = [Flip(int(offset), int(mask))]
    outcomes = []
    for flip in soak.progress("launches", wanted, len(wanted)):
        outcome = damaged.launch(flip)
        outcomes.append(outcome)
        if outcome.failure:
            soak.failed(str(flip), outcome.failure)
    if outcomes:
        failures = sum(one.failure is not None for one in outcomes)
        what = "bits of the bootloader, launched"
        yield Row(what, len(outcomes), len(outcomes), failures, counts(outcomes))


def fuzz(soak: Soak) -> Iterator[Row]:
    """By tools/fuzz, which ends a target at its first failure."""
    command = ["tools/fuzz"]
    seconds = SECONDS_OF_A_TARGET * TARGETS
    if soak.point is not None:
        command += ["--only", soak.point]
        seconds = SECONDS_OF_A_TARGET
    if soak.seconds is not None:
        seconds = int(soak.seconds)
    result = subprocess.run(
        [*command, str(seconds)], cwd=REPOSITORY, stdout=subprocess.PIPE, text=True
    )
    for name, inputs, edges, failure in re.findall(
        r"^tools/fuzz: (\w+): (\d+) inputs, (\d+) edges, (failed)?", result.stdout, re.MULTILINE
    ):
        if failure:
            soak.failed(name, "an input that tools/fuzz names")
        yield Row(name, int(inputs), int(inputs), int(bool(failure)), f"{int(edges):,} edges")
    if result.returncode != 0 and soak.failures == 0:
        raise Failure("tools/fuzz failed")
