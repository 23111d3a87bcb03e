"""The report: what is measured, in which order, and the document."""

from __future__ import annotations

import os
import re
import time
from typing import Callable, Optional

from common.basics import Unavailable
from common.documents import figure, table

from .bench import Bench
from .building import building, heavy
from .figures import SPREAD, cells, table_of
from .machine import SAME_MACHINE, facts_of_machine, onefold_version
from .packing import pack, sizes
from .running import say
from .scale import scale
from .servers import cachibot, servers, sources
from .starts import phases, start
from .texts import parts_of, text
from .timing import Cost
from .unpacking import cold, levels
from .updates import large_updates, updates
from .warm import memory, warm

SECTIONS: dict[str, tuple[str, Callable[[Bench], str]]] = {
    "sizes": ("Sizes", sizes),
    "warm": ("Warm launches", warm),
    "memory": ("Memory", memory),
    "cold": ("Cold unpacking", cold),
    "phases": ("Phases of a launch", phases),
    "start": ("Start of a Node.js server", start),
    "servers": ("A small Python server", servers),
    "cachibot": ("A large Python server", cachibot),
    "building": ("Building", building),
    "heavy": ("A gigabyte of libraries", heavy),
    "sources": ("Sources", sources),
    "pack": ("Packing", pack),
    "scale": ("Scale", scale),
    "levels": ("Compression levels", levels),
    "updates": ("Updates", updates),
    "large-updates": ("Updates of a large server", large_updates),
}
ON_REQUEST = ("cachibot", "building", "heavy", "sources", "levels", "updates", "large-updates")
TITLES = [title for title, _ in SECTIONS.values()]

TARGET_HEADS = ["target", "limit", "measured", "", "section"]
TARGETS, MACHINE, COSTS = "Targets", "Machine", "What this run cost"


# The document


def rows_of(body: str) -> list[list[str]]:
    """The cells of a section's first table, without its heads."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def machine_of(body: str) -> dict[str, str]:
    return dict(re.findall(r"^- (.+?): (.+)$", body, re.MULTILINE))


def other_machine(report: str) -> Optional[str]:
    """How the machine of a report differs from this one; figures of two can't be compared."""
    earlier = machine_of(parts_of(report).get(MACHINE, ""))
    facts = facts_of_machine()
    for name in SAME_MACHINE:
        if earlier.get(name, facts[name]) != facts[name]:
            return f"{name}: {earlier[name]}, here {facts[name]}"
    return None


def kept(report: str) -> str:
    """A report with those sections of an earlier one that are measured only on request."""
    earlier = parts_of(report)
    titles = [SECTIONS[name][0] for name in ON_REQUEST]
    parts = {title: earlier[title] for title in titles if title in earlier}
    rows = [row for row in rows_of(earlier.get(TARGETS, "")) if row[-1] in titles]
    parts[TARGETS] = table(TARGET_HEADS, rows)
    return document(parts)


def document(parts: dict[str, str]) -> str:
    on_request = ", ".join(f"*{SECTIONS[name][0]}*" for name in ON_REQUEST)
    result = text("head", on_request=on_request, spread=SPREAD)
    for title in (TARGETS, MACHINE, *TITLES, COSTS):
        if title in parts:
            result += f"\n## {title}\n\n{parts[title]}"
    return result


# Measuring


def report(bench: Bench, name: str, earlier: str = "") -> str:
    """Measures a section; the others are those of an earlier report."""
    parts = parts_of(earlier)
    rows = rows_of(parts.get(TARGETS, ""))
    title, measure = SECTIONS[name]
    bench.section, version = title, onefold_version(bench.workshop)
    day, load = time.strftime("%Y-%m-%d", time.gmtime()), figure(os.getloadavg()[0], 2)
    head = f"*{version}, {day}; {bench.turns} turns; load when it began: {load}.*"
    say(f"{name} ...")
    try:
        with bench.workshop.costing(f"section *{title}*"):
            parts[title] = f"{head}\n\n{measure(bench)}"
        rows = [row for row in rows if row[-1] != title]
        rows += [target.row() for target in bench.targets if target.section == title]
    except Unavailable as reason:
        say(f"{name}: {reason}")
        parts.setdefault(title, f"Not measured: {reason}.\n")
    rows.sort(key=lambda row: TITLES.index(row[-1]) if row[-1] in TITLES else len(TITLES))
    facts = {**machine_of(parts.get(MACHINE, "")), **facts_of_machine()}
    parts[TARGETS] = table(TARGET_HEADS, rows)
    parts[MACHINE] = "".join(f"- {name}: {fact}\n" for name, fact in facts.items())
    return document(parts)


def with_costs(costs: list[Cost], report: str) -> str:
    """The report, with what its making took."""
    parts = parts_of(report)
    heads = "what | s:0 | CPU, s:0"
    rows = [cells(heads, cost.what, cost.seconds, cost.processor) for cost in costs]
    parts[COSTS] = text("costs", table=table_of(rows))
    return document(parts)
