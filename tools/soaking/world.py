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
import test_others_cleanup as others_cleanup  # isort: skip
import test_others_tools as others_tools  # isort: skip
import test_others_users as others_users  # isort: skip


def concurrency(soak: Soak) -> Iterator[Row]:
    return rows(soak, concurrent.SmallRounds, concurrent.LargeRounds, concurrent.UpdateRounds)


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
        powercut.Ext4Update,
        powercut.XfsUpdate,
    )


def upgrades(soak: Soak) -> Iterator[Row]:
    return rows(soak, upgrade.Walk)


#: Of those of tools/test, the ones that say something else each time get more rounds.
OTHERS_ROUNDS = {"Extracting": 5, "Locks": 3}


def others(soak: Soak) -> Iterator[Row]:
    """The test cases about other users, programs and file systems; a point is a test."""
    for module in (others_users, others_tools, others_cleanup):
        for name, case in vars(module).items():
            if isinstance(case, type) and case.__module__ == module.__name__:
                yield tests(soak, case, OTHERS_ROUNDS.get(name, 1))


def tests(soak: Soak, case: type[unittest.TestCase], rounds: int) -> Row:
    """Runs the tests of a case, each so many times."""
    result = Row(f"`{case.__name__}`", 0, 0, 0, (case.__doc__ or "").split("\n")[0].rstrip("."))
    names = unittest.TestLoader().getTestCaseNames(case)
    points = [(f"{case.__name__}/{name}", name) for name in names for _ in range(rounds)]
    for point, name in soak.progress(result.what, points, len(points)):
        if not soak.wants(point):
            continue
        suite = unittest.TestSuite([case(name)])
        outcome = suite.run(unittest.TestResult())
        result.tried += 1
        result.injected += not outcome.skipped
        for _, reason in outcome.failures + outcome.errors:
            soak.failed(point, reason.strip().split("\n")[-1][:500])
        # Of a test with several parts each may have failed.
        result.failures += len(outcome.failures + outcome.errors)
    return result


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
