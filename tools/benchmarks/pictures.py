"""Pictures of the report: SVG that is read on light and on dark pages."""

from __future__ import annotations

import html
import math
from dataclasses import dataclass
from typing import Iterable, Optional, Sequence

from common.documents import figure

from .figures import Sample

WIDTH = 720
LABELS = 210  # of bars, left of the axis
RIGHT = 70  # for the figure behind the longest bar
BAR, GAP = 12, 5
GROUP_HEAD = 26
TOP, BOTTOM = 34, 34

# Of one lightness, so that they are seen on white and on black; dashes tell them apart as well.
COLOURS = ("#2f81f7", "#d1791c", "#2da44e", "#bf5af2", "#e5534b", "#0f9d9d")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "12 4")

STYLE = """
text { font: 12px system-ui, sans-serif; fill: #1f2328 }
.title { font-weight: 600; font-size: 13px }
.axis { stroke: #8c959f; stroke-width: 1 }
.grid { stroke: #8c959f; stroke-width: 1; opacity: .35 }
.spread { stroke: #1f2328; stroke-width: 1.2 }
.quiet { opacity: .75 }
@media (prefers-color-scheme: dark) {
  text { fill: #e6edf3 }
  .spread { stroke: #e6edf3 }
}
"""


@dataclass
class Range:
    """A figure, and between what it lay."""

    value: float
    low: Optional[float] = None
    high: Optional[float] = None

    @staticmethod
    def of(sample: Sample) -> Range:
        return Range(sample.median, *sample.quartiles())


@dataclass
class Bar:
    name: str
    range: Range
    ours: Optional[bool] = None  # None: as its name says

    @property
    def colour(self) -> str:
        ours = self.ours if self.ours is not None else self.name.startswith("onefile")
        return COLOURS[0] if ours else "#8c959f"


@dataclass
class Group:
    name: str
    bars: list[Bar]


@dataclass
class Line:
    name: str
    points: list[tuple[float, float]]


def plain(text: str) -> str:
    """Without Markdown, for XML."""
    return html.escape(text.replace("`", "").replace("*", ""))


def svg(title: str, says: str, height: int, parts: Iterable[str]) -> str:
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}"'
    head += f' width="{WIDTH}" height="{height}" role="img">'
    named = f"<title>{plain(title)}</title>\n<desc>{plain(says)}</desc>"
    shown = text(12, 18, title, "title")
    return "\n".join([head, named, f"<style>{STYLE}</style>", shown, *parts, "</svg>", ""])


def text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} class="{kind}">{plain(words)}</text>'


def line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    ends = f'x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"'
    return f'<line {ends} class="{kind}"/>'


def step_of(most: float) -> float:
    """Between the lines of the grid: 1, 2 or 5 times a power of ten."""
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def bar_chart(title: str, unit: str, groups: Sequence[Group]) -> str:
    """Horizontal bars from zero, with the quartiles as a thin line."""
    bars = [bar for group in groups for bar in group.bars]
    most = max(bar.range.high or bar.range.value for bar in bars) or 1
    scale = (WIDTH - LABELS - RIGHT) / most
    height = TOP + BOTTOM + len(groups) * GROUP_HEAD + len(bars) * (BAR + GAP)
    parts, step = [], step_of(most)
    for number in range(int(most / step) + 1):
        x = LABELS + number * step * scale
        parts.append(line(x, TOP, x, height - BOTTOM, "grid" if number else "axis"))
        words = f"{number * step:g} {unit}"
        parts.append(text(x, height - BOTTOM + 16, words, "quiet", "middle"))
    y, says = TOP, []
    for group in groups:
        parts.append(text(12, y + 18, group.name, "title"))
        y += GROUP_HEAD
        for bar in group.bars:
            parts += drawn_bar(bar, y, scale)
            y += BAR + GAP
        words = ", ".join(f"{bar.name} {figure(bar.range.value, 1)} {unit}" for bar in group.bars)
        says.append(f"{group.name}: {words}")
    return svg(title, "; ".join(says), height, parts)


def drawn_bar(bar: Bar, y: float, scale: float) -> list[str]:
    value, low, high = bar.range.value, bar.range.low, bar.range.high
    end = max(value * scale, 1)
    box = f'x="{LABELS}" y="{y}" width="{end:.1f}" height="{BAR}" rx="2"'
    parts = [text(LABELS - 8, y + BAR - 2, bar.name, "", "end")]
    parts.append(f'<rect {box} fill="{bar.colour}"/>')
    if low is not None and high is not None:
        middle = y + BAR / 2
        parts.append(line(LABELS + low * scale, middle, LABELS + high * scale, middle, "spread"))
        end = max(end, high * scale)
    digits = 0 if value >= 100 else 1 if value >= 1 else 2
    parts.append(text(LABELS + end + 6, y + BAR - 2, figure(value, digits)))
    return parts


PLOT_LEFT, PLOT_RIGHT, PLOT_HEIGHT = 64, 190, 300


class LogAxis:
    """Positions of values on a logarithmic axis between whole powers of ten."""

    def __init__(self, values: Iterable[float], start: float, length: float) -> None:
        known = list(values)
        low = math.floor(math.log10(min(known)))
        self.powers = range(low, max(low + 1, math.ceil(math.log10(max(known)))) + 1)
        self.start = start
        self.step = length / (len(self.powers) - 1)

    def at(self, value: float) -> float:
        return self.start + (math.log10(value) - self.powers[0]) * self.step

    def marks(self) -> Iterable[tuple[float, str]]:
        for power in self.powers:
            yield self.at(10**power), f"{10**power:,}" if power >= 0 else f"{10**power:g}"


def log_chart(title: str, across: str, upwards: str, lines: Sequence[Line]) -> str:
    """Lines over two logarithmic axes. Values that are not greater than zero are left out."""
    lines = [Line(one.name, [(x, y) for x, y in one.points if min(x, y) > 0]) for one in lines]
    lines = [one for one in lines if one.points]
    width, bottom = WIDTH - PLOT_LEFT - PLOT_RIGHT, TOP + PLOT_HEIGHT
    right = PLOT_LEFT + width + 12
    horizontal = LogAxis((x for one in lines for x, _ in one.points), PLOT_LEFT, width)
    vertical = LogAxis((y for one in lines for _, y in one.points), bottom, -PLOT_HEIGHT)
    parts = []
    for x, words in horizontal.marks():
        parts.append(line(x, TOP, x, bottom, "grid"))
        parts.append(text(x, bottom + 16, words, "quiet", "middle"))
    for y, words in vertical.marks():
        parts.append(line(PLOT_LEFT, y, PLOT_LEFT + width, y, "grid"))
        parts.append(text(PLOT_LEFT - 6, y + 4, words, "quiet", "end"))
    parts.append(text(PLOT_LEFT + width / 2, bottom + 34, across, "quiet", "middle"))
    parts.append(text(right, TOP + 6, upwards, "quiet"))
    for number, one in enumerate(lines):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
        points = [(horizontal.at(x), vertical.at(y)) for x, y in one.points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        parts.append(f'<polyline points="{path}" {look}/>')
        for x, y in points:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>')
        y = TOP + 30 + number * 18
        parts.append(f'<line x1="{right}" y1="{y - 4}" x2="{right + 28}" y2="{y - 4}" {look}/>')
        parts.append(text(right + 34, y, one.name))
    says = "; ".join(
        f"{one.name}: " + ", ".join(f"{x:,g}: {y:,.4g}" for x, y in one.points) for one in lines
    )
    return svg(title, f"{across} and {upwards}. {says}", bottom + 46, parts)
