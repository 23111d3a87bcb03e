"""Samples, and how they are written."""

from __future__ import annotations

import statistics
from typing import Optional, Sequence

from common.documents import figure

SPREAD = "min / quartiles"


class Sample(list):
    """The figures of one case, in the order of the turns."""

    @property
    def median(self) -> float:
        return statistics.median(self)

    def quartiles(self) -> tuple[float, float]:
        if len(self) < 2:
            return self[0], self[0]
        low, _, high = statistics.quantiles(self, n=4, method="inclusive")
        return low, high

    def over(self, other: Sample) -> Sample:
        return Sample(a / b for a, b in zip(self, other))

    def minus(self, other: Sample) -> Sample:
        return Sample(a - b for a, b in zip(self, other))

    def cells(self, digits: int = 0, spread_digits: Optional[int] = None) -> list[str]:
        """The median, and a cell for the head SPREAD."""
        low, high = self.quartiles()
        most = digits if spread_digits is None else spread_digits
        spread = " / ".join(figure(value, most) for value in (min(self), low, high))
        return [figure(self.median, digits), spread]


def fit(points: Sequence[tuple[float, float]]) -> tuple[float, float]:
    """Slope and intercept of the line with the least squares of relative errors: points of
    different magnitude count alike. Points that are not above zero are left out."""
    known = [(x, y) for x, y in points if y > 0]
    weight = sum(1 / y**2 for _, y in known)
    x_mean = sum(x / y**2 for x, y in known) / weight
    y_mean = sum(1 / y for _, y in known) / weight
    above = sum((x - x_mean) * (y - y_mean) / y**2 for x, y in known)
    below = sum((x - x_mean) ** 2 / y**2 for x, y in known)
    slope = above / below if below else 0.0
    return slope, y_mean - slope * x_mean
