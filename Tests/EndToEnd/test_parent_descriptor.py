"""docs/launch.md, "Death with a descriptor": the program ends when the other end of a pipe or a socket is closed."""

from __future__ import annotations

import os
import re
import select
import signal
import socket
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path
from typing import Any

from examples import node_program
from listen_support import Launched, ListenCase, packed_server
from support import (
    REPOSITORY, StrPath, assert_remains, listing, needs_program, start, strace, succeed, wait_until,
)  # fmt: skip

LAUNCH = REPOSITORY / "docs" / "launch.md"

#: Starts its arguments with the end of a pipe and waits, until it is killed. The first line on its stdout is the number of the
#: process, and further ones are those of further processes. `{}` stands for the descriptor.
PARENT = """
import os, subprocess, sys, time
reading, writing = os.pipe()
arguments = [word.replace("{}", str(reading)) for word in sys.argv[1:]]
os.environ["ONEFOLD_DIE_WITH_PARENT"] = "fd:%d" % reading
child = subprocess.Popen(arguments, pass_fds=[reading], stdout=subprocess.PIPE)
os.close(reading)
assert child.stdout.readline() == b"serving\\n"
print(child.pid, flush=True)
time.sleep(1000)
"""

#: Starts its arguments many times, each with the end of a pipe or socket pair of its own, and waits.
PARENT_OF_MANY = """
import os, socket, sys, time
for number in range(int(sys.argv[1])):
    if number % 2:
        reading, writing = os.pipe()
    else:
        reading, writing = (one.detach() for one in socket.socketpair())
    told, tell = os.pipe()
    os.set_inheritable(reading, True)
    environment = {**os.environ, "ONEFOLD_DIE_WITH_PARENT": "fd:%d" % reading}
    child = os.posix_spawn(sys.argv[2], sys.argv[2:], environment, file_actions=[(os.POSIX_SPAWN_DUP2, tell, 1)])
    os.close(reading)
    os.close(tell)
    assert os.read(told, 8) == b"serving\\n"
    print(child, flush=True)
print("all", flush=True)
time.sleep(1000)
"""


def deaths(packed: Any, environment: dict[str, Any], programs: int) -> list[float]:
    """Kills the parent of so many programs. The seconds after which each had ended; those that did not are missing."""
    command: list[StrPath] = [sys.executable, "-c", PARENT_OF_MANY, str(programs), *packed.command()]
    with start(command, environment=environment) as parent:
        assert parent.stdout
        pids = [int(line) for line in iter(parent.stdout.readline, b"all\n")]
        poll, waiting = select.epoll(), {}
        for pid in pids:
            descriptor = os.pidfd_open(pid)
            waiting[descriptor] = pid
            poll.register(descriptor, select.EPOLLIN)
        parent.kill()
        begin, times = time.monotonic(), []
        while waiting and (ended := poll.poll(10)):
            now = time.monotonic() - begin
            for descriptor, _ in ended:
                poll.unregister(descriptor)
                os.close(descriptor)
                del waiting[descriptor]
                times.append(now)
        for descriptor, pid in waiting.items():
            os.close(descriptor)
            os.kill(pid, signal.SIGKILL)
        poll.close()
    return times


class DeathCase(ListenCase):
    def with_descriptor(self, descriptor: int, value: str = "", packed: Any = None, **environment: Any) -> Launched:
        """A launch that inherits the descriptor; `{}` of the value stands for it."""
        given = {"ONEFOLD_DIE_WITH_PARENT": (value or "fd:{}").format(descriptor), **environment}
        return self.begin(packed or packed_server(), environment=given, pass_fds=[descriptor])

    def pipe(self) -> tuple[int, int]:
        return os.pipe()

    @staticmethod
    def pair() -> tuple[int, int]:
        ours, theirs = socket.socketpair()
        return theirs.detach(), ours.detach()

    def assertLives(self, launched: Launched) -> None:
        assert_remains(lambda: launched.process.poll() is None, "the program")


class Death(DeathCase):
    def test_each_kind_of_descriptor(self) -> None:
        reversed_pipe = lambda: os.pipe()[::-1]
        for kind, make in (("pipe", self.pipe), ("the writing end", reversed_pipe), ("socket", self.pair)):
            for value, number in (("fd:{}", signal.SIGKILL), ("fd:{}:kill", signal.SIGKILL), ("fd:{}:term", signal.SIGTERM)):
                with self.subTest(kind, value=value):
                    theirs, ours = make()
                    launched = self.with_descriptor(theirs, value)
                    os.close(theirs)
                    launched.serving()
                    os.close(ours)
                    self.assertEqual(launched.process.wait(60), -number)

    def test_it_lives_until_then(self) -> None:
        theirs, ours = self.pipe()
        launched = self.with_descriptor(theirs).serving()
        os.close(theirs)
        self.assertLives(launched)
        os.close(ours)
        self.assertEqual(launched.process.wait(60), -signal.SIGKILL)

    def test_the_signal_of_the_record(self) -> None:
        packed = packed_server(launch={"die-with-parent": "term"})
        for value, number in (("fd:{}", signal.SIGTERM), ("fd:{}:kill", signal.SIGKILL)):
            theirs, ours = self.pair()
            launched = self.with_descriptor(theirs, value, packed).serving()
            os.close(theirs)
            os.close(ours)
            self.assertEqual(launched.process.wait(60), -number)

    def test_the_standard_input(self) -> None:
        """As a program of Java has it."""
        launched = self.begin(packed_server(), environment={"ONEFOLD_DIE_WITH_PARENT": "fd:0:term"}).serving()
        launched.process.stdin.close()  # type: ignore[union-attr]
        launched.process.stdin = None
        self.assertEqual(launched.process.wait(60), -signal.SIGTERM)

    def test_a_program_that_handles_the_signal(self) -> None:
        log = self.work / "log"
        theirs, ours = self.pair()
        launched = self.with_descriptor(theirs, "fd:{}:term", LOG=log).serving()
        os.close(theirs)
        os.close(ours)
        self.assertEqual(launched.process.wait(60), 0)
        self.assertEqual(log.read_text(), f"begin {launched.pid}\nend {launched.pid}\n")

    def test_the_parent_is_killed(self) -> None:
        """Also behind a shell."""
        onefile = packed_server()
        for command in (onefile.command(), ["sh", "-c", '"$0"; exit', *onefile.command()]):
            parent = start([sys.executable, "-c", PARENT, *command], environment=self.environment({}))
            self.addCleanup(parent.communicate)
            self.addCleanup(parent.kill)
            child = int(parent.stdout.readline())  # type: ignore[union-attr]
            self.addCleanup(end, child)
            if command[0] == "sh":
                child = int(Path(f"/proc/{child}/task/{child}/children").read_text())
                self.addCleanup(end, child)
            descriptor = os.pidfd_open(child)
            self.addCleanup(os.close, descriptor)
            parent.kill()
            self.assertEqual(select.select([descriptor], [], [], 60)[0], [descriptor])

    def test_the_thread_that_started_it_ends(self) -> None:
        """What ends a program that asks for the signal at its parent's death."""
        for record in ({}, {"die-with-parent": True}):
            theirs, ours = self.pipe()
            started: list[Launched] = []
            packed = packed_server(launch=record)
            thread = threading.Thread(target=lambda: started.append(self.with_descriptor(theirs, packed=packed).serving()))
            thread.start()
            thread.join()
            os.close(theirs)
            self.assertLives(started[0])
            os.close(ours)
            self.assertEqual(started[0].process.wait(60), -signal.SIGKILL)

    def test_it_is_closed_already(self) -> None:
        for make in (self.pipe, self.pair):
            for value in ("fd:{}", "fd:{}:term"):
                theirs, ours = make()
                os.close(ours)
                launched = self.with_descriptor(theirs, value)
                os.close(theirs)
                self.assertEqual(launched.finished(), -signal.SIGTERM)
                self.assertEqual([event["event"] for event in launched.events], ["failed"])
        self.assertFalse(self.cache.exists())

    @needs_program("strace")
    def test_while_it_unpacks_nothing_is_left(self) -> None:
        for value in ("fd:{}", "fd:{}:term"):
            with self.subTest(value):
                theirs, ours = self.pair()
                slow = strace(self.new_directory(), packed_server().command(), "pwrite64", ["pwrite64:delay_enter=1000000"])
                slow.insert(1, "-DDD")
                given = self.environment({"ONEFOLD_DIE_WITH_PARENT": value.format(theirs)})
                launched = Launched(self, slow, given, pass_fds=[theirs])
                os.close(theirs)
                wait_until(lambda: [name for name in listing(self.cache) if name.startswith(".")], "the staging directory")
                os.close(ours)
                self.assertEqual(launched.finished(), -signal.SIGTERM)
                self.assertEqual(launched.events[-1]["event"], "failed")
                self.assertNothingLeft()

    def test_what_is_no_pipe(self) -> None:
        for path in ("/dev/null", __file__, os.fspath(self.work)):
            descriptor = os.open(path, os.O_RDONLY)
            launched = self.with_descriptor(descriptor)
            os.close(descriptor)
            said = f"descriptor {descriptor}, which ONEFOLD_DIE_WITH_PARENT names, is neither a pipe nor a socket"
            self.assertEqual(launched.finished(), 125)
            self.assertEqual(launched.said, [f"onefold: {said}\n".encode()])
        for number in (77, 2**31 - 1):
            result = self.run_file(packed_server(), environment={"ONEFOLD_DIE_WITH_PARENT": f"fd:{number}"})
            self.assertRefused(result, f"descriptor {number}, which ONEFOLD_DIE_WITH_PARENT names, is not open")
        self.assertFalse(self.cache.exists())

    def test_what_it_does_not_understand(self) -> None:
        for wrong in ("fd:", "fd", "fd:x", "fd:-1", "fd:3:", "fd:3:x", "fd:3:kill:term", "fd:2147483648", "fd:99999999999", "FD:3"):
            result = self.run_file(packed_server(), environment={"ONEFOLD_DIE_WITH_PARENT": wrong})
            self.assertRefused(result, f"unknown value '{wrong}' of ONEFOLD_DIE_WITH_PARENT", "fd:N:term")
        self.assertFalse(self.cache.exists())

    def test_verbs_and_children_do_not_end(self) -> None:
        theirs, ours = self.pipe()
        os.close(ours)
        environment = {"ONEFOLD_DIE_WITH_PARENT": f"fd:{theirs}"}
        result = self.run_file(packed_server(), environment=environment, verb="path", pass_fds=[theirs])
        self.assertEqual(result.returncode, 0, result.stderr)
        os.close(theirs)

    def test_of_many_none_stays(self) -> None:
        """1,000 programs of 20 parents."""
        succeed(self.run_file(packed_server(), verb="prewarm"))
        times = [seconds for _ in range(20) for seconds in deaths(packed_server(), self.environment({}), 50)]
        self.assertEqual(len(times), 1000)


class Shells(DeathCase):
    """The entries of the document's table."""

    def expression(self) -> str:
        [found] = re.findall(r"`(spawn\(file, .*\))` \|$", LAUNCH.read_text(), re.MULTILINE)
        return found

    def test_node(self) -> None:
        succeed(self.run_file(packed_server(), verb="prewarm"))
        script = self.work / "main.js"
        script.write_text(
            "const {spawn} = require('node:child_process');\n"
            "const file = process.argv[2];\n"
            f"const child = {self.expression()};\n"
            "console.log(`pid ${child.pid}`);\n"
            "setInterval(() => {}, 1000);\n"
        )
        for number in (signal.SIGKILL, signal.SIGTERM):
            command: list[StrPath] = [node_program(), script, packed_server().path]
            shell = start(command, environment=self.environment({}), stdin=subprocess.DEVNULL)
            self.addCleanup(shell.communicate)
            self.addCleanup(shell.kill)
            lines = sorted(shell.stdout.readline() for _ in range(2))  # type: ignore[union-attr]
            self.assertEqual(lines[1], b"serving\n")
            child = int(lines[0].split()[1])
            self.addCleanup(end, child)
            descriptor = os.pidfd_open(child)
            self.addCleanup(os.close, descriptor)
            self.assertEqual(select.select([descriptor], [], [], 0.3)[0], [])
            shell.send_signal(number)
            self.assertEqual(select.select([descriptor], [], [], 60)[0], [descriptor])


def end(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    unittest.main()
