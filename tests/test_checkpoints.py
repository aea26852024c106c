"""A model comes back from what a run wrote: the same numbers, and no code executed."""

from __future__ import annotations

import json

import numpy as np
import pytest

from scratchnn import VAE, Adam, Bernoulli, Classifier, Dense, Dropout, Gaussian, ReLU, Sequential, SigmoidMean
from scratchnn.checkpoints import BUILDING_BLOCKS, CheckpointError, load_model
from scratchnn.training import Trainer


def vae(rng, likelihood, *top) -> VAE:
    width = 10 if top else 5
    encoder = Sequential([Dense(5, 7, rng, b=0.1), ReLU(), Dense(7, 4, rng, b=0.2)])
    return VAE(encoder, Sequential([Dense(2, width, rng, b=0.3), *top]), likelihood, n_z=2)


def saved(model, path, **settings):
    Trainer(model, Adam(model), np.random.default_rng(0), settings).save(path)
    return path


@pytest.mark.parametrize("kind", ["bernoulli", "gaussian", "classifier", "float64"])
def test_a_model_comes_back_as_it_was(kind, rng, tmp_path):
    model = {
        "bernoulli": lambda: vae(rng, Bernoulli()),
        "gaussian": lambda: vae(rng, Gaussian(), SigmoidMean()),
        "classifier": lambda: Classifier(Sequential([Dense(5, 3, rng, b=0.1)])),
        "float64": lambda: vae(rng, Bernoulli()).astype(np.float64),
    }[kind]()
    path = saved(model, tmp_path / "checkpoint.npz", data="digits")

    def show(m, x):
        return m.probabilities(x) if kind == "classifier" else m.reconstruct(x)

    for source in (path, tmp_path):  # the file or its folder
        again, settings = load_model(source)
        assert repr(again) == repr(model) and settings["data"] == "digits"
        assert again.params.dtype == model.params.dtype
        np.testing.assert_array_equal(again.params, model.params)
        x = rng.random((6, 5)).astype(model.params.dtype)
        np.testing.assert_array_equal(show(again, x), show(model, x))


def test_layers_of_dropout_draw_masks_of_their_own(rng, tmp_path):
    """And the model that comes back is the same at every load."""
    model = Classifier(Sequential([Dropout(0.5, rng), Dropout(0.5, rng), Dense(5, 3, rng)]))
    path, x = saved(model, tmp_path / "checkpoint.npz"), np.ones((40, 5), np.float32)
    masks = []
    for _ in range(2):
        again, _ = load_model(path)
        masks.append([again.network.layers[position].forward(x) > 0 for position in (0, 1)])
    assert (masks[0][0] != masks[0][1]).any()
    np.testing.assert_array_equal(masks[1], masks[0])


def test_every_public_layer_can_stand_in_a_checkpoint():
    import scratchnn
    from scratchnn import losses
    from scratchnn.layers import Layer

    public = {name for name in scratchnn.__all__ if issubclass(getattr(scratchnn, name), Layer)}
    assert public - {name for name in public if hasattr(losses, name)} <= BUILDING_BLOCKS.keys()


@pytest.mark.parametrize(
    "text, message",
    [
        ("Sequential([Dense(5, 2), Conv3D(2)])", "Conv3D is no layer of this library"),
        ("__import__('os').getcwd()", r"__import__\('os'\).getcwd is no layer of this library"),
        ("Sequential([Dense(5, 2)])", r"P|shape"),
        ("Sequential([Dense(5, 2", "holds no model that this version can build"),
        ("Sequential([Dense(5, 2, 3, 4, 5, 6)])", "holds no model"),
        ("Sequential([open])", "holds no model"),
    ],
)
def test_a_text_that_is_no_model_is_refused_and_never_run(text, message, rng, tmp_path):
    path = saved(vae(rng, Bernoulli()), tmp_path / "c.npz")
    with np.load(path) as content:
        arrays = {name: content[name] for name in content.files}
    record = json.loads(str(arrays.pop("record")))
    record["settings"]["model"] = text
    np.savez(path, record=np.array(json.dumps(record)), **arrays)
    with pytest.raises(CheckpointError, match=message):
        load_model(path)


def test_a_folder_without_a_run_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"there is no checkpoint .*checkpoint\.npz"):
        load_model(tmp_path)
