"""A chart of latency against size, drawn as SVG with nothing but text: both axes logarithmic, a line each for p50 and p95."""

from collections.abc import Sequence
from math import ceil, floor, log10

WIDTH, HEIGHT = 720, 400
LEFT, RIGHT, TOP, BOTTOM = 64, 88, 24, 52
LIMITS = ((100_000, 60.0), (1_000_000, 120.0))
"""What p95 is held to: at most so many milliseconds at so many chunks."""

# Colours that can be told apart in both schemes and without seeing colour: the lines differ in their dashes as well.
STYLE = """
  text { font: 13px system-ui, sans-serif; fill: #444 }
  .grid { stroke: #bbb; stroke-opacity: .5 }
  .p50 { stroke: #2563a8; fill: none; stroke-width: 2 }
  .p95 { stroke: #b3541e; fill: none; stroke-width: 2; stroke-dasharray: 6 4 }
  .dot50 { fill: #2563a8 } .dot95 { fill: #b3541e }
  .limit { stroke: #777; stroke-width: 2 }
  @media (prefers-color-scheme: dark) {
    text { fill: #ccc } .p50 { stroke: #7ab3ec } .p95 { stroke: #eb9a67 } .dot50 { fill: #7ab3ec } .dot95 { fill: #eb9a67 }
    .grid { stroke: #666 } .limit { stroke: #aaa }
  }
"""


def latency_plot(points: Sequence[tuple[int, float, float]]) -> str:
    """Return the chart of (chunks, p50, p95) in milliseconds as an SVG document. Needs at least one point."""
    sizes = [size for size, _, _ in points]
    values = [value for _, *both in points for value in both] + [limit for _, limit in LIMITS]
    low, high = log10(min(sizes)), max(log10(max(sizes)), log10(min(sizes)) + 1)
    bottom, top = floor(log10(min(values))), ceil(log10(max(values)))

    def x(size: float) -> float:
        return LEFT + (log10(size) - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(value: float) -> float:
        return HEIGHT - BOTTOM - (log10(value) - bottom) / (top - bottom) * (HEIGHT - TOP - BOTTOM)

    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{_told(points)}">',
        f"<style>{STYLE}</style>",
    ]
    for exponent in range(bottom, top + 1):
        for step in (1, 2, 5):
            value = step * 10.0**exponent
            if value > 10.0**top:
                break
            parts.append(
                f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y(value):.1f}" y2="{y(value):.1f}"/>'
            )
            parts.append(f'<text x="{LEFT - 8}" y="{y(value) + 4:.1f}" text-anchor="end">{value:g}</text>')
    for size in sizes:
        parts.append(
            f'<line class="grid" x1="{x(size):.1f}" x2="{x(size):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>'
        )
        parts.append(
            f'<text x="{x(size):.1f}" y="{HEIGHT - BOTTOM + 20}" text-anchor="middle">{size:,}</text>'
        )
    parts.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2:.0f}" y="{HEIGHT - 10}" text-anchor="middle">chunks</text>'
    )
    parts.append(f'<text x="{LEFT - 8}" y="{TOP - 10}" text-anchor="end">ms</text>')
    for size, limit in LIMITS:
        if low <= log10(size) <= high:
            parts.append(
                f'<line class="limit" x1="{x(size) - 18:.1f}" x2="{x(size) + 18:.1f}" y1="{y(limit):.1f}" y2="{y(limit):.1f}"/>'
            )
    for name, place in (("50", 1), ("95", 2)):
        line = " ".join(f"{x(point[0]):.1f},{y(point[place]):.1f}" for point in points)
        parts.append(f'<polyline class="p{name}" points="{line}"/>')
        parts += [
            f'<circle class="dot{name}" cx="{x(p[0]):.1f}" cy="{y(p[place]):.1f}" r="4"/>' for p in points
        ]
        last = points[-1]
        parts.append(
            f'<text x="{x(last[0]) + 10:.1f}" y="{y(last[place]) + 4:.1f}">p{name} {last[place]:.0f} ms</text>'
        )
    return "\n".join([*parts, "</svg>", ""])


def _told(points: Sequence[tuple[int, float, float]]) -> str:
    return "Milliseconds per question: " + "; ".join(
        f"{size:,} chunks p50 {p50:.0f}, p95 {p95:.0f}" for size, p50, p95 in points
    )
