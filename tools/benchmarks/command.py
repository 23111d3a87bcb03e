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
from .running import REPORT, WORK, Cost, costing, say
from .workshop import Workshop

DIST = REPOSITORY / "dist"


def make_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measures Onefold side by side with other tools for the same work, and writes"
        " docs/benchmarks.md.",
        epilog="As root it measures on ext4 as well. With --only or --quick the report goes to"
        " standard output unless -o names a file or --refresh is given.",
    )
    add = parser.add_argument
    only = f"measure only these sections, separated by commas, of {', '.join(SECTIONS)};"
    only += f" {', '.join(ON_REQUEST)} are measured only when asked for. May be repeated"
    add("--only", metavar="SECTIONS", type=names_of("section", SECTIONS), action="extend", help=only)
    refresh = "with --only: keep the other sections of the report as they are"
    add("--refresh", action="store_true", help=refresh)
    runs = "turns that are measured (default: 11)"
    add("--runs", metavar="N", type=int, default=11, help=runs)
    quick = "3 turns and small examples, to try it"
    add("--quick", action="store_true", help=quick)
    fresh = "build again what other tools made for the Python servers in an earlier run"
    add("--fresh", action="store_true", help=fresh)
    add("--no-build", action="store_true", help="run neither tools/setup nor tools/build")
    dist = "measure the onefold and the bootloaders of this directory (implies --no-build)"
    add("--dist", metavar="DIR", type=Path, default=DIST, help=dist)
    output = "the report (default: docs/benchmarks.md)"
    add("-o", dest="output", metavar="FILE", type=Path, help=output)
    return parser


def parse_options() -> argparse.Namespace:
    parser = make_parser()
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs needs a number of at least 1")
    if options.refresh and (options.quick or not options.only):
        parser.error("--refresh goes with --only, and not with --quick")
    if options.quick:
        options.runs = 3
    whole = not (options.only or options.quick)
    if options.output is None and (whole or options.refresh):
        options.output = REPORT
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
    keeps = options.refresh or not (options.only or options.quick)
    if not (keeps and options.output and options.output.exists()):
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


def measure(options: argparse.Namespace) -> tuple[str, list[Cost]]:
    """The report, and what its parts took."""
    costs: list[Cost] = []
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
    return text, costs + workshop.costs


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.umask(0o022)
    hold_alone()
    with costing("all of it") as cost:
        text, costs = measure(options)
    if not options.only:
        text = with_costs([*costs, cost], text)
    if options.output:
        options.output.write_text(text)
        say(f"wrote {options.output}")
    else:
        print(text, end="")


def run() -> None:
    end_with(main, say)
