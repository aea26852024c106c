"""The page and its figure, made of what was measured: no number on it is written by hand."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from benchmarks.bars import BARS, Bar, ratios, verdict
from benchmarks.contest import PARTS, SAME_STEPS, TOLERANCE
from benchmarks.contestants import FAST, FLOOR, NUMPY
from benchmarks.machine import AVX512
from benchmarks.results import Race, quartiles
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.scripts.provenance import drawing
from scratchnn.training import runs

INTRO = """\
# Performance

The same training in scratchnn, PyTorch, JAX and TensorFlow, and the matrix products of it alone.
{machine}. {avx}

{kernels}

Written by `python -m benchmarks{options}`; every number comes from one run of it. Every contestant has a process of its
own, and they take turns, since a machine's speed drifts. A ratio is taken within a round; given are the median over
{rounds} rounds and, in brackets, the quartiles. Below one, scratchnn is the faster. All start from the same weights.
Before anything is timed all take {same_steps} steps on the same batches with the same noise, and their losses must
agree to {tolerance:g} of their value; else the command fails.

scratchnn is what its training scripts make: they let the C library keep freed memory, and choose the threads of the
matrix library by the size of the network. Its fastest way counts: `Trainer`, or `--threads`. The rivals are taken at
their best: fused Adam, `torch.compile`, channels last for convolutions; memory handed on, and several steps a call, in
JAX; TensorFlow with XLA and without.
"""

FAST_TEXT = """\
## With [fast]

Numba is installed, and compiled loops stand in for the passes through memory that cost most (`scratchnn/compiled/`).
The bits are the same.
"""

NUMPY_TEXT = """\
## NumPy alone

The same races without Numba, and what the loops bring.
"""

TIMES_TEXT = """\
## The times

Milliseconds a step, at the median.
"""

PARTS_TEXT = """\
## Where the rest goes

The floor of a dense network is its matrix products, on arrays of the right shapes and nothing else. A step has more:
medians, in milliseconds, one contestant at a time on the threads of the matrix library.
"""

REMEDY = """\
The products are the matrix library's in either form. What stands between them is passes through memory, and there the
loops help: Adam, the sums over windows of a convolution, the maximum of a pool. A pass became a loop if it brought a
few hundredths of a step. ReLU's backward, dropout, a cross-entropy around NumPy's exponential and taking a batch out of
the data were tried, and brought less. `--threads` shares out all that stands between the products; but threads of
Python have one interpreter, and many short calls on two of them may take longer than on one.
"""


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table whose columns line up in a terminal as well: text to the left, all else to the right."""
    widths = [max(map(len, column)) for column in zip(head, *rows, strict=True)]

    def row(cells: Sequence[str]) -> str:
        first, *others = zip(cells, widths, strict=True)
        padded = [first[0].ljust(first[1]), *(cell.rjust(width) for cell, width in others)]
        return "| " + " | ".join(padded) + " |"

    rule = "| " + "-" * widths[0] + " | " + " | ".join("-" * (width - 1) + ":" for width in widths[1:]) + " |"
    return "\n".join([row(head), rule, *map(row, rows)])


def milliseconds(seconds: Array) -> str:
    return f"{1e3 * float(np.median(seconds)):.2f}"


def shown(values: Array | None) -> str:
    return "" if values is None else quartiles(values)


def race_text(race: Race) -> str:
    """One race for the terminal."""
    rows = [
        [who, milliseconds(times), *(shown(race.ratio(one, who)) if one else "" for one in ours_in(race))]
        for who, times in race.times.items()
    ]
    lines = [f"{race.title}: turns of {race.steps} steps, disagreement {race.disagreement:.1g}", ""]
    lines.append(table(["", "ms a step", f"{FAST} ÷ it", f"{NUMPY} ÷ it"], rows))
    return "\n".join([*lines, *skipped_text(race)])


def ours_in(race: Race) -> tuple[str | None, str | None]:
    return race.fastest(FAST), race.fastest(NUMPY)


def skipped_text(race: Race) -> list[str]:
    return [f"Left out of {race.title}: {who} ({why})." for who, why in race.skipped.items()]


def label(bar: Bar, races: Mapping[str, Race]) -> str:
    title = races[bar.race].title if bar.race in races else bar.race
    return f"{title} ÷ {bar.against or bar.rivals[0]}"


def bars_text(runs_of: Mapping[str, Mapping[str, Race]]) -> str:
    """The bars against the fastest of ours with loops, in each run; the first run decides."""
    first = next(iter(runs_of.values()))
    rows = []
    for bar in BARS:
        measured = [ratios(bar, FAST, races) for races in runs_of.values()]
        found = verdict(bar, measured[0])
        rows.append([label(bar, first), *map(shown, measured), f"{bar.bar:.2f}", f"{bar.hope:.2f}", found])
    return table(["", *runs_of, "at most", "hope", ""], rows)


def numpy_text(runs_of: Mapping[str, Mapping[str, Race]]) -> str:
    first = next(iter(runs_of.values()))
    rows = [
        [label(bar, first), *(shown(ratios(bar, NUMPY, races)) for races in runs_of.values())] for bar in BARS
    ]  # fmt: skip
    for name, race in first.items():
        own = Bar(name, (NUMPY,), 1, 1)
        values = [shown(ratios(own, FAST, races)) for races in runs_of.values()]
        rows.append([f"{race.title}: with [fast] ÷ NumPy alone", *values])
    return table(["", *runs_of], rows)


def times_text(races: Mapping[str, Race]) -> str:
    everybody = dict.fromkeys(who for race in races.values() for who in race.times)
    rows = [
        [who, *(milliseconds(race.times[who]) if who in race.times else "" for race in races.values())]
        for who in everybody
    ]
    return table(["", *(race.title for race in races.values())], rows)


def parts_text(races: Mapping[str, Race]) -> str:
    rows = []
    for race in races.values():
        for who, parts in race.parts.items():
            rows.append([f"{race.title}: {who}", *(f"{1e3 * part:.2f}" for part in parts), f"{1e3 * parts.sum():.2f}"])
        if FLOOR in race.times and race.parts:
            rows.append([f"{race.title}: {FLOOR}", *[""] * len(PARTS), milliseconds(race.times[FLOOR])])
    return table(["", *PARTS, "sum"], rows)


def kernels_text(races: Mapping[str, Race]) -> str:
    """Who computed with what."""
    users: dict[str, dict[str, None]] = {}
    for race in races.values():
        for who, kernel in race.kernels.items():
            users.setdefault(kernel, {})[who.split(",")[0].removesuffix(" with [fast]")] = None
    return "\n".join(f"- {', '.join(who)}: {kernel}." for kernel, who in users.items())


@drawing
def races_figure(races: Mapping[str, Race]) -> Figure:
    """The median of every contestant as a bar, with a line between the quartiles."""
    sizes = [len(race.times) for race in races.values()]
    figure = figures.new_figure(8, 0.6 + sum(0.5 + 0.24 * size for size in sizes), "The same work, in turns")
    panels = figure.subplots(len(races), 1, squeeze=False, height_ratios=sizes)[:, 0]
    for axes, race in zip(panels, races.values(), strict=True):
        names = list(race.times)[::-1]
        low, middle, high = 1e3 * np.array([np.percentile(race.times[who], (25, 50, 75)) for who in names]).T
        colours = [figures.CLASS_COLOURS[0 if who.startswith("scratchnn") else 3] for who in names]
        axes.barh(names, middle, xerr=[middle - low, high - middle], color=colours, ecolor="#333333")
        axes.set_title(race.title, fontsize=9)
        axes.set_xlabel("milliseconds a step", fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def page_text(runs_of: Mapping[str, Mapping[str, Race]], rounds: int, machine: str, options: str) -> str:
    """The whole page. `runs_of` has the races by name, of a run on all the processor has, and perhaps of a held one."""
    races = next(iter(runs_of.values()))
    avx = (
        "In the last run everyone was held to AVX2." if AVX512
        else "It has no AVX-512, so a run with everyone held to AVX2 would be the same run."
    )  # fmt: skip
    intro = INTRO.format(
        machine=machine, avx=avx, kernels=kernels_text(races), options=options, rounds=rounds, same_steps=SAME_STEPS,
        tolerance=TOLERANCE,
    )  # fmt: skip
    sections = [intro, FAST_TEXT, bars_text(runs_of), NUMPY_TEXT, numpy_text(runs_of)]
    sections += [TIMES_TEXT, times_text(races), *(text for race in races.values() for text in skipped_text(race))]
    if races:
        sections.append("![Times of all contestants](figures/performance-races.png)")
        turns = ", ".join(f"{race.title} {race.steps}" for race in races.values())
        largest = max(race.disagreement for race in races.values())
        sections.append(f"Steps of a turn: {turns}. Largest disagreement in the check: {largest:.1g}.")
    sections += [PARTS_TEXT, parts_text(races), REMEDY]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def write_page(
    runs_of: Mapping[str, Mapping[str, Race]], args: argparse.Namespace, machine: str, options: str
) -> list[Path]:
    """Writes the page and, beside it in figures/, its picture; returns what was written."""
    races = next(iter(runs_of.values()))
    picture = args.page.parent / "figures/performance-races.png"
    runs.prepare_folder(picture.parent)
    runs.write_text(args.page, page_text(runs_of, args.rounds, machine, options))
    if not races:
        return [args.page]
    figures.save(races_figure(races), picture, {"rounds": args.rounds})
    return [args.page, picture]
