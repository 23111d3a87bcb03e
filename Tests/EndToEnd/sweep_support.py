"""Sweeps: a launch is disturbed at every system call that it makes, one call a launch.

The points are found by counting a launch that nothing disturbs (sweep.c does both), so that they
follow the product. `tools/test` tries some of them, `tools/soak` all: the same code, with another
number.
"""

from __future__ import annotations

import atexit
import concurrent.futures
import contextlib
import errno
import functools
import itertools
import os
import platform
import re
import shutil
import subprocess
import tempfile
import unittest
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence

from spec_support import pack_spec, toml
from support import (
    IS_ROOT,
    MTIME,
    Case,
    Directory,
    File,
    HardLink,
    Onefile,
    Result,
    Symlink,
    listing,
    make_lock,
    make_tree,
    noise,
    pack,
    program,
    remove_tree,
    run,
    scratch,
    seal_in_another_boot,
    start,
    succeed,
    tree_state,
)

#: No launch of these trees takes that long unless it hangs.
LONGEST = 20

#: What a onefile opens first; calls count from here.
OWN_FILE = "/proc/self/exe"

# Points


class Point(NamedTuple):
    """One disturbance of one launch; `str` and `parse` are how it is told and repeated."""

    scenario: str
    action: str  # of sweep.c: kill, fail, lack, short, memory, files
    call: str  # the name of the calls that are counted, or "any"
    number: int  # among them, over all threads, from 1; 0 for memory and files
    value: str = ""  # fail, lack: the name of an errno; short: the length; memory, files: the limit

    def __str__(self) -> str:
        parts = [self.action, self.call, str(self.number)] + ([self.value] if self.value else [])
        return f"{self.scenario}/{':'.join(parts)}"

    @staticmethod
    def parse(text: str) -> Point:
        scenario, _, rest = text.partition("/")
        parts = rest.split(":")
        names = [known.name for known in ALL_SCENARIOS]
        if scenario not in names or len(parts) not in (3, 4) or not parts[2].isdigit():
            raise ValueError(f"{text!r} is no point: SCENARIO/ACTION:CALL:NUMBER[:VALUE]")
        return Point(scenario, parts[0], parts[1], int(parts[2]), "".join(parts[3:]))

    @property
    def driver_value(self) -> int:
        return getattr(errno, self.value) if self.value.startswith("E") else int(self.value or 0)


class Outcome(NamedTuple):
    point: Point
    #: What the call was about; None where the launch did not come to it.
    disturbed: Optional[str]
    #: What was promised and not kept.
    failure: Optional[str]
    #: How the disturbed launch ended.
    ending: str


# The driver


@functools.lru_cache(maxsize=None)
def driver() -> Path:
    """`sweep.c`, compiled."""
    if platform.machine() != "x86_64":
        raise unittest.SkipTest("sweep.c changes the registers of x86-64 alone")
    compiler = shutil.which("gcc")
    if compiler is None:
        raise unittest.SkipTest("needs the program gcc")
    result = scratch() / "sweep"
    succeed(run([compiler, "-O1", "-w", "-o", result, Path(__file__).with_name("sweep.c")]))
    tried = run([result, "/dev/null", OWN_FILE, "count", "-1", "0", "0", "/bin/true"])
    if b"ptrace" in tried.stderr:
        raise unittest.SkipTest("a program may not trace another here")
    succeed(tried)
    return result


@functools.lru_cache(maxsize=None)
def call_numbers() -> dict[str, int]:
    """The numbers of all system calls, by name."""
    macros = ["gcc", "-E", "-dM", "-include", "sys/syscall.h", "-x", "c", "/dev/null"]
    text = succeed(run(macros)).stdout.decode()
    pairs = re.findall(r"^#define __NR_(\w+) (\d+)$", text, re.MULTILINE)
    return {name: int(number) for name, number in pairs}


@functools.lru_cache(maxsize=None)
def call_names() -> dict[int, str]:
    return {number: name for name, number in call_numbers().items()}


class Counted(NamedTuple):
    name: str
    path: str


def disturbed_calls(log: Path) -> list[Counted]:
    """The calls of a log of sweep.c."""
    calls = []
    for line in log.read_text(errors="replace").splitlines():
        number, _, path = line.partition("\t")
        calls.append(Counted(call_names()[int(number)], path))
    return calls


# What is launched


def small_entries() -> dict[str, Any]:
    """All kinds of entries."""
    return {
        "run": program(),
        "a/file": noise(3000, "a"),
        "a/b/file": File(noise(3000, "b"), mode=0o600),
        "a/b/link": Symlink("file"),
        "a/again": HardLink("a/file"),
        "hole": File(bytes(200_000) + b"x"),
        "empty": b"",
        "read-only": Directory(0o555),
        "read-only/file": File(b"x", mode=0o444),
    }


def framed_entries() -> dict[str, Any]:
    """Many frames for several workers, and a file whose segments are in several of them."""
    files = {f"package/{i}.bin": noise(30_000, str(i)) for i in range(6)}
    return {"run": program(), "large": File(noise(200_000), mtime=MTIME - 1), **files}


@dataclass
class Payload:
    onefile: Onefile
    tree: Path
    state: dict[bytes, Any]

    @functools.cached_property
    def verbs(self) -> list[str]:
        text = self.onefile.launch(verb="help").stdout.decode()
        return re.findall(r"^  ([a-z-]+)  ", text, re.MULTILINE)


def older_entries() -> dict[str, Any]:
    """A version before `framed_entries`: one file is another, and one is missing."""
    entries = {**framed_entries(), "package/1.bin": noise(30_000, "older")}
    del entries["package/2.bin"]
    return entries


def pack_listening(place: Path) -> Payload:
    """One that listens, and of which one instance runs."""
    make_tree(place / "tree", {"run": program(), "file": noise(3000)})
    spec = {
        "app": {"name": "server"},
        "data": [{"source": "tree", "target": "."}],
        "launch": {"executable": "run", "instance": "single"},
        "launch.listen": {"address": "unix:{env:SOCKET}"},
        "archive": {"level": 1},
    }
    (place / "onefold.toml").write_text(toml(spec))
    onefile = pack_spec(place, "--no-sbom")
    succeed(onefile.launch(place / "extracted", verb="extract"))
    return Payload(onefile, place / "extracted", tree_state(place / "extracted"))


@functools.lru_cache(maxsize=None)
def payload(kind: str) -> Payload:
    if kind == "listening":
        return pack_listening(Path(tempfile.mkdtemp(prefix="sweep-", dir=scratch())))
    entries = {"small": small_entries, "framed": framed_entries, "older": older_entries}[kind]()
    place = Path(tempfile.mkdtemp(prefix=f"sweep-{kind}-", dir=scratch()))
    tree = make_tree(place / "tree", entries)
    options = () if kind == "small" else ("--frame-size", "64")
    return Payload(pack(tree, place / "packed", *options), tree, tree_state(tree))


@dataclass
class Scenario:
    """A launch that is disturbed: from which state of the cache, and what it is to say."""

    name: str
    what: str
    kind: str
    verb: str = ""
    #: The tree is there beforehand.
    is_warm: bool = True
    #: Changes the tree that is there, so that the launch has to repair it.
    damage: Optional[Callable[[Path], None]] = None
    #: The tree was sealed in an earlier boot, so that the launch has to confirm it.
    is_old: bool = False
    #: There is what a launch of another tree left when it was killed.
    is_littered: bool = False
    #: The kind of a version that was launched before, with whose tree files are shared.
    older: str = ""
    check: str = ""
    #: It opens a Unix socket, and takes the lock of the one instance.
    listens: bool = False
    stdout: bytes = b"hello\n"  # patterns
    stderr: bytes = b""

    @functools.cached_property
    def payload(self) -> Payload:
        return payload(self.kind)

    @property
    def is_launch(self) -> bool:
        return not self.verb

    @property
    def others(self) -> list[str]:
        """The trees that no launch of this scenario may touch."""
        return [payload(self.older).onefile.tree_name] if self.older else []

    def listing(self, cache: Path) -> list[str]:
        """What is in the cache besides these trees, which must all be there and as they were packed."""
        names = [name for name in listing(cache) if not (self.listens and name == INSTANCE)]
        require(set(self.others) <= set(names), f"an older tree is gone: there are {names}")
        for name in self.others:
            is_right = tree_state(cache / name / "tree") == payload(self.older).state
            require(is_right, "the older tree is not the packed one")
        return [name for name in names if name not in self.others]

    def prepare(self, cache: Path) -> None:
        if self.older:
            succeed(limited(payload(self.older).onefile.command(), environment_for(cache)))
        if not self.is_warm:
            return
        succeed(self.launch(cache))
        tree = self.payload.onefile.tree(cache)
        if self.damage:
            self.damage(tree)
        if self.is_old:
            seal_in_another_boot(tree.with_name("seal"))
        if self.is_littered:
            shutil.copytree(tree.parent, cache / f".{'0' * 32}.{'1' * 16}", symlinks=True)
            make_lock(cache / f"{'0' * 32}.lock")

    def launch(self, cache: Path, verb: str = "", check: str = "") -> Result:
        """Undisturbed, and of a given verb. `TimeoutExpired` where it hangs."""
        return limited(self.payload.onefile.command(), self.environment(cache, verb, check))

    def environment(self, cache: Path, verb: str, check: str) -> dict[str, str]:
        given = environment_for(cache, verb, check)
        if self.listens:
            runtime = cache.with_name("runtime")
            runtime.mkdir(mode=0o700, exist_ok=True)
            given.update(SOCKET=os.fspath(cache.with_name("socket")), XDG_RUNTIME_DIR=os.fspath(runtime))
        return given

    @functools.cached_property
    def calls(self) -> list[Counted]:
        """Those of a launch that nothing disturbs, in their order over all threads."""
        with place() as (directory, cache):
            self.prepare(cache)
            result, calls = self.disturb(directory, cache, None)
            if result.returncode != 0:
                raise AssertionError(f"{self.name}: {result.returncode}: {result.stderr!r}")
            return calls

    def disturb(
        self, directory: Path, cache: Path, point: Optional[Point]
    ) -> tuple[Result, list[Counted]]:
        """The launch under sweep.c; the calls that were disturbed, or all of them."""
        log = directory / "calls"
        action = ["count", "-1", "0", "0"]
        if point:
            number = -1 if point.call == "any" else call_numbers()[point.call]
            action = [point.action, str(number), str(point.number), str(point.driver_value)]
        launch = self.payload.onefile.command()
        command = [*among_few(), driver(), log, OWN_FILE, *action, *launch]
        result = limited(command, self.environment(cache, self.verb, self.check))
        return result, disturbed_calls(log)


@functools.lru_cache(maxsize=None)
def among_few() -> list[str]:
    """The beginning of a command that sees no processes but those of sweeps. A clean-up looks at every process, so its
    calls would differ with what else the machine runs. Without root, it sees all."""
    if not IS_ROOT:
        return []
    holder = start(["unshare", "--pid", "--fork", "--kill-child", "--mount-proc", "cat"])
    atexit.register(holder.communicate)
    assert holder.stdin and holder.stdout
    holder.stdin.write(b"ready\n")
    holder.stdin.flush()
    if holder.stdout.readline() != b"ready\n":
        raise AssertionError("cannot make a PID namespace")
    first = Path(f"/proc/{holder.pid}/task/{holder.pid}/children").read_text().strip()
    return ["nsenter", "--target", first, "--pid", "--mount", "--"]


def environment_for(cache: Path, verb: str = "", check: str = "") -> dict[str, str]:
    given = {"ONEFOLD_CACHE": os.fspath(cache), "ONEFOLD": verb, "ONEFOLD_CHECK": check}
    return {name: value for name, value in given.items() if value}


def limited(command: Sequence[Any], environment: dict[str, str]) -> Result:
    with start(command, environment=environment, stdin=subprocess.DEVNULL) as process:
        try:
            output, errors = process.communicate(timeout=LONGEST)
        except subprocess.TimeoutExpired:
            # What the driver runs ends with it.
            process.kill()
            raise
    return Result(command, process.returncode, output, errors)


@contextlib.contextmanager
def place() -> Iterator[tuple[Path, Path]]:
    """A directory, and a cache directory in it that is not there yet."""
    directory = Path(tempfile.mkdtemp(prefix="sweep-", dir=scratch()))
    try:
        yield directory, directory / "cache"
    finally:
        remove_tree(directory)


def damage_small(tree: Path) -> None:
    """Takes all that a repair can do."""
    remove_tree(tree / "a" / "b")
    (tree / "a" / "file").write_bytes(b"in all names of the file")
    os.truncate(tree / "run", 3)
    (tree / "hole").unlink()
    (tree / "hole").mkdir()
    (tree / "hole" / "planted").touch()
    (tree / "empty").chmod(0o600)
    remove_tree(tree / "read-only")
    (tree / "read-only").symlink_to(tree.parent)


def damage_framed(tree: Path) -> None:
    os.truncate(tree / "large", 70_000)
    (tree / "package" / "1.bin").unlink()
    (tree / "package" / "2.bin").write_bytes(b"")


#: By name. The verbs that a onefile does not have are left out by `scenarios`.
ALL_SCENARIOS = [
    Scenario("first", "first launch, all kinds of entries", "small", is_warm=False),
    Scenario("framed", "first launch, several frames and workers", "framed", is_warm=False),
    Scenario("update", "first launch of a new version, most files shared", "framed", is_warm=False, older="older"),
    Scenario("warm", "warm launch", "small"),
    Scenario("warm-full", "warm launch, `ONEFOLD_CHECK=full`", "framed", check="full"),
    Scenario("confirm", "first launch after a reboot", "framed", is_old=True),
    Scenario("repair", "repair of all kinds of damage", "small", damage=damage_small),
    Scenario("repair-framed", "repair, several workers", "framed", damage=damage_framed),
    Scenario("listen", "first launch that listens, one instance", "listening", is_warm=False, listens=True),
    # The first launch left its socket's file.
    Scenario("listen-again", "warm launch that listens, one instance", "listening", listens=True),
    Scenario("clean", "`ONEFOLD=clean`", "small", verb="clean", stdout=b"",
             stderr=rb"removed '[^\n]*'\n"),
    Scenario("gc", "`ONEFOLD=gc` after a kill", "small", verb="gc", is_littered=True, stdout=b"",
             stderr=rb"removed '[^\n]*'\n"),
]  # fmt: skip


def scenarios(names: Iterable[str]) -> list[Scenario]:
    wanted = [named for name in names for named in ALL_SCENARIOS if named.name == name]
    return [one for one in wanted if one.is_launch or one.verb in one.payload.verbs]


def scenario(name: str) -> Scenario:
    return next(one for one in ALL_SCENARIOS if one.name == name)


# The kill sweep

#: The scenarios that are swept, by name.
KILLED = (
    "first", "framed", "update", "warm", "warm-full", "confirm", "repair", "repair-framed", "listen", "listen-again", "clean", "gc",
)  # fmt: skip


def kill_points(one: Scenario) -> list[Point]:
    return [Point(one.name, "kill", "any", number + 1) for number in range(len(one.calls))]


# The fault sweep

#: The scenarios that are swept, by name.
FAULTED = (
    "first", "framed", "update", "warm", "warm-full", "confirm", "repair", "listen", "listen-again", "clean", "gc",
)  # fmt: skip

#: Calls that can't fail as they are used here, or whose failure changes nothing that could be seen.
NEVER_FAILS = frozenset(
    "umask getuid geteuid getgid getegid getpid gettid munmap madvise exit exit_group futex"
    " rt_sigaction rt_sigprocmask rt_sigreturn arch_prctl set_tid_address set_robust_list rseq"
    " clock_gettime sched_yield tkill membarrier".split()
)

NO_ROOM = "ENOSPC EDQUOT"
PATH = "EACCES ELOOP ENOENT ENOTDIR ENOMEM EIO"
CHANGE = f"{PATH} EPERM EROFS"
RENAME = f"{CHANGE} {NO_ROOM} EBUSY EEXIST EINVAL ENOTEMPTY EXDEV"

#: What each call can say, from the manual pages.
ERRORS: dict[str, str] = {
    "openat": f"{CHANGE} {NO_ROOM} EEXIST EINTR EMFILE ENFILE",
    "open": f"{CHANGE} {NO_ROOM} EEXIST EINTR EMFILE ENFILE",
    "newfstatat": PATH,
    "stat": PATH,
    "lstat": PATH,
    "statx": f"{PATH} ENOSYS",
    "fstat": "EIO ENOMEM EOVERFLOW",
    "fstatfs": "EINTR EIO ENOMEM ENOSYS",
    "statfs": f"{PATH} EINTR ENOSYS",
    "read": "EINTR EIO ENOMEM",
    "pread64": "EINTR EIO ENOMEM",
    "write": f"{NO_ROOM} EFBIG EINTR EIO ENOMEM EPERM",
    "pwrite64": f"{NO_ROOM} EFBIG EINTR EIO ENOMEM EPERM",
    "writev": f"{NO_ROOM} EFBIG EINTR EIO ENOMEM EPERM",
    "copy_file_range": f"{NO_ROOM} EFBIG EINVAL EIO ENOMEM ENOSYS EOPNOTSUPP EPERM EXDEV",
    "ftruncate": f"{NO_ROOM} EFBIG EINTR EINVAL EIO EPERM",
    "fallocate": f"{NO_ROOM} EFBIG EINTR EIO ENOSYS EOPNOTSUPP EPERM",
    "close": f"{NO_ROOM} EINTR EIO",
    "fsync": f"{NO_ROOM} EINVAL EIO EROFS",
    "fdatasync": f"{NO_ROOM} EINVAL EIO EROFS",
    "syncfs": f"{NO_ROOM} EIO",
    "mkdirat": f"{CHANGE} {NO_ROOM} EEXIST EMLINK",
    "symlinkat": f"{CHANGE} {NO_ROOM} EEXIST",
    "linkat": f"{CHANGE} {NO_ROOM} EEXIST EMLINK EXDEV",
    "rename": RENAME,
    "renameat": RENAME,
    "renameat2": f"{RENAME} ENOSYS",
    "unlinkat": f"{CHANGE} EBUSY EISDIR ENOTEMPTY",
    "fchmod": "EIO ENOMEM EPERM EROFS",
    "fchmodat": CHANGE,
    "fchmodat2": f"{CHANGE} ENOSYS",
    "utimensat": CHANGE,
    "fgetxattr": "EIO ENODATA EOPNOTSUPP EPERM ERANGE",
    "flock": "EAGAIN EINTR EIO EINVAL ENOLCK ENOSYS EOPNOTSUPP",
    "fcntl": "EAGAIN EINTR EINVAL EIO ENOLCK ENOMEM",
    "getdents64": "EIO ENOENT ENOMEM",
    "readlink": PATH,
    "readlinkat": PATH,
    "faccessat": f"{PATH} EROFS",
    "faccessat2": f"{PATH} ENOSYS EROFS",
    "getcwd": "EACCES ENOENT ENOMEM",
    "getrandom": "EAGAIN EINTR ENOSYS",
    "sched_getaffinity": "EINVAL ENOSYS EPERM",
    "prlimit64": "EINVAL ENOSYS EPERM",
    "clone": "EAGAIN ENOMEM EPERM",
    "clone3": "EAGAIN ENOMEM ENOSYS EPERM",
    "mmap": "EAGAIN ENOMEM EPERM",
    "mremap": "EAGAIN ENOMEM",
    "mprotect": "EACCES ENOMEM",
    "brk": "ENOMEM",
    "execve": "E2BIG EACCES EIO ELOOP EMFILE ENFILE ENOENT ENOEXEC ENOMEM EPERM",
    "ioctl": "ENOTTY",
    "lseek": "EINVAL ESPIPE",
    "nanosleep": "EINTR",
    "clock_nanosleep": "EINTR",
    "prctl": "EINVAL ENOSYS EPERM",
    "socket": "EACCES EMFILE ENFILE ENOBUFS ENOMEM",
    "bind": f"{PATH} EADDRINUSE EROFS",
    "listen": "EADDRINUSE",
    "connect": "EACCES EAGAIN ECONNREFUSED ENOENT ENOMEM",
    "setsockopt": "ENOMEM",
    "getsockname": "ENOBUFS",
    "dup2": "EBUSY EINTR EMFILE",
}
UNKNOWN_CALL = "EINVAL EIO ENOMEM ENOSYS EPERM"

#: What lasts: all later calls of the name fail as well. Not among it are interruptions without end,
#: and a lock that another holds for ever, for which a launch waits ten minutes.
LASTING: dict[str, str] = {
    "openat": "EACCES EIO EMFILE ENFILE ENOMEM EROFS ENOSPC",
    "pread64": "EIO",
    "pwrite64": f"{NO_ROOM} EFBIG EIO",
    "ftruncate": f"{NO_ROOM} EFBIG EIO",
    "mkdirat": f"{NO_ROOM} EROFS",
    "symlinkat": f"{NO_ROOM} EPERM",
    "linkat": f"{NO_ROOM} EPERM",
    "renameat": f"{NO_ROOM} EIO EROFS EXDEV",
    "renameat2": f"{NO_ROOM} EINVAL EIO ENOSYS EROFS EXDEV",
    "unlinkat": "EACCES EIO EPERM EROFS",
    "fchmod": "EPERM EROFS",
    "fchmodat": "EPERM EROFS",
    "utimensat": "EPERM EROFS",
    "flock": "EINVAL EIO ENOLCK ENOSYS",
    "getdents64": "EIO",
    "newfstatat": "EIO",
    "fstat": "EIO",
    "fstatfs": "EIO ENOSYS",
    "getrandom": "ENOSYS",
    "clone": "EAGAIN",
    "mmap": "ENOMEM",
    "execve": "EACCES ENOENT",
}

#: Calls that are made with a smaller length, down to the end of the file or a write of nothing.
SHORTENED = frozenset({"read", "pread64", "write", "pwrite64", "copy_file_range"})
LENGTHS = ("0", "1", "100")


def faults(name: str, calls: Sequence[Counted]) -> list[Point]:
    """All that can go wrong with the calls of the scenario of that name."""
    numbers: dict[str, int] = {}
    points = []
    for call in calls:
        if call.name in NEVER_FAILS:
            continue
        numbers[call.name] = number = numbers.get(call.name, 0) + 1
        for action, table in (("fail", ERRORS), ("lack", LASTING)):
            default = UNKNOWN_CALL if action == "fail" else ""
            for value in table.get(call.name, default).split():
                points.append(Point(name, action, call.name, number, value))
        if call.name in SHORTENED:
            points += [Point(name, "short", call.name, number, length) for length in LENGTHS]
    return points


def fault_points(one: Scenario) -> list[Point]:
    return faults(one.name, one.calls)


#: Limits of a process, in what they are counted, and the step between two points.
LIMITS = {"memory": 16, "files": 1}


def limit_points(one: Scenario) -> list[Point]:
    """Each limit from the lowest, at which nothing more is to be had, to one that is enough."""
    points = []
    for action, step in LIMITS.items():
        value = step
        while limit_refuses(one, action, value):
            value *= 2
        values = range(step, value + 1, step)
        points += [Point(one.name, action, "any", 0, str(number)) for number in values]
    return points


def limit_refuses(one: Scenario, action: str, value: int) -> bool:
    with place() as (directory, cache):
        one.prepare(cache)
        result, _ = one.disturb(directory, cache, Point(one.name, action, "any", 0, str(value)))
        return result.returncode != 0


# What is promised

#: A message: what was tried, or is wrong, and where.
MESSAGE = re.compile(
    rb"\Aonefold: (?:cannot [a-z][a-z ]+ '/[^'\n]+'|not enough (?:space|inodes) in '/[^'\n]+'"
    rb"|no directory to unpack to: '/[^'\n]+'|'/[^'\n]+' (?:is damaged|holds no payload|is in use)"
    rb"|cannot listen on (?:'unix:/[^'\n]+'|unix:/[^\n]+: another program has it)|cannot move the socket of 'unix:/[^'\n]+'"
    # What is about no file.
    rb"|cannot (?:allocate memory|read random bytes))(?:[^\n]*[^\n.])?\n\Z"
)

#: Where one of these fails, what it was to remove stays, until a later launch or a clean-up.
REMOVING = frozenset({"unlinkat", "getdents64"})
#: Nothing can be removed while one of these fails each time.
NEEDED_TO_REMOVE = frozenset({"openat", "newfstatat", "fstat", "fchmod", "fchmodat"})
#: A process that gets no memory ends at once.
MEMORY = frozenset({"mmap", "mremap", "brk"})


def may_leave(one: Scenario, point: Point, result: Result) -> bool:
    """Whether something half made or half removed may stay for the next launch to remove."""
    failed = result.returncode != 0
    if not one.is_launch:
        return True  # It removes what it can.
    if point.action == "lack" and point.call in NEEDED_TO_REMOVE:
        return True
    if one.damage and not failed:
        return True  # What was replaced is removed after the tree is right.
    return point.call in REMOVING or point.action in LIMITS or (failed and point.call in MEMORY)


def must_succeed(point: Point) -> bool:
    """Whether the disturbance is none that may end a launch."""
    if point.value == "EINTR" or point.call in ("clone", "clone3", "flock"):
        return True
    if point.action == "short":
        return point.value != "0"
    return point.call == "renameat2" and point.value in ("EINVAL", "ENOSYS")


def may_skip(one: Scenario, cache: Path, point: Point, disturbed: Optional[str]) -> bool:
    """Whether a clean-up may find nothing to remove, or not be able to say what it removed. What it
    could not look at, it says."""
    if one.is_launch:
        return False
    # Where locks do not work all may be in use, and what can't be a cache holds nothing.
    is_cache = disturbed is not None and disturbed.endswith(f" {cache}")
    calls = ("faccessat2", "fcntl", "flock", "write")
    # What is gone, or has no mark, is nobody's to remove.
    return is_cache or point.call in calls or point.value == "ENOENT" or point.action == "short"


class NotKept(Exception):
    """A promise that was not kept."""


def require(holds: Any, text: str) -> None:
    if not holds:
        raise NotKept(text)


def ending_of(result: Result) -> str:
    return f"{result.returncode}, stdout {result.stdout!r}, stderr {result.stderr!r}"


def try_point(point: Point) -> Outcome:
    """Disturbs one launch, and looks whether it, its cache and the next ones are as promised."""
    one = scenario(point.scenario)
    with place() as (directory, cache):
        one.prepare(cache)
        ending, disturbed = "it hung", None
        try:
            try:
                result, calls = one.disturb(directory, cache, point)
            except subprocess.TimeoutExpired:
                disturbed = "?"
                raise
            ending = ending_of(result)
            if calls:
                disturbed = f"{calls[0].name} {calls[0].path}"
            if point.action == "kill":
                check_killed(one, result, disturbed is not None)
            else:
                check_faulted(one, cache, point, result, disturbed)
            check_next(one, cache, point)
        except NotKept as failure:
            return Outcome(point, disturbed, str(failure), ending)
        except subprocess.TimeoutExpired:
            return Outcome(point, disturbed, f"a launch took more than {LONGEST} s", ending)
        return Outcome(point, disturbed, None, ending)


def is_right(one: Scenario, result: Result) -> bool:
    return (
        result.returncode == 0
        and re.fullmatch(one.stdout, result.stdout) is not None
        and re.fullmatch(one.stderr, result.stderr) is not None
    )


def check_killed(one: Scenario, result: Result, disturbed: bool) -> None:
    if disturbed:
        require(result.returncode == -9, f"it was not killed: {ending_of(result)}")
    else:
        # Threads do not come to the same calls in each launch.
        require(is_right(one, result), f"undisturbed it ended with {ending_of(result)}")


def check_faulted(
    one: Scenario, cache: Path, point: Point, result: Result, disturbed: Optional[str]
) -> None:
    """The launch succeeded, or failed with a message, and left nothing half made."""
    require(result.returncode >= 0, f"it ended by signal {-result.returncode}: {result.stderr!r}")
    if result.returncode == 0:
        is_told = is_right(one, result) or may_skip(one, cache, point, disturbed)
        require(is_told, f"it succeeded, but with {ending_of(result)}")
    else:
        codes = (120, 125, 126, 127) if one.listens else (125, 126, 127)
        require(result.returncode in codes, f"it ended with {ending_of(result)}")
        require(result.stdout == b"", f"it failed, but wrote {result.stdout!r}")
        # A clean-up goes on with the next.
        is_told = MESSAGE.match(re.sub(rb"\A(removed '[^\n]*'\n)+", b"", result.stderr))
        require(is_told, f"no message with operation and path: {result.stderr!r}")
        may_fail = not one.is_launch or not must_succeed(point)
        require(may_fail, f"this may not end a launch: {ending_of(result)}")
        if point.action == "memory" or (point.call in MEMORY and point.value == "ENOMEM"):
            is_told = b"memory" in result.stderr
            require(is_told, f"it does not say what is missing: {result.stderr!r}")
        # The file of an instance is not in a cache.
        is_of_cache = INSTANCE.encode() not in result.stderr
        if one.is_launch and is_of_cache and point.action == "lack" and point.value in NO_ROOM.split():
            needs = b"not enough space" in result.stderr or b"no space left" in result.stderr
            is_told = needs and b"ONEFOLD_CACHE" in result.stderr
            require(is_told, f"it does not say how to get room: {result.stderr!r}")
    if one.listens:
        check_places(one, cache, point, result)
    name = one.payload.onefile.tree_name
    left = one.listing(cache)
    if not may_leave(one, point, result):
        require(set(left) <= {name}, f"after {ending_of(result)} there are left {left}")
    if name not in left:
        require(result.returncode != 0 or not one.is_launch, "it ran, and there is no tree")
        return
    if result.returncode == 0 and one.is_launch:
        require_tree(one, cache, point)
    elif not one.damage and (cache / name / "seal").exists():
        # What others may find, and would run.
        require_tree(one, cache, point)


#: The file of the one instance, which stays.
INSTANCE = "onefold-server.instance"


def check_places(one: Scenario, cache: Path, point: Point, result: Result) -> None:
    """What a launch that listens leaves beside its cache."""
    left = set(listing(cache.with_name("runtime")))
    require(left <= {INSTANCE}, f"in the runtime directory there are left {left}")
    # Who gets no memory ends at once.
    ends = point.action == "memory" or point.call in MEMORY
    if result.returncode == 0 or one.is_warm or point.call == "unlinkat" or ends:
        return
    require(not cache.with_name("socket").exists(), "it failed, and the file of its socket is left")


#: What is in the directory of a tree.
BESIDE = ["lease", "manifest", "seal", "tree"]


def check_next(one: Scenario, cache: Path, point: Point) -> None:
    """The next launch works, and a clean-up after it leaves the tree alone and nothing else."""
    result = one.launch(cache)
    succeeded = (result.returncode, result.stdout, result.stderr) == (0, b"hello\n", b"")
    require(succeeded, f"the next launch ended with {ending_of(result)}")
    require_tree(one, cache, point)
    name = one.payload.onefile.tree_name
    if "gc" in one.payload.verbs:
        result = one.launch(cache, "gc")
        require(result.returncode == 0, f"gc ended with {ending_of(result)}")
        require(one.listing(cache) == [name], f"after gc there are {listing(cache)}")
        beside = listing(cache / name)
        require(beside == BESIDE, f"after gc there are beside the tree {beside}")
        require_tree(one, cache, point)
    result = one.launch(cache, "clean")
    require(result.returncode == 0, f"clean ended with {ending_of(result)}")
    require(one.listing(cache) == [], f"after clean there are {listing(cache)}")


def require_tree(one: Scenario, cache: Path, point: Point) -> None:
    state, expected = tree_state(one.payload.onefile.tree(cache)), one.payload.state
    if one.is_warm and point.action != "kill":
        # What can't be read is repaired. A repair gives a directory its time back where it can; no
        # launch depends on that.
        state, expected = without_directory_times(state), without_directory_times(expected)
    if state == expected:
        return
    paths = sorted(state.keys() | expected.keys())
    wrong = [path for path in paths if state.get(path) != expected.get(path)]
    raise NotKept(f"the tree is not the packed one: {wrong[:5]}")


def without_directory_times(state: dict[bytes, Any]) -> dict[bytes, Any]:
    return {
        path: value[:2] if value[0] == "directory" else value for path, value in state.items()
    }


# Trying many


def spread(points: Sequence[Point], most: Optional[int]) -> list[Point]:
    """At most so many of them, evenly and the same each time; all where there is no limit."""
    if most is None or len(points) <= most:
        return list(points)
    return [points[index * len(points) // most] for index in range(most)]


def outcomes(points: Iterable[Point]) -> Iterator[Outcome]:
    """Tries the points, as many at once as there are processors, in the order in which they are
    done. Where the caller leaves off, no more are begun."""
    remaining = iter(points)
    workers = len(os.sched_getaffinity(0))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        start_next = lambda count: {
            pool.submit(try_point, point) for point in itertools.islice(remaining, count)
        }
        running = start_next(workers)
        while running:
            done, running = concurrent.futures.wait(
                running, return_when=concurrent.futures.FIRST_COMPLETED
            )
            for future in done:
                yield future.result()
                running |= start_next(1)


class SweepCase(Case):
    def assertSwept(
        self, names: Iterable[str], points_of: Callable[[Scenario], list[Point]], most: int
    ) -> None:
        """Nothing that is promised is broken at any of `most` points of each scenario, and nearly
        all of the points come about."""
        for one in scenarios(names):
            points = spread(points_of(one), most)
            disturbed = 0
            for outcome in outcomes(points):
                disturbed += outcome.disturbed is not None
                with self.subTest(point=str(outcome.point), call=outcome.disturbed):
                    self.assertIsNone(outcome.failure)
            with self.subTest(scenario=one.name):
                self.assertGreater(disturbed, len(points) * 0.9)
