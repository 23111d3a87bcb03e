"""The command line of tools/bench."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from common.basics import REPOSITORY, Failure, end_with, names_of

from .bench import Bench
from .places import find_places
from .report import ON_REQUEST, SECTIONS, kept, other_machine, report, with_costs
from .running import REPORT, WORK, say
from .timing import Cost, costing
from .workshop import Workshop

DIST = REPOSITORY / "dist"

ONLY = f"""measure only these sections, separated by commas, of {", ".join(SECTIONS)};
{", ".join(ON_REQUEST)} are measured only when asked for. May be repeated"""
# Options without an argument.
FLAGS = {
    "--refresh": "with --only: keep the other sections of the report as they are",
    "--quick": "3 turns and small examples, to try it",
    "--fresh": "build again what other tools made for the Python servers in an earlier run",
    "--no-build": "run neither tools/setup nor tools/build",
}


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measures Onefold side by side with other tools for the same work, and writes"
        " docs/benchmarks.md.",
        epilog="As root it measures on ext4 as well. With --only or --quick the report goes to"
        " standard output unless -o names a file or --refresh is given.",
    )
    add, sections = parser.add_argument, names_of("section", SECTIONS)
    add("--only", metavar="SECTIONS", type=sections, action="extend", help=ONLY)
    add("--runs", metavar="N", type=int, default=11, help="turns that are measured (default: 11)")
    for name, words in FLAGS.items():
        add(name, action="store_true", help=words)
    words = "measure the onefold and the bootloaders of this directory (implies --no-build)"
    add("--dist", metavar="DIR", type=Path, default=DIST, help=words)
    words = "the report (default: docs/benchmarks.md)"
    add("-o", dest="output", metavar="FILE", type=Path, help=words)
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs needs a number of at least 1")
    if options.refresh and (options.quick or not options.only):
        parser.error("--refresh goes with --only, and not with --quick")
    options.runs = 3 if options.quick else options.runs
    options.whole = not (options.only or options.quick)
    if options.whole or options.refresh:
        options.output = options.output or REPORT
    return options


def hold_alone() -> None:
    """Two at once would measure each other. The lock ends with the process."""
    WORK.mkdir(parents=True, exist_ok=True)
    lock = os.open(WORK / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise Failure("another one is running") from None


def build(costs: list[Cost]) -> None:
    """Runs the tools that make `dist`."""
    for name, *arguments in (["setup", "--tests"], ["build"]):
        with costing(f"`tools/{name}`") as cost:
            command = [str(REPOSITORY / "tools" / name), *arguments]
            if subprocess.run(command, stdout=sys.stderr).returncode != 0:
                raise Failure(f"{name} failed")
        costs.append(cost)


def earlier_text(options: argparse.Namespace) -> str:
    """The sections of the report that stay as they are."""
    keeps = options.refresh or options.whole
    if not (keeps and options.output.exists()):
        return ""
    text = options.output.read_text()
    other = other_machine(text)
    if other and options.refresh:
        where = f"{options.output.name} was measured on another machine ({other})"
        raise Failure(f"{where}: measure all of it, without --only")
    if other:
        say(f"sections that are measured on request are left out: {other}")
        return ""
    return text if options.refresh else kept(text)


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.umask(0o022)
    hold_alone()
    costs: list[Cost] = []
    with costing("all of it") as cost:
        if not options.no_build and options.dist == DIST:
            build(costs)
        workshop = Workshop(options.dist.resolve(), options.fresh)
        pictures = options.output.with_suffix("") if options.output else None
        bench = Bench(workshop, find_places(), options.runs, options.quick, pictures=pictures)
        text = earlier_text(options)
        for name in options.only or [name for name in SECTIONS if name not in ON_REQUEST]:
            text = report(bench, name, text)
            if options.output:  # a section that fails loses nothing of those before it
                options.output.write_text(text)
    if not options.only:
        text = with_costs([*costs, *workshop.costs, cost], text)
    if options.output:
        options.output.write_text(text)
        say(f"wrote {options.output}")
    else:
        print(text, end="")


def run() -> None:
    end_with(main, say)
