"""Measures the library against its peers, and writes docs/performance.md with its figures.

    python -m benchmarks                                      everything: ten minutes on two cores with nothing to do
    python -m benchmarks --only thesis adam --rounds 3        some of it, printed and not written
    python -m benchmarks --steps 10 --page /tmp/page.md       short turns, to see whether all runs

Each kind can be run alone as well: python -m benchmarks.thesis_epoch, convolution, dense_epoch, adam. Not on the page:
python -m benchmarks.techniques, freed_memory and slider_latency.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import adam, convolution, dense_epoch, thesis_epoch
from benchmarks.machine import AVX512, holding, machine
from benchmarks.options import Contests, hold_all, introduce, parser
from benchmarks.page import bars_text, write_page
from scratchnn.scripts import cli
from scratchnn.training import runs

CONTESTS: dict[str, Contests] = {
    "thesis": thesis_epoch.contests,
    "conv": convolution.contests,
    "dense": dense_epoch.contests,
    "adam": adam.contests,
}
PAGE = Path("docs/performance.md")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__ or "")
    options.add_argument("--only", nargs="+", choices=CONTESTS, default=list(CONTESTS), help="default: all")
    options.add_argument("--page", type=Path, help=f"default: {PAGE} if everything is measured, and else none")
    args = options.parse_args(arguments)
    chosen = [contests for name, contests in CONTESTS.items() if name in args.only]
    if args.page is None and len(chosen) == len(CONTESTS):
        args.page = PAGE
    if args.page is not None:
        if holding():
            sys.exit(f"error: {holding()[0]} holds a contestant back, so no page is written: unset it")
        runs.prepare_folder(args.page.parent)
    introduce(args.threads)
    runs_of = {"ratio": {race.name: race for race in hold_all(chosen, args)}}
    if AVX512:
        print("The same with everyone held to AVX2:\n")
        runs_of["held to AVX2"] = {race.name: race for race in hold_all(chosen, args, held=True)}
    print(bars_text(runs_of))
    if args.page is not None:
        typed = shlex.join(sys.argv[1:] if arguments is None else arguments)
        written = write_page(runs_of, args, machine(args.threads), f" {typed}" if typed else "")
        print(f"\nwritten: {', '.join(map(str, written))}")


if __name__ == "__main__":
    cli.run(main)
