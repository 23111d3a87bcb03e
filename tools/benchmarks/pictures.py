"""Pictures of the report: SVG that is read on light and on dark pages."""

from __future__ import annotations

import html
import math
from typing import Iterable, Mapping, Sequence

from common.documents import figure

from .figures import Sample

WIDTH = 720
LABELS = 210  # of bars, left of the axis
RIGHT = 70  # for the figure behind the longest bar
BAR, GAP = 12, 5
GROUP_HEAD = 26
TOP, BOTTOM = 34, 34
PLOT_LEFT, PLOT_RIGHT, PLOT_HEIGHT = 64, 190, 300

# Of one lightness, so that they are seen on white and on black; dashes tell them apart as well.
COLOURS = ("#2f81f7", "#d1791c", "#2da44e", "#bf5af2", "#e5534b", "#0f9d9d")
DASHES = ("", "6 3", "2 3", "8 3 2 3", "1 4", "12 4")
GREY = "#8c959f"

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

Point = tuple[float, float]


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


def line(x1: float, y1: float, x2: float, y2: float, look: str) -> str:
    """`look` is attributes."""
    return f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" {look}/>'


def step_of(most: float) -> float:
    """Between the lines of the grid: 1, 2 or 5 times a power of ten."""
    rough = most / 5
    power = 10 ** math.floor(math.log10(rough))
    return next(power * n for n in (1, 2, 5, 10) if power * n >= rough)


def bar_chart(title: str, unit: str, groups: Mapping[str, Mapping[str, Sample]]) -> str:
    """Groups of horizontal bars from zero, with the quartiles as a thin line. Bars that are named
    after Onefold, or its files, have its colour."""
    samples = [sample for bars in groups.values() for sample in bars.values()]
    most = max(sample.quartiles()[1] for sample in samples) or 1
    scale = (WIDTH - LABELS - RIGHT) / most
    height = TOP + BOTTOM + len(groups) * GROUP_HEAD + len(samples) * (BAR + GAP)
    parts, step = [], step_of(most)
    for number in range(int(most / step) + 1):
        x = LABELS + number * step * scale
        kind = "grid" if number else "axis"
        parts.append(line(x, TOP, x, height - BOTTOM, f'class="{kind}"'))
        words = f"{number * step:g} {unit}"
        parts.append(text(x, height - BOTTOM + 16, words, "quiet", "middle"))
    y, says = TOP, []
    for group, bars in groups.items():
        parts.append(text(12, y + 18, group, "title"))
        y += GROUP_HEAD
        for name, sample in bars.items():
            parts += drawn_bar(name, sample, y, scale)
            y += BAR + GAP
        words = ", ".join(f"{name} {figure(it.median, 1)} {unit}" for name, it in bars.items())
        says.append(f"{group}: {words}")
    return svg(title, "; ".join(says), height, parts)


def drawn_bar(name: str, sample: Sample, y: float, scale: float) -> list[str]:
    value, (low, high) = sample.median, sample.quartiles()
    end = max(value * scale, 1)
    colour = COLOURS[0] if name.startswith(("Onefold", "onefile")) else GREY
    box = f'x="{LABELS}" y="{y}" width="{end:.1f}" height="{BAR}" rx="2"'
    parts = [text(LABELS - 8, y + BAR - 2, name, "", "end"), f'<rect {box} fill="{colour}"/>']
    if low < high:
        middle, left, right = y + BAR / 2, LABELS + low * scale, LABELS + high * scale
        parts.append(line(left, middle, right, middle, 'class="spread"'))
    digits = 0 if value >= 100 else 1 if value >= 1 else 2
    behind = LABELS + max(end, high * scale) + 6
    return [*parts, text(behind, y + BAR - 2, figure(value, digits))]


class LogAxis:
    """Positions of values on a logarithmic axis between whole powers of ten."""

    def __init__(self, values: Sequence[float], start: float, length: float) -> None:
        low, high = math.floor(math.log10(min(values))), math.ceil(math.log10(max(values)))
        self.powers = range(low, max(low + 1, high) + 1)
        self.start = start
        self.step = length / (len(self.powers) - 1)

    def at(self, value: float) -> float:
        return self.start + (math.log10(value) - self.powers[0]) * self.step

    def marks(self) -> Iterable[tuple[float, str]]:
        for power in self.powers:
            yield self.at(10**power), f"{10**power:,}" if power >= 0 else f"{10**power:g}"


def log_chart(title: str, across: str, upwards: str, lines: Mapping[str, Sequence[Point]]) -> str:
    """Lines over two logarithmic axes. Values that are not greater than zero are left out."""
    above = {name: [point for point in points if min(point) > 0] for name, points in lines.items()}
    drawn = {name: points for name, points in above.items() if points}
    xs, ys = zip(*(point for points in drawn.values() for point in points))
    right, bottom = WIDTH - PLOT_RIGHT, TOP + PLOT_HEIGHT
    horizontal = LogAxis(xs, PLOT_LEFT, right - PLOT_LEFT)
    vertical = LogAxis(ys, bottom, -PLOT_HEIGHT)
    parts = []
    for x, words in horizontal.marks():
        parts.append(line(x, TOP, x, bottom, 'class="grid"'))
        parts.append(text(x, bottom + 16, words, "quiet", "middle"))
    for y, words in vertical.marks():
        parts.append(line(PLOT_LEFT, y, right, y, 'class="grid"'))
        parts.append(text(PLOT_LEFT - 6, y + 4, words, "quiet", "end"))
    parts.append(text((PLOT_LEFT + right) / 2, bottom + 34, across, "quiet", "middle"))
    parts.append(text(right + 12, TOP + 6, upwards, "quiet"))
    says = []
    for number, (name, points) in enumerate(drawn.items()):
        colour, dash = COLOURS[number % len(COLOURS)], DASHES[number % len(DASHES)]
        look = f'stroke="{colour}" stroke-width="2" stroke-dasharray="{dash}" fill="none"'
        places = [(horizontal.at(x), vertical.at(y)) for x, y in points]
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in places)
        parts.append(f'<polyline points="{path}" {look}/>')
        for x, y in places:
            parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>')
        y = TOP + 30 + number * 18
        parts.append(line(right + 12, y - 4, right + 40, y - 4, look))
        parts.append(text(right + 46, y, name))
        says.append(f"{name}: " + ", ".join(f"{x:,g}: {y:,.4g}" for x, y in points))
    described = f"{across} and {upwards}. {'; '.join(says)}"
    return svg(title, described, bottom + 46, parts)
