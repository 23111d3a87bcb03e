"""The command tools/applications."""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from benchmarks.figures import figure, table
from benchmarks.machine import commit_without
from benchmarks.running import REPOSITORY
from benchmarks.sections import with_section

from .known import PROJECTS
from .trial import Failed, Outcome, try_project

ONEFOLD = REPOSITORY / "dist" / "onefold"
REPORT = REPOSITORY / "docs" / "guides" / "applications.md"


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools/applications", usage="%(prog)s [--only NAMES] [--refresh]")
    parser.add_argument("--only", default="", metavar="NAMES")
    parser.add_argument("--refresh", action="store_true")
    options = parser.parse_args()
    wanted = [name.strip() for name in options.only.split(",") if name.strip()]
    chosen = [project for project in PROJECTS if not wanted or project.name in wanted]
    if not chosen or len(chosen) < len(wanted):
        parser.error("the names are: " + ", ".join(project.name for project in PROJECTS))
    environment = {**os.environ, "ONEFOLD_PACK_CACHE": os.fspath(REPOSITORY / ".build" / "applications-cache")}
    outcomes, failures = [], []
    for project in chosen:
        print(f"{project.name} ...", file=sys.stderr, flush=True)
        with tempfile.TemporaryDirectory(prefix="onefold-applications-") as work:
            try:
                outcomes.append(try_project(project, ONEFOLD, Path(work), environment))
                print("  " + " | ".join(row(outcomes[-1])), file=sys.stderr, flush=True)
            except Failed as error:
                failures.append(project.name)
                print(f"  FAILED: {error}", file=sys.stderr, flush=True)
    text = report(outcomes)
    print(text)
    if options.refresh and not failures:
        document = REPORT.read_text()
        REPORT.write_text(with_section(REPORT, document, "tools/applications: table", text))
    if failures:
        sys.exit(f"tools/applications: failed: {', '.join(failures)}")


def report(outcomes: list[Outcome]) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"*{day}, {commit_without([REPORT])}; no application was edited.*\n\n"
    figures = ("edits", "MB", "pack s", "cold ms", "warm ms")
    heads = ["application", "version", *figures, "found by `init`", "to know"]
    return head + table(heads, map(row, outcomes), figures)


def row(one: Outcome) -> list[str]:
    return [
        one.project.name, one.version, "0", figure(one.bytes_out / 1e6, 1), figure(one.pack_seconds, 1),
        figure(one.cold), figure(one.warm), one.found or f"`--package {one.project.package}`", one.project.remark,
    ]  # fmt: skip
