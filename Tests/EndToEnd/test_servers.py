"""Real servers, each in one file: the examples of docs/examples."""

from __future__ import annotations

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
    REPOSITORY,
    Case,
    Result,
    StrPath,
    executable,
    in_root,
    pack,
    processes,
    run,
    start,
    succeed,
    tree_state,
)

sys.path.insert(0, str(REPOSITORY / "tools"))

from common.network import request  # noqa: E402

EXAMPLES = REPOSITORY / ".build" / "examples"


def setUpModule() -> None:
    for name in ("fastapi-server", "node-server"):
        # Finds that all is up to date, or makes it, for which it needs the network.
        result = subprocess.run(
            [REPOSITORY / "tools" / "make-example", name, "--tree-only"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        if result.returncode != 0:
            said = result.stdout.decode(errors="replace").strip().splitlines()[-1:]
            raise unittest.SkipTest(f"needs tools/make-example {name}: {said}")


class Running:
    """A server that has said that it listens."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        assert process.stdout
        line = process.stdout.readline()
        match = re.fullmatch(rb"listening on http://127\.0\.0\.1:(\d+)\n", line)
        if match is None:
            _, errors = process.communicate()
            raise AssertionError(f"said {line!r} and {errors!r}, ended with {process.returncode}")
        self.port = int(match[1])

    def get(self, path: str) -> bytes:
        answer = request(self.port, path)
        if answer.status != 200:
            raise AssertionError(f"GET {path}: {answer.status}: {answer.body!r}")
        return answer.body

    def health(self) -> dict[str, Any]:
        return json.loads(self.get("/api/health"))

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        self.process.communicate()
        return self.process.returncode


class Server:
    """The tests of each example; the classes below say which."""

    name: str
    entry: str
    arguments: Sequence[str] = ()
    page: str

    @classmethod
    def setUpClass(cls) -> None:
        super().setUpClass()  # type: ignore[misc]
        cls.tree = EXAMPLES / cls.name / "tree"
        cls.packed = pack(
            cls.tree,
            cls.shared / cls.name,  # type: ignore[attr-defined]
            *("--name", cls.name, "--app-version", "9.8.7", "--level", "3"),
            entry=cls.entry,
            arguments=cls.arguments,
        )
        cls.warm = cls.shared / "cache"  # type: ignore[attr-defined]
        succeed(cls.packed.launch(cache=cls.warm, verb="prewarm"))

    def environment(self) -> dict[str, StrPath]:
        """The database is the test's own."""
        return {"HOME": self.work, "XDG_DATA_HOME": self.work / "data"}

    def serve(self, cache: Optional[Path] = None, command: Any = None) -> Running:
        environment = {**self.environment(), "ONEFOLD_CACHE": cache or self.warm}
        command = command or self.packed.command("--port", "0")
        process = start(command, environment=environment)
        self.addCleanup(self.reap, process)
        return Running(process)

    @staticmethod
    def reap(process: subprocess.Popen[bytes]) -> None:
        if process.poll() is None:
            process.kill()
            process.communicate()
        for pipe in (process.stdin, process.stdout, process.stderr):
            if pipe:
                pipe.close()

    def launch(self, *arguments: str, **options: Any) -> Result:
        return self.packed.launch(
            *arguments, cache=self.warm, environment=self.environment(), **options
        )

    def assertHealthy(self, running: Running, cache: Path) -> None:
        health = running.health()
        root = os.fspath(self.packed.tree(cache))
        self.assertEqual(health["status"], "ok")
        self.assertEqual(health["pid"], running.process.pid)
        self.assertEqual(health["ppid"], os.getpid())
        self.assertEqual(health["root"], root)
        self.assertEqual(health["exe"], os.fspath(self.packed.path))
        self.assertEqual(health["app_version"], "9.8.7")
        self.assertRunsFrom(health, root)

    def assertRunsFrom(self, health: dict[str, Any], root: str) -> None:
        raise NotImplementedError

    def test_it_serves_from_the_unpacked_tree_in_the_process_that_was_started(self) -> None:
        for moment in ("first", "second"):
            running = self.serve(self.cache)
            self.assertHealthy(running, self.cache)
            self.assertEqual(running.get("/"), (self.tree / self.page).read_bytes())
            self.assertEqual(running.end(signal.SIGTERM), 0)
            self.assertCacheHolds(self.packed, self.tree)

    def test_sigterm_and_sigint_end_it_gracefully(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            self.assertEqual(self.serve().end(number), 0)

    def test_sigkill_leaves_nothing_alive_and_the_port_free(self) -> None:
        running = self.serve()
        self.assertEqual(running.end(signal.SIGKILL), -signal.SIGKILL)
        with socket.socket() as again:
            again.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            again.bind(("127.0.0.1", running.port))
            again.listen()
        left = [pid for pid in processes() if executable(pid).startswith(os.fspath(self.warm))]
        self.assertEqual(left, [])

    def test_its_checks_pass(self) -> None:
        result = self.launch("--check")
        self.assertEqual(result.returncode, 0, result.stderr)
        self.assertEqual(json.loads(result.stdout)["status"], "ok")

    def test_its_own_options_and_exit_codes_pass_through(self) -> None:
        self.assertSucceeded(self.launch("--version"), f"{self.name} 1.0.0\n".encode())
        for wrong in ("--no-such-option", "--port=x"):
            result = self.launch(wrong)
            self.assertEqual((result.returncode, result.stdout), (2, b""))
            self.assertIn(b"usage: ", result.stderr)

    def test_a_second_launch_writes_nothing_to_the_cache(self) -> None:
        traced = self.packed.trace("--version", cache=self.warm, environment=self.environment())
        self.assertSucceeded(traced.result)
        self.assertEqual(traced.changes, [])

    def test_the_server_changes_nothing_in_its_tree(self) -> None:
        before = tree_state(self.warm)
        running = self.serve()
        self.assertHealthy(running, self.warm)
        self.assertEqual(running.end(signal.SIGTERM), 0)
        self.assertSameTree(self.warm, before)

    def test_a_tree_that_a_server_runs_from_is_not_cleaned(self) -> None:
        running = self.serve()
        self.assertRefused(self.launch(verb="clean"), self.warm, "is in use")
        self.assertHealthy(running, self.warm)
        self.assertEqual(running.end(signal.SIGTERM), 0)

    def test_two_servers_run_from_one_tree(self) -> None:
        servers = [self.serve() for _ in range(2)]
        for running in servers:
            self.assertHealthy(running, self.warm)
        for running in servers:
            self.assertEqual(running.end(signal.SIGTERM), 0)

    def test_it_runs_where_there_is_only_a_c_library(self) -> None:
        """A root directory with the C library's files, the onefile and nothing else: no Python, no
        Node.js, no shell; with and without /proc."""
        root = self.work / "root"
        for directory in ("proc", "tmp", "var/tmp", "home"):
            (root / directory).mkdir(parents=True)
        copy_libraries(self.tree, root)
        self.packed.copy(root / "server")
        programs = [path for path in root.rglob("*") if re.match("python|node|sh$|env$", path.name)]
        self.assertEqual(programs, [])
        for number, with_proc in enumerate((True, False)):
            with self.subTest(with_proc=with_proc):
                cache = f"/cache {number}"
                environment = {"HOME": "/home", "ONEFOLD_CACHE": cache}
                command = [*in_root(root, with_proc), "/server", "--check"]
                result = run(command, environment=environment)
                self.assertEqual(result.returncode, 0, result.stderr)
                self.assertSameTree(self.packed.tree(root / cache[1:]), self.tree)


def copy_libraries(tree: Path, root: Path) -> None:
    """Copies what the tree's programs and libraries load from the system."""
    elf = [path for path in tree.rglob("*") if path.is_file() and is_elf(path)]
    needed: set[Path] = set()
    for path in elf:
        for line in run(["ldd", path]).stdout.decode().splitlines():
            match = re.search(r"(/\S+) \(0x", line)
            if match:
                needed.add(Path(match[1]))
    own = os.fspath(tree)
    for path in sorted(needed):
        if not os.fspath(path).startswith(own):
            target = root / os.fspath(path)[1:]
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, target)


def is_elf(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(4) == b"\x7fELF"


class FastAPIServer(Server, Case):
    name = "fastapi-server"
    entry = "fastapi-server"
    page = "_internal/static/index.html"

    def assertRunsFrom(self, health: dict[str, Any], root: str) -> None:
        self.assertEqual(health["meipass"], f"{root}/_internal")
        self.assertEqual(health["executable"], f"{root}/{self.entry}")

    def test_notes_outlive_the_server_and_its_tree(self) -> None:
        running = self.serve(self.cache)
        body, headers = json.dumps({"text": "kept"}), {"Content-Type": "application/json"}
        answer = request(running.port, "/api/notes", "POST", body, headers)
        self.assertEqual(answer.status, 201)
        self.assertEqual(running.end(signal.SIGTERM), 0)
        self.assertEqual(self.packed.launch(cache=self.cache, verb="clean").returncode, 0)
        again = self.serve(self.cache)
        [note] = json.loads(again.get("/api/notes"))
        self.assertEqual(note["text"], "kept")
        self.assertEqual(again.end(signal.SIGTERM), 0)


class NodeServer(Server, Case):
    name = "node-server"
    entry = "bin/node"
    arguments = ("{root}/server.mjs",)
    page = "public/index.html"

    def assertRunsFrom(self, health: dict[str, Any], root: str) -> None:
        self.assertEqual(health["execPath"], f"{root}/bin/node")


if __name__ == "__main__":
    unittest.main()
