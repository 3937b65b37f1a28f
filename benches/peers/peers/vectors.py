"""The group vectors: the ten nearest of 1,000 to 100,000 sentences, at equal recall."""

import numpy as np

from . import machine, numbers, places, sentences
from .side import Failed, Side, say, write

GRAPHS = ("ours", "usearch", "usearch-i8+f32", "hnsw_rs", "hnswlib", "faiss-hnsw")
# They have no width to choose.
FIXED = ("chroma", "f32-scan", "sqlite-vec")
RUST = ("ours", "usearch", "usearch-i8+f32", "hnsw_rs", "f32-scan")
SIZES = (1_000, 10_000, 30_000, 100_000)
K = 10
RECALL = 0.99
# How wide to search, for the curve and as brackets of the width that gives RECALL.
WIDTHS = (10, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536)
# Rows that are asked, and rows that are inserted. All sides are asked the same, so the width is chosen on all of them:
# it is the recall of the very questions that are timed that is held equal.
MEASURE, INSERT = 101_000, 105_000
ROUNDS, QUICK_ROUNDS, EACH_ROUND = 9, 5, 100
FILE = places.DATA / "vectors.f32"


def vectors(cores: list[int]) -> np.ndarray:
    """The vector of each sentence by our f32 model, which agrees with sentence-transformers to 0.99999: made once."""
    sentences.read()
    if not FILE.exists():
        say("embedding the sentences, once: a few minutes")
        side = Side("embed", "ours-f32", ["rust"], cores)
        side.ask("load", model=str(places.model()))
        part = FILE.with_suffix(".part")
        side.ask("vectors", file=str(sentences.FILE), out=str(part))
        side.close()
        part.replace(FILE)
    return np.fromfile(FILE, "<f4").reshape(-1, 384)


class Truth:
    """The ten nearest of each question by an exact scan in f64 of the candidates of one in f32."""

    def __init__(self, rows: np.ndarray, count: int):
        self.rows, self.base = rows, rows[:count]
        self.known: dict[int, set[int]] = {}

    def recall(self, start: int, found: list[list[int]]) -> float:
        """The share of the true nearest that was found, for questions from `start` on."""
        missing = [start + i for i in range(len(found)) if start + i not in self.known]
        for at in range(0, len(missing), 500):
            questions = missing[at : at + 500]
            products = self.rows[questions] @ self.base.T
            near = np.argpartition(-products, min(4 * K, products.shape[1] - 1), axis=1)[:, : 4 * K]
            for question, candidates in zip(questions, near, strict=True):
                exact = self.base[candidates].astype(np.float64) @ self.rows[question].astype(np.float64)
                self.known[question] = set(candidates[np.argsort(-exact, kind="stable")[:K]].tolist())
        hits = sum(len(self.known[start + i] & set(ids[:K])) for i, ids in enumerate(found))
        return hits / (K * len(found))


def command(name: str) -> list[str]:
    return ["rust"] if name in RUST else ["python"]


def build(name: str, size: int, cores: list[int], folder) -> dict:
    """Builds and saves an index in a process of its own, with all cores."""
    side = Side("vectors", name, command(name), cores)
    try:
        return side.ask("build", count=size, threads=len(cores), folder=str(places.fresh(folder)))
    finally:
        side.close()


def curve(side: Side, truth: Truth, quick: bool) -> list[dict]:
    """Recall and time by width, until nothing more is to be found."""
    points = []
    count = 100 if quick else 300
    for width in WIDTHS:
        answer = side.ask("search", **{"from": MEASURE}, count=count, k=K, ef=width)
        point = {
            "ef": width,
            "recall": round(truth.recall(MEASURE, answer["ids"]), 4),
            "us": numbers.rounded(sum(answer["took"]["cpu"]) / len(answer["took"]["cpu"])),
        }
        points.append(point)
        if point["recall"] >= 0.9985 or (len(points) > 3 and point["recall"] - points[-4]["recall"] < 0.0005):
            break
    return points


def narrowest(side: Side, truth: Truth, points: list[dict], quick: bool) -> int | None:
    """The least width with the recall that is asked for, by halving between two points of the curve."""
    reached = [point["ef"] for point in points if point["recall"] >= RECALL]
    if not reached:
        return None
    below = max((point["ef"] for point in points if point["ef"] < reached[0]), default=K)
    questions = EACH_ROUND * (QUICK_ROUNDS if quick else ROUNDS)

    def enough(width: int) -> bool:
        answer = side.ask("search", **{"from": MEASURE}, count=questions, k=K, ef=width)
        return truth.recall(MEASURE, answer["ids"]) >= RECALL

    low, high = below, reached[0]
    # The curve is drawn from fewer questions, so its bracket may be a little too narrow.
    while not enough(high) and high < WIDTHS[-1]:
        low, high = high, high * 5 // 4
    while high - low > max(1, high // 24):
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return high


def size_of(size: int, rows: np.ndarray, quick: bool, cores: list[int]) -> dict:
    """All sides at one size."""
    truth = Truth(rows, size)
    names = [*GRAPHS, *FIXED]
    if quick:
        names.remove("usearch-i8+f32")
    found: dict[str, dict] = {}
    sides: dict[str, Side] = {}
    for name in names:
        folder = places.STORES / "vectors" / f"{name}-{size}"
        try:
            built = build(name, size, cores, folder)
            side = Side("vectors", name, command(name), cores[:1])
            opened = side.ask("open", count=size, folder=str(folder))
        except Failed as failure:
            say(str(failure))
            continue
        sides[name] = side
        found[name] = {
            "build_s": numbers.rounded(built["took"]["wall"]),
            "build_cpu_s": numbers.rounded(built["took"]["cpu"]),
            "disk_bytes": round(built["bytes"] / size),
            "open_ms": [],
            "memory_bytes": round(opened["anonymous"] / size),
            "runs": [],
            "recalls": [],
            "ef": None,
        }
        if name in GRAPHS:
            points = curve(side, truth, quick)
            found[name] |= {"curve": points, "ef": narrowest(side, truth, points, quick)}
            if found[name]["ef"] is None:
                best = max(point["recall"] for point in points)
                found[name]["ef"] = next(point["ef"] for point in points if point["recall"] >= best - 0.003)
        say(f"{size:,}: {name} built in {built['took']['wall']:.1f} s, ef {found[name]['ef']}")
    for number in range(QUICK_ROUNDS if quick else ROUNDS):
        order = list(sides)
        for name in order[number % len(order) :] + order[: number % len(order)]:
            asked = 20 if name in ("f32-scan", "sqlite-vec") else EACH_ROUND
            asked = 3 if name == "sqlite-vec" and size > 10_000 else asked
            start = MEASURE + number * EACH_ROUND
            answer = sides[name].ask("search", **{"from": start}, count=asked, k=K, ef=found[name]["ef"] or K)
            found[name]["each"] = answer["each"]
            found[name]["runs"].append(answer["took"])
            found[name]["recalls"].append((truth.recall(start, answer["ids"]), asked))
        # Opening is measured in turn too, in processes that end at once.
        if number < (3 if quick else 5):
            for name in order:
                again = Side("vectors", name, command(name), cores[:1])
                opened = again.ask("open", count=size, folder=str(places.STORES / "vectors" / f"{name}-{size}"))
                found[name]["open_ms"].append((opened["took"]["wall"] + opened["first"]["wall"]) * 1e3)
                again.close()
    for name, side in sides.items():
        inserted = side.ask("insert", **{"from": INSERT}, count=50 if quick else 200)
        folder = places.STORES / "vectors" / f"{name}-{size}"
        durable = side.ask(
            "durable",
            **{"from": INSERT + 1_000},
            count=20 if name in ("ours", "sqlite-vec", "chroma") else 2,
            folder=str(folder),
        )
        found[name] |= {
            "insert_us": numbers.rounded(numbers.median(inserted["took"]["wall"])),
            "visible": inserted["visible"] / (50 if quick else 200),
            "durable_insert_us": numbers.rounded(numbers.median(durable["took"]["wall"])),
        }
        side.close()
        places.fresh(folder)
    return {name: finished(values) for name, values in found.items()}


def finished(values: dict) -> dict:
    """Runs made into figures."""
    runs, recalls = values.pop("runs"), values.pop("recalls")
    values["p50_us_by_round"] = [numbers.rounded(numbers.median(run["cpu"])) for run in runs]
    values["p50_us"] = numbers.rounded(numbers.median(values["p50_us_by_round"]))
    values["mean_us_by_round"] = [numbers.rounded(sum(run["cpu"]) / len(run["cpu"])) for run in runs]
    values["mean_us"] = numbers.rounded(numbers.median(values["mean_us_by_round"]))
    values["p50_wall_us"] = numbers.rounded(numbers.median(numbers.median(run["wall"]) for run in runs))
    values["recall"] = round(sum(r * n for r, n in recalls) / sum(n for _, n in recalls), 4)
    values["open_ms"] = numbers.rounded(numbers.median(values["open_ms"]))
    return values


def compared(sizes: dict) -> list[dict]:
    """Ours over each peer, at each size."""
    lines = []
    for size, found in sizes.items():
        ours = found.get("ours")
        for peer, theirs in found.items():
            if ours is None or peer == "ours":
                continue
            # Of what is asked twenty at a time only the mean is known.
            measure = "p50" if theirs["each"] == 1 else "mean"
            line = {
                "size": int(size),
                "peer": peer,
                "measure": measure,
                "search": numbers.ratios(ours[f"{measure}_us_by_round"], theirs[f"{measure}_us_by_round"]),
                "reached": theirs["recall"] >= RECALL - 0.005,
            }
            for measure in ("memory_bytes", "open_ms", "insert_us", "durable_insert_us", "build_cpu_s"):
                line[measure] = numbers.rounded(ours[measure] / theirs[measure]) if theirs[measure] else None
            lines.append(line)
    return lines


def run(quick: bool, cores: list[int]) -> dict:
    """Measures the group and writes results/vectors.json."""
    note = machine.note()
    rows = vectors(cores)
    sizes = {str(size): size_of(size, rows, quick, cores) for size in (SIZES[:2] if quick else SIZES)}
    result = {
        "group": "vectors",
        "quick": quick,
        "machine": note,
        "data": sentences.note(),
        "k": K,
        "recall": RECALL,
        "graph": {"m": 16, "ef_construction": 200},
        "clock": "processor time",
        "build_threads": len(cores),
        "sizes": sizes,
        "ratios": compared(sizes),
    }
    write(places.results(quick) / "vectors.json", result)
    return result


def shown(result: dict) -> str:
    """The tables of the result in Markdown."""
    parts = []
    head = [
        "",
        "recall@10",
        "ef",
        "p50 µs",
        "mean µs",
        "memory, bytes a vector",
        "open to first answer ms",
        "insert µs",
        "durable insert µs",
        "build s",
        "build core s",
    ]
    for size, found in result["sizes"].items():
        rows = [
            [
                name,
                f"{v['recall']:.4f}",
                v["ef"],
                v["p50_us"] if v["each"] == 1 else None,
                v["mean_us"],
                v["memory_bytes"],
                v["open_ms"],
                v["insert_us"],
                v["durable_insert_us"],
                v["build_s"],
                v["build_cpu_s"],
            ]
            for name, v in found.items()
        ]
        parts.append(f"**{int(size):,} vectors**\n\n" + numbers.table(head, rows))
    rows = []
    for r in result["ratios"]:
        spread = f" ({r['search']['low']:.3g} to {r['search']['high']:.3g}; {r['measure']})"
        rows.append(
            [
                f"{r['size']:,}",
                r["peer"] + ("" if r["reached"] else " (below the recall)"),
                f"{r['search']['median']:.3g}{spread}",
                r["memory_bytes"],
                r["open_ms"],
                r["insert_us"],
                r["durable_insert_us"],
            ]
        )
    parts.append(
        "**Ours over the peer** (below 1: ours is less)\n\n"
        + numbers.table(["vectors", "peer", "search", "memory", "open", "insert", "durable insert"], rows)
    )
    return "\n\n".join(parts)
