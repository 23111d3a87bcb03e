"""Launches packed servers in roots, cold and warm, and checks what they answer or say."""

from __future__ import annotations

import os
import selectors
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Optional

from common.basics import Failure
from common.network import free_port, request

from .roots import Bind, Root, bare_environment

SERVE = Path(__file__).with_name("serve.sh")
HEALTH = "/api/health"
#: Seconds that a launch may take on a busy machine.
PATIENCE = 120
POLL = 0.02


@dataclass
class Launched:
    """What became of one launch."""

    #: The answer to the health request; None if the server ended before it answered.
    health: Optional[dict[str, Any]]
    #: The process that was started, as its root numbers it.
    pid: int
    #: As a shell tells it: 128 and the signal's number if a signal ended the server.
    status: int


@dataclass
class Outcome:
    """A cold launch and, if that one answered, a warm one."""

    launches: list[Launched]
    #: Entries in the cache after the last of them.
    left: int
    #: What the launches wrote to standard error.
    errors: str

    @property
    def last_lines(self) -> str:
        return "\n  ".join(self.errors.strip().splitlines()[-8:])


def launch(root: Root, file: Path, user: bool) -> Outcome:
    """Launches a packed server in a root with an empty home directory, and ends it by SIGTERM."""
    port = free_port()
    binds = [Bind(file, "/opt/server"), Bind(SERVE, "/opt/serve.sh")]
    serve = ["/bin/sh", "/opt/serve.sh", "/opt/server", "--port", str(port)]
    command = root.command(serve, user=user, binds=binds)
    with tempfile.TemporaryFile("w+", errors="replace") as errors:
        process = subprocess.Popen(
            command,
            env=bare_environment(user),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
            bufsize=1,
        )
        try:
            launches, left = Conversation(process, port).hold()
        finally:
            process.kill()
            process.communicate()
        errors.seek(0)
        return Outcome(launches, left, errors.read())


class Conversation:
    """What is said to serve.sh, and asked of the server that it starts."""

    def __init__(self, process: subprocess.Popen[str], port: int) -> None:
        assert process.stdin and process.stdout
        self.port = port
        self.input, self.output = process.stdin, process.stdout.fileno()
        self.pending = b""
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.output, selectors.EVENT_READ)

    def hold(self) -> tuple[list[Launched], int]:
        """A cold launch and, if it answered, a warm one; the entries that are left in the cache."""
        launches: list[Launched] = []
        with self.selector:
            while True:
                launches.append(self.launch())
                again = launches[-1].health is not None and len(launches) < 2
                self.input.write("again\n" if again else "done\n")
                if not again:
                    return launches, self.value_of("left")

    def launch(self) -> Launched:
        pid = self.value_of("started")
        health = self.wait_for_health()
        if health is not None:
            self.input.write("end\n")
        return Launched(health, pid, self.value_of("ended"))

    def value_of(self, wanted: str) -> int:
        """The number in the next line of serve.sh, which begins with the word `wanted`."""
        if not self.has_line(PATIENCE):
            raise Failure(f"serve.sh did not say {wanted!r} within {PATIENCE} s")
        line, _, self.pending = self.pending.partition(b"\n")
        word, _, number = line.decode().partition(" ")
        if word != wanted:
            raise Failure(f"serve.sh said {word!r}, not {wanted!r}")
        return int(number)

    def has_line(self, seconds: float) -> bool:
        """Whether a line has come, or comes within that time."""
        while b"\n" not in self.pending:
            if not self.selector.select(seconds):
                return False
            block = os.read(self.output, 4096)
            if not block:
                raise Failure("serve.sh ended too early")
            self.pending += block
        return True

    def wait_for_health(self) -> Optional[dict[str, Any]]:
        """The server's answer; None if the server ends instead."""
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end:
            if self.has_line(POLL):
                return None
            answer = self.ask()
            if answer is not None:
                return answer
        raise Failure(f"the server did not answer within {PATIENCE} s")

    def ask(self) -> Optional[dict[str, Any]]:
        try:
            answer = request(self.port, HEALTH, seconds=PATIENCE)
        except OSError:
            return None
        if answer.status != 200:
            raise Failure(f"GET {HEALTH} was answered with {answer.status}: {answer.body[:200]!r}")
        return answer.json


def problem_of_serving(outcome: Outcome, version: str, stopped: int) -> Optional[str]:
    """Why a launch that should have worked did not; None if it worked cold and warm.

    Parameters:
      version: what the health page must say.
      stopped: the exit status after SIGTERM.
    """
    for moment, launched in zip(("cold", "warm"), outcome.launches):
        if launched.health is None:
            return f"{moment}: ended with {launched.status}:\n  {outcome.last_lines}"
        if launched.health.get("version") != version:
            return f"{moment}: the health page says {launched.health}, not version {version}"
        # A program that does not say its process is one that only serves files.
        if launched.health.get("pid", launched.pid) != launched.pid:
            return f"{moment}: the server is not the process that was started, {launched.pid}"
        if launched.status != stopped:
            return f"{moment}: SIGTERM ended it with {launched.status}, not {stopped}"
    if len(outcome.launches) != 2:
        return f"it was launched {len(outcome.launches)} times, not twice"
    return None


def problem_of_refusal(outcome: Outcome, needed: str, present: Optional[str]) -> Optional[str]:
    """Why a launch on a system that is too old was not refused as it should be; None if it was.

    Parameters:
      needed: the glibc that the file needs.
      present: the system's glibc; None if it has none.
    """
    [launched, *further] = outcome.launches
    if launched.health is not None or further:
        return f"it served, although it needs glibc {needed}"
    if present is None:
        has = "no glibc (it may use musl): use a system that has it"
    else:
        has = f"glibc {present}: use a newer system"
    wanted = [f"this program needs glibc {needed} or newer (", f"; this system has {has}"]
    if launched.status != 125 or any(text not in outcome.errors for text in wanted):
        return f"it ended with {launched.status}, without {wanted}:\n  {outcome.last_lines}"
    if len(outcome.errors.strip().splitlines()) != 1:
        return f"it wrote more than one line:\n  {outcome.last_lines}"
    if outcome.left:
        return f"it left {outcome.left} entries in the cache"
    return None
