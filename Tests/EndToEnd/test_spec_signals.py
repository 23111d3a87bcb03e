"""Packing from a spec: a signal ends it at once, and nothing is left."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path
from typing import Any

from spec_support import (
    SpecCase,
    pack_environment,
    paths,
    processes_with,
    project,
)
from support import ONEFOLD, start, wait_until

#: A build backend that never ends, with a child that never ends.
ENDLESS_BACKEND = """
import subprocess, time
subprocess.Popen(["sleep", "1000"])
open({started!r}, "w").close()
time.sleep(1000)
"""

ENDLESS = """
import os, signal, subprocess, sys, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
subprocess.Popen(["sleep", "1000"])
open({started!r}, "w").close()
time.sleep(1000)
"""


class Signals(SpecCase):
    def setUp(self) -> None:
        super().setUp()
        self.started = self.work / "started"

    def interrupted(
        self, directory: Path, number: signal.Signals, says: str = "", **environment: Any
    ) -> None:
        """Packs until it says so, or until `started` is there, and sends it the signal."""
        self.started.unlink(missing_ok=True)
        before = sorted(paths(directory))
        mark = f"{self.id()}-{time.monotonic_ns()}"
        process = start(
            [ONEFOLD, "pack", "--spec", directory],
            environment=pack_environment({"ONEFOLD_TEST_MARK": mark, **environment}),
        )
        assert process.stdout and process.stderr
        if says:
            line = b""
            while says.encode() not in line:
                line = process.stderr.readline()
                self.assertNotEqual(line, b"", "it ended before it said so")
        else:
            wait_until(self.started.exists, "the program that never ends")
        process.send_signal(number)
        _, said = process.communicate()
        self.assertEqual(process.returncode, -number, said)
        self.assertEqual(sorted(paths(directory)), before)
        self.assertEqual(sorted(p for p in directory.iterdir() if p.name.startswith(".")), [])
        self.assertEqual(processes_with(mark), [])

    def test_while_a_project_is_built(self) -> None:
        source = project(self.work / "source", "endless", {"endless/__init__.py": ""})
        backend = ENDLESS_BACKEND.format(started=os.fspath(self.started))
        (source / "backend.py").write_text(backend)
        directory = self.new_application(dependencies={"project": source})
        for number in (signal.SIGINT, signal.SIGTERM):
            with self.subTest(number):
                self.interrupted(directory, number)

    def test_in_every_phase(self) -> None:
        directory = self.new_application(archive={"level": 22})
        for says in (
            "looking at the interpreter",
            "copying Python",
            "making libraries relocatable",
            "compiling byte code",
            "compressing",
        ):
            with self.subTest(says):
                # Without layers and frames there is enough to do.
                cache = {"ONEFOLD_PACK_CACHE": self.new_directory()}
                self.interrupted(directory, signal.SIGTERM, says, **cache)
                self.assertEqual(
                    [p for p in Path(cache["ONEFOLD_PACK_CACHE"]).glob("layers/.*")], []
                )

    def test_while_it_is_tested(self) -> None:
        code = ENDLESS.format(started=os.fspath(self.started))
        for smoke in (
            {"smoke_command": [{"arguments": [code]}]},
            {"smoke_http": {"arguments": [code, "{port}"]}},
        ):
            directory = self.new_application(**smoke)
            for number in (signal.SIGINT, signal.SIGHUP):
                with self.subTest(smoke=list(smoke), number=number):
                    self.interrupted(directory, number)
