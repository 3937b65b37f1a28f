"""A side that is Python: answers requests, a line of JSON each, as the program mnemon-peers does for the others.

python -m peers.worker GROUP SIDE DATA
"""

import json
import os
import sys
import time
import traceback
from pathlib import Path


class Timer:
    """Processor time of the process and time on the wall of a `with` block, in seconds."""

    def __enter__(self):
        self.wall, self.cpu = time.perf_counter(), time.process_time()
        return self

    def __exit__(self, *_):
        self.cpu = time.process_time() - self.cpu
        self.wall = time.perf_counter() - self.wall

    def took(self) -> dict:
        return {"cpu": self.cpu, "wall": self.wall}


def latencies(work, inputs) -> dict:
    """What `work` took for each input, in microseconds."""
    cpu, wall = [], []
    for value in inputs:
        with Timer() as timer:
            work(value)
        cpu.append(timer.cpu * 1e6)
        wall.append(timer.wall * 1e6)
    return {"cpu": cpu, "wall": wall}


def memory() -> dict:
    """Resident memory of this process in bytes, and the part of it that no file stands behind."""
    fields = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines() if ":" in line)
    kilobytes = {name: int(fields[name].split()[0]) for name in ("VmRSS", "RssAnon")}
    return {"rss": kilobytes["VmRSS"] * 1024, "anonymous": kilobytes["RssAnon"] * 1024}


def loadable_sqlite() -> None:
    """Makes `import sqlite3` give a SQLite that loads extensions, where Python was built without."""
    import sqlite3

    if not hasattr(sqlite3.Connection, "enable_load_extension"):
        import pysqlite3

        sys.modules["sqlite3"] = pysqlite3
        sys.modules["sqlite3.dbapi2"] = pysqlite3.dbapi2


def main(group: str, side: str, data: Path) -> None:
    # Libraries print what they like; the answers keep the real standard output to themselves.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)
    if group == "embed":
        from .embed_sides import make
    elif group == "vectors":
        from .vector_sides import make
    elif group == "compaction":
        from .compaction_sides import make
    else:
        from .engine_sides import make
    worker = make(side, data)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            answer = {"ok": getattr(worker, "do_" + request.pop("op"))(**request)}
        except Exception:
            answer = {"error": traceback.format_exc(limit=4)}
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], Path(sys.argv[3]))
