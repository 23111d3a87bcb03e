"""Other users can neither change what is executed, nor remove it, nor keep anybody from it (docs/launch.md, "The directories
above it", "The lease")."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import stat
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from others_support import OTHER, USER, OthersCase, as_user
from support import (
    AS_NOBODY,
    NOBODY,
    Case,
    ONEFOLD,
    Directory,
    File,
    Mounts,
    hold_lease,
    listing,
    lock_lease,
    make_tree,
    needs_root,
    noise,
    onefold,
    pack,
    program,
    remove_tree,
    run,
    succeed,
    trace,
)


@needs_root
class Modes(Case):
    """A tree of a machine with another umask, or of a file system that gives everything one mode."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        entries = {
            "run": program()._replace(mode=0o777),
            "library": Directory(0o777),
            "library/module.py": File(b"good", mode=0o666),
            "library/large": File(noise(9 << 20), mode=0o664),
            "library/empty": File(b"", mode=0o662),
            "library/group": Directory(0o775),
        }
        cls.tree = make_tree(cls.shared / "tree", entries, of_root=Directory(0o777))
        cls.packed = pack(cls.tree, cls.shared / "packed")

    def assertClosed(self, tree: Path) -> None:
        """Nobody else can write to an entry."""
        for path in (tree, *tree.rglob("*")):
            self.assertEqual(path.stat().st_mode & 0o022, 0, path)

    def test_nothing_in_a_cache_can_be_written_to_by_others(self) -> None:
        self.cache.mkdir(mode=0o755)
        tree = self.packed.tree(self.cache)
        self.assertLaunched(self.packed.launch(cache=self.cache))
        self.assertClosed(tree)
        for path in ("library/module.py", "run"):
            with self.assertRaises(PermissionError):
                as_other(lambda: open(tree / path, "r+b"))
        # And all checks are about those modes: nothing is repaired for ever.
        for check in ("seal", "dirs", "files", "full"):
            traced = self.packed.trace(cache=self.cache, environment={"ONEFOLD_CHECK": check})
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])

    def test_nor_after_a_repair(self) -> None:
        self.assertLaunched(self.packed.launch(cache=self.cache))
        tree = self.packed.tree(self.cache)
        (tree / "library" / "module.py").unlink()
        shutil.rmtree(tree / "library" / "group")
        (tree / "library").chmod(0o777)
        (tree / "library" / "large").chmod(0o666)
        full = {"ONEFOLD_CHECK": "full"}
        self.assertLaunched(self.packed.launch(cache=self.cache, environment=full))
        self.assertClosed(tree)
        self.assertEqual((tree / "library" / "module.py").read_bytes(), b"good")
        self.assertEqual(len((tree / "library" / "large").read_bytes()), 9 << 20)

    def test_extracted_files_have_their_modes(self) -> None:
        for number, command in enumerate(("verb", "command")):
            target = self.work / str(number)
            if command == "verb":
                succeed(self.packed.launch(target, verb="extract"))
            else:
                succeed(onefold("extract", self.packed.path, target))
            self.assertSameTree(target, self.tree)

    def test_the_packer_says_it_once(self) -> None:
        result = onefold("pack", "--tree", self.tree, "--entry", "run", "-o", self.work / "again")
        warnings = re.findall(rb"(?m)^onefold pack: warning: .*", result.stderr)
        self.assertEqual(len(warnings), 1, result.stderr)
        self.assertIn(b"7 entries", warnings[0])


def as_other(action: Any) -> Any:
    os.setegid(OTHER)
    os.seteuid(OTHER)
    try:
        return action()
    finally:
        os.seteuid(0)
        os.setegid(0)


@needs_root
class Ancestors(OthersCase):
    """Directories above the cache that others can write to, or own."""

    def assertSkips(self, reason: str, cache: Path, **options: Any) -> None:
        result = self.packed.launch(cache=cache, **options)
        self.assertRefused(result, f"'{cache}' {reason}")

    def test_one_that_others_can_write_to(self) -> None:
        for mode in (0o777, 0o707, 0o773):
            for names in (["c"], ["a", "b", "c"]):
                with self.subTest(mode=oct(mode), names=names):
                    shared = self.new_directory() / "shared"
                    shared.mkdir()
                    shared.chmod(mode)
                    cache = shared.joinpath(*names)
                    reason = f"is below '{shared}', which others can write to"
                    self.assertSkips(reason, cache)
                    self.assertEqual(listing(shared), [])
                    # Nor if it is there already.
                    cache.mkdir(parents=True, mode=0o755)
                    self.assertSkips(reason, cache)
                    self.assertEqual(listing(cache), [])

    def test_one_that_became_so_is_no_place_for_another_tree(self) -> None:
        """Nor for the same one under a name that leads through it."""
        self.assertLaunched(self.launch())
        shared = self.work / "shared"
        shared.mkdir()
        shared.chmod(0o777)
        (shared / "link").symlink_to(self.work)
        reason = f"is below '{shared}', which others can write to"
        self.assertSkips(reason, shared / "link" / "cache")
        self.assertLaunched(self.launch())

    def test_a_sticky_one(self) -> None:
        shared = self.work / "shared"
        shared.mkdir()
        shared.chmod(0o1777)
        self.assertLaunched(self.packed.launch(cache=shared / "own"))
        (shared / "theirs").mkdir()
        os.chown(shared / "theirs", OTHER, OTHER)
        reason = f"is below '{shared}', which others can write to"
        self.assertSkips(reason, shared / "theirs" / "c")
        # Who owns a link there can lead it elsewhere.
        as_other(lambda: (shared / "link").symlink_to(shared / "own"))
        self.assertSkips(reason, shared / "link" / "c")

    def test_one_that_a_group_can_write_to(self) -> None:
        mounts = Mounts(self)
        users = self.work / "etc"
        users.mkdir()
        lines = {
            "passwd": ["root:x:0:0::/:/bin/sh", "own:x:12345:700::/:/bin/sh", "other:x:23456:701::/:/bin/sh"],
            "group": ["root:x:0:", "own:x:700:own", "other:x:701:", "mixed:x:702:own,other", "none:x:703:"],
        }
        for name, content in lines.items():
            (users / name).write_text("\n".join(content) + "\n")
            mounts.mount("--bind", users / name, f"/etc/{name}")
        onefile = mounts.wrapped(self.packed)
        command = onefile.command
        user = ["setpriv", f"--reuid={USER}", "--regid=700", "--clear-groups"]
        onefile.command = lambda *rest: mounts.command([*user, self.packed.path, *rest])  # type: ignore[method-assign]
        for group, is_safe in ((0, True), (700, True), (703, True), (701, False), (702, False), (799, False)):
            with self.subTest(group=group):
                shared = self.new_directory() / "shared"
                shared.mkdir()
                os.chown(shared, USER, group)
                shared.chmod(0o2775)
                result = onefile.launch(cache=shared / "c")
                if is_safe:
                    self.assertLaunched(result)
                else:
                    self.assertRefused(result, f"is below '{shared}', which others can write to")
        # With an access control list the group's bits are those of whom it names.
        if shutil.which("setfacl"):
            shared = self.new_directory() / "shared"
            shared.mkdir()
            os.chown(shared, USER, 700)
            succeed(run(["setfacl", "-m", f"u:{OTHER}:rwx", shared]))
            self.assertRefused(onefile.launch(cache=shared / "c"), "others can write to")
        del command

    def test_one_of_another_user(self) -> None:
        home = self.work / "home"
        home.mkdir()
        (home / "roots").mkdir(mode=0o700)
        os.chown(home, OTHER, OTHER)
        reason = f"is below '{home}', which belongs to another user"
        self.assertSkips(reason, home / "roots")
        self.assertSkips(reason, home / "new" / "c")
        mounts = Mounts(self)
        for place in ("/var/tmp", "/tmp"):
            mounts.tmpfs(Path(place), "mode=1777")
        environment = {"XDG_CACHE_HOME": home / "roots"}
        result = mounts.launch(self.packed, environment=environment, verb="prewarm")
        self.assertTrue(result.stdout.startswith(b"/var/tmp/onefold-0/"), result)
        self.assertEqual(listing(home / "roots"), [])

    def test_a_symlink_with_a_slash_is_a_symlink(self) -> None:
        (self.work / "real").mkdir(mode=0o700)
        (self.work / "link").symlink_to("real")
        for end in ("", "/", "//", "/.", "/./"):
            result = self.packed.launch(cache=f"{self.work}/link{end}")
            self.assertRefused(result, f"'{self.work}/link' is a symlink")
        self.assertEqual(listing(self.work / "real"), [])

    def test_owners_without_a_number_in_a_user_namespace(self) -> None:
        """They all show as the overflow user, also the process's own."""
        self.prewarm()
        os.chown(self.cache, OTHER, OTHER)
        for path in self.cache.rglob("*"):
            os.chown(path, OTHER, OTHER, follow_symlinks=False)
        alone = ["unshare", "--user"]
        if run([*alone, "true"], **AS_NOBODY).returncode != 0:
            self.skipTest("may not make a user namespace")
        for user in (NOBODY, USER):
            result = run(
                [*alone, self.packed.path], environment={"ONEFOLD_CACHE": self.cache}, **as_user(user)
            )
            self.assertRefused(result, "belongs to another user")
        # The overflow user itself is a user as any other where it has its number.
        result = self.packed.launch(cache=self.new_directory() / "c", **AS_NOBODY)
        self.assertRefused(result)
        own = self.new_directory()
        os.chown(own, NOBODY, NOBODY)
        self.assertLaunched(self.packed.launch(cache=own / "c", **AS_NOBODY))

    def test_the_one_that_all_share_is_missed(self) -> None:
        """As by `chmod -R g=u`, which fits images for OpenShift: the launch says why it unpacks another tree."""
        mounts = Mounts(self)
        mounts.tmpfs(Path("/var/cache"), "mode=0755")
        for place in ("/var/tmp", "/tmp"):
            mounts.tmpfs(Path(place), "mode=1777")
        shared = "/var/cache/onefold"
        succeed(run(mounts.command(["install", "-d", "-m", "755", shared])))
        onefile = mounts.wrapped(self.packed)
        succeed(onefile.launch(cache=shared, verb="prewarm"))
        user = ["setpriv", f"--reuid={USER}", "--regid=0", "--clear-groups"]
        onefile.command = lambda *rest: mounts.command([*user, self.packed.path, *rest])  # type: ignore[method-assign]
        self.assertLaunched(onefile.launch())
        whole = "can be written to by others"
        part = "holds the tree, but it is damaged, or others can write to it"
        for what, reason in (("-R", whole), ("", part)):
            if what:
                succeed(run(mounts.command(["chmod", "-R", "g=u", shared])))
            else:
                succeed(run(mounts.command(["chmod", "755", shared])))
            succeed(run(mounts.command(["rm", "-rf", f"/var/tmp/onefold-{USER}"])))
            result = onefile.launch()
            self.assertEqual((result.returncode, result.stdout), (0, b"hello\n"))
            self.assertEqual(result.stderr.decode(), f"onefold: '{shared}' is not used: it {reason}\n")
            # Once.
            self.assertLaunched(onefile.launch())


@needs_root
class Locks(OthersCase):
    """Locks of other users."""

    def hold(self, path: Path, operation: int, user: int) -> None:
        """That user locks the file or directory, with flock, until the test ends."""
        file = os.open(path, os.O_RDONLY)
        self.addCleanup(os.close, file)
        as_other(lambda: fcntl.flock(file, operation))

    def test_a_flock_of_another_user_keeps_nobody_from_the_tree(self) -> None:
        self.prewarm()
        before = self.place.stat().st_ino
        for name in ("", "lease", "seal"):
            self.hold(self.place / name, fcntl.LOCK_EX, OTHER)
        for options in (as_user(USER), {}):
            traced = self.packed.trace(cache=self.cache, **options)
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])
        self.assertEqual(self.place.stat().st_ino, before)

    def test_another_user_can_not_have_the_lease_alone(self) -> None:
        self.prewarm()
        file = as_other(lambda: os.open(self.place / "lease", os.O_RDONLY))
        self.addCleanup(os.close, file)
        with self.assertRaises(OSError):
            lock_lease(file, fcntl.F_WRLCK)
        with self.assertRaises(PermissionError):
            as_other(lambda: os.open(self.place / "lease", os.O_RDWR))

    def test_a_lease_that_somebody_holds_alone_is_waited_for_and_is_no_damage(self) -> None:
        self.assertLaunched(self.launch())
        added = self.packed.tree(self.cache) / "added"
        added.write_bytes(b"precious")
        self.assertLaunched(self.launch())
        file = hold_lease(self, self.place, fcntl.F_WRLCK)
        before = self.place.stat().st_ino
        traced = self.packed.trace(cache=self.cache)
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        asked = [call for call in traced.launch if call.name == "fcntl"]
        self.assertGreater(len(asked), 100)
        # Who holds it briefly is waited for.
        timer = threading.Timer(0.3, os.close, [file])
        timer.start()
        traced = self.packed.trace(cache=self.cache)
        timer.join()
        self.assertLaunched(traced.result)
        self.assertEqual([c.succeeded for c in traced.launch if c.name == "fcntl"][-1], True)
        self.assertEqual(self.place.stat().st_ino, before)
        self.assertEqual(added.read_bytes(), b"precious")

    def test_who_only_asks_takes_no_lock(self) -> None:
        self.prewarm()
        for command in (["list"], ["prune", "--dry-run"], ["clear", "--dry-run"]):
            with self.subTest(command=command):
                traced = trace([ONEFOLD, "cache", *command, "--cache", self.cache, "--json"])
                self.assertEqual(traced.result.returncode, 0)
                locks = [
                    call
                    for call in traced.calls
                    if call.name == "flock" or call.name == "fcntl" and "SETLK" in call.arguments
                ]
                self.assertEqual(locks, [])
                self.assertEqual([c for c in traced.calls if c.changes_files and "unlink" in c.name], [])

    def test_programs_of_others_are_seen(self) -> None:
        self.prewarm()
        with self.running(**as_user(USER)):
            result = self.packed.launch(cache=self.cache, verb="clean")
            self.assertRefused(result, "is in use")
            items = onefold("cache", "list", "--cache", self.cache)
            self.assertIn(b"yes  sample", items.stdout)
        self.assertEqual(self.packed.launch(cache=self.cache, verb="clean").returncode, 0)


@needs_root
class Extracting(Case):
    """Root extracts where another user is."""

    def test_into_a_directory_of_another_user(self) -> None:
        """Who renames the staging directory away, and puts a symlink to a file of root's in its place."""
        entries = {"run": program(), **{f"d{n}/f{m}": noise(30_000, f"{n}{m}") for n in range(9) for m in range(9)}}
        packed = pack(make_tree(self.work / "tree", entries), self.work / "packed")
        victim = self.work / "victim"
        victim.write_bytes(b"secret")
        theirs = self.work / "theirs"
        for call in ("openat", "fchmod", "renameat", "unlinkat", "utimensat", "mkdirat"):
            for when in (1, 3):
                with self.subTest(call=call, when=when):
                    remove_tree(theirs)
                    theirs.mkdir()
                    os.chown(theirs, OTHER, OTHER)
                    victim.chmod(0o644)
                    stop = threading.Event()
                    attacker = threading.Thread(target=self.exchange, args=(theirs, victim, stop))
                    attacker.start()
                    # Slowly, so that there is time for it.
                    slow = [f"{call}:delay_exit=30000:when={when}"]
                    traced = packed.trace(theirs, verb="extract", calls=call, inject=slow)
                    stop.set()
                    attacker.join()
                    self.assertEqual(stat.S_IMODE(victim.stat().st_mode), 0o644, traced.result)
                    self.assertEqual(victim.read_bytes(), b"secret")

    def exchange(self, theirs: Path, victim: Path, stop: threading.Event) -> None:
        while not stop.is_set():
            for name in os.listdir(theirs):
                if name.startswith(".theirs."):
                    os.rename(theirs / name, theirs / "gone")
                    os.symlink(victim, theirs / name)
                    return
            time.sleep(0.0002)


if __name__ == "__main__":
    unittest.main()
