"""What the figures were measured on and with."""

import datetime
import importlib.metadata
import os
import platform
import re
import subprocess
import tomllib
from pathlib import Path

from . import places

PYTHON_PEERS = (
    "torch",
    "sentence-transformers",
    "scikit-learn",
    "onnxruntime",
    "tokenizers",
    "hnswlib",
    "faiss-cpu",
    "sqlite-vec",
    "chromadb",
    "mem0ai",
    "langchain-community",
    "langgraph",
    "langgraph-checkpoint-sqlite",
    "qdrant-client",
    "numpy",
)
RUST_PEERS = ("usearch", "hnsw_rs", "candle-transformers", "simsimd", "rusqlite")


def processor() -> str:
    """Its name with its family and model: some hosts hide the name."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return platform.processor() or platform.machine()
    field = lambda name: (re.search(rf"^{name}\s*:\s*(.+)$", text, re.M) or [None, "?"])[1]
    features = [name for name in ("avx2", "avx_vnni", "avx512f", "avx512_vnni", "amx_int8") if f" {name}" in text]
    features = " ".join(features) or " ".join(re.findall(r"asimddp|i8mm", text)[:2])
    return f"{field('model name')} (family {field('cpu family')}, model {field('model')}; {features})"


def versions() -> dict[str, str]:
    """The version of each peer that is installed."""
    found = {"python": platform.python_version()}
    for name in PYTHON_PEERS:
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    locked = tomllib.loads((places.HERE / "Cargo.lock").read_text())["package"]
    found |= {package["name"]: package["version"] for package in locked if package["name"] in RUST_PEERS}
    return found


def commit() -> str:
    """The commit of this project, with a mark when files differ from it."""

    def git(*arguments: str) -> str:
        return subprocess.run(
            ["git", "-C", str(places.ROOT), *arguments], capture_output=True, text=True
        ).stdout.strip()

    return git("rev-parse", "--short=10", "HEAD") + (
        "+" if git("status", "--porcelain", "--untracked-files=no") else ""
    )


def note() -> dict:
    """All of it."""
    return {
        "date": datetime.datetime.now(datetime.UTC).strftime("%Y-%m-%d %H:%M UTC"),
        "processor": processor(),
        "cores": os.cpu_count(),
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "rustc": subprocess.run(["rustc", "--version"], capture_output=True, text=True).stdout.strip(),
        "mnemon": commit(),
        "versions": versions(),
        "load_at_start": round(os.getloadavg()[0], 2),
    }
