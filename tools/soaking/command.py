"""The command line of tools/soak."""

from __future__ import annotations

import argparse
import os
import signal
import sys

from common.basics import end_with, names_of

from .report import SECTIONS, refresh, section_of
from .soak import REPORT, Soak, say


def point_of(text: str) -> tuple[str, str]:
    section, colon, point = text.partition(":")
    if not (colon and point):
        raise argparse.ArgumentTypeError("a point is SECTION:POINT, as a failure was told")
    [name] = names_of("section", SECTIONS)(section)
    return name, point


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="tools/soak",
        description="Tries Onefold's launch against all that can go wrong with it.",
    )
    parser.add_argument(
        "--only",
        metavar="SECTIONS",
        type=names_of("section", SECTIONS),
        action="extend",
        help=f"only these sections, separated by commas, of {', '.join(SECTIONS)}. May be repeated",
    )
    parser.add_argument(
        "--seconds",
        metavar="N",
        type=int,
        help="that each section may take at most (default: as many as its points need)",
    )
    parser.add_argument(
        "--refresh",
        action="store_true",
        help="write the tables to docs/reliability.md as well",
    )
    parser.add_argument(
        "--point",
        metavar="SECTION:POINT",
        type=point_of,
        help="try this one point alone, as a failure named it",
    )
    options = parser.parse_args()
    if options.seconds is not None and options.seconds < 1:
        parser.error("--seconds needs a number of at least 1")
    if options.point and (options.only or options.refresh):
        parser.error("--point goes with neither --only nor --refresh")
    return options


def main() -> int:
    options = parse_options()
    signal.signal(signal.SIGTERM, lambda number, _: sys.exit(128 + number))
    os.umask(0o022)
    only, point = (options.point[:1], options.point[1]) if options.point else (None, None)
    failures = 0
    for name in only or options.only or SECTIONS:
        soak = Soak(name, options.seconds, point)
        body = section_of(soak)
        failures += soak.failures
        print(f"## {name}\n\n{body}", flush=True)
        if options.refresh:
            refresh(REPORT, name, body)
    if failures:
        say(f"{failures} failures")
    return 1 if failures else 0


def run() -> None:
    end_with(main, say)
