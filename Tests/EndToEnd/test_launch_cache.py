"""Whatever happens to the cache directory, the next launch works and the tree is the packed one."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import unittest
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterable, Optional

from spec_support import paths
from support import (
    AS_NOBODY,
    MTIME,
    NOBODY,
    Call,
    Case,
    Directory,
    File,
    HardLink,
    Mounts,
    Result,
    StrPath,
    Symlink,
    Trace,
    assert_remains,
    change_seal,
    listing,
    make_tree,
    needs_root,
    noise,
    pack,
    pass_tick,
    probe,
    program,
    remove_tree,
    scratch,
    seal_in_another_boot,
    tree_state,
)

#: What changes the cache while a tree is unpacked.
CHANGING = (
    "mkdirat,openat,pwrite64,write,ftruncate,utimensat,fchmod,fchmodat,symlinkat,linkat,renameat,"
    "renameat2,unlinkat,flock"
)


def entries() -> dict[str, Any]:
    """Small, with all that takes a system call of its own."""
    return {
        "run": program(),
        "a/file": noise(3000, "a"),
        "a/b/file": File(noise(3000, "b"), mode=0o600),
        "a/b/link": Symlink("file"),
        "a/again": HardLink("a/file"),
        "large": File(noise(200_000), mtime=MTIME - 1),
        "hole": File(bytes(200_000) + b"x"),
        "empty": b"",
        "read-only": Directory(0o555),
        "read-only/file": File(b"x", mode=0o444),
        "package/module.py": b"import this\n",
    }


class CacheCase(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.tree = make_tree(cls.shared / "tree", entries())
        cls.state = tree_state(cls.tree)
        cls.packed = pack(cls.tree, cls.shared / "packed", "--frame-size", "64")

    def launch(self, **options: Any) -> Result:
        return self.packed.launch(cache=self.cache, **options)

    def traced(self, calls: str = "all", inject: Iterable[str] = (), **options: Any) -> Trace:
        return self.packed.trace(cache=self.cache, calls=calls, inject=inject, **options)

    @property
    def lock(self) -> Path:
        return self.cache / f"{self.packed.tree_name}.lock"

    def assertWorks(self) -> None:
        """A launch works, and nothing is in the cache but the whole tree."""
        self.assertLaunched(self.launch())
        self.assertCacheHolds(self.packed, self.state)

    def assertIsWarm(self, **options: Any) -> None:
        traced = self.traced(**options)
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])

    def launch_and_damage(self) -> None:
        """Makes a tree that takes all that a repair can do."""
        self.assertLaunched(self.launch())
        unpacked = self.packed.tree(self.cache)
        remove_tree(unpacked / "a" / "b")
        (unpacked / "a" / "file").write_bytes(b"in all names of the file")
        os.truncate(unpacked / "run", 3)
        replace(unpacked / "large", Path.mkdir)
        (unpacked / "large" / "planted").touch()
        replace(unpacked / "package", symlink_to(self.work))
        (unpacked / "read-only" / "file").unlink()
        (unpacked / "hole").chmod(0o600)

    def remove_cache(self) -> None:
        if self.cache.exists():
            remove_tree(self.cache)

    def moments(
        self, calls: str = CHANGING, prepare: Callable[[], Any] = lambda: None
    ) -> list[tuple[str, int]]:
        """System calls of a launch, of a first one where `prepare` makes no tree: name and number,
        as `inject` counts, at the beginning, in the middle and at the end of each kind."""
        prepare()
        launch = [call.name for call in self.traced(calls + ",execve").main]
        self.remove_cache()
        result = []
        for name in calls.split(","):
            count = launch.count(name)
            numbers = {1, 2, count // 4, count // 2, 3 * count // 4, count - 1, count}
            result += [(name, number) for number in sorted(numbers) if 0 < number <= count]
        return result


class Killed(CacheCase):
    """What a launch that was killed left. test_sweep_kill.py kills it at every call."""

    def test_staging_of_a_killed_repair_is_reclaimed_by_the_next(self) -> None:
        self.launch_and_damage()
        self.traced("renameat2", ["renameat2:signal=SIGKILL:when=1"])
        self.assertGreater(len(listing(self.cache)), 1)
        self.assertWorks()

    def test_an_abandoned_lock_file_is_no_lock(self) -> None:
        self.cache.mkdir(mode=0o700)
        self.lock.write_bytes(b"")
        self.assertWorks()

    def test_all_that_is_left_of_a_killed_launch_is_cleaned(self) -> None:
        for at in ("pwrite64:when=1", "renameat2:when=1", "unlinkat:when=1"):
            with self.subTest(at=at):
                self.traced(at.partition(":")[0], [f"{at}:signal=SIGKILL"])
                self.assertGreater(len(listing(self.cache)), 1)
                self.assertEqual(self.launch(verb="clean").returncode, 0)
                self.assertNothingLeft()
            self.remove_cache()

    def test_foreign_files_are_left_alone(self) -> None:
        self.cache.mkdir(mode=0o700)
        others = [".hidden", "file", "0" * 32]
        for name in others:
            (self.cache / name).mkdir()
        self.assertLaunched(self.launch())
        self.assertEqual(listing(self.cache), sorted([*others, self.packed.tree_name]))


class Failing(CacheCase):
    """Errors that a launch gets over. test_sweep_fault.py tries all at every call."""

    def test_past_the_limit_of_a_file_size_nothing_is_left(self) -> None:
        prepare = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        result = self.launch(prepare=prepare)
        self.assertRefused(result, self.cache, "large")
        self.assertNothingLeft()

    def test_few_descriptors_are_enough(self) -> None:
        wide = {f"{i}/{j}/file": b"%d" % i for i in range(10) for j in range(10)}
        tree = make_tree(self.work / "wide", {"run": program(), **wide})
        packed = pack(tree, self.work / "packed")
        prepare = lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (30, 30))
        self.assertLaunched(packed.launch(cache=self.cache, prepare=prepare))
        self.assertCacheHolds(packed, tree)

    def test_file_systems_without_atomic_exchange_are_repaired_too(self) -> None:
        for error in ("EINVAL", "ENOSYS"):
            for damage in (self.launch_and_damage, self.launch_and_lose_tree):
                damage()
                self.assertLaunched(self.traced("renameat2", [f"renameat2:error={error}"]).result)
                self.assertCacheHolds(self.packed, self.state)

    def test_without_atomic_exchange_there_is_no_tree_for_a_moment_only(self) -> None:
        """And no half one, should the launch be killed then."""
        self.launch_and_lose_tree()
        traced = self.traced("renameat,renameat2,unlinkat", ["renameat2:error=EINVAL"])
        self.assertLaunched(traced.result)
        changes = [call for call in traced.main if call.name in ("renameat", "unlinkat")]
        name = f'"{self.packed.tree_name}"'
        # First without RENAME_EXCHANGE and RENAME_NOREPLACE, and in vain.
        at = max(i for i, call in enumerate(changes) if call.arguments.endswith(name))
        self.assertEqual([call.name for call in changes[at - 1 : at + 1]], ["renameat"] * 2)
        self.assertIn(name, changes[at - 1].arguments)
        self.assertCacheHolds(self.packed, self.state)

    def launch_and_lose_tree(self) -> None:
        self.launch()
        remove_tree(self.packed.tree(self.cache))

    def test_file_systems_without_renameat2_are_enough(self) -> None:
        for error in ("EINVAL", "ENOSYS"):
            self.assertLaunched(self.traced("renameat2", [f"renameat2:error={error}"]).result)
            self.assertCacheHolds(self.packed, self.state)
            self.remove_cache()

    def test_an_entry_that_is_still_open_for_writing_is_tried_again(self) -> None:
        """As where another thread forked while the entry was written."""
        self.launch()
        with (self.packed.tree(self.cache) / "run").open("r+b"):
            process = self.packed.start(cache=self.cache)
            assert_remains(lambda: process.poll() is None, "the launch that can't execute the entry")
        output, errors = process.communicate()
        self.assertEqual((process.returncode, output, errors), (0, b"hello\n", b""))


class Candidates(Case):
    """Which directory becomes the cache. /var/tmp and /tmp are the test's own."""

    def setUp(self) -> None:
        super().setUp()
        self.mounts = Mounts(self)
        if str(scratch()).startswith(("/tmp", "/var/tmp")):
            self.skipTest("needs a directory for tests that is not below /tmp")
        for path in ("/tmp", "/var/tmp"):
            self.mounts.tmpfs(Path(path), "mode=1777")
        self.tree = make_tree(self.work / "tree", {"run": program()})
        self.packed = pack(self.tree, self.work / "packed")
        self.onefile = self.mounts.wrapped(self.packed)
        self.home = self.directory("home")

    def directory(self, name: str, mode: int = 0o755, owner: int = -1) -> Path:
        path = self.work / name
        path.mkdir()
        path.chmod(mode)
        os.chown(path, owner, -1)
        return path

    def close(self, *paths: str) -> None:
        """Makes these directories empty, and such that nobody can make one in them."""
        for path in paths:
            self.mounts.mount("-t", "tmpfs", "-o", "ro", "none", path)

    def prewarm(self, verb: str = "prewarm", **variables: StrPath) -> Result:
        return self.onefile.launch(verb=verb, environment=variables)

    def assertUses(self, cache: StrPath, **variables: StrPath) -> None:
        tree = os.fsencode(Path(os.fspath(cache)) / self.packed.tree_name / "tree")
        self.assertSucceeded(self.prewarm(**variables), tree + b"\n")
        self.assertSameTree(self.mounts.inside(os.fsdecode(tree)), self.tree)

    def assertSkips(self, reason: str, path: StrPath, **variables: StrPath) -> None:
        self.close("/tmp", "/var/tmp")
        self.assertRefused(self.prewarm(**variables), f"{os.fspath(path)}' {reason}")

    @property
    def user(self) -> str:
        return "0"  # In a user namespace as well.

    # The order

    def test_the_given_directory_is_used_alone(self) -> None:
        given = {"XDG_CACHE_HOME": self.work / "xdg", "HOME": self.home}
        self.assertUses(self.cache, ONEFOLD_CACHE=self.cache, **given)
        (self.work / "file").write_bytes(b"")
        result = self.prewarm(ONEFOLD_CACHE=self.work / "file", **given)
        self.assertRefused(result, self.work / "file")
        self.assertEqual(listing(self.home), [])

    def test_the_given_directory_may_be_relative(self) -> None:
        result = self.packed.launch(cwd=self.work, environment={"ONEFOLD_CACHE": "a/../cache"})
        # ".." needs "a".
        (self.work / "a").mkdir(exist_ok=True)
        result = self.packed.launch(cwd=self.work, environment={"ONEFOLD_CACHE": "a/cache"})
        self.assertLaunched(result)
        self.assertCacheHolds(self.packed, self.tree, self.work / "a" / "cache")

    def test_first_the_cache_home_then_the_home(self) -> None:
        xdg = self.work / "xdg"
        self.assertUses(xdg / "onefold", XDG_CACHE_HOME=xdg, HOME=self.home)
        self.assertUses(self.home / ".cache" / "onefold", HOME=self.home)
        self.assertUses(self.home / ".cache" / "onefold", XDG_CACHE_HOME="", HOME=self.home)

    def test_then_the_directories_for_temporary_files(self) -> None:
        temporary = self.directory("temporary")
        name = f"onefold-{self.user}"
        self.assertUses(f"/var/tmp/{name}", TMPDIR=temporary)
        self.assertUses(f"/var/tmp/{name}", TMPDIR=temporary, HOME="", ONEFOLD_CACHE="")
        self.close("/var/tmp")
        self.assertUses(temporary / name, TMPDIR=temporary)
        self.assertUses(f"/tmp/{name}")
        self.assertUses(f"/tmp/{name}", TMPDIR="")

    def test_relative_directories_are_skipped(self) -> None:
        relative = {"XDG_CACHE_HOME": "xdg", "HOME": "home", "TMPDIR": "tmp"}
        self.assertUses(f"/var/tmp/onefold-{self.user}", **relative)

    def test_a_tree_in_a_later_directory_is_no_reason_to_use_it(self) -> None:
        """The first that can be written to is used: the choice does not depend on the past."""
        self.assertUses(f"/var/tmp/onefold-{self.user}")
        self.assertUses(self.home / ".cache" / "onefold", HOME=self.home)

    def test_if_no_directory_is_usable_each_is_named_with_its_reason(self) -> None:
        self.close("/tmp", "/var/tmp")
        (self.home / ".cache").write_bytes(b"")
        result = self.prewarm(HOME=self.home, XDG_CACHE_HOME="relative", TMPDIR="/tmp")
        self.assertRefused(
            result,
            "relative/onefold' is not absolute",
            f"{self.home}/.cache/onefold' ",
            f"/var/tmp/onefold-{self.user}' can't be created: read-only file system",
            f"/tmp/onefold-{self.user}' ",
            "ONEFOLD_CACHE",
        )

    def test_path_and_launch_choose_the_same(self) -> None:
        for variables in ({"HOME": self.home}, {}, {"XDG_CACHE_HOME": self.work / "x"}):
            said = self.prewarm("path", **variables)
            self.assertSucceeded(said)
            self.assertSucceeded(self.prewarm(**variables), said.stdout)

    # What makes a directory unfit

    def test_on_a_noexec_mount(self) -> None:
        home = self.mounts.tmpfs(self.work / "noexec", "mode=0755,noexec")
        self.assertUses(f"/var/tmp/onefold-{self.user}", HOME=home)
        cache = home / ".cache" / "onefold"
        self.assertSkips("is on a noexec mount", cache, HOME=home)
        self.assertSkips("is on a noexec mount", home / "c", ONEFOLD_CACHE=home / "c")

    def test_writable_by_others(self) -> None:
        for mode in (0o777, 0o1777, 0o770, 0o707):
            cache = self.directory(f"cache {mode:o}", mode)
            self.assertSkips("can be written to by others", cache, ONEFOLD_CACHE=cache)
            self.assertNothingLeft(cache)

    @needs_root
    def test_of_another_user(self) -> None:
        cache = self.directory("cache", 0o755, NOBODY)
        self.assertSkips("belongs to another user", cache, ONEFOLD_CACHE=cache)
        self.assertNothingLeft(cache)

    def test_a_symlink(self) -> None:
        real = self.directory("real", 0o700)
        link = self.work / "link"
        link.symlink_to(real)
        self.assertSkips("is a symlink", link, ONEFOLD_CACHE=link)
        self.assertNothingLeft(real)

    def test_a_symlink_to_nothing(self) -> None:
        link = self.work / "link"
        link.symlink_to(self.work / "nothing")
        self.assertSkips("is a symlink", link, ONEFOLD_CACHE=link)
        self.assertFalse((self.work / "nothing").exists())

    def test_no_directory(self) -> None:
        os.mkfifo(self.work / "fifo")
        (self.work / "file").write_bytes(b"")
        for name in ("fifo", "file"):
            path = self.work / name
            self.assertSkips("is a symlink or no directory", path, ONEFOLD_CACHE=path)

    @needs_root
    def test_below_another_user_s_home_for_root(self) -> None:
        home = self.directory("home of another", 0o755, NOBODY)
        self.assertUses(f"/var/tmp/onefold-{self.user}", HOME=home)
        self.assertUses(f"/var/tmp/onefold-{self.user}", XDG_CACHE_HOME=home)
        # What is missing would be made there.
        self.assertUses(f"/var/tmp/onefold-{self.user}", XDG_CACHE_HOME=home / "not" / "there")
        self.assertEqual(listing(home), [])
        cache = home / ".cache" / "onefold"
        reason = f"is below '{home}', which belongs to another user"
        self.assertSkips(reason, cache, HOME=home)

    @needs_root
    def test_below_another_user_s_directory_for_temporary_files_for_root(self) -> None:
        temporary = self.directory("temporary of another", 0o755, NOBODY)
        self.close("/var/tmp")
        self.assertUses(f"/tmp/onefold-{self.user}", TMPDIR=temporary)
        self.assertEqual(listing(temporary), [])
        own = temporary / f"onefold-{self.user}"
        reason = f"is below '{temporary}', which belongs to another user"
        self.assertSkips(reason, own, TMPDIR=temporary)

    @needs_root
    def test_planted_in_the_directory_for_temporary_files(self) -> None:
        """By somebody who knows the name before us."""
        name = f"onefold-{self.user}"
        planted = self.mounts.inside(f"/var/tmp/{name}")
        planted.mkdir()
        os.chown(planted, NOBODY, NOBODY)
        self.assertUses(f"/tmp/{name}")
        self.assertEqual(listing(planted), [])

    # What does not

    def test_unusual_but_safe_directories_are_used(self) -> None:
        """A set-gid home, ancestors that a group can write to, a symlink on the way."""
        home = self.directory("shared home", 0o2775)
        self.assertUses(home / ".cache" / "onefold", HOME=home)
        (self.work / "link").symlink_to(home)
        self.assertUses(self.work / "link" / ".cache" / "onefold", HOME=self.work / "link")
        (self.home / ".cache").mkdir()
        (self.home / ".cache").chmod(0o1777)
        self.assertUses(self.home / ".cache" / "onefold", HOME=self.home)

    def test_a_trailing_slash_is_no_harm(self) -> None:
        result = self.prewarm(ONEFOLD_CACHE=f"{self.cache}/")
        self.assertSucceeded(result)
        self.assertSameTree(self.packed.tree(self.cache), self.tree)

    @needs_root
    def test_an_unwritable_home_is_skipped(self) -> None:
        self.work.chmod(0o755)
        environment = {"HOME": self.home}
        cache = Path("/var/tmp") / f"onefold-{NOBODY}"
        result = self.onefile.launch(environment=environment, verb="prewarm")
        self.assertSucceeded(result)
        remove_tree(self.home / ".cache")
        # nsenter needs root; what it starts does not.
        self.onefile.command = lambda *rest: self.mounts.command(  # type: ignore[method-assign]
            ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
             self.packed.path, *rest]
        )  # fmt: skip
        self.assertUses(cache, HOME=self.home)
        self.assertEqual(listing(self.home), [])


class Damaged(CacheCase):
    def setUp(self) -> None:
        super().setUp()
        self.assertLaunched(self.launch())
        self.directory = self.cache / self.packed.tree_name
        self.unpacked = self.directory / "tree"
        self.seal = self.directory / "seal"

    def assertRepaired(
        self, damage: Callable[[], Any], check: str = "dirs", whole: bool = False
    ) -> None:
        """`whole`: by another tree, because the damaged one is not ours or can't be kept."""
        damage()
        sound = {} if whole else self.sound_entries()
        environment = {"ONEFOLD_CHECK": check}
        self.assertLaunched(self.launch(environment=environment))
        self.assertCacheHolds(self.packed, self.state)
        self.assertEqual(self.identities(sound), sound)
        # And the one after that has nothing to do.
        self.assertIsWarm(environment=environment)

    def sound_entries(self) -> dict[bytes, tuple[int, ...]]:
        """The identities of the entries that are as they were packed."""
        if self.directory.is_symlink() or self.unpacked.is_symlink():
            return {}
        if not self.unpacked.is_dir():
            return {}
        state = tree_state(self.unpacked)
        return self.identities(
            path
            for path, value in state.items()
            if value == self.state.get(path)
            or (value[0] == "directory" and self.state.get(path, "?")[0] == "directory")
        )

    def identities(self, paths: Iterable[bytes]) -> dict[bytes, tuple[int, ...]]:
        """Which file each is, and when it was last changed in any way, unless a repair may add or
        remove names: of a directory, or of a file with several."""
        names = Counter(value[-1] for value in self.state.values() if value[0] == "file")
        result = {}
        for path in paths:
            status = os.lstat(os.path.join(os.fsencode(self.unpacked), path))
            value = self.state[path]
            changes = value[0] == "directory" or names[value[-1]] > 1
            result[path] = (status.st_ino, 0 if changes else status.st_ctime_ns)
        return result

    def kept_times(self, path: Path, change: Callable[[Path], Any]) -> None:
        """Changes a file without a trace but its content."""
        status = path.stat()
        path.chmod(0o600)
        change(path)
        path.chmod(status.st_mode & 0o777)
        os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))

    # What the ordinary check notices

    def test_a_deleted_file(self) -> None:
        self.assertRepaired((self.unpacked / "a" / "file").unlink)

    def test_a_deleted_entry(self) -> None:
        self.assertRepaired((self.unpacked / "run").unlink)

    def test_deleted_empty_files_and_symlinks(self) -> None:
        self.assertRepaired((self.unpacked / "empty").unlink)
        self.assertRepaired((self.unpacked / "a" / "b" / "link").unlink)

    def test_all_files_deleted_as_by_a_cache_cleaner(self) -> None:
        paths = [path for path in self.unpacked.rglob("*") if os.access(path.parent, os.W_OK)]
        files = [path for path in paths if path.is_symlink() or not path.is_dir()]
        self.assertRepaired(lambda: [path.unlink() for path in files])

    def test_a_deleted_directory(self) -> None:
        self.assertRepaired(lambda: remove_tree(self.unpacked / "a"))

    def test_a_renamed_file(self) -> None:
        """Its new name can't be told from that of a file which a program added."""
        renamed = self.unpacked / "larger"
        (self.unpacked / "large").rename(renamed)
        self.assertLaunched(self.launch())
        self.assertEqual(renamed.read_bytes(), (self.unpacked / "large").read_bytes())
        self.assertIsWarm()
        self.assertRepaired(renamed.unlink)

    def test_a_changed_mode_of_a_directory(self) -> None:
        self.assertRepaired(lambda: (self.unpacked / "read-only").chmod(0o755))

    def test_a_changed_mode_of_the_root(self) -> None:
        self.assertRepaired(lambda: self.unpacked.chmod(0o700))

    def test_a_file_replaced_by_a_symlink(self) -> None:
        elsewhere = self.work / "elsewhere"
        content = (self.unpacked / "large").read_bytes()
        elsewhere.write_bytes(content)
        self.assertRepaired(lambda: replace(self.unpacked / "large", symlink_to(elsewhere)))
        self.assertEqual(elsewhere.read_bytes(), content)

    def test_a_directory_replaced_by_a_symlink(self) -> None:
        elsewhere = self.work / "elsewhere"
        shutil.copytree(self.unpacked / "a", elsewhere, symlinks=True)
        before = tree_state(elsewhere)
        self.assertRepaired(lambda: replace(self.unpacked / "a", symlink_to(elsewhere)))
        self.assertSameTree(elsewhere, before)

    def test_a_symlink_that_points_elsewhere(self) -> None:
        link = self.unpacked / "a" / "b" / "link"
        self.assertRepaired(lambda: replace(link, symlink_to("/etc/passwd")))

    def test_a_hard_link_that_is_a_copy(self) -> None:
        again = self.unpacked / "a" / "again"
        self.assertRepaired(lambda: replace(again, copy_of(self.unpacked / "a" / "file")))

    def test_a_file_replaced_by_a_directory_or_fifo(self) -> None:
        self.assertRepaired(lambda: replace(self.unpacked / "large", Path.mkdir))
        self.assertRepaired(lambda: replace(self.unpacked / "large", os.mkfifo))

    def test_the_tree_gone(self) -> None:
        self.assertRepaired(lambda: remove_tree(self.unpacked))

    def test_the_tree_replaced_by_a_symlink(self) -> None:
        elsewhere = self.work / "elsewhere"

        def damage() -> None:
            self.unpacked.rename(elsewhere)
            self.unpacked.symlink_to(elsewhere)

        self.assertRepaired(damage)
        self.assertSameTree(elsewhere, self.state)

    def test_the_whole_replaced_by_a_symlink(self) -> None:
        elsewhere = self.work / "elsewhere"

        def damage() -> None:
            self.directory.rename(elsewhere)
            self.directory.symlink_to(elsewhere)

        self.assertRepaired(damage)
        self.assertSameTree(elsewhere / "tree", self.state)

    def test_the_whole_replaced_by_a_file_or_an_empty_directory(self) -> None:
        self.assertRepaired(lambda: replace(self.directory, Path.touch))
        self.assertRepaired(lambda: replace(self.directory, Path.mkdir))

    @needs_root
    def test_the_whole_planted_by_another_user_or_open_to_others(self) -> None:
        planted = self.unpacked / "run"
        for change in (lambda: os.chown(self.directory, NOBODY, NOBODY),
                       lambda: self.directory.chmod(0o777)):  # fmt: skip
            self.kept_times(planted, lambda path: path.write_bytes(b"#!/bin/sh\necho evil\n"))
            self.assertRepaired(change, whole=True)

    @needs_root
    def test_entries_of_another_user_who_may_change_them(self) -> None:
        for name in (".", "a", "read-only"):
            self.assertTakenFromNobody(name, "dirs")
        for name in ("run", "a/file", "a/b/link", "empty", "large"):
            self.assertTakenFromNobody(name, "files")
            self.assertTakenFromNobody(name, "full")

    def assertTakenFromNobody(self, name: str, check: str) -> None:
        with self.subTest(name=name, check=check):
            os.chown(self.unpacked / name, NOBODY, NOBODY, follow_symlinks=False)
            environment = {"ONEFOLD_CHECK": check}
            self.assertLaunched(self.launch(environment=environment))
            self.assertCacheHolds(self.packed, self.state)
            owners = {entry.lstat().st_uid for entry in (self.unpacked, *self.unpacked.rglob("*"))}
            self.assertEqual(owners, {0})
            self.assertIsWarm(environment=environment)

    def test_directories_that_others_could_write_to_come_anew(self) -> None:
        for name in (".", "a", "package"):
            for mode in (0o777, 0o775, 0o1757):
                with self.subTest(name=name, mode=oct(mode)):
                    path = self.unpacked / name
                    pass_tick()
                    (path / "planted.py").touch()
                    path.chmod(mode)
                    result = self.launch()
                    if name == ".":
                        # The whole tree is replaced. Nobody knows who wrote the file.
                        (moved,) = set(listing(self.cache)) - {self.packed.tree_name}
                        line = f"onefold: moved the program's own files to '{self.cache / moved}'\n"
                        said = (result.returncode, result.stdout, result.stderr.decode())
                        self.assertEqual(said, (0, b"hello\n", line))
                        self.assertEqual(paths(self.cache / moved), {"planted.py"})
                        shutil.rmtree(self.cache / moved)
                    else:
                        self.assertSucceeded(result, b"hello\n")
                    self.assertCacheHolds(self.packed, self.state)
                    self.assertIsWarm()

    # The seal

    def test_the_seal_removed(self) -> None:
        self.assertRepaired(self.seal.unlink)

    def test_the_seal_changed_in_any_part_or_cut(self) -> None:
        content = self.seal.read_bytes()
        for offset in (0, 4, 6, 8, 12, 16, 47, 48, 64, 96, 127, 128, len(content) - 1):
            with self.subTest(offset=offset):
                damaged = bytearray(self.seal.read_bytes())
                damaged[offset] ^= 1
                self.assertRepaired(lambda: self.seal.write_bytes(damaged))
        for length in (0, 1, 127, 128, len(content) - 1):
            with self.subTest(length=length):
                self.assertRepaired(lambda: os.truncate(self.seal, length))

    def test_the_seal_with_the_greatest_numbers(self) -> None:
        fields = {4: 2, 6: 2, 8: 4, 12: 4, 64: 4, 68: 2, 70: 1, 71: 1, 72: 8}
        for offset, length in fields.items():
            for check in ("seal", "dirs", "full"):
                with self.subTest(offset=offset, check=check):
                    change_seal(self.seal, offset, b"\xff" * length)
                    self.assertLaunched(self.launch(environment={"ONEFOLD_CHECK": check}))
                    self.assertEqual(self.launch(verb="gc").returncode, 0)
                    self.assertLaunched(self.launch())
                    self.assertCacheHolds(self.packed, self.state)

    def test_the_seal_replaced(self) -> None:
        self.assertRepaired(lambda: replace(self.seal, os.mkfifo))
        self.assertRepaired(lambda: replace(self.seal, symlink_to("/etc/passwd")))

    def test_the_seal_replaced_by_a_directory(self) -> None:
        self.assertRepaired(lambda: replace(self.seal, Path.mkdir), whole=True)

    def test_the_seal_of_another_tree(self) -> None:
        other = pack(make_tree(self.work / "other", {"run": program()}), self.work / "packed")
        cache = self.work / "other cache"
        other.launch(cache=cache)
        seal = (cache / other.tree_name / "seal").read_bytes()
        self.assertRepaired(lambda: self.seal.write_bytes(seal))

    # What only a check of files notices

    def test_a_truncated_file(self) -> None:
        self.assertRepaired(lambda: os.truncate(self.unpacked / "large", 1000), "files")

    def test_a_file_that_has_grown(self) -> None:
        self.assertRepaired(lambda: os.truncate(self.unpacked / "large", 10**6), "files")

    def test_a_file_of_another_mode(self) -> None:
        self.assertRepaired(lambda: (self.unpacked / "a" / "file").chmod(0o666), "files")

    def test_a_file_of_another_time(self) -> None:
        """Content decides, and not time."""
        os.utime(self.unpacked / "package" / "module.py", ns=(0, 0))
        traced = self.traced(environment={"ONEFOLD_CHECK": "files"})
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])

    def test_a_file_of_another_content_and_a_new_time(self) -> None:
        path = self.unpacked / "a" / "file"
        self.assertRepaired(lambda: path.write_bytes(noise(3000, "c")), "files")

    def test_a_changed_bit_is_found_by_a_full_check(self) -> None:
        path = self.unpacked / "large"

        def flip(path: Path) -> None:
            with path.open("r+b") as file:
                file.seek(150_000)
                byte = file.read(1)
                file.seek(150_000)
                file.write(bytes([byte[0] ^ 1]))

        for check in ("seal", "dirs", "files"):
            self.kept_times(path, flip)
            self.assertIsWarm(environment={"ONEFOLD_CHECK": check})
            self.kept_times(path, flip)
        self.assertRepaired(lambda: self.kept_times(path, flip), "full")

    def test_the_record_chooses_the_check_and_the_environment_counts_first(self) -> None:
        def flip(path: Path) -> None:
            content = path.read_bytes()
            path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))

        large = self.unpacked / "large"
        # By the first check that notices it.
        damages: dict[str, Callable[[], Any]] = {
            "dirs": (self.unpacked / "empty").unlink,
            "files": lambda: large.chmod(0o600),
            "full": lambda: self.kept_times(large, flip),
        }
        order = ["seal", *damages]
        for recorded in (None, *order):
            options = () if recorded is None else ("--check", recorded)
            path = self.work / f"packed {recorded}"
            packed = pack(self.tree, path, "--frame-size", "64", *options)
            self.assertEqual(packed.tree_name, self.packed.tree_name)
            for asked in (None, "", *order):
                environment = {} if asked is None else {"ONEFOLD_CHECK": asked}
                check = asked or recorded or "dirs"
                for first, damage in damages.items():
                    with self.subTest(recorded=recorded, asked=asked, damage=first):
                        damage()
                        result = packed.launch(cache=self.cache, environment=environment)
                        self.assertLaunched(result)
                        is_right = tree_state(self.unpacked) == self.state
                        self.assertEqual(is_right, order.index(check) >= order.index(first))
                        self.assertLaunched(self.launch(environment={"ONEFOLD_CHECK": "full"}))
                        self.assertCacheHolds(self.packed, self.state)

    # What is no damage

    def test_files_that_a_program_adds_stay_and_cost_one_check(self) -> None:
        added = self.unpacked / "package" / "__pycache__" / "module.pyc"
        added.parent.mkdir()
        added.write_bytes(b"byte code")
        self.assertLaunched(self.launch())
        self.assertEqual(added.read_bytes(), b"byte code")
        traced = self.traced()
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        self.assertEqual(opened_below(traced.launch, self.unpacked), [])
        # What was packed is still looked after.
        self.assertLaunched(self.launch(environment={"ONEFOLD_CHECK": "full"}))
        (self.unpacked / "package" / "module.py").unlink()
        self.assertLaunched(self.launch())
        self.assertEqual(added.read_bytes(), b"byte code")
        self.assertIsWarm()
        self.assertRepaired(lambda: remove_tree(added.parent))

    # How it is done

    def test_nothing_but_the_damaged_entries_is_written(self) -> None:
        content = (self.unpacked / "a" / "b" / "file").read_bytes()
        for damage in (Path.unlink, lambda path: path.write_bytes(b"wrong")):
            damage(self.unpacked / "a" / "b" / "file")
            traced = self.traced(environment={"ONEFOLD_CHECK": "files"})
            self.assertLaunched(traced.result)
            written = [int(c.result) for c in traced.launch if c.name == "pwrite64"]
            self.assertEqual(written, [len(content)])
            made = [c for c in traced.launch if c.name == "openat" and "O_CREAT" in c.arguments]
            # The lock, the lease of the staging directory, the file, and the seal.
            self.assertEqual(len(made), 4, made)
            self.assertCacheHolds(self.packed, self.state)

    def test_all_kinds_of_damage_at_once(self) -> None:
        remove_tree(self.cache)
        self.assertRepaired(self.launch_and_damage, "files")

    def test_an_entry_is_never_changed_in_place(self) -> None:
        """Who has the damaged file open keeps it as it is."""
        path = self.unpacked / "a" / "file"
        path.write_bytes(b"wrong")
        with path.open("rb") as file:
            self.assertRepaired(lambda: None, "files")
            self.assertEqual(file.read(), b"wrong")

    def test_hard_links_are_names_of_the_new_file(self) -> None:
        for name in ("file", "again"):
            self.assertRepaired(lambda: (self.unpacked / "a" / name).write_bytes(b"x"), "files")
            self.assertRepaired((self.unpacked / "a" / name).unlink)

    def test_files_beyond_a_planted_symlink_are_left_alone(self) -> None:
        elsewhere = self.work / "elsewhere"
        shutil.copytree(self.unpacked / "a", elsewhere, symlinks=True)
        (elsewhere / "b" / "file").unlink()
        (elsewhere / "b").chmod(0o500)
        before = tree_state(elsewhere)
        self.assertRepaired(lambda: replace(self.unpacked / "a", symlink_to(elsewhere)))
        self.assertSameTree(elsewhere, before)

    def test_an_impossible_repair_unpacks_the_whole_tree(self) -> None:
        for name in ("renameat", "linkat"):
            self.launch_and_damage()
            with self.subTest(name):
                result = self.traced(name, [f"{name}:error=EIO:when=1"]).result
                self.assertLaunched(result)
                self.assertCacheHolds(self.packed, self.state)

    def test_a_running_program_keeps_its_files_when_the_tree_is_repaired(self) -> None:
        sound = {f"lib/{n}": noise(50_000, str(n)) for n in range(4)}
        damaged = {"lib/mapped": noise(50_000, "mapped"), "lib/gone/file": b"x", "lib/dull": b"x"}
        tree = make_tree(
            self.work / "tree", {"run": program(probe().read_bytes()), **sound, **damaged}
        )
        packed = pack(tree, self.work / "packed")
        state = tree_state(tree)
        cache = self.work / "another cache"
        self.assertSucceeded(packed.launch("exit", "0", cache=cache))
        unpacked = packed.tree(cache)
        # It has its own executable and this library mapped, and opens the others again and again.
        watched = [unpacked / name for name in ["lib/mapped", *sorted(sound)]]
        running = packed.start("watch", *watched, cache=cache)
        self.assertEqual(running.stdout.readline(), b"watching\n")
        for number in range(60):
            victim = unpacked / list(damaged)[number % 3]
            # Itself and what it has mapped lose their names.
            for path in [victim] if number % 2 else [victim, unpacked / "run"]:
                path.unlink()
            if number % 3 == 1:
                victim.parent.rmdir()
            self.assertSucceeded(packed.launch("exit", "0", cache=cache))
        self.assertCacheHolds(packed, state, cache)
        self.assertIsNone(running.poll())
        output, errors = running.communicate()
        self.assertEqual((running.returncode, errors), (0, b""), output)
        # It has looked more often than once a repair.
        self.assertGreater(int(output), 60)

    def test_a_damaged_tree_in_a_read_only_cache_is_refused(self) -> None:
        mounts = Mounts(self)
        (self.unpacked / "large").unlink()
        mounts.mount("--bind", self.cache, self.cache)
        mounts.mount("-o", "remount,bind,ro", self.cache)
        self.assertRefused(mounts.launch(self.packed, cache=self.cache), self.cache)


def replace(path: Path, make: Callable[[Path], Any]) -> None:
    if path.is_dir() and not path.is_symlink():
        remove_tree(path)
    else:
        path.unlink()
    make(path)


def symlink_to(target: StrPath) -> Callable[[Path], None]:
    return lambda path: os.symlink(target, path)


def copy_of(original: Path) -> Callable[[Path], Any]:
    return lambda path: shutil.copy2(original, path)


def opened_below(calls: Iterable[Call], tree: Path) -> list[str]:
    """The opening calls, `tree` itself apart, which follow the opening of `tree`."""
    opened = [call.arguments for call in calls if call.name == "openat"]
    for index, arguments in enumerate(opened):
        if f'"{tree.name}"' in arguments:
            return opened[index + 1 :]
    return []


@needs_root  # Others may not change the inodes of a tmpfs.
class CleanedToMakeRoom(CacheCase):
    def test_a_disk_without_room_for_a_lock_file(self) -> None:
        mounts = Mounts(self)
        mounts.tmpfs(self.cache)
        packed, inside = mounts.wrapped(self.packed), mounts.inside(self.cache)
        for verb in ("clean", "gc"):
            with self.subTest(verb):
                self.assertLaunched(packed.launch(cache=self.cache))
                if verb == "gc":  # What a launch that was killed left.
                    (inside / self.packed.tree_name).rename(inside / f".{'0' * 32}.{'1' * 16}")
                used = os.statvfs(inside).f_files - os.statvfs(inside).f_ffree
                mounts.mount("-o", f"remount,nr_inodes={used}", self.cache)
                self.assertRaises(OSError, (inside / "file").touch)
                self.assertEqual(packed.launch(cache=self.cache, verb=verb).returncode, 0)
                self.assertNothingLeft(inside)
            mounts.mount("-o", "remount,nr_inodes=1000", self.cache)


class Interrupted(CacheCase):
    SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGQUIT)

    def interrupt(self, number: signal.Signals, at: str, **options: Any) -> Result:
        name = at.partition(":")[0]
        return self.traced(name, [f"{at}:signal={number.name}"], **options).result

    def assertEndsBy(self, number: signal.Signals, result: Result) -> None:
        self.assertEqual((result.returncode, result.stdout), (-number, b""))
        self.assertEqual(result.stderr, b"")

    def test_a_signal_while_unpacking_ends_it_and_leaves_nothing(self) -> None:
        for number in self.SIGNALS:
            for at in ("mkdirat:when=2", "mkdirat:when=4", "pwrite64:when=1", "symlinkat:when=1"):
                with self.subTest(signal=number.name, at=at):
                    self.assertEndsBy(number, self.interrupt(number, at))
                    self.assertNothingLeft()
                self.remove_cache()

    def test_a_signal_while_repairing_ends_it_and_leaves_no_staging(self) -> None:
        ended = 0
        for name, number in self.moments("mkdirat,pwrite64,renameat,linkat", self.launch_and_damage):
            self.launch_and_damage()
            with self.subTest(call=name, number=number):
                result = self.interrupt(signal.SIGTERM, f"{name}:when={number}")
                if result.returncode:
                    ended += 1
                    self.assertEndsBy(signal.SIGTERM, result)
                    self.assertEqual(listing(self.cache), [self.packed.tree_name])
                self.assertWorks()
            self.remove_cache()
        self.assertGreater(ended, 10)

    def test_a_signal_at_any_time_before_the_program_runs_ends_it(self) -> None:
        """Not one of them is lost: whoever sent it waits for the end."""
        for name in ("openat", "flock", "renameat2", "unlinkat", "pread64", "close"):
            for when in (1, 3):
                count = self.traced(name).count(name)
                self.remove_cache()
                if when > count:
                    continue
                with self.subTest(call=name, number=when):
                    result = self.interrupt(signal.SIGTERM, f"{name}:when={when}")
                    self.assertEndsBy(signal.SIGTERM, result)
                self.remove_cache()
                self.assertWorks()
                self.remove_cache()

    def test_a_signal_in_a_second_launch_ends_it(self) -> None:
        self.launch()
        for number in self.SIGNALS:
            for name in ("readlinkat", "flock", "fstatfs"):
                with self.subTest(signal=number.name, at=name):
                    self.assertEndsBy(number, self.interrupt(number, f"{name}:when=1"))

    def test_an_ignored_signal_is_ignored(self) -> None:
        """As nohup(1) has it."""
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
        result = self.interrupt(signal.SIGHUP, "pwrite64:when=1", prepare=ignore)
        self.assertLaunched(result)
        self.assertCacheHolds(self.packed, self.state)

    def test_a_signal_while_extracting_ends_it_and_leaves_nothing(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            target = self.work / "extracted"
            expression = f"pwrite64:signal={number.name}:when=1"
            traced = self.packed.trace(
                target, verb="extract", calls="pwrite64", inject=[expression]
            )
            self.assertEndsBy(number, traced.result)
            self.assertEqual(listing(self.work), [])


@needs_root
class Unprivileged(CacheCase):
    def launch_as_nobody(self, cache: Optional[Path] = None, **options: Any) -> Result:
        return self.packed.launch(cache=cache, **AS_NOBODY, **options)

    def test_a_user_with_a_home_of_their_own(self) -> None:
        home = self.work / "home"
        home.mkdir()
        os.chown(home, NOBODY, NOBODY)
        cache = home / ".cache" / "onefold"
        for moment in ("first", "second"):
            self.assertLaunched(self.launch_as_nobody(environment={"HOME": home}))
            self.assertCacheHolds(self.packed, self.state, cache)
        self.assertEqual(cache.stat().st_uid, NOBODY)

    def test_a_tree_is_repaired_also_where_permissions_are_missing(self) -> None:
        """Those that the packed tree lacks, or those that somebody took away."""
        self.cache.mkdir(mode=0o700)
        os.chown(self.cache, NOBODY, NOBODY)
        self.assertLaunched(self.launch_as_nobody(self.cache))
        unpacked = self.packed.tree(self.cache)

        def plant(path: Path) -> None:
            (path / "planted").mkdir(parents=True)
            for made in (path, path / "planted"):
                os.chown(made, NOBODY, NOBODY)
                made.chmod(0o500)

        kept = unpacked / "a" / "b" / "file"
        for damage in (
            lambda: (unpacked / "read-only" / "file").unlink(),
            lambda: (unpacked / "a").chmod(0),
            lambda: unpacked.chmod(0),
            lambda: replace(unpacked / "large", plant),
            lambda: replace(unpacked / "package", Path.touch),
            lambda: replace(unpacked / "read-only", Path.touch),
        ):
            inode = kept.stat().st_ino
            damage()
            self.assertLaunched(self.launch_as_nobody(self.cache))
            self.assertCacheHolds(self.packed, self.state)
            self.assertEqual(kept.stat().st_ino, inode)
            traced = self.traced(**AS_NOBODY)
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])

    def prewarm_for_all(self) -> Path:
        """As root does for the users of an image. Returns the tree."""
        self.cache.mkdir(mode=0o755)
        self.assertEqual(self.launch(verb="prewarm").returncode, 0)
        return self.packed.tree(self.cache)

    def test_a_cache_that_root_prewarmed(self) -> None:
        # What root alone may read can't be checked by others.
        private = self.prewarm_for_all() / "a" / "b" / "file"
        before = tree_state(self.cache)
        for check in ("seal", "dirs", "files"):
            with self.subTest(check):
                environment = {"ONEFOLD_CHECK": check}
                traced = self.traced(environment=environment, **AS_NOBODY)
                self.assertLaunched(traced.result)
                self.assertEqual(traced.changes, [])
        result = self.launch_as_nobody(self.cache, environment={"ONEFOLD_CHECK": "full"})
        self.assertEqual(private.stat().st_mode & 0o777, 0o600)
        self.assertRefused(result, self.cache)
        self.assertSameTree(self.cache, before)

    def test_a_cache_that_root_prewarmed_and_that_is_damaged_is_refused(self) -> None:
        (self.prewarm_for_all() / "large").unlink()
        self.assertRefused(self.launch_as_nobody(self.cache), self.cache, "but it is damaged")

    def test_a_cache_that_root_keeps_for_itself_is_refused(self) -> None:
        self.launch()
        self.assertRefused(self.launch_as_nobody(self.cache), self.cache)

    def test_a_set_uid_or_set_gid_copy_is_refused_and_runs_nothing(self) -> None:
        for mode in (0o4755, 0o2755):
            copy = self.packed.copy(self.work / f"{mode:o}")
            copy.path.chmod(mode)
            if os.statvfs(copy.path).f_flag & os.ST_NOSUID:
                self.skipTest("needs a mount that allows set-uid")
            for verb in ("", "help", "clean", "path"):
                result = copy.launch(cache=self.cache, verb=verb, **AS_NOBODY)
                self.assertRefused(result, "set-uid")
            self.assertFalse(self.cache.exists())

    def test_a_file_that_may_not_be_read_is_refused(self) -> None:
        copy = self.packed.copy(self.work / "unreadable")
        copy.path.chmod(0o711)
        result = copy.launch(cache=self.cache, **AS_NOBODY)
        self.assertRefused(result, "ermission denied")


class AnotherBoot(CacheCase):
    """A seal of an earlier boot, as after a power cut that may have cost a file its content."""

    def setUp(self) -> None:
        super().setUp()
        self.assertLaunched(self.launch())
        self.seal = self.cache / self.packed.tree_name / "seal"

    def reboot(self) -> None:
        seal_in_another_boot(self.seal)

    def is_durable(self) -> bool:
        return self.seal.read_bytes()[6] & 1 == 1

    def bytes_read(self, traced: Trace) -> int:
        """Of all files but the first, which is the onefile itself."""
        reads = (call for call in traced.launch if call.name in ("read", "pread64"))
        return sum(int(c.result) for c in reads if c.succeeded and not c.arguments.startswith("3,"))

    def assertIsPlainWarm(self) -> None:
        traced = self.traced()
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        self.assertLess(self.bytes_read(traced), 5000)

    def test_a_new_tree_is_not_durable_and_is_used_in_this_boot(self) -> None:
        self.assertFalse(self.is_durable())
        self.assertIsPlainWarm()

    def test_the_first_launch_after_a_reboot_reads_all_and_the_next_does_not(self) -> None:
        self.reboot()
        traced = self.traced()
        self.assertLaunched(traced.result)
        content = sum(value[3] for value in self.state.values() if value[0] == "file" and value[4])
        self.assertGreaterEqual(self.bytes_read(traced), content)
        self.assertEqual(traced.count("mkdirat"), 0)
        self.assertTrue(self.is_durable())
        self.assertCacheHolds(self.packed, self.state)
        self.assertIsPlainWarm()

    def test_content_that_was_read_may_not_be_on_the_disk_yet(self) -> None:
        """Containers may have boot ids of their own, and what they read is in memory: before it is
        marked durable, the tree is written to the disk."""
        self.reboot()
        names = [call.name for call in self.traced("syncfs,renameat,execve").main]
        self.assertTrue(self.is_durable())
        self.assertEqual(names[-3:], ["syncfs", "renameat", "execve"])

    def test_a_signal_ends_the_check_in_the_middle_of_a_file(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(), "large": b"x" * (64 << 20)})
        packed = pack(tree, self.work / "packed")
        self.assertLaunched(packed.launch(cache=self.cache))
        seal_in_another_boot(self.cache / packed.tree_name / "seal")
        traced = packed.trace(
            cache=self.cache, calls="pread64", inject=["pread64:signal=SIGTERM:when=50"]
        )
        self.assertEqual(traced.result.returncode, -signal.SIGTERM)
        # It has 256 parts.
        self.assertLess(traced.count("pread64"), 150)
        self.assertLaunched(packed.launch(cache=self.cache))

    def test_a_durable_tree_is_not_checked_after_the_next_reboot(self) -> None:
        self.reboot()
        self.launch()
        self.reboot()
        self.assertTrue(self.is_durable())
        self.assertIsPlainWarm()

    def test_a_file_that_a_power_cut_emptied_is_repaired(self) -> None:
        path = self.packed.tree(self.cache) / "large"
        status = path.stat()
        for lost in (b"", bytes(status.st_size)):
            path.write_bytes(lost)
            os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
            self.reboot()
            self.assertWorks()
            self.assertIsPlainWarm()

    def test_a_repaired_tree_is_not_durable_and_no_old_seal_can_come_back(self) -> None:
        self.reboot()
        self.launch()
        self.assertTrue(self.is_durable())
        (self.packed.tree(self.cache) / "large").unlink()
        traced = self.traced("execve,unlinkat,fsync,renameat")
        self.assertLaunched(traced.result)
        self.assertFalse(self.is_durable())
        names = [call.name for call in traced.main]
        # The seal is off the disk before a file is renamed whose content may not be on it.
        self.assertEqual(names[:3], ["unlinkat", "fsync", "renameat"])
        self.reboot()
        self.assertWorks()

    def test_the_check_of_the_seal_alone_checks_all_once_too(self) -> None:
        path = self.packed.tree(self.cache) / "large"
        os.truncate(path, 0)
        self.reboot()
        self.assertLaunched(self.launch(environment={"ONEFOLD_CHECK": "seal"}))
        self.assertCacheHolds(self.packed, self.state)

    def test_a_read_only_cache_is_checked_each_time(self) -> None:
        self.reboot()
        mounts = Mounts(self)
        mounts.mount("--bind", self.cache, self.cache)
        mounts.mount("-o", "remount,bind,ro", self.cache)
        for moment in ("first", "second"):
            traced = mounts.wrapped(self.packed).trace(cache=self.cache)
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])


if __name__ == "__main__":
    unittest.main()
