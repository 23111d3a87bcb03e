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
from functools import cached_property, lru_cache
from pathlib import Path
from typing import Optional, Sequence

from common.basics import Failure

from .applications import Application
from .running import WORK, Part, check, environment_with
from .trees import Packed
from .workshop import Workshop

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

    @property
    def packed(self) -> Packed:
        return Packed(self.file, self.facts)

    def phase(self, name: str) -> float:
        return self.phases.get(name, 0.0)


def followed(
    command: Sequence[Part], variables: dict[str, Part], only: str = ""
) -> tuple[dict[str, float], str]:
    """Seconds by phase of what a packer says, and its output. With `only`, it is ended after that
    phase."""
    phases: dict[str, float] = {}
    lines, now, since, reached = [], "", time.monotonic(), False
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [os.fspath(part) for part in command],
            env=environment_with(variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.PIPE,
            text=True,
            errors="replace",
        )
        for line in process.stderr or ():
            lines.append(line)
            found = PROGRESS.match(line)
            if found:
                phases[now] = phases.get(now, 0.0) + time.monotonic() - since
                reached = bool(only) and now == only
                if reached:
                    process.send_signal(signal.SIGTERM)
                    break
                now, since = found[1], time.monotonic()
        process.communicate()
        phases[now] = phases.get(now, 0.0) + time.monotonic() - since
        if not reached:
            check(command, process.returncode or bool(only), "".join(lines[-TAIL_LINES:]))
        output.seek(0)
        return phases, output.read()


@dataclass
class SpecRoom:
    """A directory for builds of an example, with one cache of the packer."""

    workshop: Workshop
    application: Application
    path: Path

    @property
    def cache(self) -> list[Part]:
        return ["--cache", self.path / "cache"]

    def packing(self, directory: Path, output: Path, *options: Part) -> list[Part]:
        workshop = self.workshop
        command: list[Part] = [workshop.program, "pack", "--spec", directory, "-o", output]
        return [*command, "--bootloader", workshop.bootloader, "--json", *options]

    def build(
        self, directory: Path, output: Path, *options: Part, wheels: Optional[Path] = None
    ) -> SpecBuild:
        """Packs the spec in a directory; its requirements are those of the example, or in `wheels`."""
        variables = self.application.offline
        if wheels:
            variables["PIP_FIND_LINKS"] = f"{variables['PIP_FIND_LINKS']} {wheels}"
        with tempfile.NamedTemporaryFile("r") as peak:
            helper: list[Part] = [self.workshop.compiled("PEAK"), peak.name]
            start = time.monotonic()
            command = [*helper, *self.packing(directory, output, *options)]
            phases, facts = followed(command, variables)
            seconds = time.monotonic() - start
            return SpecBuild(output, seconds, int(peak.read()) / 1024, phases, json.loads(facts))

    @cached_property
    def first(self) -> SpecBuild:
        """The spec as it is in docs/examples, with an empty cache, once in a run."""
        shutil.rmtree(self.path, ignore_errors=True)
        self.path.mkdir(parents=True)
        name = self.application.name
        with self.workshop.costing(f"packing {name} from its spec"):
            return self.build(self.application.directory, self.path / name, *self.cache)

    def copied(self, name: str, *edit: str) -> Path:
        """The example's directory, to change something in it. `edit` is a pattern that matches once
        in the spec, and what replaces it."""
        directory = self.path / name
        shutil.rmtree(directory, ignore_errors=True)
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(self.application.directory, directory, ignore=ignored)
        if edit:
            pattern, replacement = edit
            spec = directory / "onefold.toml"
            text, count = re.subn(pattern, replacement, spec.read_text(), flags=re.MULTILINE)
            if count != 1:
                raise Failure(f"{spec}: {count} places match {pattern}, not one")
            spec.write_text(text)
        return directory

    def seconds_of_installing(self, directory: Path, **variables: Part) -> float:
        """How long a build installs; it is ended then."""
        command = self.packing(directory, directory / "onefile", "--no-cache", "--no-smoke")
        phases, _ = followed(command, {**self.application.offline, **variables}, INSTALLING)
        return phases[INSTALLING]


@lru_cache
def spec_room(
    workshop: Workshop, application: Application, root: Path = WORK / "specs"
) -> SpecRoom:
    """The same room, with its first build, whoever asks for it in a run."""
    return SpecRoom(workshop, application, root / application.name)
