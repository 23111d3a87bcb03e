"""docs/launch.md, "Listening": the address that the launcher opens for its program."""

from __future__ import annotations

import concurrent.futures
import fcntl
import os
import re
import resource
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from collections import Counter
from pathlib import Path
from typing import Any, Optional

from listen_support import (
    LOCAL, Address, Launched, ListenCase, answer, ask, connect, listening, packed_server,
)  # fmt: skip
from support import (
    IS_ROOT, NOBODY, Mounts, StrPath, listing, needs_program, needs_root, run, strace, succeed, wait_until,
)  # fmt: skip

#: The descriptors that each launch passes: the tree's directory in the cache, and the lease in it.
TREE = r" \d+ (\S+) \d+ \1/lease"

HANDOVERS = ("descriptor", "port")


def packed(address: str = f"{LOCAL}:0", **keys: str) -> Any:
    """With a server that takes the socket, or the port as its last argument."""
    return packed_server(launch={"arguments": ["{port}"]}, launch_listen=listening(address, **keys))


def hold_port(test: unittest.TestCase, host: str = LOCAL, port: int = 0, family: int = socket.AF_INET) -> int:
    """Listens at a port until the end of the test."""
    holder = socket.socket(family)
    test.addCleanup(holder.close)
    holder.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    holder.bind((host, port))
    holder.listen()
    return int(holder.getsockname()[1])


def hold_path(test: unittest.TestCase, path: Path) -> socket.socket:
    holder = socket.socket(socket.AF_UNIX)
    test.addCleanup(holder.close)
    holder.bind(os.fspath(path))
    holder.listen()
    return holder


#: This process, as a message names it.
def self_named() -> str:
    return f"pid {os.getpid()} ({Path('/proc/self/comm').read_text().strip()})"


class Listening(ListenCase):
    def test_a_client_of_a_first_launch_waits_and_is_answered(self) -> None:
        for address in (f"{LOCAL}:0", "[::1]:0", "0", f"unix:{self.work}/socket"):
            with self.subTest(address):
                cache = self.new_directory() / "cache"
                launched = self.begin(packed(address), environment={"ONEFOLD_CACHE": cache})
                where = launched.address()
                # It stands still, so that the client is there before the program.
                launched.process.send_signal(signal.SIGSTOP)
                client = connect(where)
                client.sendall(b"pid\n")
                launched.process.send_signal(signal.SIGCONT)
                self.assertEqual(answer(client, b""), str(launched.pid))
                launched.serving()
                launched.end(signal.SIGKILL)
                launched.finished()
                names = [event["event"] for event in launched.events]
                self.assertEqual((names[:2], names[-1]), (["listening", "start"], "ready"))
                self.assertTrue(launched.events[-1]["unpacked"])

    def test_the_program_gets_address_port_and_descriptor(self) -> None:
        onefile = packed_server(
            launch={
                "arguments": ["show", "{address}|{port}|{fd}|{{port}}"],
                "environment": {"WHERE": "http://{address}:{port}"},
            },
            launch_listen=listening(),
        )
        for given, host in (("", LOCAL), ("[::1]:0", "::1"), ("localhost:0", LOCAL)):
            with self.subTest(given):
                launched = self.begin(onefile, environment={"ONEFOLD_LISTEN": given})
                where = launched.address()
                output = launched.process.stdout.read()  # type: ignore[union-attr]
                self.assertEqual(launched.finished(), 0)
                shown = self.shown(subprocess.CompletedProcess([], 0, output))
                self.assertEqual(shown["argument"][2], f"{host}|{where[1]}|3|{{port}}")
                self.assertEqual(where[0], host)
                for variable in (
                    f"WHERE=http://{host}:{where[1]}", "LISTEN_FDS=1", f"LISTEN_PID={launched.pid}", "LISTEN_FDNAMES=server",
                ):  # fmt: skip
                    self.assertIn(variable, shown["environment"])
                self.assertEqual([line for line in shown["environment"] if line.startswith("ONEFOLD_LISTEN")], [])
                self.assertRegex(" ".join(shown["fd"]), rf"^0 \S+ 1 \S+ 2 \S+ 3 socket:\S+{TREE}$")
        path = self.work / "socket"
        shown = self.shown(self.run_file(onefile, environment={"ONEFOLD_LISTEN": f"unix:{path}"}))
        self.assertEqual(shown["argument"][2], f"{path}||3|{{port}}")

    def test_the_address_of_the_record_has_variables(self) -> None:
        launched = self.begin(packed("unix:{env:PLACE}/socket"), environment={"PLACE": self.work})
        self.assertEqual(launched.address(), f"{self.work}/socket")

    def test_what_it_does_not_understand(self) -> None:
        for wrong in ("x", "65536", "1:2:3", "::1:80", "[127.0.0.1]:1", "[]:1", "host.test:80", ":80", "127.1:80", "unix:socket", "-1"):
            with self.subTest(wrong):
                result = self.run_file(packed(), environment={"ONEFOLD_LISTEN": wrong})
                self.assertRefused(result, f"cannot listen on '{wrong}'", "[ADDRESS]:PORT")
        self.assertFalse(self.cache.exists())

    def test_addresses_that_the_kernel_refuses(self) -> None:
        for address, reason in (("192.0.2.1:0", "Address not available"), ("[2001:db8::1]:0", "Address not available")):
            result = self.run_file(packed(), environment={"ONEFOLD_LISTEN": address})
            self.assertRefused(result, f"cannot listen on '{address}': {reason}")

    @needs_root
    @needs_program("setpriv")
    def test_a_privileged_port(self) -> None:
        if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) <= 80:
            self.skipTest("every port is open to everybody here")
        os.chown(self.work, NOBODY, NOBODY)
        command = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", *packed().command()]
        environment = {"ONEFOLD_CACHE": self.cache, "ONEFOLD_LISTEN": f"{LOCAL}:80"}
        result = run(command, environment=environment)
        self.assertRefused(result, f"cannot listen on '{LOCAL}:80': Permission denied")

    def test_a_launch_that_fails_leaves_no_file(self) -> None:
        path = self.work / "socket"
        environment = {"ONEFOLD_LISTEN": f"unix:{path}", "ONEFOLD_CHECK": "wrong"}
        self.assertRefused(self.run_file(packed(), environment=environment), "ONEFOLD_CHECK")
        self.assertFalse(path.exists())

    @needs_program("strace")
    def test_a_signal_while_it_unpacks(self) -> None:
        path = self.work / "socket"
        slow = strace(self.new_directory(), packed().command(), "pwrite64", ["pwrite64:delay_enter=500000"])
        # The launch is the child, and strace a process beside it.
        slow.insert(1, "-DDD")
        launched = Launched(self, slow, self.environment({"ONEFOLD_LISTEN": f"unix:{path}"}))
        self.assertEqual(launched.address(), os.fspath(path))
        wait_until(lambda: [name for name in listing(self.cache) if name.startswith(".")], "the staging directory")
        launched.process.send_signal(signal.SIGTERM)
        self.assertEqual(launched.finished(), -signal.SIGTERM)
        self.assertEqual((launched.events[-1]["event"], launched.events[-1]["signal"]), ("failed", signal.SIGTERM))
        self.assertFalse(path.exists())
        self.assertNothingLeft()


class Descriptors(ListenCase):
    """Descriptor 3 may be something else's before."""

    def with_3(self, descriptor: int, onefile: Any, **environment: Any) -> Launched:
        """A launch that has the descriptor of this process as its third."""
        prepare = lambda: os.dup2(descriptor, 3, inheritable=True)
        options: Any = {"preexec_fn": prepare, "close_fds": False}
        return self.begin(onefile, environment=environment, **options)

    @staticmethod
    def links(process: int) -> dict[int, str]:
        """Its descriptors, but for those of the tree."""
        links = {int(path.name): os.readlink(path) for path in Path(f"/proc/{process}/fd").iterdir()}
        return {number: link for number, link in links.items() if not re.search(r"/[0-9a-f]{32}(/lease)?$", link)}

    def test_what_the_program_inherits_moves(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, writing)
        self.addCleanup(os.close, reading)
        os.write(writing, b"from the parent")
        launched = self.with_3(reading, packed())
        where = launched.address()
        launched.serving()
        links = self.links(launched.pid)
        self.assertTrue(links[3].startswith("socket:"), links)
        [moved] = [number for number, link in links.items() if link == os.readlink(f"/proc/self/fd/{reading}")]
        self.assertGreater(moved, 3)
        self.assertEqual(ask(where, f"read {moved}"), "from the parent")

    def progress_by_3(self, onefile: Any, **environment: Any) -> tuple[subprocess.Popen[bytes], list[bytes]]:
        reading, writing = os.pipe()
        launched = self.with_3(writing, onefile, ONEFOLD_PROGRESS="json:3", **environment)
        os.close(writing)
        with open(reading, "rb") as progress:
            # To the end: the program does not have it.
            return launched.process, progress.read().splitlines()

    def test_progress_by_descriptor_3(self) -> None:
        process, lines = self.progress_by_3(packed())
        self.assertRegex(lines[0], rb'^\{"event":"listening"')
        self.assertEqual(lines[-1], b'{"event":"ready","unpacked":true}')
        self.assertEqual(process.stdout.readline(), b"serving\n")  # type: ignore[union-attr]
        self.assertEqual(sorted(self.links(process.pid)), [0, 1, 2, 3])

    def test_a_failure_is_told_by_descriptor_3(self) -> None:
        """Also that of the last call of a launch, when the socket has this number."""
        onefile = packed()
        succeed(self.run_file(onefile, verb="prewarm"))
        entry = onefile.tree(self.cache) / "bin" / "server"
        entry.write_bytes(b"\x7fELF" + bytes(entry.stat().st_size - 4))
        process, lines = self.progress_by_3(onefile, ONEFOLD_CHECK="seal")
        self.assertEqual(process.wait(), 126, lines)
        self.assertRegex(lines[-1], rb'^\{"event":"failed","code":126,')

    def test_a_parents_descriptor_3(self) -> None:
        """Its closing ends the program, and clients don't."""
        for signals, number in (("fd:3", signal.SIGKILL), ("fd:3:term", signal.SIGTERM)):
            with self.subTest(signals):
                reading, writing = os.pipe()
                launched = self.with_3(reading, packed(), ONEFOLD_DIE_WITH_PARENT=signals)
                os.close(reading)
                where = launched.address()
                launched.serving()
                for _ in range(3):
                    self.assertEqual(ask(where), str(launched.pid))
                os.close(writing)
                self.assertEqual(launched.process.wait(60), -number)


class Ports(ListenCase):
    """No two instances have one port."""

    def many(self, onefile: Any, count: int, **options: Any) -> list[Launched]:
        return [self.begin(onefile, **options) for _ in range(count)]

    def test_free_ports_are_different(self) -> None:
        for handover in HANDOVERS:
            with self.subTest(handover):
                launches = self.many(packed(handover=handover), 24)
                ports = [one.address() for one in launches]
                self.assertEqual(len(set(ports)), len(ports))
                for one, where in zip(launches, ports):
                    self.assertEqual(ask(where) if one.serving() else "", str(one.pid))

    def test_one_of_many_gets_a_fixed_port(self) -> None:
        for handover in HANDOVERS:
            with self.subTest(handover):
                port = free_port()
                launches = self.many(packed(f"{LOCAL}:{port}", handover=handover), 16)
                [winner] = [one for one in launches if one.next_event()["event"] == "listening"]  # type: ignore[index]
                winner.serving()
                self.assertEqual(ask((LOCAL, port)), str(winner.pid))
                for one in launches:
                    if one is not winner:
                        self.assertEqual(one.finished(), 120)
                        self.assertIn(f"{LOCAL}:{port}", one.events[-1]["message"])

    def test_connections_of_an_earlier_server_do_not_keep_the_port(self) -> None:
        for handover in HANDOVERS:
            with self.subTest(handover):
                port = leave_closing_connection()
                launches = self.many(packed(f"{LOCAL}:{port}", handover=handover), 8)
                [winner] = [one for one in launches if one.next_event()["event"] == "listening"]  # type: ignore[index]
                winner.serving()
                self.assertEqual(ask((LOCAL, port)), str(winner.pid))
                winner.end()
                for one in launches:
                    if one is not winner:
                        self.assertEqual(one.finished(), 120)

    def test_connections_while_many_instances_launch(self) -> None:
        """10,048 connections to 64 instances, each of which unpacks its tree first: none is refused."""
        instances, connections = 64, 157
        _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        if hard < instances * connections + 1000:
            self.skipTest("needs 12,000 open files")
        before = resource.getrlimit(resource.RLIMIT_NOFILE)
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, before)
        onefile = packed()

        def serve(number: int) -> tuple[int, int]:
            launched = self.begin(onefile, environment={"ONEFOLD_CACHE": self.work / f"cache-{number}"})
            where = launched.address()
            clients = [connect(where) for _ in range(connections)]
            answers = [answer(client) for client in clients]
            return launched.pid, sum(text == str(launched.pid) for text in answers)

        with concurrent.futures.ThreadPoolExecutor(instances) as pool:
            served = list(pool.map(serve, range(instances)))
        self.assertEqual(len({pid for pid, _ in served}), instances)
        self.assertEqual(sum(count for _, count in served), instances * connections)


def free_port() -> int:
    """One that nobody used a moment ago."""
    with socket.socket() as probe:
        probe.bind((LOCAL, 0))
        return int(probe.getsockname()[1])


def leave_closing_connection() -> int:
    """The port of a server that ended its connection first, which the kernel remembers (TIME_WAIT)."""
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind((LOCAL, 0))
        server.listen()
        port = server.getsockname()[1]
        client = connect((LOCAL, port))
        accepted, _ = server.accept()
        accepted.close()
    assert client.recv(1) == b""
    client.close()
    with socket.socket() as probe:
        try:
            probe.bind((LOCAL, port))
        except OSError:
            return int(port)
    raise AssertionError("the kernel does not remember the connection")


class Taken(ListenCase):
    """Another program listens there."""

    def assertTaken(self, result: Any, address: str, by: str) -> None:
        says = f"cannot listen on {address}: {by} has it; stop that, or set ONEFOLD_LISTEN to another address"
        self.assertRefused(result, says, code=120)
        self.assertFalse(self.cache.exists())

    def test_the_message_names_the_process(self) -> None:
        for handover in HANDOVERS:
            port = hold_port(self)
            address = f"{LOCAL}:{port}"
            self.assertTaken(self.run_file(packed(address, handover=handover)), address, self_named())

    def test_it_is_an_event(self) -> None:
        launched = self.begin(packed(f"{LOCAL}:{hold_port(self)}"))
        self.assertEqual(launched.finished(), 120)
        [event] = launched.events
        self.assertEqual((event["event"], event["code"]), ("failed", 120))
        self.assertIn(self_named(), event["message"])

    def test_other_addresses_of_the_port(self) -> None:
        """Who listens at all addresses has each of them."""
        everywhere = hold_port(self, "0.0.0.0")
        dual = hold_port(self, "::", family=socket.AF_INET6)
        local = hold_port(self)
        for address in (f"{LOCAL}:{everywhere}", f"{LOCAL}:{dual}", f"[::1]:{dual}", f"0.0.0.0:{local}", f"[::]:{local}"):
            with self.subTest(address):
                self.assertTaken(self.run_file(packed(address)), address, self_named())

    def test_another_address_of_the_machine_is_free(self) -> None:
        port = hold_port(self)
        launched = self.begin(packed(f"127.0.0.2:{port}"))
        self.assertEqual(launched.address(), ("127.0.0.2", port))

    def test_a_free_port_instead(self) -> None:
        for handover in HANDOVERS:
            port = hold_port(self)
            launched = self.begin(packed(f"{LOCAL}:{port}", **{"if-taken": "free"}, handover=handover))
            host, other = launched.address()
            self.assertEqual(host, LOCAL)
            self.assertNotEqual(other, port)
            launched.serving()
            self.assertEqual(ask((host, other)), str(launched.pid))

    @needs_program("unshare")
    def test_no_port_is_free(self) -> None:
        """In a network with a single port."""
        onefile = packed(f"{LOCAL}:40000", **{"if-taken": "free"})
        code = f"""
import fcntl, socket, struct, subprocess, sys
holder = socket.socket()
fcntl.ioctl(holder, 0x8914, struct.pack("16sh14x", b"lo", 1))  # SIOCSIFFLAGS, IFF_UP
open("/proc/sys/net/ipv4/ip_local_port_range", "w").write("40000 40000")
holder.bind(("{LOCAL}", 40000))
holder.listen()
sys.exit(subprocess.run(sys.argv[1:], timeout=60).returncode)
"""
        user = [] if IS_ROOT else ["--user", "--map-root-user"]
        command = ["unshare", *user, "--net", sys.executable, "-c", code, *onefile.command()]
        result = run(command, environment=self.environment({}))
        if b"unshare:" in result.stderr or b"Permission" in result.stderr:
            self.skipTest(f"may not make a network: {result.stderr!r}")
        self.assertRefused(result, "cannot listen on", "in use", code=125)

    @needs_root
    @needs_program("setpriv")
    def test_a_process_of_another_user_is_not_named(self) -> None:
        port = hold_port(self)
        os.chown(self.work, NOBODY, NOBODY)
        command = ["setpriv", "--reuid", str(NOBODY), "--clear-groups", *packed(f"{LOCAL}:{port}").command()]
        result = run(command, environment={"ONEFOLD_CACHE": self.cache})
        self.assertTaken(result, f"{LOCAL}:{port}", "another program")

    def test_commands_and_verbs_do_not_care(self) -> None:
        address = f"{LOCAL}:{hold_port(self)}"
        onefile = packed_server(
            launch_listen=listening(address), commands_look={"executable": "bin/server", "arguments": ["show"]}
        )
        for verb in ("help", "inspect", "path", "verify", "prewarm"):
            self.assertEqual(self.run_file(onefile, verb=verb).returncode, 0, verb)
        shown = self.shown(self.run_file(onefile, environment={"ONEFOLD_COMMAND": "look"}))
        self.assertEqual([line for line in shown["environment"] if line.startswith("LISTEN_")], [])
        self.assertRegex(" ".join(shown["fd"]), rf"^0 \S+ 1 \S+ 2 \S+{TREE}$")


class UnixSockets(ListenCase):
    def setUp(self) -> None:
        super().setUp()
        self.path = self.work / "socket"
        self.onefile = packed()
        self.there = {"ONEFOLD_LISTEN": f"unix:{self.path}"}

    def listen(self, **options: Any) -> Launched:
        launched = self.begin(self.onefile, environment=self.there, **options)
        self.assertEqual(launched.address(), os.fspath(self.path))
        self.assertNotIn("port", launched.events[0])
        return launched.serving()

    def test_a_live_one_is_taken_and_not_disturbed(self) -> None:
        holder = hold_path(self, self.path)
        result = self.run_file(self.onefile, environment=self.there)
        self.assertRefused(result, f"cannot listen on unix:{self.path}: {self_named()} has it", code=120)
        holder.setblocking(False)
        self.assertRaises(BlockingIOError, holder.accept)
        self.assertTrue(self.path.is_socket())

    def test_a_stale_one_is_replaced(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            launched = self.listen()
            self.assertEqual(ask(os.fspath(self.path)), str(launched.pid))
            launched.end(number)
            # The program did not remove it.
            self.assertTrue(self.path.is_socket())
        self.listen()

    def test_other_files_stay(self) -> None:
        (self.work / "file").write_bytes(b"content")
        hold_path(self, self.work / "old").close()
        for number, make in enumerate((
            lambda: self.path.write_bytes(b"content"),
            lambda: self.path.mkdir(),
            lambda: os.mkfifo(self.path),
            lambda: self.path.symlink_to("file"),
            lambda: self.path.symlink_to("old"),
            lambda: self.path.symlink_to("nothing"),
        )):  # fmt: skip
            with self.subTest(number):
                make()
                before = self.path.lstat()
                result = self.run_file(self.onefile, environment=self.there)
                self.assertRefused(result, f"cannot listen on 'unix:{self.path}': File exists")
                self.assertEqual(self.path.lstat(), before)
                shutil.rmtree(self.path) if self.path.is_dir() else self.path.unlink()

    def test_long_paths(self) -> None:
        room = "x" * (107 - len(os.fspath(self.work)) - 1)
        self.path = self.work / room
        self.there = {"ONEFOLD_LISTEN": f"unix:{self.path}"}
        launched = self.listen()
        self.assertEqual(ask(os.fspath(self.path)), str(launched.pid))
        for longer in ("x", "x" * 5000):
            result = self.run_file(self.onefile, environment={"ONEFOLD_LISTEN": f"unix:{self.path}{longer}"})
            self.assertRefused(result, "107 bytes")

    def test_directories_that_can_not_have_it(self) -> None:
        missing = {"ONEFOLD_LISTEN": f"unix:{self.work}/none/socket"}
        self.assertRefused(self.run_file(self.onefile, environment=missing), "No such file or directory")
        mounts = Mounts(self)
        mounts.tmpfs(self.work / "read-only", "ro,mode=0755")
        there = {"ONEFOLD_LISTEN": f"unix:{self.work}/read-only/socket"}
        result = run(mounts.command(self.onefile.command()), environment=self.environment(there))
        self.assertRefused(result, "Read-only file system")
        self.assertFalse(self.cache.exists())

    def test_one_of_many_gets_it(self) -> None:
        for attempt in range(12):
            launches = [self.begin(self.onefile, environment=self.there) for _ in range(8)]
            winners = [one for one in launches if one.next_event()["event"] == "listening"]  # type: ignore[index]
            self.assertEqual(len(winners), 1, attempt)
            winners[0].serving()
            self.assertEqual(ask(os.fspath(self.path)), str(winners[0].pid))
            for one in launches:
                self.assertEqual(one.end(signal.SIGKILL) if one is winners[0] else one.finished(), -9 if one is winners[0] else 120)

    def test_another_program_may_lock_the_directory(self) -> None:
        """A launch waits for it, and then goes on."""
        directory = os.open(self.work, os.O_RDONLY)
        self.addCleanup(os.close, directory)
        fcntl.flock(directory, fcntl.LOCK_EX)
        launched = self.listen()
        self.assertEqual(ask(os.fspath(self.path)), str(launched.pid))

    def test_if_taken_free_changes_no_path(self) -> None:
        hold_path(self, self.path)
        onefile = packed(**{"if-taken": "free"})
        self.assertRefused(self.run_file(onefile, environment=self.there), "has it", code=120)


#: Passes listening sockets as descriptors from 3 on, as a service manager does. The first argument is LISTEN_PID, or "own".
ACTIVATE = """
import os, socket, sys
process, count = sys.argv[1], int(sys.argv[2])
sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
for number, one in enumerate(sockets, 3):
    copy = os.dup2(os.dup(one.fileno()), number) if one.fileno() != number else number
    os.set_inheritable(number, True)
os.environ.update(LISTEN_FDS=str(count), LISTEN_PID=str(os.getpid()) if process == "own" else process)
os.environ["LISTEN_FDNAMES"] = ":".join(["web", "admin"][:count])
print(*(one.getsockname()[1] for one in sockets), flush=True)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Passed(ListenCase):
    """Sockets of a service manager."""

    def activate(self, process: str, count: int, *arguments: str, **options: Any) -> tuple[Launched, list[int]]:
        command: list[StrPath] = [sys.executable, "-c", ACTIVATE, process, str(count), *packed().command(*arguments)]
        launched = Launched(self, command, self.environment({}), **options)
        ports = [int(word) for word in launched.process.stdout.readline().split()]  # type: ignore[union-attr]
        return launched, ports

    def test_they_are_used_as_they_are(self) -> None:
        for count in (1, 2):
            launched, ports = self.activate("own", count)
            self.assertEqual(launched.address(), (LOCAL, ports[0]))
            launched.serving()
            self.assertEqual(ask((LOCAL, ports[0])), str(launched.pid))
            self.assertEqual(ask((LOCAL, ports[0]), "env LISTEN_FDS"), str(count))
            self.assertEqual(ask((LOCAL, ports[0]), "env LISTEN_FDNAMES"), ":".join(["web", "admin"][:count]))
            # The others are open.
            for port in ports:
                connect((LOCAL, port)).close()

    def test_those_of_another_process_are_not(self) -> None:
        launched, ports = self.activate("1", 1)
        where = launched.address()
        self.assertNotEqual(where, (LOCAL, ports[0]))
        launched.serving()
        self.assertEqual(ask(where, "env LISTEN_PID"), str(launched.pid))
        self.assertEqual(ask(where, "env LISTEN_FDNAMES"), "server")

    def test_what_is_no_socket(self) -> None:
        command = ["sh", "-c", 'LISTEN_FDS=1 LISTEN_PID=$$ exec "$@" 3</dev/null', "sh", *packed().command()]
        result = run(command, environment=self.environment({}))
        self.assertRefused(result, "descriptor 3, which LISTEN_FDS counts, is no socket")
        result = run([*command[:2], command[2].replace("3</dev/null", "3<&-"), *command[3:]], environment=self.environment({}))
        self.assertRefused(result, "descriptor 3, which LISTEN_FDS counts, is no socket")

    @needs_program("systemd-socket-activate")
    def test_socket_activation_of_systemd(self) -> None:
        for address in (f"{LOCAL}:{free_port()}", os.fspath(self.work / "socket")):
            with self.subTest(address):
                environment = self.environment({"ONEFOLD_PROGRESS": "json"})
                settings = [f"--setenv={name}={os.fspath(value)}" for name, value in environment.items()]
                command: list[StrPath] = ["systemd-socket-activate", f"--listen={address}", "--fdname=web", *settings]
                launched = Launched(self, [*command, *packed().command()], {})
                host, _, port = address.partition(":")
                where: Address = (host, int(port)) if port else address
                client = wait_until(lambda: try_connect(where), "systemd-socket-activate")
                self.assertEqual(answer(client), str(launched.pid))
                self.assertEqual(ask(where, "env LISTEN_FDNAMES"), "web")
                self.assertEqual(launched.address(), where)


@needs_program("strace")
class Costs(ListenCase):
    """The system calls of a warm launch beyond those of one that asks for nothing (docs/launch.md, "A warm launch")."""

    LISTEN = "socket setsockopt bind listen getsockname fcntl dup2 getpid"

    def calls(self, environment: dict[str, Any] = {}, **tables: Any) -> "Counter[str]":
        launch = {"arguments": ["show"], **tables.pop("launch", {})}
        onefile = packed_server(launch=launch, **tables)
        options: dict[str, Any] = {"environment": self.environment(environment), "pass_fds": self.passed}
        succeed(onefile.launch(**options))
        traced = onefile.trace(**options)
        succeed(traced.result)
        return Counter(call.name for call in traced.main)

    def setUp(self) -> None:
        super().setUp()
        self.passed: list[int] = []

    def assertCosts(self, calls: "Counter[str]", expected: str) -> None:
        further = Counter(calls)
        further.subtract(self.calls())
        self.assertEqual({name: count for name, count in further.items() if count}, dict(Counter(expected.split())))

    def test_what_is_not_asked_for_costs_nothing(self) -> None:
        names = set(self.calls())
        of_features = "socket bind listen connect getsockname setsockopt dup2 pidfd_open poll getppid prctl ftruncate write"
        self.assertEqual(names & set(of_features.split()), set())
        traced = packed_server(launch={"arguments": ["show"]}).trace(environment=self.environment({}), calls="fcntl,execve")
        # The lock of the lease.
        self.assertEqual([call.arguments.split(", ")[1] for call in traced.main if call.name == "fcntl"], ["F_OFD_SETLK"])
        look = {"commands_look": {"executable": "bin/server", "arguments": ["show"]}}
        self.assertCosts(self.calls({}, **look), "")
        self.assertCosts(self.calls({"ONEFOLD_COMMAND": "look"}, **look), "")

    def test_listening(self) -> None:
        self.assertCosts(self.calls(launch_listen=listening()), self.LISTEN)
        self.assertCosts(self.calls(launch_listen=listening(handover="port")), "socket setsockopt bind getsockname")
        self.assertCosts(self.calls({"ONEFOLD_LISTEN": "0"}), self.LISTEN)
        # The directory is locked, and the file that the launch before has left is looked at and removed.
        stale = "openat flock socket setsockopt bind close lstat socket connect close unlinkat close"
        self.assertCosts(self.calls({"ONEFOLD_LISTEN": f"unix:{self.work}/socket"}), f"{self.LISTEN} {stale}")

    def test_one_instance(self) -> None:
        self.assertCosts(self.calls(launch={"instance": "single"}), (
            "openat fstat newfstatat openat fstat fcntl close close"  # Look in the runtime directory,
            " openat fstat fstatfs newfstatat close"  # and in the cache.
            " openat fstat openat fstat fcntl ftruncate fcntl close write"
        ))  # fmt: skip

    def test_death_with_a_descriptor(self) -> None:
        reading, writing = os.pipe()
        self.addCleanup(os.close, reading)
        self.addCleanup(os.close, writing)
        self.passed = [reading]
        each = "fstat getpid fcntl fcntl fcntl fcntl fcntl poll"
        environment = {"ONEFOLD_DIE_WITH_PARENT": f"fd:{reading}"}
        self.assertCosts(self.calls(environment), f"getppid {each} {each}")


def try_connect(address: Address) -> Optional[socket.socket]:
    try:
        return connect(address)
    except OSError:
        return None


if __name__ == "__main__":
    unittest.main()
