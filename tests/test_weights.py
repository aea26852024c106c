"""Weights alone: written and read back to the bit, in two forms; what is no such file is refused in one sentence."""

from __future__ import annotations

import json
import os
import re
import shutil

import fuzz_files
import numpy as np
import pytest
from fuzz_files import in_file, measured

from scratchnn import (
    VAE,
    Adam,
    Autoencoder,
    BatchNorm,
    Bernoulli,
    Classifier,
    Dense,
    MeanSquaredError,
    ReLU,
    Sequential,
    Sigmoid,
    data,
)  # fmt: skip
from scratchnn.machinery.extras import MissingExtraError
from scratchnn.scripts.command import main
from scratchnn.scripts.trained import load_trained, points_of
from scratchnn.training import CheckpointError, Trainer, load_model, load_weights, save_weights
from scratchnn.training import weights as weights_module
from scratchnn.training.checkpoints import read_checkpoint, take_parameters
from scratchnn.training.weights import Points, WeightsError, named, read_weights

SETTINGS = {"data": "digits", "epochs": 3}


def vae(n_x: int = 6, n_hidden: int = 4, n_z: int = 2, dtype=np.float32) -> VAE:
    rng = np.random.default_rng(3)
    encoder = Sequential([Dense(n_x, n_hidden, rng, b=0.1), ReLU(), Dense(n_hidden, 2 * n_z, rng, b=0.2)])
    decoder = Sequential([Dense(n_z, n_hidden, rng, b=0.3), ReLU(), Dense(n_hidden, n_x, rng, b=0.4)])
    return VAE(encoder, decoder, Bernoulli(), n_z).astype(dtype)


def points(n: int = 5, n_z: int = 2) -> Points:
    rng = np.random.default_rng(4)
    means = rng.standard_normal((n, n_z)).astype(np.float32)
    return Points(means, rng.integers(0, 2, n).astype(np.uint8), (2, 3), ("no", "yes"))


@pytest.fixture(params=[".npz", ".safetensors"])
def path(request, tmp_path):
    """Where weights are written, in either form."""
    if request.param == ".safetensors":
        pytest.importorskip("safetensors")
    return tmp_path / f"w{request.param}"


# ---- written and read back


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_model_comes_back_to_the_bit_with_its_settings_and_points(dtype, path, rng):
    model, where = vae(dtype=dtype), points()
    save_weights(path, model, SETTINGS, points=where)
    again, settings, found = load_weights(path)
    assert type(again) is VAE and again.params.dtype == dtype and again.params.tobytes() == model.params.tobytes()
    assert settings == SETTINGS and repr(again) == repr(model)
    assert found.means.tobytes() == where.means.tobytes() and found.labels.tobytes() == where.labels.tobytes()
    assert found.image_shape == (2, 3) and tuple(found.class_names) == where.class_names
    z = rng.standard_normal((3, 2)).astype(dtype)
    assert again.decode(z).tobytes() == model.decode(z).tobytes()


def test_arrays_are_there_by_name_and_shape_for_anybody(tmp_path):
    model = vae()
    save_weights(tmp_path / "w.npz", model)
    with np.load(tmp_path / "w.npz") as file:  # without pickle, which NumPy refuses unless it is asked for
        assert set(file.files) - {"record"} == {
            f"{network}.{k}.{name}" for network in ("encoder", "decoder") for k in (0, 2) for name in "Wb"
        }
        assert np.array_equal(file["encoder.2.W"], model.encoder.layers[2].W)
        assert json.loads(file["record"].item())["modules"][0]["class"] == "VAE"


def test_safetensors_are_there_for_other_libraries(tmp_path):
    package = pytest.importorskip("safetensors.numpy")
    model = vae()
    save_weights(tmp_path / "w.safetensors", model)
    arrays = package.load_file(tmp_path / "w.safetensors")
    assert arrays.keys() == named(model).keys()
    assert np.array_equal(arrays["decoder.0.W"], model.decoder.layers[0].W)


def test_what_a_network_keeps_of_the_data_comes_along(path, rng):
    network = Sequential([Dense(3, 4, rng), BatchNorm(4), Dense(4, 2, rng)])
    model = Classifier(network)
    model.forward(rng.standard_normal((9, 3)).astype(np.float32), np.zeros(9, int))  # averages are no longer 0
    save_weights(path, model)
    again, _, found = load_weights(path)
    assert found is None and again.buffers.keys() == model.buffers.keys() and len(model.buffers) == 3
    for name, array in model.buffers.items():
        assert again.buffers[name].tobytes() == array.tobytes(), name


def test_half_precision_rounds_every_weight_to_the_nearest_and_halves_the_file(path):
    model = vae(n_x=300, n_hidden=40)
    save_weights(path, model, dtype="float16")
    again = load_weights(path)[0]
    assert again.params.dtype == np.float32
    assert np.array_equal(again.params, model.params.astype(np.float16).astype(np.float32))
    # 11 bits: half a unit in the last place is 2^-11 of the power of two below; the smallest numbers have 2^-25
    assert np.all(np.abs(again.params - model.params) <= np.maximum(np.abs(model.params) * 2**-11, 2**-25))
    half = path.stat().st_size
    save_weights(path, model)
    assert path.stat().st_size - half == 2 * model.params.size


def test_the_same_weights_make_the_same_bytes(path):
    save_weights(path, vae(), SETTINGS, points=points())
    first = path.read_bytes()
    save_weights(path, vae(), SETTINGS, points=points())
    assert path.read_bytes() == first


# ---- what is refused


def refused(call, *arguments) -> str:
    with pytest.raises(WeightsError) as error:
        call(*arguments)
    assert str(error.value).isprintable() and len(str(error.value)) < 1500
    return str(error.value)


def test_weights_that_could_not_be_read_again_are_not_written(path):
    model = vae()
    save_weights(path, model)
    before = path.read_bytes()
    model.params[0] = 70_000
    assert "is not written" in refused(lambda: save_weights(path, model, dtype="float16"))  # 65,504 is the largest
    model.params[0] = np.nan
    assert "encoder.0.W has NaN" in refused(save_weights, path, model)
    assert path.read_bytes() == before and len(list(path.parent.iterdir())) == 1


def test_names_files_and_folders_that_are_no_weights(tmp_path):
    (tmp_path / "folder.npz").mkdir()
    assert "end in .npz or .safetensors" in refused(save_weights, tmp_path / "w.pt", vae())
    assert "end in .npz or .safetensors" in refused(load_weights, tmp_path / "w.pt")
    assert "there is no file of weights" in refused(load_weights, tmp_path / "none.npz")
    assert "is no file" in refused(load_weights, tmp_path / "folder.npz")
    (tmp_path / "text.npz").write_text("no archive", encoding="utf-8")
    assert "cannot be read as a file of weights" in refused(load_weights, tmp_path / "text.npz")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npz")
        assert "is no file" in refused(load_weights, tmp_path / "pipe.npz")


def test_a_checkpoint_given_as_weights_and_weights_given_as_a_checkpoint(tmp_path):
    with in_file(fuzz_files.checkpoint()) as checkpoint:
        told = refused(load_weights, checkpoint)
        assert "is a checkpoint" in told and f"scratchnn weights {checkpoint} --out" in told
    save_weights(tmp_path / "w.npz", vae())
    for read in (read_checkpoint, load_model, lambda path: take_parameters(vae(), path, ("encoder",))):
        with pytest.raises(CheckpointError, match=r"w\.npz holds weights alone, and no checkpoint"):
            read(tmp_path / "w.npz")


def test_without_the_package_a_sentence_names_the_extra(tmp_path, monkeypatch):
    def gone(path):
        raise weights_module.missing(ModuleNotFoundError(name="safetensors"), f"a file such as {path}")

    monkeypatch.setattr(weights_module, "safetensors", gone)
    (tmp_path / "w.safetensors").write_bytes(b"")
    for call in (
        lambda: save_weights(tmp_path / "w.safetensors", vae()),
        lambda: load_weights(tmp_path / "w.safetensors"),
    ):
        with pytest.raises(MissingExtraError, match=r'needs safetensors: .*install "scratchnn\[safetensors\]"'):
            call()


def altered(path, change) -> None:
    """Another record and other arrays, with a checksum that is right."""
    record, arrays = read_weights(path)
    change(record, arrays)
    text = json.dumps({**record, "checksum": weights_module.checksum_of(record, arrays)})
    if path.suffix == ".npz":
        np.savez(path, record=np.array(text), **arrays)
    else:
        path.write_bytes(weights_module.safetensors(path).numpy.save(arrays, {"record": text}))


def array(name: str, value):
    return lambda record, arrays: arrays.update({name: value(arrays[name]) if callable(value) else value})


def row(position: int, **settings):
    return lambda record, arrays: record["modules"][position]["settings"].update(settings)


def first(value):
    def change(a):
        a = a.copy()
        a.flat[0] = value
        return a

    return change


ALTERED = {
    "weights of another shape": (array("decoder.0.W", lambda W: W.T.copy()), r"decoder\.0\.W is of shape \(4, 2\)"),
    "weights in one row": (array("decoder.0.W", lambda W: W.ravel()), r"decoder\.0\.W is of shape \(8,\)"),
    "a layer of 225 million numbers": (
        row(2, n_in=15_000, n_out=15_000),
        "too few parameters for a Dense of 225,015,000",
    ),
    "a layer of other sizes": (
        row(2, n_in=5, n_out=4),
        r"encoder\.0\.W is of shape \(6, 4\), and the model's of \(5, 4\)",
    ),
    "weights that are missing": (lambda record, arrays: arrays.pop("decoder.2.b"), "a Dense of|decoder.2.b is missing"),
    "weights that no layer has": (array("decoder.9.W", np.zeros((2, 2), np.float32)), "it has decoder.9.W"),
    "a layer that is unknown": (
        lambda record, arrays: record["modules"][2].update({"class": "os.system"}),
        "os.system is no layer of this library",
    ),
    "NaN": (array("encoder.0.b", first(np.nan)), "encoder.0.b has NaN or infinite values"),
    "infinity": (array("encoder.0.b", first(np.inf)), "encoder.0.b has NaN or infinite values"),
    "whole numbers": (array("encoder.0.b", lambda b: b.astype(np.int32)), "its arrays are of float32, int32"),
    "bytes": (
        lambda record, arrays: arrays.update({name: np.zeros(a.shape, np.int8) for name, a in arrays.items()}),
        "its arrays are of int8",
    ),
    "labels of two bytes": (
        array("points/labels", lambda a: a.astype(np.uint16)),
        "points/labels are not one for each",
    ),
    "two types": (array("encoder.0.b", lambda b: b.astype(np.float64)), "its arrays are of float32, float64"),
    "no modules": (lambda record, arrays: record.update(modules=[]), "no list of 1 to 1,000 rows"),
    "5,000 modules": (lambda record, arrays: record.update(modules=record["modules"][:1] * 5_000), "no list of 1 to"),
    "settings that are a list": (lambda record, arrays: record.update(settings=[1]), "settings are no mapping"),
    "a record nested 400 deep": (
        lambda record, arrays: record["settings"].update(a=json.loads("[" * 400 + "]" * 400)),
        "nested more than",
    ),
    "points of another type": (array("points/means", lambda a: a.astype(np.float64)), "points/means are no float32"),
    "points in one row": (array("points/means", lambda a: a.ravel()), "points/means are no float32 rows"),
    "points that are NaN": (array("points/means", first(np.nan)), "points/means has NaN"),
    "no points": (lambda record, arrays: arrays.pop("points/means"), "points/means are no float32 rows"),
    "fewer labels than points": (array("points/labels", lambda a: a[1:]), "points/labels are not one for each"),
    "a label without a name": (array("points/labels", first(2)), "a label of its points has no name"),
    "an image without rows": (lambda record, arrays: record["points"].update(image_shape=[0, 3]), "1 to 10,000 rows"),
    "an image of a billion rows": (lambda r, a: r["points"].update(image_shape=[10**9, 3]), "1 to 10,000 rows"),
    "an image of less than no rows": (lambda r, a: r["points"].update(image_shape=[-1, 3]), "1 to 10,000 rows"),
    "an image of less than no columns": (lambda r, a: r["points"].update(image_shape=[3, -1]), "1 to 10,000 rows"),
    "an image of half a row": (lambda record, arrays: record["points"].update(image_shape=[0.5, 3]), "1 to 10,000"),
    "names that are numbers": (lambda r, a: r["points"].update(class_names=[0, 1]), "class_names are no list of texts"),
    "points that are a number": (lambda record, arrays: record.update(points=3), "points are no mapping"),
}


@pytest.mark.parametrize("change, message", ALTERED.values(), ids=ALTERED)
def test_weights_altered_by_hand_are_refused(change, message, path):
    save_weights(path, vae(), SETTINGS, points=points())
    right = measured(lambda: load_weights(path))[2]
    altered(path, change)
    error, _, memory = measured(lambda: load_weights(path))
    assert type(error) is WeightsError and re.search(message, str(error)), repr(error)
    assert str(error).isprintable() and len(str(error)) < 1500
    # nothing of what the file promises is made, but what it holds is read, rows of a table among it
    assert memory < 4 * right + 60 * path.stat().st_size


def test_weights_altered_in_nothing_are_read(path):
    """The one above refuses what it changes, and not how it writes."""
    save_weights(path, vae(), SETTINGS, points=points())
    altered(path, lambda record, arrays: None)
    assert load_weights(path)[1] == SETTINGS


# ---- the command


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A folder with a checkpoint of a VAE of the digits."""
    folder, rng = tmp_path_factory.mktemp("run"), np.random.default_rng(0)
    model = vae(n_x=64, n_hidden=5)
    Trainer(model, Adam(model), rng, {"data": "digits", "split": "contiguous"}).save(folder / "checkpoint.npz")
    return folder


def test_the_command_writes_weights_and_reads_them(run, tmp_path, capsys):
    assert (
        main(["weights", str(run), "--out", str(tmp_path / "deep/w.npz"), "--dtype", "float16", "--points", "7"]) == 0
    )
    told = capsys.readouterr().out
    assert "a VAE of 748 numbers in float16, and where 7 images lie in its latent space" in told
    model, settings, found = load_weights(tmp_path / "deep/w.npz")
    original = load_model(run)[0]
    assert settings["data"] == "digits" and settings["epochs"] == 0 and found.image_shape == (8, 8)
    assert (
        np.allclose(found.means, original.encode(data.load("digits").test[:7])[0], atol=1e-6)
        and len(found.class_names) == 10
    )
    pytest.importorskip("safetensors")
    assert main(["weights", str(tmp_path / "deep/w.npz"), "--out", str(tmp_path / "w.safetensors")]) == 0
    again, settings_again, found_again = load_weights(tmp_path / "w.safetensors")
    assert np.array_equal(again.params, model.params) and settings_again == settings
    assert np.array_equal(found_again.means, found.means)


@pytest.mark.parametrize(
    "arguments, message",
    [
        (["{run}", "--out", "w.pt"], "error: weights lie in files that end in .npz or .safetensors, and w.pt does not"),
        (["{run}/none", "--out", "w.npz"], r"error: there is no checkpoint .*none"),
        (["{folder}/broken.npz", "--out", "w.npz"], r"error: .*broken.npz cannot be read as a checkpoint"),
        (["{folder}/classifier.npz", "--out", "w.npz", "--points", "3"], "error: a Classifier has no decoder"),
        (["{folder}/blind.npz", "--out", "w.npz", "--points", "3"], "error: the model was made for other images"),
        (
            ["{folder}/silent.npz", "--out", "w.npz", "--points", "3"],
            "error: the checkpoint does not say on which data",
        ),
        (["{run}", "--out", "{folder}/broken.npz/w.npz"], "error: cannot write into .*broken.npz"),
    ],
)
def test_a_mistake_is_one_sentence(arguments, message, run, tmp_path, monkeypatch, rng):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "broken.npz").write_text("broken", encoding="utf-8")
    save_weights(tmp_path / "classifier.npz", Classifier(Sequential([Dense(64, 10, rng)])), {"data": "digits"})
    save_weights(tmp_path / "blind.npz", vae(n_x=63), {"data": "digits"})
    save_weights(tmp_path / "silent.npz", vae(n_x=64))
    with pytest.raises(SystemExit) as stop:
        main(["weights", *(argument.format(run=run, folder=tmp_path) for argument in arguments)])
    assert re.match(message, stop.value.code) and "\n" not in stop.value.code
    assert not (tmp_path / "w.npz").exists()


def test_an_autoencoder_s_codes_are_its_points(tmp_path, rng):
    encoder, decoder = Sequential([Dense(64, 3, rng)]), Sequential([Dense(3, 64, rng), Sigmoid()])
    save_weights(tmp_path / "a.npz", Autoencoder(encoder, decoder, MeanSquaredError()), {"data": "digits"})
    model, settings, none = load_trained(tmp_path / "a.npz")
    found = points_of(model, settings, 4)
    assert none is None and np.allclose(found.means, model.encode(data.load("digits").test[:4]), atol=1e-6)


def test_a_run_that_is_moved_is_still_told_from_weights(run, tmp_path):
    shutil.copy(run / "checkpoint.npz", tmp_path / "w.npz")
    assert load_trained(tmp_path / "w.npz")[1]["epochs"] == 0


def test_settings_by_number_and_many_batches_can_be_read_again(tmp_path, rng):
    """JSON has texts for keys, in another order; and a float16 has no 70,000, of which "some" is all that matters."""
    layer = BatchNorm(3)
    layer.buffers["batches"][...] = 70_000
    save_weights(tmp_path / "w.npz", layer, {"epochs_of": {2: 80, 10: 50}}, dtype="float16")
    model, settings, _ = load_weights(tmp_path / "w.npz")
    assert settings["epochs_of"] == {"2": 80, "10": 50} and model.buffers["batches"].any()


def test_a_checkpoint_is_not_written_over(tmp_path, capsys):
    """The optimiser and the history of the training would be gone."""
    rng = np.random.default_rng(0)
    model = Autoencoder(Dense(3, 2, rng), Dense(2, 3, rng), MeanSquaredError())
    t = Trainer(model, Adam(model), rng)
    path = tmp_path / "checkpoint.npz"
    t.save(path)
    before = path.read_bytes()
    with pytest.raises(SystemExit, match="is there, and no file of weights"):
        main(["weights", str(tmp_path), "--out", str(path)])
    assert path.read_bytes() == before


@pytest.mark.parametrize("name", ["thesis.npz", "thesis.safetensors"])
def test_what_is_no_file_of_weights_is_not_written_over(name, run, tmp_path):
    pytest.importorskip("safetensors")
    (tmp_path / name).write_text("precious", encoding="utf-8")
    with pytest.raises(SystemExit, match="is there, and no file of weights: choose another name"):
        main(["weights", str(run), "--out", str(tmp_path / name)])
    assert (tmp_path / name).read_text(encoding="utf-8") == "precious"
    with pytest.raises(SystemExit, match="weights lie in files that end in"):
        main(["weights", str(run), "--out", str(tmp_path / "new/w.txt")])
    assert not (tmp_path / "new").exists()


def test_a_folder_may_be_called_as_a_file_is(run, tmp_path):
    shutil.copytree(run, tmp_path / "w.safetensors")
    assert load_trained(tmp_path / "w.safetensors")[1]["epochs"] == 0
    with pytest.raises(WeightsError, match="there is no file of weights"):
        load_trained(tmp_path / "none.safetensors")


def test_weights_in_double_precision_are_used_in_single_and_kept(path, tmp_path, capsys):
    """Images are float32, and a layer takes what it has itself."""
    model = vae(n_x=64, dtype=np.float64)
    save_weights(path, model, {"data": "digits"})
    found, settings, _ = load_trained(path)
    assert found.params.dtype == np.float32
    assert points_of(model, settings, 3).means.shape == (3, 2)
    assert main(["explore", str(path), "--html", str(tmp_path / "p.html"), "--points", "9"]) == 0
    copy = path.with_stem("copy")
    assert main(["weights", str(path), "--out", str(copy), "--points", "5"]) == 0
    again, _, points = load_weights(copy)
    assert again.params.dtype == np.float64 and len(points.means) == 5
    np.testing.assert_array_equal(again.params, model.params)


@pytest.mark.parametrize(
    "settings",
    [
        {"data": ["mnist"]},
        {"data": {"a": 1}},
        {"data": "digits", "split": 3},
        {"data": "digits", "binarisation": 5},
        {"data": "digits", "binarisation": "of a later version"},
        {"data": "digits", "binarisation": ["none"]},
    ],
)
def test_settings_that_name_no_images_are_one_sentence(settings, tmp_path):
    save_weights(tmp_path / "w.npz", vae(n_x=64), settings)
    with pytest.raises(SystemExit, match=r"^error: its images cannot be had: its settings say data .*, split .*"):
        main(["explore", str(tmp_path / "w.npz"), "--html", str(tmp_path / "p.html")])


def test_averages_that_have_seen_nothing_are_written_and_negative_ones_are_not(path):
    model = Sequential([Dense(4, 3, np.random.default_rng(0)), BatchNorm(3)])
    save_weights(path, model)
    assert not load_weights(path)[0].buffers["1.batches"].any()
    model.buffers["1.var"][1] = -1
    with pytest.raises(WeightsError, match=r"is not written, .*: its 1\.var has negative values"):
        save_weights(path, model)
