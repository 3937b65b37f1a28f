"""Charts as SVG that can be read on light and on dark pages: the text is grey, and no ground is drawn."""

import math
from xml.sax.saxutils import escape

from . import numbers, places

WIDTH, HEIGHT = 760, 400
LEFT, RIGHT, TOP, BOTTOM = 74, 190, 44, 52
# Middling in brightness, so that each can be seen on white and on near black; ours is the warm one.
COLOURS = {
    "ours": "#e8590c",
    "ours-int8": "#e8590c",
    "ours-fast": "#e8590c",
    "ours-f32": "#b8860b",
    "ours-thorough": "#b8860b",
}
OTHERS = ("#1c7ed6", "#2f9e44", "#9c36b5", "#0c8599", "#868e96", "#c2255c", "#5c7cfa", "#66a80f")
TEXT = "#8b949e"
STYLE = (
    f"text{{font-family:system-ui,-apple-system,'Segoe UI',Helvetica,Arial,sans-serif;fill:{TEXT};font-size:13px}}"
    f".title{{font-size:15px;font-weight:600}}.grid{{stroke:{TEXT};stroke-opacity:.25;stroke-width:1}}"
)


def colours(names: list[str]) -> dict[str, str]:
    """A colour for each name; the same peer has the same wherever the names are the same."""
    others = iter(OTHERS * 3)
    return {name: COLOURS.get(name) or next(others) for name in names}


def page(title: str, body: list[str], height: int = HEIGHT) -> str:
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{escape(title)}">',
            f"<style>{STYLE}</style>",
            f'<text class="title" x="{LEFT}" y="22">{escape(title)}</text>',
            *body,
            "</svg>",
            "",
        ]
    )


def label(value: float) -> str:
    if value >= 1_000_000:
        return f"{value / 1_000_000:g}M"
    if value >= 1_000:
        return f"{value / 1_000:g}k"
    return f"{value:g}"


def spread(places_: list[float], gap: float = 15) -> list[float]:
    """Moves labels apart that would stand on one another, in their order."""
    order = sorted(range(len(places_)), key=lambda i: places_[i])
    moved = list(places_)
    for before, after in zip(order, order[1:]):
        moved[after] = max(moved[after], moved[before] + gap)
    over = max(moved, default=0) - (HEIGHT - BOTTOM + 6)
    return [place - max(0, over) for place in moved]


def ticks(low: float, high: float) -> list[float]:
    """1, 2 and 5 of each power of ten, or the powers alone where they are many."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1,) if len(powers) > 3 else (1, 2, 5)
    return [step * 10.0**power for power in powers for step in steps if low <= step * 10.0**power <= high]


def lines(
    title: str,
    series: dict[str, list[tuple[float, float]]],
    across: str,
    up: str,
    log_across: bool,
    marks: list[float] | None = None,
) -> str:
    """Lines of points, time going up by powers of ten; each line is named at its end."""
    points = [point for line in series.values() for point in line]
    across_all = [*(x for x, _ in points), *(marks or [])]
    low_x, high_x = min(across_all), max(across_all)
    low_y, high_y = min(y for _, y in points) / 1.3, max(y for _, y in points) * 1.3
    scale = math.log10 if log_across else float
    x_of = lambda x: LEFT + (scale(x) - scale(low_x)) / (scale(high_x) - scale(low_x) or 1) * (WIDTH - LEFT - RIGHT)
    y_of = lambda y: (
        HEIGHT
        - BOTTOM
        - (math.log10(y) - math.log10(low_y)) / (math.log10(high_y) - math.log10(low_y)) * (HEIGHT - TOP - BOTTOM)
    )
    body = []
    for y in ticks(low_y, high_y):
        body.append(f'<line class="grid" x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{y_of(y):.1f}" y2="{y_of(y):.1f}"/>')
        body.append(f'<text x="{LEFT - 8}" y="{y_of(y) + 4:.1f}" text-anchor="end">{label(y)}</text>')
    for x in marks or sorted({x for x, _ in points}):
        body.append(f'<line class="grid" x1="{x_of(x):.1f}" x2="{x_of(x):.1f}" y1="{TOP}" y2="{HEIGHT - BOTTOM}"/>')
        body.append(
            f'<text x="{x_of(x):.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{label(x) if log_across else f"{x:g}"}</text>'
        )
    body.append(
        f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 12}" text-anchor="middle">{escape(across)}</text>'
    )
    body.append(
        f'<text x="18" y="{(TOP + HEIGHT - BOTTOM) / 2}" text-anchor="middle" transform="rotate(-90 18 {(TOP + HEIGHT - BOTTOM) / 2})">{escape(up)}</text>'
    )
    of = colours(list(series))
    ends = spread([y_of(line[-1][1]) for line in series.values()])
    for (name, line), end in zip(series.items(), ends, strict=True):
        width = 3 if name.startswith("ours") else 1.8
        path = " ".join(f"{x_of(x):.1f},{y_of(y):.1f}" for x, y in line)
        body.append(
            f'<polyline points="{path}" fill="none" stroke="{of[name]}" stroke-width="{width}" stroke-linejoin="round"/>'
        )
        body += [f'<circle cx="{x_of(x):.1f}" cy="{y_of(y):.1f}" r="{width:g}" fill="{of[name]}"/>' for x, y in line]
        last_x, last_y = x_of(line[-1][0]), y_of(line[-1][1])
        if abs(end - last_y) > 4 or last_x < WIDTH - RIGHT - 2:
            body.append(
                f'<polyline points="{last_x:.1f},{last_y:.1f} {WIDTH - RIGHT + 6},{end:.1f}" fill="none" stroke="{of[name]}" stroke-opacity=".35"/>'
            )
        weight = ' font-weight="600"' if name.startswith("ours") else ""
        body.append(
            f'<text x="{WIDTH - RIGHT + 10}" y="{end + 4:.1f}" style="fill:{of[name]}"{weight}>{escape(name)}</text>'
        )
    return page(title, body)


def bars(title: str, groups: dict[str, dict[str, float]], unit: str) -> str:
    """Bars beside names, a block for each group, each block with a scale of its own."""
    names = list(dict.fromkeys(name for values in groups.values() for name in values))
    of, body, y = colours(names), [], 40
    left = 170
    for group, values in groups.items():
        body.append(f'<text x="{LEFT - 58}" y="{y + 14}" font-weight="600">{escape(group)}</text>')
        y += 24
        largest = max(values.values())
        for name, value in sorted(values.items(), key=lambda item: -item[1]):
            width = max(2.0, value / largest * (WIDTH - left - 110))
            weight = ' font-weight="600"' if name.startswith("ours") else ""
            body.append(f'<text x="{left - 8}" y="{y + 13}" text-anchor="end"{weight}>{escape(name)}</text>')
            body.append(f'<rect x="{left}" y="{y + 1}" width="{width:.1f}" height="15" rx="2" fill="{of[name]}"/>')
            body.append(
                f'<text x="{left + width + 6:.1f}" y="{y + 13}">{numbers.shown(float(value))} {escape(unit)}</text>'
            )
            y += 20
        y += 10
    return page(title, body, y + 4)


def save(name: str, drawing: str) -> str:
    """Writes a chart and returns how docs/BENCHMARKS.md shows it."""
    places.CHARTS.mkdir(parents=True, exist_ok=True)
    (places.CHARTS / f"{name}.svg").write_text(drawing, encoding="utf-8")
    title = drawing.split('aria-label="', 1)[1].split('"', 1)[0]
    return f"![{title}](charts/{name}.svg)"


def of_vectors(result: dict) -> list[str]:
    """Recall against time at the largest size, and time against size at equal recall."""
    sizes = result["sizes"]
    largest = max(sizes, key=int)
    shown = []
    curves = {
        name: [(point["recall"], point["us"]) for point in values["curve"] if point["recall"] >= 0.9]
        for name, values in sizes[largest].items()
        if "curve" in values
    }
    curves = {name: front(line) for name, line in curves.items()}
    curves = {name: line for name, line in curves.items() if len(line) > 1}
    if curves:
        shown.append(
            save(
                "vectors-recall",
                lines(
                    f"{int(largest):,} vectors: time of a search by recall@10",
                    curves,
                    "recall@10",
                    "mean µs, one thread",
                    False,
                    [0.9, 0.92, 0.94, 0.96, 0.98, 0.99, 1.0],
                ),
            )
        )
    growing = {}
    for size, found in sizes.items():
        for name, values in found.items():
            growing.setdefault(name, []).append((int(size), values["mean_us"]))
    if len(sizes) > 1:
        shown.append(
            save(
                "vectors-size",
                lines(
                    f"Time of a search at recall@10 {result['recall']}, by the number of vectors",
                    growing,
                    "vectors",
                    "mean µs, one thread",
                    True,
                ),
            )
        )
    return shown


def front(line: list[tuple[float, float]]) -> list[tuple[float, float]]:
    """By recall, rising, without points that cost more and find no more."""
    kept: list[tuple[float, float]] = []
    for recall, time in sorted(line):
        while kept and kept[-1][1] > time:
            kept.pop()
        if not kept or recall > kept[-1][0]:
            kept.append((recall, time))
    return kept


def of_embed(result: dict) -> list[str]:
    """Throughput."""
    titles = {"t40_per_s": "texts of 40 pieces", "t200_per_s": "texts of 200 pieces"}
    groups = {
        title: {name: values[measure] for name, values in result["one_thread"].items()}
        for measure, title in titles.items()
    }
    return [save("embed-throughput", bars("all-MiniLM-L6-v2 on one thread: texts a second", groups, "texts/s"))]


def of_engine(result: dict) -> list[str]:
    """Text search against the number of memories, and adds."""
    shown = []
    for measure, name, title in (
        ("text_p50_ms", "engine-search", "Text in to hits out, embedding included: p50 by the number of memories"),
        (
            "store_p50_ms",
            "engine-store",
            "Searching the store, the vector of the question known: p50 by the number of memories",
        ),
    ):
        growing = {}
        for size, found in result["sizes"].items():
            for side, values in found.items():
                if measure in values:
                    growing.setdefault(side, []).append((int(size), values[measure]))
        if len(result["sizes"]) > 1:
            shown.append(save(name, lines(title, growing, "memories", "p50 ms, one core", True)))
    adds = {
        side: values["add_per_s"] for side, values in result["sizes"].get("10000", {}).items() if "add_per_s" in values
    }
    if adds:
        shown.append(
            save(
                "engine-adds",
                bars(
                    "One memory at a time at 10,000, durable, embedding included", {"adds a second": adds}, "a second"
                ),
            )
        )
    return shown


def of_compaction(result: dict) -> list[str]:
    """Seconds to compact, cold."""
    groups = {
        "one thread" if part["threads"] == 1 else f"{part['threads']} threads": {
            name: values["compact 0.5"] for name, values in part["seconds"].items()
        }
        for part in result["parts"]
    }
    title = "2,000 messages made half as many by k-means, embedding included: seconds"
    return [save("compaction-peer", bars(title, groups, "s"))]
