"""SIGKILL at any system call of a launch: the next one works, and nothing stale is left after a
clean-up.

Some points of many; `tools/soak --only kill` tries all.
"""

from __future__ import annotations

import unittest

from sweep_support import KILLED, SweepCase, kill_points

POINTS = 60  # of each scenario


class Killed(SweepCase):
    def test_at_any_system_call(self) -> None:
        self.assertSwept(KILLED, kill_points, POINTS)


if __name__ == "__main__":
    unittest.main()
