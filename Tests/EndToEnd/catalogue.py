"""The texts of a launch, from the snapshot that Tests/Launcher makes of the code."""

from __future__ import annotations

import functools

from support import REPOSITORY

SNAPSHOT = REPOSITORY / "Tests" / "Launcher" / "Snapshots" / "messages.txt"


@functools.lru_cache(maxsize=None)
def lines() -> tuple[tuple[str, str], ...]:
    """Kind and text of each line."""
    pairs = (line.partition(": ") for line in SNAPSHOT.read_text("utf-8").splitlines())
    return tuple((kind, text) for kind, _, text in pairs)


def texts(kind: str) -> list[str]:
    return [text for this, text in lines() if this == kind]


def faults() -> dict[str, str]:
    """The text of each fault of the format, by its name."""
    return {kind.partition(" ")[2]: text for kind, text in lines() if kind.startswith("fault ")}


def events() -> dict[str, list[str]]:
    """The members of each event of ONEFOLD_PROGRESS, sorted."""
    found: dict[str, set[str]] = {}
    for text in texts("event"):
        event, *members = text.split()
        found.setdefault(event, set()).update(members)
    return {event: sorted(members) for event, members in found.items()}
