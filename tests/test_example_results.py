"""The results page: from made-up summaries, so that every number on it can be predicted."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import results
import scipy.stats
from results_sections.conv_autoencoders import within
from results_sections.runs import thesis_network, verdict
from scripts import fails

ROOT = Path(__file__).parent.parent
CLASSIFIERS = [(kind, n) for n in (64, 128, 256) for kind in ("as-printed", "logits")] + [("untrained", 64)]
NAMES = [section.name for section in results.SECTIONS]
PAGE = "# x\n\n" + "".join(f"<!-- {name} -->\nold {name}\n<!-- /{name} -->\n\n" for name in NAMES) + "rest\n"
README = f"# x\n\n<!-- results -->\n{results.HEADER}\n| old <!-- frey-face --> | 1 | 2 |\n<!-- /results -->\n\nrest\n"


def summary(experiment: str, settings: dict, **figures) -> dict:
    return {"experiment": experiment, "figures": figures, "settings": settings, "versions": {"numpy": "9.9"}}


def write(folder, content: dict, *pictures: str) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "summary.json").write_text(json.dumps(content), encoding="utf-8")
    for name in pictures:
        (folder / f"{name}.png").write_bytes(name.encode())


def write_history(folder: Path, last: float, seconds: float) -> None:
    """Fifty epochs whose loss falls by 1 each, to the last."""
    records = [{"epoch": e, "train_loss": last + 50 - e, "seconds": seconds} for e in range(1, 51)]
    (folder / "history.json").write_text(json.dumps(records), encoding="utf-8")


VAE_PICTURES = ("loss", "reconstruction", "samples", "scatter", "scatter_3d", "plane", "manifold_linear", "kl")


def losses(train: float, floor: float) -> dict:
    """Every figure another number, so that no two can be taken for one another unnoticed."""
    return {
        "train_loss": train, "train_kl": 3.5, "test_loss": train + 2.25, "test_reconstruction": train - 5.5,
        "test_kl": 7.75, "train_floor": floor, "test_floor": floor - 1.125, "train_mean_image_loss": floor + 100,
        "test_mean_image_loss": floor + 99, "active_units": 13, "seconds_per_epoch": 4.0,
    }  # fmt: skip


def estimates(nll: float) -> dict:
    return {
        "estimates": [
            {"n_samples": k, "nll": nll + 1 / k, "monte_carlo_error": None if k == 1 else 0.01, "sampling_error": 0.4}
            for k in (1, 200)
        ],
        "active_units": 12,
    }


USUAL = {
    "split": "contiguous", "schedule": "constant", "batch_size": 100, "hidden": 500, "binarisation": "none",
    "likelihood": "bernoulli", "shuffle": True, "model": "VAE(…)",
    "optimiser": "Adam(lr=0.001, beta1=0.9, beta2=0.999, eps=1e-08)",
}  # fmt: skip


@pytest.fixture(scope="module")
def complete(tmp_path_factory):
    """Everything the page needs; MNIST z = 10 with the train losses 97, 98 and 99."""
    runs = tmp_path_factory.mktemp("complete") / "runs"
    for seed in (0, 1, 2):
        for z in (2, 5, 10, 20, 50):
            settings = {**USUAL, "data": "mnist", "latent": z, "epochs": 50, "seed": seed}
            folder = runs / f"latent-sizes-mnist/z{z}-seed{seed}"
            write(folder, summary("vae", settings, **losses(87.0 + z + seed, 45.75)), *VAE_PICTURES)
            asked = {**settings, "test_binarisation": "fixed", "images": 10_000, "samples": [1, 200]}
            asked["parameters"] = f"those of seed {seed}"
            write(folder / "log-likelihood", summary("log-likelihood", asked, **estimates(78.0 + z + seed)))
            write_history(folder, 87.0 + z + seed, 4.0)
        wide = {**USUAL, "data": "mnist", "latent": 20, "epochs": 50, "seed": seed, "hidden": 700}
        started = {"untrained_loss": 570.0 + seed} if seed else {}  # one run of before it was measured
        content = summary("vae", wide, **{**losses(94.5 + seed, 45.75), "seconds_per_epoch": 6.0 + seed}, **started)
        write(runs / f"wide/z20-seed{seed}", content)
        write_history(runs / f"wide/z20-seed{seed}", 94.5 + seed, 6.0 + seed)
        for folder, epochs in (("frey", 5000), ("contiguous", 1000)):
            settings = {**USUAL, "data": "frey-face", "latent": 2, "epochs": epochs, "seed": seed, "shuffle": False}
            used = {"test_kl_per_dimension": [2.5, [0.5, 0.75, 0.25][seed]], "held_out_loss": 351.0}
            content = summary("vae", settings, **losses(348.25, 337.25), **used)
            write(runs / f"{folder}/z2-seed{seed}", content, *VAE_PICTURES * (epochs == 5000))
        records = [{"epoch": e, "train_loss": 347.0 + 100 / e + seed, "train_kl": 3.5, "seconds": 0.1}
                   for e in (100, 1000, 2000, 4000, 5000)]  # fmt: skip
        (runs / f"frey/z2-seed{seed}/history.json").write_text(json.dumps(records), encoding="utf-8")
        settings = {**settings, "split": "random"}
        write(runs / f"random/seed{seed}", summary("vae", settings, **losses(347.0, 337.0), **used))
        for z in (2, 20):
            settings = {
                **USUAL,
                "data": "frey-face",
                "latent": z,
                "epochs": 1000,
                "seed": seed,
                "likelihood": "gaussian",
            }
            write(runs / f"gaussian/z{z}-seed{seed}", summary("vae", settings, **losses(-600.0 - z, 0.0)))
    for name, hidden in (("latent-sizes-mnist", 500), ("wide", 700)):
        settings = {"data": "mnist", "epochs": 50, "hidden": hidden}
        write(runs / name, summary("latent-sizes", settings), *["samples"] * (hidden == 500))
    write(runs / "frey", summary("latent-sizes", {"data": "frey-face", "epochs": 5000}))
    settings = {
        **USUAL, "data": "mnist", "latent": 50, "epochs": 400, "seed": 0, "binarisation": "dynamic",
        "schedule": "falls to 1e-05 in epoch 400",
    }  # fmt: skip
    write(runs / "dynamic", summary("vae", settings, **losses(84.0, 0.0)), "loss", "kl")
    asked = {**settings, "images": 10_000, "test_binarisation": "fixed"}
    content = summary("log-likelihood", {**asked, "parameters": "0123456789abcdef"}, **estimates(86.5))
    write(runs / "dynamic/log-likelihood", content, "bound")
    on = {"from": "vae-mnist-dynamic-z50-seed0, 400 epochs, parameters 0123456789abcdef", "epochs": 50}
    more_of = {
        "vae": {}, "iwae-5": {"importance": 5}, "iwae-50": {"importance": 50},
        "iwae-alone": {"importance": 5, "from": None, "epochs": 200},
    }  # fmt: skip
    for k, (name, more) in enumerate(more_of.items()):
        more = {**on, "schedule": f"falls to 1e-05 in epoch {more.get('epochs', 50)}", **more}
        content = summary(name.split("-")[0], {**settings, **more}, **losses(83.0 - k, 0.0))
        write(runs / f"continued-{name}", content, "loss", "kl")
        content = summary("log-likelihood", {**asked, **more}, **estimates(86.0 - k / 4))
        write(runs / f"continued-{name}/log-likelihood", content, "bound")
    variants = ("raw", "annex-f", "frozen", "fine-tuned", "raw-converged", "frozen-converged")
    points = {
        name: [{"labels": n, "test_accuracy": {"mean": 0.9 + k / 100 + n / 1e6, "spread": 0.0045}} for n in (100, 5000)]
        for k, name in enumerate(variants)
    }
    settings = {
        "data": "mnist",
        "seed": 0,
        "steps": 2750,
        "variants": {name: f"what {name} is" for name in variants},
        "epochs": 5,
        "batch_size": 100,
        "vae": f"{thesis_network(500, 50)}, sha256 of its parameters 48",
    }
    content = summary("latent-classifier", {**settings, "seeds": [0, 1, 2]}, by_labels=points)
    content["document"] = {"test_accuracy": {"raw": "92 %", "annex-f": "98 %"}}
    write(runs / "classifier", content, "label_curve", "confusion-frozen")
    for name, (content, pictures) in student_works().items():
        write(runs / name, content, *pictures)
    write_more(runs)
    return runs


def write_more(runs: Path) -> None:
    """The data, the optimisers, and pixels that are missing or noisy."""
    for name in ("mnist", "fashion-mnist"):
        content = summary("show-data", {"data": name}, share_of_0=0.809)
        write(runs / f"show-{name}", {**content, "peak_memory_mb": 1234}, "images", "numbers")
    losses = {"SGD, 0.01": [150.0 - k for k in range(10)], "SGD, 1": [], "Adam, 0.001": [120.0 - k for k in range(10)]}
    settings = {"data": "mnist", "epochs": 10, "latent": 20, "hidden": 500, "batch_size": 100, "seed": 0}
    content = summary(
        "optimisers", settings, train_loss=losses, held_out_loss=losses,
        diverged={"SGD, 1": "in epoch 1"}, untrained_loss=570.0, train_floor=45.75, train_mean_image_loss=206.0,
    )  # fmt: skip
    write(runs / "optimisers", content, "losses")
    usual = {"rate": 3.5, "distortion": 70.0, "negative_elbo": 90.0}
    measured = [
        {"beta": beta, "saved_by_a_nat": saved, "active_units": 20 - k,
         **{f"train_{name}": value + k for name, value in usual.items()},
         **{f"test_{name}": value + k + 0.25 for name, value in usual.items()}}
        for k, (beta, saved) in enumerate(((0.5, None), (1, 0.75), (4, 5.0)))
    ]  # fmt: skip
    settings = {"data": "mnist", "epochs": 50, "latent": 20, "hidden": 500, "binarisation": "dynamic", "seed": 0}
    write(runs / "rate-distortion", summary("rate-distortion", settings, rows=measured), "curve", "samples")
    methods = ("mean image", "k neighbours, mean", "VAE, fixed point", "VAE, gradient")
    half = {
        "mse": {name: 0.04 - 0.01 * k for k, name in enumerate(methods)},
        "standard_error": dict.fromkeys(methods, 0.0005), "chosen": {"k neighbours, mean": 5},
    }  # fmt: skip
    noisy = {"given": 0.09, "mse": {"mean image": 0.0625, "VAE, reconstruction": 0.0225}}
    settings = {"data": "mnist", "images": 1000, "iterations": 50, "chains": 5, "burn_in": 20, "noise": 0.3, "seed": 0,
                "latent": 50, "model": thesis_network(500, 50)}  # fmt: skip
    figures = {"random half": half, "lower half": half, "noise": noisy, "noise, cut off": noisy}
    pictures = ("errors", "random_half", "lower_half", "noise", "noise_cut_off")
    write(runs / "missing", summary("missing-pixels", settings, **figures), *pictures)


def several(**figures) -> dict:
    """As the scripts write what they have measured in several runs."""
    return {name: {"mean": sum(runs) / len(runs), "runs": list(runs)} for name, runs in figures.items()}


def documented(content: dict, **document) -> dict:
    return {**content, "document": document}


def dense_seeds() -> dict[str, tuple[dict, tuple[str, ...]]]:
    """Two runs with 8 numbers; of 2 numbers three live starts, one of them without an epoch k + 39, and two dead ones,
    one of which comes to life."""
    made: dict[str, tuple[dict, tuple[str, ...]]] = {}
    for seed in (0, 1):
        settings = {"data": "mnist", "code": 8, "batch_size": 64, "epochs": 20, "seed": seed}
        content = summary("dense-autoencoder-seed", settings, train_loss=1700.0 + 100 * seed,
                          dead_code_numbers={"at_the_end": seed})  # fmt: skip
        made[f"seeds/8-seed{seed}"] = documented(content, first_loss=3808.1067, last_loss=1755.8175), ()
    for seed, start, k, end, dead in (
        (5, "live", 13, 2840.0, 0), (11, "live", 15, 2850.0, 0), (12, "live", 45, None, 0), (0, "dead", 40, 2990.0, 0),
        (1, "dead", None, None, 1),
    ):  # fmt: skip
        settings = {"data": "mnist", "code": 2, "batch_size": 256, "epochs": 80, "seed": seed}
        first = 4600.0 + seed if start == "live" else 5200.0 + seed
        content = summary(
            "dense-autoencoder-seed", settings, untrained_mse=7270.0 + seed, start=start, k=k, loss_at_k_plus_39=end,
            dead_code_numbers={"untrained": seed % 2, "after_epoch_1": int(start == "dead"), "at_the_end": dead},
            losses=[first - 10 * epoch for epoch in range(80)],
        )  # fmt: skip
        made[f"seeds/2-seed{seed}"] = documented(content, first_loss=3181.5081, last_loss=2842.7793), ()
    settings = {"data": "mnist", "seeds": {"8": [0, 1], "2": [0, 1, 5, 11, 12]}}
    made["seeds"] = summary("dense-autoencoder-seeds", settings, mean_image_mse=4375.0), ("losses",)
    return made


def conv_seeds() -> dict[str, tuple[dict, tuple[str, ...]]]:
    """Three runs of each N with 90, 91 and 92 %, of PyTorch's initial values one with N = 64 and as-printed alone."""
    made: dict[str, tuple[dict, tuple[str, ...]]] = {}
    known = {"64": 0.9043, "128": 0.9141, "256": 0.907}
    settings = {"data": "fashion-mnist", "epochs": 15, "classifier_epochs": 30, "batch_size": 100}
    for start, n, seed in [("lecun", n, seed) for n in (64, 128, 256) for seed in (0, 1, 2)] + [("pytorch", 64, 0)]:
        classifier = {"test_accuracy": 0.90 + seed / 100, "test_cross_entropy": 0.375,
                      "classes_never_found": int((n, seed) == (256, 0)),
                      "last_five": {"test_accuracy": 0.895}, "best": {"test_accuracy": 0.915}}  # fmt: skip
        kinds = ("as-printed", "logits") if start == "lecun" else ("as-printed",)
        content = summary(
            "conv-classifier-seed", {**settings, "initial_values": start, "code": n, "seed": seed},
            autoencoder={"test_mse": 0.05 + n / 1e5, "dead_code_numbers": 19 + seed},
            classifiers=dict.fromkeys(kinds, classifier),
        )  # fmt: skip
        content = documented(content, mse=0.0533, accuracy=known, cross_entropy={"64": 0.3865})
        made[f"conv-seeds-{start}/n{n}-seed{seed}"] = content, ()
    for start in ("lecun", "pytorch"):
        content = summary("conv-classifier-seeds", {**settings, "initial_values": start, "seeds": {}})
        made[f"conv-seeds-{start}"] = content, ("accuracies", "curves", "curves-as-printed")
    return made


def student_works() -> dict[str, tuple[dict, tuple[str, ...]]]:
    """The student works' runs and the GANs': a summary and the pictures for every folder."""
    kinds = ("relu", "linear-code", "linear-output")
    networks = {
        f"{n}-{kind}": {
            "train_loss": 1000.0 + n + k, "final_mse": 800.0 + n + k, "dead_code_numbers": 2 - k, "dead_pixels": 60 + n,
            "mse_of_dead_pixels": (800.0 + n + k) / 8,
        }
        for n in (8, 2) for k, kind in enumerate(kinds)
    }  # fmt: skip
    epochs = {f"{n}-{kind}": 20 if n == 8 else 40 for n in (8, 2) for kind in kinds}
    settings = {"data": "mnist", "seed": 0, "epochs": epochs, "batch_size": {"8": 64, "2": 256}}
    baselines = {"mean image": 4444.0, "PCA-8": 2222.0, "PCA-2": 3333.0}
    dense = summary("dense-autoencoder", settings, baselines_mse=baselines, networks=networks)
    dense = documented(dense, train_loss={"8": 1755.8175, "2": 2842.7793})
    made = {"dense": (dense, ("loss", "codes", "reconstructions", "scatter-relu"))}
    made |= dense_seeds()

    shared = {"seed": 0, "seeds": [0, 1], "batch_size": 32, "epochs": 20, "pretraining_epochs": 10}
    for data, known in (("mnist", 0.98), ("fashion-mnist", 0.87)):
        starts = {
            start: several(test_accuracy=runs, train_accuracy=(0.995, 0.995), test_cross_entropy=(0.5, 0.5))
            for start, runs in {"stacked": (0.9, 0.92), "whole": (0.89, 0.89), "random": (0.89, 0.93)}.items()
        }
        baselines = {"mean image": 0.0625, "PCA-64": 0.01, "PCA-32": 0.02, "PCA-16": 0.03}
        errors = several(first=(0.011, 0.011), second=(0.021, 0.021), third=(0.031, 0.031), whole=(0.035, 0.037))
        figures = {"classifiers": starts, "baselines_test_mse": baselines, "autoencoders_test_mse": errors}
        content = summary("stacked-autoencoder", {**shared, "data": data}, **figures)
        drawn = ("curves", "confusion-stacked", "probabilities")
        made[f"stacked-{data}"] = documented(content, test_accuracy=known), drawn

    names = ("loss", "reconstruction", "kl", "honest_loss", "honest_kl", "std_of_means", "std_of_noise")
    clothes = ("T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
    plane = summary(
        "fashion-latent-2d",
        {"data": "fashion-mnist", "seed": 0, "epochs": {"0.1": 200, "1": 200}, "batch_size": 64, "shown": 5000,
         "neighbours": 10, "model": thesis_network(64, 2, layers=1)},
        test_losses={sigma: {name: 256.5 + 8 * k + more for k, name in enumerate(names)}
                     for sigma, more in (("0.1", 0), ("1", 100))},
        train_loss={"0.1": 254.25, "1": 258.75}, test_floor=200.5, test_mean_image_loss=406.5,
        test_mse={"mean image": 0.0625, "PCA, 2 numbers": 0.046, "VAE, sigma 0.1": 0.031, "VAE, sigma 1": 0.033},
        neighbours_accuracy={"PCA": {"all": 0.505} | {word: k / 10 for k, word in enumerate(clothes)}},
    )  # fmt: skip
    claims = {"apart": ["bag", "trouser", "ankle boot"], "mixed": ["pullover", "coat", "shirt"]}
    made["plane"] = documented(plane, claims=claims), ("views", "manifold-sigma-0.1", "manifold-sigma-1")

    found = several(
        test_mse=(0.056, 0.058), test_mse_at_the_edge=(0.0123, 0.0123), test_mse_brightened=(0.05, 0.05),
        train_mse=(0.055, 0.055), dead_code_numbers=(31, 33),
    )  # fmt: skip
    variants = ("as-printed-n64", "no-output-dropout-n64", "no-dropout-n64", "own-decoder-n64", "own-linear-n64",
                "as-printed-n128", "as-printed-n256")  # fmt: skip
    sorted_ = several(test_accuracy=(0.90, 0.91), test_cross_entropy=(0.25, 0.25), classes_never_found=(0, 0))
    conv = summary(
        "conv-autoencoder",
        {"data": "fashion-mnist", "seed": 0, "seeds": [0, 1], "epochs": 15, "classifier_epochs": 30, "batch_size": 100,
         "codes": [64, 128, 256]},
        baselines_test_mse={"mean image": 0.0625, "PCA-64": 0.0104}, autoencoders=dict.fromkeys(variants, found),
        classifiers={f"{kind}-n{n}": sorted_ for kind, n in CLASSIFIERS},
    )  # fmt: skip
    known = {"64": 0.9043, "128": 0.9141, "256": 0.907}
    conv = documented(conv, mse=0.0533, accuracy=known, cross_entropy={"64": 0.3865})
    made["conv"] = conv, ("samples", "reconstructions", "curves", "classifier_curves", "confusion")
    made |= conv_seeds()

    code = several(train_mse=(0.02,), test_mse=(0.022,), dead_code_numbers=(1,), variance_along_a_line=(0.875,))
    per_class = {str(k): {"precision": 0.5 + k / 100, "recall": 0.6 + k / 100, "f1-score": 0.7 + k / 100}
                 for k in range(10)}  # fmt: skip
    collapse = summary(
        "fashion-conv-autoencoder",
        {"data": "fashion-mnist", "seed": 0, "seeds": [0], "epochs": 3, "encoder_epochs": 2, "classifier_epochs": 12,
         "batch_size": 100},
        baselines_test_mse={"mean image": 0.0625, "PCA-2": 0.046}, codes={"relu-code": code, "collapsed": code},
        dead_numbers_at_the_start=[0, 0, 1, 2, 1, 0, 0], per_class=per_class,
        classifier={"test_accuracy": 0.9375, "test_cross_entropy": 0.2},
    )  # fmt: skip
    known = {name: [k / 10 for k in range(10)] for name in ("precision", "recall", "f1-score")}
    collapse = documented(collapse, accuracy=0.93, **known)
    made["collapse"] = collapse, ("views", "reconstructions", "classifier_curves", "confusion")

    seen = {"effective_classes": 9.5, "rarest_class": 0.05, "certainty": 0.75, "grey": 0.125, "variety": 9.25}
    other = {**seen, "variety": 8.5}
    for data in ("mnist", "fashion-mnist"):
        content = summary(
            "gan", {"data": data, "seed": 0, "batch_size": 100, "epochs": 50, "samples": 2000,
                    "vae": f"{thesis_network(500, 20)}, sha256 of its parameters 5e7359763b235c4c"},
            images={"test images": seen, "VAE, z = 20": other, "GAN, batch-norm": seen, "GAN, plain": seen},
            held_still={step: {**seen, "taken_for_real": 0.4375} for step in ("0", "1000")},
            classifier_test_accuracy=0.9775,
            effective_classes_by_epoch={"batch-norm": [4.5, 8.0, 9.5], "plain": [1.25, 1.5, 6.0]},
            losses={game: {"train_discriminator": 1.25, "train_generator": 0.875} for game in ("batch-norm", "plain")},
        )  # fmt: skip
        content = documented(content, claims={"000": "harder to train", "001": "less varied"})
        made[f"gan-{data}"] = content, ("samples", "classes", "held_still")
    return made | generators()


def generators() -> dict[str, tuple[dict, tuple[str, ...]]]:
    """The convolutional generators once, and three seeds of their VAE and of the dense one beside it."""
    worth = {"precision": 0.625, "recall": 0.375, "variety": 9.5}
    kinds = ("test images", "VAE, convolutional", "VAE, dense", "GAN, convolutional", "GAN, dense", "speckle", "noise")
    settings = {
        "data": "fashion-mnist",
        "seed": 0,
        "batch_size": 100,
        "epochs": {"vae": 50, "gan": 50},
        "images": 5000,
        "neighbours": 3,
        "speckle": 0.05,
    }
    content = summary("conv-generators", settings, images=dict.fromkeys(kinds, worth), classifier_test_accuracy=0.9075)
    made = {"conv-generators": (content, ("samples", "precision_and_recall", "losses"))}
    for seed in (0, 1, 2):
        settings = {**USUAL, "data": "fashion-mnist", "latent": 20, "epochs": 50, "seed": seed}
        for name, experiment, loss, more in (
            ("conv-vae", "conv-vae", 230.0, {}), ("wide-conv-vae", "conv-vae", 229.0, {"channels": [32, 64]}),
            ("dense-vae", "vae", 233.0, {}), ("wide-dense-vae", "vae", 232.5, {"hidden": 1000}),
        ):  # fmt: skip
            told = {**settings, "model": "VAE(Sequential([Dense(784, 40)]))", **more}
            made[f"{name}-{seed}"] = summary(experiment, told, **losses(loss + seed, 190.0)), ()
    return made


@pytest.fixture
def here(complete, tmp_path):
    shutil.copytree(complete, tmp_path / "runs")
    (tmp_path / "README.md").write_text(README, encoding="utf-8")
    (tmp_path / "docs").mkdir()
    (tmp_path / "docs/results.md").write_text(PAGE, encoding="utf-8")
    return tmp_path


def run(here) -> None:
    results.main([f"--runs={here / 'runs'}", f"--page={here / 'docs/results.md'}", f"--readme={here / 'README.md'}"])


def refused(here) -> str:
    """What is said where nothing can be written, and that nothing was."""
    arguments = ["--runs", here / "runs", "--page", here / "docs/results.md", "--readme", here / "README.md"]
    text = fails(results.main, *arguments)
    assert (here / "docs/results.md").read_text(encoding="utf-8") == PAGE and (here / "README.md").read_text(
        encoding="utf-8"
    ) == README
    assert not (here / "docs/figures").exists()
    return text


def rows(text: str) -> list[list[str]]:
    """All table rows of a page, cell by cell."""
    return [
        [re.sub(" <!-- .* -->", "", cell.strip()) for cell in line.strip("|").split("|")]
        for line in text.splitlines()
        if line.startswith("| ")
    ]


def short_rows(readme: str) -> list[list[str]]:
    """The rows of the README's table without their last column, why."""
    return [cells[:3] for cells in rows(readme)]


def test_the_page_has_the_means_the_spreads_and_the_verdicts(here):
    run(here)
    page = (here / "docs/results.md").read_text(encoding="utf-8")
    # three runs of 97, 98, 99: mean 98, standard deviation 1; the next lies within 98 ± 4.30·√(4/3) = 4.97
    assert [
        "10", "3", "97.53", "98.00 ± 1.00", "−0.47: yes, one run in 20 is further than ±4.97", "100.25 ± 1.00",
        "92.50 ± 1.00 + 7.75 ± 0.00", "13", "89.00 ± 1.00",
    ] in rows(page)  # fmt: skip
    assert [
        "5",
        "3",
        "",
        "93.00 ± 1.00",
        "",
        "95.25 ± 1.00",
        "87.50 ± 1.00 + 7.75 ± 0.00",
        "13",
        "84.00 ± 1.00",
    ] in rows(page)
    # the same by epochs, and of 700 units 94.5, 95.5, 96.5; of either the thesis's number stands where it was measured
    assert [
        "20", "700", "ours, 3 seeds", "", "144.50 ± 1.00", "135.50 ± 1.00", "125.50 ± 1.00",
        "105.50 ± 1.00", "95.50 ± 1.00", "+0.29: yes, one run in 20 is further than ±4.97", "7.0",
    ] in rows(page)  # fmt: skip
    assert ["20", "700", "thesis", "", "148.81", "101.59", "98.60", "96.43", "95.79", "", "26.4"] in rows(page)
    assert ["2", "500", "thesis", "580.56", "177.77", "143.70", "139.80", "136.94", "135.98", "", "20.1"] in rows(page)
    assert ["20", "500", "ours, 3 seeds", "", "157.00 ± 1.00", "148.00 ± 1.00", "138.00 ± 1.00", "118.00 ± 1.00",
            "108.00 ± 1.00", "", "4.0"] in rows(page)  # fmt: skip
    assert "45.75 for the training images and 44.62 for the test images" in page.replace("\n", " ")
    # train 347.1, 348.1, 349.1 − 337.25; the thesis 347.80 − 337.25; test 350.50 − 336.125
    assert ["1000", "10.55", "10.85 ± 1.00", "−0.30: yes, one run in 20 is further than ±4.97",
            "3.50 ± 0.00"] in rows(page)  # fmt: skip
    assert "stand at 14.38 ± 0.00 above their floor" in page
    for seed, kl in ((0, "0.50"), (1, "0.75"), (2, "0.25")):
        assert re.search(rf"^\| {seed} \| \S+ \| 2.50 and {kl} \|$", page, re.MULTILINE)
    assert "figures/frey-z2-seed1-scatter.png" in page and "figures/frey-z2-seed0-scatter.png" not in page
    assert ["random", "3", "10.00 ± 0.00", "13.38 ± 0.00"] in rows(page)  # 347 − 337, 349.25 − 335.875
    assert ["20", "3", "620.00 ± 0.00", "617.75 ± 0.00", "7.75 ± 0.00"] in rows(page)  # an ELBO is minus a loss
    assert ["1", "87.50", "unknown", "0.40"] in rows(page) and ["200", "86.50", "0.010", "0.40"] in rows(page)
    assert ["raw", "what raw is", "92 %", "90.01 ± 0.45", "90.50 ± 0.45"] in rows(page)
    assert "no VAE is ever loaded" in page and "*These runs: numpy 9.9.*" in page
    assert "*These runs: numpy 9.9; at most 1.2 GB of memory.*" in parts(page)["data"]
    readme = (here / "README.md").read_text(encoding="utf-8")
    assert readme.startswith("# x\n\n<!-- results -->\n| ") and readme.endswith("<!-- /results -->\n\nrest\n")
    assert page.startswith("# x\n\n<!-- data -->\n## The data") and page.endswith(f"<!-- /{NAMES[-1]} -->\n\nrest\n")
    assert ["MNIST, z = 10, train loss", "97.53", "98.00 ± 1.00"] in short_rows(readme)
    assert ["MNIST, z = 20, train loss", "95.79", "108.00 ± 1.00",
            "the thesis's network had [700 units](docs/errata.md), this one 500"] in rows(readme)  # fmt: skip
    assert "old" not in readme and "\nold " not in page
    assert ["Frey Face, z = 2, 1,000 epochs, train loss − floor", "10.55", "10.85 ± 1.00"] in short_rows(readme)
    assert ["MNIST, test accuracy, softmax on pixels", "92 %", "90.50 ± 0.45 %"] in short_rows(readme)
    (best,) = [row for row in short_rows(readme) if "drawn at every use: −log p(x)" in row[0]]
    assert "K = 200" in best[0] and best[1:] == ["86.76 (literature, K = 5,000)", "86.50, one seed"]
    run(here)  # again: the same
    assert (here / "README.md").read_text(encoding="utf-8") == readme and (here / "docs/results.md").read_text(
        encoding="utf-8"
    ) == page


def test_every_picture_on_the_page_is_there_and_none_shows_a_face(here):
    run(here)
    shown = re.findall(r"!\[.*?\]\((.*?)\)", (here / "docs/results.md").read_text(encoding="utf-8"))
    assert len(shown) == len(set(shown)) and all((here / "docs" / name).exists() for name in shown)
    assert {f"figures/{path.name}" for path in (here / "docs/figures").iterdir()} == set(shown)
    assert (here / "docs/figures/dynamic-log-likelihood-bound.png").read_bytes() == b"bound"
    faces = {name.split("-")[-1] for name in shown if name.startswith("figures/frey")}
    assert faces == {"loss.png", "scatter.png", "scatter_3d.png"}


def test_the_importance_weighted_bound_is_compared_with_more_training_by_the_old_one(here):
    run(here)
    (text,) = re.findall(
        "<!-- importance-weighted -->\n(.*?)<!-- /", (here / "docs/results.md").read_text(encoding="utf-8"), re.DOTALL
    )
    rows = [[cell.strip() for cell in line.split("|")[1:-1]] for line in text.splitlines() if line.startswith("| ")][2:]
    assert rows == [
        ["the VAE", "400", "84.00", "86.25", "86.50", "86.76", "−0.26", "12"],
        ["trained on by the ELBO", "50", "83.00", "85.25", "86.00", "", "", "12"],
        ["trained on by L_K, K = 5", "50", "82.00", "84.25", "85.75", "85.54", "+0.21", "12"],
        ["trained on by L_K, K = 50", "50", "81.00", "83.25", "85.50", "84.78", "+0.72", "12"],
        ["L_K from the start, K = 5", "200", "80.00", "82.25", "85.25", "85.54", "−0.29", "12"],
    ]
    assert "K = 5 is 0.75 and K = 50 1.00 below the VAE; training on by the ELBO makes\n0.50 of it" in text
    falls = ", ".join(f"{(nll + 1) - (nll + 1 / 200):.2f}" for nll in (86.5, 86.0, 85.75, 85.5, 85.25))
    assert f"ours, row by row, by {falls} from 1 draws to\n200." in text
    short = [
        line
        for line in (here / "README.md").read_text(encoding="utf-8").splitlines()
        if "<!-- importance-weighted -->" in line
    ]
    assert [[cell.strip() for cell in line.split("|")[2:4]] for line in short] == [
        ["85.54 (literature, K = 5,000)", "85.75, one seed"], ["84.78 (literature, K = 5,000)", "85.50, one seed"],
    ]  # fmt: skip


def test_a_model_trained_on_from_another_is_not_compared(here):
    change(here / "runs/continued-iwae-50/summary.json", **{"from": "vae-mnist-dynamic-z50-seed0, 400 epochs, other"})
    assert "importance-weighted lacks a run of iwae" in refused(here)


def test_the_prediction_interval_covers_what_it_says(rng):
    """Of runs drawn from one distribution, one more lies outside in one case of 20."""
    explained = []
    for _ in range(2000):
        *ours, document = rng.normal(97, 0.7, 4)
        explained.append("yes" in verdict(document, ours))
    assert abs(np.mean(explained) - 0.95) < 5 * np.sqrt(0.95 * 0.05 / 2000)
    assert verdict(1.0, [2.0]) == "−1.00: one run, spread unknown"
    assert scipy.stats.t.ppf(0.975, 2) == pytest.approx(4.30, abs=0.005)


def test_missing_runs_are_named_by_the_command_that_makes_them(here):
    shutil.rmtree(here / "runs/frey/z2-seed0")
    run(here)  # two seeds are a mean as well
    shutil.rmtree(here / "docs/figures")
    shutil.rmtree(here / "docs/runs")
    (here / "docs/results.md").write_text(PAGE, encoding="utf-8")
    (here / "README.md").write_text(README, encoding="utf-8")
    for folder in (here / "runs/frey").glob("z2*"):
        shutil.rmtree(folder)
    shutil.rmtree(here / "runs/dynamic/log-likelihood")
    text = refused(here)
    assert "frey-face lacks a run of vae with" in text and "latent 2, epochs 5000" in text
    assert "python examples/latent_sizes.py --data frey-face --latents 2 --epochs 5000" in text
    assert "--binarisation dynamic" in text and "latent_classifier" not in text


def change(path, **settings) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    content["settings"] |= settings
    path.write_text(json.dumps(content), encoding="utf-8")


def test_a_run_that_is_not_the_thesis_s_does_not_pass_for_one(here):
    for path in (here / "runs/latent-sizes-mnist").glob("z5-*/summary.json"):
        change(path, likelihood="gaussian")
    change(here / "runs/dynamic/summary.json", hidden=50)
    text = refused(here)
    assert "examples/latent_sizes.py --data mnist" in text and "--binarisation dynamic" in text


@pytest.mark.parametrize("settings", [{"epochs": 100}, {"seed": 1}, {"test_binarisation": "none"}, {"images": 10}])
@pytest.mark.parametrize("folder", ["dynamic", "latent-sizes-mnist/z10-seed0"])
def test_an_estimate_of_something_else_is_not_taken(folder, settings, here):
    path = here / "runs" / folder / "log-likelihood/summary.json"
    if folder != "dynamic" and "seed" in settings:
        settings = {"seed": 7}
    change(path, **settings)
    assert "python examples/" in refused(here)


def test_bounds_of_different_numbers_of_draws_are_not_one_column(here):
    for seed in (0, 1, 2):
        path = here / f"runs/latent-sizes-mnist/z2-seed{seed}/log-likelihood/summary.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["figures"]["estimates"][-1]["n_samples"] = 5
        path.write_text(json.dumps(content), encoding="utf-8")
    assert "estimated with 5 and 200 draws of z" in refused(here)


def test_runs_of_different_settings_are_never_averaged(here):
    change(here / "runs/latent-sizes-mnist/z10-seed1/summary.json", model="VAE(another)")
    text = refused(here)
    assert "z10-seed0" in text and "z10-seed1" in text and "not to be averaged: model is VAE(…) and VAE(an" in text


@pytest.mark.parametrize(
    "other", [{"optimiser": "Adam(lr=0.002)"}, {"draws": 5}, {"early_stopping": 3}], ids=lambda other: next(iter(other))
)
def test_a_run_that_is_not_the_thesis_s_is_not_taken_for_one(here, other):
    """Two runs are left, 97 and 99, and the third is of another experiment."""
    change(here / "runs/latent-sizes-mnist/z10-seed1/summary.json", **other)
    run(here)
    assert ["10", "2", "97.53", "98.00 ± 1.41"] in [
        row[:4] for row in rows((here / "docs/results.md").read_text(encoding="utf-8"))
    ]


def test_a_seed_that_uses_no_dimension_shows_the_mean_frame_and_is_told_apart(here):
    path = here / "runs/frey/z2-seed2/summary.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["figures"]["test_kl_per_dimension"] = [0.001, 0.002]
    path.write_text(json.dumps(content), encoding="utf-8")
    run(here)
    text = (here / "docs/results.md").read_text(encoding="utf-8")
    assert "Neither is used by seed 2: q(z|x) is the prior" in text and "0.00 and 0.00" in text
    assert "The others stand at 10.27 ± 0.71 after 5,000 epochs" in text.replace("\n", " ")
    assert "neither dimension is used by 1 of 3 seeds, which shows the mean frame; the others: 10.27 ± 0.71" in (
        here / "README.md"
    ).read_text(encoding="utf-8")


def test_a_seed_that_uses_no_dimension_has_a_row_of_its_own_beside_the_random_split(here):
    path = here / "runs/contiguous/z2-seed1/summary.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["figures"] |= {"test_kl_per_dimension": [0.001, 0.002], "train_loss": 352.25}
    path.write_text(json.dumps(content), encoding="utf-8")
    run(here)
    found = rows((here / "docs/results.md").read_text(encoding="utf-8"))
    assert ["contiguous", "2", "11.00 ± 0.00", "14.38 ± 0.00"] in found
    assert ["contiguous, no dimension used", "1", "15.00", "14.38"] in found


def test_memory_is_told_where_all_runs_have_measured_it(here):
    text = (here / "runs/show-mnist/summary.json").read_text(encoding="utf-8")
    (here / "runs/show-mnist/summary.json").write_text(
        text.replace('"peak_memory_mb": 1234', '"else": 0'), encoding="utf-8"
    )
    run(here)
    assert "GB of memory" not in parts((here / "docs/results.md").read_text(encoding="utf-8"))["data"]


@pytest.mark.parametrize("seed", [0, 1])  # other sections show the run of seed 0
def test_the_same_run_twice_is_not_two_runs(here, seed):
    copy = here / "runs/copy/summary.json"
    shutil.copytree(here / f"runs/latent-sizes-mnist/z10-seed{seed}", copy.parent, ignore=lambda *_: ["log-likelihood"])
    content = json.loads(copy.read_text(encoding="utf-8"))
    content["figures"]["train_loss"] += 0.25
    copy.write_text(json.dumps(content), encoding="utf-8")
    assert "are the same run with other figures: move one of them away" in refused(here)
    content["figures"] |= {"train_loss": content["figures"]["train_loss"] - 0.25, "seconds_per_epoch": 9.0}
    copy.write_text(json.dumps(content), encoding="utf-8")
    run(here)  # the same figures, made again: it counts once
    assert ["10", "3", "97.53", "98.00 ± 1.00"] in [
        row[:4] for row in rows((here / "docs/results.md").read_text(encoding="utf-8"))
    ]


def test_damaged_summaries_and_places_are_named(here):
    path = here / "runs/classifier/summary.json"
    good = path.read_text(encoding="utf-8")
    for bad in ("{", json.dumps({"figures": {}}), "[]"):
        path.write_text(bad, encoding="utf-8")
        assert "classifier/summary.json is not the summary of a run" in refused(here)
    path.write_text(good, encoding="utf-8")
    (here / "runs/latent-sizes-mnist/samples.png").unlink()
    assert "python examples/latent_sizes.py --data mnist" in refused(here)
    shutil.rmtree(here / "runs")
    assert "there is no folder" in refused(here)


@pytest.mark.parametrize(
    ("file", "text", "said"),
    [
        ("README", "# x\n", "must have exactly one place between <!-- results -->"),
        ("README", README.replace(" <!-- frey-face -->", ""), "it would be lost: | old | 1 | 2 |"),
        ("README", README.replace("frey-face", "frey"), "it would be lost: | old <!-- frey --> | 1 | 2 |"),
        ("PAGE", "# x\n", "must have exactly one place between <!-- data -->"),
        ("PAGE", PAGE.replace("<!-- /gan -->", ""), "must have exactly one place between <!-- gan -->"),
        ("PAGE", PAGE + "<!-- gan -->\n<!-- /gan -->\n", "must have exactly one place between <!-- gan -->"),
    ],
)
def test_a_text_without_its_places_is_left_alone(file, text, said, here, monkeypatch):
    (here / {"README": "README.md", "PAGE": "docs/results.md"}[file]).write_text(text, encoding="utf-8")
    monkeypatch.setattr(sys.modules[__name__], file, text)
    assert said in refused(here)


def test_the_student_works_and_the_gans_stand_beside_their_documents(here):
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    found = rows(page)
    # dense: an eighth of the error is that of dead pixels
    assert ["8 numbers, relu", "1755.8", "1008.0", "808.0", "2", "68", "12.5 %"] in found
    assert ["2 numbers, linear-code", "", "1003.0", "803.0", "1", "62", "12.5 %"] in found
    assert ["PCA, 2 numbers", "", "", "3333.0", "", "", ""] in found
    # stacked: 90 and 92 %, so 91 ± √2; random 89 and 93 %
    assert ["MNIST", "stacked", "≈ 98 %", "91.00 ± 1.41 %", "99.50 ± 0.00 %", "0.500 ± 0.000", "+1.00, −1.00"] in found
    assert ["Fashion-MNIST", "whole", "", "89.00 ± 0.00 %", "99.50 ± 0.00 %", "0.500 ± 0.000", "+0.00, −4.00"] in found
    assert ["MNIST", "0.0625", "0.0110 ± 0.0000 (0.0100)", "0.0210 ± 0.0000 (0.0200)", "0.0310 ± 0.0000 (0.0300)",
            "0.0360 ± 0.0014 (0.0300)"] in found  # fmt: skip
    # the plane: the fourth quantity is 256.5 + 3·8; apart are classes 8, 1 and 9, mixed 2, 4 and 6
    assert ["−ELBO of the z that are drawn", "280.50", "380.50"] in found
    assert ["PCA", "50.5", "60.0", "40.0"] in found
    assert ["as-printed, N = 64", "0.0533", "0.0570 ± 0.0014", "0.0123 ± 0.0000", "0.0500 ± 0.0000", "0.0550 ± 0.0000",
            "31, 33"] in found  # fmt: skip
    assert ["logits, N = 128", "91.41 %", "90.50 ± 0.71 %", "0.2500 ± 0.0000", "0"] in found
    assert ["untrained, N = 64", "", "90.50 ± 0.71 %", "0.2500 ± 0.0000", "0"] in found
    assert ["PCA-64", "", "0.0104", "", "", "", ""] in found
    assert ["trouser", "0.10", "0.510", "0.10", "0.610", "0.10", "0.710"] in found
    assert ["collapsed", "0.0220", "0.0200", "1", "0.875"] in found
    text = " ".join(page.split())
    assert "document's **93 %**, ours **93.75 %**" in text
    assert "Of 7 networks" in text and "4 have no such number, 2 have one, which makes a line, and 1 have two" in text
    assert ["MNIST", "VAE, z = 20", "9.50", "5.0 %", "0.750", "0.125", "8.50"] in found
    assert ["Fashion-MNIST", "plain", "2", "3", "1.25", "1.250", "0.875"] in found
    assert ["MNIST", "1,000", "9.50", "5.0 %", "0.750", "0.125", "9.25", "0.438"] in found
    assert "--data fashion-mnist --epochs 3 --encoder-epochs 2 --classifier-epochs 12 --runs 1`" in text
    short = short_rows(readme)
    assert not any("variety" in what for what, *_ in short)  # speckle counts as variety


def test_live_starts_are_laid_beside_the_document_and_dead_ones_are_not(here):
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    part = parts(page)["dense-autoencoder-seeds"]
    found, text = rows(part), " ".join(part.split())
    # 1700 and 1800: mean 1750, s = 70.71, and one more lies within 12.71 s √1.5 = 1100.39
    assert ["ours, 2 seeds", "1755.8", "1750.0 ± 70.7", "1,700.0–1,800.0",
            "+5.82: yes, one run in 20 is further than ±1100.39", "0–1"] in found  # fmt: skip
    assert ["live", "ours, 3 seeds", "7,275–7,282", "4,605–4,612", "4,565–4,572", "4,415–4,422",
            "3,815–3,822"] in found  # fmt: skip
    assert ["dead", "ours, 2 seeds", "7,270–7,271", "5,200–5,201", "5,160–5,161", "5,010–5,011",
            "4,410–4,411"] in found  # fmt: skip
    assert [row for row in found if len(row) == 3][2:] == [
        ["5", "13", "2840.0"], ["11", "15", "2850.0"], ["12", "45", "—"],
    ]  # fmt: skip
    assert "Of the seeds 0 to 9, 1 are live; with more, chosen because they are live, 3 of 5." in text
    assert "1 of the 2 networks with a dead start had such a number then, and 2 of the 3 with a live one" in text
    assert "Of the dead starts 1 have an epoch k + 39 as well: 2990.0." in text
    assert "Of the 2 dead starts 1 have both numbers alive after the last epoch" in text
    # 2840 and 2850: mean 2845, s = 7.07, and one more lies within 12.71 s √1.5 = 110.04
    assert ["ours, 2 seeds", "2842.8", "2845.0 ± 7.1", "−2.22: yes, one run in 20 is further than ±110.04",
            "1 of 2"] in found  # fmt: skip
    assert ["MNIST, dense autoencoder, 2 numbers, live starts: train error where the document's epochs end", "2842.8",
            "2845.0 ± 7.1"] in short_rows(readme)  # fmt: skip
    assert ["MNIST, dense autoencoder, 8 numbers: train error, pixels 0–255", "1755.8",
            "1750.0 ± 70.7"] in short_rows(readme)  # fmt: skip


def test_dead_starts_alone_are_no_section(here):
    for seed in (5, 11):
        shutil.rmtree(here / f"runs/seeds/2-seed{seed}")
    text = refused(here)
    assert "dense-autoencoder-seeds lacks a run with 2 numbers whose start is live" in text
    assert "python examples/dense_autoencoder_seeds.py --data mnist --codes 2 --seeds 0 1 2" in text


def test_the_document_s_accuracies_are_placed_among_the_runs(here):
    """90, 91 and 92 %: 91 ± 1, so 90.43 is 0.6 σ below; of one run there is no spread."""
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    found = rows(parts(page)["conv-classifier-seeds"])
    usual, others = "N(0, 1/fan-in)", ("89.50 ± 0.00", "91.50 ± 0.00", "0.3750 ± 0.0000")
    all_found = ("0", "", "", *others)
    assert [usual, "as-printed", "64", "3", "90.43", "91.00 ± 1.00", "yes, −0.6 σ", *all_found] in found
    assert [usual, "logits", "128", "3", "91.41", "91.00 ± 1.00", "yes, +0.4 σ", *all_found] in found
    assert [usual, "logits", "256", "3", "90.70", "91.00 ± 1.00", "yes, −0.3 σ", "1", "91.50 ± 0.71", "yes, −1.1 σ",
            *others] in found  # fmt: skip
    assert ["PyTorch's", "as-printed", "64", "1", "90.43", "90.00", "one run, spread unknown", "0", "", "",
            "89.50", "91.50", "0.3750"] in found  # fmt: skip
    assert not [row for row in found if row[:2] == ["PyTorch's", "logits"]]
    assert [usual, "64", "ours, 3 seeds", "0.0533", "0.0506 ± 0.0000", "19–21"] in found
    assert ["PyTorch's", "64", "ours, one seed", "0.0533", "0.0506", "19"] in found
    assert ["Fashion-MNIST, test accuracy, its encoder and a dense layer as printed, N = 128", "91.41 %",
            "91.00 ± 1.00 %"] in short_rows(readme)  # fmt: skip
    assert within(0.93, [0.90, 0.91, 0.92]) == "yes, +2.0 σ" and within(0.94, [0.90, 0.91, 0.92]) == "**no**, +3.0 σ"


def test_the_classifiers_of_one_n_are_not_enough(here):
    for seed in (0, 1, 2):
        shutil.rmtree(here / f"runs/conv-seeds-lecun/n128-seed{seed}")
    text = refused(here)
    assert "conv-classifier-seeds lacks a run of conv-classifier-seed with" in text and "code 128" in text
    assert "python examples/conv_classifier_seeds.py --data fashion-mnist --classifiers as-printed\n" in text


def parts(text: str) -> dict[str, str]:
    """What stands in each place of a page, and under "" what stands outside of all."""
    pattern = r"(?s)<!-- (?P<name>\S+) -->\n(.*?)<!-- /(?P=name) -->"
    return dict(re.findall(pattern, text)) | {"": re.sub(pattern, "", text)}


def test_one_section_is_renewed_and_the_others_stay_to_the_letter(here, capsys):
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    figures = {path.name: path.read_bytes() for path in (here / "docs/figures").iterdir()}
    content, pictures = student_works()["collapse"]
    content["figures"]["classifier"]["test_accuracy"] = 0.95
    content["versions"] = {"numpy": "10.0"}
    shutil.rmtree(here / "runs")
    shutil.rmtree(here / "docs/runs")
    write(here / "runs/collapse", content, *pictures)
    write(here / "runs/toy", summary("gan", {"data": "digits", "seed": 0}))  # not what the page is about
    capsys.readouterr()
    run(here)
    said = capsys.readouterr().out
    assert ": fashion-conv-autoencoder\n" in said and "left as it was" in said
    assert "  python examples/gan.py --data mnist --vae runs/vae-mnist-z20-seed0\n" in said
    assert "fashion_conv_autoencoder.py" not in said
    before, after = parts(page), parts((here / "docs/results.md").read_text(encoding="utf-8"))
    assert len(before) == len(NAMES) + 1 and [name for name in before if before[name] != after[name]] == [
        "fashion-conv-autoencoder"
    ]
    assert "numpy 10.0" in after["fashion-conv-autoencoder"] and "numpy 9.9" not in after["fashion-conv-autoencoder"]
    assert (
        (here / "README.md").read_text(encoding="utf-8")
        == readme.replace("93.75 %, one seed", "95.00 %, one seed")
        != readme
    )
    assert {path.name: path.read_bytes() for path in (here / "docs/figures").iterdir()} == figures


def test_the_page_can_be_written_from_what_is_kept_of_runs(here, tmp_path):
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    kept = {path.relative_to(here / "docs/runs"): path for path in (here / "docs/runs").rglob("*.json")}
    assert len(kept) > 40 and max(path.stat().st_size for path in kept.values()) < 10_000
    history = json.loads(kept[Path("wide-z20-seed1/history.json")].read_text(encoding="utf-8"))
    assert [record["epoch"] for record in history] == [1, 2, 4, 5, 10, 20, 40, 50]
    shutil.rmtree(here / "runs")
    (here / "runs").mkdir()
    (here / "docs/results.md").write_text(PAGE, encoding="utf-8")
    (here / "README.md").write_text(README, encoding="utf-8")
    run(here)
    assert (here / "docs/results.md").read_text(encoding="utf-8") == page and (here / "README.md").read_text(
        encoding="utf-8"
    ) == readme

    settings = {**USUAL, "data": "mnist", "latent": 20, "epochs": 50, "seed": 1, "hidden": 700}
    write(here / "runs/wide/z20-seed1", summary("vae", settings, **losses(98.5, 45.75)))  # made again: this one counts
    write_history(here / "runs/wide/z20-seed1", 98.5, 7.0)
    run(here)
    changed = (here / "docs/results.md").read_text(encoding="utf-8")
    assert "96.50 ± 2.00" in parts(changed)["mnist-width"] != parts(page)["mnist-width"]
    shutil.rmtree(here / "docs/figures")
    (here / "docs/results.md").write_text(PAGE, encoding="utf-8")
    (here / "README.md").write_text(README, encoding="utf-8")
    assert "the picture" in refused(here)


def test_a_folder_without_runs_for_the_page_is_refused(here):
    shutil.rmtree(here / "runs")
    # a run that a section would use, but not by itself: it may have been made for something else
    settings = {**USUAL, "data": "mnist", "latent": 20, "epochs": 50, "seed": 0}
    write(here / "runs/vae", summary("vae", settings, **losses(97.0, 45.75)))
    text = refused(here)
    assert "has no run for any section" in text
    assert all(command in text for section in results.SECTIONS for command in section.commands)


@pytest.mark.parametrize(
    ("folder", "settings", "command"),
    [
        ("dense", {"epochs": {"8-relu": 1}}, "dense_autoencoder.py --data mnist"),
        ("conv", {"epochs": 3}, "conv_autoencoder.py --data fashion-mnist"),
        ("stacked-mnist", {"data": "digits"}, "stacked_autoencoder.py --data mnist"),
        ("gan-mnist", {"batch_size": 32}, "gan.py --data mnist"),
    ],
)
def test_half_a_section_and_other_settings_are_refused(folder, settings, command, here):
    change(here / f"runs/{folder}/summary.json", **settings)
    assert f"python examples/{command}" in refused(here)


def test_two_seeds_of_the_dense_autoencoder_are_averaged_and_two_games_are_not(here):
    content, _ = student_works()["dense"]
    content["settings"]["seed"] = 1
    content["figures"]["networks"]["8-relu"] |= {"train_loss": 1010.0, "dead_code_numbers": 3}
    write(here / "runs/dense-1", content)
    run(here)
    row = ["8 numbers, relu", "1755.8", "1009.0 ± 1.4", "808.0 ± 0.0", "2, 3", "68", "12.5 %"]
    assert row in rows((here / "docs/results.md").read_text(encoding="utf-8"))
    shutil.rmtree(here / "docs/figures")
    (here / "docs/results.md").write_text(PAGE, encoding="utf-8")
    (here / "README.md").write_text(README, encoding="utf-8")
    shutil.copytree(here / "runs/gan-mnist", here / "runs/gan-again")
    summary = here / "runs/gan-again/summary.json"
    content = json.loads(summary.read_text(encoding="utf-8"))
    content["settings"]["seed"] = 1
    summary.write_text(json.dumps(content), encoding="utf-8")
    assert "are both runs of gan" in refused(here)


def test_the_project_s_own_page_and_table_can_be_renewed():
    page, readme = ((ROOT / name).read_text(encoding="utf-8") for name in ("docs/results.md", "README.md"))
    for name in NAMES:
        results.place(page, name, ROOT / "docs/results.md")
    assert results.renewed_readme(readme, {}, ROOT / "README.md") == readme
    shown = re.findall(r"!\[.*?\]\((.*?)\)", page)
    assert all((ROOT / "docs" / name).exists() for name in shown)


def test_the_game_on_one_data_set_is_enough(here):
    shutil.rmtree(here / "runs/gan-mnist")
    run(here)
    page = (here / "docs/results.md").read_text(encoding="utf-8")
    assert (
        "GAN" in page
        and "Fashion-MNIST: classes of the images" in page
        and "python examples/gan.py --data mnist" not in page
    )


# ---- renewing


@pytest.fixture
def commands(here, monkeypatch):
    """The commands that a renewal runs, none of which does anything; those whose text is added to `failing` fail."""
    ran, failing = [], set()

    def pretended(words, check):
        assert words[0] == sys.executable and not check
        ran.append("python " + " ".join(words[1:]))
        return subprocess.CompletedProcess(words, int(any(text in ran[-1] for text in failing)))

    monkeypatch.setattr(results.subprocess, "run", pretended)
    monkeypatch.chdir(here)  # the commands write into the folder runs of where they are called
    return ran, failing


def renew(here, *names: str) -> None:
    results.main(["--renew", *names, f"--page={here / 'docs/results.md'}", f"--readme={here / 'README.md'}"])


def test_a_section_is_renewed_by_its_commands_in_their_order(here, commands):
    ran, _ = commands
    renew(here, "mnist-binary")
    (section,) = (section for section in results.SECTIONS if section.name == "mnist-binary")
    assert ran == list(section.commands) and len(ran) == 2
    assert "old mnist-binary" not in (here / "docs/results.md").read_text(encoding="utf-8")
    assert json.loads((here / "docs/runs/minutes.json").read_text(encoding="utf-8")) == dict.fromkeys(ran, 0.0)


def test_what_is_stale_is_said_with_its_cost_and_a_dry_run_runs_nothing(here, commands, capsys):
    run(here)
    (here / "docs/runs/minutes.json").write_text(json.dumps({results.thesis.LATENT_SIZES: 95.2}), encoding="utf-8")
    page = (here / "docs/results.md").read_text(encoding="utf-8")
    capsys.readouterr()
    renew(here, "--dry-run")
    said = capsys.readouterr().out
    assert commands[0] == [] and (here / "docs/results.md").read_text(encoding="utf-8") == page
    assert "mnist-latent-sizes: latent-sizes-mnist-samples.png: it does not say what has made it" in said
    assert f"    95 min  {results.thesis.LATENT_SIZES}" in said and "   unknown  python examples/gan.py" in said
    assert "frey-face-leak" not in said  # it has no figure, and its runs are kept
    renew(here, "frey-face-leak", "--dry-run")
    assert "frey-face-leak: nothing is stale" in capsys.readouterr().out


def test_a_renewal_is_of_the_folder_that_its_commands_write_into(here, commands):
    assert "leave out --runs" in fails(results.main, "--renew", "gan", "--runs", here / "elsewhere")
    assert commands[0] == []


def test_a_dry_run_without_a_renewal_writes_nothing(here):
    assert "--dry-run says what --renew would run: give both" in fails(results.main, "--dry-run")
    assert (here / "docs/results.md").read_text(encoding="utf-8") == PAGE


def test_a_command_is_run_once_and_the_longest_time_is_kept(here, commands):
    ran, _ = commands
    run(here)
    (here / "docs/runs/minutes.json").write_text(json.dumps({results.thesis.LATENT_SIZES: 95.2}), encoding="utf-8")
    renew(here, "mnist-latent-sizes", "mnist-plane")  # of both sections
    assert ran == [results.thesis.LATENT_SIZES]
    assert json.loads((here / "docs/runs/minutes.json").read_text(encoding="utf-8")) == {
        results.thesis.LATENT_SIZES: 95.2
    }


def test_a_renewal_ends_with_the_command_that_fails(here, commands):
    ran, failing = commands
    failing.add("log_likelihood.py")
    text = fails(results.main, "--renew", "mnist-binary", "classifiers",
                 "--page", here / "docs/results.md", "--readme", here / "README.md")  # fmt: skip
    assert "log_likelihood.py runs/vae-mnist-dynamic-z50-seed0" in text and "the same call goes on from there" in text
    assert len(ran) == 2 and [*json.loads((here / "docs/runs/minutes.json").read_text(encoding="utf-8"))] == ran[:1]
    assert (here / "docs/results.md").read_text(encoding="utf-8") == PAGE
    assert "there is no section x: the page has data, mnist-latent-sizes, " in fails(results.main, "--renew", "x")


def test_rate_and_distortion_are_a_table_by_beta(here):
    run(here)
    page = (here / "docs/results.md").read_text(encoding="utf-8")
    assert ["1", "4.50", "71.00", "91.00", "0.75", "4.75", "71.25", "91.25", "19"] in rows(page)
    assert "it does in\n1 of 2." in page  # 5 is not between 1 and 4
    assert "smallest with β = 0.5 on training images and with β = 0.5 on test images" in page


def test_the_optimisers_and_the_missing_pixels_stand_beside_their_peers(here):
    run(here)
    page, readme = (
        (here / "docs/results.md").read_text(encoding="utf-8"),
        (here / "README.md").read_text(encoding="utf-8"),
    )
    assert ["Adam, 0.001", "120.00", "119.00", "116.00", "111.00", "111.00"] in rows(page)
    assert ["SGD, 1", "", "", "", "", "in epoch 1"] in rows(page)
    assert ["MNIST, z = 20, train loss after 10 epochs: Adam (best gradient descent: SGD, 0.01)",
            "Adam, by its advantages", "111.00 (141.00), one seed"] in short_rows(readme)  # fmt: skip
    assert ["MNIST", "k neighbours, mean, k = 5", "0.0300 ± 0.0005", "0.0300 ± 0.0005"] in rows(page)
    assert ["MNIST", "as given", "0.0900", "0.0900"] in rows(page)
    (row,) = [row for row in rows(readme) if "lower half of the pixels missing" in row[0]]
    assert row[2:] == ["0.0100 (0.0300), one seed", "gradient; k neighbours, mean"]
    assert "80.9 % of all its training pixels are 0" in page
