"""At least 100,000 distinct real sentences, from what is on any machine that has built this project.

In this order: the documentation of this project, the documentation comments and pages of the crates in Cargo's registry
folder that the two lockfiles name, the docstrings of Python's standard library, and the docstrings of the packages that
requirements.txt pins. The order of the result is fixed: by the SHA-256 of each sentence. Nothing of it is committed.
"""

import ast
import hashlib
import json
import os
import re
import sys
import sysconfig
import tomllib
from collections.abc import Iterator
from pathlib import Path

from . import places

WANTED = 108_000
FILE = places.DATA / "sentences.txt"
NOTE = places.DATA / "sentences.json"


def blocks_of_rust(text: str) -> Iterator[str]:
    """The blocks of comments of a Rust file, without the code in them."""
    block: list[str] = []
    in_code = False
    for line in text.split("\n"):
        comment = re.match(r"\s*//[/!]?\s?(.*)", line)
        if comment is None:
            if block:
                yield "\n".join(block)
            block, in_code = [], False
        elif comment[1].lstrip().startswith("```"):
            in_code = not in_code
            block.append("")
        elif not in_code:
            block.append(comment[1])
    if block:
        yield "\n".join(block)


def blocks_of_python(text: str) -> Iterator[str]:
    """The docstrings of a Python file."""
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            if docstring := ast.get_docstring(node):
                yield docstring


def blocks_of_page(text: str) -> Iterator[str]:
    """A page of Markdown without its code."""
    yield re.sub(r"```.*?```", "\n\n", text, flags=re.S)


BLOCKS = {".rs": blocks_of_rust, ".py": blocks_of_python, ".md": blocks_of_page}


def sentences_of(block: str) -> Iterator[str]:
    """The sentences of a block of prose: 5 to 45 words, most of it letters."""
    for paragraph in re.split(r"\n\s*\n", block):
        paragraph = re.sub(r"\[([^\]]*)\](\([^)]*\)|\[[^\]]*\])", r"\1", paragraph)
        paragraph = re.sub(r"[`*#|\[\]]", " ", paragraph)
        for sentence in re.split(
            r"(?<=[.!?])\s+(?=[A-Z])|\n\s*[-*+]\s|\n(?=\s*(?:Returns|Args|Parameters|Note)\b)", paragraph
        ):
            sentence = " ".join(sentence.split()).strip("-> :")
            letters = sum(c.isalpha() or c == " " for c in sentence)
            if 5 <= len(sentence.split()) <= 45 and len(sentence) <= 300 and letters >= 0.85 * len(sentence):
                yield sentence


def files_below(folder: Path, skip: tuple[str, ...] = ()) -> Iterator[Path]:
    """The files below a folder whose prose can be read, in a fixed order."""
    for base, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in skip and not name.startswith("."))
        for name in sorted(names):
            if Path(name).suffix in BLOCKS:
                yield Path(base) / name


def crates() -> Iterator[Path]:
    """The folders of the crates of both lockfiles in Cargo's registry folder, by name."""
    locked = set()
    for lock in (places.ROOT / "Cargo.lock", places.HERE / "Cargo.lock"):
        for package in tomllib.loads(lock.read_text())["package"]:
            locked.add(f"{package['name']}-{package['version']}")
    home = Path(os.environ.get("CARGO_HOME", Path.home() / ".cargo"))
    found = {folder.name: folder for folder in sorted((home / "registry" / "src").glob("*/*")) if folder.name in locked}
    yield from (found[name] for name in sorted(found))


def sources() -> Iterator[tuple[str, Iterator[Path]]]:
    """Each source with its files."""
    skip = ("target", ".work", ".venv", "data", "fixtures", "results", "charts")
    yield "this project", files_below(places.ROOT, skip)
    yield "crates of the lockfiles", (file for crate in crates() for file in files_below(crate, ("data",)))
    paths = sysconfig.get_paths()
    yield "Python's standard library", files_below(Path(paths["stdlib"]), ("site-packages", "test", "tests", "idlelib"))
    yield "packages of requirements.txt", files_below(Path(paths["purelib"]), ("test", "tests"))


def make() -> list[str]:
    """Reads the sources until there are enough sentences."""
    seen: set[str] = set()
    counts: dict[str, int] = {}
    for source, files in sources():
        before = len(seen)
        for file in files:
            if len(seen) >= 2 * WANTED:
                break
            try:
                text = file.read_text(encoding="utf-8")
            except (OSError, UnicodeDecodeError):
                continue
            for block in BLOCKS[file.suffix](text):
                seen.update(sentences_of(block))
        counts[source] = len(seen) - before
    # Sentences that differ in their punctuation alone count as one.
    by_letters: dict[str, str] = {}
    for sentence in sorted(seen):
        by_letters.setdefault(re.sub(r"[^a-z]", "", sentence.lower()), sentence)
    ordered = sorted(by_letters.values(), key=lambda sentence: hashlib.sha256(sentence.encode()).digest())
    if len(ordered) < WANTED:
        raise SystemExit(f"expected {WANTED} sentences, found {len(ordered)} ({counts}): run benches/peers/setup first")
    ordered = ordered[:WANTED]
    places.DATA.mkdir(parents=True, exist_ok=True)
    text = "\n".join(ordered) + "\n"
    FILE.write_text(text, encoding="utf-8")
    note = {"sentences": WANTED, "sha256": hashlib.sha256(text.encode()).hexdigest(), "found": counts}
    NOTE.write_text(json.dumps(note, indent=1))
    return ordered


def read() -> list[str]:
    """The sentences, made on the first call."""
    if not FILE.exists():
        make()
    return FILE.read_text(encoding="utf-8").splitlines()


def note() -> dict:
    """How many there are, of which sources, and their checksum."""
    read()
    return json.loads(NOTE.read_text())


if __name__ == "__main__":
    sys.stdout.write(f"{len(read())} sentences in {FILE}\n{NOTE.read_text()}\n")
