"""The generative adversarial networks, which the thesis and two student works describe without code, beside VAEs."""

from __future__ import annotations

import re
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from results_sections.runs import (
    FASHION,
    NAMES,
    Run,
    Section,
    Sources,
    Written,
    expect_vae,
    in_brief,
    made_by,
    matching,
    seeds,
    table,
    values,
)
from results_sections.thesis import THESIS_SETTINGS
from scratchnn.training.runs import mean_and_std

CONV = ("VAE, convolutional", "GAN, convolutional")


def gan(sources: Sources) -> Written:
    # one of the two data sets will do
    played = [name for name in NAMES if matching(sources.runs, "gan", data=name)]
    runs = [sources.one("gan", data=name, batch_size=100) for name in played]
    for run in runs:
        expect_vae(run, 500, int(vae_of(run).split()[-1]))
    measured, still, games, shown = [], [], [], []
    for run in runs:
        name, of = NAMES[run.settings["data"]], run.figures
        measured += [(name, images, *gan_row(found)) for images, found in of["images"].items()]
        still += [
            (name, f"{int(step):,}", *gan_row(found), f"{found['taken_for_real']:.3f}")
            for step, found in of["held_still"].items()
        ]
        games += [
            (name, game, sum(n < 5 for n in classes), len(classes), f"{min(classes):.2f}",
             *(f"{of['losses'][game][f'train_{player}']:.3f}" for player in ("discriminator", "generator")))
            for game, classes in of["effective_classes_by_epoch"].items()
        ]  # fmt: skip
        shown.append(sources.show(run, "samples", f"{name}: test images, and images of the VAE and the two GANs"))
    first = NAMES[runs[0].settings["data"]]
    captions = {
        "classes": f"{first}: classes of the images, epoch by epoch",
        "held_still": f"{first}: the same noise, the discriminator held still",
    }
    header = ("classes", "rarest", "certainty", "grey", "variety")
    text = ADVERSARIES.format(
        commands="\n".join(f"`{made_by_vae(run)}`, then\n`{made_by(run, 'epochs')} --vae {vae_folder(run)}`;"
                           for run in runs),
        claims="; ".join(f"{claim} ({document})" for document, claim in runs[0].document["claims"].items()),
        samples=f"{runs[0].settings['samples']:,}",
        accuracies=" and ".join(f"{100 * run.figures['classifier_test_accuracy']:.2f} % on "
                                f"{NAMES[run.settings['data']]}" for run in runs),
        measured=table(("data", "images", *header), measured),
        games=table(("data", "generator", "epochs with fewer than 5 classes", "of", "fewest classes",
                     "discriminator's loss", "generator's loss"), games),
        still=table(("data", "steps", *header, "taken for real"), still),
        figures="\n\n".join([*shown, sources.show_all(runs[0], captions)]),
    )  # fmt: skip
    return Written(text)


def gan_row(found: dict[str, Any]) -> tuple[str, ...]:
    """What the classifier, and the pixels, say of some images."""
    numbers = (f"{found['effective_classes']:.2f}", f"{100 * found['rarest_class']:.1f} %", f"{found['certainty']:.3f}")
    return *numbers, f"{found['grey']:.3f}", f"{found['variety']:.2f}"


def vae_of(run: Run) -> str:
    """How the VAE beside a GAN is called among its images: "VAE, z = 20"."""
    return next(name for name in run.figures["images"] if name.startswith("VAE"))


def vae_folder(run: Run) -> str:
    return f"runs/vae-{run.settings['data']}-z{vae_of(run).split()[-1]}-seed0"


def made_by_vae(run: Run) -> str:
    return f"python examples/vae.py --data {run.settings['data']} --latent {vae_of(run).split()[-1]} --epochs 50"


ADVERSARIES = """## Generative adversarial networks beside a VAE

{commands}
one seed. The thesis (Annex B, with a borrowed drawing) and two student works (000, 001) describe such networks without
code, so the networks are ours; 001 shows two images of its generative model after 300 epochs. The two works claim:
{claims}.

Of each, {samples} images are made, in evaluation mode, pixels from 0 to 1, and a classifier with a test accuracy of
{accuracies} says which classes they are of; test images, seen the same way, give the
scale. *Classes* is e to the entropy of the classes' shares, ten if all are equally frequent; *rarest* the share of the
rarest; *certainty* the classifier's mean probability of its own answer; *grey* is 0 for pixels that are black or white
and 1 for those in the middle; *variety* is the root mean square distance between two images.

{measured}

The VAE's images are means of p(x|z): grey says how much they blur, and a classifier that was trained on sharp images
may be uncertain of blurred ones. None of these measures sees whether an image looks real; they see whether it is sharp,
of a class, and unlike the others. A generator that has collapsed has few classes and little variety. But speckle counts
as variety: the same images with random specks lie further apart. So more of it is not better, and says nothing for a
GAN whose images are speckled. What speckle cannot win is measured in the next section.

{games}

Losses are those of the last epoch, in nats; where an image cannot be told from a fake they are 1.386 and 0.693.
*batch-norm* has batch normalisation in the generator, *plain* has not.

Here the discriminator is held still, and the generator of batch-norm plays on for so many steps. Nothing in its loss
asks for variety or likeness: it looks for whatever this discriminator takes for real, and how probable that is to it
stands in the last column.

{still}

{figures}
"""


# --- the same layers in a VAE and in a GAN, convolutional


def conv_generators(sources: Sources) -> Written:
    runs = sources.select("conv-generators", data=FASHION, batch_size=100, epochs={"vae": 50, "gan": 50},
                          channels=None)  # fmt: skip
    common = {"data": FASHION, "latent": 20, "epochs": 50, "batch_size": 100, "binarisation": "none"}
    dense = {**THESIS_SETTINGS, "data": FASHION, "latent": 20, "epochs": 50, "shuffle": True}
    vaes = {
        "convolutional, 16 and 32 channels": sources.select("conv-vae", **common, channels=None),
        "convolutional, 32 and 64 channels": sources.select("conv-vae", **common, channels=list(WIDE)),
        "dense, 500-500": sources.select("vae", **dense),
        "dense, 1000-1000": sources.select("vae", **{**dense, "hidden": 1000}),
    }
    above = {name: losses_above_floor(of) for name, of in vaes.items()}
    settings = runs[0].settings
    found = {
        kind: [mean_and_std([run.figures["images"][kind][number] for run in runs], decimals)
               for number, decimals in (("precision", 3), ("recall", 3), ("variety", 2))]
        for kind in runs[0].figures["images"]
    }  # fmt: skip
    captions = {
        "samples": "Test images, images of the generators, and test images with speckle",
        "precision_and_recall": "Precision and recall of all kinds of images, and of the GAN's epoch by epoch",
        "losses": "The two trainings, epoch by epoch",
    }
    text = CONV_GENERATORS.format(
        commands="\n".join(f"`{command}`" for command in COMMANDS), seeds=seeds(len(runs)),
        accuracy=f"{100 * statistics.fmean(values(runs, 'classifier_test_accuracy')):.2f}",
        images=f"{settings['images']:,}", k=settings["neighbours"], speckle=f"{100 * settings['speckle']:g} %",
        measured=table(("images", "precision", "recall", "variety"), [(kind, *of) for kind, of in found.items()]),
        test=" and recall ".join(found["test images"][:2]),
        losses=table(
            ("VAE, z = 20", "parameters", "seeds", "test loss", "reconstruction + KL", "test loss − floor"),
            [(name, f"{n_parameters(of[0].settings['model']):,}", len(of), mean_and_std(values(of, "test_loss")),
              f"{mean_and_std(values(of, 'test_reconstruction'))} + {mean_and_std(values(of, 'test_kl'))}",
              mean_and_std(above[name])) for name, of in vaes.items()],
        ),
        floor=f"{vaes['dense, 500-500'][0].figures['test_floor']:.2f}", verdicts=verdicts(above),
        figures=sources.show_all(runs[0], captions),
    )  # fmt: skip
    vae, gan = (" and ".join(found[kind][:2]) for kind in CONV)
    what = "Fashion-MNIST, precision and recall of a GAN's images (of a VAE's)"
    short = [
        (what, "higher quality, less varied than a VAE's", in_brief(f"{gan} ({vae})", len(runs))),
        ("Fashion-MNIST, z = 20, convolutional VAE of 16 and 32 channels, of 32 and 64: test loss − floor (of the "
         "dense VAE of 500-500, of 1000-1000)", "",
         in_brief("{}, {} ({}, {})".format(*map(mean_and_std, above.values())), min(map(len, above.values())))),
    ]  # fmt: skip
    return Written(text, short)


def losses_above_floor(runs: Sequence[Run]) -> list[float]:
    """How far each run's test loss lies above the smallest that any decoder can have."""
    return [run.figures["test_loss"] - run.figures["test_floor"] for run in runs]


def n_parameters(model: str) -> int:
    """Of a model's dense and convolutional layers, as its summary shows them: weights and biases."""
    dense = re.findall(r"Dense\((\d+), (\d+)", model)
    convolutions = re.findall(r"Conv(?:Transpose)?2D\((\d+), (\d+), (\d+)", model)
    return sum((int(n_in) + 1) * int(n_out) for n_in, n_out in dense) + sum(
        int(n_in) * int(n_out) * int(size) ** 2 + int(n_out) for n_in, n_out, size in convolutions
    )


def verdicts(above: Mapping[str, Sequence[float]]) -> str:
    """Each of the other VAEs beside the dense one of 500-500, and the two wide ones beside each other."""
    narrow, wide, dense, wide_dense = above.values()
    return (
        f"Beside the dense VAE of 500-500, the convolutional one lies {difference(narrow, dense)}; with twice the "
        f"channels it lies {difference(wide, dense)}. A wider dense VAE, 1000-1000, lies "
        f"{difference(wide_dense, dense)}; beside that, the wide convolutional one lies "
        f"{difference(wide, wide_dense)}."
    )


def difference(ours: Sequence[float], other: Sequence[float]) -> str:
    """By how much the first lie below the others, and whether that is more than twice the spread of the seeds."""
    below = statistics.fmean(other) - statistics.fmean(ours)
    where = f"{abs(below):.2f} nats {'below' if below > 0 else 'above'}"
    if min(len(ours), len(other)) < 2:
        return f"{where} (the spread of its seeds, or of the other's, is not known)"
    spread = max(map(statistics.stdev, (ours, other)))
    return f"{where}, {'more' if abs(below) > 2 * spread else 'not more'} than twice the larger spread, {spread:.2f}"


WIDE = (32, 64)  # channels
COMMANDS = (
    f"python examples/vae.py --data {FASHION} --latent 20 --epochs 50",
    f"python examples/gan.py --data {FASHION} --vae runs/vae-{FASHION}-z20-seed0",
    f"python examples/conv_generators.py --data {FASHION} --vae runs/vae-{FASHION}-z20-seed0 "
    f"--gan runs/gan-{FASHION}-seed0/batch-norm",
)
ONLY_VAE = f"python examples/conv_generators.py --data {FASHION} --only vae"
CONV_GENERATORS = """## A VAE and a GAN on the same convolutional layers

{commands};
fifty epochs each; {seeds}. The VAEs whose losses stand below are of further seeds as well, made by the first command
and by the third with `--only vae`, both with `--seed`; the wider ones by `--channels 32 64` and by `--hidden 1000`.

The GAN's generator is the VAE's decoder with batch normalisation, its discriminator the VAE's encoder with one output
and dropout. A classifier of the same layers, with a test accuracy of {accuracy} %, gives the features: what its last
hidden layer puts out. In these features {images} images of each kind are held against as many test images (Kynkäänniemi
et al. 2019, k = {k}): *precision* is the share of them that lie where real images lie, *recall* the share of the real
images that lie where they do. *Variety* is the distance between two images, as above.

{measured}

*Test images* is the other half of them; what they reach, precision {test}, is what real images reach. A higher
precision is no better: such images keep to where real ones lie close together.
*Training images* is what one gets that copies these: nothing here asks for new images. *Speckle* is test images in
which {speckle} of the pixels have a random grey; it adds to the variety, and takes from the precision. In *noise* all
pixels have one.

Both numbers have a bias. They depend on k and on how many images there are, so only numbers of the same two can be
compared. An image that lies alone has a large ball around it, and all that falls into it counts as real. And features
know what the classifier has learned to tell apart and nothing else: they have a place for noise too, and its precision
says how much of it comes to lie among images.

{losses}

Nats per image; the floor is {floor}, the loss of a decoder that shows every test image itself. {verdicts}

{figures}
"""


SECTIONS = (
    Section(
        "gan", gan,
        [
            f"python examples/{script}"
            for name in NAMES
            for script in (f"vae.py --data {name} --latent 20 --epochs 50",
                           f"gan.py --data {name} --vae runs/vae-{name}-z20-seed0")
        ],
        [{"experiment": "gan", "data": name} for name in NAMES],
    ),
    Section(
        "conv-generators", conv_generators,
        [*COMMANDS, *(f"{command} --seed {seed}" for seed in (1, 2)
                      for command in (COMMANDS[0], ONLY_VAE)),
         *(f"{command} --seed {seed}" for seed in (0, 1, 2)
           for command in (f"{ONLY_VAE} --channels 32 64",
                           f"{COMMANDS[0]} --hidden 1000"))],
        [{"experiment": "conv-generators", "data": FASHION}],
    ),
)  # fmt: skip
