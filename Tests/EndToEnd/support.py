"""What the end-to-end tests share: trees, packing, launching, tracing and mounts.

The programs under test are those in $ONEFOLD_DIST, by default `dist/` of this repository.
"""

from __future__ import annotations

import atexit
import errno
import fcntl
import functools
import hashlib
import importlib.util
import json
import os
import platform
import re
import shutil
import stat
import struct
import subprocess
import sys
import tempfile
import time
import types
import unittest
from collections import Counter
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, NamedTuple, Optional, Sequence, Union

REPOSITORY = Path(__file__).resolve().parents[2]
DIST = Path(os.environ.get("ONEFOLD_DIST") or REPOSITORY / "dist").absolute()
ONEFOLD = DIST / "onefold"
BOOTLOADER = DIST / "bootloaders" / f"{platform.machine()}-linux"
READER = REPOSITORY / "tools" / "read-payload.py"
GOLDEN = REPOSITORY / "Tests" / "Golden"

IS_ROOT = os.geteuid() == 0
NOBODY = 65534
#: Options of `run` that make a process an unprivileged user's.
AS_NOBODY = {"user": NOBODY, "group": NOBODY, "extra_groups": []}

#: No test waits that long for anything that works.
PATIENCE = 120

MTIME = 1_600_000_000_123_456_789
HELLO = b"#!/bin/sh\necho hello\n"

StrPath = Union[str, bytes, "os.PathLike[str]", "os.PathLike[bytes]"]
Result = subprocess.CompletedProcess  # of bytes


# What a machine may lack


def needs_root(test: Any) -> Any:
    return unittest.skipUnless(IS_ROOT, "needs root")(test)


def needs_program(name: str) -> Callable[[Any], Any]:
    return unittest.skipUnless(shutil.which(name), f"needs the program {name}")


# Where the tests write


@functools.lru_cache(maxsize=None)
def scratch() -> Path:
    """A directory for the whole run; in memory where that is possible, as some trees are large."""
    shared = Path("/dev/shm")
    in_memory = shared.is_dir() and os.access(shared, os.W_OK)
    if in_memory and os.statvfs(shared).f_flag & os.ST_NOEXEC:
        in_memory = False
    path = Path(tempfile.mkdtemp(prefix="onefold-test-", dir=shared if in_memory else None))
    path.chmod(0o755)
    atexit.register(remove_tree, path)
    return path


def remove_tree(path: Path) -> None:
    """Removes also what lacks permissions, and paths that are longer than paths can be."""
    if not IS_ROOT:
        subprocess.run(["chmod", "-R", "u+rwx", "--", path], stderr=subprocess.DEVNULL)
    subprocess.run(["rm", "-rf", "--", path], check=True)


# Running


def run(
    command: Sequence[StrPath],
    *,
    environment: Optional[dict[Any, Any]] = None,
    limits: Sequence[tuple[int, int]] = (),
    prepare: Optional[Callable[[], None]] = None,
    **options: Any,
) -> Result:
    """Runs a command with the given environment, and PATH, alone; the output is captured."""
    options.setdefault("stdin", subprocess.DEVNULL if "input" not in options else None)
    options.setdefault("timeout", PATIENCE)
    if options["stdin"] is None:
        del options["stdin"]
    return subprocess.run(
        command,
        env=bare_environment(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        preexec_fn=prepare,
        **options,
    )


def start(
    command: Sequence[StrPath], *, environment: Optional[dict[Any, Any]] = None, **options: Any
) -> subprocess.Popen[bytes]:
    """Starts what `run` would run, with pipes to talk to it."""
    pipes = dict.fromkeys(("stdin", "stdout", "stderr"), subprocess.PIPE)
    return subprocess.Popen(command, env=bare_environment(environment), **{**pipes, **options})


def pass_tick() -> None:
    """Waits until the kernel's clock for files shows another time than that of what was unpacked before."""
    time.sleep(0.02)


def bare_environment(further: Optional[dict[Any, Any]]) -> dict[Any, Any]:
    return {"PATH": os.environ.get("PATH", os.defpath), **(further or {})}


def onefold(*arguments: StrPath, **options: Any) -> Result:
    return run([ONEFOLD, *arguments], **options)


def succeed(result: Result) -> Result:
    """For what has to work before the test can begin."""
    if result.returncode != 0:
        raise AssertionError(f"{result.args}: {result.returncode}: {result.stderr!r}")
    return result


def wait_until(condition: Callable[[], Any], what: str) -> Any:
    """The condition's first true value."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.002)
    raise AssertionError(f"in vain waited for {what}")


#: How long is waited for what must not happen. It would happen within milliseconds, as tests see in which it does.
LONG_ENOUGH = 0.3


def remains(condition: Callable[[], Any], seconds: float) -> bool:
    """Whether the condition holds all the time."""
    end = time.monotonic() + seconds
    while condition():
        if time.monotonic() > end:
            return True
        time.sleep(0.002)
    return False


def assert_remains(condition: Callable[[], Any], what: str) -> None:
    """The condition holds all the time. A longer wait could only find what a loaded machine delays."""
    if not remains(condition, LONG_ENOUGH):
        raise AssertionError(f"{what} did not remain")


def processes() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def executable(pid: int) -> str:
    """Empty where there is no such process, or it may not be asked."""
    try:
        return os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return ""


def mapped_libraries(pid: int) -> list[str]:
    """The paths of the shared libraries that a process has loaded."""
    lines = Path(f"/proc/{pid}/maps").read_text().splitlines()
    mapped = {line.split(maxsplit=5)[5] for line in lines if line.count("/")}
    return sorted(path for path in mapped if ".so" in os.path.basename(path))


# Trees


class File(NamedTuple):
    content: bytes = b""
    mode: int = 0o644
    mtime: int = MTIME
    #: More than the content: the file ends with a hole.
    size: Optional[int] = None


class Sparse(NamedTuple):
    size: int
    #: Offset and bytes of what is not a hole.
    pieces: Sequence[tuple[int, bytes]] = ()
    mode: int = 0o644
    mtime: int = MTIME


class Directory(NamedTuple):
    mode: int = 0o755
    mtime: int = MTIME


class Symlink(NamedTuple):
    target: Union[str, bytes]
    mtime: int = MTIME


class HardLink(NamedTuple):
    target: Union[str, bytes]


def program(content: bytes = HELLO) -> File:
    return File(content, mode=0o755)


def make_tree(
    root: Path, entries: dict[Any, Any], *, reverse: bool = False, of_root: Directory = Directory()
) -> Path:
    """Makes a tree with exactly these entries, and directories for their paths. Bytes stand for
    a file of them. All that is not given is the same on each day and with each umask.

    `reverse` makes the entries in the opposite order, as far as links allow.
    """
    base = os.fsencode(root)
    os.makedirs(base)
    directories = {b"": of_root}
    wanted = {os.fsencode(path): entry for path, entry in entries.items()}
    for path in wanted:
        while path:
            path = os.path.dirname(path)
            directories.setdefault(path, Directory())
    directories.update((p, e) for p, e in wanted.items() if isinstance(e, Directory))
    for path in sorted(directories, reverse=False):
        os.makedirs(os.path.join(base, path), exist_ok=True)
    leaves = [(p, e) for p, e in wanted.items() if not isinstance(e, (Directory, HardLink))]
    links = [(p, e) for p, e in wanted.items() if isinstance(e, HardLink)]
    for path, entry in (reversed(leaves) if reverse else leaves):
        make_leaf(os.path.join(base, path), entry)
    for path, entry in (reversed(links) if reverse else links):
        os.link(os.path.join(base, os.fsencode(entry.target)), os.path.join(base, path))
    # The deepest first, because making an entry changes its directory.
    for path in sorted(directories, key=lambda path: path.count(b"/"), reverse=True):
        if path:
            set_status(os.path.join(base, path), directories[path])
    set_status(base, of_root)
    return root


def make_leaf(path: bytes, entry: Any) -> None:
    if isinstance(entry, Symlink):
        os.symlink(os.fsencode(entry.target), path)
        os.utime(path, ns=(entry.mtime, entry.mtime), follow_symlinks=False)
        return
    if isinstance(entry, bytes):
        entry = File(entry)
    with open(path, "xb") as file:
        if isinstance(entry, Sparse):
            file.truncate(entry.size)
            for offset, piece in entry.pieces:
                file.seek(offset)
                file.write(piece)
        else:
            file.write(entry.content)
    set_status(path, entry)


def set_status(path: bytes, entry: Any) -> None:
    os.utime(path, ns=(entry.mtime, entry.mtime))
    os.chmod(path, entry.mode)


def tree_state(root: StrPath) -> dict[bytes, tuple[Any, ...]]:
    """All that a onefile carries of a tree, to be compared: by path, the type, mode, time and
    content. Times are whole seconds, as the packer writes them. Names of one file tell the first of them;
    times of symlinks count as well."""
    base = os.fsencode(root)
    state: dict[bytes, tuple[Any, ...]] = {}
    first_names: dict[tuple[int, int], bytes] = {}
    for path in sorted(walk(base)):
        full = os.path.join(base, path) if path else base
        status = os.lstat(full)
        mode = stat.S_IMODE(status.st_mode)
        seconds = status.st_mtime_ns // 10**9
        if stat.S_ISDIR(status.st_mode):
            state[path] = ("directory", oct(mode), seconds)
        elif stat.S_ISLNK(status.st_mode):
            state[path] = ("symlink", seconds, os.readlink(full))
        elif stat.S_ISREG(status.st_mode):
            first = first_names.setdefault((status.st_dev, status.st_ino), path)
            content = hash_file(full) if first == path else ""
            state[path] = (
                "file", oct(mode), seconds, status.st_size, content, first,
            )  # fmt: skip
        else:
            state[path] = ("other", oct(status.st_mode))
    return state


def walk(root: bytes) -> Iterator[bytes]:
    """The paths of all entries below `root`, and the empty one for itself."""
    directories = [b""]
    yield b""
    while directories:
        directory = directories.pop()
        with os.scandir(os.path.join(root, directory)) as entries:
            for entry in entries:
                path = os.path.join(directory, entry.name)
                yield path
                if entry.is_dir(follow_symlinks=False):
                    directories.append(path)


def hash_file(path: StrPath) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while True:
            block = file.read(1 << 20)
            if not block:
                return digest.hexdigest()
            digest.update(block)


def listing(directory: Path) -> list[str]:
    return sorted(os.listdir(directory)) if directory.exists() else []


def noise(count: int, seed: str = "noise") -> bytes:
    """Bytes that can't be compressed, the same in each run."""
    return hashlib.shake_256(seed.encode()).digest(count)


# Packing and launching


class Onefile:
    """A packed file, and what the packer said of it."""

    def __init__(self, path: Path, summary: dict[str, Any]) -> None:
        self.path = path
        self.summary = summary

    @property
    def tree_name(self) -> str:
        return self.summary["tree_id"][32:]

    def tree(self, cache: Path) -> Path:
        return cache / self.tree_name / "tree"

    def site(self, cache: Path) -> Path:
        """Where its tree has distributions and data files: as its interpreter has it, and Debian's has it elsewhere."""
        [found] = self.tree(cache).rglob("__onefold__.pth")
        return found.parent

    def copy(self, path: Path) -> Onefile:
        shutil.copy(self.path, path)
        return Onefile(path, self.summary)

    def launch(
        self, *arguments: StrPath, cache: Optional[StrPath] = None, verb: str = "", **options: Any
    ) -> Result:
        return run(self.command(*arguments), **self.options(cache, verb, options))

    def start(
        self, *arguments: StrPath, cache: Optional[StrPath] = None, verb: str = "", **options: Any
    ) -> subprocess.Popen[bytes]:
        return start(self.command(*arguments), **self.options(cache, verb, options))

    def trace(
        self,
        *arguments: StrPath,
        cache: Optional[StrPath] = None,
        verb: str = "",
        calls: str = "all",
        inject: Iterable[str] = (),
        **options: Any,
    ) -> Trace:
        command = self.command(*arguments)
        return trace(command, calls, inject, **self.options(cache, verb, options))

    def command(self, *arguments: StrPath) -> list[StrPath]:
        return [self.path, *arguments]

    @staticmethod
    def options(cache: Optional[StrPath], verb: str, given: dict[str, Any]) -> dict[str, Any]:
        environment = dict(given.pop("environment", None) or {})
        if cache is not None:
            environment["ONEFOLD_CACHE"] = os.fspath(cache)
        if verb:
            environment["ONEFOLD"] = verb
        return {"environment": environment, **given}


#: What marks a directory as Onefold's (docs/launch.md, "What is in it").
LEASE = b"Onefold unpacked this directory, and removes it when it is not used.\n"
#: Of <fcntl.h>, which Python 3.11 does not name.
F_OFD_SETLK = 37


def lock_lease(file: int, kind: int) -> None:
    """Takes the lock of an open lease: fcntl.F_RDLCK, F_WRLCK, or F_UNLCK."""
    fcntl.fcntl(file, F_OFD_SETLK, struct.pack("hhqqi4x", kind, os.SEEK_SET, 0, 0, 0))


def hold_lease(test: unittest.TestCase, directory: Path, kind: int) -> int:
    """Locks the lease in the directory until the test ends; returns its descriptor."""
    file = os.open(directory / "lease", os.O_RDONLY if kind == fcntl.F_RDLCK else os.O_RDWR)
    test.addCleanup(close_descriptor, file)
    lock_lease(file, kind)
    return file


def make_lock(path: Path) -> None:
    """The lock file of a launch."""
    path.write_bytes(b"")
    path.chmod(0o1600)


def close_descriptor(file: int) -> None:
    try:
        os.close(file)
    except OSError:
        pass


def seal_in_another_boot(seal: Path) -> None:
    change_seal(seal, 48, bytes(range(16)))


def change_seal(seal: Path, offset: int, field: bytes) -> None:
    """Changes a field of a seal's header, and the hash (docs/launch.md, "What is in it")."""
    content = bytearray(seal.read_bytes())
    content[offset : offset + len(field)] = field
    content[96:128] = hashlib.sha256(content[:96]).digest()
    seal.write_bytes(content)


def pack(
    tree: Path,
    output: Path,
    *options: StrPath,
    entry: str = "run",
    arguments: Sequence[StrPath] = (),
    sbom: bool = False,
    **running: Any,
) -> Onefile:
    """Packs with a fast level, unless the options say another. Without a software bill of materials, the onefile has exactly the
    tree."""
    command: list[StrPath] = ["pack", "--json", "--tree", tree, "--entry", entry, "-o", output]
    if not {"--level", "--codec"} & set(options):
        command += ["--level", "1"]
    if not sbom:
        command.append("--no-sbom")
    command += options
    if arguments:
        command += ["--", *arguments]
    result = succeed(onefold(*command, **running))
    return Onefile(output, json.loads(result.stdout))


def probe() -> Path:
    """`probe.c`, compiled: a static program, so that it runs in every root directory."""
    return compiled_helper("probe")


@functools.lru_cache(maxsize=None)
def compiled_helper(name: str) -> Path:
    """A C program beside the tests, linked statically."""
    compiler = shutil.which("musl-gcc") or shutil.which("gcc")
    if compiler is None:
        raise unittest.SkipTest("needs the program musl-gcc or gcc")
    result = scratch() / name
    source = Path(__file__).with_name(f"{name}.c")
    # The kernel's headers are not musl's.
    headers = ["-idirafter", "/usr/include", "-idirafter", f"/usr/include/{platform.machine()}-linux-gnu"]
    succeed(run([compiler, "-static", "-Os", "-w", *headers, "-o", result, source]))
    return result


def without_locks(onefile: Onefile, error: int = errno.ENOLCK) -> Onefile:
    """The onefile, to be launched where locks don't work."""
    result = Onefile(onefile.path, onefile.summary)
    deny = [compiled_helper("deny"), str(error)]
    result.command = lambda *arguments: [*deny, onefile.path, *arguments]  # type: ignore[method-assign]
    return result


def reader() -> types.ModuleType:
    """tools/read-payload.py as a module."""
    return load(READER)


def vectors() -> types.ModuleType:
    """What makes the golden vectors, as a module."""
    return load(GOLDEN / "make-vectors.py")


@functools.lru_cache(maxsize=None)
def load(path: Path) -> types.ModuleType:
    """A program as a module, whatever its name."""
    name = path.stem.replace("-", "_")
    specification = importlib.util.spec_from_file_location(name, path)
    assert specification and specification.loader
    module = importlib.util.module_from_spec(specification)
    sys.modules[name] = module
    dont_write, sys.dont_write_bytecode = sys.dont_write_bytecode, True
    try:
        specification.loader.exec_module(module)
    finally:
        sys.dont_write_bytecode = dont_write
    return module


def parts(path: Path) -> Any:
    """A onefile as the second reader sees it: with `trailer`, `record` and `manifest`."""
    onefile = reader().Onefile(os.fsencode(path))
    onefile.file.close()
    return onefile


# Tracing


class Call(NamedTuple):
    name: str
    arguments: str
    result: str

    @property
    def succeeded(self) -> bool:
        return not self.result.startswith(("-1 ", "?"))

    @property
    def changes_files(self) -> bool:
        if self.name in ("open", "openat"):
            return re.search(r"O_(CREAT|WRONLY|RDWR|TRUNC|TMPFILE)", self.arguments) is not None
        return self.name in CHANGING_CALLS


CHANGING_CALLS = frozenset(
    "mkdir mkdirat mknod mknodat rename renameat renameat2 unlink unlinkat rmdir link linkat"
    " symlink symlinkat chmod fchmod fchmodat fchmodat2 chown fchown fchownat lchown utimensat"
    " truncate ftruncate fallocate write writev pwrite64 pwritev copy_file_range".split()
)

CALL = re.compile(r"(\w+)\((.*)\)\s+= (.+)", re.DOTALL)


class Trace:
    def __init__(self, result: Result, threads: list[list[Call]]) -> None:
        self.result = result
        #: The calls of each thread; the first is the one that was started.
        self.threads = threads

    @property
    def calls(self) -> list[Call]:
        return [call for thread in self.threads for call in thread]

    @property
    def main(self) -> list[Call]:
        """The calls of a onefile's first thread, up to the one that executes its entry."""
        calls = self.threads[0]
        executions = [i for i, call in enumerate(calls) if call.name == "execve" and call.succeeded]
        # The first is the start of the onefile.
        return calls[1 : executions[1] + 1] if len(executions) > 1 else calls[1:]

    @property
    def launch(self) -> list[Call]:
        """`main`, and the calls of the threads that it started."""
        return self.main + [call for thread in self.threads[1:] for call in thread]

    @property
    def changes(self) -> list[Call]:
        return [call for call in self.launch if call.changes_files]

    def count(self, name: str) -> int:
        return Counter(call.name for call in self.calls)[name]


def trace(
    command: Sequence[StrPath], calls: str = "all", inject: Iterable[str] = (), **options: Any
) -> Trace:
    """Runs a command under strace. `inject` are expressions of `strace -e inject=`; they count
    for each thread by itself."""
    if shutil.which("strace") is None:
        raise unittest.SkipTest("needs the program strace")
    with tempfile.TemporaryDirectory(dir=scratch()) as directory:
        os.chmod(directory, 0o777)
        result = run(strace(directory, command, calls, inject), **options)
        if b"PTRACE" in result.stderr:
            raise unittest.SkipTest("strace may not trace here")
        # Threads have higher numbers than the process that starts them.
        files = sorted(Path(directory).iterdir(), key=lambda path: int(path.suffix[1:]))
        threads = []
        for file in files:
            matches = (CALL.match(line) for line in file.read_text(errors="replace").splitlines())
            threads.append([Call(*match.groups()) for match in matches if match])
        return Trace(result, threads)


def strace(
    directory: StrPath, command: Sequence[StrPath], calls: str, inject: Iterable[str]
) -> list[StrPath]:
    prefix: list[StrPath] = ["strace", "-ff", "-qq", "-s", "0", "-e", "signal=none"]
    prefix += ["-o", os.path.join(os.fspath(directory), "trace"), "-e", f"trace={calls}"]
    for expression in inject:
        prefix += ["-e", f"inject={expression}"]
    return [*prefix, "--", *command]


def holds_unnamed_file(traces: Path) -> bool:
    """Whether a process that is traced to there has a file open that has no name."""
    for path in traces.iterdir():
        descriptors = Path(f"/proc/{path.suffix[1:]}/fd")
        try:
            if any("(deleted)" in os.readlink(fd) for fd in descriptors.iterdir()):
                return True
        except OSError:
            continue
    return False


# Mounts


class Mounts:
    """A mount namespace of its own: what is mounted in it is gone with the test. With `own_users`, or where the tests
    do not run as root, it has a user namespace of its own too, with root as its only user."""

    def __init__(self, test: unittest.TestCase, own_users: bool = not IS_ROOT) -> None:
        for name in ("unshare", "nsenter", "mount"):
            if shutil.which(name) is None:
                test.skipTest(f"needs the program {name}")
        user = ["--user", "--map-root-user"] if own_users else []
        self.enter = ["--user", "--preserve-credentials"] if own_users else []
        self.holder = start(["unshare", *user, "--mount", "--propagation", "private", "cat"])
        test.addCleanup(self.holder.communicate)
        assert self.holder.stdin and self.holder.stdout
        try:
            self.holder.stdin.write(b"ready\n")
            self.holder.stdin.flush()
        except BrokenPipeError:
            pass
        if self.holder.stdout.readline() != b"ready\n":
            test.skipTest("needs the right to make a mount namespace")

    def command(self, command: Sequence[StrPath]) -> list[StrPath]:
        pid = str(self.holder.pid)
        return ["nsenter", "--target", pid, *self.enter, "--mount", "--", *command]

    def launch(self, onefile: Onefile, *arguments: StrPath, **options: Any) -> Result:
        return self.wrapped(onefile).launch(*arguments, **options)

    def wrapped(self, onefile: Onefile) -> Onefile:
        """The onefile, to be launched in here."""
        result = Onefile(onefile.path, onefile.summary)
        result.command = lambda *arguments: self.command(  # type: ignore[method-assign]
            [onefile.path, *arguments]
        )
        return result

    def mount(self, *arguments: StrPath) -> None:
        succeed(run(self.command(["mount", *arguments])))

    def tmpfs(self, path: Path, options: str = "mode=0700") -> Path:
        path.mkdir(parents=True, exist_ok=True)
        self.mount("-t", "tmpfs", "-o", options, "none", path)
        return path

    def inside(self, path: StrPath) -> Path:
        """What stands at the path in here, as seen from outside."""
        return Path(f"/proc/{self.holder.pid}/root{os.fspath(path)}")


def in_root(root: Path, with_proc: bool) -> list[StrPath]:
    """The beginning of a command that is to run with another root directory; /proc is that of
    this system, or empty."""
    for name in ("unshare", "mount", "chroot"):
        if shutil.which(name) is None:
            raise unittest.SkipTest(f"needs the program {name}")
    user = [] if IS_ROOT else ["--user", "--map-root-user"]
    mount = 'mount --rbind /proc "$0/proc" && ' if with_proc else ""
    script = f'{mount}exec chroot "$0" "$@"'
    return ["unshare", *user, "--mount", "--propagation", "private", "sh", "-c", script, root]


# Test cases


class Case(unittest.TestCase):
    """A test with a directory and a cache directory of its own."""

    def setUp(self) -> None:
        self.work = self.new_directory()
        self.cache = self.work / "cache"

    @classmethod
    def setUpClass(cls) -> None:
        for needed in (ONEFOLD, BOOTLOADER):
            if not needed.exists():
                raise AssertionError(f"there is no {needed}: run tools/build first")
        #: For what all tests of the class use.
        cls.shared = Path(tempfile.mkdtemp(dir=scratch()))
        cls.shared.chmod(0o755)
        cls.addClassCleanup(remove_tree, cls.shared)

    def new_directory(self) -> Path:
        path = Path(tempfile.mkdtemp(dir=scratch()))
        path.chmod(0o755)
        self.addCleanup(remove_tree, path)
        return path

    def assertSucceeded(self, result: Result, stdout: Optional[bytes] = None) -> None:
        self.assertEqual((result.returncode, result.stderr), (0, b""), result.args)
        if stdout is not None:
            self.assertEqual(result.stdout, stdout)

    def assertLaunched(self, result: Result) -> None:
        self.assertSucceeded(result, b"hello\n")

    def assertRefused(
        self, result: Result, *texts: StrPath, code: int = 125, says: bytes = b"onefold: "
    ) -> None:
        """It ended with the code and one line that holds the texts, and did nothing else."""
        self.assertEqual((result.returncode, result.stdout), (code, b""), result.stderr)
        self.assertRegex(result.stderr, rb"\A" + re.escape(says) + rb"[^\n]+[^\n.]\n\Z")
        for text in texts:
            self.assertIn(os.fsencode(text), result.stderr)

    def assertSameTree(self, actual: StrPath, expected: Any) -> None:
        """`expected` is a tree or its state."""
        if not isinstance(expected, dict):
            expected = tree_state(expected)
        state = tree_state(actual)
        if state == expected:
            return
        paths = sorted(state.keys() | expected.keys())
        lines = [
            f"{path!r}: is {state.get(path)}, should be {expected.get(path)}"
            for path in paths
            if state.get(path) != expected.get(path)
        ]
        self.fail("the trees differ:\n" + "\n".join(lines[:20]))

    def assertCacheHolds(self, onefile: Onefile, tree: Any, cache: Optional[Path] = None) -> None:
        """The cache holds the whole tree and nothing else."""
        cache = cache or self.cache
        self.assertEqual(listing(cache), [onefile.tree_name])
        self.assertEqual(listing(cache / onefile.tree_name), ["lease", "manifest", "seal", "tree"])
        self.assertSameTree(onefile.tree(cache), tree)

    def assertNothingLeft(self, cache: Optional[Path] = None) -> None:
        self.assertEqual(listing(cache or self.cache), [])
