"""Draw costs against sizes as an SVG that is legible on light and on dark pages."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 460, 300
LEFT, RIGHT, TOP, BOTTOM = 62, 14, 66, 44
INK = "#768390"  # 4 to 5 times as dark as white, and as light as GitHub's dark page
COLOURS = ("#d9822b", "#3b82c4", "#4d9a5c")
MARKS = ("circle", "square", "triangle")  # for who does not tell the colours apart
MARK_SIZE = 3.5
STYLE = f"text {{ font: 11px system-ui, sans-serif; fill: {INK}; }} .title {{ font-weight: bold; font-size: 13px; }}"


@dataclass(frozen=True)
class Line:
    """The costs of one series, in milliseconds, by size; those not above 0 have no place on a logarithmic axis."""

    label: str
    costs_ms: Sequence[float]


@dataclass(frozen=True)
class Scale:
    """A logarithmic axis: values from `low` to `high` lie between two positions."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        share = math.log(value / self.low) / math.log(self.high / self.low)
        return round(self.start + share * (self.end - self.start), 1)


def draw(title: str, axis: str, sizes: Sequence[int], lines: Sequence[Line]) -> str:
    """Return an SVG of the lines over their sizes, both logarithmic, with a guide that is linear.

    Args:
        title: What stands above it.
        axis: What the sizes count.
        sizes: At least two, ascending.
        lines: At most as many as there are colours, each with a cost for each size.
    """
    shown = [cost for line in lines for cost in line.costs_ms if cost > 0]
    low = 10 ** math.floor(math.log10(min(shown)))
    high = max(10 ** math.ceil(math.log10(max(shown))), low * 10)
    across = Scale(sizes[0], sizes[-1], LEFT, WIDTH - RIGHT)
    up = Scale(low, high, HEIGHT - BOTTOM, TOP)
    parts = [
        f'<text x="{LEFT}" y="16" class="title">{escape(title)}</text>',
        *_legend(lines),
        *_grid(across, up, sizes),
        _guide(across, up),
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:g}" y="{HEIGHT - 8}" text-anchor="middle">{escape(axis)}</text>',
    ]
    for number, line in enumerate(lines):
        parts += _line(across, up, sizes, line, COLOURS[number], MARKS[number])
    body = "\n".join(f"  {part}" for part in parts)
    return f"""\
<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{HEIGHT}" viewBox="0 0 {WIDTH} {HEIGHT}" \
role="img" aria-labelledby="title">
  <title id="title">{escape(title)}, against {escape(axis)}</title>
  <style>{STYLE}</style>
{body}
</svg>
"""


def _legend(lines: Sequence[Line]) -> list[str]:
    parts = []
    for number, line in enumerate(lines):
        y = 30 + 12 * number
        parts.append(_mark(LEFT + 5, y - 4, COLOURS[number], MARKS[number]))
        parts.append(f'<text x="{LEFT + 14}" y="{y}">{escape(line.label)}</text>')
    return parts


def _grid(across: Scale, up: Scale, sizes: Sequence[int]) -> list[str]:
    parts = []
    for size in sizes:
        x = across.at(size)
        parts.append(f'<path d="M{x:g} {up.start:g}V{up.end:g}" stroke="{INK}" stroke-opacity="0.25"/>')
        anchor = "end" if size == sizes[-1] else "middle"
        parts.append(f'<text x="{x:g}" y="{up.start + 15:g}" text-anchor="{anchor}">{size:,}</text>')
    for power in range(round(math.log10(up.low)), round(math.log10(up.high)) + 1):
        y = up.at(10**power)
        parts.append(f'<path d="M{across.start:g} {y:g}H{across.end:g}" stroke="{INK}" stroke-opacity="0.25"/>')
        parts.append(f'<text x="{across.start - 6:g}" y="{y + 4:g}" text-anchor="end">{duration(10**power)}</text>')
    return parts


def _guide(across: Scale, up: Scale) -> str:
    """Return a dotted line with the slope of what is linear, from the lower left corner as far as there is room."""
    growth = min(across.high / across.low, up.high / up.low)
    end = f"{across.at(across.low * growth):g} {up.at(up.low * growth):g}"
    return f'<path d="M{across.start:g} {up.start:g}L{end}" stroke="{INK}" stroke-dasharray="2 4"/>'


def _line(across: Scale, up: Scale, sizes: Sequence[int], line: Line, colour: str, mark: str) -> list[str]:
    points = [(across.at(size), up.at(cost)) for size, cost in zip(sizes, line.costs_ms, strict=True) if cost > 0]
    path = " ".join(f"{x:g},{y:g}" for x, y in points)
    drawn = f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="1.8"/>'
    return [drawn, *(_mark(x, y, colour, mark) for x, y in points)]


def _mark(x: float, y: float, colour: str, mark: str) -> str:
    if mark == "circle":
        return f'<circle cx="{x:g}" cy="{y:g}" r="{MARK_SIZE}" fill="{colour}"/>'
    left, top, bottom = x - MARK_SIZE, y - MARK_SIZE, y + MARK_SIZE
    if mark == "square":
        return f'<rect x="{left:g}" y="{top:g}" width="{2 * MARK_SIZE:g}" height="{2 * MARK_SIZE:g}" fill="{colour}"/>'
    return f'<path d="M{left:g} {bottom:g}H{x + MARK_SIZE:g}L{x:g} {top:g}Z" fill="{colour}"/>'


def duration(milliseconds: float) -> str:
    """Return a duration of a power of ten in the unit in which it is short."""
    if milliseconds < 1:
        return f"{milliseconds * 1000:g} µs"
    return f"{milliseconds:g} ms" if milliseconds < 1000 else f"{milliseconds / 1000:g} s"
