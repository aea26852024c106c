"""Missing and noisy pixels, which the thesis and two student works name as a use of such networks, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from results_sections.runs import NAMES, Section, Sources, Written, expect_vae, matching, table

VAES = {  # with z = 50: the command that trains it, and its folder
    "mnist": ("python examples/latent_sizes.py --data mnist --jobs 2", "runs/latent-sizes-mnist-50-epochs/z50-seed0"),
    "fashion-mnist": (
        "python examples/vae.py --data fashion-mnist --latent 50 --epochs 50", "runs/vae-fashion-mnist-z50-seed0",
    ),
}  # fmt: skip
FILL_IN = "python examples/missing_pixels.py --data {data} --vae {vae}"


def missing_pixels(sources: Sources) -> Written:
    # one of the two data sets will do
    tried = [name for name in NAMES if matching(sources.runs, "missing-pixels", data=name)]
    runs = [sources.one("missing-pixels", data=name, latent=50, images=1000) for name in tried]
    for run in runs:
        expect_vae(run, 500, 50)
    filled, cleaned, short, shown = [], [], [], []
    for run in runs:
        name, of = NAMES[run.settings["data"]], run.figures
        filled += [
            (name, called(method, of["random half"]), *(with_error(of[half], method) for half in HALVES))
            for method in of["random half"]["mse"]
        ]
        cleaned.append((name, "as given", *(f"{of[noise]['given']:.4f}" for noise in NOISES)))
        cleaned += [
            (name, method, *(f"{of[noise]['mse'][method]:.4f}" for noise in NOISES))
            for method in of["noise"]["mse"]
        ]  # fmt: skip
        for half in HALVES:
            found = of[half]["mse"]
            ours = min((m for m in found if m.startswith("VAE")), key=lambda m: found[m])
            other = min((m for m in found if not m.startswith("VAE")), key=lambda m: found[m])
            short.append((f"{name}, {half} of the pixels missing: their error by the VAE (best other method)",
                          "proposed, not tried", f"{found[ours]:.4f} ({found[other]:.4f}), one seed",
                          f"{ours.removeprefix('VAE, ')}; {other}"))  # fmt: skip
        captions = {
            "errors": f"{name}: error of the guess, iteration by iteration",
            "random_half": f"{name}: half of the pixels missing, each with the same probability",
            "lower_half": f"{name}: the lower half missing",
            "noise": f"{name}: noise, and reconstructions of reconstructions",
            "noise_cut_off": f"{name}: the same noise, cut off at 0 and 1",
        }
        shown.append(sources.show_all(run, captions))
    how = runs[0].settings
    text = TEXT.format(
        commands="\n".join(f"`{vae}`, then `{fill_in}`;" for vae, fill_in in map(commands, tried)),
        images=f"{how['images']:,}", iterations=how["iterations"], chains=how["chains"], burn_in=how["burn_in"],
        noise=how["noise"],
        filled=table(("data", "method", *HALVES), filled),
        cleaned=table(("data", "method", *NOISES), cleaned),
        figures="\n\n".join(shown),
    )  # fmt: skip
    return Written(text, short)


def commands(name: str) -> tuple[str, str]:
    """The two commands for one data set."""
    vae, folder = VAES[name]
    return vae, FILL_IN.format(data=name, vae=folder)


HALVES = ("random half", "lower half")
NOISES = ("noise", "noise, cut off")


def called(method: str, found: Mapping[str, Any]) -> str:
    """A method and, if it differs from one, the number that was chosen for it where half of the pixels are random."""
    return f"{method}, k = {found['chosen'][method]}" if method in found["chosen"] else method


def with_error(found: Mapping[str, Any], method: str) -> str:
    return f"{found['mse'][method]:.4f} ± {found['standard_error'][method]:.4f}"


TEXT = """## Missing pixels and noise

{commands}
one seed. The thesis names missing data, and noise in video and music, as future work (7.2); two student works name the
removal of noise as a use of VAEs (000) and of GANs (001). None of them tries. The VAE was trained on whole, clean
images. Mean squared error of a pixel from 0 to 1, over {images} test images, ± the standard error by the
choice of these images.

Half of the pixels are **missing**: each with the same probability, or the lower half. The error is that of the missing
ones. *Fixed point*: the mean image is put where pixels are missing, the image is encoded and decoded, the pixels that
are seen are put back, {iterations} times. *Draws*: the same with z, or z and the pixels, drawn (pseudo-Gibbs); the
guess is the mean over {chains} chains and the iterations after the first {burn_in}. *Gradient*: no encoder; z climbs to
a maximum of p(z) p(x_s|z), where x_s are the pixels that are seen. PCA and the neighbours go by the pixels that are
seen; k, chosen on validation images, is that of the first column, and in the second it may be another.

{filled}

**Noise** of standard deviation {noise} on every pixel, as it is, or cut off at 0 and 1. The error is that of all
pixels. *Reconstruction*: the noisy image, encoded and decoded once; *fixed point*: its reconstruction is reconstructed,
and so on, {iterations} times. Probabilistic PCA is told how large the noise is.

{cleaned}

{figures}
"""


SECTIONS = (
    Section(
        "missing-pixels", missing_pixels,
        [command for name in NAMES for command in commands(name)],
        [{"experiment": "missing-pixels", "data": name} for name in NAMES],
    ),
)  # fmt: skip
