"""Samples, the turns that give them, and how they are written in Markdown."""

from __future__ import annotations

import random
import statistics
import textwrap
from typing import Callable, Iterable, Optional, Sequence

from .running import Run


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


class Runs(list):
    @property
    def wall(self) -> Sample:
        return Sample(run.wall for run in self)

    @property
    def processor(self) -> Sample:
        return Sample(run.processor for run in self)


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


Case = Callable[[], Run]


def take_turns(cases: dict[str, Case], turns: int, warm_up: int = 1) -> dict[str, Runs]:
    """Runs each case once a turn, every turn in another order. The first turns
    only warm up."""
    results = {name: Runs() for name in cases}
    order = random.Random(1)
    for turn in range(-warm_up, turns):
        names = list(cases)
        order.shuffle(names)
        for name in names:
            run = cases[name]()
            if turn >= 0:
                results[name].append(run)
    return results


def table(
    heads: Sequence[str], rows: Iterable[Sequence[object]], figures: Optional[Sequence[str]] = None
) -> str:
    """The columns of `figures` are aligned to the right; None stands for all but the first."""
    marks = []
    for index, head in enumerate(heads):
        is_figure = index > 0 if figures is None else head in figures
        marks.append("---:" if is_figure else "---")
    lines = [heads, marks, *rows]
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def figure(value: float, digits: int = 0) -> str:
    return f"{value:,.{digits}f}"


def prose(text: str) -> str:
    words = " ".join(text.split())
    return (
        textwrap.fill(words, 100, break_long_words=False, break_on_hyphens=False) + "\n"
    )


SPREAD = "min / quartiles"


def spread(sample: Sample, digits: int = 0) -> str:
    low, high = sample.quartiles()
    return " / ".join(figure(value, digits) for value in (min(sample), low, high))
