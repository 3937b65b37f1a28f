"""The group compaction: 2,000 messages made shorter by k-means over their vectors, embedding included."""

from . import machine, numbers, places
from .side import Side, say, write

MESSAGES = 2_000
RATIOS = (0.5, 0.2)
PEER = "scikit-learn"
SIDES = ("ours-int8", "ours-f32", PEER)


def start(cores: list[int], file: str) -> dict[str, Side]:
    """Starts the sides, loads their models and hands them the messages."""
    sides = {}
    for name in SIDES:
        side = Side("compaction", name, ["rust" if name != PEER else "python"], cores)
        side.loaded = side.ask("load", model=str(places.model()))
        side.prepared = side.ask("prepare", file=file)
        sides[name] = side
    return sides


def measured(cores: list[int], file: str, count: int) -> dict:
    """Every side in turn, each round beginning with another: cold, and again with the vectors known."""
    clock = "cpu" if len(cores) == 1 else "wall"
    sides = start(cores, file)
    found = {name: {f"{op} {ratio}": [] for ratio in RATIOS for op in ("compact", "again")} for name in sides}
    kept = {}
    names = list(sides)
    for number in range(count):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            for ratio in RATIOS:
                for op in ("compact", "again"):
                    answer = sides[name].ask(op, ratio=ratio)
                    found[name][f"{op} {ratio}"].append(answer["took"][clock])
                    kept[f"{name} {ratio}"] = answer["kept"]
        say(f"{len(cores)} threads, round {number + 1} of {count}")
    for side in sides.values():
        side.close()
    return {
        "threads": len(cores),
        "clock": {"cpu": "processor time", "wall": "wall"}[clock],
        "batch": sides[PEER].prepared["batch"],
        "kept": kept,
        "seconds": {
            name: {what: numbers.rounded(numbers.median(times)) for what, times in whats.items()}
            for name, whats in found.items()
        },
        "ratios": {
            name: {what: numbers.ratios(times, found[PEER][what]) for what, times in whats.items()}
            for name, whats in found.items()
            if name != PEER
        },
    }


def run(quick: bool, cores: list[int]) -> dict:
    """Measures the group and writes results/compaction.json."""
    note = machine.note()
    file = places.DATA / "messages.json"
    maker = Side("compaction", "ours-int8", ["rust"], cores[:1])
    made = maker.ask("make", messages=MESSAGES, out=str(file))
    maker.close()
    count = 2 if quick else 5
    parts = [cores[:1]] + ([cores] if len(cores) > 1 else [])
    result = {
        "group": "compaction",
        "quick": quick,
        "machine": note,
        "messages": made,
        "rounds": count,
        "parts": [measured(part, str(file), count) for part in parts],
    }
    write(places.results(quick) / "compaction.json", result)
    return result


def shown(result: dict) -> str:
    """The tables of the result in Markdown."""
    texts = []
    for part in result["parts"]:
        head = ["", *(f"{what}, {ratio:.0%} kept, s" for ratio in RATIOS for what in ("cold", "vectors known"))]
        rows = []
        for name, seconds in part["seconds"].items():
            rows.append([name, *seconds.values()])
        for name, ratios in part["ratios"].items():
            cells = (f"{r['median']:.3g} ({r['low']:.3g} to {r['high']:.3g})" for r in ratios.values())
            rows.append([f"{name} / {PEER}", *cells])
        threads = "One thread" if part["threads"] == 1 else f"{part['threads']} threads"
        messages = f"{result['messages']['messages']:,} messages of {result['messages']['mean_words']:.0f} words"
        texts.append(f"**{threads}**, {part['clock']}, {messages}\n\n" + numbers.table(head, rows))
    return "\n\n".join(texts)
