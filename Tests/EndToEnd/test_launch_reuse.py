"""A new version's tree shares equal files with the trees of older ones (docs/launch.md, "Files of older trees")."""

from __future__ import annotations

import json
import os
import shutil
import time
import unittest
from pathlib import Path
from typing import Any, Optional

from disks import FILE_SYSTEMS, Disk, make_image
from support import (
    AS_NOBODY,
    MTIME,
    NOBODY,
    Case,
    Directory,
    File,
    HardLink,
    Mounts,
    Onefile,
    Sparse,
    Symlink,
    listing,
    make_tree,
    needs_program,
    needs_root,
    noise,
    onefold,
    pack,
    pass_tick,
    program,
    run,
    seal_in_another_boot,
    start,
    strace,
    succeed,
    tree_state,
    wait_until,
)


def entries() -> dict[str, Any]:
    """All kinds of entries, and files of one and of several frames."""
    return {
        "run": program(),
        "library/large.bin": File(noise(700_000, "large"), mtime=MTIME - 5),
        "library/module.py": File(b"x = 1\n" * 100),
        "library/program": program(b"#!/bin/sh\n"),
        "library/deep/er/data": File(noise(3000, "deep"), mode=0o640),
        "library/again": HardLink("library/module.py"),
        "library/link": Symlink("module.py"),
        "library/hole": Sparse(300_000, [(100_000, b"x" * 4096)]),
        "library/empty": b"",
        "library/read-only": File(noise(100, "r"), mode=0o444),
        "shut/file": File(noise(200, "shut")),
        "shut": Directory(0o555),
    }


#: Files with content and one name.
SHARED = {
    "run", "library/large.bin", "library/program", "library/deep/er/data", "library/hole", "library/read-only",
    "shut/file",
}  # fmt: skip


class ReuseCase(Case):
    """Two versions of an application: the second has another program, one file more and one file less."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.old_tree = make_tree(cls.shared / "old", {**entries(), "library/gone": b"gone\n"})
        changed = {"run": program(b"#!/bin/sh\necho second\n"), "library/new.py": File(b"y = 2\n" * 50)}
        cls.new_tree = make_tree(cls.shared / "new", {**entries(), **changed})
        cls.old = cls.packed("old", "1")
        cls.new = cls.packed("new", "2")

    @classmethod
    def packed(
        cls, name: str, version: str, *options: str, output: str = "", app: str = "app", frame_size: int = 64
    ) -> Onefile:
        words = ["--name", app, "--app-version", version, "--frame-size", str(frame_size), *options]
        return pack(cls.shared / name, cls.shared / (output or f"{name} packed"), *words)

    def setUp(self) -> None:
        super().setUp()
        self.assertLaunched(self.old.launch(cache=self.cache))

    def pair(self, files: dict[str, Any]) -> list[Onefile]:
        """Two versions that differ in one file, of the trees `first` and `second`."""
        return [
            pack(make_tree(self.work / name, {**files, "name": name.encode()}), self.work / f"{name} packed")
            for name in ("first", "second")
        ]

    def launch_new(self, **options: Any) -> None:
        self.assertSucceeded(self.new.launch(cache=self.cache, **options), b"second\n")
        self.assertSameTree(self.new.tree(self.cache), self.new_tree)

    def shared_files(self, new: Optional[Onefile] = None) -> set[str]:
        """The paths that lead to one file in both trees."""
        old, new_root = self.old.tree(self.cache), (new or self.new).tree(self.cache)
        found = set()
        for path in old.rglob("*"):
            other = new_root / path.relative_to(old)
            if path.is_file() and not path.is_symlink() and other.is_file() and path.samefile(other):
                found.add(os.fspath(path.relative_to(old)))
        return found


class Sharing(ReuseCase):
    def test_equal_files_are_shared(self) -> None:
        self.launch_new()
        self.assertEqual(self.shared_files(), SHARED - {"run"})
        self.assertSameTree(self.old.tree(self.cache), self.old_tree)
        for onefile, said in ((self.old, b"hello\n"), (self.new, b"second\n")):
            for check in ("dirs", "files", "full"):
                with self.subTest(said, check=check):
                    result = onefile.launch(cache=self.cache, environment={"ONEFOLD_CHECK": check})
                    self.assertSucceeded(result, said)
                    self.assertEqual(len(onefile.trace(cache=self.cache).changes), 0)

    def test_only_frames_with_something_new_are_read(self) -> None:
        """The frames of a file that is shared may even be damaged."""
        damaged = self.new.copy(self.work / "damaged")
        content = damaged.path.read_bytes()
        # Noise is stored as it is.
        place = content.index(noise(700_000, "large")[400_000:400_100])
        with damaged.path.open("r+b") as file:
            file.seek(place)
            file.write(bytes(100))
        result = damaged.launch(cache=self.cache, environment={"ONEFOLD_REUSE": "0"})
        self.assertRefused(result, "is damaged: the hash of frame")
        self.assertSucceeded(damaged.launch(cache=self.cache), b"second\n")
        self.assertSameTree(self.new.tree(self.cache), self.new_tree)

    def test_the_oldest_use_comes_last(self) -> None:
        """The file of the tree that was used last is shared."""
        third = self.packed("new", "3", frame_size=128, output="third packed")
        self.launch_new()
        shutil.rmtree(self.old.tree(self.cache) / "library" / "deep")
        os.utime(self.cache / self.old.tree_name)
        yesterday = time.time() - 86_400
        os.utime(self.cache / self.new.tree_name, (yesterday, yesterday))
        self.assertSucceeded(third.launch(cache=self.cache), b"second\n")
        self.assertSameTree(third.tree(self.cache), self.new_tree)
        of_old = self.shared_files(third)
        self.assertIn("library/large.bin", of_old)
        # What the last one lacks comes from the one before.
        names = [self.new.tree(self.cache), third.tree(self.cache)]
        for path in ("run", "library/deep/er/data", "library/new.py"):
            self.assertTrue((names[0] / path).samefile(names[1] / path), path)

    def test_off(self) -> None:
        refusing = self.packed("new", "2", "--no-reuse", output="refusing packed")
        self.assertIn(b"no files of older trees", succeed(onefold("inspect", refusing.path)).stdout)
        for onefile, value, shares in (
            (self.new, "0", False), (self.new, "1", True), (self.new, "", True),
            (refusing, "", False), (refusing, "0", False), (refusing, "1", True),
        ):  # fmt: skip
            with self.subTest(onefile.path.name, value=value):
                environment = {"ONEFOLD_REUSE": value} if value else {}
                result = onefile.launch(cache=self.cache, environment=environment)
                self.assertSucceeded(result, b"second\n")
                self.assertEqual(bool(self.shared_files(onefile)), shares)
                # A later version takes files only from a tree whose clean-up can tell them.
                kept = self.cache / onefile.tree_name / "manifest"
                self.assertEqual(kept.exists(), shares)
                succeed(onefile.launch(cache=self.cache, verb="clean"))
        self.assertRefused(
            self.new.launch(cache=self.cache, environment={"ONEFOLD_REUSE": "yes"}),
            "unknown value 'yes' of ONEFOLD_REUSE: use 1 or 0",
        )

    def test_a_tree_without_its_manifest_gives_nothing(self) -> None:
        (self.cache / self.old.tree_name / "manifest").unlink()
        self.launch_new()
        self.assertEqual(self.shared_files(), set())

    def test_another_application_gives_nothing(self) -> None:
        other = self.packed("new", "2", app="other", output="other packed")
        self.assertSucceeded(other.launch(cache=self.cache), b"second\n")
        self.assertEqual(self.shared_files(other), set())

    def test_in_an_earlier_boot(self) -> None:
        """What a power cut can have undone is hashed like everything."""
        seal_in_another_boot(self.cache / self.old.tree_name / "seal")
        large = self.old.tree(self.cache) / "library" / "large.bin"
        state = large.stat()
        large.write_bytes(bytes(state.st_size))
        os.utime(large, ns=(state.st_atime_ns, state.st_mtime_ns))
        self.launch_new()
        self.assertEqual(self.shared_files(), SHARED - {"run", "library/large.bin"})

    def test_prewarming_and_verbs(self) -> None:
        succeed(self.new.launch(cache=self.cache, verb="prewarm"))
        self.assertEqual(self.shared_files(), SHARED - {"run"})
        self.launch_new()
        succeed(self.new.launch(self.work / "extracted", cache=self.cache, verb="extract"))
        self.assertTrue(all(p.stat().st_nlink <= 2 for p in (self.work / "extracted").rglob("*") if p.is_file()))
        large = self.work / "extracted" / "library" / "large.bin"
        self.assertEqual(large.stat().st_nlink, 1)


class NotShared(ReuseCase):
    """Files of the old tree that are not as they were packed. The new tree is right, and shares the rest."""

    def assertLeft(self, *paths: str) -> None:
        self.launch_new()
        self.assertEqual(self.shared_files(), SHARED - {"run", *paths})

    def test_other_content_mode_or_time(self) -> None:
        root = self.old.tree(self.cache) / "library"
        time = (root / "large.bin").stat()
        with (root / "large.bin").open("r+b") as file:
            file.seek(600_000)
            file.write(b"!")
        os.utime(root / "large.bin", ns=(time.st_atime_ns, time.st_mtime_ns))
        (root / "program").chmod(0o700)
        os.utime(root / "deep/er/data")
        (root / "read-only").unlink()
        (root / "read-only").symlink_to("program")
        (root / "hole").unlink()
        (root / "hole").mkdir()
        self.assertLeft(
            "library/large.bin", "library/program", "library/deep/er/data", "library/read-only", "library/hole"
        )

    def test_set_id_bits(self) -> None:
        (self.old.tree(self.cache) / "library/program").chmod(0o4755)
        self.assertLeft("library/program")

    @needs_root
    def test_another_owner(self) -> None:
        os.chown(self.old.tree(self.cache) / "library/program", 65534, 65534)
        self.assertLeft("library/program")

    @needs_root
    @needs_program("setcap")
    def test_capabilities(self) -> None:
        """Whoever executes the new version must not get what somebody gave the old one."""
        path = self.old.tree(self.cache) / "library/program"
        if run(["setcap", "cap_net_bind_service=ep", path]).returncode:
            self.skipTest("needs a file system with capabilities")
        self.assertLeft("library/program")

    @needs_root
    def test_files_that_can_t_be_changed(self) -> None:
        path = self.old.tree(self.cache) / "library/program"
        if run(["chattr", "+i", path]).returncode:
            self.skipTest("needs a file system with attributes")
        try:
            self.assertLeft("library/program")
        finally:
            run(["chattr", "-i", path])

    def test_a_directory_that_became_a_symlink(self) -> None:
        """What is behind it is hashed like everything, and is not changed."""
        deep = self.old.tree(self.cache) / "library/deep"
        deep.rename(self.work / "deep")
        deep.symlink_to(self.work / "deep")
        (self.work / "deep/er/data").write_bytes(b"another\n")
        state = tree_state(self.work / "deep")
        self.assertLeft("library/deep/er/data")
        self.assertEqual(tree_state(self.work / "deep"), state)

    def test_any_error_means_that_files_are_unpacked(self) -> None:
        # Hard links of the tree itself need the same system call.
        names = {name: entry for name, entry in entries().items() if not isinstance(entry, HardLink)}
        old, new = self.pair(names)
        self.assertLaunched(old.launch(cache=self.cache))
        for error in ("EXDEV", "EMLINK", "EPERM", "ENOENT", "EACCES", "ENOSYS"):
            with self.subTest(error):
                inject = [f"linkat:error={error}", "ioctl:error=EOPNOTSUPP"]
                traced = new.trace(cache=self.cache, inject=inject)
                self.assertLaunched(traced.result)
                self.assertSameTree(new.tree(self.cache), self.work / "second")
                linked = [p for p in new.tree(self.cache).rglob("*") if p.is_file() and p.stat().st_nlink > 1]
                self.assertEqual(linked, [])
                succeed(new.launch(cache=self.cache, verb="clean"))
        self.assertSameTree(old.tree(self.cache), self.work / "first")

    def test_without_links_and_clones_it_soon_gives_up(self) -> None:
        """Else every file would be hashed and then unpacked."""
        names = {"run": program(), **{f"file {i}": noise(100, f"{i}") for i in range(100)}}
        old, new = self.pair(names)
        self.assertLaunched(old.launch(cache=self.cache))
        traced = new.trace(cache=self.cache, inject=["linkat:error=EPERM", "ioctl:error=EOPNOTSUPP"])
        self.assertLaunched(traced.result)
        self.assertSameTree(new.tree(self.cache), self.work / "second")
        # Each worker may be at one more.
        self.assertLessEqual(traced.count("linkat"), 16 + len(os.sched_getaffinity(0)))
        self.assertGreaterEqual(traced.count("linkat"), 16)

    def test_a_tree_that_is_removed_meanwhile(self) -> None:
        """At each file that the launch looks at, the rest of the old tree goes away."""
        stops = 0
        for number in range(1, len(SHARED)):
            cache = self.new_directory() / "cache"
            self.assertLaunched(self.old.launch(cache=cache))
            tree = self.old.tree(cache)
            # The other process has 0.2 s to remove all.
            inject = [f"linkat:delay_enter=200000:when={number}"]
            with self.subTest(number):
                process = self.start_traced(cache, inject)
                wait_until(
                    lambda: self.links(cache) >= number - 1 or process.poll() is not None, "the links before"
                )
                stops += process.poll() is None
                shutil.rmtree(tree)
                output, errors = process.communicate(timeout=60)
                self.assertEqual((process.returncode, output), (0, b"second\n"), errors)
                self.assertSameTree(self.new.tree(cache), self.new_tree)
        self.assertGreater(stops, 0)

    def start_traced(self, cache: Path, inject: list[str]) -> Any:
        traces = self.new_directory()
        command = strace(traces, self.new.command(), "linkat", inject)
        return start(command, environment={"ONEFOLD_CACHE": os.fspath(cache)})

    def links(self, cache: Path) -> int:
        """How many files of the old tree the new one has got; -1 before it has its directories."""
        if not any(cache.glob(".*/tree/library/deep/er")):
            return -1
        names = [path for path in cache.glob(".*/tree/**/*") if path.is_file() and not path.is_symlink()]
        return sum(path.stat().st_nlink == 2 for path in names)


class Later(ReuseCase):
    """What happens to trees that share files."""

    def setUp(self) -> None:
        super().setUp()
        self.launch_new()

    def test_either_is_removed_and_the_other_stays(self) -> None:
        succeed(self.old.launch(cache=self.cache, verb="clean"))
        self.assertCacheHolds(self.new, self.new_tree)
        full = {"ONEFOLD_CHECK": "full"}
        self.assertSucceeded(self.new.launch(cache=self.cache, environment=full), b"second\n")
        self.assertLaunched(self.old.launch(cache=self.cache))
        self.assertIn("library/large.bin", self.shared_files())
        succeed(self.new.launch(cache=self.cache, verb="clean"))
        self.assertCacheHolds(self.old, self.old_tree)

    def test_list_and_prune_count_shared_files_once(self) -> None:
        size = sum(len(entries()[path].content) for path in ("library/large.bin", "library/program"))
        size += 300_000 + 3000 + 100 + 200
        items = json.loads(succeed(onefold("cache", "list", "--json", "--cache", self.cache)).stdout)["items"]
        self.assertEqual([item["shared_bytes"] for item in items], [size, size])
        text = succeed(onefold("cache", "list", "--cache", self.cache)).stdout.decode()
        self.assertEqual(text.count(" 1.0 MB      1.0 MB"), 2, text)
        # A file that stays in another tree is not freed.
        changed = self.old.tree(self.cache) / "library" / "hole"
        changed.unlink()
        changed.write_bytes(b"another\n")
        yesterday = time.time() - 86_400
        os.utime(self.cache / self.old.tree_name, (yesterday, yesterday))
        succeed(onefold("cache", "prune", "--keep", "0", "--cache", self.cache))
        self.assertEqual(len(listing(self.cache)), 2)
        cleared = json.loads(succeed(onefold("cache", "clear", "--json", "--cache", self.cache)).stdout)
        self.assertEqual(len(cleared["removed"]), 2)
        # The hole and the program are different files, each in its own tree.
        both = [item["bytes"] for item in cleared["removed"]]
        self.assertLess(cleared["freed_bytes"], sum(both) - 700_000)
        self.assertGreater(cleared["freed_bytes"], max(both))

    def test_a_repair_leaves_the_other_tree_alone(self) -> None:
        new = self.new.tree(self.cache)
        (new / "library/large.bin").unlink()
        os.truncate(new / "run", 1)
        # Both trees have this file; a repair replaces it in one.
        (new / "library/read-only").chmod(0o600)
        before = (self.old.tree(self.cache) / "library/read-only").stat().st_ino
        full = {"ONEFOLD_CHECK": "full"}
        self.assertSucceeded(self.new.launch(cache=self.cache, environment=full), b"second\n")
        self.assertSameTree(new, self.new_tree)
        old = self.old.tree(self.cache)
        self.assertEqual((old / "library/read-only").stat().st_ino, before)
        self.assertEqual((old / "library/read-only").stat().st_mode & 0o777, 0o600)
        self.assertSucceeded(self.old.launch(cache=self.cache, environment=full), b"hello\n")
        self.assertSameTree(old, self.old_tree)
        self.assertSameTree(new, self.new_tree)

    def test_files_of_a_program_are_told_from_shared_ones(self) -> None:
        """A link changes the time by which they are told. Of the tree that is removed, only they are moved."""
        for onefile, other in ((self.old, self.new), (self.new, self.old)):
            with self.subTest(onefile.path.name):
                pass_tick()
                tree = onefile.tree(self.cache)
                (tree / "library/database").write_bytes(b"rows\n")
                (tree / "library/module.py").write_bytes(b"changed in place\n")
                result = succeed(onefile.launch(cache=self.cache, verb="clean"))
                self.assertIn(b"moved the program's own files to", result.stderr)
                [kept] = [name for name in listing(self.cache) if "." in name]
                files = {os.fspath(p.relative_to(self.cache / kept)) for p in (self.cache / kept).rglob("*")}
                # The names of a file that was changed in place are kept as well.
                self.assertEqual(
                    files, {"library", "library/database", "library/module.py", "library/again"}
                )
                shutil.rmtree(self.cache / kept)
                full = {"ONEFOLD_CHECK": "full"}
                self.assertEqual(other.launch(cache=self.cache, environment=full).returncode, 0)
                # The next one shares again.
                self.assertEqual(onefile.launch(cache=self.cache).returncode, 0)
                self.assertIn("library/large.bin", self.shared_files())

    def test_a_clean_up_that_was_killed_goes_on(self) -> None:
        kept_by_kill = 0
        for when in range(1, 40, 3):
            cache = self.new_directory() / "cache"
            self.assertLaunched(self.old.launch(cache=cache))
            self.assertSucceeded(self.new.launch(cache=cache), b"second\n")
            pass_tick()
            (self.old.tree(cache) / "library/database").write_bytes(b"rows\n")
            inject = [f"unlinkat:signal=SIGKILL:when={when}"]
            killed = self.old.trace(cache=cache, verb="clean", inject=inject).result
            kept_by_kill += killed.returncode < 0
            with self.subTest(when):
                succeed(onefold("cache", "prune", "--keep", "0", "--cache", cache, environment={}))
                found = [p for p in cache.rglob("database")]
                self.assertEqual([p.read_bytes() for p in found], [b"rows\n"])
                kept = found[0].parent.parent
                self.assertEqual(sorted(p.name for p in kept.rglob("*")), ["database", "library"])
        self.assertGreater(kept_by_kill, 5)

    def test_a_symlink_of_a_program_s_protects_what_is_behind_it(self) -> None:
        """Clean-up compares packed files by their paths. None leads out of the tree."""
        tree = self.old.tree(self.cache)
        pass_tick()
        (tree / "library/database").write_bytes(b"rows\n")
        (tree / "library/deep").rename(self.work / "mine")
        (tree / "library/deep").symlink_to(self.work / "mine")
        state = tree_state(self.work / "mine")
        succeed(self.old.launch(cache=self.cache, verb="clean"))
        self.assertEqual(tree_state(self.work / "mine"), state)

    def test_a_damaged_manifest_keeps_too_much_and_loses_nothing(self) -> None:
        place = self.cache / self.old.tree_name
        for content in (b"", b"x" * 40, (place / "manifest").read_bytes()[:-1]):
            with self.subTest(len(content)):
                cache = self.new_directory() / "cache"
                self.assertLaunched(self.old.launch(cache=cache))
                self.assertSucceeded(self.new.launch(cache=cache), b"second\n")
                pass_tick()
                (self.old.tree(cache) / "library/database").write_bytes(b"rows\n")
                (cache / self.old.tree_name / "manifest").write_bytes(content)
                succeed(self.old.launch(cache=cache, verb="clean"))
                [kept] = [name for name in listing(cache) if "." in name]
                self.assertEqual((cache / kept / "library/database").read_bytes(), b"rows\n")
                self.assertTrue((cache / kept / "library/large.bin").exists())


class Room(ReuseCase):
    def setUp(self) -> None:
        Case.setUp(self)

    def small_disk(self) -> tuple[Mounts, Path]:
        """A disk with room for one tree, and a cache directory there that has the old one."""
        mounts = Mounts(self)
        cache = mounts.tmpfs(self.work / "disk", "size=1m,mode=0700") / "cache"
        self.assertLaunched(mounts.launch(self.old, cache=cache))
        return mounts, cache

    @needs_root
    def test_an_update_needs_room_for_what_is_new(self) -> None:
        """The disk has no room for the whole tree."""
        mounts, cache = self.small_disk()
        environment = {"ONEFOLD_REUSE": "0"}
        refused = mounts.launch(self.new, cache=cache, environment=environment)
        self.assertRefused(refused, "not enough space", cache)
        self.assertSucceeded(mounts.launch(self.new, cache=cache), b"second\n")
        self.assertEqual(listing(mounts.inside(cache)), sorted([self.old.tree_name, self.new.tree_name]))

    @needs_root
    def test_too_little_room_for_what_is_new(self) -> None:
        mounts, cache = self.small_disk()
        filler = mounts.inside(cache.parent) / "filler"
        with filler.open("wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(4096))
            except OSError:
                pass
        self.assertRefused(mounts.launch(self.new, cache=cache), "not enough space", cache)
        self.assertEqual(listing(mounts.inside(cache)), [self.old.tree_name])

    @needs_root
    def test_clones_where_a_link_can_t_be(self) -> None:
        # Hard links of the tree itself need the same system call.
        files = {name: entries()[name] for name in ("run", "library/large.bin", "library/hole")}
        old, new = self.pair(files)
        for kind in ("btrfs", "xfs"):
            with self.subTest(kind):
                mounts = Mounts(self)
                image = make_image(FILE_SYSTEMS[kind], self.work / f"{kind}.image")
                disk = Disk(mounts, FILE_SYSTEMS[kind], image, self.work / kind)
                cache = disk.path / "cache"
                self.assertLaunched(mounts.launch(old, cache=cache))
                inject = ["linkat:error=EMLINK"]
                traced = mounts.wrapped(new).trace(cache=cache, calls="linkat,ioctl", inject=inject)
                self.assertLaunched(traced.result)
                clones = [call for call in traced.calls if call.name == "ioctl" and call.succeeded]
                self.assertEqual(len(clones), len(files))
                self.assertSameTree(mounts.inside(new.tree(cache)), self.work / "second")


class Users(ReuseCase):
    def setUp(self) -> None:
        Case.setUp(self)

    @needs_root
    def test_root_s_tree_gives_nothing_to_a_user(self) -> None:
        """Root launched the old version with the user's cache directory."""
        for give in (False, True):
            with self.subTest(of_root=give):
                cache = self.new_directory() / "cache"
                os.chown(cache.parent, NOBODY, NOBODY)
                self.assertLaunched(self.old.launch(cache=cache, **AS_NOBODY))
                if give:
                    succeed(run(["chown", "-R", "0:0", cache / self.old.tree_name]))
                self.assertSucceeded(self.new.launch(cache=cache, **AS_NOBODY), b"second\n")
                shared = self.new.tree(cache) / "library" / "large.bin"
                self.assertEqual(shared.stat().st_nlink, 1 if give else 2)


if __name__ == "__main__":
    unittest.main()
