"""Writes docs/results.md, and its short form in the README, from the summary.json of the runs under a folder.

Every number on the page comes out of a file that a run has written; this script trains nothing and knows no result but
the thesis's. A row is the mean over runs that differ in their seed alone. Runs of different settings are never
averaged: where both lie under the folder the page is not written. Nor is it if a run is missing; then the commands that
make what is missing are printed.

*Do seeds explain a difference?* The thesis's number is one run, and so is drawn from the same kind of distribution as
ours. With n runs of mean m and standard deviation s, one more run lies with a probability of 95 % within
m ± t s √(1 + 1/n), t being the quantile of Student's distribution with n − 1 degrees of freedom (4.30 for three runs).
"""

from __future__ import annotations

import json
import re
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from latent_sizes import THESIS
from scipy import stats

from scratchnn import cli
from scratchnn.checkpoints import written_whole

EXAMPLES = """\
  python examples/results.py                            docs/results.md and the README's table, from runs/
  python examples/results.py --runs DIR --page PAGE     elsewhere
"""


class MissingRunsError(Exception):
    """Runs that the page needs, and the command that makes them."""


@dataclass(frozen=True)
class Section:
    """A part of the page, and its rows in the README's table: what, the document's number, ours."""

    text: str
    short: Sequence[Sequence[str]] = ()


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


def runs_under(folder: Path) -> list[Run]:
    found = []
    for path in sorted(folder.rglob("summary.json")):
        try:
            summary = json.loads(path.read_text(encoding="utf-8"))
            names = ("experiment", "figures", "settings", "versions")
            content = {name: summary[name] for name in names}
            name = "-".join(path.parent.relative_to(folder).parts)
            found.append(Run(path.parent, name, **content, document=summary.get("document", {})))
        except (KeyError, TypeError, ValueError) as error:
            raise cli.OutputError(
                f"{path} is not the summary of a run ({error}): delete it, or run that again"
            ) from error
    return found


def select(runs: Sequence[Run], experiment: str, command: str, **wanted: Any) -> list[Run]:
    """The runs of an experiment with these settings, one a seed (which makes other parameters).

    MissingRunsError, with the command that makes them, if there are none; OutputError if they differ in anything else
    than the seed, or two have the same.
    """
    chosen = [
        run
        for run in runs
        if run.experiment == experiment and all(run.settings.get(name) == value for name, value in wanted.items())
    ]
    if not chosen:
        raise MissingRunsError(command)
    first = chosen[0]
    for run in chosen[1:]:
        for name in sorted({*first.settings, *run.settings} - {"seed", "parameters"}):
            here, there = first.settings.get(name), run.settings.get(name)
            if here != there:
                raise cli.OutputError(
                    f"{first.folder} and {run.folder} have different settings, and their results are not to be "
                    f"averaged: {name} is {here} and {there}. Move one of them to another place"
                )
    seeds = [run.settings.get("seed") for run in chosen]
    for seed in set(seeds):
        if seeds.count(seed) > 1:
            twice = [str(run.folder) for run in chosen if run.settings.get("seed") == seed]
            raise cli.OutputError(f"{' and '.join(twice)} are the same run: move one of them to another place")
    return chosen


# what every run of the thesis's network has in common; a run of other settings is another experiment
THESIS_SETTINGS = {
    "split": "contiguous", "schedule": "constant", "batch_size": 100, "hidden": 500,
    "binarisation": "none", "likelihood": "bernoulli",
}  # fmt: skip


def same_seeds(trained: Sequence[Run], asked: Sequence[Run], command: str) -> None:
    """MissingRunsError unless every trained run was asked for its log p(x), by its final parameters."""
    for runs in zip(trained, asked, strict=False):
        for name in ("seed", "epochs", "model"):
            if runs[0].settings.get(name) != runs[1].settings.get(name):
                raise MissingRunsError(command)
    if len(trained) != len(asked):
        raise MissingRunsError(command)


def values(runs: Sequence[Run], name: str) -> list[float]:
    return [run.figures[name] for run in runs]


def verdict(document: float, ours: Sequence[float]) -> str:
    """The difference of the document's single run from our mean, and whether another seed might have made it."""
    difference = f"{document - statistics.fmean(ours):+.2f}".replace("-", "−")
    if len(ours) < 2:
        return f"{difference}: one run, spread unknown"
    n = len(ours)
    reach = stats.t.ppf(0.975, n - 1) * statistics.stdev(ours) * (1 + 1 / n) ** 0.5
    inside = abs(document - statistics.fmean(ours)) <= reach
    return f"{difference}: {'yes' if inside else '**no**'}, one run in 20 is further than ±{reach:.2f}"


def row(*cells: Any) -> str:
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def table(header: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    return "\n".join([row(*header), row(*["---"] * len(header)), *(row(*cells) for cells in rows)])


def mnist_latent_sizes(runs: Sequence[Run], pictures: dict[str, Path]) -> Section:
    command = "python examples/latent_sizes.py --data mnist --jobs 2"
    usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "epochs": 50}
    rows, short, draws = [], [], set()
    for z in (2, 5, 10, 20, 50):
        trained = select(runs, "vae", command, **usual, latent=z)
        likelihood = {"data": "mnist", "latent": z, "binarisation": "none", "epochs": 50, "images": 10_000}
        asked = select(runs, "log-likelihood", command, **likelihood, test_binarisation="fixed")
        same_seeds(trained, asked, command)
        draws |= {run.figures["estimates"][-1]["n_samples"] for run in asked}
        thesis = THESIS["mnist"].get(z)
        train = values(trained, "train_loss")
        terms = [cli.mean_and_spread(values(trained, f"test_{name}")) for name in ("reconstruction", "kl")]
        active = sorted(set(values(trained, "active_units")))
        rows.append(
            (z, len(trained), "" if thesis is None else f"{thesis:.2f}", cli.mean_and_spread(train),
             "" if thesis is None else verdict(thesis, train), cli.mean_and_spread(values(trained, "test_loss")),
             " + ".join(terms), "–".join(map(str, active)),
             cli.mean_and_spread([run.figures["estimates"][-1]["nll"] for run in asked]))
        )  # fmt: skip
        if thesis is not None:
            short.append((f"MNIST, z = {z}, train loss", f"{thesis:.2f}", cli.mean_and_spread(train)))
    if len(draws) > 1:
        raise cli.OutputError(
            f"−log p̂(x) was estimated with {' and '.join(map(str, sorted(draws)))} draws of z, and these do not belong "
            f"into one column: {command} makes them alike"
        )
    k, of = draws.pop(), trained[0].figures
    header = ("z", "seeds", "thesis, train", "ours, train", "thesis − ours: a matter of the seed?", "ours, test",
              "= reconstruction + KL", "active", f"bound on −log p(x), K = {k}")  # fmt: skip
    caption = "Decoded draws of z from N(0, I) for each latent size (Figure 34)"
    collage = show(runs, pictures, "latent-sizes", "samples", command, caption, data="mnist")
    text = f"""## MNIST: how many latent dimensions?

`{command}`, 50 epochs. −ELBO in nats per image; pixels / 255, grey, not binarised, as Bernoulli
targets. *Train* is the thesis's number: the mean over the batches of the last epoch, while the weights still move.
*Test*: 10,000 images, by the final weights. No decoder gets below the **floor**, the entropy of the grey pixels:
{of["train_floor"]:.2f} for the training images and {of["test_floor"]:.2f} for the test images; one mean image shown to
everybody costs {of["train_mean_image_loss"]:.2f} and {of["test_mean_image_loss"]:.2f}. *Active* latent dimensions are
those whose mean varies over the test images. The last column asks the same networks about test images made black or
white (once, by a fixed seed), of which alone there is a likelihood: the importance-weighted bound with K draws of z an
image. It would fall further with more of them; ± is the spread over the seeds, and says nothing about that.

{table(header, rows)}

{collage}
"""
    return Section(text, short)


def mnist_plane(runs: Sequence[Run], pictures: dict[str, Path]) -> Section:
    command = "python examples/latent_sizes.py --data mnist --jobs 2"
    captions = {
        "loss": "Loss against iteration (thesis, Figure 21)",
        "reconstruction": "One test image, as reconstructed after an epoch (Figure 22)",
        "scatter": "Means of q(z|x) of the test images (Figure 35)",
        "scatter_3d": "The same with the class as height (Figure 35)",
        "manifold_linear": "Decoded grid over [−3, 3]² (Figure 37)",
    }
    usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "latent": 2, "epochs": 50, "seed": 0}
    shown = [show(runs, pictures, "vae", name, command, caption, **usual) for name, caption in captions.items()]
    return Section(
        f"## MNIST: the plane\n\n`{command}`, two latent dimensions, seed 0.\n\n" + "\n\n".join(shown) + "\n"
    )


def frey_face(runs: Sequence[Run], pictures: dict[str, Path]) -> Section:
    usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": False}
    rows, short = [], []
    for z, epochs in ((2, 1000), (20, 5000)):
        command = f"python examples/latent_sizes.py --data frey-face --latents {z} --epochs {epochs}"
        trained = select(runs, "vae", command, **usual, latent=z, epochs=epochs)
        train, floor = values(trained, "train_loss"), trained[0].figures["train_floor"]
        above = [
            loss - run.figures["test_floor"] for loss, run in zip(values(trained, "test_loss"), trained, strict=True)
        ]
        thesis = THESIS["frey-face"][z]
        rows.append(
            (z, epochs, len(trained), f"{thesis - floor:.2f}", cli.mean_and_spread([loss - floor for loss in train]),
             verdict(thesis, train), cli.mean_and_spread(above), cli.mean_and_spread(values(trained, "train_kl")))
        )  # fmt: skip
        short.append((f"Frey Face, z = {z}, train loss − floor", rows[-1][3], rows[-1][4]))
    header = ("z", "epochs", "seeds", "thesis, train − floor", "ours, train − floor",
              "thesis − ours: a matter of the seed?", "ours, test − floor", "KL, train")  # fmt: skip
    captions = {
        "loss": "Loss against iteration (Figure 27)",
        "scatter": "Means of q(z|x) of the training frames, coloured by time (Figure 36)",
        "scatter_3d": "The same with time as height",
    }
    settings = {**usual, "latent": 2, "epochs": 1000, "seed": 0}
    shown = [show(runs, pictures, "vae", name, command, caption, **settings) for name, caption in captions.items()]
    text = f"""## Frey Face

`python examples/latent_sizes.py --data frey-face --latents Z --epochs E`. The thesis's way: the first 1,600 frames
train, in their order, frames 1,600–1,899 test, grey pixels as Bernoulli targets. Nearly all of such a loss is the
floor, {floor:.2f} nats for the training frames, so what is compared is the loss above it; one mean frame for everybody
stands at {trained[0].figures["train_mean_image_loss"] - floor:.2f}.

{table(header, rows)}

The frames show a real person and have no licence, so this page shows none: Figures 28 and 37, a frame reconstructed
after every epoch and the decoded grid, are in the folder of each run (`reconstruction.png`, `manifold_linear.png`).

{chr(10).join(f"{picture}{chr(10)}" for picture in shown)}
{leak(runs)}
{gaussian(runs)}"""
    return Section(text, short)


def leak(runs: Sequence[Run]) -> str:
    """What a random split of a video hides."""
    rows = []
    for split in ("contiguous", "random"):
        command = (
            "python examples/latent_sizes.py --data frey-face --latents 2 --epochs 1000"
            if split == "contiguous"
            else "for seed in 0 1 2; do python examples/vae.py --data frey-face --split random --seed $seed; done"
        )
        usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": False, "latent": 2, "epochs": 1000, "split": split}
        trained = select(runs, "vae", command, **usual)
        above = [
            cli.mean_and_spread([run.figures[f"{part}_loss"] - run.figures[f"{part}_floor"] for run in trained])
            for part in ("train", "test")
        ]
        rows.append((split, len(trained), *above))
    return f"""### A random split of a video leaks

A frame between two frames of the training set is nearly known: what a network has not seen then is the frame, but not
the moment. `--split random` deals the frames at random; network, settings and z = 2 are the same.

{table(("split", "seeds", "train − floor", "test − floor"), rows)}
"""


def gaussian(runs: Sequence[Run]) -> str:
    """The likelihood made for grey pixels."""
    rows = []
    for z in (2, 20):
        command = f"python examples/vae.py --data frey-face --latent {z} --likelihood gaussian --shuffle"
        usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": True, "likelihood": "gaussian", "epochs": 1000}
        trained = select(runs, "vae", command, **usual, latent=z)
        cells = [cli.mean_and_spread([-loss for loss in values(trained, f"{part}_loss")]) for part in ("train", "test")]
        rows.append((z, len(trained), *cells, cli.mean_and_spread(values(trained, "test_kl"))))
    return f"""### Gaussian likelihood

The AEVB paper's decoder of these frames: a mean between 0 and 1 and a log-variance for every pixel, both learned. Its
ELBO is that of a density of grey levels on a scale from 0 to 1, in nats per image; higher is better. It may be
positive, has no floor, and cannot be compared with the table above. (The paper shows a figure of it and no table; its
axis goes to some 1,600.)

`python examples/vae.py --data frey-face --latent Z --epochs 1000 --likelihood gaussian --shuffle --seed SEED`

{table(("z", "seeds", "ELBO, train", "ELBO, test", "KL, test"), rows)}
"""


def dynamic(runs: Sequence[Run], pictures: dict[str, Path]) -> Section:
    command = "python examples/vae.py --data mnist --latent 50 --binarisation dynamic --epochs 800 --lr-final 1e-5"
    second = "python examples/log_likelihood.py runs/vae-mnist-dynamic-z50-seed0 --samples 1 10 100 1000 5000"
    usual = {
        **THESIS_SETTINGS, "data": "mnist", "shuffle": True, "latent": 50, "binarisation": "dynamic", "epochs": 800,
        "schedule": "falls to 1e-05 in epoch 800",
    }  # fmt: skip
    wanted = {"data": "mnist", "latent": 50, "binarisation": "dynamic", "images": 10_000, "test_binarisation": "fixed"}
    (trained, *_) = select(runs, "vae", command, **usual)
    asked_of = {name: trained.settings[name] for name in ("epochs", "seed", "model") if name in trained.settings}
    (asked, *_) = select(runs, "log-likelihood", second, **wanted, **asked_of)
    rows = [
        (f"{e['n_samples']:,}", f"{e['nll']:.2f}",
         "unknown" if e["monte_carlo_error"] is None else f"{e['monte_carlo_error']:.3f}", f"{e['sampling_error']:.2f}")
        for e in asked.figures["estimates"]
    ]  # fmt: skip
    of, how = trained.figures, trained.settings
    text = f"""## MNIST, honestly: binary pixels and log p(x)

The numbers of the literature are of binary images. `{command}`, then
`{second}`: the thesis's network (500 ReLU units a layer, 50 latent dimensions),
pixels drawn anew at every use, {how["epochs"]} epochs of batches of 100, Adam, a learning rate that {how["schedule"]},
seed {how["seed"]}. −ELBO in nats per image: train {of["train_loss"]:.2f}; test {of["test_loss"]:.2f}, which is
{of["test_reconstruction"]:.2f} + KL {of["test_kl"]:.2f}; the floor is 0. Of the 50 latent dimensions
{of["active_units"]} are active. Bounds on −log p(x) of the 10,000 test images, binarised once by a fixed seed (while
they fall with K they are not there yet, and "± by the draws" is too small):

{table(("K", "bound on −log p(x)", "± by the draws", "± by the choice of images"), rows)}

Published, K = 5,000, for 200 tanh units a layer, 59,600 training images and 3,280 epochs of batches of 20 (Burda,
Grosse, Salakhutdinov 2015): 86.76 as a VAE, 84.78 trained with the importance-weighted bound of 50 draws.

{show(runs, pictures, "log-likelihood", "bound", second, "The bound against the number of draws", **wanted, **asked_of)}

{show(runs, pictures, "vae", "kl", command, "What each latent dimension costs", **usual)}

{show(runs, pictures, "vae", "loss", command, "Loss against iteration", **usual)}
"""
    best = asked.figures["estimates"][-1]
    what = f"MNIST, z = 50, pixels drawn anew: −log p(x) of test images, K = {best['n_samples']:,}"
    return Section(text, [(what, "86.76 (literature)", f"{best['nll']:.2f}, one seed")])


def classifiers(runs: Sequence[Run], pictures: dict[str, Path]) -> Section:
    command = "python examples/latent_classifier.py --data mnist --vae runs/latent-sizes-mnist-50-epochs/z50-seed0"
    found = select(runs, "latent-classifier", command, data="mnist")
    if len(found) > 1:
        raise cli.OutputError(f"{found[0].folder} and {found[1].folder} are both of it: move one to another place")
    run = found[0]
    curves = run.figures["by_labels"]
    counts = [point["labels"] for point in next(iter(curves.values()))]
    rows = [
        (name, run.settings["variants"][name], documented(run, name),
         *(accuracy(point["test_accuracy"]) for point in curve))
        for name, curve in curves.items()
    ]  # fmt: skip
    seeds = len(run.settings["seeds"])
    label_curve, confusion_frozen = (
        show(runs, pictures, "latent-classifier", name, command, caption, data="mnist")
        for name, caption in (
            ("label_curve", "Test accuracy against the number of labels"),
            ("confusion-frozen", "Frozen encoder: who is taken for whom"),
        )
    )
    text = f"""## Classifiers

`{command}`. Test accuracy in per cent, mean ± standard deviation of {seeds} trainings, against the number of labels.
The thesis ascribes its 98 % to a softmax on the means of a trained VAE. What its Annex F runs is a *fresh* encoder,
all of which is trained with the labels: **no VAE is ever loaded**, and 98 % is an ordinary supervised network's figure.
What the text claims is the row "frozen". All but the last two rows have the annexes' {run.settings["steps"]:,} steps of
gradient descent, whatever the number of labels; the last two are a softmax trained until it converges.

{table(("", "what is trained", "thesis", *(f"{n:,} labels" for n in counts)), rows)}

{label_curve}

{confusion_frozen}
"""
    names = {
        "raw": "softmax on pixels",
        "annex-f": "Annex F: fresh encoder and softmax, all trained",
        "frozen": "softmax on the means of the trained, frozen encoder",
        "frozen-converged": "softmax on these means, trained until it converges",
        "fine-tuned": "the trained encoder and softmax, fine-tuned",
    }
    short = [
        (f"MNIST, test accuracy, {what}", documented(run, name),
         f"{accuracy(curves[name][-1]['test_accuracy'])} %")
        for name, what in names.items()
    ]  # fmt: skip
    return Section(text, short)


def documented(run: Run, name: str) -> str:
    return str(run.document.get("test_accuracy", {}).get(name, ""))


def accuracy(figure: dict[str, Any]) -> str:
    return f"{100 * figure['mean']:.2f}" + (
        f" ± {100 * figure['spread']:.2f}" if (figure["spread"] or 0) >= 5e-5 else ""
    )


def show(
    runs: Sequence[Run],
    pictures: dict[str, Path],
    experiment: str,
    name: str,
    command: str,
    caption: str,
    **wanted: Any,
) -> str:
    """Notes a figure of a run among the page's pictures, and returns the line that shows it."""
    run = select(runs, experiment, command, **wanted)[0]
    source = run.folder / f"{name}.png"
    if not source.exists():
        raise MissingRunsError(command)
    copy = f"{run.name}-{name}.png"
    pictures[copy] = source
    return f"![{caption}](figures/{copy})\n\n*{caption}.*"


HEAD = """# Results

Written by `python examples/results.py` from the `summary.json` of every run; the command that makes a run stands with
its numbers. *Mean ± spread* is the mean over runs that differ in their seed alone, and their standard deviation.
"A matter of the seed?" asks whether the thesis's number, which is one run, lies where 95 % of further runs of ours
would. One machine, one thread of OpenBLAS a run; {versions}.
"""
MARKED = re.compile("<!-- results -->.*?<!-- /results -->", re.DOTALL)
SECTIONS = (mnist_latent_sizes, mnist_plane, frey_face, dynamic, classifiers)


def main(arguments: Sequence[str] | None = None) -> None:
    parser = cli.parser(__doc__ or "", EXAMPLES)
    parser.add_argument("--runs", type=Path, default=Path("runs"), help="where the runs are (default: runs)")
    parser.add_argument("--page", type=Path, default=Path("docs/results.md"), help="default: docs/results.md")
    parser.add_argument("--readme", type=Path, default=Path("README.md"), help="default: README.md")
    args = parser.parse_args(arguments)
    if not args.runs.is_dir():
        raise cli.OutputError(f"there is no folder {args.runs}: say with --runs where the runs are")
    runs = runs_under(args.runs)
    sections, missing = [], []
    pictures: dict[str, Path] = {}
    for section in SECTIONS:
        try:
            sections.append(section(runs, pictures))
        except MissingRunsError as error:
            missing.append(str(error))
    if missing:
        raise cli.OutputError(
            f"the page is not written, since {args.runs} lacks runs that it needs. These commands make them:\n  "
            + "\n  ".join(dict.fromkeys(missing))
        )
    versions = sorted({f"{name} {version}" for run in runs for name, version in run.versions.items()})
    page = "\n".join([HEAD.format(versions=", ".join(versions)), *(section.text for section in sections)])
    short = table(("", "thesis", "ours"), [line for section in sections for line in section.short])
    readme = args.readme.read_text(encoding="utf-8")
    if len(MARKED.findall(readme)) != 1:
        raise cli.OutputError(
            f"{args.readme} must have exactly one place between <!-- results --> and <!-- /results -->"
        )
    figures = args.page.parent / "figures"
    figures.mkdir(parents=True, exist_ok=True)
    for name, source in pictures.items():
        with written_whole(figures / name) as file:
            file.write(source.read_bytes())
    cli.write_text(args.page, page)
    cli.write_text(args.readme, MARKED.sub(lambda _: f"<!-- results -->\n{short}\n<!-- /results -->", readme))
    print(f"written: {args.page}, {len(pictures)} pictures beside it, and the table in {args.readme}")


if __name__ == "__main__":
    cli.run(main)
