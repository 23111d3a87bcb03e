"""Disks for the tests: small file systems in files, and one that remembers every write, so that its
power can be cut at any moment afterwards.

All is mounted in the mount namespace of a test (`Mounts`); it needs root.
"""

from __future__ import annotations

import errno
import os
import random
import shutil
import struct
import threading
import unittest
from pathlib import Path
from typing import NamedTuple, Optional, Sequence

from support import IS_ROOT, Mounts, run, succeed

SECTOR = 512
#: Bytes that a disk writes whole or not at all; else no ext4 outlives a cut in its superblock.
BLOCK = 4096


class FileSystem(NamedTuple):
    #: As `mount -t` has it.
    kind: str
    #: What makes it; the image follows.
    make: Sequence[str]
    size: int
    #: Mount options.
    options: str = "rw"
    #: What has to put it right after a power cut, before it is mounted; the image follows.
    check: Sequence[str] = ()


EXT4 = ("mkfs.ext4", "-q", "-F", "-E", "lazy_itable_init=0,lazy_journal_init=0,nodiscard")

FILE_SYSTEMS = {
    "ext4": FileSystem("ext4", EXT4, 64 << 20, "commit=1"),
    "ext4-writeback": FileSystem("ext4", EXT4, 64 << 20, "commit=1,data=writeback"),
    "ext4-no-journal": FileSystem(
        "ext4", (*EXT4, "-O", "^has_journal"), 64 << 20, check=("e2fsck", "-f", "-y")
    ),
    # The smallest that its mkfs makes.
    "xfs": FileSystem("xfs", ("mkfs.xfs", "-q", "-K"), 300 << 20),
    "btrfs": FileSystem("btrfs", ("mkfs.btrfs", "-q", "-K"), 256 << 20, "commit=1"),
    # With quotas that are kept from the first mount on.
    "ext4-quota": FileSystem(
        "ext4", (*EXT4, "-O", "quota", "-E", "quotatype=usrquota"), 64 << 20, "usrquota"
    ),
    "f2fs": FileSystem("f2fs", ("mkfs.f2fs", "-q", "-t", "0"), 128 << 20),
}


def make_image(system: FileSystem, path: Path) -> Path:
    """Makes an empty file system in a file."""
    if not IS_ROOT:
        raise unittest.SkipTest("needs root")
    if shutil.which(system.make[0]) is None:
        raise unittest.SkipTest(f"needs the program {system.make[0]}")
    with path.open("xb") as file:
        file.truncate(system.size)
    succeed(run([*system.make, path]))
    return path


class Disk:
    """A file system that is mounted from a file, in the mount namespace of a test."""

    def __init__(
        self, mounts: Mounts, system: FileSystem, image: Path, place: Path, options: str = ""
    ) -> None:
        self.mounts = mounts
        self.path = place
        place.mkdir(exist_ok=True)
        every = ",".join(filter(None, ("loop", system.options, options)))
        command = ["mount", "-t", system.kind, "-o", every, image, place]
        result = run(mounts.command(command))
        if b"unknown filesystem type" in result.stderr or b"loop device" in result.stderr:
            raise unittest.SkipTest(f"needs a kernel that mounts {system.kind} from a file")
        succeed(result)
        self.inside = mounts.inside(place)

    def unmount(self) -> None:
        succeed(run(self.mounts.command(["umount", self.path])))


class RecordedFile:
    """A regular file that is served by this process, over FUSE, and remembers every write and every
    flush: the disk below a file system. A write is in `writes` before it is reported as done."""

    GETATTR, SETATTR, OPEN, READ, WRITE, STATFS = 3, 4, 14, 15, 16, 17
    RELEASE, FSYNC, FLUSH, INIT, DESTROY = 18, 20, 25, 26, 38
    #: Requests that want no reply: forgetting and interrupting.
    SILENT = (2, 36, 42)
    BIG_WRITES, MAX_PAGES = 1 << 5, 1 << 22
    LONGEST_WRITE = 1 << 20

    def __init__(self, mounts: Mounts, image: Path, place: Path) -> None:
        """The file appears at `place`, in the mounts, with what `image` holds, which is changed
        with it."""
        self.path = place
        self.mounts = mounts
        self.image = os.open(image, os.O_RDWR)
        self.size = os.fstat(self.image).st_size
        #: Offset and bytes.
        self.writes: list[tuple[int, bytes]] = []
        #: Of each flush, how many writes came before it: what a disk may no longer lose.
        self.flushes: list[int] = []
        try:
            self.device = os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC)
        except OSError as error:
            raise unittest.SkipTest(f"needs /dev/fuse: {error.strerror}") from None
        place.touch()
        options = f"fd={self.device},rootmode=100600,user_id=0,group_id=0"
        command = mounts.command(["mount", "-i", "-t", "fuse", "-o", options, "recorded", place])
        result = run(command, pass_fds=[self.device])
        if result.returncode != 0:
            raise unittest.SkipTest(f"needs a kernel that mounts fuse: {result.stderr!r}")
        self.thread = threading.Thread(target=self.serve, daemon=True)
        self.thread.start()

    def close(self) -> None:
        """After what is mounted from the file was unmounted."""
        succeed(run(self.mounts.command(["umount", self.path])))
        self.thread.join()
        os.close(self.device)
        os.close(self.image)

    def serve(self) -> None:
        while True:
            try:
                request = os.read(self.device, self.LONGEST_WRITE + 4096)
            except OSError as error:
                if error.errno in (errno.EINTR, errno.ENOENT, errno.EAGAIN):
                    continue
                return  # ENODEV: unmounted.
            _, operation, unique = struct.unpack_from("<IIQ", request)
            if operation in self.SILENT:
                continue
            failure, reply = self.answer(operation, memoryview(request)[40:])
            os.write(self.device, struct.pack("<IiQ", 16 + len(reply), -failure, unique) + reply)

    def answer(self, operation: int, body: memoryview) -> tuple[int, bytes]:
        if operation == self.INIT:
            flags = self.BIG_WRITES | self.MAX_PAGES
            pages = self.LONGEST_WRITE // 4096
            numbers = (7, 31, 1 << 17, flags, 16, 12, self.LONGEST_WRITE, 1, pages, 0)
            return 0, struct.pack("<IIIIHHIIHH32x", *numbers)
        if operation in (self.GETATTR, self.SETATTR):
            times = (0,) * 6
            numbers = (1, self.size, self.size // SECTOR, *times, 0o100600, 1, 0, 0, 0, 4096, 0)
            return 0, struct.pack("<QII", 3600, 0, 0) + struct.pack("<6Q10I", *numbers)
        if operation == self.OPEN:
            return 0, struct.pack("<QII", 0, 0, 0)
        if operation == self.READ:
            _, offset, count = struct.unpack_from("<QQI", body)
            return 0, os.pread(self.image, count, offset)
        if operation == self.WRITE:
            _, offset, count = struct.unpack_from("<QQI", body)
            content = bytes(body[40 : 40 + count])
            self.writes.append((offset, content))
            os.pwrite(self.image, content, offset)
            return 0, struct.pack("<II", count, 0)
        if operation == self.FSYNC:
            self.flushes.append(len(self.writes))
            return 0, b""
        if operation in (self.RELEASE, self.FLUSH, self.DESTROY):
            return 0, b""
        return errno.ENOSYS, b""


def cut(
    base: Path,
    writes: Sequence[tuple[int, bytes]],
    flushes: Sequence[int],
    moment: int,
    image: Path,
    loss: Optional[int] = None,
) -> None:
    """What the disk holds whose power is cut after `moment` writes, as a new file: what it held at
    first, and the writes. With `loss`, a random seed, the disk had a cache of its own: of the
    writes since its last flush it kept a part, in no order, and of the last one some blocks."""
    succeed(run(["cp", "--sparse=always", base, image]))
    kept = list(range(min(moment, len(writes))))
    torn = None
    if loss is not None:
        random_number = random.Random(loss)
        safe = max((count for count in flushes if count <= moment), default=0)
        lost = [number for number in kept[safe:] if random_number.random() < 0.5]
        kept = sorted(set(kept) - set(lost))
        torn = kept[-1] if kept and kept[-1] >= safe else None
    with image.open("r+b") as file:
        for number in kept:
            offset, content = writes[number]
            if number == torn:
                end = (offset + random_number.randint(0, len(content))) // BLOCK * BLOCK
                content = content[: max(0, end - offset)]
            file.seek(offset)
            file.write(content)
