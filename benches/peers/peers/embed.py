"""The group embed: all-MiniLM-L6-v2 through each engine, tokenising included."""

import json
import subprocess

import numpy as np

from . import export, machine, numbers, places, texts
from .side import Failed, Side, say, write

OURS = ("ours-int8", "ours-f32")
PEERS = ("onnxruntime-int8", "onnxruntime-fp32", "sentence-transformers", "candle-f32")
SETS = (texts.SHORT, texts.LONG)
# Which of ours a peer is set against: each in its own arithmetic, and the reference against both.
PAIRS = [("ours-int8", peer) for peer in PEERS] + [("ours-f32", peer) for peer in PEERS if peer != "onnxruntime-int8"]


def command(name: str) -> list[str]:
    return ["rust"] if name.startswith(("ours", "candle")) else ["python"]


def start(names: list[str], cores: list[int], environment: dict[str, str] | None = None) -> dict[str, Side]:
    """Starts the sides and loads their models."""
    sides = {}
    for name in names:
        side = Side("embed", name, command(name), cores, environment)
        try:
            side.loaded = side.ask("load", model=str(places.model()))
            for which in (texts.QUERIES, *SETS):
                side.batch = getattr(side, "batch", {}) | {which: side.ask("prepare", set=which)["batch"]}
        except Failed as failure:
            say(str(failure))
            side.kill()
            continue
        say(f"{name}: loaded, batches of {side.batch[texts.SHORT]} and {side.batch[texts.LONG]}")
        sides[name] = side
    return sides


def rounds(
    sides: dict[str, Side], count: int, quick: bool, clock: str, queries: bool = True
) -> dict[str, dict[str, list]]:
    """Asks every side in turn, in each round with the same texts, and beginning with another side."""
    per_pass = {texts.SHORT: 60 if quick else 120, texts.LONG: 16 if quick else 32}
    per_round = 20 if quick else 40
    found: dict[str, dict[str, list]] = {
        name: {"q12_p50_us": [], "q12_mean_us": [], **{f"{which}_per_s": [] for which in SETS}} for name in sides
    }
    names = list(sides)
    for number in range(count):
        for name in names[number % len(names) :] + names[: number % len(names)]:
            side, result = sides[name], found[name]
            if queries:
                took = side.ask("queries", **{"from": number * per_round}, count=per_round)[clock]
                result["q12_p50_us"].append(numbers.median(took))
                result["q12_mean_us"].append(sum(took) / len(took))
            for which in SETS:
                answer = side.ask("pass", set=which, **{"from": number * per_pass[which]}, count=per_pass[which])
                result[f"{which}_per_s"].append(answer["texts"] / answer["took"][clock])
        say(f"round {number + 1} of {count}")
    return found


def summary(sides: dict[str, Side], found: dict) -> dict:
    """The median of the rounds of each side."""
    return {
        name: {
            "load_s": numbers.rounded(sides[name].loaded["took"]["wall"]),
            "rss_mb": round(sides[name].loaded["memory"]["rss"] / 1e6),
            "batch": sides[name].batch,
            **{measure: numbers.rounded(numbers.median(values)) for measure, values in found[name].items() if values},
        }
        for name in sides
    }


def compared(found: dict) -> list[dict]:
    """Each pair: our speed over theirs, our time over theirs."""
    lines = []
    for ours, peer in PAIRS:
        if ours in found and peer in found:
            line = {"ours": ours, "peer": peer}
            for measure, values in found[ours].items():
                if values and measure != "q12_mean_us":
                    line[measure] = numbers.ratios(values, found[peer][measure])
            lines.append(line)
    return lines


def parity(sides: dict[str, Side], quick: bool) -> dict:
    """Cosines to sentence-transformers over 1,000 varied texts; every tenth of them in a quick run."""
    vectors = {}
    file = places.DATA / "parity-part.json"
    file.write_text(json.dumps(json.loads((places.DATA / "parity.json").read_text())[:: 10 if quick else 1]))
    for name, side in sides.items():
        out = places.WORK / f"parity-{name}.f32"
        side.ask("vectors", file=str(file), out=str(out))
        rows = np.fromfile(out, "<f4").reshape(-1, 384).astype(np.float64)
        vectors[name] = rows / np.linalg.norm(rows, axis=1, keepdims=True)
        out.unlink()
    reference = vectors.get("sentence-transformers")
    if reference is None:
        return {}
    cosines = {name: (rows * reference).sum(1) for name, rows in vectors.items() if rows is not reference}
    return {
        name: {"mean": round(float(c.mean()), 6), "min": round(float(c.min()), 6), "texts": len(c)}
        for name, c in cosines.items()
    }


def hidden() -> dict[str, str] | None:
    """The environment that hides AVX-512 from every library; `None` where that cannot be done."""
    library = places.WORK / "hide_avx512.so"
    if not library.exists():
        return None
    environment = {"LD_PRELOAD": str(library)}
    works = subprocess.run(["true"], env=environment, capture_output=True).returncode == 0
    return environment if works else None


def threads_of(names: list[str], cores: list[int], count: int, quick: bool) -> dict:
    """Throughput with two threads on two cores, by the wall, beside the same with one."""
    found = {}
    single, double = start(names, cores[:1]), start(names, cores[:2])
    both = {f"{name} 1": side for name, side in single.items()} | {f"{name} 2": side for name, side in double.items()}
    measured = rounds(both, count, quick, "wall", queries=False)
    for name in double:
        if f"{name} 1" not in measured:
            continue
        # Two cores are seldom both free for long on a machine that does other things: the best round of each.
        best = {
            threads: {which: max(measured[f"{name} {threads}"][f"{which}_per_s"]) for which in SETS}
            for threads in (1, 2)
        }
        found[name] = {f"{which}_per_s": numbers.rounded(best[2][which]) for which in SETS}
        found[name]["over_one_thread"] = {which: numbers.rounded(best[2][which] / best[1][which]) for which in SETS}
    for side in both.values():
        side.close()
    return found


def run(quick: bool, cores: list[int]) -> dict:
    """Measures the group and writes results/embed.json."""
    export.export()
    made = texts.make()
    count = 3 if quick else 9
    note = machine.note()
    say("one thread")
    sides = start([*OURS, *PEERS], cores[:1])
    found = rounds(sides, count, quick, "cpu")
    result = {
        "group": "embed",
        "quick": quick,
        "machine": note,
        "sets": made,
        "clock": "processor time",
        "rounds": count,
        "one_thread": summary(sides, found),
        "ratios": compared(found),
        "parity": parity(sides, quick),
    }
    for side in sides.values():
        side.close()
    environment = hidden()
    if environment:
        say("one thread, AVX-512 and everything else beyond AVX2 hidden from all sides")
        sides = start([*OURS, *PEERS[:2]] if quick else [*OURS, *PEERS], cores[:1], environment)
        found = rounds(sides, 2 if quick else count - 2, quick, "cpu")
        result["avx2"] = {"one_thread": summary(sides, found), "ratios": compared(found)}
        for side in sides.values():
            side.close()
    if len(cores) >= 2:
        say("two threads")
        two = ["ours-int8", "ours-f32", "onnxruntime-int8", "onnxruntime-fp32"]
        result["two_threads"] = threads_of(two, cores, 3 if quick else count, quick)
    write(places.results(quick) / "embed.json", result)
    return result


def shown(result: dict) -> str:
    """The tables of the result in Markdown."""
    head = ["", "texts/s, 40 pieces", "texts/s, 200 pieces", "question of 12 pieces, p50 µs", "load s", "RSS MB"]
    parts = []
    for title, part in (("One thread", result), ("One thread, AVX2 only (all sides)", result.get("avx2"))):
        if not part:
            continue
        rows = [
            [name, v["t40_per_s"], v["t200_per_s"], v["q12_p50_us"], v["load_s"], v["rss_mb"]]
            for name, v in part["one_thread"].items()
        ]
        parts.append(f"**{title}**\n\n" + numbers.table(head, rows))
        rows = [
            [
                f"{r['ours']} / {r['peer']}",
                *(
                    f"{r[m]['median']:.3g} ({r[m]['low']:.3g} to {r[m]['high']:.3g})"
                    for m in ("t40_per_s", "t200_per_s", "q12_p50_us")
                ),
            ]
            for r in part["ratios"]
        ]
        parts.append(
            numbers.table(
                ["ratio (lowest to highest of the rounds)", "texts/s, 40", "texts/s, 200", "time of a question"], rows
            )
        )
    if "two_threads" in result:
        rows = [
            [
                name,
                v["t40_per_s"],
                v["over_one_thread"]["t40"],
                v["t200_per_s"],
                v["over_one_thread"]["t200"],
            ]
            for name, v in result["two_threads"].items()
        ]
        parts.append(
            "**Two threads**, by the wall, the best round of each\n\n"
            + numbers.table(["", "texts/s, 40", "over one thread", "texts/s, 200", "over one thread"], rows)
        )
    rows = [[name, f"{v['mean']:.6f}", f"{v['min']:.6f}", v["texts"]] for name, v in result["parity"].items()]
    parts.append(
        "**Cosine to sentence-transformers** over varied texts\n\n"
        + numbers.table(["", "mean", "least", "texts"], rows)
    )
    return "\n\n".join(parts)
