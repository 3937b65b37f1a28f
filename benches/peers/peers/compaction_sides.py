"""Semantic compaction as people write it: sentence-transformers for the vectors, scikit-learn for the clusters."""

import json
import os
from pathlib import Path

import numpy as np

from . import places
from .worker import Timer, memory

MAX_PIECES = 256
# Worth trying: without padding, with a little, with much.
BATCH_SIZES = (1, 4, 16, 32)
SAMPLE = 64
AT_LEAST = 10


class Recipe:
    """Answers the requests of the group; see src/compaction.rs for them.

    A share of the messages is the number of clusters; of each the message nearest to the centroid is kept, in order.
    """

    def __init__(self):
        self.threads = int(os.environ["PEERS_THREADS"])
        self.messages: list[dict] = []
        self.known: dict[str, np.ndarray] = {}
        self.batch = 32

    def do_load(self, model: str) -> dict:
        with Timer() as timer:
            import sklearn.cluster
            import torch
            from sentence_transformers import SentenceTransformer

            self.cluster = sklearn.cluster
            torch.set_num_threads(self.threads)
            self.model = SentenceTransformer(model, device="cpu")
            self.model.max_seq_length = MAX_PIECES
            self.embed(["hello"])
        return {"took": timer.took(), "memory": memory()}

    def do_prepare(self, file: str) -> dict:
        texts = json.loads(Path(file).read_text())
        self.messages = [{"role": ("user", "assistant")[i % 2], "content": text} for i, text in enumerate(texts)]
        best = (float("inf"), 1)
        for self.batch in BATCH_SIZES:
            with Timer() as timer:
                self.embed(texts[:SAMPLE])
            best = min(best, (timer.cpu if self.threads == 1 else timer.wall, self.batch))
        self.batch = best[1]
        return {"messages": len(texts), "batch": self.batch}

    def embed(self, texts: list[str]) -> np.ndarray:
        return self.model.encode(
            texts, batch_size=self.batch, normalize_embeddings=True, show_progress_bar=False
        )

    def vectors(self, texts: list[str]) -> np.ndarray:
        missing = [text for text in dict.fromkeys(texts) if text not in self.known]
        if missing:
            self.known |= dict(zip(missing, self.embed(missing), strict=True))
        return np.array([self.known[text] for text in texts])

    def compact(self, ratio: float) -> list[dict]:
        system = [message for message in self.messages if message["role"] == "system"]
        others = [message for message in self.messages if message["role"] != "system"]
        if len(self.messages) <= AT_LEAST:
            return self.messages
        vectors = self.vectors([message["content"] for message in others])
        count = min(max(AT_LEAST, int(len(others) * ratio)), len(others))
        found = self.cluster.KMeans(n_clusters=count, random_state=42).fit(vectors)
        chosen = []
        for cluster in range(count):
            members = np.where(found.labels_ == cluster)[0]
            distances = np.linalg.norm(vectors[members] - found.cluster_centers_[cluster], axis=1)
            if len(members):
                chosen.append(members[np.argmin(distances)])
        return system + [others[i] for i in sorted(chosen)]

    def do_compact(self, ratio: float) -> dict:
        self.known = {}
        return self.do_again(ratio)

    def do_again(self, ratio: float) -> dict:
        with Timer() as timer:
            kept = self.compact(ratio)
        return {"took": timer.took(), "kept": len(kept)}


def make(side: str, _data: Path) -> Recipe:
    return {"scikit-learn": Recipe}[side]()
