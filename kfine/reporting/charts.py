"""Charts as SVG inside a page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from markupsafe import Markup

from kfine.answers.confidence import BINS

_WIDTH, _HEIGHT = 420, 240
_LEFT, _RIGHT, _TOP, _BOTTOM = 48, 12, 12, 34
# Blue and orange, told apart by people who see no red or green too; and dashes.
_LINES = (("training", "#1f5fa8", ""), ("validation", "#c4560b", "6 4"))


def curves(history: Sequence[Mapping[str, Any]], name: str) -> Markup:
    """A metric of training and validation by epoch, with a line where a stage begins.

    Args:
        history: One entry per epoch.
        name: Such as `loss`.
    """
    series = [
        [one.get(key) for one in history] for key in (name, f"val_{name}") if key in history[0]
    ]
    values = [one for line in series for one in line if one is not None]
    low, high = min(values), max(values)
    high = high if high > low else low + 1
    parts = [_axis(low, high, len(history), "epoch")]
    for before, after in pairwise(history):
        if after.get("stage") != before.get("stage"):
            x = (_x(before["epoch"], len(history)) + _x(after["epoch"], len(history))) / 2
            parts.append(
                f'<line x1="{x:.1f}" x2="{x:.1f}" y1="{_TOP}" y2="{_HEIGHT - _BOTTOM}" '
                'stroke="#bbb"/>'
            )
    for line, (label, colour, dashes) in zip(series, _LINES, strict=False):
        points = " ".join(
            f"{_x(place, len(history)):.1f},{_y(value, low, high):.1f}"
            for place, value in enumerate(line, 1)
            if value is not None
        )
        parts.append(
            f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="2" '
            f'stroke-dasharray="{dashes}"><title>{label}</title></polyline>'
        )
    said = f"{name} by epoch: from {series[0][0]:.3g} to {series[0][-1]:.3g} in training"
    if len(series) > 1:
        said += f", from {series[1][0]:.3g} to {series[1][-1]:.3g} in validation"
    return _svg(parts, said)


def reliability_chart(bins: Sequence[Mapping[str, Any]]) -> Markup:
    """How often predictions are right, by how sure they are; the line is where both are equal."""
    parts = [_axis(0, 1, 1, "confidence", numbers=False)]
    width, height = _WIDTH - _LEFT - _RIGHT, _HEIGHT - _TOP - _BOTTOM
    for one in bins:
        x = _LEFT + one["start"] * width
        tall, wide = one["right"] * height, width / BINS - 2
        parts.append(
            f'<rect x="{x + 1:.1f}" y="{_HEIGHT - _BOTTOM - tall:.1f}" width="{wide:.1f}" '
            f'height="{tall:.1f}" fill="#1f5fa8"><title>{one["count"]} examples: '
            f"{one['sure']:.2f} sure, {one['right']:.2f} right</title></rect>"
        )
    parts.append(
        f'<line x1="{_LEFT}" y1="{_HEIGHT - _BOTTOM}" x2="{_WIDTH - _RIGHT}" y2="{_TOP}" '
        'stroke="#c4560b" stroke-dasharray="6 4"/>'
    )
    return _svg(parts, "share that is right by confidence")


def _svg(parts: Sequence[str], said: str) -> Markup:
    inside = "".join(parts)
    # Only numbers and names of this module are inside.
    return Markup('<svg viewBox="0 0 {} {}" width="{}" role="img" aria-label="{}">').format(
        _WIDTH, _HEIGHT, _WIDTH, said
    ) + Markup(inside + "</svg>")


def _axis(low: float, high: float, epochs: int, label: str, *, numbers: bool = True) -> str:
    style = 'font-size="12" fill="#444"'
    base = _HEIGHT - _BOTTOM
    found = [f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{base}" y2="{base}" stroke="#888"/>']
    for value in (low, (low + high) / 2, high):
        y = _y(value, low, high)
        found.append(
            f'<text x="{_LEFT - 6}" y="{y + 4:.1f}" text-anchor="end" {style}>{value:.3g}</text>'
        )
        found.append(
            f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}" stroke="#eee"/>'
        )
    ends = (("1", _x(1, epochs)), (str(epochs), _x(epochs, epochs)))
    if not numbers:
        ends = (("0", _LEFT), ("1", _WIDTH - _RIGHT))
    for text, x in dict(ends).items():
        found.append(
            f'<text x="{x:.1f}" y="{base + 16}" text-anchor="middle" {style}>{text}</text>'
        )
    middle = f'x="{(_LEFT + _WIDTH) / 2}" y="{_HEIGHT - 4}" text-anchor="middle"'
    found.append(f"<text {middle} {style}>{label}</text>")
    return "".join(found)


def _x(epoch: float, epochs: int) -> float:
    share = 0.5 if epochs == 1 else (epoch - 1) / (epochs - 1)
    return _LEFT + share * (_WIDTH - _LEFT - _RIGHT)


def _y(value: float, low: float, high: float) -> float:
    return _HEIGHT - _BOTTOM - (value - low) / (high - low) * (_HEIGHT - _TOP - _BOTTOM)
