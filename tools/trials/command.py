"""The command tools/applications."""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import tempfile
import time
from pathlib import Path

from common.basics import REPOSITORY
from common.documents import commit_without, figure, table, with_section

from .known import PROJECTS, Project
from .trial import Failed, Outcome, try_project

ONEFOLD = REPOSITORY / "dist" / "onefold"
REPORT = REPOSITORY / "docs" / "guides" / "applications.md"
KEPT = REPOSITORY / ".build" / "applications-measured.json"

#: Cells of the table by the name of the project.
Rows = dict[str, list[str]]


def main() -> None:
    usage = "%(prog)s [--only NAMES] [--refresh] [--resume]"
    parser = argparse.ArgumentParser(prog="tools/applications", usage=usage)
    parser.add_argument("--only", default="", metavar="NAMES")
    parser.add_argument("--refresh", action="store_true")
    parser.add_argument("--resume", action="store_true")
    options = parser.parse_args()
    # A name has commas itself: "Django, gunicorn".
    wanted = [name.strip() for name in options.only.split(";") if name.strip()]
    chosen = [project for project in PROJECTS if not wanted or project.name in wanted]
    if not chosen or len(chosen) < len(wanted):
        parser.error("the names are: " + "; ".join(project.name for project in PROJECTS))
    rows = measured_before() if options.resume else {}
    failures = []
    for project in chosen:
        if project.name in rows and not wanted:
            continue
        print(f"{project.name} ...", file=sys.stderr, flush=True)
        try:
            rows[project.name] = measure(project)
        except Failed as error:
            rows.pop(project.name, None)
            failures.append(project.name)
            print(f"  FAILED: {error}", file=sys.stderr, flush=True)
        # Each by itself, so that a run that is ended is not lost.
        keep(rows)
        if options.refresh:
            REPORT.write_text(with_section(REPORT, REPORT.read_text(), "tools/applications: table", report(rows)))
    print(report(rows))
    if failures:
        sys.exit(f"tools/applications: failed: {'; '.join(failures)}")


def measure(project: Project) -> list[str]:
    environment = {**os.environ, "ONEFOLD_PACK_CACHE": os.fspath(REPOSITORY / ".build" / "applications-cache")}
    with tempfile.TemporaryDirectory(prefix="onefold-applications-") as work:
        cells = row(try_project(project, ONEFOLD, Path(work), environment))
    print("  " + " | ".join(cells), file=sys.stderr, flush=True)
    return cells


# What was measured before


def packer() -> str:
    return hashlib.sha256(ONEFOLD.read_bytes()).hexdigest()


def measured_before() -> Rows:
    """What earlier runs measured with the same packer."""
    kept = json.loads(KEPT.read_text()) if KEPT.exists() else {}
    return kept["rows"] if kept.get("packer") == packer() else {}


def keep(rows: Rows) -> None:
    KEPT.write_text(json.dumps({"packer": packer(), "rows": rows}))


# The table


def report(rows: Rows) -> str:
    day = time.strftime("%Y-%m-%d", time.gmtime())
    head = f"*{day}, {commit_without([REPORT])}; no application was edited.*\n\n"
    figures = ("edits", "MB", "pack s", "cold ms", "warm ms")
    heads = ["application", "version", *figures, "found by `init`", "to know"]
    names = [project.name for project in PROJECTS]
    text = head + table(heads, [rows[name] for name in names if name in rows], figures)
    missing = [name for name in names if name not in rows]
    return text + (f"\nNot measured in this run: {'; '.join(missing)}.\n" if missing else "")


def row(one: Outcome) -> list[str]:
    return [
        one.project.name, one.version, "0", figure(one.bytes_out / 1e6, 1), figure(one.pack_seconds, 1),
        figure(one.cold), figure(one.warm), one.found or f"`--package {one.project.package}`", one.project.remark,
    ]  # fmt: skip
