"""Draw the simulated day; ``make plots`` writes it to docs/target-cpu.svg."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable

from tests.headroom import day

WIDTH, LEFT, RIGHT = 860, 60, 20
PANEL, GAP, TOP = 190, 58, 50
EVERY = 8
"""One point for two minutes."""

WITHOUT, WITH, LOAD, RULE, INK = "#c2410c", "#1d4ed8", "#9ca3af", "#e5e7eb", "#374151"


def svg() -> str:
    """Compose the picture."""
    without, with_balloons = day.day(balloons=False), day.day(balloons=True)
    both = ((WITHOUT, without), (WITH, with_balloons))
    height = TOP + 2 * PANEL + GAP + 40
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" '
            'font-family="sans-serif" font-size="12" role="img">',
            "<title>Machines and CPU in use over a simulated day</title>",
            f'<rect width="{WIDTH}" height="{height}" fill="#ffffff"/>',
            *_legend(),
            *_panel(TOP, "machines", 8, 2, ""),
            *(_line(TOP, 8, of, lambda each: each.machines, colour) for colour, of in both),
            _line(TOP, 8, without, lambda each: each.load_millis / 1000 / day.CORES, LOAD),
            *_panel(TOP + PANEL + GAP, "CPU in use", 100, 20, " %"),
            *(
                _line(TOP + PANEL + GAP, 100, of, lambda each: each.percent, colour)
                for colour, of in both
            ),
            _target(TOP + PANEL + GAP),
            *_hours(TOP + 2 * PANEL + GAP),
            "</svg>\n",
        ]
    )


def _legend() -> Iterable[str]:
    texts = ((WITHOUT, "without"), (WITH, "with targetCPU: 70"), (LOAD, "load, in machines' cores"))
    for number, (colour, text) in enumerate(texts):
        x = LEFT + number * 200
        yield f'<rect x="{x}" y="14" width="22" height="4" fill="{colour}"/>'
        yield f'<text x="{x + 28}" y="20" fill="{INK}">{text}</text>'


def _panel(top: int, title: str, most: int, step: int, unit: str) -> Iterable[str]:
    yield f'<text x="{LEFT}" y="{top - 8}" fill="{INK}" font-weight="bold">{title}</text>'
    for value in range(0, most + 1, step):
        y = _y(top, most, value)
        yield f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{RULE}"/>'
        place = f'x="{LEFT - 8}" y="{y + 4}" text-anchor="end" fill="{INK}"'
        yield f"<text {place}>{value}{unit}</text>"


def _line(
    top: int,
    most: int,
    of: list[day.Moment],
    value: Callable[[day.Moment], float],
    colour: str,
) -> str:
    points = " ".join(
        f"{_x(each.at_s):g},{_y(top, most, min(most, value(each))):g}" for each in of[::EVERY]
    )
    return f'<polyline points="{points}" fill="none" stroke="{colour}" stroke-width="1.6"/>'


def _target(top: int) -> str:
    y = _y(top, 100, day.TARGET_PERCENT)
    return f'<path d="M{LEFT} {y}H{WIDTH - RIGHT}" stroke="{INK}" stroke-dasharray="5 4"/>'


def _hours(y: int) -> Iterable[str]:
    for hour in range(0, 25, 3):
        x = _x(hour * 3600)
        yield f'<text x="{x:g}" y="{y + 18}" text-anchor="middle" fill="{INK}">{hour}:00</text>'


def _x(at_s: float) -> float:
    return round(LEFT + (WIDTH - LEFT - RIGHT) * at_s / day.DAY_S, 1)


def _y(top: int, most: float, value: float) -> float:
    return round(top + PANEL * (1 - value / most), 1)


if __name__ == "__main__":
    sys.stdout.write(svg())
