"""What the tests of listening, of one instance and of commands share: a server that is packed once for each spec, and its
launches."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
from typing import Any, Mapping, Optional, Union

from spec_support import pack_spec, toml, write_files
from support import PATIENCE, Case, Onefile, StrPath, compiled_helper, noise, scratch, start

LOCAL = "127.0.0.1"
#: An address as Python's sockets take it: of IP, or a path.
Address = Union[tuple[str, int], str]

_packed: dict[str, Onefile] = {}


def packed_server(version: str = "1", name: str = "server", **tables: Mapping[str, Any]) -> Onefile:
    """`server.c` as an application. `tables` are those of the spec; an underscore in a name stands for a dot."""
    spec: dict[str, Any] = {
        "app": {"name": name, "version": version},
        "data": [{"source": "bin"}, {"source": "share"}],
        "launch": {},
        "archive": {"level": 1},
        **{table.replace("_", "."): keys for table, keys in tables.items()},
    }
    spec["launch"] = {"executable": "bin/server", **spec["launch"]}
    text = toml(spec)
    if text not in _packed:
        directory = scratch() / "packed-servers" / str(len(_packed))
        write_files(directory, {"share/noise": noise(300_000), "onefold.toml": text})
        (directory / "bin").mkdir()
        shutil.copy(compiled_helper("server"), directory / "bin" / "server")
        _packed[text] = pack_spec(directory)
    return _packed[text]


def listening(address: str = f"{LOCAL}:0", **keys: str) -> dict[str, str]:
    return {"address": address, **keys}


class Launched:
    """A launch that reports its progress on stderr; it is killed at the end of the test."""

    def __init__(self, test: Case, command: list[StrPath], environment: dict[str, Any], **options: Any) -> None:
        given = {"ONEFOLD_PROGRESS": "json", **environment}
        self.process = start(command, environment=given, **options)
        self.events: list[dict[str, Any]] = []
        #: Lines of stderr that are no events.
        self.said: list[bytes] = []
        test.addCleanup(self.reap)

    @property
    def pid(self) -> int:
        return self.process.pid

    def reap(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()

    def next_event(self) -> Optional[dict[str, Any]]:
        assert self.process.stderr
        for line in self.process.stderr:
            if line.startswith(b"{"):
                self.events.append(json.loads(line))
                return self.events[-1]
            self.said.append(line)
        return None

    def event(self, name: str) -> dict[str, Any]:
        """The next event of that name."""
        while event := self.next_event():
            if event["event"] == name:
                return event
        raise AssertionError(f"no event {name!r} among {self.events}, {self.said}, ended with {self.process.wait()}")

    def address(self) -> Address:
        """That of the first event, which must tell it."""
        event = self.next_event()
        if not event or event["event"] != "listening":
            raise AssertionError(f"{event}, {self.said}")
        return address_of(event)

    def serving(self) -> Launched:
        """Waits for the program."""
        assert self.process.stdout
        line = self.process.stdout.readline()
        if line != b"serving\n":
            raise AssertionError(f"{line!r}, {self.process.wait(PATIENCE)}, {self.process.stderr.read()!r}")
        return self

    def finished(self) -> int:
        """Reads all events, and returns the exit status."""
        while self.next_event():
            pass
        return self.process.wait(PATIENCE)

    def event_or_end(self) -> Optional[int]:
        """The exit status of a launch that fails, or None as soon as it is ready."""
        while event := self.next_event():
            if event["event"] == "ready":
                return None
        return self.process.wait(PATIENCE)

    def end(self, number: int = signal.SIGTERM) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE)


def address_of(event: dict[str, Any]) -> Address:
    return (event["address"], event["port"]) if "port" in event else event["address"]


def connect(address: Address) -> socket.socket:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    client = socket.socket(family, socket.SOCK_STREAM)
    client.settimeout(PATIENCE)
    try:
        client.connect(address)
    except OSError:
        client.close()
        raise
    return client


def answer(client: socket.socket, line: Union[str, bytes] = "pid") -> str:
    """What the server says to one line; the connection ends."""
    with client:
        client.sendall(line if isinstance(line, bytes) else f"{line}\n".encode())
        pieces = []
        while piece := client.recv(65536):
            pieces.append(piece)
    return b"".join(pieces).decode().strip()


def ask(address: Address, line: str = "pid") -> str:
    return answer(connect(address), line)


class ListenCase(Case):
    """A test that launches servers. Each has a runtime directory of its own, so that none finds instances of another."""

    def setUp(self) -> None:
        super().setUp()
        self.runtime = self.work / "runtime"
        self.runtime.mkdir(mode=0o700)

    def environment(self, given: Mapping[str, Any]) -> dict[str, Any]:
        return {"ONEFOLD_CACHE": self.cache, "XDG_RUNTIME_DIR": self.runtime, **given}

    def begin(
        self, onefile: Onefile, *arguments: StrPath, environment: Mapping[str, Any] = {}, **options: Any
    ) -> Launched:
        return Launched(self, onefile.command(*arguments), self.environment(environment), **options)

    def serve(self, onefile: Onefile, *arguments: StrPath, **options: Any) -> Launched:
        """Starts it, and waits for the program."""
        return self.begin(onefile, *arguments, **options).serving()

    def run_file(
        self, onefile: Onefile, *arguments: StrPath, environment: Mapping[str, Any] = {}, **options: Any
    ) -> "subprocess.CompletedProcess[bytes]":
        return onefile.launch(*arguments, environment=self.environment(environment), **options)

    def shown(self, result: Any) -> dict[str, list[str]]:
        """What `server show` prints, by the first word."""
        self.assertEqual(result.returncode, 0, result.stderr)
        lines: dict[str, list[str]] = {"fd": [], "argument": [], "environment": []}
        for line in os.fsdecode(result.stdout).splitlines():
            kind, _, rest = line.partition(" ")
            lines[kind].append(rest)
        return lines
