"""File systems to measure on."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Iterator

from common.basics import Failure

from .running import WORK, Part, output_of, remove, say
from .timing import Case, Run

EXT4_SIZE = 12 << 30


@dataclass
class Place:
    name: str
    path: Path
    journalled: bool = False

    def settle(self) -> None:
        """Waits until the file system has written what earlier cases made."""
        if self.journalled:
            output_of(["sync", "-f", self.path])

    def fresh(self, run: Callable[[Path], Run]) -> Case:
        """A case that gets a path that does not exist. Removing what it makes is not timed."""

        def case() -> Run:
            with self.room("turn") as room:
                return run(room / "target")

        return case

    @contextlib.contextmanager
    def room(self, name: str = "room") -> Iterator[Path]:
        """A directory that is removed afterwards: by default for a section's sources."""
        room = self.path / name
        room.mkdir()
        try:
            yield room
        finally:
            remove(room)
            self.settle()


def own_mounts() -> bool:
    """Gives this process mounts of its own, which vanish with it."""
    new_namespace, private, recursive = 0x20000, 1 << 18, 0x4000
    libc = ctypes.CDLL(None, use_errno=True)
    return (
        os.geteuid() == 0
        and libc.unshare(new_namespace) == 0
        and libc.mount(None, b"/", None, private | recursive, None) == 0
    )


def mounted(name: str, *command: Part) -> Path:
    point = WORK / "mounted" / name
    point.mkdir(parents=True, exist_ok=True)
    output_of(["mount", *command, point])
    return point


def tmpfs() -> Place:
    options = "mode=755,size=75%"
    return Place("tmpfs", mounted("tmpfs", "-t", "tmpfs", "-o", options, "onefold-bench"))


def ext4() -> Place:
    image = WORK / "ext4.image"
    try:
        with image.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, EXT4_SIZE)
        settings = "lazy_itable_init=0,lazy_journal_init=0"
        output_of(["mkfs.ext4", "-q", "-F", "-O", "has_journal", "-E", settings, image])
        point = mounted("ext4", "-t", "ext4", "-o", "loop", image)
        return Place("ext4", point, journalled=True)
    finally:
        image.unlink(missing_ok=True)  # the mount holds it


def in_memory() -> Place:
    """What needs no root."""
    shared = Path("/dev/shm")
    if not shared.is_dir() or os.statvfs(shared).f_flag & os.ST_NOEXEC:
        raise Failure("/dev/shm can't be used; run this as root")
    directory = Path(tempfile.mkdtemp(prefix="onefold-bench-", dir=shared))
    atexit.register(shutil.rmtree, directory, ignore_errors=True)
    return Place("tmpfs", directory)


def find_places() -> list[Place]:
    places: list[Place] = []
    if not own_mounts():
        say("ext4 is left out: mounting one needs root")
        return [in_memory()]
    for make in (tmpfs, ext4):
        try:
            places.append(make())
        except (Failure, OSError) as failure:
            say(f"not measured on {make.__name__}: {failure}")
    return places or [in_memory()]
