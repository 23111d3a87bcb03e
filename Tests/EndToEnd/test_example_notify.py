"""docs/examples/notify: a server for systemd and for PID namespaces, as its guide describes it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
import threading
import unittest
from pathlib import Path
from typing import Any

from examples import EXAMPLES, GUIDES, Example, PackedExample, Server, free_port
from support import (
    AS_NOBODY,
    Case,
    needs_program,
    needs_root,
    run,
    succeed,
    wait_until,
)
from systemd import Systemd

FOLDER = EXAMPLES / "notify"
UNITS = [FOLDER / f"notify{end}" for end in (".service", ".socket", "-prewarm.service", "-prewarm.timer")]

#: Becomes its further arguments, with the descriptor of argument 1 passed as systemd does it.
PASS_SOCKET = """
import os, sys
os.dup2(int(sys.argv[1]), 3)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS="1", LISTEN_FDNAMES="test")
os.execv(sys.argv[2], sys.argv[2:])
"""


class PackedNotify(PackedExample):
    folder = "notify"
    name = "notify"
    version = "1.0.0"

    def begin_by(self, *command: Any, **more: Any) -> Server:
        """Starts a command that starts the server, or becomes it."""
        server = Server(command, self.work / "by", self.environment(), **more)  # type: ignore
        self.addCleanup(server.reap)  # type: ignore[attr-defined]
        return server


class Notify(PackedNotify, Example, Case):
    def manager_socket(self, address: str) -> socket.socket:
        result = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(result.close)
        result.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
        result.settimeout(60)
        result.bind(address)
        return result

    def message(self, manager: socket.socket) -> tuple[int, list[str]]:
        """Sender and lines of the next one."""
        data, ancillary, _, _ = manager.recvmsg(4096, 1024)
        pids = [struct.unpack("iii", value)[0] for _, kind, value in ancillary if kind == 2]
        self.assertEqual(len(pids), 1)
        return pids[0], data.decode().splitlines()

    def test_it_tells_the_manager_from_the_process_that_was_started(self) -> None:
        path = os.fspath(self.work / "notify.socket")
        for address, shown in ((path, path), (f"\0{path}", f"@{path}")):
            manager = self.manager_socket(address)
            server = self.begin(environment={**self.environment(), "NOTIFY_SOCKET": shown})
            pid, lines = self.message(manager)
            self.assertEqual((pid, lines[0]), (server.process.pid, "READY=1"))
            self.assertHealthy(server)
            self.assertEqual(lines[1], f"STATUS=listening on 127.0.0.1 port {server.port}")
            self.assertEqual(server.end(), 0)
            pid, lines = self.message(manager)
            self.assertEqual((pid, lines[0]), (server.process.pid, "STOPPING=1"))

    def test_a_stop_waits_for_the_request_under_way(self) -> None:
        server = self.serve()
        tasks = f"/proc/{server.process.pid}/task"
        wait_until(lambda: len(os.listdir(tasks)) == 1, "the request for its health to end")
        answers: list[bytes] = []
        request = threading.Thread(target=lambda: answers.append(server.get("/api/slow")))
        request.start()
        wait_until(lambda: len(os.listdir(tasks)) > 1, "the request to be under way")
        self.assertEqual(server.end(), 0)
        request.join()
        self.assertEqual([json.loads(answer) for answer in answers], [{"status": "done"}])

    def test_it_takes_the_socket_that_it_is_passed(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
            code = (sys.executable, "-I", "-c", PASS_SOCKET, str(listener.fileno()))
            server = self.begin_by(*code, self.packed.path, pass_fds=[listener.fileno()])
            self.assertHealthy(server)
        self.assertEqual(server.port, port)
        self.assertEqual(server.end(), 0)

    @needs_program("systemd-socket-activate")
    def test_systemd_socket_activate_starts_it_with_the_first_request(self) -> None:
        port = free_port()
        address = f"127.0.0.1:{port}"
        passed = [f"-E{name}={value}" for name, value in self.environment().items()]
        command = ["systemd-socket-activate", *passed, "-l", address, self.packed.path]
        server = self.begin_by(*command, port=port)
        self.assertHealthy(server)
        self.assertEqual(server.end(), 0)

    def test_a_socket_for_another_process_is_not_taken(self) -> None:
        environment = {**self.environment(), "LISTEN_PID": "1", "LISTEN_FDS": "1"}
        server = self.serve(environment=environment)
        self.assertEqual(server.end(), 0)

    def test_the_port_that_is_taken_is_named_in_the_last_line(self) -> None:
        first = self.serve()
        self.assertStartRefused(
            self.begin("--port", str(first.port)),
            3,
            f"cannot listen on 127.0.0.1 port {first.port}: the port is taken; is it running"
            " already? --port 0 takes a free one",
        )
        self.assertEqual(first.end(), 0)

    @needs_root
    def test_root_prewarms_and_nobody_uses(self) -> None:
        """As in the image of the guide, whose root file system may be read-only."""
        self.cache.mkdir(mode=0o755)
        succeed(self.packed.launch(cache=self.cache, verb="prewarm"))
        environment = {"ONEFOLD_CACHE": self.cache}
        command = self.packed.command("--port", "0")
        server = Server(command, self.work / "nobody", environment, **AS_NOBODY)
        self.addCleanup(server.reap)
        self.assertHealthy(server)
        self.assertEqual(server.end(), 0)
        self.assertCacheHolds(self.packed, self.state)


class FirstProcess(PackedNotify, Case):
    """The server as PID 1 of a PID namespace, by the command of the guide."""

    COMMAND = "unshare --user --map-root-user --pid --fork --mount-proc".split()

    def setUp(self) -> None:
        super().setUp()
        if shutil.which("unshare") is None:
            self.skipTest("needs the program unshare")
        tried = run([*self.COMMAND, "true"])
        if tried.returncode != 0:
            self.skipTest(f"may not make a PID namespace: {tried.stderr!r}")

    def begin_as_first(self, *arguments: str, **more: str) -> Server:
        environment = {**self.environment(), **more}
        command = [*self.COMMAND, self.packed.path, *arguments]
        self.unshare = Server(command, self.work / "first", environment)
        self.addCleanup(self.unshare.reap)
        return self.unshare

    def first(self) -> int:
        """PID 1 of the namespace as it is numbered outside."""
        pid = self.unshare.process.pid
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        self.assertEqual(len(children), 1)
        return int(children[0])

    def inside(self, *command: Any) -> Any:
        into = ["nsenter", "--target", str(self.first()), "--user", "--preserve-credentials"]
        return subprocess.Popen(
            [*into, "--pid", "--mount", "--", *command],
            stdout=subprocess.PIPE,
            stdin=subprocess.DEVNULL,
        )

    def test_a_cold_launch_as_first_process_leaves_no_other(self) -> None:
        server = self.begin_as_first("--port", "0", ONEFOLD_CACHE=os.fspath(self.cache))
        health = server.wait(self.health).json
        self.assertEqual(health["pid"], 1)
        # Neither children nor zombies of the unpacking.
        listed = self.inside("sh", "-c", 'for p in /proc/[0-9]*; do echo "${p#/proc/}"; done')
        found = {int(pid) for pid in listed.communicate()[0].split()}
        # 1, and the shell that looks.
        self.assertEqual(len(found), 2, found)
        self.assertIn(1, found)
        os.kill(self.first(), signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), 0)
        self.assertCacheHolds(self.packed, self.state)

    def test_sigterm_and_sigint_end_it_and_all_that_runs_beside_it(self) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            with self.subTest(number):
                server = self.begin_as_first("--port", "0")
                server.wait(self.health)
                beside = self.inside("sh", "-c", "echo up; exec sleep 1000")
                self.assertEqual(beside.stdout.readline(), b"up\n")
                os.kill(self.first(), number)
                self.assertEqual(server.process.wait(timeout=60), 0)
                self.assertEqual(beside.wait(timeout=60), -signal.SIGKILL)
                beside.stdout.close()
                shutil.rmtree(self.work / "first")

    def test_its_exit_status_is_that_of_the_namespace(self) -> None:
        server = self.begin_as_first("--port", "x")
        self.assertEqual(server.process.wait(timeout=60), 2)
        self.assertIn(b"argument --port: invalid port value: 'x'", server.last_lines()[-1])


class Units(PackedNotify, Case):
    def test_the_units_of_the_example_are_right(self) -> None:
        if shutil.which("systemd-analyze") is None:
            self.skipTest("needs the program systemd-analyze")
        for unit in UNITS:
            text = unit.read_text().replace("/usr/local/bin/notify", os.fspath(self.packed.path))
            (self.work / unit.name).write_text(text)
        result = run(["systemd-analyze", "verify", *(self.work / unit.name for unit in UNITS)])
        # It also tells of the machine's own units.
        ours = [line for line in result.stderr.splitlines() if b"notify" in line]
        self.assertEqual((result.returncode, ours), (0, []), result.stderr)

    def test_the_guide_shows_the_unit_of_the_example(self) -> None:
        blocks = re.findall(r"```ini\n(.+?)```", (GUIDES / "systemd.md").read_text(), re.DOTALL)
        self.assertEqual(len(blocks), 1)
        unit = [line for line in UNITS[0].read_text().splitlines() if line[:1] not in ("#", "")]
        shown = blocks[0].splitlines()
        self.assertEqual([line for line in shown if line not in unit], [])

    def systemd(self) -> Systemd:
        systemd = Systemd(self, self.work / "systemd", UNITS)
        shutil.copy(self.packed.path, systemd.bin / "notify")
        return systemd

    def assertServes(self, systemd: Systemd) -> None:
        health = json.loads(systemd.get("http://127.0.0.1:8000/api/health"))
        self.assertEqual(health["pid"], int(systemd.show("notify.service", "MainPID")))
        self.assertEqual(systemd.show("notify.service", "SubState"), "running")

    def test_systemd_starts_and_stops_it(self) -> None:
        systemd = self.systemd()
        succeed(systemd.systemctl("start", "notify.service"))
        status = systemd.show("notify.service", "StatusText")
        self.assertEqual(status, "listening on 127.0.0.1 port 8000")
        self.assertServes(systemd)
        trees = "/var/cache/private/notify/trees"
        self.assertEqual(systemd.run("ls", trees).stdout.decode().split(), [self.packed.tree_name])
        succeed(systemd.systemctl("stop", "notify.service"))
        self.assertEqual(systemd.show("notify.service", "Result"), "success")
        self.assertEqual(systemd.show("notify.service", "ExecMainStatus"), "0")

    def test_a_timer_unpacks_it_for_the_same_user_and_no_start_unpacks_again(self) -> None:
        systemd = self.systemd()
        # The timer's own unit, at once.
        succeed(systemd.systemctl("start", "notify-prewarm.service"))
        seal = f"/var/cache/private/notify/trees/{self.packed.tree_name}"
        first = succeed(systemd.run("stat", "--format=%i %U %Z", seal)).stdout
        for _ in range(2):
            succeed(systemd.systemctl("start", "notify.service"))
            self.assertServes(systemd)
            succeed(systemd.systemctl("stop", "notify.service"))
            self.assertEqual(succeed(systemd.run("stat", "--format=%i %U %Z", seal)).stdout, first)
        # The service's /var/tmp is its own and empty, so a tree there would be lost.
        self.assertEqual(systemd.run("sh", "-c", "ls /var/tmp").stdout.decode().split(), [])

    def test_systemd_starts_it_again_when_it_was_killed(self) -> None:
        systemd = self.systemd()
        succeed(systemd.systemctl("start", "notify.service"))
        first = systemd.show("notify.service", "MainPID")
        succeed(systemd.systemctl("kill", "--signal=KILL", "notify.service"))
        wait_until(
            lambda: systemd.show("notify.service", "NRestarts") == "1"
            and systemd.show("notify.service", "ActiveState") == "active",
            "the restart",
        )
        self.assertNotEqual(systemd.show("notify.service", "MainPID"), first)
        self.assertServes(systemd)

    def test_systemd_starts_it_with_the_first_request_to_its_socket(self) -> None:
        systemd = self.systemd()
        succeed(systemd.systemctl("start", "notify.socket"))
        for _ in range(2):
            self.assertEqual(systemd.show("notify.service", "ActiveState"), "inactive")
            self.assertServes(systemd)
            succeed(systemd.systemctl("stop", "notify.service"))

    def test_a_file_that_can_not_be_unpacked_fails_the_start(self) -> None:
        systemd = self.systemd()
        with (systemd.bin / "notify").open("r+b") as file:
            file.truncate(self.packed.path.stat().st_size - 1000)
        self.assertNotEqual(systemd.systemctl("start", "notify.service").returncode, 0)
        self.assertEqual(systemd.show("notify.service", "ExecMainPID"), "0")


if __name__ == "__main__":
    unittest.main()
