"""Sections: kill and fault."""

from __future__ import annotations

import unittest
from typing import Callable, Iterator, Sequence

from common.basics import Failure, Unavailable

from .soak import Row, Soak  # Before what it makes importable.
from .world import rows

from points import Points
from sweep_support import (
    FAULTED,
    KILLED,
    LIMITS,
    Point,
    Scenario,
    fault_points,
    kill_points,
    limit_points,
    outcomes,
    scenarios,
)
from test_sweep_fetch import FetchFaulted, FetchKilled

PointsOf = Callable[[Scenario], Sequence[Point]]

# Workers come to their calls in another order each time.
ROUNDS = {"framed": 5, "update": 5, "warm-full": 5, "confirm": 5, "repair-framed": 5}


def kill(soak: Soak) -> Iterator[Row]:
    if not is_of_case(soak, FetchKilled):
        yield from swept(soak, KILLED, kill_points, "", ROUNDS)
    if soak.point is None or is_of_case(soak, FetchKilled):
        yield from rows(soak, FetchKilled)


def fault(soak: Soak) -> Iterator[Row]:
    if not is_of_case(soak, FetchFaulted):
        yield from swept(soak, FAULTED, fault_points, "calls that fail or are shortened", {})
        yield from swept(soak, FAULTED, limit_points, "limits of memory and descriptors", {})
    if soak.point is None or is_of_case(soak, FetchFaulted):
        yield from rows(soak, FetchFaulted)


def is_of_case(soak: Soak, case: type[Points]) -> bool:
    """Whether only a point of this test case is tried."""
    return soak.point is not None and soak.point.startswith(f"{case.__name__}/")


def swept(
    soak: Soak, names: Sequence[str], points_of: PointsOf, what: str, rounds: dict[str, int]
) -> Iterator[Row]:
    only = given(soak.point) if soak.point is not None else None
    for one in scenarios(names):
        times = rounds.get(one.name, 1) if only is None else 1
        try:
            points = list(points_of(one)) if only is None else [only]
        except unittest.SkipTest as reason:
            raise Unavailable(f"{soak.section} can't be tried here: {reason}") from reason
        if only and not (only.scenario == one.name and is_of(points_of, only)):
            continue
        tried = injected = failures = 0
        title = f"{one.what}: {what}" if what else one.what
        for outcome in soak.progress(title, outcomes(points * times), len(points) * times):
            tried += 1
            injected += outcome.disturbed is not None
            if outcome.failure is not None:
                failures += 1
                soak.failed(str(outcome.point), f"{outcome.disturbed}: {outcome.failure}")
        if tried:
            note = f"{len(one.calls)} system calls" + (f", {times} rounds" if times > 1 else "")
            yield Row(title, tried, injected, failures, note)


def is_of(points_of: PointsOf, point: Point) -> bool:
    """Whether a point of the fault sweep is of the limits, or of the calls."""
    return (point.action in LIMITS) == (points_of is limit_points)


def given(text: str) -> Point:
    try:
        return Point.parse(text)
    except ValueError as error:
        raise Failure(str(error)) from error
