"""Tests of many points, of which tools/test tries some and tools/soak all."""

from __future__ import annotations

from typing import Iterable

from support import Case


class Points(Case):
    """A test case with points: moments, sizes or seeds, each with a name from which it can be
    repeated. A subclass says which there are and what is tried at one; `test_...` calls
    `try_some`."""

    #: What is tried, for the table of tools/soak.
    what: str

    def points(self, full: bool) -> Iterable[str]:
        """All points, or with `full` false some that say as much as can be said in seconds; the
        same in each run."""
        raise NotImplementedError

    def attempt(self, point: str) -> bool:
        """Returns whether the disturbance came about. Fails as tests do where a promise is
        broken."""
        raise NotImplementedError

    def note(self) -> str:
        """Figures that were found, for the table."""
        return ""

    def try_some(self) -> int:
        """Returns at how many points the disturbance came about."""
        injected = 0
        for point in self.points(full=False):
            with self.subTest(point):
                injected += self.attempt(point)
        return injected


def evenly(items: list[int], count: int) -> list[int]:
    """At most so many of the items, among them the first and the last."""
    if len(items) <= count:
        return items
    return [items[index * (len(items) - 1) // (count - 1)] for index in range(count)]
