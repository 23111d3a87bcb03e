"""The power is cut after a first launch, or after a repair: what is launched next works, from a
whole tree.

The disk is a file that remembers every write. A launch is made on a file system on it, and the
system writes to the disk in the worst of the orders that it may choose: names before contents, the
seal before the files. Afterwards the disk as it was after any number of writes is mounted, with
another boot id, and the file launched."""

from __future__ import annotations

import hashlib
import os
import unittest
import uuid
import zlib
from pathlib import Path
from typing import Iterable, NamedTuple, Optional

from disks import FILE_SYSTEMS, Disk, RecordedFile, cut, make_image
from points import Points, evenly
from support import (
    File,
    HardLink,
    Mounts,
    Symlink,
    make_tree,
    needs_root,
    noise,
    pack,
    program,
    run,
    succeed,
    tree_state,
)

BOOT_ID = "/proc/sys/kernel/random/boot_id"


class State(NamedTuple):
    """What stands in a cache after a power cut."""

    #: There is a tree that a whole seal calls complete.
    is_sealed: bool
    #: That tree is not the packed one.
    is_damaged: bool


@needs_root
class PowerCut(Points):
    """The subclasses say which file system."""

    system: str
    #: Moments that tools/test tries.
    few = 6

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        entries = {
            "run": program(),
            "empty": b"",
            "link": Symlink("run"),
            "again": HardLink("files/0/0"),
            "large": File(noise(3_000_000, "large"), mode=0o600),
            **{
                f"files/{i}/{j}": noise(1 + 997 * i * j, f"{i} {j}")
                for i in range(8)
                for j in range(12)
            },
        }
        cls.tree = make_tree(cls.shared / "tree", entries)
        cls.state = tree_state(cls.tree)
        cls.packed = pack(cls.tree, cls.shared / "packed")

    def setUp(self) -> None:
        super().setUp()
        self.mounts = Mounts(self)
        self.file_system = FILE_SYSTEMS[self.system]
        self.place = self.work / "mounted"
        self.cache = self.place / "cache"
        self.boot_id = self.work / "boot id"
        self.reboot()
        self.mounts.mount("--bind", self.boot_id, BOOT_ID)
        self.base = self.work / "base"
        #: What the launches after a cut had to do.
        self.counts = {"repaired": 0, "confirmed": 0, "unpacked": 0}
        self.prepare(make_image(self.file_system, self.work / "empty"))

    def reboot(self) -> None:
        """Written in place, because it is the file that is mounted."""
        self.boot_id.write_text(f"{uuid.uuid4()}\n")

    def prepare(self, empty: Path) -> None:
        """Records what is cut later, from `self.base` on."""
        empty.rename(self.base)
        self.record()

    def record(self) -> None:
        """A launch on the disk that `self.base` holds, and what follows until all is on the
        disk."""
        image = self.work / "recorded"
        succeed(run(["cp", "--sparse=always", self.base, image]))
        file = RecordedFile(self.mounts, image, self.work / "disk")
        try:
            disk = Disk(self.mounts, self.file_system, self.work / "disk", self.place)
            try:
                first = len(file.writes)
                self.launch()
                self.write_back(disk)
                self.moments = list(range(first, len(file.writes) + 1))
            finally:
                disk.unmount()
        finally:
            file.close()
            image.unlink()
        self.writes, self.flushes = file.writes, file.flushes

    def write_back(self, disk: Disk) -> None:
        """In which order, and up to 30 s later, is the system's own affair. It is asked here for
        one that shows all: at first what another program's fsync takes along, which are names; then
        the seal; then some of the files; then the rest."""
        other = disk.inside / "of another program"
        other.write_bytes(b"x")
        self.synchronize(other)
        directory = disk.inside / "cache" / self.packed.tree_name
        self.synchronize(directory / "seal")
        for path in sorted((directory / "tree" / "files").glob("?/5")):
            self.synchronize(path)
        succeed(run(self.mounts.command(["sync", "-f", self.place])))

    @staticmethod
    def synchronize(path: Path) -> None:
        file = os.open(path, os.O_RDONLY)
        try:
            os.fsync(file)
        finally:
            os.close(file)

    def launch(self) -> None:
        self.assertLaunched(self.mounts.launch(self.packed, cache=self.cache))

    def look(self, disk: Disk) -> State:
        """What stands in the cache now."""
        cache = disk.inside / "cache" / self.packed.tree_name
        is_sealed = is_whole_seal(cache / "seal")
        return State(is_sealed, is_sealed and self.is_damaged(cache / "tree"))

    def is_damaged(self, tree: Path) -> bool:
        try:
            return tree_state(tree) != self.state
        except OSError:
            return True

    def points(self, full: bool) -> Iterable[str]:
        chosen = self.moments if full else evenly(self.moments, self.few)
        for index, moment in enumerate(chosen):
            # A disk that has no cache of its own, and one that loses what it may.
            losses: list[Optional[int]] = [None, 1, 2] if full else [None if index % 2 else 1]
            for loss in losses:
                yield f"{moment}-of-{self.moments[-1]}/{'kept' if loss is None else loss}"

    def attempt(self, point: str) -> bool:
        """Returns whether the tree was damaged."""
        moment, _, loss = point.partition("/")
        image = self.work / "cut"
        seed = None if loss == "kept" else int(loss)
        cut(self.base, self.writes, self.flushes, int(moment.partition("-")[0]), image, seed)
        try:
            return self.launch_after_cut(image)
        finally:
            image.unlink()

    def launch_after_cut(self, image: Path) -> bool:
        if self.file_system.check:
            run([*self.file_system.check, image])
        disk = Disk(self.mounts, self.file_system, image, self.place)
        try:
            before = self.look(disk)
            self.reboot()
            cache = disk.inside / "cache"
            tree = cache / self.packed.tree_name / "tree"
            number = tree.stat().st_ino if before.is_sealed and tree.exists() else None
            self.launch()
            self.assertSameTree(tree, self.state)
            seal = (tree.parent / "seal").read_bytes()
            is_same = number == tree.stat().st_ino
            if not before.is_sealed:
                self.counts["unpacked"] += 1
            elif before.is_damaged:
                self.counts["repaired"] += 1
            else:
                self.counts["confirmed"] += 1
                self.assertTrue(is_same, "a right tree was replaced")
                self.assertEqual(seal[6] & 1, 1, "a tree that was confirmed is not marked durable")
            self.check(disk)
            # And the one after that has nothing to do.
            after = tree_state(cache)
            self.launch()
            self.assertSameTree(cache, after)
        finally:
            disk.unmount()
        return before.is_damaged

    def check(self, disk: Disk) -> None:
        """What else a launch after a cut promises."""

    def note(self) -> str:
        return ", ".join(f"{count} {name}" for name, count in self.counts.items())


def is_whole_seal(path: Path) -> bool:
    """As docs/launch.md describes it ("What is in it")."""
    try:
        seal = path.read_bytes()
    except OSError:
        return False
    if len(seal) < 128 or hashlib.sha256(seal[:96]).digest() != seal[96:128]:
        return False
    return zlib.crc32(seal[128:]) == int.from_bytes(seal[64:68], "little")


class Repair(PowerCut):
    """The power is cut again, after a launch that repaired what the first cut had damaged."""

    def prepare(self, empty: Path) -> None:
        super().prepare(empty)
        image = self.work / "damaged"
        for moment in reversed(self.moments):
            cut(self.base, self.writes, self.flushes, moment, image)
            if self.file_system.check:
                run([*self.file_system.check, image])
            disk = Disk(self.mounts, self.file_system, image, self.place)
            try:
                is_damaged = self.look(disk).is_damaged
            finally:
                disk.unmount()
            if is_damaged:
                break
            image.unlink()
        else:
            self.skipTest("needs a first cut that damages the tree")
        image.replace(self.base)
        self.reboot()
        self.record()


class Update(PowerCut):
    """The power is cut after the first launch of a new version. Its tree shares most files with that of the version
    before, which is on the disk."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.older_tree = cls.shared / "older tree"
        succeed(run(["cp", "-a", cls.tree, cls.older_tree]))
        for path in (cls.older_tree / "files").glob("?/5"):
            path.write_bytes(b"older\n")
        cls.older = pack(cls.older_tree, cls.shared / "older packed")

    def prepare(self, empty: Path) -> None:
        disk = Disk(self.mounts, self.file_system, empty, self.place)
        try:
            self.assertLaunched(self.mounts.launch(self.older, cache=self.cache))
            succeed(run(self.mounts.command(["sync", "-f", self.place])))
        finally:
            disk.unmount()
        super().prepare(empty)

    def check(self, disk: Disk) -> None:
        self.assertSameTree(disk.inside / "cache" / self.older.tree_name / "tree", self.older_tree)


class Ext4(PowerCut):
    """With a journal, in the ordered mode that is usual."""

    what = "first launch, ext4"
    system = "ext4"

    def test_after_a_first_launch(self) -> None:
        # Proves that the promise could be broken.
        self.assertGreater(self.try_some(), 0)


class Ext4Writeback(PowerCut):
    what = "first launch, ext4 with data=writeback"
    system = "ext4-writeback"

    def test_after_a_first_launch(self) -> None:
        self.assertGreater(self.try_some(), 0)


class Ext4WithoutJournal(PowerCut):
    what = "first launch, ext4 without a journal, after e2fsck"
    system = "ext4-no-journal"

    def test_after_a_first_launch(self) -> None:
        self.try_some()


class Xfs(PowerCut):
    what = "first launch, xfs"
    system = "xfs"

    def test_after_a_first_launch(self) -> None:
        self.assertGreater(self.try_some(), 0)


class Btrfs(PowerCut):
    what = "first launch, btrfs"
    system = "btrfs"

    def test_after_a_first_launch(self) -> None:
        self.try_some()


class F2fs(PowerCut):
    what = "first launch, f2fs"
    system = "f2fs"

    def test_after_a_first_launch(self) -> None:
        self.try_some()


class Ext4Repair(Repair):
    what = "repair, ext4"
    system = "ext4"

    def test_after_a_repair(self) -> None:
        self.try_some()


class XfsRepair(Repair):
    what = "repair, xfs"
    system = "xfs"

    def test_after_a_repair(self) -> None:
        self.try_some()


class Ext4Update(Update):
    what = "first launch of a new version, ext4"
    system = "ext4"

    def test_after_an_update(self) -> None:
        self.try_some()


class XfsUpdate(Update):
    what = "first launch of a new version, xfs"
    system = "xfs"

    def test_after_an_update(self) -> None:
        self.try_some()


if __name__ == "__main__":
    unittest.main()
