"""Builds of `onefold pack` from a spec."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Optional

from .applications import Application
from .running import Failure, Part, check, environment_with, remove

if TYPE_CHECKING:
    from .bench import Bench

PROGRESS = re.compile(r"onefold pack: (\w+)")
INSTALLING, COMPRESSING, TESTING = "installing", "compressing", "smoke"
TAIL_LINES = 30


@dataclass
class SpecBuild:
    file: Path
    seconds: float
    peak: float  # MiB of the largest process
    phases: dict[str, float]  # seconds, by the first word of what the packer says
    facts: dict  # the packer's summary

    def phase(self, name: str) -> float:
        return self.phases.get(name, 0.0)


def follow(process: subprocess.Popen, only: Optional[str]) -> tuple[dict, list[str]]:
    """Reads what a packer says until its end: seconds by phase, and the lines. With `only`, it is
    ended after that phase."""
    phases: dict[str, float] = {}
    lines = []
    now, since = "", time.monotonic()
    for line in process.stderr:
        lines.append(line)
        found = PROGRESS.match(line)
        if found:
            phases[now] = phases.get(now, 0.0) + time.monotonic() - since
            if now == only:
                process.send_signal(signal.SIGTERM)
                break
            now, since = found[1], time.monotonic()
    process.communicate()
    phases[now] = phases.get(now, 0.0) + time.monotonic() - since
    return phases, lines


def packing(bench: Bench, directory: Path, output: Path, *options: Part) -> list[Part]:
    program, bootloader = bench.workshop.program, bench.workshop.bootloader
    command: list[Part] = [program, "pack", "--spec", directory, "-o", output]
    return [*command, "--bootloader", bootloader, "--json", *options]


def popen(command: list[Part], output: int, variables: dict[str, Part]):
    return subprocess.Popen(
        [os.fspath(part) for part in command],
        env=environment_with(variables),
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        errors="replace",
    )


def build(
    bench: Bench,
    application: Application,
    directory: Path,
    output: Path,
    *options: Part,
) -> SpecBuild:
    """Packs the spec in a directory; its requirements are those of an example."""
    command = packing(bench, directory, output, *options)
    with tempfile.NamedTemporaryFile("r") as peak, tempfile.TemporaryFile("w+") as out:
        measured: list[Part] = [bench.workshop.compiled("PEAK"), peak.name, *command]
        variables = application.offline
        start = time.monotonic()
        process = popen(measured, out.fileno(), variables)
        phases, lines = follow(process, None)
        seconds = time.monotonic() - start
        check(command, process.returncode, "".join(lines[-TAIL_LINES:]))
        out.seek(0)
        facts = json.loads(out.read())
        return SpecBuild(output, seconds, int(peak.read()) / 1024, phases, facts)


def seconds_of_installing(
    bench: Bench, application: Application, directory: Path, **variables: Part
) -> float:
    """How long a build installs; it is ended then."""
    output = directory / "onefile"
    command = packing(bench, directory, output, "--no-cache", "--no-smoke")
    process = popen(command, subprocess.DEVNULL, {**application.offline, **variables})
    phases, lines = follow(process, INSTALLING)
    if INSTALLING not in phases:
        check(command, process.returncode or 1, "".join(lines[-TAIL_LINES:]))
    return phases[INSTALLING]


# What the sections build, once in a run


def room_of(bench: Bench, application: Application) -> Path:
    """On the file system that is measured: the machine's own may be slow at making files."""
    room = bench.disk.path / "specs" / application.name
    room.mkdir(parents=True, exist_ok=True)
    return room


def cache_of(bench: Bench, application: Application) -> Path:
    """The packer's cache: that of the first build, for those after it."""
    return room_of(bench, application) / "cache"


def first_build(bench: Bench, application: Application) -> SpecBuild:
    """The spec as it is in docs/examples, with an empty cache."""
    return first_build_in(room_of(bench, application), bench, application)


def first_build_in(room: Path, bench: Bench, application: Application) -> SpecBuild:
    """The same in another directory, which is emptied."""
    if room not in bench.first_builds:
        remove(room)
        room.mkdir(parents=True)
        output, cache = room / application.name, room / "cache"
        with bench.costing(f"packing {application.name} from its spec"):
            bench.first_builds[room] = build(
                bench, application, application.directory, output, "--cache", cache
            )
    return bench.first_builds[room]


def copied(bench: Bench, application: Application, name: str) -> Path:
    """The example's directory, to change something in it."""
    directory = room_of(bench, application) / name
    remove(directory)
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(application.directory, directory, ignore=ignored)
    return directory


def edit_spec(directory: Path, pattern: str, replacement: str) -> None:
    """Replaces the one place where a pattern matches."""
    spec = directory / "onefold.toml"
    text, count = re.subn(pattern, replacement, spec.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise Failure(f"{spec}: {count} places match {pattern}, not one")
    spec.write_text(text)
