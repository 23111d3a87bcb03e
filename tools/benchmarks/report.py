"""The report: what is measured, in which order, and the document."""

from __future__ import annotations

import os
import re
import time
from typing import Callable, Optional

from .bench import Bench, Cost
from .building import building, heavy
from .cold import cold
from .figures import SPREAD, figure, prose, table
from .levels import levels
from .machine import SAME_MACHINE, facts_of_machine, onefold_version
from .memory import memory
from .packing import pack
from .phases import phases
from .profile import profile
from .running import Unavailable, say
from .scale import scale
from .servers import cachibot, servers
from .sizes import sizes
from .sources import sources
from .start import start
from .warm import warm

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
    "profile": ("Where unpacking spends its time", profile),
    "levels": ("Compression levels", levels),
}
ON_REQUEST = ("cachibot", "building", "heavy", "sources", "levels")

METHOD = f"""
    Times are medians where nothing else is said. Whatever is compared takes turns, in another order
    each turn, after a first turn that does not count; ratios and differences are those of the same
    turn, of which the median is given. *{SPREAD}* are the least figure and the quartiles. A time
    runs from before `posix_spawn` until `wait4` has returned. The first line of a section says what
    was measured, when, and in how many turns where nothing else is said.
"""

PLACES = """
    **tmpfs** is memory: the cheapest file system there is.

    **ext4** is a new file system with a journal, in a file that is mounted as a loop device. After
    each run what it made is removed and the file system synchronised. It is not the machine's own
    file system, whose age and settings would be measured as well: without a journal, for example,
    creating files after many were removed takes ten times as long. Mounting it needs root; without,
    everything is measured on tmpfs, and the sections say so.
"""

REPEATING = f"""
    To repeat this: `tools/bench`, as root for ext4. *What this run cost* says how long it takes, on
    a machine that had nothing of it but Swift and Python. Not in it, because each takes many minutes,
    are {", ".join(f"*{SECTIONS[name][0]}*" for name in ON_REQUEST)}: their first lines say when they were
    measured, and of which version. `tools/bench --only SECTION --refresh` measures a section again and
    leaves the others as they are.
"""

TARGET_HEADS = ["target", "limit", "measured", "", "section"]
HEADING = re.compile(r"^## (.+)\n\n", re.MULTILINE)
TARGETS, MACHINE, COSTS = "Targets", "Machine", "What this run cost"


# The document


def parts_of(text: str) -> dict[str, str]:
    """The sections of an earlier report, by title."""
    pieces = HEADING.split(text)[1:]
    return {title: body.rstrip("\n") + "\n" for title, body in zip(*[iter(pieces)] * 2)}


def rows_of(body: str) -> list[list[str]]:
    """The cells of a section's first table, without its heads."""
    lines = [line for line in body.splitlines() if line.startswith("|")]
    return [[cell.strip() for cell in line.split("|")[1:-1]] for line in lines[2:]]


def machine_of(body: str) -> dict[str, str]:
    return dict(re.findall(r"^- (.+?): (.+)$", body, re.MULTILINE))


def other_machine(text: str) -> Optional[str]:
    """How the machine of a report is not this one. Figures of two machines in one report would be
    compared."""
    earlier = machine_of(parts_of(text).get(MACHINE, ""))
    facts = facts_of_machine()
    for name in SAME_MACHINE:
        if earlier.get(name, facts[name]) != facts[name]:
            return f"{name}: {earlier[name]}, here {facts[name]}"
    return None


def kept(text: str) -> str:
    """A report with those sections of an earlier one that are measured only on request."""
    earlier = parts_of(text)
    titles = [SECTIONS[name][0] for name in ON_REQUEST]
    parts = {title: earlier[title] for title in titles if title in earlier}
    rows = [row for row in rows_of(earlier.get(TARGETS, "")) if row[-1] in titles]
    parts[TARGETS] = table(TARGET_HEADS, rows)
    return document(parts)


def document(parts: dict[str, str]) -> str:
    text = "# Benchmarks\n\nWritten by `tools/bench`; do not edit.\n"
    for paragraph in (METHOD, *PLACES.split("\n\n"), REPEATING):
        text += "\n" + prose(paragraph)
    titles = [TARGETS, MACHINE, *(title for title, _ in SECTIONS.values()), COSTS]
    for title in titles:
        if title in parts:
            text += f"\n## {title}\n\n{parts[title]}"
    return text


# Measuring


def measured(bench: Bench, name: str) -> str:
    """A section's text; adds to the bench's targets."""
    bench.section, measure = SECTIONS[name]
    version = onefold_version(bench.workshop)
    load = figure(os.getloadavg()[0], 2)
    day = time.strftime("%Y-%m-%d", time.gmtime())
    say(f"{name} ...")
    with bench.costing(f"section *{bench.section}*"):
        body = measure(bench)
    first = f"*{version}, {day}; {bench.turns} turns; load when it began: {load}.*"
    return f"{first}\n\n{body}"


def report(bench: Bench, name: str, earlier: str = "") -> str:
    """Measures a section; the others are those of an earlier report."""
    parts = parts_of(earlier)
    title, _ = SECTIONS[name]
    rows = rows_of(parts.get(TARGETS, ""))
    try:
        parts[title] = measured(bench, name)
        rows = [row for row in rows if row[-1] != title]
        rows += [target.row() for target in bench.targets if target.section == title]
    except Unavailable as reason:
        say(f"{name}: {reason}")
        parts.setdefault(title, f"Not measured: {reason}.\n")
    order = [title for title, _ in SECTIONS.values()]
    rows.sort(key=lambda row: order.index(row[-1]) if row[-1] in order else len(order))
    facts = {**machine_of(parts.get(MACHINE, "")), **facts_of_machine()}
    parts[TARGETS] = table(TARGET_HEADS, rows)
    parts[MACHINE] = "".join(f"- {name}: {fact}\n" for name, fact in facts.items())
    return document(parts)


def with_costs(costs: list[Cost], text: str) -> str:
    """The report, with what its making took."""
    parts = parts_of(text)
    rows = [[cost.what, figure(cost.seconds), figure(cost.processor)] for cost in costs]
    said = """
        In the order in which they ended. What a section has to make first, because nothing did
        before, is in it, and has a line of its own before it. *Processor* is user and system time of all
        its processes; of what is made side by side, that of both.
    """
    parts[COSTS] = f"{prose(said)}\n{table(['what', 's', 'processor, s'], rows)}"
    return document(parts)
