"""The sections, and where their tables stand in docs/reliability.md."""

from __future__ import annotations

import re
import time
from pathlib import Path
from typing import Callable, Iterable, Iterator

from common.basics import Failure
from common.documents import figure, with_section

from . import world
from .damage import flips, fuzz
from .soak import REPOSITORY, Row, Soak, say
from .sweeps import fault, kill

SECTIONS: dict[str, Callable[[Soak], Iterator[Row]]] = {
    "kill": kill,
    "fault": fault,
    "concurrency": world.concurrency,
    "limits": world.all_limits,
    "powercut": world.power_cuts,
    "upgrade": world.upgrades,
    "others": world.others,
    "flips": flips,
    "fuzz": fuzz,
}

HEADS = ["what", "points tried", "faults injected", "failures", "note"]


def table(rows: Iterable[Row]) -> str:
    """Text, three figures, text."""
    lines = [HEADS, ["---", "---:", "---:", "---:", "---"]]
    for row in rows:
        figures = [figure(value) for value in (row.tried, row.injected, row.failures)]
        lines.append([row.what, *figures, row.note])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def section_of(soak: Soak) -> str:
    """Runs a section; its table, with a line on when and how."""
    say(f"{soak.section} ...")
    rows = []
    for row in SECTIONS[soak.section](soak):
        say(f"{soak.section}: {row.what}: {row.tried:,} tried, {row.failures} failures")
        rows.append(row)
    if soak.point is not None and not any(row.tried for row in rows):
        raise Failure(f"{soak.section} has no point {soak.point}")
    if soak.failures != sum(row.failures for row in rows):
        # A figure in the document that hides a failure would be worse than none.
        raise Failure(f"{soak.section} told {soak.failures} failures, and its table has others")
    seconds = figure(soak.elapsed)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    say(f"{soak.section}: {seconds} s")
    limited = f", of at most {figure(soak.seconds)}" if soak.seconds is not None else ""
    return f"*{day}; {seconds} s{limited}.*\n\n{table(rows)}"


def summary(document: str) -> str:
    """The sums of each section's table, as it stands in the document."""
    lines = [["section", *HEADS[1:4]], ["---", "---:", "---:", "---:"]]
    figures = re.compile(r"^\|.*\| ([\d,]+) \| ([\d,]+) \| ([\d,]+) \|", re.MULTILINE)
    for name in SECTIONS:
        found = re.search(f"<!-- soak: {name} -->\n(.*?)<!-- end -->", document, re.DOTALL)
        sums = [0, 0, 0]
        for row in figures.findall(found[1] if found else ""):
            sums = [so_far + int(value.replace(",", "")) for so_far, value in zip(sums, row)]
        lines.append([f"`{name}`", *map(figure, sums)])
    return "".join("| " + " | ".join(line) + " |\n" for line in lines)


def refresh(path: Path, name: str, body: str) -> None:
    document = with_section(path, path.read_text(), f"soak: {name}", body)
    path.write_text(with_section(path, document, "soak: summary", summary(document)))
    say(f"wrote the table of {name} to {path.relative_to(REPOSITORY)}")
