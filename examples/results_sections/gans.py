"""The generative adversarial networks, which the thesis and two student works describe in words, beside a VAE."""

from __future__ import annotations

from typing import Any

from results_sections.runs import NAMES, Run, Section, Sources, Written, made_by, matching, table


def gan(sources: Sources) -> Written:
    # one of the two data sets will do
    played = [name for name in NAMES if matching(sources.runs, "gan", data=name)]
    runs = [sources.one("gan", data=name, batch_size=100) for name in played]
    measured, still, games, short, shown = [], [], [], [], []
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
        found, other = (of["images"][which]["variety"] for which in ("GAN, batch-norm", vae_of(run)))
        short.append((f"{name}, variety of the GAN's images (of the VAE's)", "less varied than a VAE's",
                      f"{found:.2f} ({other:.2f}), one seed"))  # fmt: skip
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
    return Written(text, short)


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
one seed. The thesis (Annex B) and two student works (000, 001) describe such networks in words, without code or
figures, so the networks are ours. The two works claim: {claims}.

Of each, {samples} images are made, in evaluation mode, pixels from 0 to 1, and a classifier with a test accuracy of
{accuracies} says which classes they are of; test images, seen the same way, give the
scale. *Classes* is e to the entropy of the classes' shares, ten if all are equally frequent; *rarest* the share of the
rarest; *certainty* the classifier's mean probability of its own answer; *grey* is 0 for pixels that are black or white
and 1 for those in the middle; *variety* is the root mean square distance between two images.

{measured}

The VAE's images are means of p(x|z): grey says how much they blur, and a classifier that was trained on sharp images
may be uncertain of blurred ones. None of these measures sees whether an image looks real; they see whether it is sharp,
of a class, and unlike the others. A generator that has collapsed has few classes and little variety.

{games}

Losses are those of the last epoch, in nats; where an image cannot be told from a fake they are 1.386 and 0.693.
*batch-norm* has batch normalisation in the generator, *plain* has not.

Here the discriminator is held still, and the generator of batch-norm plays on for so many steps. Nothing in its loss
asks for variety or likeness: it looks for whatever this discriminator takes for real, and how probable that is to it
stands in the last column.

{still}

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
)  # fmt: skip
