"""Cleaners, backups, image layers, overlays, access control lists and sandboxes: what other programs and file systems do to a
cached tree (docs/launch.md, "Checks")."""

from __future__ import annotations

import errno
import os
import shutil
import time
import unittest
from pathlib import Path
from typing import Any

from others_support import USER, OthersCase, as_user, copy_of
from support import (
    ONEFOLD,
    File,
    Mounts,
    Result,
    Symlink,
    listing,
    make_tree,
    needs_program,
    needs_root,
    noise,
    onefold,
    pack,
    program,
    run,
    succeed,
    without_locks,
)

DAY = 86_400


def rewrite_times(directory: Path) -> None:
    """As images get them that are built with one time for all files."""
    for path in (directory, *directory.rglob("*")):
        os.utime(path, (1_700_000_000, 1_700_000_000), follow_symlinks=False)


class Times(OthersCase):
    """Cleaners, backups, restores and image layers."""

    def files_of(self, cache: Path) -> int:
        return sum(path.is_file() for path in self.packed.tree(cache).rglob("*"))

    def test_names_that_are_missing_although_the_times_were_set_back(self) -> None:
        """As systemd-tmpfiles, tar and rsync set them."""
        self.assertLaunched(self.launch())
        everything = self.files_of(self.cache)
        tree = self.packed.tree(self.cache)
        for number in range(4):
            package = tree / "library" / f"package-{number}"
            status = package.stat()
            for path in list(package.iterdir())[number % 2 :]:
                path.unlink()
            os.utime(package, ns=(status.st_atime_ns, status.st_mtime_ns))
        self.assertLess(self.files_of(self.cache), everything)
        self.assertLaunched(self.launch())
        self.assertSameTree(tree, self.tree)

    @needs_root
    @needs_program("systemd-tmpfiles")
    def test_systemd_tmpfiles(self) -> None:
        """It removes files of an unused tree, restores the times of their directories, and leaves a running program's tree."""
        mounts = Mounts(self)
        place = mounts.tmpfs(self.work / "var-tmp", "mode=1777")
        cache = place / "onefold-0"
        rules = self.work / "rules"
        rules.write_text(f"d {place} 1777 root root 2s\n")
        clean = mounts.command(["systemd-tmpfiles", "--clean", rules])
        onefile, waiter = mounts.wrapped(self.packed), mounts.wrapped(self.waiter)
        tree = mounts.inside(self.packed.tree(cache))
        waiting = waiter.start("wait", cache=cache)
        self.addCleanup(waiting.communicate)
        self.assertEqual(waiting.stdout.readline(), b"waiting\n")
        count = sum(path.is_file() for path in tree.rglob("*"))
        time.sleep(2.2)
        succeed(run(clean))
        self.assertSameTree(tree, self.tree)
        waiting.communicate()
        # One file of each directory was read lately.
        before = {p: p.stat().st_mtime_ns for p in (tree / "library").iterdir()}
        time.sleep(2.2)
        for path in tree.rglob("module-1.py"):
            os.utime(path, ns=(time.time_ns(), path.stat().st_mtime_ns))
        succeed(run(clean))
        left = sum(path.is_file() for path in tree.rglob("*"))
        self.assertLess(left, count)
        self.assertEqual({p: p.stat().st_mtime_ns for p in (tree / "library").iterdir()}, before)
        self.assertLaunched(onefile.launch(cache=cache))
        self.assertSameTree(tree, self.tree)

    def test_a_tree_that_tools_copied_is_confirmed_once_and_sealed_anew(self) -> None:
        self.assertLaunched(self.launch(verb=""))
        for way in ("cp", "rsync", "whole seconds", "one time"):
            if way == "rsync" and shutil.which("rsync") is None:
                continue
            with self.subTest(way=way):
                copy = self.new_directory() / "copy"
                copy_of(self.cache, copy, way)
                copy.chmod(0o700)
                first = self.packed.trace(cache=copy)
                self.assertLaunched(first.result)
                # Its names and sizes are compared, and not its content.
                self.assertEqual([c for c in first.launch if ".py" in c.arguments and c.name == "openat"], [])
                self.assertEqual(sum(c.name == "renameat" for c in first.launch), 1)
                second = self.packed.trace(cache=copy)
                self.assertLaunched(second.result)
                self.assertEqual(second.changes, [])

    def test_entries_missing_in_a_copy_are_unpacked(self) -> None:
        self.assertLaunched(self.launch())
        damages = {
            "a name": lambda tree: (tree / "library/package-1/module-2.py").unlink(),
            "a directory": lambda tree: shutil.rmtree(tree / "library/package-1"),
            "the end of a file": lambda tree: os.truncate(tree / "library/package-1/module-2.py", 100),
            "a mode": lambda tree: (tree / "run").chmod(0o644),
            "another name": lambda tree: (tree / "run").rename(tree / "walk"),
        }
        for way in ("cp", "one time"):
            for name, damage in damages.items():
                with self.subTest(way=way, damage=name):
                    copy = self.new_directory() / "copy"
                    copy_of(self.cache, copy, way)
                    copy.chmod(0o700)
                    damage(self.packed.tree(copy))
                    if way == "one time":
                        rewrite_times(copy)
                    self.assertLaunched(self.packed.launch(cache=copy))
                    full = {"ONEFOLD_CHECK": "full"}
                    traced = self.packed.trace(cache=copy, environment=full)
                    self.assertLaunched(traced.result)
                    self.assertEqual(traced.changes, [])

    def test_a_restored_backup_of_a_tree_that_was_damaged_later(self) -> None:
        """Over the tree that is there: the archive's files have their own times."""
        self.assertLaunched(self.launch())
        backup = self.work / "backup.tar"
        succeed(run(["tar", "-C", self.cache, "-cf", backup, "."]))
        tree = self.packed.tree(self.cache)
        (tree / "library/package-0/module-0.py").write_bytes(b"other")
        (tree / "library/package-0/added").write_bytes(b"")
        succeed(run(["tar", "-C", self.cache, "-xpf", backup]))
        self.assertLaunched(self.launch())
        (tree / "library/package-0/added").unlink()
        self.assertLaunched(self.launch())
        self.assertSameTree(tree, self.tree)

    def test_a_file_that_was_replaced_in_place_is_no_copy(self) -> None:
        self.assertLaunched(self.launch())
        module = self.packed.tree(self.cache) / "library/package-0/module-0.py"
        good = module.read_bytes()
        other = module.with_name("new")
        other.write_bytes(b"x" * len(good))
        other.rename(module)
        self.assertLaunched(self.launch())
        self.assertEqual(module.read_bytes(), good)

    @needs_root
    def test_a_layer_that_can_not_be_written_to(self) -> None:
        """No start reads the files of a tree that was prewarmed, whatever the layer made of its times; one that lacks names is
        not used."""
        self.prewarm()
        for way in ("whole seconds", "one time", "cp", "in place"):
            with self.subTest(way=way):
                layer = self.new_directory() / "layer"
                copy_of(self.cache, layer, way if way != "in place" else "cp")
                if way == "in place":
                    rewrite_times(layer)
                mounts = Mounts(self)
                mounts.mount("--bind", layer, layer)
                mounts.mount("-o", "remount,bind,ro", layer)
                onefile = mounts.wrapped(self.packed)
                command = onefile.command
                for user in (0, USER):
                    drop = ["setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups"]
                    onefile.command = lambda *rest: mounts.command([*drop, self.packed.path, *rest])  # type: ignore[method-assign]
                    for check in ("dirs", "files", "full"):
                        environment = {"ONEFOLD_CHECK": check}
                        traced = onefile.trace(cache=layer, environment=environment)
                        self.assertLaunched(traced.result)
                        read = [c for c in traced.launch if c.name == "openat" and ".py" in c.arguments]
                        if check == "dirs":
                            self.assertEqual(read, [])
                del command
                mounts.mount("-o", "remount,bind,rw", layer)
                self.packed.tree(layer).joinpath("library/package-2/module-3.py").unlink()
                rewrite_times(layer)
                mounts.mount("-o", "remount,bind,ro", layer)
                self.assertRefused(onefile.launch(cache=layer), "holds the tree, but it is damaged")

    def test_the_packer_writes_whole_seconds(self) -> None:
        lines = succeed(onefold("inspect", "--json", "--files", self.packed.path)).stdout
        self.assertNotRegex(lines, rb'"mtime_nanoseconds": ?[1-9]')
        self.assertRegex(lines, rb'"mtime": ?1600000000')


@needs_root
class Overlay(OthersCase):
    """A container whose image holds the tree: directories of its lower layer can't be renamed (EXDEV)."""

    def setUp(self) -> None:
        super().setUp()
        lower = self.work / "lower"
        lower.mkdir(mode=0o700)
        succeed(self.packed.launch(cache=lower, verb="prewarm"))
        self.mounts = Mounts(self)
        room = self.mounts.tmpfs(self.work / "room")
        for name in ("upper", "work"):
            self.mounts.inside(room / name).mkdir()
        self.cache.mkdir()
        layers = f"lowerdir={lower},upperdir={room}/upper,workdir={room}/work"
        result = run(self.mounts.command(["mount", "-t", "overlay", "-o", layers, "overlay", self.cache]))
        if result.returncode != 0:
            self.skipTest("can't mount an overlay file system")
        self.onefile = self.mounts.wrapped(self.packed)
        self.inside = self.mounts.inside(self.place)

    def launch(self, **options: Any) -> Result:
        return self.onefile.launch(cache=self.cache, **options)

    def onefold(self, *arguments: Any) -> Result:
        return run(self.mounts.command([ONEFOLD, *arguments, "--cache", self.cache]))

    def age(self, days: int) -> None:
        os.utime(self.inside, (time.time() - days * DAY,) * 2)

    def test_it_is_removed(self) -> None:
        self.assertEqual(self.launch(verb="clean").returncode, 0)
        self.assertEqual(os.listdir(self.inside.parent), [])
        self.assertLaunched(self.launch())
        self.assertSameTree(self.inside / "tree", self.tree)

    def test_it_is_cleared(self) -> None:
        result = self.onefold("cache", "clear")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(os.listdir(self.inside.parent), [])

    def test_it_is_cleaned_up_by_a_newer_version(self) -> None:
        self.age(400)
        for number in range(3):
            entries = {"run": program(), "version": b"%d" % number}
            tree = make_tree(self.work / f"tree {number}", entries)
            newer = self.mounts.wrapped(pack(tree, self.work / f"newer {number}", "--name", "sample"))
            self.assertLaunched(newer.launch(cache=self.cache))
        self.assertFalse(self.inside.exists())

    def test_it_is_replaced(self) -> None:
        for damage in ("its mode", "no tree", "a seal that is a directory"):
            with self.subTest(damage=damage):
                if damage == "its mode":
                    self.inside.chmod(0o777)
                elif damage == "no tree":
                    shutil.rmtree(self.inside / "tree")
                else:
                    (self.inside / "seal").unlink()
                    (self.inside / "seal").mkdir()
                    (self.inside / "seal" / "x").write_bytes(b"")
                for _ in range(2):
                    self.assertLaunched(self.launch())
                self.assertEqual(os.listdir(self.inside.parent), [self.packed.tree_name])
                self.assertSameTree(self.inside / "tree", self.tree)

    def test_it_is_repaired(self) -> None:
        library = self.inside / "tree" / "library"
        (library / "package-0" / "module-0.py").unlink()
        shutil.rmtree(library / "package-1")
        (library / "package-2" / "module-0.py").write_bytes(b"x")
        (library / "package-3").chmod(0o775)
        shutil.rmtree(library / "package-3" / "module-0.py", ignore_errors=True)
        for _ in range(2):
            self.assertLaunched(self.launch())
        self.assertSameTree(self.inside / "tree", self.tree)


@needs_root
@needs_program("setfacl")
class DefaultACL(OthersCase):
    """Of the directory above: it counts more than the modes that files are made with."""

    RULES = ("u::rwx,g::---,o::---", f"u::rwx,g::rwx,o::rwx,u:{USER}:rwx", "u::rwx,g::r-x,o::r-x,m::rwx,g:7:rwx")

    @classmethod
    def entries(cls) -> dict[Any, Any]:
        return {
            **super().entries(),
            "empty": b"",
            "large": File(noise(9 << 20), mode=0o640),
            "link": Symlink("run"),
        }

    def above(self, rules: str) -> Path:
        place = self.new_directory() / "above"
        place.mkdir()
        result = run(["setfacl", "-d", "-m", rules, place])
        if result.returncode != 0:
            self.skipTest("this file system has no access control lists")
        return place

    def test_modes_are_those_of_the_manifest(self) -> None:
        for rules in self.RULES:
            with self.subTest(rules=rules):
                place = self.above(rules)
                succeed(onefold("extract", self.packed.path, place / "extracted"))
                self.assertSameTree(place / "extracted", self.tree)
                succeed(self.packed.launch(place / "by verb", verb="extract"))
                self.assertSameTree(place / "by verb", self.tree)
                (place / "there").mkdir()
                succeed(onefold("extract", self.packed.path, place / "there"))
                self.assertSameTree(place / "there", self.tree)
                cache = place / "cache"
                self.assertLaunched(self.packed.launch(cache=cache))
                self.assertSameTree(self.packed.tree(cache), self.tree)
                for path in self.packed.tree(cache).rglob("*"):
                    self.assertNotIn("system.posix_acl_access", os.listxattr(path, follow_symlinks=False))

    def test_nothing_is_repaired_for_ever_and_others_can_read_it(self) -> None:
        cache = self.above(self.RULES[0])
        cache.chmod(0o755)
        self.assertLaunched(self.packed.launch(cache=cache))
        for check in ("dirs", "files", "full"):
            traced = self.packed.trace(cache=cache, environment={"ONEFOLD_CHECK": check})
            self.assertLaunched(traced.result)
            self.assertEqual(traced.changes, [])
        self.assertLaunched(self.packed.launch(cache=cache, **as_user(USER)))
        (self.packed.tree(cache) / "library/package-1/module-1.py").unlink()
        self.assertLaunched(self.packed.launch(cache=cache))
        self.assertSameTree(self.packed.tree(cache), self.tree)


@needs_program("strace")
class Refused(OthersCase):
    """Calls that a sandbox, an old kernel or a network file system does not know or refuses."""

    def test_calls_that_a_launch_can_do_without(self) -> None:
        for call, errors in {
            "renameat2": "EPERM ENOSYS EINVAL",
            "faccessat2": "EPERM ENOSYS",
            "flock": "EPERM ENOSYS ENOLCK",
            "fremovexattr": "EPERM ENOSYS EOPNOTSUPP",
            "fstatfs": "EPERM ENOSYS",
        }.items():
            for error in errors.split():
                with self.subTest(call=call, error=error):
                    cache = self.new_directory() / "cache"
                    inject = [f"{call}:error={error}"]
                    for _ in range(2):
                        self.assertRuns(cache, inject)
                    self.assertSameTree(self.packed.tree(cache), self.tree)
                    shutil.rmtree(self.packed.tree(cache) / "library" / "package-1")
                    self.packed.tree(cache).parent.chmod(0o777)
                    self.assertRuns(cache, inject)
                    self.assertSameTree(self.packed.tree(cache), self.tree)
                    result = self.packed.trace(cache=cache, verb="clean", inject=inject).result
                    self.assertEqual(result.returncode, 0, result.stderr)
                    self.assertNotIn(self.packed.tree_name, listing(cache))

    def test_locks_that_do_not_work(self) -> None:
        """As on kernels and file systems without them, and in sandboxes."""
        for error in (errno.EINVAL, errno.ENOLCK, errno.EPERM, errno.ENOSYS):
            with self.subTest(error=errno.errorcode[error]):
                cache = self.new_directory() / "cache"
                onefile = without_locks(self.packed, error)
                for damage in (None, lambda tree: (tree / "run").unlink(), lambda tree: tree.parent.chmod(0o777)):
                    if damage:
                        damage(self.packed.tree(cache))
                    for _ in range(2):
                        self.assertLaunched(onefile.launch(cache=cache))
                    self.assertSameTree(self.packed.tree(cache), self.tree)
                self.assertEqual(onefile.launch(cache=cache, verb="clean").returncode, 0)
                self.assertNotIn(self.packed.tree_name, listing(cache))

    def assertRuns(self, cache: Path, inject: list[str]) -> None:
        """A program that does nothing: what is refused is refused to it as well."""
        self.assertSucceeded(self.waiter.trace("nothing", cache=cache, inject=inject).result, b"")

    def test_entries_that_another_machine_removed(self) -> None:
        """A network file system answers ESTALE."""
        for call, when in (("openat", 6), ("newfstatat", 1), ("unlinkat", 2), ("unlinkat", 5)):
            with self.subTest(call=call, when=when):
                cache = self.new_directory() / "cache"
                self.assertLaunched(self.packed.launch(cache=cache))
                inject = [f"{call}:error=ESTALE:when={when}"]
                if call == "unlinkat":
                    result = self.packed.trace(cache=cache, verb="clean", inject=inject).result
                    self.assertIn(result.returncode, (0, 125))
                    self.assertEqual(self.packed.launch(cache=cache, verb="clean").returncode, 0)
                    self.assertNotIn(self.packed.tree_name, listing(cache))
                else:
                    self.assertLaunched(self.packed.trace(cache=cache, inject=inject).result)
                    self.assertSameTree(self.packed.tree(cache), self.tree)


class LongPaths(OthersCase):
    """A home whose path is nearly as long as paths can be."""

    def test_the_next_directory_is_used_where_the_program_s_path_does_not_fit(self) -> None:
        mounts = Mounts(self)
        mounts.tmpfs(Path("/var/tmp"), "mode=1777")
        user = 0 if os.geteuid() == 0 else os.geteuid()
        onefile = mounts.wrapped(self.packed)
        below = len(f"/.cache/onefold/{self.packed.tree_name}/tree/run")
        for length, fits in ((4095 - below, True), (4096 - below, False), (4000, True), (4090, False)):
            with self.subTest(length=length):
                home = os.fspath(self.new_directory())
                while len(home) < length:
                    home += "/" + "d" * min(200, length - len(home) - 1)
                home = home.rstrip("/") + "d" * (length - len(home.rstrip("/")))
                os.makedirs(home)
                result = onefile.launch(environment={"HOME": home}, verb="prewarm")
                self.assertEqual((result.returncode, result.stderr), (0, b""))
                where = home if fits else f"/var/tmp/onefold-{user}/"
                self.assertTrue(result.stdout.decode().startswith(where), result.stdout[:80])
                self.assertLaunched(onefile.launch(environment={"HOME": home}))
                if not fits:
                    self.assertEqual(os.listdir(home), [])
                    refused = onefile.launch(environment={"ONEFOLD_CACHE": f"{home}/.cache/onefold"})
                    self.assertRefused(refused, "has too long a path")


if __name__ == "__main__":
    unittest.main()
