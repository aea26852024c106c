"""The page and its figures, made of what was measured: no number on it is written by hand."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import EngFormatter

from benchmarks.bars import BARS, missed, verdict
from benchmarks.contest import SAME_STEPS, TOLERANCE
from benchmarks.peers import FLOOR
from benchmarks.results import Duels, Growth, Measured, Parts, Race, Sameness, line
from scratchnn.machinery.parameters import Array
from scratchnn.scripts import figures
from scratchnn.training import runs

INTRO = """\
# Performance

Written by `python -m benchmarks{options}`; every number comes from one run of it. {machine}
{limits}
**How to read it.** Contestants start from the same weights and take turns, A B A B, since a machine's speed drifts.
Times are medians over {rounds} rounds, with the smallest and the largest. A ratio is taken within a round; below 1 the
library is the faster. `scratchnn` is `Trainer`, where the threads are those of the matrix library; `scratchnn, N
threads` is `ParallelTrainer`, where each thread has a part of the batch. *The matrix products alone* are those of
forward and backward on arrays of the right shapes, and nothing else.

Before anything is timed all contestants take up to {same_steps} steps on the same batches with the same noise, and
their losses must agree to {tolerance:g} of their value: a program that is fast and wrong is no result, and the command
fails. Dropout draws differently everywhere, so it is switched off for this check, and on for the times. Keras puts the
images in an order of its own; all others have the same one.
"""

REMEDY = """\
What could go is what stands between the matrix products. NumPy passes through memory once for every call, ten times in
`Adam` and more often in a cross-entropy; the peers have these fused into one pass, by a compiler (JAX, `torch.compile`)
or by hand (fused Adam). That takes compiled code, which this library does not have. The products are the matrix
library's, and half a batch costs it more than half the time: all weights are read, and all of dW is written, for either
half. And threads of Python have one interpreter: a NumPy function lets go of it while it computes, and must have it
back before the next one begins, so that many short calls on two threads take longer than on one. What that costs is the
difference, in the table of phases, between forward and backward and one part while no other is at work. It would take
an interpreter without that lock, or processes that share the memory of the parameters.
"""

TECHNIQUES = """\
## What makes it fast

- **Adam goes through the parameters in blocks** that stay in the processor's cache for all of its ten calls
  (`scratchnn/optim.py`). Counting arrays that come from memory and go there, a step has 7 instead of some 25: a
  quarter of the time is to be expected, unless the cache holds everything anyway. The race "Adam" has the same in
  whole arrays and in one line. Smaller blocks mean more calls, and two threads wait for each other at every call.
- **Images lie in memory with the batch running fastest** (`scratchnn/machinery/images.py`): pieces of images are then
  long runs of neighbours, and copied as fast as memory allows.
- **Columns are made a band at a time** (`scratchnn/layers/convolution.py`): the product finds them in the cache.
- **The lowest layer computes no dx** (`write_gradients`, `scratchnn/layers/layer.py`): the derivative with respect to
  the data is of no use.
- **The cross-entropy keeps its exponential** for backward (`scratchnn/losses.py`).
- **Threads have parts of the batch, not of a product** (`scratchnn/training/parallel.py`): so what stands between the
  products is shared, too. To be expected is what the products take in either case, and a share of the rest. The column
  "scratchnn, N threads ÷ it" has the gain in the row of `scratchnn`. Noise is drawn in turn: one part computes while
  the next one draws.
- **Freed memory is kept** for the next step where a script makes its trainer (`blas.keep_freed_memory`). It is a matter
  of the process and not of a framework, so the contests do without it: all have the C library as it is. What it
  brings, to PyTorch as well, has a table of its own.

The last table holds what was tried and is not in the library: where its ratio is near 1, or below, the plainer
code has stayed.

*Predicted* is what counting leads one to expect. *Columns*: the same bytes, in runs that are longer by the batch; the
shorter run is about as long as what NumPy does to begin one. *Bands*: columns of a small batch fit into the last cache
either way, those of a large one do not. *write_gradients*: counting multiplications. *Exponential*: counting calls
of exp and log1p, the latter at four times the former: for it NumPy has vector instructions only where there is AVX-512.
*New arrays*: what the allocator does is little beside a product. *One copy of a view*: its inner loop is the same, so
nothing. *A batch of floats*: a quarter of the bytes to gather, but one pass more.
"""

GROWTH = """\
## How it grows

One quantity at a time is varied around the thesis's VAE and the convolutional autoencoder; all sizes take turns. The
images are noise, which takes as long as digits. Memory is the most that was held at a time in the model, its optimiser
and a step, or an epoch, as Python and NumPy asked for it; what the matrix library keeps for itself is not in it. A line
is fitted to what is expected to grow like one, nearest in relative terms.
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


def ratio(values: Array) -> str:
    return f"{np.median(values):.2f} ({values.min():.2f}–{values.max():.2f})"


def text_of(measured: Measured) -> str:
    """One result as Markdown, from its heading on."""
    if isinstance(measured, Race):
        return race_text(measured)
    if isinstance(measured, Parts):
        return parts_text(measured)
    if isinstance(measured, Duels):
        return duels_text(measured)
    if isinstance(measured, Sameness):
        return sameness_text(measured)
    return growth_text(measured)


def race_text(race: Race) -> str:
    unit, factor = ("s", 1.0) if max(map(np.median, race.times.values())) >= 1 else ("ms", 1e3)
    head = ["", f"median ({unit})", "min–max", *(f"{who} ÷ it" for who in race.ours)]
    rows = []
    for who, times in race.times.items():
        ours = ["1" if who == one else ratio(race.ratio(one, who)) for one in race.ours]
        spread = f"{factor * times.min():.2f}–{factor * times.max():.2f}"
        rows.append([who, f"{factor * np.median(times):.2f}", spread, *ours])
    lines = [f"### {race.title}", "", race.note]
    if race.disagreement is not None:
        lines[-1] += f" Largest disagreement in the check, relative: {race.disagreement:.1g}."
    lines += ["", table(head, rows)]
    lines += [f"\nSkipped: {who}, {why}." for who, why in race.skipped.items()]
    return "\n".join(lines)


def parts_text(parts: Parts) -> str:
    names = list(next(iter(parts.times.values())))
    rows = []
    for who, times in parts.times.items():
        medians = [1e3 * float(np.median(times[name])) for name in names]
        rows.append([who, *(f"{value:.2f}" for value in medians), f"{sum(medians):.2f}"])
    lines = [f"### {parts.title}", "", "Medians, milliseconds a step.", ""]
    lines.append(table(["", *names, "sum"], rows))
    if parts.beside:
        beside = [f"{what} {1e3 * seconds:.2f} ms" for what, seconds in parts.beside.items()]
        lines.append(f"\nTo be held against forward and backward of `{next(iter(parts.times))}`: {', '.join(beside)}.")
    return "\n".join(lines)


def duels_text(duels: Duels) -> str:
    rows = [
        [label, f"{1e3 * np.median(one):.2f}", f"{1e3 * np.median(other):.2f}", ratio(one / other)]
        for label, (one, other) in duels.rows.items()
    ]
    head = ["", f"{duels.one} (ms)", f"{duels.other} (ms)", "ratio (median, min–max)"]
    if duels.predicted:
        head.append("predicted")
        rows = [[*row, duels.predicted[row[0]]] for row in rows]
    note = duels.note or "Medians of processor time on one thread."
    return "\n".join([f"### {duels.title}", "", note, "", table(head, rows)])


def growth_text(growth: Growth) -> str:
    medians = np.median(growth.times, axis=1)
    head = [growth.quantity, "median (ms)", "min–max"]
    rows = [
        [f"{size:,}", f"{1e3 * middle:.2f}", f"{1e3 * times.min():.2f}–{1e3 * times.max():.2f}"]
        for size, middle, times in zip(growth.sizes, medians, growth.times, strict=True)
    ]
    lines = [f"### {growth.title}: {growth.quantity}", ""]
    if growth.memory is not None:
        head.append("peak memory (MB)")
        rows = [[*row, f"{bytes_ / 1e6:.1f}"] for row, bytes_ in zip(rows, growth.memory, strict=True)]
    if growth.linear:
        lines += [fitted("Time", "ms", growth.sizes, 1e3 * medians)]
        if growth.memory is not None:
            lines[-1] += " " + fitted("Memory", "MB", growth.sizes, growth.memory / 1e6)
        lines.append("")
    else:
        head.append("÷ first")
        rows = [[*row, ratio(times / growth.times[0])] for row, times in zip(rows, growth.times, strict=True)]
    return "\n".join([*lines, table(head, rows)])


def sameness_text(same: Sameness) -> str:
    head = ["threads", "gradient of the first step", "losses", "the same again"]
    rows = [
        [str(threads), f"{gradient:.1g}", f"{losses:.1g}", "the same bits" if again else "**other bits**"]
        for threads, gradient, losses, again in zip(same.threads, same.gradients, same.losses, same.again, strict=True)
    ]
    note = f"Relative differences from {same.threads[0]} thread: of the gradient in norm, of a step's loss at the most."
    return "\n".join([f"### {same.title}", "", note, "", table(head, rows)])


def fitted(what: str, unit: str, sizes: Sequence[float], values: Array) -> str:
    a, b, off = line(sizes, values)
    sign = "+" if b >= 0 else "−"
    return f"{what}: {a:.3g} {sign} {abs(b):.3g} × size {unit}, off by {100 * off:.0f} % at the most."


def bars_text(measured: Sequence[Measured]) -> str:
    """The table of bars, and below it what the time is spent on wherever more was hoped for."""
    races = [result for result in measured if isinstance(result, Race)]
    rows = []
    for bar in BARS:
        value, met = verdict(bar, races)
        hope = "" if bar.hope is None else f"{bar.hope:g}"
        rows.append([f"{bar.what} ÷ {bar.rival}", value, f"{bar.bar:g}", hope, met])
    lines = ["## Is it fast enough?", "", "The fastest of ours ÷ the other.", ""]
    lines.append(table(["", "ratio (median, min–max)", "at most", "hope", ""], rows))
    lines += [f"\n{same_in_short(result)}" for result in measured if isinstance(result, Sameness)]
    straight = [result for result in measured if isinstance(result, Growth) and asked_to_be_linear(result)]
    if straight:
        lines.append(f"\n{linear_in_short(straight)}")
    for name in missed(races):
        (race,) = (race for race in races if race.name == name)
        spent = [
            spent_on(result, race.best)
            for result in measured
            if isinstance(result, Parts) and result.name == name and race.best in result.times
        ]
        lines.append("\n" + " ".join([needed(race), *spent]))
    if missed(races):
        lines.append(f"\n{REMEDY}")
    return "\n".join(lines)


def same_in_short(same: Sameness) -> str:
    again = "every number of them ends with the same bits again" if all(same.again) else "**the bits differ**"
    return (
        f"*The same training on {', '.join(map(str, same.threads))} threads*: the gradient of a step differs by "
        f"{max(same.gradients):.1g} of its norm, a step's loss by {max(same.losses):.1g} of its value at the most; "
        f"repeated, {again}."
    )


def asked_to_be_linear(growth: Growth) -> bool:
    return growth.linear and growth.quantity.startswith(("images", "parameters"))


def linear_in_short(growths: Sequence[Growth]) -> str:
    time = max(line(growth.sizes, np.median(growth.times, axis=1))[2] for growth in growths)
    memory = max(line(growth.sizes, growth.memory)[2] for growth in growths if growth.memory is not None)
    return (
        "*Cost against images and parameters*: a line through the medians is off by "
        f'{100 * time:.0f} % of the time and {100 * memory:.0f} % of the memory at the most; see "How it grows".'
    )


def needed(race: Race) -> str:
    """A sentence: how much of the time would have to go for every bar and every hope of this race."""
    targets = []
    for bar in BARS:
        if bar.race == race.name and bar.rival in race.times:
            ratio_now = float(np.median(race.ratio(race.best, bar.rival)))
            targets += [limit / ratio_now for limit in (bar.bar, bar.hope) if limit is not None]
    least = min(targets)
    return (
        f"*{race.title}*: for all that is asked and hoped for, {100 * (1 - least):.0f} % of the time would have to go."
    )


def spent_on(parts: Parts, who: str) -> str:
    """A sentence: the parts of a step of this contestant, largest first."""
    medians = {name: 1e3 * float(np.median(values)) for name, values in parts.times[who].items()}
    whole = sum(medians.values())
    shares = [f"{name} {100 * medians[name] / whole:.0f} %" for name in sorted(medians, key=lambda n: -medians[n])]
    text = f"A step of `{who}` spends its {whole:.2f} ms on {', '.join(shares)}"
    return text + (f"; {FLOOR} need {100e3 * parts.beside[FLOOR] / whole:.0f} %." if FLOOR in parts.beside else ".")


def epochs_figure(races: Sequence[Race]) -> Figure:
    """The median of every contestant as a bar, with a line from the smallest to the largest."""
    figure = figures.new_figure(8, 0.6 + sum(0.5 + 0.26 * len(race.times) for race in races), "The same work, in turns")
    panels = figure.subplots(len(races), 1, squeeze=False, height_ratios=[len(race.times) for race in races])[:, 0]
    for axes, race in zip(panels, races, strict=True):
        names = list(race.times)[::-1]
        medians = np.array([np.median(race.times[who]) for who in names])
        ends = np.array([[race.times[who].min(), race.times[who].max()] for who in names]).T
        colours = [figures.CLASS_COLOURS[0 if who in race.ours else 3] for who in names]
        axes.barh(names, medians, xerr=np.abs(ends - medians), color=colours, ecolor="#333333")
        axes.set_title(race.title, fontsize=9)
        axes.set_xlabel("seconds", fontsize=8)
        axes.tick_params(labelsize=8)
    return figure


def growth_figure(growths: Sequence[Growth]) -> Figure:
    """One panel a quantity: time on the left axis, memory on the right one; the lines are the fits."""
    rows = -(-len(growths) // 3)
    figure = figures.new_figure(10, 2.7 * rows, "How time and memory grow")
    panels = figure.subplots(rows, 3, squeeze=False).ravel()
    for axes in panels[len(growths) :]:
        axes.set_axis_off()
    for axes, growth in zip(panels, growths, strict=False):
        medians = 1e3 * np.median(growth.times, axis=1)
        ends = 1e3 * np.stack([growth.times.min(axis=1), growth.times.max(axis=1)])
        time_colour, memory_colour = figures.CLASS_COLOURS[0], figures.CLASS_COLOURS[5]
        axes.errorbar(growth.sizes, medians, np.abs(ends - medians), fmt="o", color=time_colour)
        drawn = [(axes, medians, "milliseconds", time_colour)]
        if growth.memory is not None:
            right = axes.twinx()
            right.plot(growth.sizes, growth.memory / 1e6, "s", color=memory_colour)
            drawn.append((right, growth.memory / 1e6, "peak memory (MB)", memory_colour))
        for side, values, label, colour in drawn:
            if growth.linear:
                a, b, _ = line(growth.sizes, values)
                side.plot(growth.sizes, a + b * np.asarray(growth.sizes), color=colour, linewidth=1)
            side.set_ylim(0, 1.15 * values.max())
            side.set_ylabel(label, fontsize=8, color=colour)
            side.tick_params(labelsize=7)
        axes.set_title(growth.title, fontsize=9)
        axes.set_xlabel(growth.quantity, fontsize=8)
        axes.xaxis.set_major_formatter(EngFormatter())
    return figure


def page_text(measured: Sequence[Measured], intro: Mapping[str, str | int | float], pictures: Sequence[str]) -> str:
    """The whole page. `intro` fills the blanks of INTRO, `pictures` are the names of the figures' files."""

    def texts(*kinds: type) -> list[str]:
        return [text_of(result) for result in measured if isinstance(result, kinds)]

    def pairs(of_layers: bool) -> list[str]:
        return [text_of(x) for x in measured if isinstance(x, Duels) and (x.name == "layers") == of_layers]

    def shown(name: str, caption: str) -> list[str]:
        return [f"![{caption}](figures/{name})"] if name in pictures else []

    sections = [INTRO.format(same_steps=SAME_STEPS, tolerance=TOLERANCE, **intro), bars_text(measured)]
    sections += [
        "## The contests",
        *shown("performance-races.png", "Times of all contestants"),
        *texts(Race, Parts, Sameness),
    ]
    sections += pairs(of_layers=True)
    sections += [TECHNIQUES, *pairs(of_layers=False)]
    sections += [GROWTH, *shown("performance-growth.png", "Time and memory against size"), *texts(Growth)]
    return "\n\n".join(section.strip("\n") for section in sections) + "\n"


def write_page(
    measured: Sequence[Measured], args: argparse.Namespace, machine: str, limits: Sequence[str], options: str
) -> list[Path]:
    """Writes the page and, beside it in figures/, its pictures; returns what was written."""
    folder = args.page.parent / "figures"
    runs.prepare_folder(folder)
    races = [result for result in measured if isinstance(result, Race)]
    growths = [result for result in measured if isinstance(result, Growth)]
    drawn: dict[str, Figure] = {}
    if races:
        drawn["performance-races.png"] = epochs_figure(races)
    if growths:
        drawn["performance-growth.png"] = growth_figure(growths)
    for name, figure in drawn.items():
        figures.save(figure, folder / name)
    notes = "".join(f"\n{note}\n" for note in limits)
    intro: dict[str, str | int] = {"options": options, "machine": machine, "limits": notes, "rounds": args.rounds}
    runs.write_text(args.page, page_text(measured, intro, list(drawn)))
    return [args.page, *(folder / name for name in drawn)]
