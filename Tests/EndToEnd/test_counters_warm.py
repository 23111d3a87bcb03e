"""What a warm launch costs, counted: system calls, bytes read, memory, page faults. None of it grows with the tree, but
for one call a directory and the table of directories with the check `dirs` (docs/launch.md, "A warm launch")."""

from __future__ import annotations

import ctypes
import functools
import os
import re
import shutil
import unittest
from pathlib import Path
from typing import Any, Iterator, Optional

from support import (
    AS_NOBODY,
    REPOSITORY,
    Call,
    Case,
    Onefile,
    bare_environment,
    make_tree,
    needs_program,
    needs_root,
    pack,
    program,
    run,
    scratch,
    succeed,
    trace,
)

#: In a cache directory that is named, with the check `seal`, of a tree that is durable.
OWN_FILE = "openat readlinkat fstat pread64".split()
CACHE = "openat fstat fstatfs".split()
TREE = "openat fstat flock openat fcntl openat pread64".split()
TABLE = ["pread64"]
BOOT_ID = "openat pread64".split()
MISSING_CANDIDATE = ["openat"]

#: Further than a launcher that does nothing but execute its program.
MOST_CALLS = 17
MOST_FAULTS = 22

DIRECTORIES = 30

#: personality(2): addresses are not random, in this process and in those that it starts.
ADDR_NO_RANDOMIZE = 0x0040000


def personality(persona: int) -> int:
    """Set the execution domain and return the previous one."""
    previous = ctypes.CDLL(None, use_errno=True).personality(persona)
    if previous == -1:
        raise OSError(ctypes.get_errno(), "personality")
    return previous


def compiled(name: str) -> Path:
    """One of the programs of tools/bench."""
    compiler = shutil.which("musl-gcc")
    if compiler is None:
        raise unittest.SkipTest("needs the program musl-gcc")
    result = scratch() / name.lower()
    if not result.exists():
        source = REPOSITORY / "tools" / "bench-programs.c"
        succeed(run([compiler, "-static", "-Os", f"-D{name}", "-o", result, source]))
    return result


@functools.lru_cache(maxsize=None)
def packed(directories: int, files: int, above: str = "") -> Onefile:
    """`directories` of `files` each, in the directory `above` or the root; the manifest of many is larger than what a
    launch reads."""
    room = scratch() / f"warm-{directories}-{files}-{above.replace('/', '-')}"
    entries: dict[Any, Any] = {"run": program(compiled("TARGET").read_bytes())}
    for directory in range(directories):
        for file in range(files):
            place = os.path.join(above, f"directory-{directory:04}")
            entries[f"{place}/file-{file:06}"] = b"%d" % file
    return pack(make_tree(room / "tree", entries), room / "onefile", "--codec", "store")


def reads(calls: list[Call]) -> Iterator[tuple[int, int]]:
    """Bytes that were asked for, and those that came."""
    for call in calls:
        if call.name in ("read", "pread64", "readv", "preadv"):
            asked = re.search(r", (\d+)(?:, \d+)?$", call.arguments)
            assert asked, call
            yield int(asked[1]), int(call.result)


@needs_program("strace")
class WarmCalls(Case):
    def shim_calls(self) -> int:
        return len(trace([compiled("SHIM"), compiled("TARGET")]).main)

    def warm_calls(
        self,
        onefile: Onefile,
        check: str = "seal",
        prewarmed: bool = True,
        environment: Optional[dict[str, Any]] = None,
        **options: Any,
    ) -> list[Call]:
        """The calls of a second launch, less those of any program that is linked against the same C library."""
        environment = environment or {"ONEFOLD_CACHE": self.cache}
        verb = "prewarm" if prewarmed else ""
        succeed(onefile.launch(verb=verb, environment=environment, **options))
        result = onefile.trace(environment={**environment, "ONEFOLD_CHECK": check}, **options)
        self.assertSucceeded(result.result)
        before = ["arch_prctl", "set_tid_address"]
        names = [call.name for call in result.main]
        self.assertEqual((names[:2], names[-1]), (before, "execve"))
        self.assertEqual(len(before) + 1, self.shim_calls())
        return result.main[2:-1]

    def assertCalls(self, calls: list[Call], *expected: list[str]) -> None:
        self.assertEqual([call.name for call in calls], sum(expected, []))

    def test_in_the_directory_that_is_named(self) -> None:
        calls = self.warm_calls(packed(1, 10))
        self.assertCalls(calls, OWN_FILE, CACHE, TREE)
        self.assertLessEqual(len(calls), MOST_CALLS)

    @needs_root
    def test_in_the_home(self) -> None:
        if os.path.lexists("/var/cache/onefold"):
            self.skipTest("there is a /var/cache/onefold, which a launch looks into")
        home = self.work / "home"
        environment = {"HOME": home}
        found = [*MISSING_CANDIDATE, *CACHE]
        user = {**AS_NOBODY, "user": 12345}
        for who, options in (("root", {}), ("a user", user)):
            for prewarmed, boot in ((True, []), (False, BOOT_ID)):
                with self.subTest(who=who, prewarmed=prewarmed):
                    home.mkdir()
                    os.chown(home, options.get("user", 0), options.get("group", 0))
                    calls = self.warm_calls(
                        packed(1, 10), environment=environment, prewarmed=prewarmed, **options
                    )
                    shutil.rmtree(home)
                    self.assertCalls(calls, OWN_FILE, found, TREE, boot)
                    self.assertLessEqual(len(calls), MOST_CALLS)

    def test_a_tree_that_is_not_durable_yet(self) -> None:
        calls = self.warm_calls(packed(1, 10), prewarmed=False)
        self.assertCalls(calls, OWN_FILE, CACHE, TREE, BOOT_ID)
        self.assertLessEqual(len(calls), MOST_CALLS)

    def test_one_call_a_directory(self) -> None:
        for directories in (1, DIRECTORIES):
            with self.subTest(directories=directories):
                calls = self.warm_calls(packed(directories, 10), "dirs")
                # And the root.
                looks = ["newfstatat"] * (directories + 1)
                self.assertCalls(calls, OWN_FILE, CACHE, TREE, TABLE, ["openat"], looks)
                self.assertLessEqual(len(calls), MOST_CALLS + len(looks))

    def test_directories_below_one_are_looked_up_from_there(self) -> None:
        above = "library/packages"
        calls = self.warm_calls(packed(100, 1, above), "dirs")
        # And the root, and those above.
        looks = ["newfstatat"] * 103
        self.assertCalls(calls, OWN_FILE, CACHE, TREE, TABLE, ["openat"], ["openat"], looks)
        self.assertLessEqual(len(calls), MOST_CALLS + len(looks))

    def test_nothing_grows_with_the_files(self) -> None:
        few, many = packed(1, 10), packed(1, 10_000)
        for check in ("seal", "dirs"):
            with self.subTest(check=check):
                of_few, of_many = (self.warm_calls(onefile, check) for onefile in (few, many))
                # With the names, brk and mmap: there are none.
                self.assertEqual([c.name for c in of_few], [c.name for c in of_many])
                self.assertEqual(list(reads(of_few)), list(reads(of_many)))

    def test_only_the_table_grows_with_the_directories(self) -> None:
        few, many = packed(1, 10), packed(DIRECTORIES, 10)
        of_few, of_many = (list(reads(self.warm_calls(file, "dirs"))) for file in (few, many))
        self.assertEqual(of_few[:-1], of_many[:-1])
        row = 36 + len("directory-0000") + 1
        grown = of_many[-1][0] - of_few[-1][0]
        self.assertEqual(grown, (DIRECTORIES - 1) * row)

    def test_what_does_not_fit_into_its_own_memory(self) -> None:
        onefile = packed(1, 10)
        environment = {"ONEFOLD_CACHE": self.cache, "LARGE": "x" * 100_000}
        succeed(onefile.launch(environment=environment))
        names = {call.name for call in self.warm_calls(onefile, environment=environment)}
        self.assertIn("mmap", names)


class WarmFaults(Case):
    def setUp(self) -> None:
        super().setUp()
        # Where the stack and the mappings begin decides how many pages are touched.
        previous = personality(ADDR_NO_RANDOMIZE)
        self.addCleanup(personality, previous)

    def faults(self, command: list[Any], environment: dict[str, Any]) -> int:
        """The fewest of several launches."""
        return min(self.faults_once(command, environment) for _ in range(7))

    def faults_once(self, command: list[Any], environment: dict[str, Any]) -> int:
        pid = os.posix_spawn(command[0], command, bare_environment(environment))
        _, status, usage = os.wait4(pid, 0)
        self.assertEqual(status, 0)
        return usage.ru_minflt + usage.ru_majflt

    def test_page_faults(self) -> None:
        shim = self.faults([compiled("SHIM"), compiled("TARGET")], {})
        counts = []
        for onefile in (packed(1, 10), packed(1, 10_000)):
            environment = {"ONEFOLD_CACHE": os.fspath(self.cache), "ONEFOLD_CHECK": "seal"}
            succeed(onefile.launch(verb="prewarm", environment=environment))
            # A kernel that is about to reclaim the pages of a file maps each by itself. The pages of a copy are new.
            copies = (onefile.copy(self.work / f"{len(counts)}-{number}") for number in range(3))
            counts.append(min(self.faults([copy.path], environment) for copy in copies) - shim)
        self.assertLessEqual(max(counts), MOST_FAULTS)
        self.assertAlmostEqual(counts[0], counts[1], delta=3)


if __name__ == "__main__":
    unittest.main()
