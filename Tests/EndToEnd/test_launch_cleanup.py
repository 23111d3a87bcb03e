"""What a launch leaves in the cache is cleaned up, and nothing else is."""

from __future__ import annotations

import fcntl
import json
import os
import re
import shutil
import time
from pathlib import Path
from typing import Any

from spec_support import paths
from support import (
    AS_NOBODY,
    LEASE,
    NOBODY,
    ONEFOLD,
    Case,
    Mounts,
    Onefile,
    Result,
    Trace,
    change_seal,
    hold_lease,
    listing,
    make_lock,
    make_tree,
    needs_root,
    noise,
    onefold,
    pack,
    pass_tick,
    probe,
    program,
    run,
    tree_state,
    without_locks,
)

DAY = 86_400


class CleanUpCase(Case):
    """Versions 0 to 4 of an application, and another application."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.versions = [cls.made("server", number) for number in range(5)]
        cls.other = cls.made("other", 9)

    @classmethod
    def made(cls, name: str, number: int) -> Onefile:
        entries = {
            "run": program(),
            "probe": program(probe().read_bytes()),
            "library/module.py": noise(3000, f"{name} {number}"),
        }
        tree = make_tree(cls.shared / f"{name} {number}", entries)
        options = ("--name", name, "--app-version", f"1.{number}")
        return pack(tree, cls.shared / f"{name}-{number}", *options)

    def unpack(self, *numbers: int, days: int) -> None:
        """Launches these versions, as if it had been that long ago."""
        for number in numbers:
            self.assertSucceeded(self.versions[number].launch(cache=self.cache, verb="prewarm"))
            self.age(self.versions[number].tree_name, days + number / 100)

    def age(self, name: str, days: float) -> None:
        then = time.time() - days * DAY
        os.utime(self.cache / name, (then, then))

    def last_use(self, onefile: Onefile) -> float:
        """In days before now."""
        return (time.time() - os.stat(self.cache / onefile.tree_name).st_mtime) / DAY

    def launch(self, number: int, **options: Any) -> Result:
        return self.versions[number].launch(cache=self.cache, **options)

    def assertHolds(self, *numbers: int, others: tuple[str, ...] = ()) -> None:
        names = [self.versions[number].tree_name for number in numbers]
        self.assertEqual(listing(self.cache), sorted([*names, *others]))

    def cached(self, *arguments: str, code: int = 0) -> Any:
        result = onefold("cache", *arguments, "--cache", self.cache, "--json")
        self.assertEqual(result.returncode, code, result.stderr)
        return json.loads(result.stdout)


class AfterALaunch(CleanUpCase):
    def test_old_versions_are_removed_but_for_the_one_before(self) -> None:
        self.unpack(0, 1, 2, days=40)
        self.assertLaunched(self.launch(3))
        # Version 0 was used last of the old ones.
        self.assertHolds(0, 3)

    def own_files(self, number: int) -> Path:
        """The tree of a version that a program has written into."""
        tree = self.versions[number].tree(self.cache)
        pass_tick()
        (tree / "library/data").mkdir()
        (tree / "library/data/app.db").write_text(f"rows {number}")
        (tree / "empty/below").mkdir(parents=True)
        (tree / "link").symlink_to("nowhere")
        return tree

    def moved(self) -> list[str]:
        return [name for name in listing(self.cache) if re.fullmatch(r"[0-9a-f]{32}\.[0-9a-f]{16}", name)]

    def assertMoved(self, result: Any, number: int, start: str = "") -> str:
        """The directory in the cache that the files of this version are in now."""
        name = self.versions[number].tree_name
        kept = [moved for moved in self.moved() if moved.startswith(name)]
        self.assertEqual(len(kept), 1, result)
        line = f"{start}moved the program's own files to '{self.cache / kept[0]}'"
        self.assertIn(line, result.stderr.decode().splitlines())
        self.assertEqual(sorted(paths(self.cache / kept[0])), ["library/data/app.db", "link"])
        self.assertEqual((self.cache / kept[0] / "library/data/app.db").read_text(), f"rows {number}")
        return kept[0]

    def test_files_that_a_program_wrote_are_moved(self) -> None:
        self.unpack(0, 1, 2, days=40)
        for number in (0, 1):
            self.own_files(number)
            self.age(self.versions[number].tree_name, 40 + number)
        result = self.launch(3)
        self.assertEqual(result.returncode, 0)
        kept = self.assertMoved(result, 1, "onefold: ")
        self.assertHolds(0, 3, others=(kept,))
        # The person who cleans up is told as well, and nothing removes it.
        self.assertMoved(self.versions[0].launch(cache=self.cache, verb="clean"), 0)
        removed = self.cached("clear")
        self.assertEqual((len(removed["removed"]), removed["kept"]), (1, []))
        self.assertEqual([item["kind"] for item in self.cached("list")["items"]], ["kept", "kept"])

    def test_a_tree_that_was_sealed_anew_or_repaired_keeps_them_too(self) -> None:
        self.unpack(0, days=0)
        tree = self.own_files(0)
        sealed = os.stat(tree.parent / "seal").st_mtime_ns
        # The default check finds other names, and seals the tree as it is.
        self.assertLaunched(self.launch(0))
        self.assertEqual(os.stat(tree.parent / "seal").st_mtime_ns, sealed)
        # A cleaner removes what was packed.
        (tree / "library/module.py").unlink()
        self.assertLaunched(self.launch(0))
        self.assertEqual(os.stat(tree.parent / "seal").st_mtime_ns, sealed)
        result = self.versions[0].launch(cache=self.cache, verb="clean")
        (kept,) = self.moved()
        self.assertIn(f"own files to '{self.cache / kept}'", result.stderr.decode())
        self.assertTrue({"library/data/app.db", "link"} <= set(paths(self.cache / kept)))

    def test_a_clean_up_that_was_killed_is_continued(self) -> None:
        self.unpack(0, days=0)
        tree = self.own_files(0)
        # As it is after the renames, with half of what was packed gone.
        hidden = self.cache / f".{tree.parent.name}.0123456789abcdef"
        tree.parent.rename(hidden)
        (hidden / "tree").rename(hidden / "others")
        (hidden / "others/library/module.py").unlink()
        self.assertMoved(self.versions[0].launch(cache=self.cache, verb="clean"), 0)
        self.assertEqual(len(listing(self.cache)), 1)

    def test_a_damaged_tree_or_one_without_its_seal_is_removed(self) -> None:
        for damage in ("library/module.py", "../seal"):
            with self.subTest(damage):
                self.unpack(0, days=0)
                tree = self.versions[0].tree(self.cache)
                (tree / damage).unlink()
                result = self.versions[0].launch(cache=self.cache, verb="clean")
                self.assertEqual((result.returncode, result.stderr.count(b"\n")), (0, 1))
                self.assertEqual(listing(self.cache), [])

    def test_versions_that_were_used_lately_are_kept(self) -> None:
        self.unpack(0, 1, 2, 3, days=29)
        self.assertLaunched(self.launch(4))
        self.assertHolds(0, 1, 2, 3, 4)

    def test_a_launch_that_unpacks_nothing_cleans_nothing(self) -> None:
        self.unpack(0, 1, 2, 3, days=40)
        self.assertLaunched(self.launch(3))
        self.assertHolds(0, 1, 2, 3)

    def test_a_version_that_runs_is_kept(self) -> None:
        self.unpack(0, 1, 2, days=40)
        old = make_tree(self.work / "old", {"run": program(probe().read_bytes())})
        packed = pack(old, self.work / "old packed", "--name", "server")
        running = packed.start("wait", cache=self.cache)
        self.addCleanup(running.communicate)
        self.assertEqual(running.stdout.readline(), b"waiting\n")
        self.age(packed.tree_name, 100)
        self.assertLaunched(self.launch(3))
        self.assertHolds(0, 3, others=(packed.tree_name,))
        self.assertSameTree(packed.tree(self.cache), old)
        running.communicate()
        self.assertEqual(packed.launch(cache=self.cache, verb="gc").returncode, 0)
        self.assertHolds(0, 3)

    def test_other_applications_are_left_alone(self) -> None:
        self.assertLaunched(self.other.launch(cache=self.cache))
        self.age(self.other.tree_name, 1000)
        self.unpack(0, 1, 2, days=40)
        self.assertLaunched(self.launch(3))
        self.assertHolds(0, 3, others=(self.other.tree_name,))

    def test_staging_and_locks_of_dead_launches_are_removed_those_of_the_living_kept(self) -> None:
        self.cache.mkdir(mode=0o700)
        dead, living = (f".{digit * 32}.{digit * 16}" for digit in "ab")
        for name in (dead, living):
            make_tree(self.cache / name, {"tree/package/file": b"half", "lease": LEASE})
        for digit in "ab":
            make_lock(self.cache / f"{digit * 32}.lock")
        with open(self.cache / f"{'b' * 32}.lock") as lock:
            hold_lease(self, self.cache / living, fcntl.F_WRLCK)
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.assertLaunched(self.launch(0))
            self.assertHolds(0, others=(living, f"{'b' * 32}.lock"))

    def test_foreign_names_are_left_alone(self) -> None:
        names = ["file", ".hidden", "a" * 31, "A" * 32, "g" * 32, f".{'a' * 32}.short", "b.lock"]
        self.cache.mkdir(mode=0o700)
        for name in names:
            make_tree(self.cache / name, {"file": b"x"})
            self.age(name, 1000)
        self.assertLaunched(self.launch(0))
        self.assertHolds(0, others=tuple(names))
        self.assertEqual(self.cached("clear")["in_use"], [])
        self.assertHolds(others=tuple(names))

    def test_symlinks_are_not_followed(self) -> None:
        outside = make_tree(self.work / "outside", {"file": b"precious"})
        state = tree_state(outside)
        self.unpack(0, 1, days=40)
        pass_tick()
        (self.versions[1].tree(self.cache) / "added").symlink_to(outside)
        for name in ("c" * 32, f".{'c' * 32}.{'d' * 16}"):
            (self.cache / name).symlink_to(outside)
        self.unpack(2, days=30)
        self.assertEqual(self.launch(3).returncode, 0)
        self.assertNotIn(self.versions[1].tree_name, listing(self.cache))
        (kept,) = self.moved()
        self.assertTrue((self.cache / kept / "added").is_symlink())
        self.cached("clear")
        self.assertHolds(others=("c" * 32, f".{'c' * 32}.{'d' * 16}", kept))
        self.assertSameTree(outside, state)

    @needs_root
    def test_files_of_another_user_are_left_alone(self) -> None:
        self.unpack(0, 1, 2, days=40)
        theirs = f".{'e' * 32}.{'e' * 16}"
        make_tree(self.cache / theirs, {"file": b"x"})
        for name in (theirs, self.versions[1].tree_name):
            os.chown(self.cache / name, NOBODY, -1)
        self.assertLaunched(self.launch(3))
        self.assertHolds(0, 1, 3, others=(theirs,))

    @needs_root
    def test_a_failed_removal_fails_the_verb_but_not_a_launch(self) -> None:
        self.unpack(0, 1, 2, days=40)
        mounts = Mounts(self)
        # A mount in the tree: nothing beyond it is removed, so the tree stays.
        mount = self.versions[1].tree(self.cache) / "library"
        mounts.mount("-t", "tmpfs", "none", mount)
        (mounts.inside(mount) / "precious").write_bytes(b"x")
        self.assertLaunched(mounts.launch(self.versions[3], cache=self.cache))
        result = mounts.launch(self.versions[3], cache=self.cache, verb="gc")
        self.assertRefused(result, "cannot remove", "library")
        hidden = [name for name in listing(self.cache) if name.startswith(".")]
        self.assertEqual(len(hidden), 1)
        inside = mounts.inside(self.cache / hidden[0] / "tree" / "library")
        self.assertEqual(os.listdir(inside), ["precious"])
        mounts.holder.communicate()
        self.assertEqual(self.launch(3, verb="gc").returncode, 0)
        self.assertHolds(0, 3)

    def test_it_is_the_same_where_locks_do_not_work_but_for_what_may_be_in_use(self) -> None:
        self.unpack(0, 1, 2, days=40)
        young, old = (f".{digit * 32}.{digit * 16}" for digit in "ab")
        for name in (young, old):
            make_tree(self.cache / name, {"tree/file": b"half", "lease": LEASE})
        self.age(young, 0)
        self.age(old, 2)
        self.assertLaunched(without_locks(self.versions[3]).launch(cache=self.cache))
        locks = tuple(name for name in listing(self.cache) if name.endswith(".lock"))
        self.assertHolds(0, 1, 2, 3, others=(young, *locks))

    def test_a_clean_up_that_was_killed_is_gone_on_with(self) -> None:
        self.unpack(0, 1, 2, days=40)
        at = ["unlinkat:signal=SIGKILL:when=4"]
        killed = self.versions[2].trace(cache=self.cache, verb="gc", inject=at)
        self.assertEqual(killed.result.returncode, -9)
        self.assertIn(f".{self.versions[2].tree_name}.", " ".join(listing(self.cache)))
        self.assertEqual(self.launch(2, verb="gc").returncode, 0)
        self.assertHolds(0, 1)


class LastUse(CleanUpCase):
    def test_it_is_noted_once_a_day(self) -> None:
        version = self.versions[0]
        self.assertLaunched(self.launch(0))
        for days, notes in ((0.9, False), (1.1, True), (-0.9, False), (-1.1, True)):
            with self.subTest(days=days):
                self.age(version.tree_name, days)
                traced = version.trace(cache=self.cache)
                self.assertLaunched(traced.result)
                self.assertEqual([call.name for call in traced.changes], ["utimensat"] * notes)
                self.assertAlmostEqual(self.last_use(version), 0 if notes else days, places=2)

    @needs_root
    def test_times_that_no_clock_shows_are_no_harm(self) -> None:
        """As far from now as the file system keeps them."""
        # Of trees that were used at the same time the first by name are kept.
        kept = min(self.versions[:3], key=lambda version: version.tree_name)
        number = self.versions.index(kept)
        for seconds in (-(2**63), 2**63 - 1):
            with self.subTest(seconds=seconds):
                self.unpack(0, 1, 2, days=0)
                leftover = self.cache / f".{'a' * 32}.{'b' * 16}"
                leftover.mkdir()
                for path in self.cache.iterdir():
                    os.utime(path, ns=(seconds * 10**9,) * 2)
                self.assertEqual(len(self.cached("list")["items"]), 4)
                self.assertEqual(onefold("cache", "list", "--cache", self.cache).returncode, 0)
                result = without_locks(kept).launch(cache=self.cache, verb="gc")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(self.launch(number, verb="gc").returncode, 0)
                self.assertFalse(leftover.exists())
                self.assertIn(kept.tree_name, listing(self.cache))
                self.assertLaunched(self.launch(number))
                self.assertLess(abs(self.last_use(kept)), 0.1)
                self.assertEqual(self.launch(number, verb="clean").returncode, 0)

    def test_nothing_is_written_on_a_read_only_cache_or_one_of_another_user(self) -> None:
        version = self.versions[0]
        self.assertLaunched(self.launch(0))
        self.age(version.tree_name, 100)
        mounts = Mounts(self)
        mounts.mount("--bind", self.cache, self.cache)
        mounts.mount("-o", "remount,bind,ro", self.cache)
        traced = mounts.wrapped(version).trace(cache=self.cache)
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        self.cache.chmod(0o755)
        traced = version.trace(cache=self.cache, **AS_NOBODY)
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        self.assertAlmostEqual(self.last_use(version), 100, places=2)


class Verb(CleanUpCase):
    def test_it_says_what_it_removed(self) -> None:
        self.unpack(0, 1, 2, 3, days=40)
        result = self.launch(0, verb="gc")
        removed = [os.fsencode(self.cache / self.versions[n].tree_name) for n in (2, 3)]
        self.assertEqual((result.returncode, result.stdout), (0, b""))
        lines = [b"onefold: removed '%s'" % path for path in removed]
        self.assertEqual(sorted(result.stderr.splitlines()), sorted(l[9:] for l in lines))
        self.assertHolds(0, 1)
        result = self.launch(0, verb="gc")
        self.assertEqual((result.returncode, result.stderr), (0, b"there is nothing to remove\n"))

    def test_a_missing_cache_is_accepted(self) -> None:
        result = self.launch(0, verb="gc")
        self.assertEqual((result.returncode, result.stderr), (0, b"there is nothing to remove\n"))
        self.assertFalse(self.cache.exists())

    def test_it_takes_no_arguments(self) -> None:
        result = self.versions[0].launch("x", cache=self.cache, verb="gc")
        self.assertRefused(result, "takes no arguments")


class Command(CleanUpCase):
    def setUp(self) -> None:
        super().setUp()
        self.unpack(0, 1, 2, days=40)
        self.assertLaunched(self.other.launch(cache=self.cache))
        self.age(self.other.tree_name, 50)

    def test_list_shows_every_tree(self) -> None:
        (self.cache / self.versions[1].tree_name / "seal").unlink()
        leftover = f".{'a' * 32}.{'a' * 16}"
        (self.cache / leftover).mkdir(mode=0o700)
        self.age(self.versions[1].tree_name, 3)
        items = {item["path"]: item for item in self.cached("list")["items"]}
        paths = {os.fspath(self.cache / name) for name in listing(self.cache)}
        self.assertEqual(set(items), paths)
        item = items[os.fspath(self.cache / self.versions[2].tree_name)]
        states = [os.lstat(path) for path in self.files(self.versions[2])]
        size = sum(state.st_size for state in states)
        # These versions differ in their program alone.
        shared = sum(state.st_size for state in states if state.st_nlink > 1)
        self.assertGreater(shared, 0)
        self.assertEqual(
            {key: item[key] for key in item if key not in ("path", "last_use")},
            {
                "kind": "tree", "application": "server", "version": "1.2", "bytes": size,
                "shared_bytes": shared,
                "keep_days": 30, "in_use": False, "own": True,
            },
        )  # fmt: skip
        self.assertAlmostEqual((time.time() - item["last_use"]) / DAY, 40.02, places=2)
        kinds = {os.path.basename(path): item["kind"] for path, item in items.items()}
        self.assertEqual(kinds[self.versions[1].tree_name], "unsealed")
        self.assertEqual(kinds[leftover], "leftover")
        text = onefold("cache", "list", "--cache", self.cache).stdout.decode()
        self.assertRegex(text, r"(?m)40 days ago +no +server 1\.2$")
        self.assertRegex(text, r"(?m) +no +a tree without a seal$")
        self.assertRegex(text, r"(?m) +no +left by a launch that was killed$")

    def files(self, onefile: Onefile) -> list[Path]:
        return [path for path in onefile.tree(self.cache).rglob("*") if path.is_file()]

    def test_list_shows_what_is_in_use(self) -> None:
        hold_lease(self, self.cache / self.versions[0].tree_name, fcntl.F_RDLCK)
        used = [item["version"] for item in self.cached("list")["items"] if item["in_use"]]
        self.assertEqual(used, ["1.0"])

    @needs_root
    def test_list_tells_what_it_could_not_look_at(self) -> None:
        cache = self.work / "theirs"
        for path, mode in ((cache, 0o700), (cache / ("a" * 32), 0)):
            path.mkdir(mode=mode)
            os.chown(path, NOBODY, NOBODY)
        program = shutil.copy(ONEFOLD, self.work / "onefold")
        result = run([program, "cache", "list", "--cache", cache], **AS_NOBODY)
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn(f"cannot open '{cache}/{'a' * 32}'".encode(), result.stderr)

    def test_prune_is_for_all_applications(self) -> None:
        self.cached("prune", "--dry-run")
        self.assertHolds(0, 1, 2, others=(self.other.tree_name,))
        removed = self.cached("prune")["removed"]
        # The newest two of each stay.
        self.assertEqual([item["version"] for item in removed], ["1.2"])
        self.assertHolds(0, 1, others=(self.other.tree_name,))

    def test_prune_keeps_as_long_as_it_is_told(self) -> None:
        self.cached("prune", "--keep", "41")
        self.assertHolds(0, 1, 2, others=(self.other.tree_name,))
        self.cached("prune", "--keep", "0")
        self.assertHolds(0, 1, others=(self.other.tree_name,))

    def test_seals_with_the_greatest_numbers_are_no_harm(self) -> None:
        self.unpack(0, 1, days=40)
        for number in (0, 1):
            seal = self.cache / self.versions[number].tree_name / "seal"
            change_seal(seal, 68, b"\xff" * 2)
            change_seal(seal, 72, b"\xff" * 8)
        listed = [(item["bytes"], item["keep_days"]) for item in self.cached("list")["items"]]
        self.assertEqual(listed.count((2**64 - 1, 65535)), 2)
        removed = {item["version"] for item in self.cached("prune")["removed"]}
        self.assertTrue(removed.isdisjoint({"1.0", "1.1"}))
        result = onefold("cache", "clear", "--cache", self.cache)
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(listing(self.cache), [])

    def test_clear_removes_what_is_not_in_use(self) -> None:
        make_lock(self.cache / f"{'a' * 32}.lock")
        hold_lease(self, self.cache / self.versions[1].tree_name, fcntl.F_RDLCK)
        would = self.cached("clear", "--dry-run")
        result = self.cached("clear")
        self.assertEqual(would, result)
        self.assertEqual([item["version"] for item in result["in_use"]], ["1.1"])
        self.assertEqual(len(result["removed"]), 3)
        self.assertHolds(1)
        text = onefold("cache", "clear", "--cache", self.cache).stderr.decode()
        self.assertRegex(text, r"in use: server 1\.1 in '.+'\nthere is nothing to remove\n")

    def test_a_tree_that_was_listed_is_found_by_launches_all_the_while(self) -> None:
        process = self.versions[0].start
        for _ in range(20):
            launches = [process(cache=self.cache) for _ in range(4)]
            self.cached("list")
            for launch in launches:
                self.assertEqual(launch.communicate(), (b"hello\n", b""))
        self.assertEqual(os.stat(self.cache / self.versions[0].tree_name).st_nlink, 3)

    def test_mistakes_are_reported(self) -> None:
        for arguments, text in (
            (["prine"], b"did you mean 'prune'"),
            (["list", "--keep", "3"], b"'--keep' goes with prune only"),
            (["list", "--dry-run"], b"'--dry-run' goes with prune or clear only"),
            (["prune", "--keep", "x"], b"needs a number from 0 to 36500"),
            (["list", "--cache", ""], b"needs a directory"),
            ([], b"missing argument ACTION"),
        ):
            with self.subTest(arguments):
                result = onefold("cache", *arguments)
                self.assertEqual(result.returncode, 2)
                self.assertIn(text, result.stderr)
        result = onefold("cache", "list", "--cache", self.work / "missing")
        self.assertEqual((result.returncode, result.stdout), (1, b""))
        self.assertIn(b"can't be the cache: it does not exist", result.stderr)


@needs_root
class Shared(Case):
    """What root prewarmed in /var/cache/onefold is everybody's, and nobody else writes there."""

    def setUp(self) -> None:
        super().setUp()
        self.mounts = Mounts(self)
        self.mounts.tmpfs(Path("/var/cache"), "mode=0755")
        self.system = Path("/var/cache/onefold")
        self.tree = make_tree(self.work / "tree", {"run": program(), "d/file": noise(9000)})
        self.packed = pack(self.tree, self.work / "packed")
        self.onefile = self.mounts.wrapped(self.packed)
        self.home = self.work / "home"
        self.home.mkdir()
        os.chown(self.home, NOBODY, NOBODY)

    def prewarm(self) -> None:
        self.mounts.inside(self.system).mkdir(mode=0o755)
        self.assertSucceeded(self.onefile.launch(cache=self.system, verb="prewarm"))

    def as_nobody(self) -> Onefile:
        # nsenter needs root: the program is started as nobody in there.
        nobody = f"setpriv --reuid={NOBODY} --regid={NOBODY} --clear-groups --".split()
        plain = self.packed.command
        onefile = Onefile(self.packed.path, self.packed.summary)
        onefile.command = lambda *a: self.mounts.command([*nobody, *plain(*a)])  # type: ignore
        return onefile

    @property
    def environment(self) -> dict[str, Any]:
        return {"HOME": self.home, "PATH": os.environ["PATH"]}

    def path(self) -> str:
        result = self.as_nobody().launch(verb="path", environment=self.environment)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return os.fsdecode(result.stdout)

    def traced(self) -> Trace:
        return self.as_nobody().trace(environment=self.environment)

    def test_everybody_uses_it_and_writes_nothing(self) -> None:
        self.prewarm()
        traced = self.traced()
        self.assertLaunched(traced.result)
        changes = [c for c in traced.calls if c.changes_files and "onefold" in c.arguments]
        self.assertEqual(changes, [])
        self.assertEqual(listing(self.home), [])
        self.mounts.mount("-o", "remount,ro", "/var/cache")
        self.assertLaunched(self.traced().result)
        self.assertEqual(listing(self.home), [])

    def test_it_is_checked_in_full_by_nobody_after_a_reboot(self) -> None:
        self.prewarm()
        self.mounts.mount("-o", "remount,ro", "/var/cache")
        boot = self.work / "boot_id"
        boot.write_text("11111111-2222-3333-4444-555555555555\n")
        self.mounts.mount("--bind", boot, "/proc/sys/kernel/random/boot_id")
        traced = self.traced()
        self.assertLaunched(traced.result)
        opened = [c.arguments for c in traced.calls if c.name == "openat" and c.succeeded]
        self.assertFalse([a for a in opened if re.search(r'"d/file"', a)], opened)

    def test_where_it_lacks_the_tree_or_is_damaged_the_user_s_own_is_used(self) -> None:
        own = f"{self.home}/.cache/onefold/{self.packed.tree_name}/tree\n"
        self.assertEqual(self.path(), own)
        self.mounts.inside(self.system).mkdir(mode=0o755)
        self.assertEqual(self.path(), own)
        self.assertSucceeded(self.onefile.launch(cache=self.system, verb="prewarm"))
        self.assertEqual(self.path(), f"{self.system}/{self.packed.tree_name}/tree\n")
        (self.mounts.inside(self.system) / self.packed.tree_name / "tree" / "d" / "file").unlink()
        result = self.traced().result
        self.assertEqual((result.returncode, result.stdout), (0, b"hello\n"))
        reason = "holds the tree, but it is damaged, or others can write to it"
        self.assertEqual(result.stderr.decode(), f"onefold: '{self.system}' is not used: it {reason}\n")
        self.assertEqual(listing(self.home / ".cache" / "onefold"), [self.packed.tree_name])

    def test_even_root_writes_there_only_when_it_is_named(self) -> None:
        self.mounts.inside(self.system).mkdir(mode=0o755)
        os.chown(self.home, 0, 0)
        result = self.onefile.launch(environment={"HOME": self.home})
        self.assertLaunched(result)
        self.assertEqual(os.listdir(self.mounts.inside(self.system)), [])

    def test_one_that_others_can_write_to_is_not_used(self) -> None:
        self.prewarm()
        self.mounts.inside(self.system).chmod(0o777)
        self.assertNotIn(str(self.system), self.path())
