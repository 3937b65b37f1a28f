"""The group engine: text in, text out, with the same model, the same texts and the same disk."""

import hashlib
import random
import shutil
import tempfile
import threading
import time
from pathlib import Path

from . import machine, numbers, places, sentences, vectors
from .side import Failed, Side, say, write

OURS = ("ours-fast", "ours-thorough")
PEERS = ("chroma", "qdrant-local", "sqlite-vec+fts5", "mem0", "langchain-faiss", "langgraph-sqlite")
SIZES = (1_000, 10_000, 100_000)
# From here on single adds and opening are measured too, and here the kills.
MIDDLE = 10_000
K = 10
# Sentences that no store holds when it is loaded: questions, and what is added one at a time.
ASKED, ADDED = 100_000, 103_000
# What a side may take of a round.
SECONDS = 3.0
# A goal for us is set against the best of these.
RATIOS = (
    "text_p50_ms",
    "store_p50_ms",
    "add_ms",
    "durable_add_ms",
    "first_answer_s",
    "start_to_answer_s",
    "rss_mb",
    "bytes_a_memory",
)


def command(name: str) -> list[str]:
    return ["rust"] if name in OURS else ["python"]


def start(name: str, mode: str, cores: list[int], lean: bool = False) -> Side:
    environment = {"PEERS_MODE": mode} | ({"PEERS_LEAN": "1"} if lean else {})
    side = Side("engine", name, command(name), cores, environment)
    side.began = time.perf_counter()
    return side


def key(name: str) -> str:
    """Names what a loaded store depends on, so that it can be kept."""
    made_of = sentences.note()["sha256"]
    if name in OURS:
        made_of += hashlib.sha256(places.driver().read_bytes()).hexdigest()
    else:
        made_of += str(machine.versions())
    return hashlib.sha256(made_of.encode()).hexdigest()[:12]


def store(name: str, size: int, cores: list[int]) -> Path:
    """A store with the first `size` sentences, loaded once with vectors that are known and kept.

    It is loaded on a disk in memory where there is one: some peers sync with every memory, which would take an hour.
    """
    kept = places.STORES / "engine" / f"{name}-{size}-{key(name)}"
    if kept.exists():
        return kept
    for other in kept.parent.glob(f"{name}-{size}-*"):
        shutil.rmtree(other)
    memory_disk = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory_disk if memory_disk.is_dir() else None) as folder:
        side = start(name, "given", cores)
        try:
            side.ask("model")
            side.ask("open", folder=folder)
            took = side.ask("load", **{"from": 0}, count=size)["took"]
            side.ask("close")
        finally:
            side.close()
        say(f"{size:,}: {name} loaded in {took['wall']:.1f} s")
        part = kept.with_name("part")
        shutil.rmtree(part, ignore_errors=True)
        part.parent.mkdir(parents=True, exist_ok=True)
        shutil.copytree(folder, part)
        part.rename(kept)
    return kept


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def copies(names: list[str], size: int, cores: list[int], found: dict) -> dict[str, Path]:
    """A copy of each store to work on."""
    ready = {}
    for name in names:
        try:
            kept = store(name, size, cores)
        except Failed as failure:
            say(str(failure))
            continue
        found[name]["bytes_a_memory"] = round(bytes_in(kept) / size)
        copy = places.fresh(places.STORES / "run" / f"{name}-{size}")
        shutil.copytree(kept, copy, dirs_exist_ok=True)
        ready[name] = copy
    return ready


def opened(folders: dict[str, Path], mode: str, core: list[int], found: dict) -> dict[str, Side]:
    """A process for each store, warm."""
    sides = {}
    for name, folder in folders.items():
        side = start(name, mode, core)
        try:
            side.ask("model")
            side.ask("open", folder=str(folder))
            side.ask("search", **{"from": ASKED - 4}, count=2, k=K)
            side.warm = max(side.ask("search", **{"from": ASKED - 2}, count=2, k=K)["took"]["wall"]) / 1e6
        except Failed as failure:
            say(str(failure))
            found[name]["failed"] = str(failure)[-200:]
            side.kill()
            continue
        sides[name] = side
    return sides


def in_turn(sides: dict[str, Side], rounds: int, ask) -> dict[str, list]:
    """What each side answers in each round; the first to be asked changes."""
    answers: dict[str, list] = {name: [] for name in sides}
    for number in range(rounds):
        order = list(sides)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            answers[name].append(ask(sides[name], number))
    return answers


def keep(found: dict, measure: str, answers: dict[str, list], clock: str) -> None:
    """The median of each round, their median, and the 99th percentile of all, in milliseconds."""
    for name, rounds in answers.items():
        if not rounds:
            continue
        by_round = [numbers.rounded(numbers.median(answer["took"][clock]) / 1e3) for answer in rounds]
        everything = [value / 1e3 for answer in rounds for value in answer["took"][clock]]
        wall = [value / 1e3 for answer in rounds for value in answer["took"]["wall"]]
        prefix = measure.removesuffix("_ms")
        found[name] |= {
            f"{prefix}_by_round_ms": by_round,
            measure: numbers.rounded(numbers.median(by_round)),
            f"{prefix.removesuffix('_p50')}_p99_ms": numbers.rounded(numbers.percentile(everything, 99)),
            f"{prefix}_wall_ms": numbers.rounded(numbers.median(wall)),
        }


def measured(size: int, folders: dict, found: dict, quick: bool, cores: list[int], truth: "vectors.Truth") -> None:
    """Searching, and from MIDDLE on adding, first as a user has it and then with vectors that are known."""
    for mode in ("natural", "given"):
        sides = opened(folders, mode, cores[:1], found)
        searching(mode, size, sides, found, quick, truth)
        if size >= MIDDLE or quick:
            adding(mode, size, sides, found, quick)
        for side in sides.values():
            side.close()


def searching(mode: str, size: int, sides: dict[str, Side], found: dict, quick: bool, truth: "vectors.Truth") -> None:
    """Text in to hits out, or searching the store with vectors that are known."""
    rounds, asked = (3, 10) if quick else (7, 20)
    measure = "text_p50_ms" if mode == "natural" else "store_p50_ms"
    # Every question is a new one: no side may remember its answer. The slow are asked the first few of each round.
    base = ASKED if mode == "natural" else ASKED + 1_000
    count = {name: max(3, min(asked, int(SECONDS / side.warm))) for name, side in sides.items()}
    answers = in_turn(
        sides,
        rounds,
        lambda side, number: side.ask("search", **{"from": base + number * asked}, count=count[side.name], k=K),
    )
    keep(found, measure, answers, "cpu")
    ours = {name: side for name, side in sides.items() if name in OURS}
    if mode == "natural":
        context = in_turn(
            ours,
            rounds,
            lambda side, number: side.ask("context", **{"from": ASKED + 500 + number * asked}, count=asked),
        )
        keep(found, "context_p50_ms", context, "cpu")
    else:
        for name, given in answers.items():
            shares = [truth.recall(base + number * asked, answer["ids"]) for number, answer in enumerate(given)]
            found[name]["nearest_found"] = round(sum(shares) / len(shares), 4)
            found[name]["embedded_all_the_same"] = sum(answer["embedded"] for answer in given)
    say(f"{size:,}: {measure}: " + ", ".join(f"{name} {found[name][measure]}" for name in sides))


def adding(mode: str, size: int, sides: dict[str, Side], found: dict, quick: bool) -> None:
    """One memory at a time, by the wall: a disk is waited for. With its embedding, or with its vector known."""
    rounds, added = (2, 8) if quick else (5, 20)
    measure, base = ("add_ms", ADDED) if mode == "natural" else ("durable_add_ms", ADDED + 500)
    # langchain-faiss writes its whole file with every add.
    count = lambda side: min(added, 3) if side.name == "langchain-faiss" and size > 1_000 else added
    answers = in_turn(
        sides, rounds, lambda side, number: side.ask("add", **{"from": base + number * added}, count=count(side))
    )
    keep(found, measure, answers, "wall")
    keep(found, measure.replace("add", "add_cpu"), answers, "cpu")
    say(f"{size:,}: {measure}: " + ", ".join(f"{name} {found[name][measure]}" for name in sides))
    if mode == "given":
        return
    many = 100 if quick else 500
    for name, side in sides.items():
        found[name]["add_per_s"] = numbers.rounded(1e3 / numbers.median(found[name]["add_by_round_ms"]))
        took = side.ask("load", **{"from": ADDED + 1_000}, count=many)["took"]
        found[name]["bulk_add_per_s"] = numbers.rounded(many / took["cpu"])
    # Ours against what cannot be avoided: the same bytes in a bare table, and the model.
    ours = {name: side for name, side in sides.items() if name in OURS}
    bare = places.fresh(places.STORES / "run" / "bare")
    for op, measure, clock, fields in (
        ("observe", "observe_p50_ms", "wall", {}),
        ("embed", "embed_p50_ms", "cpu", {}),
        ("bare", "bare_insert_p50_ms", "wall", {"folder": str(bare)}),
    ):
        ask = lambda side, number: side.ask(op, **{"from": ADDED + 2_000 + number * added}, count=added, **fields)
        keep(found, measure, in_turn(ours, rounds, ask), clock)


def opening(size: int, folders: dict, found: dict, quick: bool, cores: list[int]) -> None:
    """From nothing to the first answer: with the process and its model, and without. By the wall."""
    results: dict[str, list] = {name: [] for name in folders}
    for number in range(1 if quick else 3):
        order = list(folders)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            side = start(name, "natural", cores[:1], lean=True)
            try:
                side.ask("model")
                before = side.ask("memory")
                ready = time.perf_counter()
                side.ask("open", folder=str(folders[name]))
                side.ask("search", **{"from": 7 + number}, count=1, k=K)
                answered = time.perf_counter()
                side.ask("search", **{"from": 20}, count=20, k=K)
                after = side.ask("memory")
                results[name].append(
                    (answered - ready, answered - side.began, after["rss"], after["rss"] - before["rss"])
                )
            except Failed as failure:
                say(str(failure))
            side.close()
    for name, values in results.items():
        if values:
            first, whole, rss, grown = (numbers.median(column) for column in zip(*values, strict=True))
            found[name] |= {
                "first_answer_s": numbers.rounded(first),
                "start_to_answer_s": numbers.rounded(whole),
                "rss_mb": round(rss / 1e6),
                "rss_of_store_mb": round(grown / 1e6),
                "first_answer_by_round": [numbers.rounded(value[0]) for value in values],
            }


def killing(names: list[str], found: dict, kills: int, cores: list[int]) -> None:
    """Ends each engine at once while it adds, opens it again, and counts what it had acknowledged and lost."""
    chosen = random.Random(5)
    for name in names:
        folder = places.fresh(places.STORES / "run" / f"{name}-kill")
        acknowledged: list[list[int]] = []
        lost = refused = 0
        for number in range(kills + 1):
            side = start(name, "given", cores[:1])
            try:
                side.ask("model")
                side.ask("open", folder=str(folder))
                if number:
                    missing = [
                        side.ask("missing", **{"from": first}, count=count)["missing"] for first, count in acknowledged
                    ]
                    lost = max(lost, sum(missing))
                if number == kills:
                    break
                timer = threading.Timer(chosen.uniform(0.2, 1.0), side.process.kill)
                timer.start()
                # What was being added when the process ended may be there or not: its number is not used again.
                acknowledged.append([sum(acknowledged[-1]) + 1 if acknowledged else 0, 0])
                while True:
                    side.ask("add", **{"from": sum(acknowledged[-1])}, count=1)
                    acknowledged[-1][1] += 1
            except Failed as failure:
                if "ended at add" not in str(failure):
                    refused += 1
                    say(f"{name} after kill {number}: {failure}")
                    break
            finally:
                side.kill()
        found[name]["killed"] = {
            "kills": number,
            "acknowledged": sum(count for _, count in acknowledged),
            "lost": lost,
            "opened_again": refused == 0,
        }
        say(f"kill -9: {name}: {found[name]['killed']}")


def compared(sizes: dict) -> list[dict]:
    """Ours over the best peer of each measure, at each size."""
    lines = []
    for size, found in sizes.items():
        for ours in OURS:
            for measure in RATIOS:
                theirs = {name: found[name][measure] for name in PEERS if found.get(name, {}).get(measure)}
                if theirs and found.get(ours, {}).get(measure):
                    best = min(theirs, key=theirs.get)
                    by_round = measure.removesuffix("_ms") + "_by_round_ms"
                    if by_round in found[ours] and by_round in found[best]:
                        ratio = numbers.ratios(found[ours][by_round], found[best][by_round])
                    else:
                        ratio = {"median": numbers.rounded(found[ours][measure] / theirs[best])}
                    lines.append(
                        {
                            "size": int(size),
                            "ours": ours,
                            "measure": measure,
                            "best_peer": best,
                            **ratio,
                            "each": {
                                name: numbers.rounded(found[ours][measure] / value) for name, value in theirs.items()
                            },
                        }
                    )
    return lines


def run(quick: bool, cores: list[int]) -> dict:
    """Measures the group and writes results/engine.json."""
    note = machine.note()
    rows = vectors.vectors(cores)
    names = [*OURS, *PEERS]
    sizes = {}
    for size in SIZES[:1] if quick else SIZES:
        found: dict[str, dict] = {name: {} for name in names}
        folders = copies(names, size, cores, found)
        measured(size, folders, found, quick, cores, vectors.Truth(rows, size))
        if size >= MIDDLE or quick:
            opening(size, folders, found, quick, cores)
        if size == MIDDLE or quick:
            killing(list(folders), found, 2 if quick else 5, cores)
        for folder in folders.values():
            shutil.rmtree(folder)
        sizes[str(size)] = found
    result = {
        "group": "engine",
        "quick": quick,
        "machine": note,
        "data": sentences.note(),
        "k": K,
        "clock": "processor time for searching, the wall for adding and opening",
        "sizes": sizes,
        "ratios": compared(sizes),
    }
    write(places.results(quick) / "engine.json", result)
    return result


def shown(result: dict) -> str:
    """The tables of the result in Markdown."""
    parts = []
    head = [
        "",
        "text in to hits out p50 / p99 ms",
        "store search p50 / p99 ms",
        "nearest found",
        "add with embedding, a second (many at once)",
        "durable add, vector known ms",
        "open to first answer s",
        "with the process s",
        "RSS MB (of the store)",
        "bytes a memory",
        "kill -9",
    ]
    for size, found in result["sizes"].items():
        rows = []
        for name, v in found.items():
            killed = v.get("killed")
            state = (
                None
                if killed is None
                else (
                    f"{killed['lost']} of {killed['acknowledged']} lost"
                    + ("" if killed["opened_again"] else ", then dead")
                )
            )
            rows.append(
                [
                    name,
                    pair(v, "text_p50_ms", "text_p99_ms"),
                    pair(v, "store_p50_ms", "store_p99_ms"),
                    v.get("nearest_found"),
                    None
                    if "add_per_s" not in v
                    else f"{numbers.shown(v['add_per_s'])} ({numbers.shown(v['bulk_add_per_s'])})",
                    v.get("durable_add_ms"),
                    v.get("first_answer_s"),
                    v.get("start_to_answer_s"),
                    None if "rss_mb" not in v else f"{v['rss_mb']:,} ({v['rss_of_store_mb']:,})",
                    v.get("bytes_a_memory"),
                    state,
                ]
            )
        used = [i for i in range(len(head)) if i == 0 or any(row[i] is not None for row in rows)]
        parts.append(
            f"**{int(size):,} memories**\n\n"
            + numbers.table([head[i] for i in used], [[row[i] for i in used] for row in rows])
        )
        rows = [
            [name, v.get("context_p50_ms"), v.get("observe_p50_ms"), v.get("embed_p50_ms"), v.get("bare_insert_p50_ms")]
            for name, v in found.items()
            if name in OURS
        ]
        parts.append(
            numbers.table(
                [
                    "ours",
                    "build_context p50 ms",
                    "observe (two turns, durable) p50 ms",
                    "embedding one text p50 ms",
                    "bare SQLite insert p50 ms",
                ],
                rows,
            )
        )
    rows = [
        [
            f"{r['size']:,}",
            r["ours"],
            r["measure"],
            r["best_peer"],
            f"{r['median']:.3g}" + (f" ({r['low']:.3g} to {r['high']:.3g})" if "low" in r else ""),
        ]
        for r in result["ratios"]
    ]
    parts.append(
        "**Ours over the best peer** (below 1: ours is less)\n\n"
        + numbers.table(["memories", "ours", "measure", "best peer", "ratio"], rows)
    )
    return "\n\n".join(parts)


def pair(values: dict, one: str, other: str) -> str | None:
    """Two figures in one cell."""
    return f"{numbers.shown(values[one])} / {numbers.shown(values[other])}" if one in values else None
