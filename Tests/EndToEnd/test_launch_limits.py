"""Real limits: full disks, quotas, no inodes, what stands in the way, and limits of the process. A
launch works, or says what is missing and leaves nothing; and works once there is enough."""

from __future__ import annotations

import os
import resource
import socket
import stat
import unittest
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

from disks import FILE_SYSTEMS, Disk, make_image
from points import Points, evenly
from support import (
    AS_NOBODY,
    IS_ROOT,
    NOBODY,
    Mounts,
    Result,
    StrPath,
    listing,
    make_tree,
    needs_program,
    needs_root,
    noise,
    pack,
    probe,
    program,
    remove_tree,
    run,
    succeed,
    tree_state,
)
from test_launch_cache import CacheCase

KIB = 1024


class Limited(Points, CacheCase):
    """The cache is below a mount; the subclasses say which, and what is scarce there."""

    def setUp(self) -> None:
        super().setUp()
        self.mounts = Mounts(self)
        self.inside = self.mounts.inside(self.cache)
        self.onefile = self.mounts.wrapped(self.packed)

    def allow(self, amount: Optional[int]) -> None:
        """Leaves so much of what is scarce, or enough where there is no number."""
        raise NotImplementedError

    def launch_inside(self, is_silent: bool = False) -> Result:
        """`is_silent`: as if the file system did not say how much room it has, so that a call has
        to fail."""
        if not is_silent:
            return self.onefile.launch(cache=self.cache)
        silent = ["fstatfs:error=ENOSYS"]
        return self.onefile.trace(cache=self.cache, calls="fstatfs", inject=silent).result

    def try_amount(
        self, amount: int, *texts: StrPath, says: str = ".", is_silent: bool = False
    ) -> bool:
        """Returns whether that was too little. Then the message holds the texts, and what `says`
        matches."""
        self.allow(amount)
        result = self.launch_inside(is_silent)
        if result.returncode == 0:
            self.assertWorksInside(result)
        else:
            self.assertRefused(result, self.cache, "ONEFOLD_CACHE", *texts)
            self.assertRegex(result.stderr.decode(), says)
            self.assertNothingLeft(self.inside)
        self.allow(None)
        self.assertWorksInside(self.launch_inside())
        self.clear()
        return result.returncode != 0

    def assertWorksInside(self, result: Result) -> None:
        self.assertLaunched(result)
        self.assertCacheHolds(self.packed, self.state, self.inside)

    def clear(self) -> None:
        for name in listing(self.inside):
            remove_tree(self.inside / name)

    @property
    def content(self) -> int:
        """Bytes of all files, each rounded up to pages."""
        files = (value for value in self.state.values() if value[0] == "file" and value[4])
        return sum((value[3] + 4095) // 4096 * 4096 for value in files)


@needs_root  # Others may not change the size of a tmpfs.
class Memory(Limited):
    def setUp(self) -> None:
        super().setUp()
        self.mounts.tmpfs(self.cache)

    def remount(self, options: str) -> None:
        self.mounts.mount("-o", f"remount,{options}", self.cache)


class Space(Memory):
    what = "a tmpfs that is full at any page"
    few_told = 4
    few_silent = 12

    def allow(self, amount: Optional[int]) -> None:
        self.remount(f"size={amount or 64 * KIB}k")

    def points(self, full: bool) -> Iterable[str]:
        pages = list(range(4, self.content // KIB + 64, 4))
        for sort, few in (("told", self.few_told), ("silent", self.few_silent)):
            for kib in pages if full else evenly(pages, few):
                yield f"{sort}/{kib}"

    def attempt(self, point: str) -> bool:
        sort, _, kib = point.partition("/")
        return self.try_amount(int(kib), "not enough space", "bytes are needed", "are free",
                               is_silent=sort == "silent")  # fmt: skip

    def test_full_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 5)


class LargeSpace(Space):
    """Several frames, and files of several segments, so that two workers meet the end at once."""

    what = "a tmpfs that is full at any 64 KiB, 12 MB of files"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        files = {f"files/{i}": noise(200_000, f"{i}") for i in range(40)}
        cls.tree = make_tree(
            cls.shared / "large tree", {"run": program(), "large": noise(4_000_000), **files}
        )
        cls.state = tree_state(cls.tree)
        cls.packed = pack(cls.tree, cls.shared / "large", "--frame-size", "1024")

    def points(self, full: bool) -> Iterable[str]:
        sizes = list(range(64, self.content // KIB + 256, 64))
        for kib in sizes if full else evenly(sizes, 6):
            yield f"silent/{kib}"

    def test_full_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 3)


class Inodes(Memory):
    what = "a tmpfs whose inodes end at any entry"

    def allow(self, amount: Optional[int]) -> None:
        self.remount(f"nr_inodes={amount or 1000}")

    def points(self, full: bool) -> Iterable[str]:
        counts = range(2, len(self.state) + 8)
        for sort in ("told", "silent"):
            for count in counts if full or sort == "silent" else counts[::6]:
                yield f"{sort}/{count}"

    def attempt(self, point: str) -> bool:
        sort, _, count = point.partition("/")
        said = ["not enough inodes"] if sort == "told" else []
        return self.try_amount(int(count), *said, is_silent=sort == "silent")

    def test_no_inodes_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 10)


@needs_root
class OnDisk(Limited):
    """The cache is on a file system that keeps its data on a disk, where writing is put off."""

    system: str

    def setUp(self) -> None:
        super().setUp()
        system = FILE_SYSTEMS[self.system]
        image = make_image(system, self.work / "image")
        self.disk = Disk(self.mounts, system, image, self.work / "disk")
        self.addCleanup(self.disk.unmount)
        self.cache = self.disk.path / "cache"
        self.inside = self.disk.inside / "cache"
        self.inside.mkdir(mode=0o700)
        self.filler = self.disk.inside / "filler"

    def allow(self, amount: Optional[int]) -> None:
        """A file takes the rest; what was removed before has to be really free."""
        self.filler.unlink(missing_ok=True)
        succeed(run(self.mounts.command(["sync", "-f", self.disk.path])))
        if amount is not None:
            status = os.statvfs(self.disk.inside)
            free = status.f_bavail * status.f_frsize - amount * KIB
            with self.filler.open("wb") as file:
                # Preallocation alone does not always use up room for metadata: take it until none
                # is left.
                while free > 0:
                    try:
                        os.posix_fallocate(file.fileno(), file.seek(0, os.SEEK_END), free)
                        break
                    except OSError:
                        free //= 2

    def points(self, full: bool) -> Iterable[str]:
        sizes = list(range(0, self.content // KIB + 160, 16))
        for kib in sizes if full else evenly(sizes, 3):
            for sort in ("told", "silent"):
                yield f"{sort}/{kib}"

    def attempt(self, point: str) -> bool:
        sort, _, kib = point.partition("/")
        return self.try_amount(int(kib), is_silent=sort == "silent")


class FullExt4(OnDisk):
    what = "a full ext4"
    system = "ext4"

    def test_full_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 0)


class FullXfs(OnDisk):
    what = "a full xfs"
    system = "xfs"

    def test_full_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 0)


class FullBtrfs(OnDisk):
    what = "a full btrfs"
    system = "btrfs"

    def test_full_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 0)


@needs_root
@needs_program("setpriv")
class Quota(Limited):
    """The cache is a user's who may use so much of the disk, which the file system does not
    tell."""

    system: str

    def setUp(self) -> None:
        super().setUp()
        system = FILE_SYSTEMS[self.system]
        image = make_image(system, self.work / "image")
        self.disk = self.mount(image)
        self.addCleanup(self.disk.unmount)
        self.home = self.disk.path / "home"
        self.make_home()
        os.chown(self.mounts.inside(self.home), NOBODY, NOBODY)
        self.cache = self.home / "cache"
        self.inside = self.mounts.inside(self.cache)
        user = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
        self.onefile.command = lambda *arguments: self.mounts.command(  # type: ignore[method-assign]
            [*user, self.packed.path, *arguments]
        )

    def mount(self, image: Path) -> Disk:
        return Disk(self.mounts, FILE_SYSTEMS[self.system], image, self.work / "disk")

    def make_home(self) -> None:
        self.mounts.inside(self.home).mkdir()

    def inside_command(self, *command: StrPath) -> None:
        succeed(run(self.mounts.command(command)))

    def points(self, full: bool) -> Iterable[str]:
        sizes = list(range(16, self.content // KIB + 128, 4))
        for kib in sizes if full else evenly(sizes, 6):
            yield f"{kib}"

    def attempt(self, point: str) -> bool:
        self.inside_command("sync", "-f", self.disk.path)
        return self.try_amount(
            int(point), says="can't be created: no space left|a quota, or inodes"
        )


@needs_program("btrfs")
class QuotaBtrfs(Quota):
    what = "a quota of btrfs"
    system = "btrfs"

    def make_home(self) -> None:
        self.inside_command("btrfs", "quota", "enable", self.disk.path)
        self.inside_command("btrfs", "subvolume", "create", self.home)

    def allow(self, amount: Optional[int]) -> None:
        limit = "none" if amount is None else f"{amount}K"
        # By the number of the first subvolume: what is named below it would need room itself.
        self.inside_command("btrfs", "qgroup", "limit", limit, "0/256", self.disk.path)

    def test_a_quota_that_is_exceeded_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 2)


@needs_program("setquota")
class QuotaExt4(Quota):
    what = "a user's quota of ext4"
    system = "ext4-quota"

    def mount(self, image: Path) -> Disk:
        try:
            return super().mount(image)
        except AssertionError as error:
            raise unittest.SkipTest("needs a kernel with quotas of ext4") from error

    def allow(self, amount: Optional[int]) -> None:
        self.inside_command(
            "setquota", "-u", str(NOBODY), "0", str(amount or 0), "0", "0", self.disk.path
        )

    def test_a_quota_that_is_exceeded_at_any_stage(self) -> None:
        self.assertGreater(self.try_some(), 2)


class Obstacles(Points, CacheCase):
    """Something else stands where a launch expects, or makes, a directory or a file."""

    what = "what is no cache in its place"
    #: Whether a tree was there before.
    places = {"cache": False, "id": False, "lock": False, "seal": True, "lease": True, "tree": True}

    def setUp(self) -> None:
        super().setUp()
        self.elsewhere = self.work / "elsewhere"
        (self.elsewhere / "tree").mkdir(parents=True)
        (self.elsewhere / "file").write_bytes(b"outside")
        self.before = tree_state(self.elsewhere)

    def kinds(self) -> dict[str, Callable[[Path], Any]]:
        result: dict[str, Callable[[Path], Any]] = {
            "file": lambda path: path.write_bytes(b"something"),
            "directory": self.full_directory,
            "link-to-directory": lambda path: path.symlink_to(self.elsewhere),
            "link-to-file": lambda path: path.symlink_to(self.elsewhere / "file"),
            "dangling-link": lambda path: path.symlink_to(self.elsewhere / "nothing"),
            "link-to-itself": lambda path: path.symlink_to(path.name),
            "fifo": os.mkfifo,
            "socket": bind_socket,
        }
        if IS_ROOT:
            result |= {
                "character-device": lambda path: os.mknod(
                    path, stat.S_IFCHR | 0o666, os.makedev(1, 3)
                ),
                "block-device": lambda path: os.mknod(
                    path, stat.S_IFBLK | 0o666, os.makedev(7, 255)
                ),
                "file-of-another": self.of_another(Path.touch),
                "directory-of-another": self.of_another(self.full_directory),
                "link-of-another": self.of_another(lambda path: path.symlink_to(self.elsewhere)),
            }
        return result

    @staticmethod
    def full_directory(path: Path) -> None:
        path.mkdir()
        (path / "file").write_bytes(b"inside")

    @staticmethod
    def of_another(make: Callable[[Path], Any]) -> Callable[[Path], None]:
        def made(path: Path) -> None:
            make(path)
            os.chown(path, NOBODY, NOBODY, follow_symlinks=False)

        return made

    def points(self, full: bool) -> Iterable[str]:
        return [f"{place}/{kind}" for place in self.places for kind in self.kinds()]

    def attempt(self, point: str) -> bool:
        place, _, kind = point.partition("/")
        directory = self.cache / self.packed.tree_name
        path = {
            "cache": self.cache,
            "id": directory,
            "lock": self.lock,
            "seal": directory / "seal",
            "lease": directory / "lease",
            "tree": directory / "tree",
        }[place]
        self.remove(self.cache)
        if self.places[place]:
            self.assertLaunched(self.launch())
            self.remove(path)
        elif place != "cache":
            self.cache.mkdir(mode=0o700)
        self.kinds()[kind](path)
        result = self.launch()
        self.assertSameTree(self.elsewhere, self.before)
        if result.returncode == 0:
            self.assertLaunched(result)
            found = tree_state(self.packed.tree(self.cache))
            if (place, kind) == ("tree", "directory"):
                # It was repaired: what somebody added is left alone, and counts in its time.
                del found[b"file"]
                found[b""] = self.state[b""]
            self.assertEqual(found, self.state)
            left = set(listing(self.cache)) - {self.packed.tree_name}
            # What is no tree of ours is left alone, and what can't be a lock may be in the way for
            # good.
            may_stay = {"cache": {"file"}, "lock": {self.lock.name}}
            self.assertLessEqual(left, may_stay.get(place, set()))
        else:
            # What is in the place of a tree is replaced, and a lock only saves work.
            self.assertEqual(place, "cache")
            self.assertRefused(result, self.cache)
            self.remove(path)
            self.assertLaunched(self.launch())
        return result.returncode != 0

    @staticmethod
    def remove(path: Path) -> None:
        if os.path.lexists(path):
            remove_tree(path)

    def test_anything_in_the_place_of_anything(self) -> None:
        self.try_some()


def bind_socket(path: Path) -> None:
    """By a short name, as long ones are refused."""
    directory = os.open(path.parent, os.O_PATH)
    try:
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{directory}/{path.name}")
    finally:
        os.close(directory)


class Resources(Points, CacheCase):
    """The limits of a process (setrlimit(2))."""

    what = "limits of the process"

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        # The program has to be content with as little.
        files = {f"files/{i}/{j}": noise(20_000, f"{i} {j}") for i in range(6) for j in range(6)}
        cls.tree = make_tree(
            cls.shared / "probe tree",
            {"run": program(probe().read_bytes()), "large": noise(9_000_000), **files},
        )
        cls.state = tree_state(cls.tree)
        cls.packed = pack(cls.tree, cls.shared / "probe", "--level", "3")

    #: By the name of the limit: what tools/soak sets it to, and of how many of them the tests are
    #: content with. Less memory than the first needs the kernel to start any program.
    limits: dict[str, tuple[list[int], int]] = {
        "NOFILE": (list(range(3, 40)), 6),
        "FSIZE": (
            [0, 1, 100, 4096, 19_999, 20_000, 100_000, 1 << 20, 8_999_999, 9_000_000, 1 << 30],
            5,
        ),
        "AS": ([(1 << 20) * mib for mib in range(1, 100)], 8),
        "DATA": ([(1 << 20) * mib for mib in range(1, 100)], 6),
        "STACK": ([(1 << 10) * kib for kib in (64, 128, 256, 512, 1024, 8192)], 2),
        "NPROC": ([0, 1, 2, 3], 2),
    }

    def points(self, full: bool) -> Iterable[str]:
        for name, (values, few) in self.limits.items():
            for value in values if full else evenly(values, few):
                for moment in ("first", "warm"):
                    yield f"{name}/{value}/{moment}"

    def attempt(self, point: str) -> bool:
        name, text, moment = point.split("/")
        number, value = getattr(resource, f"RLIMIT_{name}"), int(text)
        prepare = lambda: resource.setrlimit(number, (value, value))
        options: dict[str, Any] = {}
        if name == "NPROC":
            # Root may have as many as it likes.
            if not IS_ROOT:
                raise unittest.SkipTest("needs root")
            self.cache.mkdir(mode=0o700, exist_ok=True)
            os.chown(self.cache, NOBODY, NOBODY)
            options = AS_NOBODY
        try:
            if moment == "warm":
                self.assertLaunched(self.launch(**options))
            result = self.launch(prepare=prepare, **options)
            if result.returncode == 0:
                self.assertLaunched(result)
                self.assertCacheHolds(self.packed, self.state)
            else:
                self.assertRefused(result)
                if moment == "warm":
                    self.assertCacheHolds(self.packed, self.state)
                elif b"cannot allocate memory" not in result.stderr:
                    # Without memory, nothing can be removed: the next launch does that.
                    self.assertNothingLeft()
                self.assertLaunched(self.launch(**options))
                self.assertCacheHolds(self.packed, self.state)
        finally:
            self.remove_cache()
        return result.returncode != 0

    def test_few_of_everything(self) -> None:
        self.try_some()


if __name__ == "__main__":
    unittest.main()
