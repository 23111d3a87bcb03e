"""Drives `onefold bench --json`, which measures every launch of the report."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path
from typing import Sequence

from .figures import Sample
from .running import MIB, Part, output_of, say
from .workshop import Workshop

#: Of a program, by the names of docs/bench.md: milliseconds, MiB, ratios or numbers, by round.
Metrics = dict[str, Sample]

SERVER_TURNS = 5
HEALTH = "/api/health"
FACTORS = {"ns": 1e-6, "B": 1 / MIB}


@dataclass
class Launches:
    """What takes turns in one run of `onefold bench`."""

    files: Sequence[Path]  # onefiles
    directory: Path  # of the caches
    rounds: int
    warm_up: int = 1
    against: Sequence[Sequence[Part]] = ()  # other commands
    cache_variables: Sequence[str] = ()  # of those
    reset: str = ""  # a command of the shell before each cold launch of those
    arguments: Sequence[Part] = ()  # of all
    until_health: bool = False  # else until they end
    variables: dict[str, Part] = field(default_factory=dict)

    def command(self, program: Path) -> list[Part]:
        command: list[Part] = [program, "bench", *self.files, "--json", "--quiet"]
        command += ["--runs", str(self.rounds), "--warm-up", str(self.warm_up)]
        command += ["--directory", self.directory]
        for other in self.against:
            command += ["--against", shlex.join(map(str, other))]
        for name in self.cache_variables:
            command += ["--cache-variable", name]
        if self.reset:
            command += ["--reset", self.reset]
        if self.until_health:
            command += ["--http", HEALTH]
        return [*command, "--", *self.arguments]

    def measured(self, workshop: Workshop) -> list[Metrics]:
        """What was measured of each file, then of each other command."""
        report = json.loads(output_of(self.command(workshop.program), **self.variables))
        # With other commands the notes say what the caller left out: their cold launches.
        for note in [] if self.against else report["notes"]:
            say(note)
        return [
            {name: sample_of(facts) for name, facts in subject["metrics"].items()}
            for subject in report["subjects"]
        ]


def sample_of(facts: dict) -> Sample:
    factor = FACTORS.get(facts["unit"], 1)
    return Sample(value * factor for value in facts["samples"])
