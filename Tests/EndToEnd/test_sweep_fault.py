"""A system call of a launch fails, or does less than was asked: the launch succeeds, or says why not,
and leaves nothing behind that could harm.

Some points of many; `tools/soak --only fault` tries all.
"""

from __future__ import annotations

import unittest

from sweep_support import FAULTED, SweepCase, fault_points, limit_points

POINTS = 160  # of each scenario
LIMITS = 20


class Faulted(SweepCase):
    def test_any_system_call_fails_or_does_less(self) -> None:
        self.assertSwept(FAULTED, fault_points, POINTS)

    def test_little_memory_and_few_descriptors(self) -> None:
        self.assertSwept(FAULTED, limit_points, LIMITS)


if __name__ == "__main__":
    unittest.main()
