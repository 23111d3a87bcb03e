"""Section: start of the Node.js server."""

from __future__ import annotations

import os
import re
import select
import signal
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Sequence

from .applications import HEALTH_SECONDS, answers
from .bench import Bench, brought
from .figures import SPREAD, figure, prose, spread, table, take_turns
from .running import Failure, Part, Run, check, launch, say, spawn
from .trees import Tree


def first_line(descriptor: int, deadline: float) -> str:
    text = b""
    while not text.endswith(b"\n"):
        ready, _, _ = select.select(
            [descriptor], [], [], max(0, deadline - time.monotonic())
        )
        piece = os.read(descriptor, 1) if ready else b""
        if not piece:
            raise Failure("the server did not say where it listens")
        text += piece
    return text.decode()


def start_of_server(command: Sequence[Part], **variables: Part) -> Run:
    """Until the first successful answer to a health request."""
    deadline = time.monotonic() + HEALTH_SECONDS
    reading, writing = os.pipe()
    with tempfile.TemporaryFile("w+") as errors, open(
        reading, "rb", buffering=0
    ) as said:
        start = time.perf_counter_ns()
        pid = spawn([*command, "--port", "0"], variables, writing, errors.fileno())
        os.close(writing)
        try:
            line = first_line(said.fileno(), deadline)
            listening = re.search(r"http://([^:/]+):(\d+)", line)
            if not listening:
                raise Failure(f"the server said {line!r}")
            while not answers(listening[1], int(listening[2])):
                if time.monotonic() > deadline:
                    raise Failure("the server never answered")
                time.sleep(0.001)
            end = time.perf_counter_ns()
        finally:
            os.kill(pid, signal.SIGTERM)
            _, status = os.waitpid(pid, 0)
        errors.seek(0)
        check(command, os.waitstatus_to_exitcode(status), errors.read())
    return Run((end - start) / 1e6)


@dataclass
class Way:
    """A way to start a server; its variables may name an empty directory."""

    command: list[Part]
    variables: Callable[[Path], dict[str, Part]]

    def version(self, directory: Path) -> Run:
        directory.mkdir()
        return launch([*self.command, "--version"], **self.variables(directory))

    def health(self, directory: Path) -> Run:
        directory.mkdir()
        variables = {"XDG_DATA_HOME": directory, **self.variables(directory)}
        return start_of_server(self.command, **variables)


UNPACKED = "unpacked tree"


def ways(bench: Bench, tree: Tree, room: Path) -> dict[str, Way]:
    root = brought(tree.path, room)
    file = brought(bench.workshop.packed(tree).path, room)
    cache = room / "cache"
    launch([file], ONEFOLD="prewarm", ONEFOLD_CACHE=cache)
    return {
        UNPACKED: Way(tree.command(root), lambda directory: {}),
        "onefile, warm": Way([file], lambda directory: {"ONEFOLD_CACHE": cache}),
        "onefile, cold": Way(
            [file], lambda directory: {"ONEFOLD_CACHE": directory / "cache"}
        ),
    }


def start(bench: Bench) -> str:
    tree = bench.node
    say(f"start: {tree.name}")
    with bench.disk.room() as room:
        all_ways = ways(bench, tree, room)
        cases = {}
        for name, way in all_ways.items():
            cases[f"{name}: version"] = bench.disk.fresh(way.version)
            cases[f"{name}: health"] = bench.disk.fresh(way.health)
        runs = take_turns(cases, bench.turns)
    rows = []
    for name in all_ways:
        row = [name]
        for what in ("version", "health"):
            wall = runs[f"{name}: {what}"].wall
            more = wall.minus(runs[f"{UNPACKED}: {what}"].wall)
            row += [figure(wall.median), spread(wall), figure(more.median, 1)]
        rows.append(row)
    heads = ["what"]
    for what in ("`--version`", "first answer"):
        heads += [f"{what}, ms", SPREAD, "more, ms"]
    text = prose(f"""
        From spawning the program until its end with `--version`, and until it has answered a first
        request for `/api/health`. The page cache is warm; for a cold launch there is no unpacked
        tree. *More* is how much longer it takes than the unpacked tree in the same turn. On
        {bench.disk.name}.
    """)
    return f"{text}\n{table(heads, rows)}"
