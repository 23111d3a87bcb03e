"""The command line of tools/distributions: packs on each distribution, launches on each."""

from __future__ import annotations

import argparse
import os
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Optional

from common.basics import REPOSITORY, Failure, end_with, names_of

from . import roots
from .launching import launch, problem_of_refusal, problem_of_serving
from .packing import (
    DJANGO,
    FASTAPI,
    NOTIFY,
    PACKAGES,
    STATIC,
    Desk,
    Example,
    Facts,
    Packed,
    facts_of,
    role,
)
from .report import refresh, tables

WORK = REPOSITORY / ".build" / "distributions"
DIST = REPOSITORY / "dist"
BUILD_WHEEL = REPOSITORY / "tools" / "build-wheel"

#: The example of Django needs a newer Python than the oldest of these.
EXAMPLES = (NOTIFY, FASTAPI, STATIC)
NEWEST_EXAMPLES = (*EXAMPLES, DJANGO)


def say(message: str) -> None:
    print(f"distributions: {message}", file=sys.stderr, flush=True)


def is_new_enough(needed: Optional[str], present: Optional[str]) -> bool:
    """Whether a system with the glibc `present` runs what needs the glibc `needed`."""
    if needed is None or present is None:
        return needed is None
    return [int(n) for n in present.split(".")] >= [int(n) for n in needed.split(".")]


@dataclass
class Matrix:
    """What was packed where, and what ran where."""

    wheel: Path
    #: By suite, the oldest first.
    systems: dict[str, Facts]
    work: Path = WORK
    #: The compression level of the files; None for that of each spec.
    level: Optional[int] = None
    version: str = ""
    packed: list[Packed] = field(default_factory=list)
    #: By the suites where a file was packed and launched, and its example: whether it runs there.
    runs: dict[tuple[str, str, str], bool] = field(default_factory=dict)
    launches: int = 0
    failures: list[str] = field(default_factory=list)

    def failed(self, what: str, why: str) -> None:
        self.failures.append(f"{what}: {why}")
        say(f"FAILED: {what}: {why}")

    def pack(self, suite: str, user: bool, examples: tuple[Example, ...]) -> list[Packed]:
        """Installs the packer at one desk, and packs there."""
        say(f"{self.systems[suite].name}, as {role(user)}: installing the packer")
        desk = Desk(suite, user, self.wheel, self.work, self.level)
        result = []
        try:
            desk.install()
            self.version = desk.version
            self.systems[suite].patchelf = desk.patchelf()
            for example in examples:
                say(f"{self.systems[suite].name}, as {role(user)}: packing {example.folder}")
                result.append(desk.pack(example))
        except Failure as failure:
            self.failed(f"packing on {suite} as {role(user)}", str(failure))
        self.packed += result
        return result

    def compare(self, suite: str) -> None:
        """Root and a user must get the same bytes."""
        for example in {packed.example for packed in self.packed}:
            files = [p for p in self.packed if (p.suite, p.example) == (suite, example)]
            contents = {packed.path.read_bytes() for packed in files}
            if len(contents) > 1:
                self.failed(f"{example.folder} of {suite}", "root and a user get other bytes")

    def launch(self, packed: Packed, suite: str) -> None:
        """Launches a file on a system, as the person who packed it."""
        facts = self.systems[suite]
        fits = is_new_enough(packed.glibc, facts.glibc)
        packages = () if suite == roots.MUSL else PACKAGES
        self.launches += 1
        try:
            outcome = launch(roots.root(suite, packages), packed.path, packed.user)
            if fits:
                example = packed.example
                problem = problem_of_serving(outcome, example.version, example.stopped)
            else:
                problem = problem_of_refusal(outcome, packed.glibc or "", facts.glibc)
        except Failure as failure:
            problem = str(failure)
        if problem is not None:
            self.failed(f"{packed.name}, launched on {suite}", problem)
        key = (packed.suite, suite, packed.example.folder)
        self.runs[key] = self.runs.get(key, True) and fits and problem is None


def current_wheel() -> Path:
    """The wheel of dist/onefold, which is made if there is none, or only an older one."""
    program = DIST / "onefold"
    if not program.exists():
        raise Failure("there is no dist/onefold: run tools/build first")
    wheels = sorted(DIST.glob("onefold-*.whl"), key=lambda path: path.stat().st_mtime)
    if wheels and wheels[-1].stat().st_mtime >= program.stat().st_mtime:
        return wheels[-1]
    result = subprocess.run([BUILD_WHEEL], stdin=subprocess.DEVNULL, stdout=sys.stderr)
    if result.returncode != 0:
        raise Failure(f"tools/build-wheel ended with {result.returncode}")
    return max(DIST.glob("onefold-*.whl"), key=lambda path: path.stat().st_mtime)


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/distributions",
        description="Packs on several Linux distributions, and launches each file on all of them.",
    )
    parser.add_argument(
        "--only",
        metavar="SUITES",
        type=names_of("suite", roots.SUITES),
        help=f"pack on these suites only, separated by commas, of {', '.join(roots.SUITES)}",
    )
    parser.add_argument(
        "--wheel", metavar="FILE", type=Path, help="the packer (default: that of dist/onefold)"
    )
    parser.add_argument(
        "--refresh", action="store_true", help="write the tables to docs/portability.md as well"
    )
    options = parser.parse_args()
    if options.refresh and options.only:
        parser.error("--refresh needs all suites: it does not go with --only")
    return options


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.umask(0o022)
    roots.require_root()
    wheel = (options.wheel or current_wheel()).absolute()
    if WORK.exists():
        roots.remove(WORK)
    systems = {suite: facts_of(suite) for suite in (*roots.SUITES, roots.MUSL)}
    matrix = Matrix(wheel, systems)
    for suite in options.only or roots.SUITES:
        newest = suite == roots.SUITES[-1]
        for user in (False, True):
            matrix.pack(suite, user, NEWEST_EXAMPLES if newest else EXAMPLES)
        matrix.compare(suite)
    for packed in matrix.packed:
        for suite in systems:
            say(f"{packed.name}: launching on {systems[suite].name}")
            matrix.launch(packed, suite)
    for name, body in tables(matrix).items():
        print(f"## {name}\n\n{body}", flush=True)
        if options.refresh and not matrix.failures:
            refresh(name, body)
    say(f"{matrix.launches} files launched, {len(matrix.failures)} failures")
    return 1 if matrix.failures else 0


def run() -> None:
    end_with(main, say)
