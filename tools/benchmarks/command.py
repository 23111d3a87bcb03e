"""The command line of tools/bench."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from .bench import Bench, Cost, costing
from .places import find_places
from .preparing import downloads, prepare
from .report import ON_REQUEST, SECTIONS, kept, other_machine, report, with_costs
from .running import Failure, Part, REPORT, REPOSITORY, WORK, say
from .trees import Workshop

DIST = REPOSITORY / "dist"


def section_names(text: str) -> list[str]:
    names = text.split(",")
    for name in names:
        if name not in SECTIONS:
            known = ", ".join(SECTIONS)
            raise argparse.ArgumentTypeError(f"no section {name!r}: there are {known}")
    return names


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/bench",
        description="Measures Onefold side by side with what else does the same work,"
        " and writes docs/benchmarks.md.",
        epilog="As root it measures on ext4 as well. With --only or --quick the report goes to"
        " standard output unless -o names a file or --refresh is given.",
    )
    parser.add_argument(
        "--only",
        metavar="SECTIONS",
        type=section_names,
        action="extend",
        help=f"measure only these sections, separated by commas, of {', '.join(SECTIONS)};"
        f" {', '.join(ON_REQUEST)} are measured only when asked for. May be repeated",
    )
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="with --only: keep the other sections of the report as they are",
    )
    parser.add_argument(
        "--runs",
        metavar="N",
        type=int,
        default=11,
        help="turns that are measured (default: 11)",
    )
    parser.add_argument(
        "--quick", action="store_true", help="3 turns and small examples, to try it"
    )
    parser.add_argument(
        "--fresh",
        action="store_true",
        help="build again what other tools made for the Python servers in an earlier run",
    )
    parser.add_argument(
        "--no-build",
        action="store_true",
        help="run neither tools/setup nor tools/build",
    )
    parser.add_argument(
        "--dist",
        metavar="DIR",
        type=Path,
        default=DIST,
        help="measure the onefold and the bootloaders of this directory (implies --no-build)",
    )
    parser.add_argument(
        "-o",
        dest="output",
        metavar="FILE",
        type=Path,
        help="the report (default: docs/benchmarks.md)",
    )
    options = parser.parse_args()
    if options.runs < 1:
        parser.error("--runs needs a number of at least 1")
    if options.refresh and (options.quick or not options.only):
        parser.error("--refresh goes with --only, and not with --quick")
    if options.quick:
        options.runs = 3
    if options.output is None and not (options.only or options.quick):
        options.output = REPORT
    if options.output is None and options.refresh:
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


def run_tool(*command: Part) -> Cost:
    name = Path(command[0]).name
    with costing(f"`tools/{name}`") as cost:
        if subprocess.run(command, stdout=sys.stderr).returncode != 0:
            raise Failure(f"{name} failed")
    return cost


def build() -> list[Cost]:
    tools = REPOSITORY / "tools"
    costs = [run_tool(tools / "setup", "--tests")]
    with downloads():
        costs.append(run_tool(tools / "build"))
    return costs


def earlier_text(options: argparse.Namespace) -> str:
    """What is left as it is of the report that is there."""
    if not options.output or not options.output.exists():
        return ""
    text = options.output.read_text()
    other = other_machine(text)
    if options.refresh:
        if other:
            raise Failure(
                f"{options.output.name} was measured on another machine ({other}):"
                " measure all of it, without --only"
            )
        return text
    if options.only or options.quick:
        return ""
    if other:
        say(
            f"what is measured on request is left out: it is of another machine ({other})"
        )
        return ""
    return kept(text)


def measure(options: argparse.Namespace) -> tuple[str, list[Cost]]:
    """The report, and what its parts took."""
    costs = build() if not options.no_build and options.dist == DIST else []
    bench = Bench(
        Workshop(options.dist.resolve()),
        find_places(),
        options.runs,
        options.quick,
        options.fresh,
        costs=costs,
        pictures=options.output.with_suffix("") if options.output else None,
    )
    text = earlier_text(options)
    names = options.only or [name for name in SECTIONS if name not in ON_REQUEST]
    prepare(bench, names)
    for name in names:
        text = report(bench, name, text)
        if options.output:  # a section that fails loses nothing of those before it
            options.output.write_text(text)
    return text, bench.costs


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
    try:
        main()
    except (Failure, OSError) as error:
        say(str(error))
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)
