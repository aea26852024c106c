"""The options that all benchmarks share, and how one of them runs alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence

from benchmarks.contest import DisagreementError
from benchmarks.machine import limits, machine
from benchmarks.page import text_of
from benchmarks.peers import PEERS
from benchmarks.results import Measured
from scratchnn.scripts import cli

Measure = Callable[[argparse.Namespace], list[Measured]]


def parser(description: str) -> argparse.ArgumentParser:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=cli.positive_int, default=5, help="turns of each contestant (default: 5)")
    made.add_argument("--steps", type=cli.positive_int, help="steps of an epoch (default: all)")
    made.add_argument(
        "--threads", type=cli.positive_int, default=cores, help=f"of each contestant (default here: {cores})"
    )
    made.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="default: all that are installed")
    return made


def finish(measure: Callable[[], None]) -> None:
    """Contestants that disagree end the benchmark with one sentence and status 1."""
    try:
        measure()
    except DisagreementError as error:
        sys.exit(f"error: {error}")


def run_alone(description: str, measure: Measure) -> None:
    def main(arguments: Sequence[str] | None = None) -> None:
        args = parser(description).parse_args(arguments)
        print(machine(args.threads))
        for note in limits():
            print(note)
        finish(lambda: print("\n\n".join(map(text_of, measure(args)))))

    cli.run(main)
