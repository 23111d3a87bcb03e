"""`onefold` says that something is done only when it is: outputs that are no regular files, trees that
change, standard descriptors that are closed."""

from __future__ import annotations

import mmap
import os
import socket
import stat
import subprocess
from pathlib import Path
from typing import Sequence

from support import (
    Case,
    Mounts,
    ONEFOLD,
    Result,
    StrPath,
    holds_unnamed_file,
    listing,
    make_tree,
    needs_root,
    noise,
    onefold,
    pack,
    program,
    run,
    start,
    strace,
    succeed,
    tree_state,
    wait_until,
)

OLD = b"the output of yesterday"


class Outputs(Case):
    """Every command that writes a file refuses the same places, before it does anything."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree(self.work / "tree", {"run": program()})
        self.packed = pack(self.tree, self.work / "packed").path
        (self.work / "spec").mkdir()
        (self.work / "spec" / "onefold.toml").write_text(
            '[app]\nname = "t"\nversion = "1"\n[[data]]\nsource = "../tree"\ntarget = "."\n'
            '[launch]\nexecutable = "run"\n[archive]\nlevel = 1\n'
        )

    def commands(self, output: StrPath) -> list[tuple[str, list[StrPath]]]:
        options = ["-o", output, "--level", "1", "--no-cache"]
        return [
            ("pack", ["pack", "--tree", self.tree, "--entry", "run", *options]),
            ("pack", ["pack", "--spec", self.work / "spec", *options]),
            ("bench", ["bench", self.packed, "--runs", "1", "--csv", "--html", output]),
            ("extract", ["extract", self.packed, output]),
        ]

    def assertOutputRefused(self, output: Path, what: str, *, extracts: bool = False) -> None:
        before = tree_state(self.work)
        status = os.stat(output, follow_symlinks=False)
        for name, command in self.commands(output):
            if name == "extract" and extracts:
                continue
            with self.subTest(name, output=output):
                result = onefold(*command, cwd=self.work)
                self.assertRefused(result, output, code=1, says=f"onefold {name}: ".encode())
                if name != "extract":
                    self.assertIn(what.encode(), result.stderr)
                now = os.stat(output, follow_symlinks=False)
                self.assertEqual((now.st_ino, now.st_mode), (status.st_ino, status.st_mode))
        self.assertSameTree(self.work, before)

    def test_special_files(self) -> None:
        places = self.work / "places"
        places.mkdir()
        os.mkfifo(places / "fifo")
        (places / "directory" / "below").mkdir(parents=True)
        (places / "to-fifo").symlink_to("fifo")
        (places / "to-null").symlink_to("/dev/null")
        (places / "loop").symlink_to("loop")
        (places / "to-nowhere").symlink_to("missing/file")
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.path.relpath(places / "socket"))
        for name, what in (
            ("fifo", "a FIFO"), ("socket", "a socket"), ("directory", "a directory"),
            ("to-fifo", "a FIFO"), ("to-null", "a device"), ("loop", "evels of symbolic links"),
            ("to-nowhere", "does not exist"),
        ):  # fmt: skip
            self.assertOutputRefused(places / name, what)

    @needs_root
    def test_devices(self) -> None:
        for name, kind in (("character", stat.S_IFCHR), ("block", stat.S_IFBLK)):
            # The device of no driver: nothing is written to, whatever happens.
            os.mknod(self.work / name, kind | 0o666, os.makedev(0, 0))
            self.assertOutputRefused(self.work / name, "a device")

    def test_the_standard_output(self) -> None:
        """Its symlink leads to a regular file here."""
        for output in ("/dev/stdout", "/proc/self/fd/1", "/dev/fd/1"):
            for name, command in self.commands(output)[:3]:
                with self.subTest(name, output=output), (self.work / "out").open("wb") as file:
                    result = run_to(file.fileno(), [ONEFOLD, *command], cwd=self.work)
                    self.assertEqual(result.returncode, 1, result.stderr)
                    self.assertIn(b"stands for an open file", result.stderr)
                    self.assertEqual((self.work / "out").read_bytes(), b"")
        self.assertTrue(os.path.islink("/dev/stdout"))

    def test_symlinks_to_files_are_followed(self) -> None:
        elsewhere = self.work / "elsewhere"
        elsewhere.mkdir()
        for link, target, old in (
            ("link", "elsewhere/file", True), ("dangling", "elsewhere/new", False),
            ("chain", "link", True),
        ):  # fmt: skip
            for path in elsewhere.iterdir():
                path.unlink()
            (self.work / link).symlink_to(target)
            place = Path(os.path.realpath(self.work / link))
            for name, command in self.commands(self.work / link)[:3]:
                with self.subTest(name, link=link):
                    place.unlink(missing_ok=True)
                    if old:
                        place.write_bytes(OLD)
                    succeed(onefold(*command, cwd=self.work))
                    self.assertEqual(os.readlink(self.work / link), target)
                    self.assertGreater(place.stat().st_size, len(OLD))
                    self.assertEqual(listing(elsewhere), [place.name])

    def test_init(self) -> None:
        project = self.work / "project"
        for make in (os.mkfifo, os.mkdir, lambda path: os.symlink("nowhere", path)):
            project.mkdir()
            make(project / "onefold.toml")
            before = tree_state(project)
            result = onefold("init", project)
            self.assertRefused(result, "onefold.toml", code=1, says=b"onefold init: ")
            self.assertSameTree(project, before)
            run(["rm", "-rf", project])

    def test_a_special_file_in_the_cache(self) -> None:
        """It is not replaced; the packer goes on without."""
        cache = self.work / "frames"
        command = self.commands(self.work / "out")[0][1][:-1]
        succeed(onefold(*command, "--cache", cache))
        (entry,) = [path for path in (cache / "frames").glob("*/*")]
        entry.unlink()
        os.mkfifo(entry)
        succeed(onefold(*command, "--cache", cache))
        self.assertTrue(entry.is_fifo())


def run_to(descriptor: int, command: Sequence[StrPath], **options: object) -> Result:
    """The standard output is the descriptor."""
    return subprocess.run(
        command, stdin=subprocess.DEVNULL, stdout=descriptor, stderr=subprocess.PIPE, timeout=120,
        **options,  # type: ignore[call-overload]
    )  # fmt: skip


class Changes(Case):
    def test_content_that_changes_while_size_and_time_stay(self) -> None:
        """A program writes by mmap(2), or restores the time: after all files were hashed, and
        before this one is packed."""
        tree = make_tree(
            self.work / "tree",
            {"run": program(), **{f"{i}": noise(200_000, f"{i}") for i in range(8)}},
        )
        for what in ("written", "mapped", "a large file", "a sparse file"):
            with self.subTest(what):
                self.changed(tree, tree / "7", what)

    def changed(self, tree: Path, file: Path, what: str) -> None:
        if what == "a large file":
            file.write_bytes(noise(3_000_000))
        if what == "a sparse file":
            with file.open("wb") as sparse:
                sparse.truncate(1 << 20)
                sparse.seek(700_000)
                sparse.write(noise(100_000))
        out = self.new_directory()
        traces = self.new_directory()
        command: list[StrPath] = [ONEFOLD, "pack", "--tree", tree, "--entry", "run", "-j", "1"]
        command += ["--level", "1", "--frame-size", "64", "--no-cache", "-o", out / "packed"]
        process = start(strace(traces, command, "write", ["write:delay_enter=700000:when=1"]))
        wait_until(lambda: holds_unnamed_file(traces), "the output to be begun")
        before = file.stat()
        with file.open("r+b") as opened:
            if what == "mapped":
                with mmap.mmap(opened.fileno(), 0) as mapped:
                    mapped[150_000] ^= 1
            else:
                # In what is not a hole: holes are zeros, whatever comes later.
                opened.seek(750_000 if what == "a sparse file" else file.stat().st_size - 1)
                opened.write(b"?")
        os.utime(file, ns=(before.st_atime_ns, before.st_mtime_ns))
        _, stderr = process.communicate()
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn(b"'%s' changed while it was being packed" % os.fsencode(file), stderr)
        self.assertEqual(listing(out), [])


class ClosedDescriptors(Case):
    """Of the descriptors 0, 1 and 2 any may be closed: no file gets their number."""

    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree(self.work / "tree", {"run": program(), "noise": noise(500_000)})
        self.packed = pack(self.tree, self.work / "reference")
        self.onefile = self.packed.path

    def closed(self, redirections: str, *command: StrPath) -> Result:
        shell = ["sh", "-c", f'exec "$@" {redirections}', "sh"]
        return run([*shell, ONEFOLD, *command], environment={"ONEFOLD_CACHE": self.cache})

    def test_the_output_is_the_same(self) -> None:
        packing: list[StrPath] = ["pack", "--tree", self.tree, "--entry", "run", "--no-sbom", "--level", "1"]
        for redirections in ("<&-", ">&-", "2>&-", "<&- >&-", ">&- 2>&-", "<&- >&- 2>&-"):
            with self.subTest(redirections):
                output = self.work / "packed"
                result = self.closed(redirections, *packing, "--no-cache", "-o", output)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertEqual(output.read_bytes(), self.onefile.read_bytes())
                result = self.closed(redirections, "extract", self.onefile, self.work / "x")
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertSameTree(self.work / "x", self.tree)
                run(["rm", "-rf", self.work / "x"])
                result = self.closed(redirections, "verify", self.onefile)
                self.assertEqual(result.returncode, 0, result.stderr)

    def test_data_that_cannot_be_written_is_a_failure(self) -> None:
        succeed(self.packed.launch(cache=self.cache, verb="prewarm"))
        output = self.work / "made"
        packing: list[StrPath] = ["pack", "--tree", self.tree, "--entry", "run", "-o", output]
        for command in (
            ["--version"], ["--help"], ["pack", "--help"], ["inspect", self.onefile],
            ["verify", "--json", self.onefile], ["extract", "--json", self.onefile, output],
            ["cache", "list"], ["bench", self.onefile], [*packing, "--json"],
        ):  # fmt: skip
            with self.subTest(command[0]):
                result = self.closed(">&-", *command)
                self.assertEqual(result.returncode, 1, result.stderr)
                self.assertIn(b"the standard output", result.stderr)
        self.assertFalse(output.exists())

    def test_without_a_device_directory(self) -> None:
        """In a root that has no /dev a spec is packed and tested as anywhere else."""
        (self.work / "onefold.toml").write_text(
            '[app]\nname = "t"\nversion = "1"\n[[data]]\nsource = "tree"\ntarget = "."\n'
            '[launch]\nexecutable = "run"\n[archive]\nlevel = 1\n'
            '[[smoke.command]]\noutput = "hello"\n'
        )
        mounts = Mounts(self)
        # The tests' own directory may be in /dev.
        mounts.mount("--bind", self.work, "/mnt")
        mounts.tmpfs(Path("/dev"))
        packing = [ONEFOLD, "pack", "--spec", "/mnt/onefold.toml", "--no-cache", "-o", "/mnt/out"]
        inside = ["sh", "-c", 'test ! -e /dev/null && exec "$@" <&-', "sh", *packing]
        result = run(mounts.command(inside))
        self.assertEqual(result.returncode, 0, result.stderr)
