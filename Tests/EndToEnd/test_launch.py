"""A launch gives the program what its launcher was given, and a second one costs nothing."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import shutil
import signal
import sys
import unittest
from collections import Counter
from pathlib import Path
from typing import Any

from support import (
    BOOTLOADER,
    Case,
    Directory,
    File,
    HardLink,
    Mounts,
    Onefile,
    Result,
    StrPath,
    Symlink,
    Trace,
    bare_environment,
    listing,
    make_tree,
    noise,
    onefold,
    pack,
    pass_tick,
    probe,
    program,
    remove_tree,
    run,
    start,
    strace,
    tree_state,
)

BYTES = [b"", b"--help", b"--", b"-", b"\xff\xfe", b"a b\n", b"'\"$HOME`\\", b"ONEFOLD=help", b""]


class Report:
    """What the program tells of itself; see probe.c."""

    def __init__(self, output: bytes) -> None:
        lines = [line.split(b" ") for line in output.splitlines()]
        self.lines = [(words[0].decode(), bytes.fromhex(words[-1].decode())) for words in lines]
        pid, umask, soft, hard = self.one("numbers").split()
        self.pid = int(pid)
        self.umask = int(umask, 8)
        self.descriptor_limit = (int(soft), int(hard))

    def all(self, name: str) -> list[bytes]:
        return [value for key, value in self.lines if key == name]

    def one(self, name: str) -> bytes:
        [value] = self.all(name)
        return value

    @property
    def environment(self) -> dict[bytes, bytes]:
        pairs = [entry.partition(b"=")[::2] for entry in self.all("environment")]
        assert len(dict(pairs)) == len(pairs), "a variable is set twice"
        return dict(pairs)

    @property
    def descriptors(self) -> dict[int, str]:
        return {
            int(key[3:]): os.fsdecode(value) for key, value in self.lines if key.startswith("fd-")
        }

    def signals(self, kind: str) -> set[int]:
        mask = int(self.one("Sig" + kind), 16)
        return {number for number in range(1, 65) if mask >> (number - 1) & 1}


class Launch(Case):
    """A tree of the probe alone, launched from one cache."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.content = probe().read_bytes()
        cls.tree = make_tree(cls.shared / "tree", {"bin/probe": program(cls.content)})
        cls.packed = cls.pack_probe(cls.shared / "packed")
        cls.warm = cls.shared / "cache"

    @classmethod
    def pack_probe(cls, output: Path, *options: StrPath, **given: Any) -> Onefile:
        return pack(cls.tree, output, *options, entry="bin/probe", **given)

    def probe(self, *arguments: StrPath, **options: Any) -> Result:
        return self.packed.launch(*arguments, cache=self.warm, **options)

    def report(self, *arguments: StrPath, packed: Any = None, **options: Any) -> Report:
        result = (packed or self.packed).launch("report", *arguments, cache=self.warm, **options)
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        return Report(result.stdout)


class Ending(Launch):
    def test_exit_status_is_the_program_s(self) -> None:
        for status in range(256):
            self.assertEqual(self.probe("exit", str(status)).returncode, status)

    def test_death_by_a_signal_is_the_program_s(self) -> None:
        harmless = {"SIGCHLD", "SIGCONT", "SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG"}
        harmless |= {"SIGWINCH", "SIGCLD"}
        for number in signal.Signals:
            if number.name not in harmless:
                with self.subTest(number.name):
                    self.assertEqual(self.probe("kill", str(int(number))).returncode, -number)

    def test_status_and_signals_are_the_same_when_it_is_unpacked_first(self) -> None:
        for index, (arguments, status) in enumerate(
            [(("exit", "3"), 3), (("kill", "15"), -15), (("kill", "9"), -9)]
        ):
            cache = self.work / str(index)
            self.assertEqual(self.packed.launch(*arguments, cache=cache).returncode, status)

    def test_no_entry_is_127(self) -> None:
        self.assertEqual(self.probe("exit", "0").returncode, 0)
        # The seal alone is checked, which does not notice.
        copy = self.work / "cache"
        shutil.copytree(self.warm, copy, symlinks=True)
        (self.packed.tree(copy) / "bin" / "probe").unlink()
        result = self.packed.launch(cache=copy, environment={"ONEFOLD_CHECK": "seal"})
        self.assertRefused(result, "bin/probe", code=127)

    def test_an_entry_that_can_not_be_executed_is_126(self) -> None:
        contents = {
            "missing interpreter": b"#!/no/such/interpreter\n",
            "no program": noise(100),
            "empty": b"",
        }
        for name, content in contents.items():
            with self.subTest(name):
                directory = self.new_directory()
                tree = make_tree(directory / "tree", {"run": program(content)})
                result = pack(tree, directory / "packed").launch(cache=directory / "cache")
                self.assertRefused(result, "tree/run", code=126)


class Process(Launch):
    def started(self, cache: Path, **options: Any) -> tuple[int, Report]:
        process = self.packed.start("report", cache=cache, **options)
        output, errors = process.communicate()
        self.assertEqual((process.returncode, errors), (0, b""))
        return process.pid, Report(output)

    def test_it_is_the_process_that_was_started(self) -> None:
        for moment in ("first", "second"):
            with self.subTest(moment):
                pid, report = self.started(self.cache)
                self.assertEqual(report.pid, pid)

    def test_two_descriptors_more_the_lease_and_its_directory(self) -> None:
        for moment in ("first", "second"):
            with self.subTest(moment):
                _, report = self.started(self.cache)
                further = {fd: path for fd, path in report.descriptors.items() if fd > 2}
                leased = os.fspath(self.cache / self.packed.tree_name)
                self.assertEqual(sorted(further.values()), [leased, f"{leased}/lease"])

    def test_descriptors_of_the_launcher_stay_open(self) -> None:
        with open(os.devnull, "rb") as file:
            os.set_inheritable(file.fileno(), True)
            report = self.report(pass_fds=[file.fileno()])
            self.assertEqual(report.descriptors[file.fileno()], os.devnull)
            self.assertEqual(len(report.descriptors), 6)

    def test_closed_standard_descriptors_are_no_harm(self) -> None:
        close = lambda: (os.close(0), os.close(2))
        for moment in ("first", "second"):
            result = self.packed.launch("report", cache=self.cache, prepare=close)
            self.assertEqual(result.returncode, 0)
            self.assertIn(1, Report(result.stdout).descriptors)

    def test_the_lease_is_no_standard_descriptor(self) -> None:
        """Python, for one, ends at once where its standard output is a directory."""
        found = self.work / "found"
        script = f"#!/bin/sh\nls -l /proc/$$/fd > '{found}'\n"
        tree = make_tree(self.work / "tree", {"run": program(script.encode())})
        packed = pack(tree, self.work / "packed")
        leased = os.fspath(self.cache / packed.tree_name)
        for moment in ("first", "second"):
            for count in (1, 2, 3):
                with self.subTest(moment=moment, closed=count):
                    close = lambda: os.closerange(0, count)
                    self.assertEqual(packed.launch(cache=self.cache, prepare=close).returncode, 0)
                    text = found.read_text()
                    held = re.findall(rf" (\d+) -> {re.escape(leased)}(?:/lease)?$", text, re.MULTILINE)
                    self.assertEqual(len(held), 2, text)
                    self.assertGreater(min(map(int, held)), 2)
                    # Closed as they were; 1 the shell itself may have open now, for `ls`.
                    standard = set(re.findall(r" ([02]) -> ", text))
                    self.assertEqual(standard, {"0", "2"} - {str(n) for n in range(count)})

    def test_signal_dispositions_mask_and_limits_are_the_launcher_s(self) -> None:
        ignored = {signal.SIGHUP, signal.SIGPIPE, signal.SIGTERM, signal.SIGUSR2}
        blocked = {signal.SIGUSR1, signal.SIGWINCH, signal.SIGINT}

        def prepare() -> None:
            # Python ignores two signals itself.
            for number in (signal.SIGPIPE, signal.SIGXFSZ):
                signal.signal(number, signal.SIG_DFL)
            for number in to_ignore:
                signal.signal(number, signal.SIG_IGN)
            signal.pthread_sigmask(signal.SIG_SETMASK, to_block)
            resource.setrlimit(resource.RLIMIT_NOFILE, (123, 456))

        for to_ignore, to_block in ((set(), set()), (ignored, blocked)):
            for check in ("dirs", "full"):
                for cache in (self.new_directory() / "cache", self.warm):
                    with self.subTest(ignored=to_ignore, check=check, cache=cache.name):
                        result = self.packed.launch(
                            "report",
                            cache=cache,
                            prepare=prepare,
                            restore_signals=False,
                            environment={"ONEFOLD_CHECK": check},
                        )
                        report = Report(result.stdout)
                        self.assertEqual(report.signals("Ign"), to_ignore)
                        self.assertEqual(report.signals("Blk"), to_block)
                        self.assertEqual(report.descriptor_limit, (123, 456))

    def test_umask_is_the_launcher_s(self) -> None:
        for umask in (0o022, 0o077, 0, 0o007):
            cache = self.work / oct(umask)
            with self.subTest(oct(umask)):
                _, report = self.started(cache, umask=umask)
                self.assertEqual(oct(report.umask), oct(umask))
                self.assertCacheHolds(self.packed, self.tree, cache)

    def test_working_directory_is_the_launcher_s(self) -> None:
        for cache in (self.cache, self.warm):
            result = self.packed.launch("report", cache=cache, cwd=self.shared)
            self.assertEqual(Report(result.stdout).one("directory"), os.fsencode(self.shared))

    def test_standard_input_is_passed_through(self) -> None:
        content = noise(1_000_000)
        for moment in ("first", "second"):
            result = self.packed.launch("cat", cache=self.cache, input=content)
            self.assertSucceeded(result, content)

    def test_nothing_is_said_where_there_is_no_terminal(self) -> None:
        large = make_tree(self.work / "tree", {"run": program(), "noise": noise(30_000_000)})
        packed = pack(large, self.work / "large")
        self.assertLaunched(packed.launch(cache=self.cache))
        self.assertLaunched(packed.launch(cache=self.cache, environment={"ONEFOLD_CHECK": "full"}))

    def test_a_terminal_shows_what_takes_long_and_is_left_clean(self) -> None:
        tree = make_tree(self.work / "tree", {"run": program(), "noise": noise(2_000_000)})
        packed = pack(tree, self.work / "noisy", "--frame-size", "64")
        slow = strace(self.work, packed.command(), "pwrite64", ["pwrite64:delay_enter=50000"])
        ours, theirs = os.openpty()
        process = start(slow, environment={"ONEFOLD_CACHE": self.cache}, stderr=theirs)
        output, _ = process.communicate()
        os.close(theirs)
        shown = b""
        # One read need not get all. The other end is closed, so that the last one fails.
        with contextlib.suppress(OSError):
            while True:
                shown += os.read(ours, 65_536)
        os.close(ours)
        self.assertEqual((process.returncode, output), (0, b"hello\n"))
        self.assertRegex(shown, rb"\A(\runpacking run: [^\r\n]+\x1b\[K)+\r\x1b\[K\Z")


class Arguments(Launch):
    def arguments(self, *arguments: StrPath, **options: Any) -> list[bytes]:
        return self.report(*arguments, **options).all("argument")

    def test_the_user_s_are_passed_byte_for_byte(self) -> None:
        given = self.arguments(*BYTES, b"x" * 100_000)
        self.assertEqual(given[2:], [*BYTES, b"x" * 100_000])

    def test_the_first_is_the_absolute_path_of_the_entry(self) -> None:
        entry = os.fsencode(self.packed.tree(self.warm) / "bin" / "probe")
        self.assertEqual(self.arguments()[0], entry)

    def test_the_record_s_come_before_the_user_s(self) -> None:
        packed = self.pack_probe(self.work / "packed", arguments=["report", *BYTES[:5]])
        result = packed.launch("last", b"\xff", cache=self.warm)
        given = Report(result.stdout).all("argument")
        self.assertEqual(given[1:], [b"report", *BYTES[:5], b"last", b"\xff"])

    def test_placeholders_stand_for_root_and_executable(self) -> None:
        templates = [
            "{root}", "{exe}", "{root}/a:{exe}{root}", "{{root}}", "{{exe}}", "{{{root}}}",
            "{Root}", "{root", "root}", "{}", "{", "{{", "}}", "{{root}", "{root}}", "{other}",
        ]  # fmt: skip
        variables = [option for text in templates for option in ("--env", f"V{len(text)}={text}")]
        packed = self.pack_probe(
            self.work / "packed {root}", *variables, arguments=["report", *templates]
        )
        root = os.fspath(packed.tree(self.warm))
        exe = os.fspath(packed.path)

        def expand(text: str) -> bytes:
            literal = {"{{root}}": "{root}", "{{exe}}": "{exe}", "{root}": root, "{exe}": exe}
            result = ""
            while text:
                for name, value in literal.items():
                    if text.startswith(name):
                        result, text = result + value, text[len(name) :]
                        break
                else:
                    result, text = result + text[0], text[1:]
            return os.fsencode(result)

        report = Report(packed.launch(cache=self.warm).stdout)
        self.assertEqual(report.all("argument")[2:], [expand(text) for text in templates])
        for text in templates:
            last = [other for other in templates if len(other) == len(text)][-1]
            self.assertEqual(report.environment[b"V%d" % len(text)], expand(last))

    def test_arguments_of_the_user_are_not_expanded(self) -> None:
        self.assertEqual(self.arguments("{root}", "{{exe}}")[2:], [b"{root}", b"{{exe}}"])


class Environment(Launch):
    GIVEN = {
        b"HOME": b"/home/of nobody",
        b"NOT_UTF_8": b"\xff\xfe",
        b"\xff": b"a name",
        b"EMPTY": b"",
        b"EQUALS": b"=a=b",
        b"LINES": b"1\n2",
        b"LONG": b"x" * 100_000,
        b"LD_PRELOAD_": b"x",
        b"ONEFOLDER": b"not ours",
        b"ONEFOLD_CHECK": b"dirs",
    }

    def added(self, packed: Onefile, version: bytes = b"") -> dict[bytes, bytes]:
        return {
            b"ONEFOLD_EXE": os.fsencode(packed.path),
            b"ONEFOLD_ROOT": os.fsencode(packed.tree(self.warm)),
            b"ONEFOLD_APP_NAME": packed.summary["name"].encode(),
            b"ONEFOLD_APP_VERSION": version,
            b"ONEFOLD_ARGV0": os.fsencode(packed.path),
        }

    def expected(self, packed: Onefile, version: bytes = b"") -> dict[bytes, bytes]:
        path = os.fsencode(bare_environment({})["PATH"])
        given = {b"PATH": path, b"ONEFOLD_CACHE": os.fsencode(self.warm), **self.GIVEN}
        return {**given, **self.added(packed, version)}

    def test_it_differs_by_the_documented_variables_only(self) -> None:
        report = self.report(environment=self.GIVEN)
        self.assertEqual(report.environment, self.expected(self.packed))

    def test_settings_of_this_launch_alone_do_not_reach_it(self) -> None:
        settings = {
            b"ONEFOLD": b"",
            b"ONEFOLD_PROGRESS": b"",
            b"ONEFOLD_TRACE": os.fsencode(os.devnull),
            b"ONEFOLD_DIE_WITH_PARENT": b"0",
            b"ONEFOLD_LISTEN": b"",
            b"ONEFOLD_COMMAND": b"",
        }
        report = self.report(environment={**self.GIVEN, **settings})
        self.assertEqual(report.environment, self.expected(self.packed))

    def test_variables_of_another_onefile_are_replaced(self) -> None:
        outer = {b"ONEFOLD": b"", b"ONEFOLD_ROOT": b"/outer", b"ONEFOLD_APP_VERSION": b"9", b"ONEFOLD_ARGV0": b"outer"}
        report = self.report(environment={**self.GIVEN, **outer})
        self.assertEqual(report.environment, self.expected(self.packed))

    def test_the_record_sets_and_removes_variables(self) -> None:
        packed = self.pack_probe(
            self.work / "packed",
            *("--name", "app", "--app-version", "1 β", "--unset-env", "EMPTY"),
            *("--unset-env", "NEVER_SET", "--unset-env", "LONG", "--env", "LONG=short"),
            *("--env", "HOME={root}/home", "--env", b"RAW=\xff", "--env", "TWICE=1"),
            *("--env", "TWICE=2", "--env", "ONEFOLD_APP_NAME=forged"),
        )
        expected = self.expected(packed, "1 β".encode())
        del expected[b"EMPTY"]
        expected[b"LONG"] = b"short"
        expected[b"HOME"] = os.fsencode(packed.tree(self.warm) / "home")
        expected[b"RAW"] = b"\xff"
        expected[b"TWICE"] = b"2"
        self.assertEqual(self.report(packed=packed, environment=self.GIVEN).environment, expected)

    def test_library_path_is_never_touched(self) -> None:
        self.assertNotIn(b"LD_LIBRARY_PATH", self.report().environment)
        given = self.report(environment={b"LD_LIBRARY_PATH": b"/mine"}).environment
        self.assertEqual(given[b"LD_LIBRARY_PATH"], b"/mine")

    def test_an_empty_environment_is_enough(self) -> None:
        code = "import os, sys; os.execve(sys.argv[1], sys.argv[1:], {})"
        mounts = Mounts(self)
        mounts.tmpfs(Path("/var/tmp"), "mode=1777")
        command = [sys.executable, "-c", code, self.packed.path, "report"]
        result = run(mounts.command(command))
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        names = self.added(self.packed).keys()
        self.assertEqual(Report(result.stdout).environment.keys(), names)


class Names(Launch):
    """The file under other names, which the program is told, and which do not matter."""

    def assertSaysExecutable(self, report: Report, path: Path) -> None:
        self.assertEqual(report.environment[b"ONEFOLD_EXE"], os.fsencode(path))

    def test_by_a_relative_path(self) -> None:
        for name in ("./packed", "../" + self.shared.name + "/packed"):
            relative = Onefile(Path(name), self.packed.summary)
            relative.command = lambda *rest: [name, *rest]  # type: ignore[method-assign]
            report = self.report(packed=relative, cwd=self.shared)
            self.assertSaysExecutable(report, self.packed.path)

    def test_through_a_symlink(self) -> None:
        link = self.work / "link"
        link.symlink_to(self.packed.path)
        report = self.report(packed=Onefile(link, self.packed.summary))
        self.assertSaysExecutable(report, self.packed.path)

    def test_found_in_the_path(self) -> None:
        environment = {"PATH": f"/nowhere:{self.shared}", "ONEFOLD_CACHE": self.warm}
        result = run(["/usr/bin/env", "packed", "report"], environment=environment)
        self.assertSaysExecutable(Report(result.stdout), self.packed.path)

    def test_a_name_that_is_not_utf_8(self) -> None:
        name = os.fsdecode(b"\xff \n'{root}'")
        report = self.report(packed=self.packed.copy(self.work / name))
        self.assertSaysExecutable(report, self.work / name)

    def test_a_renamed_copy_uses_the_same_tree(self) -> None:
        self.report()
        copy = self.packed.copy(self.work / "another name")
        traced = copy.trace("report", cache=self.warm)
        self.assertEqual(traced.changes, [])
        self.assertSaysExecutable(Report(traced.result.stdout), copy.path)
        self.assertEqual(listing(self.warm), [self.packed.tree_name])

    def test_another_version_of_the_same_tree_uses_the_same_tree(self) -> None:
        self.report()
        other = self.pack_probe(self.work / "other", "--app-version", "2", "--name", "other")
        self.assertEqual(other.trace("report", cache=self.warm).changes, [])

    def test_a_file_that_is_deleted_while_it_starts(self) -> None:
        code = (
            "import os, sys; path = sys.argv[1]; file = os.open(path, os.O_RDONLY);"
            " os.unlink(path); os.execve(file, [path, 'report'], os.environ)"
        )
        for moment in ("first", "second"):
            copy = self.packed.copy(self.work / "packed")
            environment = {"ONEFOLD_CACHE": self.cache}
            result = run([sys.executable, "-c", code, copy.path], environment=environment)
            self.assertEqual((result.returncode, result.stderr), (0, b""))
            self.assertFalse(copy.path.exists())


class Tree(Case):
    def test_the_unpacked_tree_is_the_packed_one(self) -> None:
        tree = make_tree(
            self.work / "tree",
            {
                "run": program(),
                "read-only": Directory(0o555),
                "read-only/file": File(b"x", mode=0o400, mtime=-1),
                "large": noise(200_000),
                "hole": File(bytes(100_000) + b"x"),
                "link": Symlink("large"),
                "zz": HardLink("large"),
                "empty": Directory(0o700, mtime=1),
                b"\xff" * 255: b"",
            },
            of_root=Directory(0o750, mtime=12345),
        )
        for index, codec in enumerate(("zstd", "xz", "store")):
            packed = pack(tree, self.work / codec, "--codec", codec, "--frame-size", "64")
            cache = self.work / f"cache of {codec}"
            self.assertLaunched(packed.launch(cache=cache))
            self.assertCacheHolds(packed, tree, cache)
            self.assertLaunched(packed.launch(cache=cache))
            self.assertCacheHolds(packed, tree, cache)

    def test_cache_directories_are_the_user_s_alone(self) -> None:
        packed = pack(make_tree(self.work / "tree", {"run": program()}), self.work / "packed")
        cache = self.work / "new" / "directories" / "cache"
        self.assertLaunched(packed.launch(cache=cache, umask=0))
        for path in (cache, cache.parent, cache.parent.parent):
            self.assertEqual(oct(path.stat().st_mode & 0o7777), oct(0o700), path)
        # Who may enter the cache may use it: a tree that root prewarmed serves all.
        tree = cache / packed.tree_name
        self.assertEqual(oct(tree.stat().st_mode & 0o7777), oct(0o755))
        self.assertEqual(oct((tree / "seal").stat().st_mode & 0o7777), oct(0o644))


class SecondLaunch(Case):
    """What a launch costs when the tree is there: counted, not measured."""

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        cls.small = cls.prepared("small", 20_000)
        cls.large = cls.prepared("large", 1_000_000)

    @classmethod
    def prepared(cls, name: str, size: int) -> Onefile:
        entries = {f"d{i}/file": noise(size, f"{i}") for i in range(20)}
        tree = make_tree(cls.shared / f"tree {name}", {"run": program(), **entries})
        packed = pack(tree, cls.shared / name)
        packed.launch(cache=cls.shared / "cache")
        return packed

    def traced(self, packed: Onefile, check: str = "dirs", **options: Any) -> Trace:
        cache = options.pop("cache", self.shared / "cache")
        traced = packed.trace(cache=cache, environment={"ONEFOLD_CHECK": check}, **options)
        self.assertLaunched(traced.result)
        return traced

    def test_writes_nothing(self) -> None:
        for check in ("seal", "dirs", "files", "full"):
            with self.subTest(check):
                self.assertEqual(self.traced(self.large, check).changes, [])

    def test_makes_the_same_system_calls_for_each_size_of_the_payload(self) -> None:
        for check in ("seal", "dirs", "files"):
            with self.subTest(check):
                small, large = (
                    self.counted(self.traced(packed, check)) for packed in (self.small, self.large)
                )
                self.assertEqual(small, large)

    @staticmethod
    def counted(traced: Trace) -> Counter[str]:
        # Threads ask for memory in the order in which they happen to run.
        varying = {"mmap", "munmap", "brk", "madvise", "mprotect", "futex"}
        # What takes longer than 300 ms asks whether there is a terminal to show it on.
        varying.add("ioctl")
        return Counter(call.name for call in traced.launch if call.name not in varying)

    def test_makes_few_system_calls(self) -> None:
        seal = self.traced(self.large, "seal").launch
        self.assertLess(len(seal), 80, Counter(call.name for call in seal))
        dirs = self.traced(self.large, "dirs").launch
        # 21 directories.
        self.assertLess(len(dirs), len(seal) + 21 + 10, Counter(call.name for call in dirs))

    def test_reads_a_few_kilobytes_of_itself(self) -> None:
        reads = [c for c in self.traced(self.large).launch if c.name in ("read", "pread64")]
        self.assertLess(sum(int(call.result) for call in reads), 32_768, reads)

    def test_starts_no_thread_or_process(self) -> None:
        names = {call.name for call in self.traced(self.large).launch}
        self.assertFalse(names & {"clone", "clone3", "fork", "vfork"})

    def test_needs_no_writable_cache(self) -> None:
        cache = self.work / "cache"
        self.assertLaunched(self.small.launch(cache=cache))
        before = tree_state(cache)
        mounts = Mounts(self)
        mounts.mount("--bind", cache, cache)
        mounts.mount("-o", "remount,bind,ro", cache)
        for check in ("seal", "dirs", "files", "full"):
            with self.subTest(check):
                result = self.launched_in(mounts, cache, check)
                self.assertLaunched(result)
        traced = mounts.wrapped(self.small).trace(cache=cache)
        self.assertLaunched(traced.result)
        self.assertEqual(traced.changes, [])
        self.assertSameTree(cache, before)

    def launched_in(self, mounts: Mounts, cache: Path, check: str) -> Result:
        environment = {"ONEFOLD_CHECK": check}
        return mounts.launch(self.small, cache=cache, environment=environment)

    def test_a_read_only_cache_without_the_tree_is_refused(self) -> None:
        self.cache.mkdir(mode=0o700)
        mounts = Mounts(self)
        mounts.mount("--bind", self.cache, self.cache)
        mounts.mount("-o", "remount,bind,ro", self.cache)
        result = mounts.launch(self.small, cache=self.cache)
        self.assertRefused(result, self.cache, "can't be written to", "ONEFOLD_CACHE")


class Verbs(Case):
    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()
        entries = {"run": program(probe().read_bytes()), "noise": noise(100_000), "e": Directory()}
        cls.tree = make_tree(cls.shared / "tree", entries)
        cls.packed = pack(cls.tree, cls.shared / "packed", "--name", "app", "--app-version", "1")

    def ask(self, verb: str, *arguments: StrPath, **options: Any) -> Result:
        return self.packed.launch(*arguments, cache=self.cache, verb=verb, **options)

    def test_help_tells_every_verb_and_variable(self) -> None:
        result = self.ask("help")
        self.assertSucceeded(result)
        self.assertIn(b"app 1, packed by onefold ", result.stdout)
        words = "help inspect files verify extract prewarm path clean trace status stop ONEFOLD_CACHE"
        words += " ONEFOLD_CHECK ONEFOLD_PROGRESS ONEFOLD_TRACE ONEFOLD_DIE_WITH_PARENT ONEFOLD_LISTEN ONEFOLD_COMMAND"
        for word in words.split():
            self.assertRegex(result.stdout, rb"(?m)^ +%s\b" % word.encode())
        self.assertFalse(self.cache.exists())

    def test_inspect_prints_what_onefold_inspect_prints(self) -> None:
        result = self.ask("inspect")
        self.assertSucceeded(result)
        self.assertEqual(result.stdout, onefold("inspect", self.packed.path).stdout)
        self.assertFalse(self.cache.exists())

    def test_verify_checks_the_file_and_writes_nothing(self) -> None:
        result = self.ask("verify")
        self.assertEqual((result.returncode, result.stdout), (0, b""), result.stderr)
        self.assertIn(b"verified: 2 files, ", result.stderr)
        self.assertFalse(self.cache.exists())

    def test_extract_unpacks_to_a_new_or_empty_directory(self) -> None:
        (self.work / "empty").mkdir()
        for name in ("new", "empty", "relative"):
            target = name if name == "relative" else self.work / name
            result = self.ask("extract", target, cwd=self.work)
            self.assertEqual((result.returncode, result.stdout), (0, b""), result.stderr)
            self.assertSameTree(self.work / name, self.tree)
        self.assertEqual(listing(self.work), ["empty", "new", "relative"])

    def test_extract_refuses_what_is_not_empty(self) -> None:
        (self.work / "full" / "mine").mkdir(parents=True)
        (self.work / "file").write_bytes(b"mine")
        (self.work / "link").symlink_to("nowhere")
        before = tree_state(self.work)
        for name in ("full", "file", "link"):
            with self.subTest(name):
                self.assertRefused(self.ask("extract", self.work / name), self.work / name)
                self.assertSameTree(self.work, before)

    def test_extract_needs_one_argument_and_other_verbs_none(self) -> None:
        for arguments in ((), ("a", "b")):
            self.assertRefused(self.ask("extract", *arguments, cwd=self.work), "one argument")
        for verb in ("help", "inspect", "files", "verify", "prewarm", "path", "clean", "trace"):
            self.assertRefused(self.ask(verb, "--version", cwd=self.work), verb, "no arguments")
        self.assertEqual(listing(self.work), [])

    def test_prewarm_unpacks_and_runs_nothing(self) -> None:
        for moment in ("first", "second"):
            traced = self.packed.trace(cache=self.cache, verb="prewarm")
            root = os.fsencode(self.packed.tree(self.cache))
            self.assertSucceeded(traced.result, root + b"\n")
            self.assertEqual(traced.count("execve"), 1)
            self.assertCacheHolds(self.packed, self.tree)

    def test_path_prints_where_the_tree_is_or_would_be(self) -> None:
        root = os.fsencode(self.packed.tree(self.cache))
        for moment in ("before", "after"):
            self.assertSucceeded(self.ask("path"), root + b"\n")
            self.assertEqual(moment == "after", self.packed.tree(self.cache).exists())
            self.ask("prewarm")

    def test_clean_removes_the_tree_and_nothing_else(self) -> None:
        other = pack(make_tree(self.work / "other", {"run": program()}), self.work / "packed")
        other.launch(cache=self.cache)
        self.ask("prewarm")
        result = self.ask("clean")
        self.assertEqual((result.returncode, result.stdout), (0, b""), result.stderr)
        self.assertIn(os.fsencode(self.cache / self.packed.tree_name), result.stderr)
        self.assertCacheHolds(other, self.work / "other")
        again = self.ask("clean")
        self.assertEqual((again.returncode, again.stdout), (0, b""), again.stderr)

    def test_clean_follows_no_symlink(self) -> None:
        self.ask("prewarm")
        mine = make_tree(self.work / "mine", {"file": b"mine"})
        before = tree_state(mine)
        pass_tick()
        (self.packed.tree(self.cache) / "planted").symlink_to(mine)
        self.assertEqual(self.ask("clean").returncode, 0)
        (moved,) = listing(self.cache)
        self.assertEqual([path.name for path in (self.cache / moved).iterdir()], ["planted"])
        self.assertTrue((self.cache / moved / "planted").is_symlink())
        remove_tree(self.cache / moved)
        self.assertNothingLeft()
        self.assertSameTree(mine, before)

    def test_clean_leaves_a_tree_in_use_alone(self) -> None:
        with self.packed.start("wait", cache=self.cache) as running:
            self.assertEqual(running.stdout.readline(), b"waiting\n")
            result = self.ask("clean")
            self.assertRefused(result, self.cache / self.packed.tree_name, "is in use", "stop it")
            self.assertCacheHolds(self.packed, self.tree)
            running.communicate()
        self.assertEqual(self.ask("clean").returncode, 0)
        self.assertNothingLeft()

    def test_a_tree_is_in_use_until_the_last_program_ends(self) -> None:
        first = self.packed.start("wait", cache=self.cache)
        second = self.packed.start("wait", cache=self.cache)
        for running in (first, second):
            self.assertEqual(running.stdout.readline(), b"waiting\n")
        first.communicate()
        self.assertRefused(self.ask("clean"), "is in use")
        second.communicate()
        self.assertEqual(self.ask("clean").returncode, 0)

    def test_an_unknown_verb_is_refused_and_runs_nothing(self) -> None:
        for verb in ("cleanup", "HELP", "help ", "\n"):
            with self.subTest(verb):
                self.assertRefused(self.ask(verb), "prewarm", "unset ONEFOLD")
        self.assertFalse(self.cache.exists())

    def test_an_empty_verb_is_a_launch(self) -> None:
        result = self.packed.launch("report", cache=self.cache, environment={"ONEFOLD": ""})
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertNotIn(b"ONEFOLD", Report(result.stdout).environment)

    def test_an_unknown_check_is_refused_and_runs_nothing(self) -> None:
        result = self.packed.launch(cache=self.cache, environment={"ONEFOLD_CHECK": "some"})
        self.assertRefused(result, "'some'", "seal, dirs, files or full")

    def test_a_program_packed_the_same_way_is_launched_by_a_program(self) -> None:
        """The verb does not reach it."""
        inner = self.packed.path
        script = b'#!/bin/sh\nexec "%s" "$@"\n' % os.fsencode(inner)
        tree = make_tree(self.work / "tree", {"run": program(script)})
        outer = pack(tree, self.work / "outer", "--name", "outer")
        result = outer.launch("report", cache=self.cache)
        self.assertEqual(result.returncode, 0, result.stderr)
        environment = Report(result.stdout).environment
        self.assertEqual(environment[b"ONEFOLD_EXE"], os.fsencode(inner))
        self.assertEqual(environment[b"ONEFOLD_APP_NAME"], b"app")


class Size(Case):
    def test_the_bootloader_is_static_and_small(self) -> None:
        self.assertLessEqual(BOOTLOADER.stat().st_size, 466_000)
        linked = run(["ldd", BOOTLOADER])
        self.assertIn(b"not a dynamic executable", linked.stdout + linked.stderr)


if __name__ == "__main__":
    unittest.main()
