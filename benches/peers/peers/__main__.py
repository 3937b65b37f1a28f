"""benches/peers/run: measures a group and prints its tables."""

import argparse
import importlib
import os
import sys

GROUPS = ("vectors", "embed", "engine", "compaction")


def main() -> None:
    parser = argparse.ArgumentParser(prog="benches/peers/run", description=__doc__)
    parser.add_argument(
        "group", choices=(*GROUPS, "page"), help="what to measure; page: draw docs/BENCHMARKS.md from the results"
    )
    parser.add_argument(
        "--quick", action="store_true", help="under three minutes: fewer rounds and sizes; the page is left alone"
    )
    parser.add_argument(
        "--cores", default="", help="the cores to run on, as 2 or 2,3: the first for everything on one thread"
    )
    arguments = parser.parse_args()
    available = (
        sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else list(range(os.cpu_count() or 1))
    )
    cores = [int(core) for core in arguments.cores.split(",") if core] or available[::-1]
    if arguments.group == "page":
        from . import page

        page.draw()
        return
    group = importlib.import_module(f".{arguments.group}", __package__)
    result = group.run(arguments.quick, cores)
    sys.stdout.write(group.shown(result) + "\n")
    if not arguments.quick:
        from . import page

        page.draw()


if __name__ == "__main__":
    main()
