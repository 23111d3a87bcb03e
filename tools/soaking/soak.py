"""What the sections share."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Iterable, Iterator, Optional, TypeVar

REPOSITORY = Path(__file__).resolve().parents[2]
REPORT = REPOSITORY / "docs" / "reliability.md"

# The code that sections share with the tests: `import support` and its like.
sys.path.insert(0, str(REPOSITORY / "Tests" / "EndToEnd"))

PROGRESS_SECONDS = 10

Item = TypeVar("Item")


def say(message: str) -> None:
    print(f"soak: {message}", file=sys.stderr, flush=True)


@dataclass
class Row:
    """A line of a section's table."""

    what: str
    tried: int  # points: launches, inputs, moments
    injected: int  # of them those at which the fault came into being
    failures: int  # of what is promised; each was told by `Soak.failed`
    note: str = ""


@dataclass
class Soak:
    """The run of one section."""

    section: str
    seconds: Optional[float] = None  # that the section may take; None: as long as it needs
    point: Optional[str] = None  # the only one to be tried, as an earlier failure named it
    started: float = field(default_factory=time.monotonic)
    failures: int = 0

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.started

    @property
    def is_over(self) -> bool:
        """For what could go on for ever, or has more points than there is time for."""
        return self.seconds is not None and self.elapsed >= self.seconds

    def wants(self, point: str) -> bool:
        """Whether the point is to be tried, where all are known by name."""
        return self.point is None or self.point == point

    def failed(self, point: str, reason: str) -> None:
        """Tells of a failure and how to repeat it. `point` is the text that `--point` takes after the
        section's name: it has to say all, a random seed for example."""
        self.failures += 1
        say(f"FAILED: {self.section}:{point}: {reason}")
        say(f"  repeat: tools/soak --point '{self.section}:{point}'")

    def progress(self, what: str, items: Iterable[Item], total: Optional[int] = None) -> Iterator[Item]:
        """The items; says now and then how many of them are done. Ends early when time is over."""
        last = time.monotonic()
        for number, item in enumerate(items):
            if self.is_over:
                say(f"{self.section}: {what}: time is over after {number:,} points")
                return
            if time.monotonic() - last >= PROGRESS_SECONDS:
                last = time.monotonic()
                of = f" of {total:,}" if total is not None else ""
                say(f"{self.section}: {what}: {number:,}{of}, {self.failures} failures")
            yield item
