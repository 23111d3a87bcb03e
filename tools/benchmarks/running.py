"""Runs programs, and knows where everything is."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Sequence, Union

REPOSITORY = Path(__file__).resolve().parents[2]
EXAMPLES = REPOSITORY / ".build" / "examples"
WORK = REPOSITORY / ".build" / "bench"
REPORT = REPOSITORY / "docs" / "benchmarks.md"


MIB = 1 << 20


Part = Union[str, Path]


class Failure(Exception):
    """An expected failure; its message is all the user needs."""


class Unavailable(Failure):
    """What would be measured, or compared with, is not to be had here."""


def last_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return lines[-1] if lines else "it failed"


def free_port() -> int:
    """A port of this machine that nothing listens at now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


# Nothing of the caller's environment that could change what the programs do.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.environ.get("HOME", "/"),
    "LC_ALL": "C",
}


@dataclass
class Run:
    """One run of a program, from before it is spawned until it is reaped, in
    milliseconds."""

    wall: float
    processor: float = 0.0

    def __sub__(self, other: Run) -> Run:
        return Run(self.wall - other.wall, self.processor - other.processor)


def environment_with(variables: dict[str, Part]) -> dict[str, str]:
    return {**ENVIRONMENT, **{name: os.fspath(v) for name, v in variables.items()}}


def spawn(
    command: Sequence[Part],
    variables: dict[str, Part],
    out: int,
    err: int,
    own_group: bool = False,
) -> int:
    arguments = [os.fspath(part) for part in command]
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, out, 1),
        (os.POSIX_SPAWN_DUP2, err, 2),
    ]
    environment = environment_with(variables)
    group = {"setpgroup": 0} if own_group else {}
    return os.posix_spawnp(
        arguments[0], arguments, environment, file_actions=actions, **group
    )


def check(command: Sequence[Part], code: int, errors: str) -> None:
    """`code` is negative where a signal ended the program."""
    if code != 0:
        name = " ".join(os.path.basename(part) for part in command[:2])
        raise Failure(f"{name} ended with {code}: {errors.strip()[-2000:]}")


def launch(command: Sequence[Part], **variables: Part) -> Run:
    """Runs a program to its end; fails if the program does."""
    with open(os.devnull, "w") as null, tempfile.TemporaryFile("w+") as errors:
        start = time.perf_counter_ns()
        pid = spawn(command, variables, null.fileno(), errors.fileno())
        _, status, usage = os.wait4(pid, 0)
        end = time.perf_counter_ns()
        errors.seek(0)
        check(command, os.waitstatus_to_exitcode(status), errors.read())
    return Run((end - start) / 1e6, (usage.ru_utime + usage.ru_stime) * 1e3)


def output_of(command: Sequence[Part], **variables: Part) -> str:
    """What a program prints, where time does not matter."""
    result = subprocess.run(
        [os.fspath(part) for part in command],
        env=environment_with(variables),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    check(command, result.returncode, result.stderr.decode(errors="replace"))
    return result.stdout.decode()


def remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
