"""Clean-up removes what is Onefold's and unused, and nothing else (docs/launch.md, "Clean-up", "The lease")."""

from __future__ import annotations

import json
import lzma
import os
import shutil
import time
import unittest
from pathlib import Path

from others_support import OthersCase
from support import (
    GOLDEN,
    listing,
    make_tree,
    onefold,
    pack,
    program,
    succeed,
    tree_state,
)

DAY = 86_400


class Foreign(OthersCase):
    """What Onefold did not make."""

    def test_unmarked_directories_are_listed_and_never_removed(self) -> None:
        self.assertLaunched(self.launch())
        digits = "0123456789abcdef"
        foreign = {
            "a" * 32: {"file": b"x"},
            "b" * 32: {"tree/file": b"x"},
            "c" * 32: {"seal": b"x", "tree/file": b"x"},
            "d" * 32: {"lease": b"x", "tree/file": b"x"},
            "e" * 32: {},
            f".{'a' * 32}.{digits}": {"tree/file": b"x"},
            f".{'b' * 32}.{digits}": {"lease": b"", "file": b"x"},
            "other": {"lease": b"x"},
        }
        for name, entries in foreign.items():
            make_tree(self.cache / name, entries)
        # A seal of another tree is no mark of this one.
        shutil.copy(self.place / "seal", self.cache / ("c" * 32) / "seal")
        for name in ("f" * 32 + ".lock", self.packed.tree_name + ".lock", "notes"):
            (self.cache / name).write_bytes(b"someone's")
        (self.cache / ("9" * 32 + ".lock")).write_bytes(b"")
        names = [*foreign, "f" * 32 + ".lock", self.packed.tree_name + ".lock", "notes", "9" * 32 + ".lock"]
        for name in names:
            os.utime(self.cache / name, (1, 1))
        state = {name: tree_state(self.cache / name) for name in foreign}
        listed = json.loads(succeed(onefold("cache", "list", "--json", "--cache", self.cache)).stdout)
        kinds = {os.path.basename(item["path"]): item["kind"] for item in listed["items"]}
        self.assertEqual(kinds, {**dict.fromkeys(names, "unknown"), self.packed.tree_name: "tree"})
        text = succeed(onefold("cache", "list", "--cache", self.cache)).stdout
        self.assertEqual(text.count(b"not recognised"), len(names))
        newer = pack(make_tree(self.work / "newer", {"run": program()}), self.work / "newer packed")
        succeed(newer.launch(cache=self.cache))
        succeed(newer.launch(cache=self.cache, verb="gc"))
        succeed(newer.launch(cache=self.cache, verb="clean"))
        # Damaged, so that the launch needs the lock whose name is taken.
        (self.place / "tree" / "run").unlink()
        self.assertLaunched(self.launch())
        succeed(onefold("cache", "prune", "--keep", "0", "--cache", self.cache))
        succeed(onefold("cache", "clear", "--cache", self.cache))
        self.assertEqual(listing(self.cache), sorted(names))
        self.assertEqual({name: tree_state(self.cache / name) for name in foreign}, state)

    def test_leftovers_of_a_kill_keep_their_mark_to_the_end(self) -> None:
        """Whatever is removed last, the next clean-up knows it."""
        for verb in ("clean", "first launch"):
            for when in range(1, 60, 11):
                with self.subTest(verb=verb, when=when):
                    cache = self.new_directory() / "cache"
                    call = "unlinkat" if verb == "clean" else "openat"
                    if verb == "clean":
                        self.assertLaunched(self.packed.launch(cache=cache))
                    inject = [f"{call}:signal=SIGKILL:when={when}"]
                    self.packed.trace(cache=cache, verb="clean" if verb == "clean" else "", inject=inject)
                    if cache.exists():
                        succeed(onefold("cache", "clear", "--cache", cache))
                        self.assertEqual(listing(cache), [])


class Running(OthersCase):
    """Programs without a lease."""

    def assertInUse(self) -> None:
        self.assertRefused(self.launch(verb="clean"), "is in use")
        for command in (["clear"], ["prune", "--keep", "0"], ["clear", "--dry-run"]):
            result = succeed(onefold("cache", *command, "--json", "--cache", self.cache))
            self.assertEqual(json.loads(result.stdout)["removed"], [])
        items = json.loads(succeed(onefold("cache", "list", "--json", "--cache", self.cache)).stdout)["items"]
        self.assertEqual([item["in_use"] for item in items], [True])
        self.assertSameTree(self.packed.tree(self.cache), self.tree)

    def assertUnused(self) -> None:
        self.assertEqual(self.launch(verb="clean").returncode, 0)
        self.assertEqual(listing(self.cache), [])

    def test_one_that_closed_its_descriptors(self) -> None:
        process = self.waiter.start("daemon", cache=self.cache)
        self.assertEqual(process.stdout.readline(), b"waiting\n")
        held = os.listdir(f"/proc/{process.pid}/fd")
        self.assertEqual(sorted(map(int, held)), [0, 1, 2])
        self.assertInUse()
        process.communicate()
        self.assertUnused()

    def test_one_that_was_started_from_the_path(self) -> None:
        root = Path(os.fsdecode(succeed(self.launch(verb="prewarm")).stdout).strip())
        link = self.work / "link"
        link.symlink_to(self.cache)
        ways = {
            "by its path": [root / "probe", "wait"],
            "a script": ["sh", root / "script"],
            "from there": ["sh", "-c", "cd $0 && cd library && echo waiting && read line", root],
        }
        for name, command in ways.items():
            with self.subTest(name), self.running(*command):
                self.assertInUse()
        with self.running(link / self.packed.tree_name / "tree" / "probe", "wait"):
            self.assertInUse()
        self.assertUnused()

    def test_one_whose_tree_was_replaced(self) -> None:
        for entry in (self.waiter, self.script):
            for damage in ("mode", "tree"):
                with self.subTest(entry=entry.path.name, damage=damage), self.running(onefile=entry):
                    if damage == "mode":
                        self.place.chmod(0o777)
                    else:
                        (self.place / "tree").rename(self.work / f"away {entry.path.name}")
                    self.assertLaunched(self.launch())
                    self.assertInUse()
        self.assertUnused()

    def test_one_that_has_only_mapped_a_library(self) -> None:
        self.assertLaunched(self.launch())
        code = (
            "import mmap, sys; file = open(sys.argv[1], 'rb');"
            "m = mmap.mmap(file.fileno(), 0, prot=mmap.PROT_READ); file.close();"
            "print('waiting', flush=True); sys.stdin.read()"
        )
        os.symlink(self.packed.tree(self.cache), self.work / "elsewhere")
        library = self.work / "elsewhere" / "probe"
        with self.running("python3", "-c", code, library, cwd="/"):
            self.assertInUse()
        self.assertUnused()


class OlderLauncher(OthersCase):
    """One of the day before the lease: version 2 of the seal, and a flock on the directory (Tests/Golden/README.md)."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        bootloader = cls.shared / "bootloader"
        bootloader.write_bytes(lzma.decompress((GOLDEN / "launcher" / "seal-2.xz").read_bytes()))
        bootloader.chmod(0o755)
        cls.older = pack(
            cls.tree, cls.shared / "older", "--name", "sample", "--bootloader", bootloader
        )
        cls.older_waiter = pack(
            cls.tree, cls.shared / "older waiter", "--name", "sample", "--bootloader", bootloader, entry="probe"
        )

    @property
    def older_name(self) -> str:
        return self.older.summary["tree_id"][:32]

    def age(self, *names: str) -> None:
        for number, name in enumerate(names):
            then = time.time() - (100 + number) * DAY
            os.utime(self.cache / name, (then, then))

    def test_both_use_one_cache_directory_without_meeting(self) -> None:
        self.assertLaunched(self.older.launch(cache=self.cache))
        state = tree_state(self.cache / self.older_name)
        self.assertLaunched(self.launch())
        self.assertEqual(listing(self.cache), sorted([self.older_name, self.packed.tree_name]))
        own = tree_state(self.place)
        for onefile in (self.older, self.packed, self.older, self.packed):
            traced = onefile.trace(cache=self.cache)
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])
        self.assertSameTree(self.cache / self.older_name, state)
        self.assertSameTree(self.place, own)

    def test_a_newer_one_recognises_its_trees_and_removes_them(self) -> None:
        self.assertLaunched(self.older.launch(cache=self.cache))
        self.assertLaunched(self.launch())
        items = json.loads(succeed(onefold("cache", "list", "--json", "--cache", self.cache)).stdout)["items"]
        self.assertEqual([(i["kind"], i["application"]) for i in items], [("tree", "sample")] * 2)
        with self.running(onefile=self.older_waiter):
            result = succeed(onefold("cache", "clear", "--cache", self.cache))
            self.assertIn(b"in use", result.stderr)
            self.assertEqual(listing(self.cache), [self.older_name])
        self.assertLaunched(self.launch())
        self.age(self.older_name)
        for number in range(2):
            entries = {"run": program(), "version": b"%d" % number}
            tree = make_tree(self.work / f"tree {number}", entries)
            newer = pack(tree, self.work / f"newer {number}", "--name", "sample")
            self.assertLaunched(newer.launch(cache=self.cache))
        self.assertNotIn(self.older_name, listing(self.cache))
        self.assertIn(self.packed.tree_name, listing(self.cache))

    def test_an_older_one_leaves_those_of_a_newer_one(self) -> None:
        self.assertLaunched(self.launch())
        self.age(self.packed.tree_name)
        state = tree_state(self.place)
        self.assertLaunched(self.older.launch(cache=self.cache))
        succeed(self.older.launch(cache=self.cache, verb="gc"))
        succeed(self.older.launch(cache=self.cache, verb="clean"))
        self.assertSameTree(self.place, state)
        with self.running():
            # And of what it unpacks, one that it was killed at has no mark of today.
            traced = self.older.trace(cache=self.cache, inject=["pwrite64:signal=SIGKILL:when=3"])
            self.assertEqual(traced.result.returncode, -9)
            succeed(onefold("cache", "clear", "--cache", self.cache))
            left = [name for name in listing(self.cache) if name.startswith(".")]
            self.assertEqual(len(left), 1)
            succeed(self.older.launch(cache=self.cache, verb="gc"))
            self.assertSameTree(self.place / "tree", self.tree)
        self.assertEqual([name for name in listing(self.cache) if name.startswith(".")], [])


if __name__ == "__main__":
    unittest.main()
