"""Measures the library against its peers, and writes docs/performance.md with its figures.

    python -m benchmarks                                      everything: an hour on two cores that have nothing to do
    python -m benchmarks --only vae adam --rounds 3           some of it, printed and not written
    python -m benchmarks --steps 50 --page /tmp/page.md       short epochs, to see whether all runs

Each part can be run alone as well: python -m benchmarks.thesis_epoch, dense_epoch, convolution, adam, same_result,
techniques, freed_memory, growth; and python -m benchmarks.slider_latency, which is not on the page.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from benchmarks import adam, convolution, dense_epoch, freed_memory, growth, same_result, techniques, thesis_epoch
from benchmarks.machine import limits, machine
from benchmarks.options import Measure, finish, parser
from benchmarks.page import bars_text, text_of, write_page
from benchmarks.results import Measured
from scratchnn.scripts import cli
from scratchnn.training import runs

BENCHMARKS: dict[str, Measure] = {
    "vae": thesis_epoch.measure,
    "dense": dense_epoch.measure,
    "conv": convolution.measure,
    "adam": adam.measure,
    "same": same_result.measure,
    "techniques": techniques.measure,
    "memory": freed_memory.measure,
    "growth": growth.measure,
}
PAGE = Path("docs/performance.md")


def main(arguments: Sequence[str] | None = None) -> None:
    options = parser(__doc__ or "")
    options.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), help="default: all")
    options.add_argument("--page", type=Path, help=f"default: {PAGE} if all is measured, and else none")
    args = options.parse_args(arguments)
    chosen = [name for name in BENCHMARKS if name in args.only]
    if args.page is None and chosen == list(BENCHMARKS):
        args.page = PAGE
    if args.page is not None:
        runs.prepare_folder(args.page.parent)

    def measure() -> None:
        measured: list[Measured] = []
        for name in chosen:
            results = BENCHMARKS[name](args)
            print("\n\n".join(map(text_of, results)), end="\n\n", flush=True)
            measured += results
        print(bars_text(measured))
        if args.page is not None:
            typed = shlex.join(sys.argv[1:] if arguments is None else arguments)
            where = machine(args.threads)
            written = write_page(measured, args, where, limits(), f" {typed}" if typed else "")
            print(f"\nwritten: {', '.join(map(str, written))}")

    print(machine(args.threads))
    for note in limits():
        print(note)
    finish(measure)


if __name__ == "__main__":
    cli.run(main)
