"""Where everything is, and programs that are run without a clock."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Sequence, Union

from common.basics import REPOSITORY, Failure

EXAMPLES = REPOSITORY / ".build" / "examples"
WORK = REPOSITORY / ".build" / "bench"
REPORT = REPOSITORY / "docs" / "benchmarks.md"

MIB = 1 << 20

Part = Union[str, Path]


def last_line(failure: Exception) -> str:
    lines = str(failure).strip().splitlines()
    return lines[-1] if lines else "it failed"


def say(message: str) -> None:
    print(f"bench: {message}", file=sys.stderr, flush=True)


# Without the caller's variables, which could change what the programs do.
ENVIRONMENT = {
    "PATH": os.environ.get("PATH", os.defpath),
    "HOME": os.environ.get("HOME", "/"),
    "LC_ALL": "C",
}


def environment_with(variables: dict[str, Part]) -> dict[str, str]:
    return {**ENVIRONMENT, **{name: os.fspath(v) for name, v in variables.items()}}


def check(command: Sequence[Part], code: int, errors: str) -> None:
    """Fails unless the code is 0. A negative code is the signal that ended the program."""
    if code != 0:
        name = " ".join(os.path.basename(part) for part in command[:2])
        raise Failure(f"{name} ended with {code}: {errors.strip()[-2000:]}")


def output_of(command: Sequence[Part], **variables: Part) -> str:
    """What a program prints; fails if the program does."""
    result = subprocess.run(
        [os.fspath(part) for part in command],
        env=environment_with(variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
    )
    check(command, result.returncode, result.stderr.decode(errors="replace"))
    return result.stdout.decode()


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
