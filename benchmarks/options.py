"""The options that all contests share, and how one kind of them runs alone."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence

from benchmarks.contest import Contest, DisagreementError, hold
from benchmarks.contestants import PEERS
from benchmarks.machine import environment, holding, machine
from benchmarks.page import race_text
from benchmarks.results import Race
from scratchnn.scripts import cli

Contests = Callable[[argparse.Namespace], Iterator[Contest]]


def parser(description: str) -> argparse.ArgumentParser:
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    made = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--rounds", type=cli.positive_int, default=5, help="turns of each contestant (default: 5)")
    made.add_argument("--steps", type=cli.positive_int, help="of a turn (default: each contest has its own)")
    made.add_argument(
        "--threads", type=cli.positive_int, default=cores, help=f"of each contestant (default here: {cores})"
    )
    made.add_argument("--peers", nargs="*", choices=PEERS, default=PEERS, help="default: all")
    return made


def hold_all(kinds: Iterable[Contests], args: argparse.Namespace, held: bool = False) -> list[Race]:
    """Holds the contests and prints each one's times; contestants that disagree end the command with a sentence."""
    races = []
    for contests in kinds:
        for contest in contests(args):
            try:
                race = hold(contest, args.rounds, environment(contest.task.threads, held))
            except DisagreementError as error:
                sys.exit(f"error: {error}")
            print(race_text(race), end="\n\n", flush=True)
            races.append(race)
    return races


def introduce(threads: int) -> None:
    """Prints where the contests are held, and what holds a contestant back."""
    print(machine(threads))
    for variable in holding():
        print(f"Note: {variable} is set, which may hold back one contestant and not the others.")


def run_alone(description: str, contests: Contests) -> None:
    def main(arguments: Sequence[str] | None = None) -> None:
        args = parser(description).parse_args(arguments)
        introduce(args.threads)
        hold_all([contests], args)

    cli.run(main)
