"""Sections that try the points of test cases (Tests/EndToEnd/points.py): what the world does to a
launch."""

from __future__ import annotations

import random
import unittest
from typing import Iterator, Optional

from .soak import Row, Soak

# Beside the tests; soak.py says where that is.
from points import Points  # isort: skip
import test_launch_concurrent as concurrent  # isort: skip
import test_launch_limits as limits  # isort: skip
import test_launch_powercut as powercut  # isort: skip
import test_launch_upgrade as upgrade  # isort: skip


def concurrency(soak: Soak) -> Iterator[Row]:
    return rows(soak, concurrent.SmallRounds, concurrent.LargeRounds)


def all_limits(soak: Soak) -> Iterator[Row]:
    return rows(
        soak,
        limits.Space,
        limits.LargeSpace,
        limits.Inodes,
        limits.FullExt4,
        limits.FullXfs,
        limits.FullBtrfs,
        limits.QuotaBtrfs,
        limits.QuotaExt4,
        limits.Obstacles,
        limits.Resources,
    )


def power_cuts(soak: Soak) -> Iterator[Row]:
    return rows(
        soak,
        powercut.Ext4,
        powercut.Ext4Writeback,
        powercut.Ext4WithoutJournal,
        powercut.Xfs,
        powercut.Btrfs,
        powercut.F2fs,
        powercut.Ext4Repair,
        powercut.XfsRepair,
    )


def upgrades(soak: Soak) -> Iterator[Row]:
    return rows(soak, upgrade.Walk)


def rows(soak: Soak, *cases: type[Points]) -> Iterator[Row]:
    for number, case in enumerate(cases):
        until = None
        if soak.seconds is not None:
            # Each gets its share of what is left.
            until = soak.elapsed + (soak.seconds - soak.elapsed) / (len(cases) - number)
        yield row(soak, case, until)


def row(soak: Soak, case: type[Points], until: Optional[float]) -> Row:
    """Tries all points of a test case, or as many as there is time for `until` the section has taken
    so many seconds. The name of a point begins with the case's."""
    result = Row(case.what, 0, 0, 0)
    if soak.point is not None and not soak.point.startswith(f"{case.__name__}/"):
        return result
    test = case()
    try:
        case.setUpClass()
        test.setUp()
        points = list(test.points(full=True))
        if until is not None:
            # What there is no time for is then spread over all of them.
            random.Random(0).shuffle(points)
        for point in soak.progress(case.what, points, len(points)):
            name = f"{case.__name__}/{point}"
            if not soak.wants(name):
                continue
            if until is not None and soak.elapsed >= until:
                break
            result.tried += 1
            try:
                result.injected += test.attempt(point)
            except Exception as error:
                # One line of it; the point tells the rest.
                soak.failed(name, f"{type(error).__name__}: {error}".replace("\n", " ")[:500])
                result.failures += 1
                # What the attempt left must not harm the next.
                test.doCleanups()
                test.setUp()
        result.note = test.note()
    except unittest.SkipTest as reason:
        result.note = f"skipped: {reason}"
    finally:
        test.doCleanups()
        case.doClassCleanups()
    return result
