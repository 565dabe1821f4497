"""The plot, with a panel of horizontal bars for each figure that compares servers."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

from benchmarks.results import Metric, Results, deliveries, updates

WIDTH: Final = 760
LABELS: Final = 250
VALUES: Final = 110
ROW: Final = 30
BAR: Final = 18
HEAD: Final = 46
GAP: Final = 22

LABEL_OF: Final = {
    "ours": "This project",
    "ours-history": "This project, every fix kept",
    "ours-2": "This project, two workers",
    "node": "Node.js",
    "tutorial-uvicorn": "Channels tutorial, uvicorn",
    "tutorial-daphne": "Channels tutorial, Daphne",
    "nchan": "nginx with nchan (fan-out only)",
    "ours-embedded": "This project",
    "tutorial-embedded": "Channels tutorial",
}

# Readable on light and dark pages, as the picture has a transparent background.
STYLE: Final = """
  text { font: 14px system-ui, -apple-system, "Segoe UI", sans-serif; fill: #24292f }
  .title { font-weight: 600 }
  .unit { fill: #57606a }
  .ours { fill: #0969da } .peer { fill: #8c959f } .range { stroke: #24292f; stroke-width: 1.5 }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3 } .unit { fill: #9198a1 }
    .ours { fill: #4493f8 } .peer { fill: #656c76 } .range { stroke: #e6edf3 }
  }
"""


@dataclass(frozen=True)
class Panel:
    """A figure of one workload, compared between servers."""

    title: str
    unit: str
    workload: str
    metric: Metric


PANELS: Final = (
    Panel("Durable updates", "acknowledged per second, one watcher each", "closed", updates),
    Panel(
        "Fan-out", "deliveries per second, 10 drivers × 200 watchers", "fan-out-10x200", deliveries
    ),
    Panel(
        "Fan-out", "deliveries per second, 1 driver × 2,000 watchers", "fan-out-1x2000", deliveries
    ),
    Panel("Embedded default", "acknowledged per second, Daphne and SQLite", "embedded", updates),
)


def svg(results: Results) -> str:
    """Return the plot as SVG."""
    y = 0
    parts: list[str] = []
    for panel in PANELS:
        lines = list(_panel(results, panel, y))
        if lines:
            parts += lines
            y += HEAD + ROW * len(results.servers(panel.workload)) + GAP
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {y}" role="img">',
            "<title>This project and its peers, side by side</title>",
            f"<style>{STYLE}</style>",
            *parts,
            "</svg>\n",
        ]
    )


def _panel(results: Results, panel: Panel, top: int) -> Iterator[str]:
    servers = results.servers(panel.workload)
    spreads = {server: results.spread(panel.workload, server, panel.metric) for server in servers}
    highest = max((spread.high for spread in spreads.values() if spread), default=0)
    if not highest:
        return
    yield (
        f'<text x="0" y="{top + 24}"><tspan class="title">{panel.title}</tspan>'
        f'<tspan class="unit" dx="8">{panel.unit}</tspan></text>'
    )
    scale = (WIDTH - LABELS - VALUES) / highest
    for row, (server, spread) in enumerate(spreads.items()):
        y = top + HEAD + row * ROW
        middle = y + BAR / 2
        name = LABEL_OF[server]
        yield f'<text x="{LABELS - 12}" y="{middle + 5}" text-anchor="end">{name}</text>'
        if spread is None:
            reason = results.trouble(panel.workload, server) or "not measured"
            yield f'<text class="unit" x="{LABELS}" y="{middle + 5}">{escape(reason[:60])}</text>'
            continue
        kind = "ours" if server.startswith("ours") else "peer"
        length = max(spread.median * scale, 1)
        low, high = LABELS + spread.low * scale, LABELS + spread.high * scale
        yield (
            f'<rect class="{kind}" x="{LABELS}" y="{y}" width="{length:.1f}" height="{BAR}"'
            ' rx="3"/>'
        )
        if spread.high > spread.low:
            yield f'<path class="range" d="M{low:.1f} {middle}H{high:.1f}"/>'
        end = max(LABELS + length, high) + 8
        yield f'<text x="{end:.1f}" y="{middle + 5}">{spread.median:,.0f}</text>'
