"""Programs that are run, with and without a clock.

The clock is for what `onefold bench` does not launch: copying, archives, packing, and unpacking
that runs no program. It also measures the memory of one process, which `onefold bench` can't tell
below some megabytes, because it forks.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence, Union

from common.basics import REPOSITORY, Failure

from .figures import Sample

WORK = REPOSITORY / ".build" / "bench"
REPORT = REPOSITORY / "docs" / "benchmarks.md"
MIB = 1 << 20

# Without the caller's variables, which could change what the programs do.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.environ.get("HOME", "/"),
    "LC_ALL": "C",
}

Part = Union[str, Path]


def say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


def last_line(failure: Exception) -> str:
    return (str(failure).strip().splitlines() or ["it failed"])[-1]


def environment_with(variables: dict[str, Part]) -> dict[str, str]:
    return {**ENVIRONMENT, **{name: os.fspath(v) for name, v in variables.items()}}


def check(command: Sequence[Part], code: int, errors: str) -> None:
    """Fails unless the code is 0. A negative code is the signal that ended the program."""
    if code != 0:
        name = " ".join(os.path.basename(part) for part in command[:2])
        raise Failure(f"{name} ended with {code}: {errors.strip()[-2000:]}")


def output_of(command: Sequence[Part], **variables: Part) -> str:
    """What a program prints; fails if the program does."""
    environment = environment_with(variables)
    result = subprocess.run(
        command, env=environment, stdin=subprocess.DEVNULL, capture_output=True
    )
    check(command, result.returncode, result.stderr.decode(errors="replace"))
    return result.stdout.decode()


# Files


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)


def brought(source: Path, room: Path) -> Path:
    """A copy on the file system that is measured."""
    copy = room / f"{len(list(room.iterdir()))}-{source.name}"
    output_of(["cp", "-a", source, copy])
    return copy


def kept(directory: Path, made_of: str, make: Callable[[Path], object]) -> Path:
    """The directory, which `make` filled now, or in an earlier run with the same `made_of`."""
    stamp = directory / "made-of"
    if not stamp.exists() or stamp.read_text() != made_of:
        shutil.rmtree(directory, ignore_errors=True)
        directory.mkdir(parents=True)
        make(directory)
        stamp.write_text(made_of)
    return directory


# The clock


@dataclass
class Run:
    """One run of a program, from before it is spawned until it is reaped, in milliseconds."""

    wall: float
    processor: float = 0.0
    peak: float = 0.0  # MiB of resident memory at most, if it was asked for

    def __add__(self, other: Run) -> Run:
        return Run(self.wall + other.wall, self.processor + other.processor)

    def __sub__(self, other: Run) -> Run:
        return Run(self.wall - other.wall, self.processor - other.processor)


class Runs(list):
    """Those of one case."""

    @property
    def wall(self) -> Sample:
        return Sample(run.wall for run in self)

    @property
    def processor(self) -> Sample:
        return Sample(run.processor for run in self)

    @property
    def peak(self) -> float:
        return max(run.peak for run in self)


Case = Callable[[], Run]


def launch(command: Sequence[Part], helper: Optional[Path] = None, **variables: Part) -> Run:
    """Runs a program to its end; fails if the program does. With `helper`, which is PEAK of
    bench-programs.c, its memory is measured as well."""
    with tempfile.TemporaryFile("w+") as errors, tempfile.NamedTemporaryFile("r") as peak:
        actions = [
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, os.devnull, os.O_WRONLY, 0),
            (os.POSIX_SPAWN_DUP2, errors.fileno(), 2),
        ]
        whole = [helper, peak.name, *command] if helper else [*command]
        environment = environment_with(variables)
        start = time.perf_counter_ns()
        pid = os.posix_spawnp(whole[0], whole, environment, file_actions=actions)
        _, status, usage = os.wait4(pid, 0)
        end = time.perf_counter_ns()
        errors.seek(0)
        check(command, os.waitstatus_to_exitcode(status), errors.read())
        kib = int(peak.read() or 0)
    return Run((end - start) / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3, kib / 1024)


def take_turns(cases: dict[str, Case], turns: int, warm_up: int = 1) -> dict[str, Runs]:
    """Runs each case once a turn, every turn in another order. The first turns only warm up."""
    results = {name: Runs() for name in cases}
    order = random.Random(1)
    for turn in range(-warm_up, turns):
        for name in order.sample(list(cases), len(cases)):
            run = cases[name]()
            if turn >= 0:
                results[name].append(run)
    return results


def unpack_onefile(file: Path) -> Callable[[Path], Run]:
    """As a launch unpacks; `ONEFOLD=prewarm` also waits for the disk."""
    return lambda cache: launch([file], ONEFOLD="trace", ONEFOLD_CACHE=cache)


def copying(source: Path) -> Callable[[Path], Run]:
    return lambda target: launch(["cp", "-a", source, target])


@dataclass
class Cost:
    """What a part of the run took."""

    what: str
    seconds: float = 0.0
    processor: float = 0.0  # seconds as well, of all processes that have ended


@contextlib.contextmanager
def costing(what: str) -> Iterator[Cost]:
    cost = Cost(what)
    start, before = time.monotonic(), sum(os.times()[:4])
    yield cost
    cost.seconds = time.monotonic() - start
    cost.processor = sum(os.times()[:4]) - before
    say(f"{what}: {cost.seconds:.0f} s, {cost.processor:.0f} of CPU time")
