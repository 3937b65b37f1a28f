"""Nearest neighbours: hnswlib, faiss and sqlite-vec through their Python bindings.

See src/vectors/mod.rs for the requests. A call from Python costs a few microseconds that are not the library's. So the
two graphs are asked `EACH` questions at a time, on one thread, and the time is divided: what is reported of them is the
mean of such a group, not the time of single questions.
"""

import os
from pathlib import Path

import numpy as np

from .worker import Timer, latencies, loadable_sqlite, memory

DIMENSION = 384
FIRST_QUERY = 100_000
M, EF_CONSTRUCTION = 16, 200
EACH = 20
ROOM = 10_000


def bytes_in(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


def sync(folder: Path) -> None:
    for file in folder.iterdir():
        handle = os.open(file, os.O_RDONLY)
        os.fsync(handle)
        os.close(handle)


class Index:
    """Answers the requests of the group."""

    each = EACH

    def __init__(self, data: Path):
        self.rows = np.memmap(data / "vectors.f32", "<f4", "r").reshape(-1, DIMENSION)

    def base(self, count: int) -> np.ndarray:
        return np.asarray(self.rows[:count])

    def do_build(self, count: int, threads: int, folder: str) -> dict:
        with Timer() as timer:
            self.build(self.base(count), threads)
        with Timer() as saving:
            self.save(Path(folder))
        return {"took": timer.took(), "saving": saving.took(), "bytes": bytes_in(Path(folder))}

    def do_open(self, count: int, folder: str) -> dict:
        query = np.array(self.rows[FIRST_QUERY : FIRST_QUERY + 1])
        total = float(self.base(count).sum())
        before = memory()
        with Timer() as opening:
            self.open(Path(folder), count)
        with Timer() as first:
            found = self.search(query, 10, 64)
        anonymous = max(0, memory()["anonymous"] - before["anonymous"])
        return {
            "took": opening.took(),
            "first": first.took(),
            "anonymous": anonymous,
            "found": len(found[0]),
            "sum": total,
        }

    def do_search(self, count: int, k: int, ef: int, **fields) -> dict:
        queries = np.array(self.rows[fields["from"] : fields["from"] + count])
        ids, cpu, wall = [], [], []
        for start in range(0, count, self.each):
            group = queries[start : start + self.each]
            with Timer() as timer:
                found = self.search(group, k, ef)
            cpu.append(timer.cpu * 1e6 / len(group))
            wall.append(timer.wall * 1e6 / len(group))
            ids.extend(np.asarray(found).tolist())
        return {"took": {"cpu": cpu, "wall": wall}, "ids": ids, "each": self.each}

    def do_insert(self, count: int, **fields) -> dict:
        visible = 0
        cpu, wall = [], []
        for row in range(fields["from"], fields["from"] + count):
            vector = np.array(self.rows[row : row + 1])
            with Timer() as timer:
                self.insert(row, vector)
            cpu.append(timer.cpu * 1e6)
            wall.append(timer.wall * 1e6)
            visible += self.name_of(row) in self.search(vector, 10, 128)[0]
        return {"took": {"cpu": cpu, "wall": wall}, "visible": int(visible)}

    def do_durable(self, count: int, folder: str, **fields) -> dict:
        def add(row: int) -> None:
            self.insert(row, np.array(self.rows[row : row + 1]))
            if not self.durable:
                self.save(Path(folder))
                sync(Path(folder))

        return {"took": latencies(add, range(fields["from"], fields["from"] + count))}

    durable = False

    def name_of(self, row: int) -> int:
        """The id under which an inserted row is found."""
        return row


class Hnswlib(Index):
    def __init__(self, data: Path):
        super().__init__(data)
        import hnswlib  # noqa: F401, so that no measure holds the import

    def empty(self):
        import hnswlib

        return hnswlib.Index(space="ip", dim=DIMENSION)

    def build(self, base: np.ndarray, threads: int) -> None:
        self.index = self.empty()
        self.index.init_index(max_elements=len(base), M=M, ef_construction=EF_CONSTRUCTION, random_seed=1)
        self.index.add_items(base, np.arange(len(base)), num_threads=threads)

    def save(self, folder: Path) -> None:
        self.index.save_index(str(folder / "hnswlib"))

    def open(self, folder: Path, count: int) -> None:
        self.index = self.empty()
        self.index.load_index(str(folder / "hnswlib"))
        self.index.set_num_threads(1)

    def search(self, queries: np.ndarray, k: int, ef: int) -> np.ndarray:
        self.index.set_ef(ef)
        return self.index.knn_query(queries, k=k, num_threads=1)[0]

    def insert(self, row: int, vector: np.ndarray) -> None:
        if self.index.get_current_count() == self.index.get_max_elements():
            self.index.resize_index(self.index.get_current_count() + ROOM)
        self.index.add_items(vector, [row], num_threads=1)


class Faiss(Index):
    def __init__(self, data: Path):
        super().__init__(data)
        import faiss  # noqa: F401, so that no measure holds the import

    def build(self, base: np.ndarray, threads: int) -> None:
        import faiss

        faiss.omp_set_num_threads(threads)
        self.index = faiss.IndexHNSWFlat(DIMENSION, M, faiss.METRIC_INNER_PRODUCT)
        self.index.hnsw.efConstruction = EF_CONSTRUCTION
        self.index.add(base)

    def save(self, folder: Path) -> None:
        import faiss

        faiss.write_index(self.index, str(folder / "faiss"))

    def open(self, folder: Path, count: int) -> None:
        import faiss

        faiss.omp_set_num_threads(1)
        self.index = faiss.read_index(str(folder / "faiss"))
        self.first = None

    def search(self, queries: np.ndarray, k: int, ef: int) -> np.ndarray:
        self.index.hnsw.efSearch = ef
        return self.index.search(queries, k)[1]

    def insert(self, row: int, vector: np.ndarray) -> None:
        # It numbers rows in the order in which they come.
        self.names = getattr(self, "names", {}) | {row: self.index.ntotal}
        self.index.add(vector)

    def name_of(self, row: int) -> int:
        return self.names[row]


class SqliteVec(Index):
    """vec0 keeps everything in its file and compares with every row."""

    each = 1
    durable = True

    def __init__(self, data: Path):
        super().__init__(data)
        loadable_sqlite()
        import sqlite_vec  # noqa: F401, so that no measure holds the import

    def connect(self, folder: Path) -> None:
        import sqlite3

        import sqlite_vec

        self.db = sqlite3.connect(folder / "vec.db", isolation_level=None)
        self.db.enable_load_extension(True)
        sqlite_vec.load(self.db)
        self.db.execute("PRAGMA journal_mode = WAL")
        self.db.execute("PRAGMA synchronous = FULL")

    def do_build(self, count: int, threads: int, folder: str) -> dict:
        self.folder = Path(folder)
        return super().do_build(count, threads, folder)

    def build(self, base: np.ndarray, threads: int) -> None:
        self.connect(self.folder)
        self.db.execute("CREATE VIRTUAL TABLE v USING vec0(e float[384] distance_metric=cosine)")
        self.db.execute("BEGIN")
        self.db.executemany("INSERT INTO v(rowid, e) VALUES (?, ?)", ((i, row.tobytes()) for i, row in enumerate(base)))
        self.db.execute("COMMIT")

    def save(self, folder: Path) -> None:
        self.db.execute("PRAGMA wal_checkpoint(TRUNCATE)")

    def open(self, folder: Path, count: int) -> None:
        self.connect(folder)

    def search(self, queries: np.ndarray, k: int, ef: int) -> list:
        sql = "SELECT rowid FROM v WHERE e MATCH ? AND k = ? ORDER BY distance"
        return [[row[0] for row in self.db.execute(sql, (query.tobytes(), k))] for query in queries]

    def insert(self, row: int, vector: np.ndarray) -> None:
        self.db.execute("INSERT INTO v(rowid, e) VALUES (?, ?)", (row, vector.tobytes()))


class Chroma(Index):
    """A collection in its file, asked for ids alone, with the width that it has by default."""

    each = 1
    durable = True

    def __init__(self, data: Path):
        super().__init__(data)
        loadable_sqlite()
        import chromadb  # noqa: F401, so that no measure holds the import

    def do_build(self, count: int, threads: int, folder: str) -> dict:
        self.open(Path(folder), count)
        return super().do_build(count, threads, folder)

    def build(self, base: np.ndarray, threads: int) -> None:
        for start in range(0, len(base), 5000):
            chunk = base[start : start + 5000]
            self.collection.add(ids=[str(start + i) for i in range(len(chunk))], embeddings=chunk)

    def save(self, folder: Path) -> None:
        """It writes as it goes."""

    def open(self, folder: Path, count: int) -> None:
        import chromadb

        client = chromadb.PersistentClient(str(folder), settings=chromadb.Settings(anonymized_telemetry=False))
        graph = {"hnsw": {"space": "cosine", "max_neighbors": M, "ef_construction": EF_CONSTRUCTION}}
        self.collection = client.get_or_create_collection("vectors", embedding_function=None, configuration=graph)

    def search(self, queries: np.ndarray, k: int, ef: int) -> list:
        found = self.collection.query(query_embeddings=queries, n_results=k, include=[])
        return [[int(name) for name in ids] for ids in found["ids"]]

    def insert(self, row: int, vector: np.ndarray) -> None:
        self.collection.add(ids=[str(row)], embeddings=vector)


def make(side: str, data: Path) -> Index:
    return {"hnswlib": Hnswlib, "faiss-hnsw": Faiss, "sqlite-vec": SqliteVec, "chroma": Chroma}[side](data)
