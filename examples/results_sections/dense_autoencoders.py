"""003: dense autoencoders of MNIST, one and many seeds."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from typing import Any

from results_sections.runs import (
    MissingRunsError,
    Run,
    Section,
    Sources,
    Written,
    at_default,
    between,
    each,
    in_brief,
    made_by,
    of_seeds,
    seeds,
    table,
    values,
    verdict,
)
from scratchnn.training.runs import mean_and_std


def dense_autoencoder(sources: Sources) -> Written:
    kinds = ("relu", "linear-code", "linear-output")
    epochs = {f"{n}-{kind}": 20 if n == 8 else 40 for n in (8, 2) for kind in kinds}
    runs = sources.select("dense-autoencoder", data="mnist", epochs=epochs, batch_size={"8": 64, "2": 256})
    document, baselines = runs[0].document["train_loss"], runs[0].figures["baselines_mse"]
    rows: list[Sequence[Any]] = [("one mean image for all", "", "", f"{baselines['mean image']:.1f}", "", "", "")]
    for n in (8, 2):
        rows.append((f"PCA, {n} numbers", "", "", f"{baselines[f'PCA-{n}']:.1f}", "", "", ""))
        for kind in kinds:
            row = dense_row([run.figures["networks"][f"{n}-{kind}"] for run in runs])
            number = f"{document[str(n)]:.1f}" if kind == "relu" else ""
            rows.append((f"{n} numbers, {kind}", number, *row))
    header = ("", "document", "ours, last epoch", "ours, final", "dead numbers", "dead pixels", "part of the error")
    captions = {
        "loss": "Training loss by epoch: the document's in black",
        "codes": "The numbers of the code: quartiles over all images, whiskers from the first to the last hundredth",
        "reconstructions": "The first 16 training images and their reconstructions",
        "scatter-relu": "All images in the two numbers of relu",
    }
    text = DENSE.format(
        command=made_by(runs[0]), seeds=seeds(len(runs)), errors=table(header, rows),
        figures=sources.show_all(runs[0], captions),
    )  # fmt: skip
    return Written(text)


DENSE = """## Dense autoencoders of MNIST: a code of 8 numbers, and of 2

`{command}`, {seeds}. The two networks of a student work (003), 784-256-128-64-8-64-128-784 and
784-256-128-64-16-2-16-64-128-784, 20 and 40 epochs. Mean squared error of a pixel, pixels from 0 to 255. All 70,000
images train, in the document and here, so these are errors of training images. *Last epoch*: the mean over its batches,
while the weights still move, as the document prints it; *final*: by the final weights, as for the mean image and PCA.

{errors}

*relu* has a ReLU behind every layer, as in the document; *linear-code* has none behind the code, *linear-output* none
behind the output either. All three start from the same weights. A number of the code is dead if the ReLU makes it 0 for
all images: it gets no gradient, and the code is a number shorter unless changes in the layers below bring it back. A
dead pixel is 0 in every reconstruction though not in every image; the last column is the part of the final error that
is theirs. Of all linear autoencoders none has a smaller error than PCA: where a row is below that of PCA, it is because
of the ReLUs inside.

With 2 numbers much depends on the seed: the next section has more of them, and says why the document's first printed
loss, 3181.5, is that of no first epoch.

{figures}
"""


def dense_row(networks: Sequence[dict[str, Any]]) -> tuple[str, ...]:
    """What the runs of one network came to."""
    loss, final = (mean_and_std([of[name] for of in networks], 1) for name in ("train_loss", "final_mse"))
    share = [of["mse_of_dead_pixels"] / of["final_mse"] for of in networks]
    dead = (each([of[f"dead_{what}"] for of in networks]) for what in ("code_numbers", "pixels"))
    return loss, final, *dead, f"{100 * statistics.fmean(share):.1f} %"


def dense_autoencoder_seeds(sources: Sources) -> Written:
    name = "dense-autoencoder-seed"
    eight = sources.select(name, data="mnist", code=8, batch_size=64, epochs=20)
    two = sources.select(name, data="mnist", code=2, batch_size=256, epochs=80)
    whole = sources.one("dense-autoencoder-seeds", data="mnist")
    document = {run.settings["code"]: run.document for run in (*eight, *two)}
    losses, dead = values(eight, "train_loss"), [run.figures["dead_code_numbers"]["at_the_end"] for run in eight]
    two.sort(key=lambda run: int(run.settings["seed"]))
    by_start = {start: [run for run in two if run.figures["start"] == start] for start in ("live", "dead")}
    ended = [run for run in by_start["live"] if run.figures["loss_at_k_plus_39"] is not None]
    if not ended:
        raise MissingRunsError("a run with 2 numbers whose start is live and which has an epoch k + 39")
    ends = values(ended, "loss_at_k_plus_39")
    woken = [run for run in by_start["dead"] if run.figures["dead_code_numbers"]["at_the_end"] == 0]
    late = [end_of(run) for run in by_start["dead"] if run.figures["loss_at_k_plus_39"] is not None]
    text = DENSE_SEEDS.format(
        late=f"Of the dead starts {len(late)} have an epoch k + 39 as well: {', '.join(late)}." if late
        else "No dead start has an epoch k + 39.",
        commands="` and `".join(DENSE_SEEDS_COMMANDS),
        eight=table(
            ("8 numbers", "document", "ours, epoch 20", "smallest to largest", "document − ours: a matter of the seed?",
             "dead numbers of 8"),
            [(of_seeds(len(eight)), f"{document[8]['last_loss']:.1f}", mean_and_std(losses, 1), between(losses),
              verdict(document[8]["last_loss"], losses), between(dead, 0))],
        ),
        two=table(
            ("start", "ours", "error before training", "epoch 1", "epoch 5", "epoch 20", "epoch 80"),
            [(start, of_seeds(len(of)), between([run.figures["untrained_mse"] for run in of], 0),
              *(between([run.figures["losses"][epoch - 1] for run in of], 0) for epoch in (1, 5, 20, 80)))
             for start, of in by_start.items() if of],
        ),
        mean_image=whole.figures["mean_image_mse"], first=document[2]["first_loss"], last=document[2]["last_loss"],
        before=sum(run.figures["dead_code_numbers"]["untrained"] > 0 for run in by_start["dead"]),
        before_live=sum(run.figures["dead_code_numbers"]["untrained"] > 0 for run in by_start["live"]),
        first_ten=sum(run.settings["seed"] < 10 for run in by_start["live"]),
        n=len(two), n_live=len(by_start["live"]), n_dead=len(by_start["dead"]), n_woken=len(woken),
        live=table(
            ("seed", "k", "loss at k + 39"),
            [(run.settings["seed"], run.figures["k"] or "not by epoch 80", end_of(run)) for run in by_start["live"]],
        ),
        ends=table(
            ("live starts", "document", "ours, epoch k + 39", "document − ours: a matter of the seed?", "below it"),
            [(of_seeds(len(ends)), f"{document[2]['last_loss']:.1f}", mean_and_std(ends, 1),
              verdict(document[2]["last_loss"], ends),
              f"{sum(end < document[2]['last_loss'] for end in ends)} of {len(ends)}")],
        ),
        figures=sources.show(whole, "losses", "Training loss by epoch, a line for every seed; the document's in black"),
    )  # fmt: skip
    short = [
        ("MNIST, dense autoencoder, 8 numbers: train error, pixels 0–255", f"{document[8]['last_loss']:.1f}",
         in_brief(mean_and_std(losses, 1), len(eight))),
        ("MNIST, dense autoencoder, 2 numbers, live starts: train error where the document's epochs end",
         f"{document[2]['last_loss']:.1f}", in_brief(mean_and_std(ends, 1), len(ends)),
         "its 40 epochs most likely come [on top of others](docs/errata.md)"),
    ]  # fmt: skip
    return Written(text, short)


def end_of(run: Run) -> str:
    end = run.figures["loss_at_k_plus_39"]
    return "—" if end is None else f"{end:.1f}"


DENSE_SEEDS_COMMANDS = (
    "python examples/dense_autoencoder_seeds.py --data mnist --codes 8",
    "python examples/dense_autoencoder_seeds.py --data mnist --codes 2 --seeds 0 1 2 3 4 5 6 7 8 9 11 15 19 20",
)
DENSE_SEEDS = """## Dense autoencoders of MNIST: what the seed decides

`{commands}`.
The networks *relu* of the section above from many seeds, and the losses as the document prints them: the mean over the
batches of an epoch.

{eight}

With 2 numbers there are two kinds of starts. A start is *dead* if, after the first epoch, one of the two numbers is 0
for more than 99 of 100 images, and *live* otherwise. Of the seeds 0 to 9, {first_ten} are live; with more, chosen
because they are live, {n_live} of {n}. Before training a part of it can be seen: {before} of the {n_dead} networks with
a dead start had such a number then, and {before_live} of the {n_live} with a live one. From the smallest to the largest
loss:

{two}

A dead start rests on a plateau for some epochs. Its other number makes one picture brighter or darker, and many pixels
of that are dead as well, so one mean image for all has a smaller error, {mean_image:.1f}. Of the {n_dead} dead starts
{n_woken} have both numbers alive after the last epoch.

The document's first printed loss is {first:.1f}, and no run has such a loss in its first epoch. Most likely its 40
epochs come on top of others: in a notebook a cell that is run again goes on with the weights that are there. k is the
epoch in which a run first passes {first:.1f}, and the loss of epoch k + 39 belongs beside the document's last one,
{last:.1f}:

{live}

{ends}

{late} What kind of start the document's was is not known.

{figures}
"""


SECTIONS = (
    Section(
        "dense-autoencoder", dense_autoencoder, at_default("dense_autoencoder", "mnist"),
        [{"experiment": "dense-autoencoder", "data": "mnist"}],
    ),
    Section(
        "dense-autoencoder-seeds", dense_autoencoder_seeds, DENSE_SEEDS_COMMANDS,
        [{"experiment": "dense-autoencoder-seed", "data": "mnist"}],
    ),
)  # fmt: skip
