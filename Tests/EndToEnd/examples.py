"""What the tests of docs/examples share: each example packed once, its server, and what holds for
all of them."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from pathlib import Path
from typing import Any, Optional, Sequence

from support import (
    ONEFOLD,
    REPOSITORY,
    Onefile,
    Result,
    StrPath,
    bare_environment,
    executable,
    mapped_libraries,
    processes,
    run,
    scratch,
    start,
    succeed,
    tree_state,
    wait_until,
)

sys.path.insert(0, str(REPOSITORY / "tools"))

from common.network import Answer, free_port, request  # noqa: E402

EXAMPLES = REPOSITORY / "docs" / "examples"
GUIDES = REPOSITORY / "docs" / "guides"

#: A fifth of the time of the specs' level 19, for files that are a tenth larger and still within their `max-size`.
LEVEL = "9"

#: Seconds for installing, compressing and testing the largest of the examples on a busy machine.
PACKING_PATIENCE = 1800

#: What a packed program may load from the system: glibc's own.
GLIBC = re.compile(
    r"(ld-linux-x86-64|lib(c|m|dl|pthread|rt|util|resolv|anl|mvec|nss_\w+))[-.][\d.so]+"
)

#: What every launch sets.
ONEFOLD_VARIABLES = {
    "ONEFOLD_EXE",
    "ONEFOLD_ROOT",
    "ONEFOLD_APP_NAME",
    "ONEFOLD_APP_VERSION",
    "ONEFOLD_ARGV0",
    "PATH",
}


# Packing


@functools.lru_cache(maxsize=None)
def packed_example(folder: str, spec: str) -> Onefile:
    output = scratch() / "examples" / f"{folder}-{Path(spec).stem}"
    # There is one already if an earlier call failed, or skipped its test.
    output.mkdir(parents=True, exist_ok=True)
    return pack_spec(EXAMPLES / folder, output / folder, spec)


def pack_spec(directory: Path, output: Path, spec: str = "onefold.toml") -> Onefile:
    """Packs as a person in `directory` does, with the cache that all tests of examples share."""
    cache = os.environ.get("ONEFOLD_PACK_CACHE") or REPOSITORY / ".build" / "pack-cache"
    result = subprocess.run(
        [ONEFOLD, "pack", "--json", "--level", LEVEL, "--spec", spec, "-o", output],
        cwd=directory,
        env={**os.environ, "ONEFOLD_PACK_CACHE": os.fspath(cache)},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        timeout=PACKING_PATIENCE,
    )
    missing = re.search(r"there is no Python ([\d.]+) on this machine", result.stderr.decode())
    if missing and not pyenv_has(missing[1]):
        raise unittest.SkipTest(f"needs Python {missing[1]}, which {spec} of {directory.name} names")
    summary = json.loads(succeed(result).stdout)
    return Onefile(Path(summary["output"]), summary)


def node_program() -> str:
    """The program node: of this machine, else that of the example."""
    example = REPOSITORY / ".build/examples/node-server/tree/bin/node"
    found = shutil.which("node") or shutil.which(example)
    if found is None:
        raise unittest.SkipTest("needs the program node, or tools/make-example --tree-only node-server")
    version = run([found, "--version"]).stdout.decode()
    if int(version[1:].split(".")[0]) < 18:
        raise unittest.SkipTest(f"needs Node.js 18, which has fetch; this is {version}")
    return found


def pyenv_has(version: str) -> bool:
    """Whether the packer should have found it."""
    root = Path(os.environ.get("PYENV_ROOT") or Path.home() / ".pyenv")
    return any(root.glob(f"versions/{version}*/bin/python3"))


# Running


class Server:
    """A process that is, or becomes, a server; what it writes goes to files, which can't block it."""

    def __init__(
        self,
        command: Sequence[StrPath],
        directory: Path,
        environment: dict[Any, Any],
        port: Optional[int] = None,
        **options: Any,
    ) -> None:
        directory.mkdir(parents=True)
        self.stdout, self.stderr = directory / "stdout", directory / "stderr"
        with self.stdout.open("wb") as stdout, self.stderr.open("wb") as stderr:
            self.process = start(
                command,
                environment=environment,
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                **options,
            )
        self.known_port = port

    @property
    def port(self) -> Optional[int]:
        """As it was given, else as the server says; None as long as it says nothing."""
        if self.known_port is None:
            match = re.search(rb"^listening on http://127\.0\.0\.1:(\d+)\n", self.stdout.read_bytes())
            self.known_port = int(match[1]) if match else None
        return self.known_port

    def wait(self, path: str) -> Answer:
        """Its first answer."""
        return wait_until(lambda: self.try_get(path), f"{self.process.args} to answer")

    def try_get(self, path: str) -> Optional[Answer]:
        if self.process.poll() is not None:
            raise AssertionError(f"ended with {self.process.returncode}: {self.last_lines()}")
        try:
            return self.request("GET", path) if self.port else None
        except OSError:
            return None

    def request(
        self, method: str, path: str, body: Any = None, headers: Optional[dict[str, str]] = None
    ) -> Answer:
        assert self.port
        return request(self.port, path, method, body, headers or {})

    def get(self, path: str) -> bytes:
        answer = self.request("GET", path)
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status}: {answer.body!r}")
        return answer.body

    def post(self, path: str, value: Any) -> Answer:
        headers = {"Content-Type": "application/json"}
        return self.request("POST", path, json.dumps(value), headers)

    def last_lines(self) -> list[bytes]:
        return self.stderr.read_bytes().splitlines()[-5:]

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(timeout=60)

    def reap(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


class PackedExample:
    """An example, its server and what is asserted of it; the classes of the tests say which it is."""

    folder: str
    spec = "onefold.toml"
    name: str
    version: str
    #: Arguments that start the server; `{port}` stands for a free port, 0 lets it choose.
    serving: Sequence[str] = ("--port", "0")
    health = "/api/health"
    #: What SIGTERM ends it with.
    stopped = 0
    #: What it may leave in its user's home directory, but for the trees.
    documented: Sequence[str] = ()
    #: And in the directory for temporary files.
    temporary: Sequence[str] = ()
    #: Environment variables that its spec sets.
    variables: Sequence[str] = ()

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()  # type: ignore[misc]
        folder = EXAMPLES / cls.folder
        before = listing_below(folder)
        cls.packed = packed_example(cls.folder, cls.spec)
        if listing_below(folder) != before:
            raise AssertionError(f"packing left something in {folder}: {listing_below(folder)}")
        cls.warm = cls.shared / "cache"  # type: ignore[attr-defined]
        succeed(cls.packed.launch(cache=cls.warm, verb="prewarm"))
        cls.tree = cls.packed.tree(cls.warm)
        cls.state = tree_state(cls.tree)

    @property
    def site_packages(self) -> Path:
        return self.packed.site(self.warm)

    # Each test has a home directory, a directory for temporary files and a working directory.

    def environment(self, home: str = "home") -> dict[str, StrPath]:
        places = {"HOME": self.work / home, "TMPDIR": self.work / "tmp"}
        for place in (*places.values(), self.work / "cwd"):
            place.mkdir(exist_ok=True)
        return {**places, "ONEFOLD_CACHE": self.warm}

    def serve(self, *more: str, environment: Optional[dict[Any, Any]] = None) -> Server:
        """Starts it, and waits until it is healthy."""
        server = self.begin(*more, environment=environment)
        self.assertHealthy(server)
        return server

    def begin(self, *more: str, environment: Optional[dict[Any, Any]] = None) -> Server:
        port = free_port() if "{port}" in self.serving else None
        arguments = [argument.format(port=port) for argument in self.serving]
        self.started = getattr(self, "started", 0) + 1
        server = Server(
            self.packed.command(*arguments, *more),
            self.work / f"output-{self.started}",
            self.environment() if environment is None else environment,
            port,
            cwd=self.work / "cwd",
        )
        self.addCleanup(server.reap)
        return server

    def launch(self, *arguments: str, **options: Any) -> Result:
        environment = {**self.environment(), **options.pop("environment", {})}
        directory = self.work / "cwd"
        return self.packed.launch(*arguments, environment=environment, cwd=directory, **options)

    def assertHealthy(self, server: Server) -> Any:
        """It answers, and is the process that was started."""
        answer = server.wait(self.health)
        self.assertEqual(answer.status, 200, answer.body)
        health = answer.json
        self.assertEqual(health["status"], "ok")
        self.assertEqual(health["version"], self.version)
        self.assertEqual(health.get("pid", server.process.pid), server.process.pid)
        interpreter = executable(server.process.pid)
        self.assertTrue(re.search(r"/tree/bin/python3\.\d+$", interpreter), interpreter)
        return health

    def assertNothingLeftAlive(self, *caches: Path) -> None:
        places = tuple(os.fspath(cache) + "/" for cache in (self.warm, *caches))
        left = [pid for pid in processes() if executable(pid).startswith(places)]
        self.assertEqual(left, [])

    def assertTreeUnchanged(self) -> None:
        self.assertSameTree(self.tree, self.state)

    def assertOnlyDocumented(self, home: Path, *further: str) -> None:
        allowed = (*self.documented, *further)
        left = [
            path
            for path in listing_below(home)
            if not any(f"{path}/".startswith(f"{prefix}/") for prefix in allowed)
            and not any(prefix.startswith(f"{path}/") for prefix in allowed)
        ]
        self.assertEqual(left, [])

    def assertStartRefused(self, server: Server, status: int, message: str) -> None:
        """It ended by itself with the status, and the last line says why."""
        self.assertEqual(server.process.wait(timeout=60), status, server.last_lines())
        self.assertEqual(server.last_lines()[-1].decode(), f"{self.name}: {message}")


class Example(PackedExample):
    """What holds for each example."""

    def test_help_answers(self) -> None:
        result = self.launch("--help")
        self.assertEqual((result.returncode, result.stderr), (0, b""))
        self.assertRegex(result.stdout, rb"(?i)\A\s*usage: ")

    def test_the_file_is_as_the_spec_says(self) -> None:
        summary = self.packed.summary
        self.assertEqual((summary["name"], summary["version"]), (self.name, self.version))
        self.assertEqual(summary["warnings"], [])
        self.assertGreater(summary["smoke"]["commands"], 0)
        self.assertEqual(summary["smoke"]["requests"], 1)

    def test_cold_and_warm_it_serves_in_the_process_that_was_started(self) -> None:
        """In the caches and data directories that a user has who sets nothing."""
        environment = self.environment()
        del environment["ONEFOLD_CACHE"]
        cache = self.work / "home" / ".cache" / "onefold"
        for moment in ("cold", "warm"):
            with self.subTest(moment):
                server = self.begin(environment=environment)
                self.assertHealthy(server)
                self.assertCacheHolds(self.packed, self.state, cache)
                self.assertEqual(server.end(), self.stopped, server.last_lines())
                self.assertNothingLeftAlive(cache)
                self.assertCacheHolds(self.packed, self.state, cache)
        self.assertOnlyDocumented(self.work / "home", ".cache/onefold")
        self.assertEqual(set(listing_below(self.work / "tmp")) - set(self.temporary), set())
        self.assertEqual(listing_below(self.work / "cwd"), [])

    def test_it_gets_what_is_documented_and_loads_only_the_c_library_from_the_system(self) -> None:
        given = bare_environment(self.environment())
        server = self.serve()
        content = Path(f"/proc/{server.process.pid}/environ").read_bytes()
        names = {entry.split(b"=")[0].decode() for entry in content.split(b"\0") if entry}
        self.assertEqual(names, {*given, *ONEFOLD_VARIABLES, *self.variables})
        loaded = mapped_libraries(server.process.pid)
        own = os.fspath(self.tree) + "/"
        foreign = [path for path in loaded if not path.startswith(own)]
        self.assertEqual([path for path in foreign if not GLIBC.fullmatch(Path(path).name)], [])
        self.assertNotEqual([path for path in loaded if path.startswith(own)], [])
        self.assertEqual(server.end(), self.stopped)

    def test_sigkill_leaves_nothing_alive_and_the_port_free(self) -> None:
        server = self.serve()
        self.assertEqual(server.end(signal.SIGKILL), -signal.SIGKILL)
        self.assertNothingLeftAlive()
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", server.port))
        self.assertTreeUnchanged()


def listing_below(directory: Path) -> list[str]:
    """All paths below."""
    return sorted(os.fspath(path.relative_to(directory)) for path in directory.rglob("*"))
