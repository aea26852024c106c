"""The section of the convolutional generators, from made-up summaries, so that every number in it can be predicted."""

from __future__ import annotations

import json

import pytest
from results_sections import gans
from results_sections.runs import MissingRunsError, Sources, runs_under
from results_sections.thesis import THESIS_SETTINGS

SHARED = {"data": "fashion-mnist", "latent": 20, "batch_size": 100, "binarisation": "none"}
DENSE = {**THESIS_SETTINGS, "shuffle": True, "epochs": 50}
MODEL = (  # 2·3·3·3 + 3, 3·4·2·2 + 4, (5 + 1)·6
    "VAE(Sequential([Conv2D(2, 3, 3, stride=2), ConvTranspose2D(3, 4, 2)]), Sequential([Dense(5, 6)]), n_z=20)"
)
KINDS = ("test images", "training images", "VAE, convolutional", "VAE, dense", "GAN, convolutional", "GAN, dense",
         "speckle", "noise")  # fmt: skip


def write(folder, experiment: str, settings: dict, figures: dict) -> None:
    folder.mkdir(parents=True)
    content = {"experiment": experiment, "figures": figures, "settings": settings, "versions": {"numpy": "9.9"}}
    (folder / "summary.json").write_text(json.dumps(content), encoding="utf-8")


def losses(above: float) -> dict[str, float]:
    """Of a VAE whose test loss lies so far above a floor of 190."""
    return {"test_loss": 190 + above, "test_reconstruction": 175 + above, "test_kl": 15.0, "test_floor": 190.0}


def write_generators(folder, seed: int, **more: float) -> None:
    """Every kind has another precision and recall: 0.9 and 0.05, 0.8 and 0.15, …"""
    images = {
        kind: {"precision": 0.9 - k / 10 + more.get("precision", 0), "recall": 0.05 + k / 10, "variety": 9.0 + k}
        for k, kind in enumerate(KINDS)
    }
    settings = {**SHARED, "seed": seed, "images": 5000, "neighbours": 3, "speckle": 0.05,
                "epochs": {"vae": 50, "gan": 50}, "parameters": {"GAN": f"of seed {seed}"}}  # fmt: skip
    write(folder, "conv-generators", settings, {"images": images, "classifier_test_accuracy": 0.9075})
    for name in ("samples", "precision_and_recall", "losses"):
        (folder / f"{name}.png").write_bytes(b"")


@pytest.fixture
def here(tmp_path):
    """One run of both generators; three seeds of each VAE, the narrow ones 40, 41, 42 and 44, 45, 46 above the
    floor."""
    write_generators(tmp_path / "conv-0", 0)
    for seed in (0, 1, 2):
        settings = {**SHARED, "seed": seed, "model": MODEL}
        write(tmp_path / f"conv-{seed}/vae", "conv-vae", {**settings, "epochs": 50}, losses(40.0 + seed))
        wide = {**settings, "epochs": 50, "channels": [32, 64]}
        write(tmp_path / f"wide-{seed}/vae", "conv-vae", wide, losses(38.0 + seed))
        write(tmp_path / f"dense-{seed}", "vae", {**settings, **DENSE}, losses(44.0 + seed))
        write(tmp_path / f"dense-wide-{seed}", "vae", {**settings, **DENSE, "hidden": 1000}, losses(43.5 + seed))
    return tmp_path


def written(folder):
    return gans.conv_generators(Sources(runs_under(folder), folder / "figures"))


def rows(text: str) -> list[list[str]]:
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line[:1] == "|"]


def test_the_numbers_of_one_run(here):
    section = written(here)
    assert ["test images", "0.900", "0.050", "9.00"] in rows(section.text)
    assert ["GAN, dense", "0.400", "0.550", "14.00"] in rows(section.text)
    n_parameters = str(2 * 3 * 9 + 3 + 3 * 4 * 4 + 4 + 6 * 6)
    for name, loss, reconstruction, above in (
        ("convolutional, 16 and 32 channels", "231.00 ± 1.00", "216.00 ± 1.00 + 15.00 ± 0.00", "41.00 ± 1.00"),
        ("convolutional, 32 and 64 channels", "229.00 ± 1.00", "214.00 ± 1.00 + 15.00 ± 0.00", "39.00 ± 1.00"),
        ("dense, 500-500", "235.00 ± 1.00", "220.00 ± 1.00 + 15.00 ± 0.00", "45.00 ± 1.00"),
        ("dense, 1000-1000", "234.50 ± 1.00", "219.50 ± 1.00 + 15.00 ± 0.00", "44.50 ± 1.00"),
    ):
        assert [name, n_parameters, "3", loss, reconstruction, above] in rows(section.text)
    text = " ".join(section.text.split())
    assert "accuracy of 90.75 %" in text and "5,000 images of each kind" in text and "k = 3" in text
    assert "which 5 % of the pixels" in text and "precision 0.900 and recall 0.050" in text
    assert "the convolutional one lies 4.00 nats below, more than twice the larger spread, 1.00; with" in text
    assert "twice the channels it lies 6.00 nats below, more than" in text
    assert "1000-1000, lies 0.50 nats below, not more than" in text
    assert "wide convolutional one lies 5.50 nats below, more than" in text
    assert "have a bias" in text and "fifty epochs each; one seed." in text
    assert section.short == [
        ("Fashion-MNIST, precision and recall of a GAN's images (of a VAE's)",
         "higher quality, less varied than a VAE's",
         "0.500 and 0.450 (0.700 and 0.250), one seed"),
        ("Fashion-MNIST, z = 20, convolutional VAE of 16 and 32 channels, of 32 and 64: test loss − floor (of the "
         "dense VAE of 500-500, of 1000-1000)", "", "41.00 ± 1.00, 39.00 ± 1.00 (45.00 ± 1.00, 44.50 ± 1.00)"),
    ]  # fmt: skip


def test_two_seeds_are_averaged(here):
    write_generators(here / "again", 1, precision=0.02)
    section = written(here)
    assert ["test images", "0.910 ± 0.014", "0.050 ± 0.000", "9.00 ± 0.00"] in rows(section.text)
    assert section.short[0][2] == "0.510 ± 0.014 and 0.450 ± 0.000 (0.710 ± 0.014 and 0.250 ± 0.000)"


def test_the_verdict_follows_from_the_seeds():
    assert gans.difference([40, 42], [43, 45]) == "3.00 nats below, more than twice the larger spread, 1.41"
    assert "not more than twice" in gans.difference([40, 42], [42, 44])
    assert "1.00 nats above, not more than twice" in gans.difference([42, 44], [42, 42])
    assert gans.difference([41], [43, 43]) == (
        "2.00 nats below (the spread of its seeds, or of the other's, is not known)"
    )


def test_the_dense_vaes_that_are_compared_are_the_same_in_all_but_the_layers(here):
    for seed in (0, 1, 2):
        path = here / f"dense-{seed}/summary.json"
        content = json.loads(path.read_text(encoding="utf-8"))
        content["settings"]["epochs"] = 100
        path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(MissingRunsError, match=r"a run of vae with .*data fashion-mnist, latent 20, epochs 50"):
        written(here)


def test_the_commands_make_what_the_section_needs():
    (section,) = (section for section in gans.SECTIONS if section.name == "conv-generators")
    assert section.marks == [{"experiment": "conv-generators", "data": "fashion-mnist"}]
    assert [command.split()[1] for command in section.commands] == (
        ["examples/vae.py", "examples/gan.py", "examples/conv_generators.py"]
        + 2 * ["examples/vae.py", "examples/conv_generators.py"]
        + 3 * ["examples/conv_generators.py", "examples/vae.py"]
    )
    (own,) = (command for command in section.commands if "--gan" in command)
    assert "--vae runs/vae-fashion-mnist-z20-seed0 --gan runs/gan-fashion-mnist-seed0/batch-norm" in own
