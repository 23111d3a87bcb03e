"""What can't be packed is refused, with a message and without a trace."""

from __future__ import annotations

import os
import resource
import shutil
import signal
import socket
import unittest
from typing import Any, Sequence

from support import (
    AS_NOBODY,
    BOOTLOADER,
    IS_ROOT,
    ONEFOLD,
    Case,
    Mounts,
    Result,
    StrPath,
    holds_unnamed_file,
    listing,
    make_tree,
    needs_root,
    noise,
    onefold,
    pack,
    probe,
    program,
    run,
    start,
    strace,
    trace,
    tree_state,
    wait_until,
)

OLD = b"the output of yesterday"


class PackErrors(Case):
    def setUp(self) -> None:
        super().setUp()
        self.tree = make_tree(self.work / "tree", {"run": program(), "file": b"content"})
        self.out = self.work / "out"
        self.out.mkdir()

    def command(self, *options: StrPath, output: Any = None, entry: str = "run") -> list[StrPath]:
        output = output or self.out / "packed"
        required = ["--tree", self.tree, "--entry", entry, "-o", output, "--level", "1"]
        return [ONEFOLD, "pack", *required, *options]

    def assertPackRefused(
        self, *texts: StrPath, options: Sequence[StrPath] = (), code: int = 1, **given: Any
    ) -> None:
        """Where there is no output yet, none appears, and one that is there stays as it was."""
        self.assertPackFails(self.command(*options, **given), texts, code)
        (self.out / "packed").write_bytes(OLD)
        self.assertPackFails(self.command(*options, **given), texts, code)

    def assertPackFails(
        self, command: Sequence[StrPath], texts: Sequence[StrPath], code: int = 1, **running: Any
    ) -> None:
        before = tree_state(self.work)
        result = run(command, **running)
        self.assertOneLine(result, texts, code)
        self.assertSameTree(self.work, before)

    def assertOneLine(self, result: Result, texts: Sequence[StrPath], code: int) -> None:
        self.assertRefused(result, *texts, code=code, says=b"onefold pack: ")


class Trees(PackErrors):
    def test_a_socket(self) -> None:
        with socket.socket(socket.AF_UNIX) as unix:
            unix.bind(os.path.relpath(self.tree / "socket"))
            self.assertPackRefused(self.tree / "socket", "a socket")

    def test_a_fifo(self) -> None:
        os.mkfifo(self.tree / "fifo")
        self.assertPackRefused(self.tree / "fifo", "a FIFO")

    @needs_root
    def test_a_device_node(self) -> None:
        os.mknod(self.tree / "null", 0o666 | 0o020000, os.makedev(1, 3))
        self.assertPackRefused(self.tree / "null", "a device")

    def test_unreadable_files(self) -> None:
        # Root reads all, so that another user packs; the program may stand where only root can go.
        shutil.copy(ONEFOLD, self.work / "onefold")
        shutil.copy(BOOTLOADER, self.work / "bootloader")
        self.out.chmod(0o777)
        (self.tree / "directory").mkdir()
        command = self.command("--bootloader", self.work / "bootloader")
        command[0] = self.work / "onefold"
        as_other = AS_NOBODY if IS_ROOT else {}
        for name in ("file", "directory"):
            with self.subTest(name):
                mode = (self.tree / name).stat().st_mode & 0o777
                (self.tree / name).chmod(0)
                result = run(command, **as_other)
                self.assertOneLine(result, [self.tree / name, "ermission denied"], 1)
                self.assertEqual(listing(self.out), [])
                (self.tree / name).chmod(mode)
        result = run(command, **as_other)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_an_absolute_symlink(self) -> None:
        (self.tree / "link").symlink_to("/etc/passwd")
        self.assertPackRefused(self.tree / "link", "/etc/passwd")

    def test_a_symlink_that_climbs_out(self) -> None:
        for target in ("../outside", "a/../../outside", "..", "./..//../tree/file"):
            link = self.tree / "link"
            link.symlink_to(target)
            with self.subTest(target):
                self.assertPackRefused(link, target)
            link.unlink()

    def test_a_symlink_that_climbs_out_on_its_way_back_in(self) -> None:
        (self.tree / "a").mkdir()
        (self.tree / "a" / "link").symlink_to("../../tree/file")
        self.assertPackRefused(self.tree / "a" / "link")

    def test_a_file_with_set_uid_or_set_gid_bit(self) -> None:
        for mode in (0o4755, 0o2755):
            (self.tree / "file").chmod(mode)
            with self.subTest(oct(mode)):
                self.assertPackRefused(self.tree / "file", "set-uid", "chmod")

    def test_a_path_longer_than_the_format_carries(self) -> None:
        directory = self.tree.joinpath(*["d" * 250] * 12)
        directory.mkdir(parents=True)
        (directory / ("f" * 100)).write_bytes(b"")
        self.assertPackRefused("f" * 100, "3072")

    def test_a_name_that_would_disturb_the_terminal_is_escaped(self) -> None:
        os.mkfifo(os.fsencode(self.tree) + b"/\x1b[2J\n\xff")
        self.assertPackRefused(rb"\x1b[2J\x0a\xff")

    def test_a_tree_that_is_missing_or_no_directory(self) -> None:
        for name, make in (("missing", None), ("file", b"")):
            tree = self.work / f"tree that is {name}"
            if make is not None:
                tree.write_bytes(make)
            command = self.command()
            command[command.index(self.tree)] = tree
            with self.subTest(name):
                self.assertPackFails(command, [tree])


class SourceDate(PackErrors):
    def test_an_invalid_source_date(self) -> None:
        for value in ("", "-1", "+1", "1.5", "0x10", " 1", "1 ", "now", "9" * 19, "1\n"):
            with self.subTest(value):
                self.assertPackFails(
                    self.command(),
                    ["SOURCE_DATE_EPOCH needs whole seconds", "'date +%s'"],
                    environment={"SOURCE_DATE_EPOCH": value},
                )

    def test_zero_and_later_than_any_time_are_numbers(self) -> None:
        for value in ("0", "00", "9" * 12):
            command = self.command()
            self.assertEqual(run(command, environment={"SOURCE_DATE_EPOCH": value}).returncode, 0)


class Entries(PackErrors):
    def test_missing(self) -> None:
        self.assertPackRefused("'bin/nothing'", entry="bin/nothing")
        self.assertPackRefused("'run/nothing'", entry="run/nothing")

    def test_a_directory(self) -> None:
        (self.tree / "bin").mkdir()
        self.assertPackRefused("'bin'", "not a file", entry="bin")

    def test_not_executable(self) -> None:
        self.assertPackRefused("'file'", "chmod +x", entry="file")

    def test_a_symlink_to_nothing(self) -> None:
        (self.tree / "link").symlink_to("nothing")
        self.assertPackRefused("'link'", entry="link")

    def test_outside_of_the_tree(self) -> None:
        inside = os.fspath(self.tree / "run")
        for entry in ("../tree/run", inside, "a/../run", "..", ".", "", "run/", "/"):
            with self.subTest(entry):
                self.assertPackRefused(f"'{entry}'", entry=entry)

    def test_of_another_processor(self) -> None:
        content = bytearray(probe().read_bytes())
        for name, at, machine in (("aarch64", 18, 183), ("i386", 18, 3), ("32-bit", 4, 1)):
            changed = content[:at] + bytes([machine]) + content[at + 1 :]
            (self.tree / "foreign").write_bytes(changed)
            (self.tree / "foreign").chmod(0o755)
            with self.subTest(name):
                self.assertPackRefused("'foreign'", "x86_64-linux", entry="foreign")


class Outputs(PackErrors):
    def test_in_the_tree(self) -> None:
        (self.tree / "a").mkdir()
        (self.work / "link").symlink_to("tree/a")
        for output in (self.tree / "packed", self.tree / "a" / "packed", self.work / "link/packed"):
            with self.subTest(output):
                self.assertPackRefused(output, "-o", output=output)

    def test_a_directory(self) -> None:
        self.assertPackRefused(self.out, "is a directory", output=self.out)

    def test_in_a_directory_that_is_missing_or_none(self) -> None:
        for directory in (self.work / "missing", self.tree / "file"):
            with self.subTest(directory):
                self.assertPackRefused(directory, output=directory / "packed")

    def test_in_a_directory_that_may_not_be_written_to(self) -> None:
        mounts = Mounts(self)
        mounts.mount("--bind", self.out, self.out)
        mounts.mount("-o", "remount,bind,ro", self.out)
        (self.out / "packed").write_bytes(OLD)
        command = mounts.command(self.command())
        self.assertPackFails(command, [self.out, "ead-only file system"])

    @needs_root  # Others may not change the size of a tmpfs.
    def test_on_a_full_disk(self) -> None:
        noisy = {"run": program(), "noise": noise(2_000_000), "name" * 60: b""}
        self.tree = make_tree(self.work / "noisy tree", noisy)
        mounts = Mounts(self)
        full = mounts.tmpfs(self.work / "full")
        output = full / "packed"
        complete = pack(self.tree, self.work / "complete").path.stat().st_size
        # In the bootloader, at its end, in the frames, and at the end of all.
        bootloader = BOOTLOADER.stat().st_size
        for size in (4096, 100_000, bootloader, 600_000, 2_000_000, complete - 4096):
            kib = size // 4096 * 4
            for old in (b"", OLD):
                with self.subTest(kib=kib, old=old):
                    mounts.mount("-o", f"remount,size={kib}k", full)
                    if old:
                        mounts.inside(output).write_bytes(old)
                    result = run(mounts.command(self.command(output=output)))
                    self.assertOneLine(result, [output, "o space left"], 1)
                    self.assertEqual(listing(mounts.inside(full)), ["packed"] if old else [])
                    if old:
                        self.assertEqual(mounts.inside(output).read_bytes(), old)
                        mounts.inside(output).unlink()
        mounts.mount("-o", "remount,size=64m", full)
        self.assertEqual(run(mounts.command(self.command(output=output))).returncode, 0)

    def test_past_the_limit_of_a_file_size(self) -> None:
        limit = 300_000
        prepare = lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        self.assertPackFails(self.command(), [self.out / "packed"], prepare=prepare)

    def test_bootloader_of_the_wrong_kind(self) -> None:
        packed = pack(self.tree, self.work / "packed before").path
        content = BOOTLOADER.read_bytes()
        wrong = {
            "no program": b"#!/bin/sh\n" * 100,
            "short": content[:63],
            "foreign": content[:18] + b"\x03" + content[19:],
            "32-bit": content[:4] + b"\x01" + content[5:],
        }
        paths = [packed, self.work / "missing", self.out]
        for name, bytes_of in wrong.items():
            path = self.work / f"{name} bootloader"
            path.write_bytes(bytes_of)
            paths.append(path)
        for path in paths:
            with self.subTest(path.name):
                self.assertPackRefused(path, options=["--bootloader", path])


class Signals(PackErrors):
    """Signals at chosen system calls, so that each comes at the same moment in every run."""

    def setUp(self) -> None:
        super().setUp()
        # As many frames as there are parts of the file, on one thread.
        self.tree = make_tree(
            self.work / "many frames",
            {"run": program(), **{f"{i}": noise(200_000, f"{i}") for i in range(8)}},
        )
        self.packing = self.command("--frame-size", "64", "-j", "1")

    def interrupted(self, number: signal.Signals, inject: str, **running: Any) -> Result:
        calls = "write,linkat,renameat,openat"
        expression = f"{inject}:signal={number.name}"
        return trace(self.packing, calls, [expression], **running).result

    def assertEndsBy(self, number: signal.Signals, inject: str, old: bytes = b"") -> None:
        if old:
            (self.out / "packed").write_bytes(old)
        with self.subTest(signal=number.name, at=inject, old=old):
            before = tree_state(self.out)
            result = self.interrupted(number, inject)
            self.assertEqual((result.returncode, result.stderr), (-number, b""))
            self.assertSameTree(self.out, before)

    def test_a_signal_while_it_is_written_ends_it_and_leaves_nothing(self) -> None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL):
            for at in (1, 2, 10, 25):
                self.assertEndsBy(number, f"write:when={at}")
            self.assertEndsBy(number, "write:when=3", OLD)

    def test_a_signal_before_it_is_named_ends_it_and_leaves_nothing(self) -> None:
        # The last write of all is the summary's.
        writes = trace(self.packing, "write").count("write") - 1
        (self.out / "packed").unlink()
        for number in (signal.SIGTERM, signal.SIGKILL):
            for at in range(writes - 3, writes + 1):
                self.assertEndsBy(number, f"write:when={at}")

    def test_killed_while_it_is_named_leaves_nothing_or_the_output(self) -> None:
        for call in ("linkat", "renameat"):
            with self.subTest(call):
                self.interrupted(signal.SIGKILL, f"{call}:when=1")
                self.assertIn(listing(self.out), ([], ["packed"]))
                for name in listing(self.out):
                    (self.out / name).unlink()

    def test_an_ignored_signal_is_ignored(self) -> None:
        ignore = lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN)
        result = self.interrupted(signal.SIGHUP, "write:when=3", prepare=ignore)
        self.assertEqual(result.returncode, 0, result.stderr)

    def test_without_unnamed_files_nothing_is_left_either(self) -> None:
        """As on NFS and overlayfs, where openat(2) knows no O_TMPFILE."""
        opened = trace(self.packing, "openat").threads[0]
        (self.out / "packed").unlink()
        at = next(i for i, call in enumerate(opened, 1) if "O_TMPFILE" in call.arguments)
        no_unnamed = f"openat:error=EOPNOTSUPP:when={at}"
        for number in (signal.SIGINT, signal.SIGTERM):
            for inject in ("write:when=2", "write:when=20"):
                with self.subTest(signal=number.name, at=inject):
                    expressions = [no_unnamed, f"{inject}:signal={number.name}"]
                    result = trace(self.packing, "write,openat", expressions).result
                    self.assertEqual((result.returncode, result.stderr), (-number, b""))
                    self.assertEqual(listing(self.out), [])
        self.assertEqual(trace(self.packing, "openat", [no_unnamed]).result.returncode, 0)
        self.assertEqual(listing(self.out), ["packed"])

    def test_a_file_that_changes_meanwhile_is_refused(self) -> None:
        """It is made longer when the output has been begun."""
        directory = self.new_directory()
        inject = ["write:delay_enter=1000000:when=1"]
        process = start(strace(directory, self.packing, "write", inject))
        wait_until(lambda: holds_unnamed_file(directory), "the output to be begun")
        with (self.tree / "7").open("ab") as file:
            file.write(b"more")
        _, stderr = process.communicate()
        self.assertEqual(process.returncode, 1, stderr)
        self.assertIn(os.fsencode(self.tree / "7"), stderr)
        self.assertIn(b"changed while it was being packed", stderr)
        self.assertEqual(listing(self.out), [])


class Usage(PackErrors):
    def assertUsage(self, command: Sequence[StrPath], *texts: StrPath) -> None:
        before = tree_state(self.work)
        result = onefold(*command, cwd=self.out)
        self.assertEqual((result.returncode, result.stdout), (2, b""), result.stderr)
        for text in texts:
            self.assertIn(os.fsencode(text), result.stderr)
        self.assertSameTree(self.work, before)

    def assertPackUsage(self, options: Sequence[StrPath], *texts: StrPath) -> None:
        with self.subTest(options=options):
            self.assertUsage(self.command(*options)[1:], *texts)

    def test_an_unknown_option_names_the_nearest(self) -> None:
        self.assertPackUsage(["--levle", "3"], "'--levle'", "'--level'")
        self.assertPackUsage(["--frame-sise=64"], "'--frame-sise'", "'--frame-size'")
        self.assertPackUsage(["--entirely-unlike-any"], "'--entirely-unlike-any'")

    def test_a_value_is_missing_or_too_much(self) -> None:
        self.assertPackUsage(["--codec"], "'--codec' needs a value")
        self.assertPackUsage(["--json=yes"], "'--json' takes no value")

    def test_an_option_twice(self) -> None:
        self.assertPackUsage(["--level", "2"], "'--level' is given twice")

    def test_missing_options(self) -> None:
        self.assertUsage(["pack", "--entry", "run"], "'--tree'")
        self.assertUsage(["pack", "--tree", self.tree], "'--entry'")
        self.assertUsage(["inspect"], "FILE")
        self.assertUsage(["extract", "file"], "DIR")

    def test_values_out_of_range(self) -> None:
        base = self.command()[1:-2]
        for options in (
            ["--level", "0"],
            ["--level", "23"],
            ["--level", "x"],
            ["--level", ""],
            ["--level", "99999999999999999999"],
            ["--codec", "xz", "--level", "10"],
            ["--codec", "store", "--level", "1"],
            ["--codec", "lz4"],
            ["--codec", ""],
            ["--frame-size", "63"],
            ["--frame-size", "16385"],
            ["-j", "0"],
            ["-j0"],
            ["--jobs", "-1"],
            ["--name", "with/slash"],
            ["--name", ".hidden"],
            ["--name", ""],
            ["--name", "x" * 65],
            ["--app-version", "line\nbreak"],
            ["--app-version", "x" * 129],
            ["--env", "no equals sign"],
            ["--env", "=no name"],
            ["--unset-env", "A=B"],
            ["--unset-env", ""],
        ):
            with self.subTest(options=options):
                name = options[0].rstrip("0")
                name = {"-j": "--jobs", "--codec": "--"}.get(name, name)
                self.assertUsage([*base, *options], name)

    def test_more_than_the_launch_record_holds(self) -> None:
        for options in (["--env", "A=" + "x" * 70_000], ["--", *["y" * 100] * 700]):
            with self.subTest(options[0]):
                self.assertPackRefused("65536", options=options)

    def test_an_unexpected_argument(self) -> None:
        self.assertPackUsage(["argument"], "'argument'")
        self.assertUsage(["verify", "a", "b"], "'b'")
        self.assertUsage(["verify", "a", "--", "b"], "'--'")

    def test_an_unknown_command_names_the_nearest(self) -> None:
        self.assertUsage(["pakc"], "'pakc'", "'pack'")
        self.assertUsage(["help", "inspekt"], "'inspekt'", "'inspect'")

    def test_no_command_shows_the_help(self) -> None:
        self.assertUsage([], "USAGE: onefold COMMAND")

    def test_help_is_data_and_shows_every_option(self) -> None:
        for command in ("pack", "inspect", "verify", "extract"):
            asked = onefold(command, "--help")
            self.assertSucceeded(asked, onefold("help", command).stdout)
            self.assertIn(f"USAGE: onefold {command}".encode(), asked.stdout)
        self.assertSucceeded(onefold("--help"), onefold("help").stdout)
        self.assertRegex(onefold("--version").stdout, rb"\Aonefold \d+\.\d+\.\d+\n  target ")


if __name__ == "__main__":
    unittest.main()
