"""docs/BENCHMARKS.md: what stands between its markers is drawn from results/*.json."""

import importlib
import json

from . import charts, places

GROUPS = ("embed", "vectors", "engine", "compaction")


def drawn(group: str) -> str:
    """The part of a group: its charts, its tables, and what it was measured on."""
    file = places.RESULTS / f"{group}.json"
    if not file.exists():
        return f"*Not measured yet: `benches/peers/run {group}`.*"
    result = json.loads(file.read_text())
    pictures = getattr(charts, f"of_{group}")(result)
    tables = importlib.import_module(f".{group}", __package__).shown(result)
    note = result["machine"]
    versions = ", ".join(f"{name} {version}" for name, version in note["versions"].items())
    about = f"Measured {note['date']} on {note['processor']}, {note['system']}, load {note['load_at_start']} at the start; Mnemon at {note['mnemon']}, {note['rustc'].split(' (')[0]}; {versions}."
    return "\n\n".join([*pictures, tables, f"<sub>{about}</sub>"])


def draw() -> None:
    """Draws every part anew and leaves the rest of the page as it is."""
    page = places.PAGE.read_text(encoding="utf-8")
    for group in GROUPS:
        begin, end = f"<!-- {group}: drawn by benches/peers/run -->", f"<!-- {group}: end -->"
        part = f"{begin}\n\n{drawn(group)}\n\n{end}"
        if page.count(begin) != 1 or page.count(end) != 1:
            raise SystemExit(f"expected the markers of {group} once in {places.PAGE.name}")
        before, rest = page.split(begin)
        page = before + part + rest.split(end)[1]
    places.PAGE.write_text(page, encoding="utf-8")
