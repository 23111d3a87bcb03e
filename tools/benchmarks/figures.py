"""Samples, and how they are written."""

from __future__ import annotations

import statistics
from typing import Optional, Sequence, Union

from common.documents import figure, table

SPREAD = "min / quartiles"

#: Cells of a table, each with the head of its column.
Row = list[tuple[str, str]]


def cells(heads: str, *values: Union[str, float, None]) -> Row:
    """A cell for each of the heads, as in `what | MB:1`. Behind the head of a figure are its digits.
    None leaves a cell empty."""
    row = []
    for head, value in zip(heads.split(" | "), values, strict=True):
        name, _, digits = head.partition(":")
        if isinstance(value, (int, float)):
            value = figure(value, int(digits))
        row.append((name, value or ""))
    return row


def table_of(rows: Sequence[Row]) -> str:
    """All rows have the columns of the first."""
    return table([head for head, _ in rows[0]], [[cell for _, cell in row] for row in rows])


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

    def cells(self, head: str, digits: int = 0, spread_digits: Optional[int] = None) -> Row:
        """The median, and the spread."""
        most = digits if spread_digits is None else spread_digits
        spread = " / ".join(figure(value, most) for value in (min(self), *self.quartiles()))
        return [(head, figure(self.median, digits)), (SPREAD, spread)]


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
