"""Medians, ratios and tables."""

import statistics
from collections.abc import Iterable


def median(values: Iterable[float]) -> float:
    return statistics.median(values)


def percentile(values: list[float], percent: float) -> float:
    """The nearest-rank percentile."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * percent / 100))]


def rounded(value: float, digits: int = 4) -> float:
    """To so many significant digits."""
    return float(f"{value:.{digits}g}")


def ratios(of: list[float], to: list[float]) -> dict:
    """The ratio of two sides, round by round, so that a round in which the machine was slow counts for both."""
    pairs = [a / b for a, b in zip(of, to, strict=True) if b > 0]
    return {"median": rounded(median(pairs)), "low": rounded(min(pairs)), "high": rounded(max(pairs))}


def table(head: list[str], rows: list[list]) -> str:
    """A table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(shown(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def shown(cell) -> str:
    """A cell: numbers with three or four digits that count, `None` as nothing."""
    if cell is None:
        return ""
    if isinstance(cell, float):
        if cell == 0:
            return "0"
        if abs(cell) >= 100:
            return f"{cell:,.0f}"
        return f"{cell:.3g}"
    if isinstance(cell, int):
        return f"{cell:,}"
    return str(cell)
