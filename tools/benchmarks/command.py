"""The command line of tools/bench."""

from __future__ import annotations

import argparse
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

from .bench import Bench
from .places import find_places
from .report import ON_REQUEST, SECTIONS, check_machine, report
from .running import Failure, Part, REPORT, REPOSITORY, WORK, say
from .trees import Workshop


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
        " heavy and levels are measured only when asked for. May be repeated",
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
        default=REPOSITORY / "dist",
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


def run_tool(*command: Part) -> None:
    if subprocess.run(command, stdout=sys.stderr).returncode != 0:
        raise Failure(f"{Path(command[0]).name} failed")


def main() -> None:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.umask(0o022)
    hold_alone()
    if not options.no_build and options.dist == REPOSITORY / "dist":
        run_tool(REPOSITORY / "tools" / "setup", "--tests")
        run_tool(REPOSITORY / "tools" / "build")
    if options.refresh:
        check_machine(options.output)
    bench = Bench(
        Workshop(options.dist.resolve()),
        find_places(),
        options.runs,
        options.quick,
        options.fresh,
    )
    names = options.only or [name for name in SECTIONS if name not in ON_REQUEST]
    text = options.output.read_text() if options.refresh else ""
    for name in names:
        text = report(bench, name, text)
        if options.refresh:
            options.output.write_text(text)
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
