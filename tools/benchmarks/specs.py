"""Builds of `onefold pack` from a spec."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tempfile
import time
from collections import defaultdict
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

# For an example without a source of its own: what its spec's function does.
SCRIPT = """\
from {module} import {function}

{function}()
"""

#: Seconds by the first word of what the packer says.
Phases = dict[str, float]


@dataclass
class SpecBuild(Packed):
    seconds: float
    peak: float  # MiB of the largest process
    phases: Phases


def followed(
    command: Sequence[Part], variables: dict[str, Part], only: str = ""
) -> tuple[Phases, str]:
    """Phases of a packer, and its output. With `only`, it is ended after that phase."""
    lines, marks, reached = [], [("", time.monotonic())], False
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            command,
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
                reached = bool(only) and marks[-1][0] == only
                marks.append((found[1], time.monotonic()))
            if reached:
                process.terminate()
                break
        process.communicate()
        if not reached:
            marks.append(("", time.monotonic()))
            check(command, process.returncode or bool(only), "".join(lines))
        phases: Phases = defaultdict(float)
        for (name, begin), (_, end) in zip(marks, marks[1:]):
            phases[name] += end - begin
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
            return SpecBuild(output, json.loads(facts), seconds, int(peak.read()) / 1024, phases)

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
            replace_once(directory / "onefold.toml", *edit)
        return directory

    def changed(self) -> Path:
        """The example with one source file that is not as it was in the first build."""
        application = self.application
        if application.script:
            directory = self.copied("changed")
            with (directory / application.script.name).open("a") as script:
                script.write("\nCHANGED = True\n")
        else:
            directory = self.copied("changed", r"^function = .*$", 'script = "start.py"')
            module, _, function = application.entry.partition(":")
            (directory / "start.py").write_text(SCRIPT.format(module=module, function=function))
        return directory

    def seconds_of_installing(self, directory: Path, **variables: Part) -> float:
        """How long a build installs; it is ended then."""
        command = self.packing(directory, directory / "onefile", "--no-cache", "--no-smoke")
        phases, _ = followed(command, {**self.application.offline, **variables}, INSTALLING)
        return phases[INSTALLING]


def replace_once(file: Path, pattern: str, replacement: str) -> None:
    """Edits the one place of a file that matches a pattern."""
    text, count = re.subn(pattern, lambda _: replacement, file.read_text(), flags=re.MULTILINE)
    if count != 1:
        raise Failure(f"{file}: {count} places match {pattern}, not one")
    file.write_text(text)


@lru_cache
def spec_room(
    workshop: Workshop, application: Application, root: Path = WORK / "specs"
) -> SpecRoom:
    """The same room, with its first build, whoever asks for it in a run."""
    return SpecRoom(workshop, application, root / application.name)
