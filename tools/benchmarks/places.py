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
from typing import Callable, Iterator, Optional

from .figures import Case
from .running import Failure, Part, Run, WORK, output_of, remove, say

EXT4_SIZE = 12 << 30


@dataclass
class Place:
    name: str
    path: Path
    journalled: bool = False

    def settle(self) -> None:
        """Has no earlier case's writing go on while the next one is measured."""
        if self.journalled:
            output_of(["sync", "-f", self.path])

    def fresh(self, run: Callable[[Path], Run]) -> Case:
        """A case that gets a path that does not exist; what it makes there is
        removed afterwards, outside of the time."""

        def case() -> Run:
            target = self.path / "target"
            try:
                return run(target)
            finally:
                remove(target)
                self.settle()

        return case

    @contextlib.contextmanager
    def room(self) -> Iterator[Path]:
        """A directory for a section's sources."""
        room = self.path / "room"
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


def mount(name: str, *command: Part) -> Optional[Path]:
    point = WORK / "mounted" / name
    point.mkdir(parents=True, exist_ok=True)
    try:
        output_of(["mount", *command, point])
    except Failure as failure:
        say(f"not measured on {name}: {failure}")
        return None
    return point


def mount_ext4() -> Optional[Path]:
    image = WORK / "ext4.image"
    try:
        with image.open("wb") as file:
            os.posix_fallocate(file.fileno(), 0, EXT4_SIZE)
        settings = "lazy_itable_init=0,lazy_journal_init=0"
        output_of(["mkfs.ext4", "-q", "-F", "-O", "has_journal", "-E", settings, image])
        return mount("ext4", "-t", "ext4", "-o", "loop", image)
    except (Failure, OSError) as failure:
        say(f"not measured on ext4: {failure}")
        return None
    finally:
        image.unlink(missing_ok=True)  # the mount holds it


def find_places() -> list[Place]:
    places = []
    if own_mounts():
        tmpfs = mount(
            "tmpfs", "-t", "tmpfs", "-o", "mode=755,size=75%", "onefold-bench"
        )
        if tmpfs:
            places.append(Place("tmpfs", tmpfs))
        ext4 = mount_ext4()
        if ext4:
            places.append(Place("ext4", ext4, journalled=True))
    else:
        say("ext4 is left out: mounting one needs root")
    if not places:
        shared = Path("/dev/shm")
        if not shared.is_dir() or os.statvfs(shared).f_flag & os.ST_NOEXEC:
            raise Failure("/dev/shm can't be used; run this as root")
        directory = Path(tempfile.mkdtemp(prefix="onefold-bench-", dir=shared))
        atexit.register(shutil.rmtree, directory, ignore_errors=True)
        places.append(Place("tmpfs", directory))
    return places
