"""Embedding: sentence-transformers (torch) and ONNX Runtime, with all-MiniLM-L6-v2."""

import json
import os
from pathlib import Path

import numpy as np

from . import places
from .worker import Timer, latencies, memory

MAX_PIECES = 256
# Worth trying: without padding, with a little, with much.
BATCH_SIZES = (1, 4, 16)
SAMPLE = 32


class Encoder:
    """Answers the requests of the group; see src/embed/mod.rs for them."""

    def __init__(self, data: Path):
        self.data = data
        self.threads = int(os.environ["PEERS_THREADS"])
        self.sets: dict[str, tuple[list[str], int]] = {}

    def load(self) -> None:
        raise NotImplementedError

    def encode(self, texts: list[str], batch: int) -> np.ndarray:
        raise NotImplementedError

    def do_load(self, model: str) -> dict:
        with Timer() as timer:
            self.load()
            self.encode(["hello"], 1)
        return {"took": timer.took(), "memory": memory()}

    def do_prepare(self, set: str) -> dict:
        texts = json.loads((self.data / f"{set}.json").read_text())
        self.encode(texts[:4], 4)
        best = (float("inf"), 1)
        for batch in BATCH_SIZES:
            with Timer() as timer:
                self.encode(texts[:SAMPLE], batch)
            best = min(best, (timer.cpu if self.threads == 1 else timer.wall, batch))
        self.sets[set] = (texts, best[1])
        return {"batch": best[1]}

    def part(self, name: str, start: int, count: int) -> list[str]:
        texts = self.sets[name][0]
        return [texts[(start + i) % len(texts)] for i in range(count)]

    def do_pass(self, set: str, count: int, **fields) -> dict:
        texts = self.part(set, fields["from"], count)
        with Timer() as timer:
            self.encode(texts, self.sets[set][1])
        return {"took": timer.took(), "texts": len(texts)}

    def do_queries(self, count: int, **fields) -> dict:
        return latencies(lambda text: self.encode([text], 1), self.part("q12", fields["from"], count))

    def do_vectors(self, file: str, out: str) -> dict:
        texts = json.loads(Path(file).read_text())
        self.encode(texts, 16).astype("<f4").tofile(out)
        return {"vectors": len(texts)}


class SentenceTransformers(Encoder):
    def load(self) -> None:
        import torch
        from sentence_transformers import SentenceTransformer

        torch.set_num_threads(self.threads)
        self.model = SentenceTransformer(str(places.model()), device="cpu")
        self.model.max_seq_length = MAX_PIECES

    def encode(self, texts: list[str], batch: int) -> np.ndarray:
        return self.model.encode(texts, batch_size=batch, normalize_embeddings=True, show_progress_bar=False)


class OnnxRuntime(Encoder):
    def __init__(self, data: Path, file: str):
        super().__init__(data)
        self.file = places.ONNX / file

    def load(self) -> None:
        import onnxruntime
        from tokenizers import Tokenizer

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = self.threads
        options.inter_op_num_threads = 1
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_ALL
        self.session = onnxruntime.InferenceSession(str(self.file), options, providers=["CPUExecutionProvider"])
        self.tokenizer = Tokenizer.from_file(str(places.model() / "tokenizer.json"))
        self.tokenizer.enable_truncation(MAX_PIECES)
        self.tokenizer.enable_padding()

    def encode(self, texts: list[str], batch: int) -> np.ndarray:
        vectors = np.empty((len(texts), 384), np.float32)
        order = sorted(range(len(texts)), key=lambda i: -len(texts[i]))
        for start in range(0, len(order), batch):
            group = order[start : start + batch]
            encoded = self.tokenizer.encode_batch([texts[i] for i in group])
            ids = np.array([text.ids for text in encoded], dtype=np.int64)
            mask = np.array([text.attention_mask for text in encoded], dtype=np.int64)
            rows = self.session.run(
                None, {"input_ids": ids, "attention_mask": mask, "token_type_ids": np.zeros_like(ids)}
            )[0]
            weights = mask[..., None].astype(np.float32)
            mean = (rows * weights).sum(1) / weights.sum(1)
            vectors[group] = mean / np.linalg.norm(mean, axis=1, keepdims=True)
        return vectors


def make(side: str, data: Path) -> Encoder:
    return {
        "sentence-transformers": lambda: SentenceTransformers(data),
        "onnxruntime-fp32": lambda: OnnxRuntime(data, "fp32.onnx"),
        "onnxruntime-int8": lambda: OnnxRuntime(data, "int8.onnx"),
    }[side]()
