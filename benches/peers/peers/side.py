"""Sides: processes that are asked in turn, all on the same core."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import places

# One thread each, nothing from outside, and no word to anybody's telemetry.
QUIET = {
    "HF_HUB_OFFLINE": "1",
    "TRANSFORMERS_OFFLINE": "1",
    "TRANSFORMERS_VERBOSITY": "error",
    "TOKENIZERS_PARALLELISM": "false",
    "MEM0_TELEMETRY": "False",
    "ANONYMIZED_TELEMETRY": "False",
    "OPENAI_API_KEY": "none",
    "LANGSMITH_TRACING": "false",
    "PYTHONWARNINGS": "ignore",
    "CUDA_VISIBLE_DEVICES": "",
    "PYTHONHASHSEED": "0",
}


def threads(count: int) -> dict[str, str]:
    """The environment that gives every library so many threads."""
    names = (
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "OPENBLAS_NUM_THREADS",
        "RAYON_NUM_THREADS",
        "PEERS_THREADS",
        "RAYON_RS_NUM_CPUS",
        "CANDLE_NUM_THREADS",
        "CHROMA_THREADS",
    )
    return {name: str(count) for name in names}


class Failed(Exception):
    """A side that could not do what it was asked for."""


class Side:
    """A process that answers requests. It runs on the cores given and, idle, costs nothing."""

    def __init__(
        self,
        group: str,
        name: str,
        command: list[str],
        cores: list[int],
        environment: dict[str, str] | None = None,
        program: str | None = None,
    ):
        self.name = name
        self.log = places.WORK / "logs" / f"{group}-{name}.log"
        self.log.parent.mkdir(parents=True, exist_ok=True)
        pinned = ["taskset", "-c", ",".join(map(str, cores))] if sys.platform == "linux" else []
        env = {**os.environ, **QUIET, **threads(len(cores)), **(environment or {})}
        if command[0] == "rust":
            full = [*pinned, str(places.driver()), group, program or name, str(places.DATA)]
        else:
            full = [*pinned, sys.executable, "-m", "peers.worker", group, program or name, str(places.DATA)]
        self.process = subprocess.Popen(
            full,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.log.open("w"),
            cwd=places.HERE,
            env=env,
            text=True,
        )

    def ask(self, op: str, **fields):
        """Sends a request and waits for its answer."""
        try:
            self.process.stdin.write(json.dumps({"op": op, **fields}) + "\n")
            self.process.stdin.flush()
            line = self.process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            tail = self.log.read_text(errors="replace")[-600:]
            self.process.wait()
            raise Failed(f"{self.name} ended at {op} with {self.process.returncode}: {tail}")
        answer = json.loads(line)
        if "error" in answer:
            raise Failed(f"{self.name} at {op}: {answer['error']}")
        return answer["ok"]

    def kill(self) -> None:
        """Ends the process at once, as a crash does."""
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def close(self) -> None:
        """Ends the process and waits for it."""
        self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.kill()


def say(text: str) -> None:
    """A line for the person who waits."""
    sys.stderr.write(f"{time.strftime('%H:%M:%S')} {text}\n")
    sys.stderr.flush()


def write(file: Path, value) -> None:
    """Writes a JSON file whole or not at all."""
    file.parent.mkdir(parents=True, exist_ok=True)
    part = file.with_suffix(".part")
    part.write_text(json.dumps(value, indent=1) + "\n")
    part.replace(file)
