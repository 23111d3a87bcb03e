"""Programs that are run without a clock, and files."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Callable, Sequence, Union

from common.basics import REPOSITORY, Failure

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
    result = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True)
    check(command, result.returncode, result.stderr.decode(errors="replace"))
    return result.stdout.decode()


def words_of(command: str, **values: Part) -> list[Part]:
    """The words of a command with values in place of their names; a value may hold spaces."""
    return [word.format(**values) for word in command.split()]


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
