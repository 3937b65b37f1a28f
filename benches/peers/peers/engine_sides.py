"""Whole engines: each stores texts with all-MiniLM-L6-v2 on the user's own disk and finds them again, offline.

See src/engine.rs for the requests. PEERS_MODE says what embeds: `natural`, sentence-transformers as each engine uses it;
`given`, a table of the vectors that are known beforehand, so that only the store is measured.
"""

import datetime
import itertools
import os
import re
import sys
import types
import uuid
from pathlib import Path

import numpy as np

from . import places
from .worker import Timer, latencies, loadable_sqlite, memory

DIMENSION = 384
GIVEN = os.environ.get("PEERS_MODE") == "given"
LEAN = "PEERS_LEAN" in os.environ
LEAN_TEXTS = 100


class Vectors:
    """The vector of each sentence, by its text."""

    def __init__(self, data: Path):
        file = data / "sentences.txt"
        if LEAN:
            # A few questions; what only the measurement needs would count as memory of the engine.
            with file.open(encoding="utf-8") as lines:
                self.texts = [line.rstrip("\n") for line in itertools.islice(lines, LEAN_TEXTS)]
        else:
            self.texts = file.read_text(encoding="utf-8").splitlines()
        self.numbers = {text: number for number, text in enumerate(self.texts)}
        file = data / "vectors.f32"
        self.rows = np.memmap(file, "<f4", "r").reshape(-1, DIMENSION)

    def of(self, text: str) -> np.ndarray:
        return np.array(self.rows[self.numbers[text]])

    def encode(self, texts):
        """As sentence-transformers: one text or many."""
        if isinstance(texts, str):
            return self.of(texts)
        return np.stack([self.of(text) for text in texts])


def sentence_transformers_given(vectors: Vectors) -> None:
    """Puts the table in the place of sentence-transformers, for engines that load it themselves."""

    class SentenceTransformer:
        max_seq_length, device, prompts = 256, "cpu", {}

        def __init__(self, *_, **__):
            pass

        def encode(self, texts, **_):
            return vectors.encode(texts)

        def get_sentence_embedding_dimension(self):
            return DIMENSION

        get_embedding_dimension = get_sentence_embedding_dimension

    module = types.ModuleType("sentence_transformers")
    module.SentenceTransformer, module.__version__, module.__spec__ = SentenceTransformer, "6", None
    sys.modules["sentence_transformers"] = module


class Engine:
    """Answers the requests of the group. An engine says how to open, to add one or many, and to search."""

    # Whether something has to be saved for an added memory to survive.
    saves = False
    # Whether the engine loads its model itself.
    own_model = False

    def __init__(self, data: Path):
        loadable_sqlite()
        self.known = Vectors(data)
        self.model = None
        if GIVEN:
            sentence_transformers_given(self.known)
        self.imports()

    def do_model(self) -> dict:
        with Timer() as timer:
            if GIVEN:
                self.model = self.known
            else:
                import torch
                from sentence_transformers import SentenceTransformer

                torch.set_num_threads(int(os.environ["PEERS_THREADS"]))
                self.model = SentenceTransformer(str(places.model()), device="cpu")
                self.model.encode("hello")
        return {"took": timer.took()}

    def do_open(self, folder: str) -> dict:
        self.folder = Path(folder)
        with Timer() as timer:
            self.open()
        return {"took": timer.took()}

    def do_load(self, count: int, **fields) -> dict:
        start = fields["from"]
        texts = self.known.texts[start : start + count]
        with Timer() as timer:
            if GIVEN:
                self.load_vectors(start, texts, np.array(self.known.rows[start : start + count]))
            else:
                self.load_texts(start, texts)
            self.save()
        return {"took": timer.took()}

    def do_add(self, count: int, **fields) -> dict:
        def add(number: int) -> None:
            self.add(number, self.known.texts[number])
            if self.saves:
                self.save()

        return {"took": latencies(add, range(fields["from"], fields["from"] + count))}

    def do_search(self, count: int, k: int, **fields) -> dict:
        found = []
        texts = self.known.texts[fields["from"] : fields["from"] + count]
        took = latencies(lambda text: found.append(self.search(text, k)), texts)
        ids = [[self.known.numbers.get(text) for text in hits] for hits in found]
        return {"took": took, "ids": [[number for number in hits if number is not None] for hits in ids], "embedded": 0}

    def do_missing(self, count: int, **fields) -> dict:
        there = set(self.all())
        wanted = self.known.texts[fields["from"] : fields["from"] + count]
        return {"missing": sum(text not in there for text in wanted), "there": len(there)}

    def do_memory(self) -> dict:
        return memory()

    def do_close(self) -> None:
        self.save()
        self.close()

    def imports(self) -> None:
        """Imports what the engine is made of, so that opening does not hold it."""

    def save(self) -> None:
        pass

    def close(self) -> None:
        pass

    # For engines that take vectors: a text is embedded and then as if given.

    def add(self, number: int, text: str) -> None:
        self.add_vector(number, text, self.model.encode(text))

    def load_texts(self, start: int, texts: list[str]) -> None:
        vectors = (
            self.model.encode(texts) if GIVEN else self.model.encode(texts, batch_size=32, show_progress_bar=False)
        )
        self.load_vectors(start, texts, vectors)

    def search(self, text: str, k: int) -> list[str]:
        return self.search_vector(text, self.model.encode(text), k)


class Chroma(Engine):
    def imports(self) -> None:
        import chromadb  # noqa: F401

    def open(self) -> None:
        import chromadb

        client = chromadb.PersistentClient(str(self.folder), settings=chromadb.Settings(anonymized_telemetry=False))
        cosine = {"hnsw": {"space": "cosine"}}
        self.memories = client.get_or_create_collection("memories", embedding_function=None, configuration=cosine)

    def add_vector(self, number: int, text: str, vector: np.ndarray) -> None:
        self.memories.add(ids=[str(number)], documents=[text], embeddings=[vector])

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        for at in range(0, len(texts), 5000):
            ids = [str(start + at + i) for i in range(len(texts[at : at + 5000]))]
            self.memories.add(ids=ids, documents=texts[at : at + 5000], embeddings=vectors[at : at + 5000])

    def search_vector(self, text: str, vector: np.ndarray, k: int) -> list[str]:
        return self.memories.query(query_embeddings=[vector], n_results=k)["documents"][0]

    def all(self) -> list[str]:
        return self.memories.get()["documents"]


class QdrantLocal(Engine):
    def imports(self) -> None:
        import qdrant_client  # noqa: F401

    def open(self) -> None:
        from qdrant_client import QdrantClient, models

        self.client = QdrantClient(path=str(self.folder))
        if not self.client.collection_exists("memories"):
            self.client.create_collection(
                "memories", vectors_config=models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
            )

    def point(self, number: int, text: str, vector: np.ndarray):
        from qdrant_client import models

        return models.PointStruct(id=number, vector=vector.tolist(), payload={"text": text})

    def add_vector(self, number: int, text: str, vector: np.ndarray) -> None:
        self.client.upsert("memories", [self.point(number, text, vector)])

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        for at in range(0, len(texts), 1000):
            chunk = enumerate(texts[at : at + 1000], at)
            self.client.upsert("memories", [self.point(start + i, text, vectors[i]) for i, text in chunk])

    def search_vector(self, text: str, vector: np.ndarray, k: int) -> list[str]:
        return [
            point.payload["text"]
            for point in self.client.query_points("memories", query=vector.tolist(), limit=k).points
        ]

    def all(self) -> list[str]:
        return [point.payload["text"] for point in self.client.scroll("memories", limit=10**7)[0]]

    def close(self) -> None:
        self.client.close()


class SqliteVec(Engine):
    """What many write by hand: vec0 for vectors, FTS5 for words, reciprocal ranks of both added up."""

    def imports(self) -> None:
        import sqlite_vec  # noqa: F401

    def open(self) -> None:
        import sqlite3

        import sqlite_vec

        self.db = sqlite3.connect(self.folder / "memories.db", isolation_level=None, timeout=30)
        self.db.enable_load_extension(True)
        sqlite_vec.load(self.db)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")
        self.db.execute("CREATE TABLE IF NOT EXISTS memory(id INTEGER PRIMARY KEY, text TEXT)")
        self.db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS words USING fts5(text, content='memory', content_rowid='id')"
        )
        self.db.execute(
            "CREATE VIRTUAL TABLE IF NOT EXISTS vectors USING vec0(vector float[384] distance_metric=cosine)"
        )

    def insert(self, number: int, text: str, vector: np.ndarray) -> None:
        self.db.execute("INSERT INTO memory VALUES (?, ?)", (number, text))
        self.db.execute("INSERT INTO words(rowid, text) VALUES (?, ?)", (number, text))
        self.db.execute("INSERT INTO vectors(rowid, vector) VALUES (?, ?)", (number, vector.astype("<f4").tobytes()))

    def add_vector(self, number: int, text: str, vector: np.ndarray) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        self.insert(number, text, vector)
        self.db.execute("COMMIT")

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        self.db.execute("BEGIN IMMEDIATE")
        for i, text in enumerate(texts):
            self.insert(start + i, text, vectors[i])
        self.db.execute("COMMIT")

    def search_vector(self, text: str, vector: np.ndarray, k: int) -> list[str]:
        near = "SELECT rowid FROM vectors WHERE vector MATCH ? AND k = 40 ORDER BY distance"
        lists = [[row[0] for row in self.db.execute(near, (vector.astype("<f4").tobytes(),))]]
        words = " OR ".join(f'"{word}"' for word in dict.fromkeys(re.findall(r"\w+", text)))
        if words:
            matching = "SELECT rowid FROM words WHERE words MATCH ? ORDER BY rank LIMIT 40"
            lists.append([row[0] for row in self.db.execute(matching, (words,))])
        scores: dict[int, float] = {}
        for ranked in lists:
            for rank, row in enumerate(ranked):
                scores[row] = scores.get(row, 0) + 1 / (60 + rank)
        best = sorted(scores, key=lambda row: -scores[row])[:k]
        return [self.db.execute("SELECT text FROM memory WHERE id = ?", (row,)).fetchone()[0] for row in best]

    def all(self) -> list[str]:
        sql = "SELECT text FROM memory JOIN vectors ON vectors.rowid = memory.id"
        return [row[0] for row in self.db.execute(sql)]

    def save(self) -> None:
        pass

    def close(self) -> None:
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        self.db.close()


class Mem0(Engine):
    """mem0 with its default store (Qdrant's local mode) and `infer=False`: no language model is asked."""

    own_model = True

    def imports(self) -> None:
        import logging

        logging.disable(logging.CRITICAL)
        os.environ["MEM0_DIR"] = str(places.WORK / "mem0")
        import mem0  # noqa: F401

    def do_model(self) -> dict:
        # It loads its own when it is opened; torch and the files of the model are in memory from then on.
        answer = super().do_model()
        self.model = None
        return answer

    def open(self) -> None:
        from mem0 import Memory

        store = {
            "path": str(self.folder / "qdrant"),
            "embedding_model_dims": DIMENSION,
            "on_disk": True,
            "collection_name": "memories",
        }
        self.memory = Memory.from_config(
            {
                "vector_store": {"provider": "qdrant", "config": store},
                "embedder": {
                    "provider": "huggingface",
                    "config": {"model": str(places.model()), "embedding_dims": DIMENSION},
                },
                "llm": {"provider": "openai", "config": {"api_key": "none"}},
                "history_db_path": str(self.folder / "history.db"),
            }
        )

    def add(self, number: int, text: str) -> None:
        self.memory.add(text, user_id="user", infer=False, metadata={"number": number})

    def load_texts(self, start: int, texts: list[str]) -> None:
        self.memory.add([{"role": "user", "content": text} for text in texts], user_id="user", infer=False)

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        # Below its own door: adding 100,000 one by one would take hours. What is stored is the same.
        now = datetime.datetime.now(datetime.UTC).isoformat()
        for at in range(0, len(texts), 1000):
            chunk = texts[at : at + 1000]
            payloads = [
                {
                    "user_id": "user",
                    "data": text,
                    "hash": "0",
                    "created_at": now,
                    "updated_at": now,
                    "text_lemmatized": text.lower(),
                    "role": "user",
                    "number": start + at + i,
                }
                for i, text in enumerate(chunk)
            ]
            self.memory.vector_store.insert(
                vectors=vectors[at : at + len(chunk)].tolist(),
                payloads=payloads,
                ids=[str(uuid.uuid4()) for _ in chunk],
            )

    def search(self, text: str, k: int) -> list[str]:
        return [found["memory"] for found in self.memory.search(text, filters={"user_id": "user"}, top_k=k)["results"]]

    def all(self) -> list[str]:
        return [found["memory"] for found in self.memory.get_all(filters={"user_id": "user"}, top_k=10**7)["results"]]


class Langchain(Engine):
    """What the two engines of this family share: the embedder."""

    own_model = True

    def imports(self) -> None:
        from langchain_core.embeddings import Embeddings

        if not GIVEN:
            import langchain_huggingface  # noqa: F401

        known = self.known

        class Given(Embeddings):
            def embed_documents(self, texts):
                return [known.of(text).tolist() for text in texts]

            def embed_query(self, text):
                return known.of(text).tolist()

        self.given = Given

    def embedder(self):
        if GIVEN:
            return self.given()
        if getattr(self, "loaded", None) is None:
            from langchain_huggingface import HuggingFaceEmbeddings

            self.loaded = HuggingFaceEmbeddings(model_name=str(places.model()), model_kwargs={"device": "cpu"})
        return self.loaded

    def do_model(self) -> dict:
        with Timer() as timer:
            self.embedder().embed_query(self.known.texts[0])
        return {"took": timer.took()}


class LangchainFaiss(Langchain):
    saves = True

    def imports(self) -> None:
        super().imports()
        import faiss
        from langchain_community.vectorstores import FAISS  # noqa: F401

        faiss.omp_set_num_threads(1)

    def open(self) -> None:
        import faiss
        from langchain_community.docstore.in_memory import InMemoryDocstore
        from langchain_community.vectorstores import FAISS

        if (self.folder / "index.faiss").exists():
            self.store = FAISS.load_local(str(self.folder), self.embedder(), allow_dangerous_deserialization=True)
        else:
            self.store = FAISS(self.embedder(), faiss.IndexFlatL2(DIMENSION), InMemoryDocstore(), {})

    def add(self, number: int, text: str) -> None:
        self.store.add_texts([text], ids=[str(number)])

    def load_texts(self, start: int, texts: list[str]) -> None:
        self.store.add_texts(texts, ids=[str(start + i) for i in range(len(texts))])

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        self.store.add_embeddings(
            list(zip(texts, vectors.tolist(), strict=True)), ids=[str(start + i) for i in range(len(texts))]
        )

    def search(self, text: str, k: int) -> list[str]:
        return [document.page_content for document in self.store.similarity_search(text, k=k)]

    def all(self) -> list[str]:
        return [document.page_content for document in self.store.docstore._dict.values()]

    def save(self) -> None:
        self.store.save_local(str(self.folder))


class LanggraphSqlite(Langchain):
    def imports(self) -> None:
        super().imports()
        from langgraph.store.sqlite import SqliteStore  # noqa: F401

    def open(self) -> None:
        from langgraph.store.sqlite import SqliteStore

        index = {"dims": DIMENSION, "embed": self.embedder(), "fields": ["text"], "text_fields": ["text"]}
        self.held = SqliteStore.from_conn_string(str(self.folder / "store.db"), index=index)
        self.store = self.held.__enter__()
        self.store.setup()

    def add(self, number: int, text: str) -> None:
        self.store.put(("user",), str(number), {"text": text})

    def load_texts(self, start: int, texts: list[str]) -> None:
        from langgraph.store.base import PutOp

        for at in range(0, len(texts), 1000):
            self.store.batch(
                [PutOp(("user",), str(start + at + i), {"text": text}) for i, text in enumerate(texts[at : at + 1000])]
            )

    def load_vectors(self, start: int, texts: list[str], vectors: np.ndarray) -> None:
        self.load_texts(start, texts)

    def search(self, text: str, k: int) -> list[str]:
        return [found.value["text"] for found in self.store.search(("user",), query=text, limit=k)]

    def all(self) -> list[str]:
        return [found.value["text"] for found in self.store.search(("user",), limit=10**7)]

    def close(self) -> None:
        self.held.__exit__(None, None, None)


def make(side: str, data: Path) -> Engine:
    return {
        "chroma": Chroma,
        "qdrant-local": QdrantLocal,
        "sqlite-vec+fts5": SqliteVec,
        "mem0": Mem0,
        "langchain-faiss": LangchainFaiss,
        "langgraph-sqlite": LanggraphSqlite,
    }[side](data)
