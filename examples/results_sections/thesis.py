"""The thesis: its variational autoencoders of MNIST and Frey Face, and its classifiers."""

from __future__ import annotations

import itertools
import statistics
from typing import Any

from shared.documents import (
    THESIS_EPOCHS,
    THESIS_FREY_FACE,
    THESIS_HISTORIES,
    THESIS_LOSSES,
    THESIS_UNTRAINED,
)
from shared.log_likelihood import PUBLISHED

from results_sections.runs import (
    MissingRunsError,
    Run,
    Section,
    Sources,
    Written,
    expect_vae,
    in_brief,
    matching,
    of_seeds,
    seeds,
    table,
    untimed,
    values,
    verdict,
)
from scratchnn.training.runs import OutputError, mean_and_std

# what every run of the thesis's network has in common; a run of other settings is another experiment
THESIS_SETTINGS = {
    "split": "contiguous", "schedule": "constant", "batch_size": 100, "hidden": 500,
    "binarisation": "none", "likelihood": "bernoulli", "from": None, "beta": None, "warm_up": None, "draws": None,
    "early_stopping": None, "optimiser": "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)",
}  # fmt: skip


LATENT_SIZES = "python examples/latent_sizes.py --data mnist --jobs 2"
WIDTHS = "python examples/latent_sizes.py --data mnist --hidden 700 --jobs 2"
FREY_FACE = "python examples/latent_sizes.py --data frey-face --latents 2 --epochs 5000"
FREY_FACE_ALONE = "python examples/vae.py --data frey-face --epochs 1000"
DYNAMIC_EPOCHS = 400
DYNAMIC = (
    f"python examples/vae.py --data mnist --latent 50 --binarisation dynamic --epochs {DYNAMIC_EPOCHS} --lr-final 1e-5"
)
LOG_LIKELIHOOD = "python examples/log_likelihood.py runs/vae-mnist-dynamic-z50-seed0 --samples 1 10 100 1000"
CONTINUED = (
    "python examples/vae.py --data mnist --latent 50 --binarisation dynamic --from runs/vae-mnist-dynamic-z50-seed0 "
    "--lr 1e-4 --lr-final 1e-5"
)
FROM_THE_START = "python examples/vae.py --data mnist --latent 50 --binarisation dynamic --importance 5 --lr-final 1e-5"
UNUSED = 0.01  # nats: a dimension with a smaller KL says nothing about the image
CLASSIFY = "python examples/latent_classifier.py --data mnist --vae runs/latent-sizes-mnist-50-epochs/z50-seed0"


WHY = {
    ("mnist", 20): "the thesis's network had [700 units](docs/errata.md), this one 500",
    ("frey-face", 5000): "the thesis prints it under [z = 20](docs/errata.md)",
}


def asked_about(sources: Sources, trained: Run) -> Run:
    """What all test images, binarised once, have said of a trained run: in the folder that log_likelihood.py makes."""
    of = {name: trained.settings[name] for name in ("data", "latent", "binarisation", "epochs", "seed")}
    asked = matching(sources.runs, "log-likelihood", **of, images=10_000, test_binarisation="fixed")
    same = [
        run
        for run in sources.runs
        if run.settings == trained.settings and untimed(run.figures) == untimed(trained.figures)
    ]
    found = [run for run in asked if run.name in {f"{copy.name}-log-likelihood" for copy in same}]
    if not found:
        raise MissingRunsError(f"a run of log-likelihood of {trained.name}, of 10,000 images binarised once")
    sources.used += found
    return found[0]


def mnist_latent_sizes(sources: Sources) -> Written:
    usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "epochs": 50}
    rows, short, draws = [], [], set()
    for z in (2, 5, 10, 20, 50):
        trained = sources.select("vae", **usual, latent=z)
        asked = [asked_about(sources, run) for run in trained]
        draws |= {run.figures["estimates"][-1]["n_samples"] for run in asked}
        thesis = THESIS_LOSSES["mnist"].get((z, 50))
        train = values(trained, "train_loss")
        terms = [mean_and_std(values(trained, f"test_{name}")) for name in ("reconstruction", "kl")]
        active = sorted(set(values(trained, "active_units")))
        rows.append(
            (z, len(trained), "" if thesis is None else f"{thesis:.2f}", mean_and_std(train),
             "" if thesis is None else verdict(thesis, train), mean_and_std(values(trained, "test_loss")),
             " + ".join(terms), "–".join(map(str, active)),
             mean_and_std([run.figures["estimates"][-1]["nll"] for run in asked]))
        )  # fmt: skip
        if thesis is not None:
            short.append(
                (f"MNIST, z = {z}, train loss", f"{thesis:.2f}", mean_and_std(train), WHY.get(("mnist", z), ""))
            )
    if len(draws) > 1:
        raise OutputError(
            f"−log p̂(x) was estimated with {' and '.join(map(str, sorted(draws)))} draws of z, and these do not belong "
            f"into one column: {LATENT_SIZES} makes them alike"
        )
    k, of = draws.pop(), trained[0].figures
    header = ("z", "seeds", "thesis, train", "ours, train", "thesis − ours: a matter of the seed?", "ours, test",
              "= reconstruction + KL", "active", f"bound on −log p(x), K = {k}")  # fmt: skip
    sizes = sources.one("latent-sizes", data="mnist", epochs=50, hidden=500)
    collage = sources.show(sizes, "samples", "Decoded draws of z from N(0, I) for each latent size (Figure 34)")
    text = f"""## MNIST: how many latent dimensions?

`{LATENT_SIZES}`, 50 epochs. −ELBO in nats per image; pixels / 255, grey, not binarised, as Bernoulli
targets. *Train* is the thesis's number: the mean over the batches of the last epoch, while the weights still move.
*Test*: 10,000 images, by the final weights. No decoder gets below the **floor**, the entropy of the grey pixels:
{of["train_floor"]:.2f} for the training images and {of["test_floor"]:.2f} for the test images; one mean image shown for
all costs {of["train_mean_image_loss"]:.2f} and {of["test_mean_image_loss"]:.2f}. *Active* latent dimensions are
those whose mean varies over the test images. The last column asks the same networks about test images made black or
white (once, by a fixed seed), of which alone there is a likelihood: the importance-weighted bound with K draws of z an
image. It would fall further with more of them; ± is the spread over the seeds, and says nothing about that.

{table(header, rows)}

{collage}
"""
    return Written(text, short)


def mnist_width(sources: Sources) -> Written:
    """Two widths of the network, and the epochs that the thesis prints."""
    rows, short, last = [], [], {}
    for z, hidden in itertools.product((2, 10, 20, 50), (500, 700)):
        usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "epochs": 50, "latent": z, "hidden": hidden}
        is_thesis = hidden == (700 if z == 20 else 500)
        if is_thesis:
            printed = THESIS_HISTORIES[z]
            losses = [f"{THESIS_UNTRAINED[z]:.2f}" if z in THESIS_UNTRAINED else ""]
            losses += [f"{printed[epoch][0]:.2f}" for epoch in THESIS_EPOCHS]
            seconds = statistics.median(of for _, of in printed.values())
            rows.append((z, hidden, "thesis", *losses, "", f"{seconds:.1f}"))
        if not matching(sources.runs, "vae", **usual):
            continue
        trained = sources.select("vae", **usual)
        histories = [run.history() for run in trained]
        untrained = [run.figures["untrained_loss"] for run in trained if "untrained_loss" in run.figures]
        by_epoch = [[history[epoch]["train_loss"] for history in histories] for epoch in THESIS_EPOCHS]
        seconds = statistics.median(values(trained, "seconds_per_epoch"))
        last[z, hidden] = by_epoch[-1]
        thesis = THESIS_LOSSES["mnist"][z, 50]
        rows.append(
            (z, hidden, of_seeds(len(trained)), mean_and_std(untrained) if len(untrained) == len(trained) else "",
             *map(mean_and_std, by_epoch), verdict(thesis, last[z, hidden]) if is_thesis else "", f"{seconds:.1f}")
        )  # fmt: skip
        if (z, hidden) == (20, 700):
            short.append(("MNIST, z = 20, 700 units, train loss", f"{thesis:.2f}", mean_and_std(last[z, hidden])))
    if (20, 700) not in last:
        raise MissingRunsError("a run of vae with data mnist, latent 20, hidden 700")
    of_one_width = {z: statistics.fmean(of) for (z, hidden), of in last.items() if hidden == 700}
    best = min(of_one_width, key=of_one_width.__getitem__)
    alone = [str(z) for z in of_one_width if len(last[z, 700]) == 1]
    judged = (
        f"At one width, 700 units, the loss is smallest for z = {best} among {', '.join(map(str, of_one_width))}: "
        + ", ".join(f"{mean_and_std(last[z, 700])} for z = {z}" for z in of_one_width) + "."
        + (f" One seed for z = {', '.join(alone)}: the order of close ones is open." if alone else "")
        if len(of_one_width) == 4 else ""
    )  # fmt: skip
    header = ("z", "units", "", "untrained", *(f"epoch {epoch}" for epoch in THESIS_EPOCHS),
              "thesis − ours: a matter of the seed?", "seconds an epoch")  # fmt: skip
    text = f"""## The width of the network

`{WIDTHS}`. The thesis says that all its networks have
500 units a layer. That of z = 20 had 700 ([how that is known](errata.md)): its epochs took half as long again, and its
losses are those of 700 units, from the first epoch to the last. So "z = 20 is best" compared two widths; those of 500
units are in the section above. {judged} Mean over the batches of an epoch, nats per image, ± the standard deviation
over seeds; *untrained* is the loss on the training images before the first step, which the thesis calls epoch 0.
Seconds are medians, of the thesis on a laptop of 2011, and of ours on one core. What else our machine had to do
differed from run to run, and with it the seconds, which are no measure of the widths.

{table(header, rows)}
"""
    return Written(text, short)


def mnist_plane(sources: Sources) -> Written:
    captions = {
        "loss": "Loss against iteration, from the untrained network on (thesis, Figure 21)",
        "reconstruction": "One test image, as the untrained network and that after an epoch reconstruct it (Figure 22)",
        "scatter": "Means of q(z|x) of the test images (Figure 35)",
        "scatter_3d": "The same with the class as height (Figure 35)",
        "plane": "Test images where their means lie",
        "manifold_linear": "Decoded grid over [−3, 3]² (Figure 37)",
    }
    usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "epochs": 50, "seed": 0}
    shown = sources.show_all(sources.one("vae", **usual, latent=2), captions)
    further = ((10, "loss", "Figure 23"), (10, "reconstruction", "Figure 24"),
               (20, "reconstruction", "experiment 4, no figure"),
               (50, "loss", "Figure 25"), (50, "reconstruction", "Figure 26"))  # fmt: skip
    more = "\n\n".join(
        sources.show(
            sources.one("vae", **usual, latent=z), name, f"{captions[name].partition(' (')[0]}, z = {z} ({number})"
        )
        for z, name, number in further
    )
    return Written(
        f"## MNIST: the plane, and the same image epoch by epoch\n\n`{LATENT_SIZES}`, seed 0; two latent dimensions "
        f"unless said otherwise.\n\n{shown}\n\n{more}\n"
    )


def frey_face(sources: Sources) -> Written:
    usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": False, "latent": 2}
    trained = sources.select("vae", **usual, epochs=5000)
    histories, floor = [run.history() for run in trained], trained[0].figures["train_floor"]
    kls = {run.settings["seed"]: run.figures["test_kl_per_dimension"] for run in trained}
    used = {seed: sum(kl > UNUSED for kl in of) for seed, of in kls.items()}
    dead = [seed for seed, dimensions in used.items() if not dimensions]
    rows, short = [], []
    for epoch, thesis in THESIS_FREY_FACE.items():
        losses, kl = ([history[epoch][f"train_{name}"] for history in histories] for name in ("loss", "kl"))
        ours = mean_and_std([loss - floor for loss in losses])
        rows.append((epoch, f"{thesis - floor:.2f}", ours, verdict(thesis, losses), mean_and_std(kl)))
        if epoch in (1000, 5000):
            what = f"Frey Face, z = 2, {epoch:,} epochs, train loss − floor"
            why = [WHY[("frey-face", epoch)]] if ("frey-face", epoch) in WHY else []
            alive = [
                loss - floor for loss, run in zip(losses, trained, strict=True) if run.settings["seed"] not in dead
            ]
            if dead and alive:
                uses = f"neither dimension is used by {len(dead)} of {len(used)} seeds, which shows the mean frame"
                why.append(f"{uses}; the others: {mean_and_std(alive)}")
            short.append((what, rows[-1][1], in_brief(ours, len(trained)), "; ".join(why)))
    header = ("epoch", "thesis, train − floor", "ours, train − floor", "thesis − ours: a matter of the seed?",
              "ours, KL, train")  # fmt: skip
    captions = {
        "loss": "Loss against iteration (Figure 29, and in its first 1,000 epochs Figure 27)",
        "scatter": "Means of q(z|x) of the training frames, coloured by time (Figure 36, which fills [−3, 3]² too)",
        "scatter_3d": "The same with time as height",
    }
    most = max(kls, key=lambda seed: min(kls[seed]))
    last = {run.settings["seed"]: history[5000]["train_loss"] for run, history in zip(trained, histories, strict=True)}
    per_seed = [
        (seed, f"{loss - floor:.2f}", " and ".join(f"{kl:.2f}" for kl in kls[seed])) for seed, loss in last.items()
    ]
    living = [loss for seed, loss in last.items() if seed not in dead]
    collapsed = (
        f"Neither is used by seed {' and '.join(map(str, dead))}: q(z|x) is the prior, and the decoder shows one mean "
        f"frame for all. The others stand at {mean_and_std([loss - floor for loss in living])} after 5,000 epochs, and "
        f"thesis − ours is then {verdict(THESIS_FREY_FACE[5000], living)}. "
        if dead and living else ""
    )  # fmt: skip
    (run,) = (run for run in trained if run.settings["seed"] == most)
    above = mean_and_std([run.figures["test_loss"] - run.figures["test_floor"] for run in trained])
    less = mean_and_std([run.figures["held_out_loss"] for run in trained])
    text = f"""## Frey Face

`{FREY_FACE}`, {seeds(len(trained))}.
The thesis's way: the first 1,600 frames train, in their order, frames 1,600–1,899 test, grey pixels as Bernoulli
targets. Nearly all of such a loss is the floor, {floor:.2f} nats for the training frames, so what is compared is the
loss above it; one mean frame for all stands at {trained[0].figures["train_mean_image_loss"] - floor:.2f}. The thesis
prints 1,000 epochs under z = 2, and 5,000 under z = 20; these are almost certainly the same network, trained once more
and longer: the losses after 100 and 1,000 epochs repeat to the last digit ([errata](errata.md)).

{table(header, rows)}

After the last epoch, by the final weights, the test frames stand at {above} above their floor, and the 65 frames of the
end of the video at {less} in all.

The frames show a real person and have no licence, so this page shows none: Figures 28, 30 and 37, a frame
reconstructed after every epoch and the decoded grid, are in the folder of each run (`reconstruction.png`,
`manifold_linear.png`).

How much of the plane a network uses is a matter of the seed, and most of the spread is due to it. A dimension whose KL
is 0 is not used at all:

{table(("seed", "train − floor, epoch 5,000", "KL of the two dimensions, test"), per_seed)}

{collapsed}The figures are of seed {most}, which uses both dimensions most.

{sources.show_all(run, captions)}
"""
    return Written(text, short)


def frey_face_leak(sources: Sources) -> Written:
    """What a random split of a video hides."""
    rows = []
    for split in ("contiguous", "random"):
        usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": False, "latent": 2, "epochs": 1000, "split": split}
        trained = sources.select("vae", **usual)
        dead = [run for run in trained if max(run.figures["test_kl_per_dimension"]) < UNUSED]
        living = [run for run in trained if run not in dead]
        for which, some in ((split, living), (f"{split}, no dimension used", dead)):
            if some:
                above = [
                    mean_and_std([run.figures[f"{part}_loss"] - run.figures[f"{part}_floor"] for run in some])
                    for part in ("train", "test")
                ]
                rows.append((which, len(some), *above))
    text = f"""## A random split of a video leaks

A frame between two frames of the training set is nearly known: what a network has not seen then is the frame, but not
the moment. `{FREY_FACE_ALONE} --seed SEED`, and the same with `--split random`, which deals
the frames at random; network, settings and z = 2 are the same. The batches are then mixed as well, and the training
loss falls with them; the leak shows in how much less test lies above train. A seed that uses no latent dimension shows
one mean frame for all, and stands apart.

{table(("split", "seeds", "train − floor", "test − floor"), rows)}
"""
    return Written(text)


def frey_face_gaussian(sources: Sources) -> Written:
    """The likelihood made for grey pixels."""
    rows = []
    for z in (2, 20):
        usual = {**THESIS_SETTINGS, "data": "frey-face", "shuffle": True, "likelihood": "gaussian", "epochs": 1000}
        trained = sources.select("vae", **usual, latent=z)
        cells = [mean_and_std([-loss for loss in values(trained, f"{part}_loss")]) for part in ("train", "test")]
        rows.append((z, len(trained), *cells, mean_and_std(values(trained, "test_kl"))))
    text = f"""## Frey Face: Gaussian likelihood

The AEVB paper's decoder of these frames: a mean between 0 and 1 and a log-variance for every pixel, both learned. Its
ELBO is that of a density of grey levels on a scale from 0 to 1, in nats per image; higher is better. It may be
positive, has no floor, and cannot be compared with the Bernoulli losses above. (The paper shows a figure of it and no
table; its axis goes to some 1,600.)

`python examples/vae.py --data frey-face --latent Z --epochs 1000 --likelihood gaussian --shuffle --seed SEED`

{table(("z", "seeds", "ELBO, train", "ELBO, test", "KL, test"), rows)}
"""
    return Written(text)


def dynamic(sources: Sources) -> Written:
    usual = {
        **THESIS_SETTINGS, "data": "mnist", "shuffle": True, "latent": 50, "binarisation": "dynamic",
        "epochs": DYNAMIC_EPOCHS, "schedule": f"falls to 1e-05 in epoch {DYNAMIC_EPOCHS}",
    }  # fmt: skip
    (trained, *_) = sources.select("vae", **usual, importance=None)
    asked = asked_about(sources, trained)
    rows = [
        (f"{e['n_samples']:,}", f"{e['nll']:.2f}",
         "unknown" if e["monte_carlo_error"] is None else f"{e['monte_carlo_error']:.3f}", f"{e['sampling_error']:.2f}")
        for e in asked.figures["estimates"]
    ]  # fmt: skip
    of, how = trained.figures, trained.settings
    text = f"""## MNIST, honestly: binary pixels and log p(x)

The numbers of the literature are of binary images. `{DYNAMIC}`, then
`{LOG_LIKELIHOOD}`: the thesis's network (500 ReLU units a layer, 50 latent dimensions),
pixels drawn at every use, {how["epochs"]} epochs of batches of 100, Adam, a learning rate that {how["schedule"]},
seed {how["seed"]}. −ELBO in nats per image: train {of["train_loss"]:.2f}; test {of["test_loss"]:.2f}, which is
{of["test_reconstruction"]:.2f} + KL {of["test_kl"]:.2f}; the floor is 0. Of the 50 latent dimensions
{of["active_units"]} are active. Bounds on −log p(x) of the 10,000 test images, binarised once by a fixed seed (while
they fall with K they are not there yet, and "± by the draws" is too small):

{table(("K", "bound on −log p(x)", "± by the draws", "± by the choice of images"), rows)}

Published, K = 5,000, for 200 tanh units a layer, 59,600 training images and 3,280 epochs of batches of 20 (Burda,
Grosse, Salakhutdinov 2015): 86.76 as a VAE, 84.78 trained with the importance-weighted bound of 50 draws.

{sources.show(asked, "bound", "The bound against the number of draws")}

{sources.show(trained, "kl", "What each latent dimension costs")}

{sources.show(trained, "loss", "Loss against iteration")}
"""
    best = asked.figures["estimates"][-1]
    what = f"MNIST, z = 50, pixels drawn at every use: −log p(x) of test images, K = {best['n_samples']:,}"
    return Written(text, [(what, "86.76 (literature, K = 5,000)", f"{best['nll']:.2f}, one seed")])


def importance_weighted(sources: Sources) -> Written:
    """−log p(x) of the model of `dynamic`, trained on by three bounds, and of one trained by the second alone."""
    usual = {**THESIS_SETTINGS, "data": "mnist", "shuffle": True, "latent": 50, "binarisation": "dynamic", "seed": 0}
    del usual["schedule"], usual["optimiser"]  # of the last epoch and the first, others in each
    (base,) = sources.select("vae", **usual, epochs=DYNAMIC_EPOCHS, importance=None)
    base_asked = asked_about(sources, base)
    start = f"vae-mnist-dynamic-z50-seed0, {DYNAMIC_EPOCHS} epochs, parameters {base_asked.settings.get('parameters')}"

    compared: list[tuple[str, Run, Run, float | None]] = [("the VAE", base, base_asked, PUBLISHED[None])]
    for importance in (None, 5, 50):
        kind = {**usual, "from": start, "importance": importance}
        (trained,) = sources.select("vae" if importance is None else "iwae", **kind)
        asked = asked_about(sources, trained)
        name = "trained on by the ELBO" if importance is None else f"trained on by L_K, K = {importance}"
        compared.append((name, trained, asked, None if importance is None else PUBLISHED[importance]))
    (alone,) = sources.select("iwae", **usual, importance=5)
    compared.append(("L_K from the start, K = 5", alone, asked_about(sources, alone), PUBLISHED[5]))
    rows: list[tuple[str, ...]] = []
    bounds: list[float] = []
    fallen: list[str] = []
    for name, trained, asked, published in compared:
        before, last = (estimate["nll"] for estimate in asked.figures["estimates"][-2:])
        fallen.append(f"{before - last:.2f}")
        of, bound = trained.figures, asked.figures["estimates"][-1]["nll"]
        bounds.append(bound)
        beside = ["", ""]
        if published is not None:
            beside = [f"{published:.2f}", f"{bound - published:+.2f}".replace("-", "−")]
        losses = (of["train_loss"], of["test_loss"], bound)
        epochs, active = f"{trained.settings['epochs']:,}", f"{asked.figures['active_units']}"
        rows.append((name, epochs, *(f"{loss:.2f}" for loss in losses), *beside, active))
    fewer, k = (estimate["n_samples"] for estimate in base_asked.figures["estimates"][-2:])
    falls = ", ".join(fallen)
    header = ("model", "epochs", "training's own loss: train", "test", f"bound on −log p(x), K = {k:,}",
              "published, K = 5,000", "ours − published", "active")  # fmt: skip
    text = f"""## MNIST, by the importance-weighted bound

The VAE of the section above, trained on from its weights by the ELBO itself (to tell more training from another bound)
and by the bound L_K of K weighted draws (`scratchnn/iwae.py`): `{CONTINUED} --epochs {rows[1][1]}`, and with
`--epochs {rows[2][1]} --importance 5` and `--epochs {rows[3][1]} --importance 50`. The last row has seen nothing but
L_5: `{FROM_THE_START} --epochs {rows[4][1]}`. Seed 0. *Training's own loss* is −ELBO or −L_K, so
its two columns are compared within a row only. The bound on −log p(x) is that of the section above for all alike, by
`python examples/log_likelihood.py RUN`, in nats per image.

{table(header, rows)}

K = 5 is {bounds[0] - bounds[2]:.2f} and K = 50 {bounds[0] - bounds[3]:.2f} below the VAE; training on by the ELBO makes
{bounds[0] - bounds[1]:.2f} of it. The published numbers (Burda, Grosse, Salakhutdinov 2015) are of another network, 200
tanh units a layer, of 59,600 training images, of 3,280 epochs of batches of 20 from the start, and of other binary test
images. None of these was varied here, so how much each makes of the difference is not known. The published ones are
bounds by 5,000 draws, and a bound falls with the number of draws: ours, row by row, by {falls} from {fewer:,} draws to
{k:,}.

{sources.show(alone, "loss", "L_5 from the start: loss against iteration")}
"""
    short = [
        (f"MNIST, z = 50, IWAE of {importance} draws: −log p(x) of test images, K = {k:,}",
         f"{PUBLISHED[importance]:.2f} (literature, K = 5,000)", f"{bound:.2f}, one seed")
        for importance, bound in ((5, bounds[2]), (50, bounds[3]))
    ]  # fmt: skip
    return Written(text, short)


def classifiers(sources: Sources) -> Written:
    run = sources.one("latent-classifier", data="mnist", seed=0, epochs=5, batch_size=100)
    expect_vae(run, 500, 50)
    curves = run.figures["by_labels"]
    counts = [point["labels"] for point in next(iter(curves.values()))]
    rows = [
        (name, run.settings["variants"][name], documented(run, name),
         *(accuracy(point["test_accuracy"]) for point in curve))
        for name, curve in curves.items()
    ]  # fmt: skip
    seeds = len(run.settings["seeds"])
    captions = {
        "label_curve": "Test accuracy against the number of labels",
        "confusion-frozen": "Frozen encoder: who is taken for whom",
    }
    text = f"""## Classifiers

`{CLASSIFY}`. Test accuracy in per cent, mean ± standard deviation of {seeds} trainings, against the number of labels.
The thesis ascribes its 98 % to a softmax on the means of a trained VAE. What its Annex F runs is a *fresh* encoder,
all of which is trained with the labels: **no VAE is ever loaded**, and 98 % is an ordinary supervised network's figure.
What the text claims is the row "frozen". All but the last two rows have the annexes' {run.settings["steps"]:,} steps of
gradient descent, whatever the number of labels; the last two are a softmax trained until it converges.

{table(("", "what is trained", "thesis", *(f"{n:,} labels" for n in counts)), rows)}

{sources.show_all(run, captions)}
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
    return Written(text, short)


def documented(run: Run, name: str) -> str:
    return str(run.document.get("test_accuracy", {}).get(name, ""))


def accuracy(figure: dict[str, Any]) -> str:
    return f"{100 * figure['mean']:.2f}" + (
        f" ± {100 * figure['spread']:.2f}" if (figure["spread"] or 0) >= 5e-5 else ""
    )


SECTIONS = (
    Section(
        "mnist-latent-sizes", mnist_latent_sizes, [LATENT_SIZES],
        [{"experiment": "latent-sizes", "data": "mnist", "epochs": 50, "hidden": 500}],
    ),
    Section(
        "mnist-width", mnist_width, [LATENT_SIZES, WIDTHS],
        [{"experiment": "latent-sizes", "data": "mnist", "epochs": 50, "hidden": 700}],
    ),
    Section(
        "mnist-plane", mnist_plane, [LATENT_SIZES],
        [{"experiment": "latent-sizes", "data": "mnist", "epochs": 50, "hidden": 500}],
    ),
    Section(
        "frey-face", frey_face, [FREY_FACE],
        [{"experiment": "latent-sizes", "data": "frey-face", "epochs": 5000}],
    ),
    Section(
        "frey-face-leak", frey_face_leak,
        [f"{FREY_FACE_ALONE}{split} --seed {seed}" for split in ("", " --split random") for seed in range(3)],
        [{"experiment": "vae", "data": "frey-face", "split": "random"}],
    ),
    Section(
        "frey-face-gaussian", frey_face_gaussian,
        [
            f"{FREY_FACE_ALONE} --latent {z} --likelihood gaussian --shuffle --seed {seed}"
            for z in (2, 20) for seed in range(3)
        ],
        [{"experiment": "vae", "data": "frey-face", "likelihood": "gaussian"}],
    ),
    Section(
        "mnist-binary", dynamic, [DYNAMIC, LOG_LIKELIHOOD],
        [{"experiment": "vae", "data": "mnist", "binarisation": "dynamic", "epochs": DYNAMIC_EPOCHS, "from": None}],
    ),
    Section(
        "importance-weighted", importance_weighted,
        [
            DYNAMIC, LOG_LIKELIHOOD,
            *(f"{CONTINUED} --epochs {more}" for more in ("50", "50 --importance 5", "12 --importance 50")),
            f"{FROM_THE_START} --epochs 50",
            *(
                LOG_LIKELIHOOD.replace("vae-mnist-dynamic", name)
                for name in ("vae-mnist-dynamic-continued", "iwae-mnist-dynamic-k5-continued",
                             "iwae-mnist-dynamic-k50-continued", "iwae-mnist-dynamic-k5")
            ),
        ],
        [{"experiment": "iwae", "data": "mnist", "binarisation": "dynamic"}],
    ),
    Section("classifiers", classifiers, [CLASSIFY], [{"experiment": "latent-classifier", "data": "mnist"}]),
)  # fmt: skip
