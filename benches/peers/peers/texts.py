"""Sets of texts of known length, made of the sentences in a fixed order."""

import json
import random
import shutil

from . import places, sentences

QUERIES, SHORT, LONG = "q12", "t40", "t200"
PARITY = places.ROOT / "crates" / "mnemon-embed" / "tests" / "fixtures" / "parity.json"


def make() -> dict:
    """Writes q12.json (questions of 12 pieces), t40.json (27 to 62, about 40) and t200.json (110 to 240, about 200).

    The special pieces at both ends count. Returns how many texts each has and their mean length.
    """
    note = places.DATA / "texts.json"
    if note.exists():
        return json.loads(note.read_text())
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(places.model() / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    length = lambda text: len(tokenizer.encode(text).ids)
    chosen = random.Random(1)
    found = sentences.read()[:40_000]
    lengths = [len(encoding.ids) for encoding in tokenizer.encode_batch(found)]
    middle = [text for text, pieces in zip(found, lengths, strict=True) if 27 <= pieces <= 62]
    sets = {
        QUERIES: [text for text, pieces in zip(found, lengths, strict=True) if pieces == 12][:400],
        SHORT: [],
        LONG: [],
    }
    # Two sentences now and then, so that the mean is 40.
    pool = iter(found)
    while len(sets[SHORT]) < 1_000:
        text = next(pool)
        while length(text) < 27:
            text += " " + next(pool)
        if length(text) <= 62:
            sets[SHORT].append(text)
    while len(sets[LONG]) < 1_000:
        text, wanted = chosen.choice(middle), chosen.randint(160, 230)
        while length(text) < wanted:
            text += " " + chosen.choice(middle)
        if length(text) <= 250:
            sets[LONG].append(text)
    made = {}
    for name, texts in sets.items():
        (places.DATA / f"{name}.json").write_text(json.dumps(texts))
        made[name] = {"texts": len(texts), "mean_pieces": round(sum(map(length, texts)) / len(texts), 1)}
    shutil.copy(PARITY, places.DATA / "parity.json")
    note.write_text(json.dumps(made))
    return made
