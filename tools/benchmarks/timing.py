"""The clock of this tool, for what `onefold bench` does not launch: copying, archives, packing, and
unpacking that runs no program. Also the memory of one process, which `onefold bench` can't tell
below some megabytes, because it forks."""

from __future__ import annotations

import contextlib
import os
import random
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator, Optional, Sequence

from .figures import Sample
from .running import Part, check, environment_with, say


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
        parts: list[Part] = [helper, peak.name, *command] if helper else [*command]
        whole = [os.fspath(part) for part in parts]
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
