"""The runs under a folder, which of them a section is written from, and how their numbers are put down."""

from __future__ import annotations

import itertools
import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from scratchnn.training.runs import OutputError, mean_and_std, write_text

NAMES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST"}
FASHION = "fashion-mnist"


class MissingRunsError(Exception):
    """What a section needs and the folder lacks."""


@dataclass(frozen=True)
class Run:
    """One run: its folder, its name among the runs, and what its summary.json says."""

    folder: Path
    name: str
    experiment: str
    figures: dict[str, Any]
    settings: dict[str, Any]
    versions: dict[str, str]
    document: dict[str, Any]
    peak_memory_mb: int = 0  # 0 where it was not measured

    def history(self) -> dict[int, dict[str, Any]]:
        """The records of its training by epoch."""
        try:
            records = json.loads((self.folder / "history.json").read_text(encoding="utf-8"))
            return {record["epoch"]: record for record in records}
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise MissingRunsError(f"a readable history.json in {self.folder}") from error


def runs_under(folder: Path) -> list[Run]:
    found = []
    for path in sorted(folder.rglob("summary.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            names = ("experiment", "figures", "settings", "versions")
            content = {name: summary[name] for name in names}
            name = "-".join(path.parent.relative_to(folder).parts)
            more = {"document": summary.get("document", {}), "peak_memory_mb": summary.get("peak_memory_mb", 0)}
            found.append(Run(path.parent, name, **content, **more))
        except (KeyError, TypeError, ValueError) as error:
            raise OutputError(f"{path} is not the summary of a run ({error}): delete it, or run that again") from error
    return found


def keep(run: Run, folder: Path) -> None:
    """Leaves a run's summary, and some epochs of its history, in a folder of its name: a few kB."""
    target = folder / run.name
    if target == run.folder:
        return
    target.mkdir(parents=True, exist_ok=True)
    write_text(target / "summary.json", (run.folder / "summary.json").read_text(encoding="utf-8"))
    history = run.folder / "history.json"
    records = json.loads(history.read_text(encoding="utf-8")) if history.exists() else []
    if isinstance(records, list) and records:
        last = records[-1]["epoch"]
        told = {of * 10**power for of in (1, 2, 4, 5) for power in range(len(str(last)))} | {last}
        some = [json.dumps(record) for record in records if record["epoch"] in told]
        write_text(target / "history.json", "[\n" + ",\n".join(some) + "\n]\n")


def matching(runs: Sequence[Run], experiment: str, **wanted: Any) -> list[Run]:
    """The runs of an experiment with these settings."""
    return [
        run
        for run in runs
        if run.experiment == experiment and all(run.settings.get(name) == value for name, value in wanted.items())
    ]


@dataclass
class Sources:
    """All the runs there are; and, noted as it is asked, those that a section has used, and their pictures."""

    runs: Sequence[Run]
    figures: Path  # where the page's pictures are
    used: list[Run] = field(default_factory=list)
    pictures: dict[str, Path] = field(default_factory=dict)

    def select(self, experiment: str, **wanted: Any) -> list[Run]:
        """The runs of an experiment with these settings in the order of their seeds, one a seed (which makes other
        parameters).

        MissingRunsError if there are none; OutputError if they differ in anything else than the seed, or two have the
        same seed and other figures.
        """
        chosen = self._matching(experiment, **wanted)
        chosen.sort(key=lambda run: int(run.settings.get("seed", 0)))
        first = chosen[0]
        for run in chosen[1:]:
            for name in sorted({*first.settings, *run.settings} - {"seed", "parameters"}):
                here, there = first.settings.get(name), run.settings.get(name)
                if here != there:
                    raise OutputError(
                        f"{first.folder} and {run.folder} have different settings, and their results are not to be "
                        f"averaged: {name} is {here} and {there}. Move one of them to another place"
                    )
        seeds = [run.settings.get("seed") for run in chosen]
        for seed in set(seeds):
            if seeds.count(seed) > 1:
                twice = [str(run.folder) for run in chosen if run.settings.get("seed") == seed]
                raise OutputError(f"{' and '.join(twice)} are the same run with other figures: move one of them away")
        return chosen

    def one(self, experiment: str, **wanted: Any) -> Run:
        """The only run of an experiment with these settings; it may itself be of several seeds."""
        chosen = self._matching(experiment, **wanted)
        if len(chosen) > 1:
            raise OutputError(
                f"{chosen[0].folder} and {chosen[1].folder} are both runs of {experiment} with the settings of one "
                "section: move one of them to another place"
            )
        return chosen[0]

    def _matching(self, experiment: str, **wanted: Any) -> list[Run]:
        """The runs of an experiment with these settings; one that two folders hold, with the same figures in both,
        counts once. MissingRunsError if there are none."""
        found = matching(self.runs, experiment, **wanted)
        if not found:
            settings = ", ".join(f"{name} {value}" for name, value in wanted.items() if value is not None)
            raise MissingRunsError(f"a run of {experiment} with {settings}")
        self.used += found
        chosen: list[Run] = []
        for run in found:
            if not any(
                run.settings == other.settings and untimed(run.figures) == untimed(other.figures) for other in chosen
            ):
                chosen.append(run)
        return chosen

    def show(self, run: Run, name: str, caption: str) -> str:
        """Notes a figure of a run among the page's pictures, and returns the lines that show it."""
        source, copy = run.folder / f"{name}.png", f"{run.name}-{name}.png"
        if source.exists():
            self.pictures[copy] = source
        elif not (self.figures / copy).exists():  # of a run whose summary alone was kept, the page has it
            raise MissingRunsError(f"the picture {source}")
        return f"![{caption}](figures/{copy})\n\n*{caption}.*"

    def show_all(self, run: Run, captions: Mapping[str, str]) -> str:
        return "\n\n".join(self.show(run, name, caption) for name, caption in captions.items())

    def versions(self) -> str:
        """The versions that the runs used have run with, and the most memory that one has held, if all measured it."""
        versions = sorted({f"{name} {version}" for run in self.used for name, version in run.versions.items()})
        peaks = [run.peak_memory_mb for run in self.used]
        return ", ".join(versions) + (f"; at most {max(peaks) / 1000:.1f} GB of memory" if all(peaks) else "")


@dataclass(frozen=True)
class Written:
    """A part of the page, and its rows in the README's table: what, the document's number, ours; why they differ."""

    text: str
    short: Sequence[Sequence[str]] = ()


@dataclass(frozen=True)
class Section:
    """A part of the page.

    `marks` are experiments with settings that no other section's runs have. Where a run of one of them is found, the
    section is meant to be written, and all of its runs must be there; where none is, it is left as it is.
    """

    name: str
    write: Callable[[Sources], Written]
    commands: Sequence[str]
    marks: Sequence[Mapping[str, Any]]

    def begun(self, runs: Sequence[Run]) -> bool:
        return bool(self.marked(runs))

    def marked(self, runs: Sequence[Run]) -> list[Run]:
        return [run for mark in self.marks for run in matching(runs, **mark)]


def untimed(figures: Any) -> Any:
    """A run's figures without how long it took, which differs from run to run."""
    if isinstance(figures, Mapping):
        timed = {name for name in figures if "seconds" in name or name == "ms_per_step"}
        return {name: untimed(value) for name, value in figures.items() if name not in timed}
    return [untimed(value) for value in figures] if isinstance(figures, list) else figures


def thesis_network(n_hidden: int, n_z: int, n_x: int = 784, layers: int = 2) -> str:
    """How a summary shows a VAE of dense layers with a Bernoulli likelihood."""

    def network(*sizes: int) -> str:
        dense = [f"Dense({n_in}, {n_out})" for n_in, n_out in itertools.pairwise(sizes)]
        return f"Sequential([{', ReLU(), '.join(dense)}])"

    hidden = [n_hidden] * layers
    return f"VAE({network(n_x, *hidden, 2 * n_z)}, {network(n_z, *hidden, n_x)}, Bernoulli(), n_z={n_z})"


def expect_vae(run: Run, n_hidden: int, n_z: int) -> None:
    """OutputError if a run builds on another VAE than the thesis's network of this size, which the page names."""
    network = thesis_network(n_hidden, n_z)
    if not str(run.settings.get("vae", run.settings.get("model"))).startswith(network):
        raise OutputError(f"{run.folder} builds on another VAE than {network}: move it to another place")


def made_by(run: Run, *settings: str) -> str:
    """The command that makes a run; `settings` are those that the document leaves open."""
    words = [f"python examples/{run.experiment.replace('-', '_')}.py --data {run.settings['data']}"]
    words += [f"--{name.replace('_', '-')} {run.settings[name]}" for name in settings]
    if "seeds" in run.settings:
        words.append(f"--runs {len(run.settings['seeds'])}")
    if run.settings["seed"]:
        words.append(f"--seed {run.settings['seed']}")
    return " ".join(words)


def seeds(n: int) -> str:
    return "one seed" if n == 1 else f"{n} seeds: mean ± standard deviation"


def of_seeds(n: int) -> str:
    return "ours, one seed" if n == 1 else f"ours, {n} seeds"


def per_cent(shares: Sequence[float]) -> str:
    return mean_and_std([100 * share for share in shares])


def in_brief(number: str, n: int) -> str:
    """A number for the README, where nothing beside it says from how many seeds it is."""
    return number if n > 1 else f"{number}, one seed"


def at_default(script: str, *data: str) -> list[str]:
    return [f"python examples/{script}.py --data {name}" for name in data]


def values(runs: Sequence[Run], name: str) -> list[float]:
    return [run.figures[name] for run in runs]


def each(counts: Sequence[int]) -> str:
    """Counts run by run; one number if they are all the same."""
    return ", ".join(map(str, counts if len(set(counts)) > 1 else counts[:1]))


def between(numbers: Sequence[float], decimals: int = 1) -> str:
    """The smallest and the largest of some numbers; one number if they are the same."""
    ends = [f"{end:,.{decimals}f}" for end in (min(numbers), max(numbers))]
    return ends[0] if ends[0] == ends[1] else f"{ends[0]}–{ends[1]}"


def verdict(document: float, ours: Sequence[float]) -> str:
    """The difference of the document's single run from our mean, and whether another seed might have made it.

    With n runs of mean m and standard deviation s, one more run lies with a probability of 95 % within
    m ± t s √(1 + 1/n), t being the quantile of Student's distribution with n − 1 degrees of freedom (4.30 for three
    runs).
    """
    difference = f"{document - statistics.fmean(ours):+.2f}".replace("-", "−")
    if len(ours) < 2:
        return f"{difference}: one run, spread unknown"
    from scipy import stats

    n = len(ours)
    reach = stats.t.ppf(0.975, n - 1) * statistics.stdev(ours) * (1 + 1 / n) ** 0.5
    inside = abs(document - statistics.fmean(ours)) <= reach
    return f"{difference}: {'yes' if inside else '**no**'}, one run in 20 is further than ±{reach:.2f}"


def row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return "\n".join([row(*header), row(*["---"] * len(header)), *(row(*cells) for cells in rows)])
