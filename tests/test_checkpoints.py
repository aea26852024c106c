"""A model comes back from what a run wrote: the same numbers, and no code executed; and a damaged file is refused."""

from __future__ import annotations

import copy
import functools
import json
import tempfile
import warnings
from pathlib import Path

import numpy as np
import pytest
from cases import CASES
from hypothesis import given
from hypothesis import strategies as st

import scratchnn
from scratchnn import (
    IWAE,
    VAE,
    Adam,
    Autoencoder,
    BatchNorm,
    Bernoulli,
    BinaryCrossEntropy,
    Classifier,
    ContinuousBernoulli,
    Dense,
    DiscretisedLogistic,
    Dropout,
    Gaussian,
    Identity,
    MeanSquaredError,
    ReLU,
    Sequential,
    SigmoidMean,
    layers,
)
from scratchnn.layers import Layer, Module
from scratchnn.training import Trainer
from scratchnn.training.checkpoints import (
    BUILDING_BLOCKS,
    FORMAT,
    OF_OPTIMISER,
    CheckpointError,
    OtherRunError,
    arrays_of,
    by_name,
    checksum,
    fingerprint,
    first_difference,
    intact,
    load_model,
    model_section,
    modules_of,
    one_line,
    read_checkpoint,
    take_parameters,
    verified_state,
    verify_arrays,
    write_checkpoint,
)


def vae(rng, likelihood, *top) -> VAE:
    width = 10 if top else 5
    encoder = Sequential([Dense(5, 7, rng, b=0.1), ReLU(), Dense(7, 4, rng, b=0.2)])
    return VAE(encoder, Sequential([Dense(2, width, rng, b=0.3), *top]), likelihood, n_z=2)


def iwae(rng, n_draws) -> IWAE:
    networks = vae(rng, Bernoulli())
    return IWAE(*copy.deepcopy((networks.encoder, networks.decoder)), Bernoulli(), n_z=2, n_draws=n_draws)


def saved(model, path, **settings):
    Trainer(model, Adam(model), np.random.default_rng(0), settings).save(path)
    return path


def autoencoder(rng, loss) -> Autoencoder:
    return Autoencoder(Dense(5, 2, rng, b=0.1), Sequential([ReLU(), Dense(2, 5, rng, b=0.2)]), loss)


@pytest.mark.parametrize(
    "kind",
    ["bernoulli", "gaussian", "continuous", "discretised", "iwae", "classifier", "float64", "autoencoder", "logits"],
)
def test_a_model_comes_back_as_it_was(kind, rng, tmp_path):
    model = {
        "bernoulli": lambda: vae(rng, Bernoulli()),
        "gaussian": lambda: vae(rng, Gaussian(), SigmoidMean()),
        "continuous": lambda: vae(rng, ContinuousBernoulli()),
        "discretised": lambda: vae(rng, DiscretisedLogistic(7), Identity()),
        "iwae": lambda: iwae(rng, 3),
        "classifier": lambda: Classifier(Sequential([Dense(5, 3, rng, b=0.1)])),
        "float64": lambda: vae(rng, Bernoulli()).astype(np.float64),
        "autoencoder": lambda: autoencoder(rng, MeanSquaredError()),
        "logits": lambda: autoencoder(rng, BinaryCrossEntropy()),
    }[kind]()
    path = saved(model, tmp_path / "checkpoint.npz", data="digits")

    def show(m, x):
        return m.probabilities(x) if kind == "classifier" else m.reconstruct(x)

    for source in (path, tmp_path, str(path), str(tmp_path), f"{tmp_path}/"):  # the file or its folder, also as a text
        again, settings = load_model(source)
        assert repr(again) == repr(model) and settings["data"] == "digits" and settings["epochs"] == 0
        assert again.params.dtype == model.params.dtype
        np.testing.assert_array_equal(again.params, model.params)
        x = rng.random((6, 5)).astype(model.params.dtype)
        np.testing.assert_array_equal(show(again, x), show(model, x))


@pytest.mark.parametrize("n_draws", [None, 2, 3])
def test_parameters_are_taken_from_a_model_of_another_loss(n_draws, rng, tmp_path):
    """By an IWAE of 3 draws: from a VAE, and from IWAEs."""
    source = vae(rng, Bernoulli()) if n_draws is None else iwae(rng, n_draws)
    path = saved(source, tmp_path / "checkpoint.npz", data="digits")
    for place in (path, tmp_path):
        model = iwae(rng, 3)
        training = take_parameters(model, place, ("encoder", "decoder", "likelihood"))
        np.testing.assert_array_equal(model.params, source.params)
        assert training["settings"]["data"] == "digits" and training["history"] == []


def test_parameters_of_other_parts_are_refused_and_nothing_is_taken(rng, tmp_path):
    model, alike = iwae(rng, 3), ("encoder", "decoder", "likelihood")
    before = model.params.copy()
    deeper = VAE(Sequential([Dense(5, 7, rng), ReLU(), ReLU(), Dense(7, 4, rng)]), Dense(2, 5, rng), Bernoulli(), 2)
    for other in (deeper, autoencoder(rng, MeanSquaredError()), vae(rng, Gaussian(), SigmoidMean())):
        with pytest.raises(OtherRunError, match="is of another run: it has decoder"):
            take_parameters(model, saved(other, tmp_path / "other.npz"), alike)
    double = saved(iwae(rng, 3).astype(np.float64), tmp_path / "double.npz")
    with pytest.raises(CheckpointError, match="model/params is float64 of shape"):
        take_parameters(model, double, alike)
    np.testing.assert_array_equal(model.params, before)


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


def test_every_public_module_can_stand_in_a_checkpoint():
    public = {name for name in scratchnn.__all__ if issubclass(getattr(scratchnn, name), Module)}
    assert public <= BUILDING_BLOCKS.keys()


LAYERS = [cls for cls in CASES if issubclass(cls, Layer) and cls is not Sequential]


@pytest.mark.parametrize("cls", LAYERS, ids=lambda cls: cls.__name__)
def test_every_layer_comes_back_with_its_settings_and_buffers(cls, rng, tmp_path):
    """All but the generator, which the one that loads provides, and the numbers, which are in the arrays."""
    layer, arguments = CASES[cls].make(rng), (*CASES[cls].inputs(rng), *CASES[cls].constants(rng))
    layer.forward(*arguments)  # the running averages move
    record, arrays = model_section(layer)
    write_checkpoint(tmp_path / "c.npz", {"model": record}, arrays)
    again, _ = load_model(tmp_path / "c.npz")
    assert type(again) is cls and repr(again) == repr(layer) and modules_of(again) == modules_of(layer)
    np.testing.assert_array_equal(again.params, layer.params)
    assert again.buffers.keys() == layer.buffers.keys()
    for name, array in layer.buffers.items():
        np.testing.assert_array_equal(again.buffers[name], array)
    for module in (layer, again):
        module.train(False)
    np.testing.assert_array_equal(again.forward(*arguments), layer.forward(*arguments))


def test_a_network_of_every_layer_s_kind_is_a_table(rng):
    """Each row: the place in the tree, the class, and what it was made with; biases and weights are in the arrays."""
    network = Sequential(
        [
            layers.Reshape((1, 4, 4)),
            layers.Conv2D(1, 3, 3, rng, stride=2, padding="same", b=0.5),
            Sequential([BatchNorm(3, eps=1e-3), ReLU()]),
            Dropout(np.float32(0.5), rng),
        ]
    )
    assert modules_of(network) == [
        {"name": "", "class": "Sequential", "settings": {}},
        {"name": "0", "class": "Reshape", "settings": {"shape": [1, 4, 4]}},
        {
            "name": "1",
            "class": "Conv2D",
            "settings": {"c_in": 1, "c_out": 3, "kernel": [3, 3], "stride": [2, 2], "padding": "same"},
        },
        {"name": "2", "class": "Sequential", "settings": {}},
        {"name": "2.0", "class": "BatchNorm", "settings": {"n_units": 3, "momentum": 0.1, "eps": 0.001}},
        {"name": "2.1", "class": "ReLU", "settings": {}},
        {"name": "3", "class": "Dropout", "settings": {"rate": 0.5}},
    ]
    assert by_name(modules_of(vae(rng, Bernoulli()))) == {
        "model": "VAE(n_z=2)",
        "encoder": "Sequential()",
        "encoder.0": "Dense(n_in=5, n_out=7)",
        "encoder.1": "ReLU()",
        "encoder.2": "Dense(n_in=7, n_out=4)",
        "decoder": "Sequential()",
        "decoder.0": "Dense(n_in=2, n_out=5)",
        "likelihood": "Bernoulli()",
        "sampler": "Reparameterise()",
        "divergence": "KLToStandardNormal()",
    }


def test_the_model_section_stands_alone(rng, tmp_path):
    """A file without optimiser and history is a model, and no run to go on with."""
    model = Classifier(Sequential([Dense(5, 3, rng, b=0.1), BatchNorm(3)]))
    model.forward(rng.random((6, 5)).astype(np.float32), np.zeros(6, int))
    record, arrays = model_section(model)
    assert not any(name.startswith("training") for name in arrays)
    path = tmp_path / "model.npz"
    write_checkpoint(path, {"model": record}, arrays)
    again, settings = load_model(path)
    assert settings == {"epochs": 0} and repr(again) == repr(model)
    x = rng.random((4, 5)).astype(np.float32)
    np.testing.assert_array_equal(again.probabilities(x), model.probabilities(x))
    with pytest.raises(CheckpointError, match=r"model\.npz holds a model, and no training to go on with$"):
        Trainer(model, Adam(model), np.random.default_rng(0)).restore(path)
    with pytest.raises(CheckpointError, match=r"model\.npz holds a model, and nothing of its training$"):
        take_parameters(model, path, ["network"])


def test_the_model_section_of_a_run_s_checkpoint_is_the_whole_model(rng, tmp_path):
    """Cut out of the file, arrays and all, it loads as before: nothing in it leans on the rest."""
    path = saved(vae(rng, Bernoulli()), tmp_path / "c.npz", data="digits")
    record, arrays = read_checkpoint(path)
    before, _ = load_model(path)
    mine = {name: array for name, array in arrays.items() if name.startswith("model/")}
    write_checkpoint(path, {"model": record["model"]}, mine)
    assert read_checkpoint(path)[0]["model"]["checksum"] == record["model"]["checksum"]
    np.testing.assert_array_equal(load_model(path)[0].params, before.params)


# ---- what is refused


def rewritten(path: Path, change) -> Path:
    """The checkpoint with a change in its record or arrays, and with checksums that are right."""
    record, arrays = read_checkpoint(path)
    change(record, arrays)
    write_checkpoint(path, record, arrays)
    return path


def row(position: int, **changes):
    return lambda record, arrays: record["model"]["modules"][position].update(changes)


@pytest.mark.parametrize(
    "change, message",
    [
        (row(2, **{"class": "Conv3D"}), "Conv3D is no layer of this library"),
        (row(2, **{"class": "__import__('os').getcwd"}), r"__import__\('os'\).getcwd is no layer of this library"),
        (row(2, **{"class": "open"}), "open is no layer of this library"),
        (row(2, **{"class": "load_model"}), "load_model is no layer"),
        (row(2, settings={"n_in": 5, "n_out": 6}), r"model/params is float32 of shape \(89,\), and the model's"),
        (row(2, settings={"n_in": 5, "n_out": "6"}), "holds no model that this version can build: Dense needs as its"),
        (row(2, settings={"n_in": 5, "n_out": 7, "colour": 3}), "holds no model .*colour"),
        (row(2, settings=[5, 7]), "a row of its modules has no name, class or settings"),
        (
            row(2, settings={"n_in": 5, "n_out": 10**15}),
            "holds no model .* too few parameters for a Dense of 6,000,000,000,000,000",
        ),
        (row(0, settings={"n_z": 0}), "holds no model .*n_z a whole number from 1 upwards, got 0"),
        (row(0, **{"class": "Dense"}), "holds no model"),
        (row(0, name="elsewhere"), "holds no model .*''"),
        (lambda record, arrays: record["model"]["modules"].clear(), "its modules are no list of 1 to 1,000 rows"),
        (lambda record, arrays: record["model"].update(modules="VAE()"), "its modules are no list"),
        (lambda record, arrays: record["model"]["modules"].pop(), "holds no model .*its table lacks modules$"),
        (lambda record, arrays: record["model"].pop("modules"), "its modules are no list"),
        (lambda record, arrays: arrays.pop("model/params"), "model/params is missing"),
        (
            lambda record, arrays: arrays.update({"model/params": np.zeros(89, int)}),
            r"model/params is int64 of shape \(89,\)",
        ),
        (lambda record, arrays: record["training"].update(settings=3), "its settings are no mapping"),
    ],
)
def test_what_is_no_model_is_refused_and_never_run(change, message, rng, tmp_path):
    path = rewritten(saved(vae(rng, Bernoulli()), tmp_path / "c.npz"), change)
    with pytest.raises(CheckpointError, match=message) as error:
        load_model(path)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("size, dtype", [(6, np.float32), (8, np.float32), (7, np.int8), (7, np.float64)])
def test_an_array_of_another_size_or_type_is_refused(size, dtype, rng):
    """Smaller or larger, narrower or wider."""
    layer = Dense(6, 1, rng)
    verify_arrays(layer, {"model/params": np.zeros(7, np.float32)})
    with pytest.raises(ValueError, match=rf"model/params is {np.dtype(dtype)} of shape \({size},\), and the model's"):
        verify_arrays(layer, {"model/params": np.zeros(size, dtype)})


def test_a_section_that_is_nested_too_deeply_was_never_written():
    nested: dict = {}
    for _ in range(100_000):
        nested = {"in": nested}
    with pytest.raises(RecursionError):
        checksum("model", nested, {})
    assert not intact("model", {"checksum": "", "in": nested}, {})
    while nested:  # what is freed at once would need as deep a stack
        nested = nested["in"]


@pytest.mark.parametrize(
    "losses, keeps_best, epochs",
    [
        ([3.0, 1.0, 2.0], True, 2),
        ([3.0, 1.0, 2.0], False, 3),  # no early stopping: the model is that of the last epoch
        ([3.0, None, 2.0], True, 3),  # and where it has not been measured, nothing says which was the best
        ([None, None, None], False, 3),
        ([], True, 0),
    ],
)
def test_a_model_says_how_many_epochs_it_saw(losses, keeps_best, epochs, rng, tmp_path):
    model = autoencoder(rng, MeanSquaredError())
    trainer = Trainer(model, Adam(model), rng)
    for epoch, loss in enumerate(losses, 1):
        trainer.history.append({"epoch": epoch, "train_loss": 1.0, "seconds": 1.0})
        trainer.history[-1] |= {} if loss is None else {"held_out_loss": loss}
        trainer.iteration_losses.append(1.0)
    trainer.best = arrays_of(model) if keeps_best else {}
    trainer.save(tmp_path / "c.npz")
    assert load_model(tmp_path / "c.npz")[1]["epochs"] == epochs


def test_a_folder_without_a_run_is_named(tmp_path):
    for source in (tmp_path, str(tmp_path)):
        with pytest.raises(CheckpointError, match=r"there is no checkpoint .*checkpoint\.npz"):
            load_model(source)


def test_a_checkpoint_of_another_run_says_what_tells_them_apart(rng, tmp_path):
    path = saved(vae(rng, Bernoulli()), tmp_path / "c.npz", data="digits", seed=3)
    with pytest.raises(OtherRunError) as error:
        model = vae(rng, Bernoulli())
        Trainer(model, Adam(model), rng, {"data": "digits", "seed": 4}).restore(path)
    assert error.value.difference == "it has seed = 3, and this run has 4"
    assert str(error.value) == f"{path} is of another run: {error.value.difference}"
    deeper = vae(rng, Bernoulli(), Dense(10, 5, rng))
    with pytest.raises(OtherRunError, match=r"it has decoder\.0 = Dense\(n_in=2, n_out=5\), and this run has .*10\)$"):
        Trainer(deeper, Adam(deeper), rng, {"data": "digits", "seed": 3}).restore(path)


def test_the_first_difference_is_that_of_the_first_name(tmp_path):
    assert first_difference({"a": 1, "b": [2]}, {"b": [2], "a": 1}) is None
    assert first_difference({"a": 1, "b": 2}, {"a": 1, "b": 3, "c": 4}) == "it has b = 3, and this run has 2"
    assert first_difference({"a": 1}, {}) == "it has a = None, and this run has 1"


def test_fingerprints_tell_parameters_apart(rng):
    params = rng.normal(size=9).astype(np.float32)
    other = params.copy()
    other[-1] = np.nextafter(other[-1], np.float32(9))
    assert len(fingerprint(params)) == 16 and fingerprint(params) == fingerprint(params.copy()) != fingerprint(other)


# ---- other formats


def test_a_checkpoint_without_a_format_is_refused_in_a_sentence_that_names_both(rng, tmp_path):
    """As the first version wrote them: arrays by single names, and the architecture as a text among the settings."""
    path = tmp_path / "checkpoint.npz"
    record = {
        "settings": {"model": "Sequential([Dense(5, 2)])", "optimizer": "Adam(lr=0.001)"},
        "history": [{"epoch": 1, "train_loss": 2.0, "seconds": 0.1}],
        "generator": np.random.default_rng(0).bit_generator.state,
        "optimizer": {"t": 13},
    }
    arrays = {name: np.zeros(12, np.float32) for name in ("params", "optimizer_m", "optimizer_v")}
    np.savez(path, record=np.array(json.dumps(record)), iteration_losses=np.zeros(13), snapshots=np.zeros(0), **arrays)
    sentence = (
        f"{path} is a checkpoint of format 1, and this version reads format 2: train again, or load it with the "
        "version that wrote it"
    )
    model = Sequential([Dense(5, 2, rng)])
    for read in (read_checkpoint, load_model, Trainer(model, Adam(model), np.random.default_rng(0)).restore):
        with pytest.raises(CheckpointError) as error:
            read(path)
        assert str(error.value) == sentence and FORMAT == 2


@pytest.mark.parametrize("record", [{"model": {"modules": []}}, {"model": [1, 2], "training": "elsewhere"}, {}])
@pytest.mark.parametrize("number", [3, 12, 0, "2"])
def test_a_later_format_is_named_whatever_it_looks_like(number, record, tmp_path):
    """Nothing but the number is read of it: a later version may have put all else into other places."""
    path = tmp_path / "c.npz"
    np.savez(path, record=np.array(json.dumps({"format": number, **record})), weights=np.zeros(3))
    with pytest.raises(CheckpointError, match=f"is a checkpoint of format {number}, and this version reads format 2: "):
        load_model(path)


# ---- damage


@functools.cache
def whole() -> bytes:
    """A checkpoint of a run with everything that one can have."""
    rng = np.random.default_rng(0)
    model = Classifier(Sequential([Dense(2, 3, rng, b=0.1), BatchNorm(3), Dropout(0.5, rng), Dense(3, 2, rng)]))
    trainer = Trainer(model, Adam(model), rng, {"data": "x"})

    class Pairs:
        def __len__(self):
            return 8

        def __getitem__(self, rows):
            return np.ones((8, 2), np.float32)[rows], np.arange(8)[rows] % 2

    trainer.fit(Pairs(), epochs=1, batch_size=4, after_epoch=[lambda t, record: t.snapshots.append(np.arange(3.0))])
    with tempfile.TemporaryDirectory() as folder:
        trainer.save(Path(folder) / "c.npz")
        return (Path(folder) / "c.npz").read_bytes()


def read(content: bytes) -> tuple[dict, dict[str, np.ndarray]]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "c.npz"
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            return read_checkpoint(path)


def flipped(content: bytes, *bits: int) -> bytes:
    changed = bytearray(content)
    for bit in bits:
        changed[bit // 8] ^= 1 << bit % 8
    return bytes(changed)


def payload() -> list[tuple[int, int]]:
    """Where in the file the record and the numbers of each array stand: (from, to), in bytes."""
    record, arrays = read(whole())
    texts = [array.tobytes() for array in arrays.values() if array.nbytes]
    places = [(whole().index(text), len(text)) for text in texts]
    start = whole().index(json.dumps(record)[:20].encode("utf-32-le"))
    return [*((at, at + size) for at, size in places), (start, start + 4 * len(json.dumps(record)))]


@given(st.data())
def test_a_bit_that_flips_in_the_record_or_in_an_array_is_noticed(data):
    start, stop = data.draw(st.sampled_from(payload()))
    bit = data.draw(st.integers(8 * start, 8 * stop - 1))
    with pytest.raises(CheckpointError, match=r"c\.npz (cannot be read as a checkpoint|is damaged)"):
        read(flipped(whole(), bit))


@given(st.lists(st.integers(0, 8 * len(whole()) - 1), min_size=1, max_size=3, unique=True))
def test_a_file_with_flipped_bits_is_refused_or_reads_as_it_was_written(bits):
    """The archive around the arrays has bytes without meaning, such as the time at which each was written."""
    try:
        record, arrays = read(flipped(whole(), *bits))
    except CheckpointError:
        return
    right_record, right = read(whole())
    assert record == right_record and arrays.keys() == right.keys()
    for name, array in right.items():
        assert (arrays[name].dtype, arrays[name].shape) == (array.dtype, array.shape)
        assert arrays[name].tobytes() == array.tobytes()


@given(st.integers(0, len(whole()) - 1))
def test_a_file_that_ends_too_early_is_refused(size):
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint: it is truncated or of another kind"):
        read(whole()[:size])


def test_a_file_that_the_system_cannot_open_is_refused_with_its_reason(tmp_path):
    with pytest.raises(CheckpointError, match=r"x\.npz cannot be read: File name too long$"):
        read_checkpoint(tmp_path / f"{'x' * 300}.npz")


def nudged(name: str):
    def change(record, arrays):
        arrays[name] = arrays[name].copy()
        arrays[name].flat[-1] = np.nextafter(arrays[name].flat[-1], arrays[name].dtype.type(9))

    return change


def renamed(old: str, new: str):
    return lambda record, arrays: arrays.update({new: arrays.pop(old)})


MEAN = "model/buffers/network.1.mean"


@pytest.mark.parametrize(
    "change, section",
    [
        (nudged("model/params"), "model"),
        (nudged(MEAN), "model"),
        (nudged("training/optimiser/m"), "training"),
        (nudged("training/iteration_losses"), "training"),
        (nudged("training/snapshots"), "training"),
        (renamed(MEAN, "model/buffers/network.1.mode"), "model"),
        (renamed("training/optimiser/m", "training/optimiser/n"), "training"),
        (lambda record, arrays: arrays.pop(MEAN), "model"),
        (lambda record, arrays: arrays.update({"model/more": np.zeros(2)}), "model"),
        (lambda record, arrays: arrays.update({MEAN: arrays[MEAN].reshape(3, 1)}), "model"),
        (lambda record, arrays: arrays.update({MEAN: arrays[MEAN].view(np.int32)}), "model"),
        (lambda record, arrays: record["training"]["history"][0].update(train_loss=0.1), "training"),
        (lambda record, arrays: record["training"]["settings"].update(data="y"), "training"),
        (lambda record, arrays: record["model"]["modules"][4]["settings"].update(rate=0.25), "model"),
        (lambda record, arrays: record["model"].update(checksum="0" * 64), "model"),
        (lambda record, arrays: (nudged("model/params")(record, arrays), nudged("training/snapshots")(record, arrays)),
         "model and training"),
        (lambda record, arrays: record.pop("model"), "model"),
    ],
)  # fmt: skip
def test_a_change_that_the_archive_s_own_checksums_do_not_see_is_seen_by_ours(change, section, tmp_path):
    """Written as an archive in order: as by a tool that repairs one, or by hand."""
    record, arrays = read(whole())
    change(record, arrays)
    np.savez(tmp_path / "c.npz", record=np.array(json.dumps(record)), **arrays)
    with pytest.raises(CheckpointError, match=rf"c\.npz is damaged: its {section} is not what was written$"):
        read_checkpoint(tmp_path / "c.npz")


def test_the_order_of_fields_and_arrays_is_no_damage(tmp_path):
    record, arrays = read(whole())
    turned = {name: record[name] for name in reversed(record)}
    turned["training"] = {name: record["training"][name] for name in reversed(record["training"])}
    backwards = {name: arrays[name] for name in reversed(arrays)}
    np.savez(tmp_path / "c.npz", record=np.array(json.dumps(turned)), **backwards)
    assert read_checkpoint(tmp_path / "c.npz")[0] == record


@pytest.mark.parametrize("content", [b"", b"PK", b"no archive", b"\x93NUMPY", b"[1, 2, 3]"])
def test_a_file_of_another_kind_is_refused(content, tmp_path):
    (tmp_path / "c.npz").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"cannot be read as .* of another kind; delete it, or choose"):
        read_checkpoint(tmp_path / "c.npz")


def test_of_an_optimiser_a_whole_number_may_stand_for_a_float_and_nothing_else(rng):
    adam = Adam(Dense(3, 2, rng))
    arrays = {f"{OF_OPTIMISER}{name}": array for name, array in adam.state().items() if isinstance(array, np.ndarray)}
    assert verified_state(adam, {"lr": 1, "t": 3}, arrays)["lr"] == 1
    for lr, t, message in ((0.1, 3.0, r"its t is 3\.0"), ("1", 3, "its lr is 1"), (None, 3, "its lr is None")):
        with pytest.raises(ValueError, match=message):
            verified_state(adam, {"lr": lr, "t": t}, arrays)


def test_a_text_from_a_file_has_one_line_and_an_end():
    assert one_line("a\nb\x1b[2Jc") == "a b [2Jc"
    assert one_line(1000 * "x") == 1000 * "x" and one_line(1001 * "x") == 1000 * "x" + " …"


def test_a_name_that_no_file_can_have_is_one_sentence():
    with pytest.raises(CheckpointError, match=r"a{300} cannot be read: File name too long"):
        load_model("a" * 300)


def test_a_folder_in_the_place_of_a_file_is_no_checkpoint(tmp_path):
    (tmp_path / "checkpoint.npz").mkdir()
    with pytest.raises(CheckpointError, match="is no file: choose another folder"):
        read_checkpoint(tmp_path / "checkpoint.npz")


@pytest.mark.parametrize("record", ["[1, 2]", "{", "3", None])
def test_an_archive_without_a_record_is_refused(record, tmp_path):
    arrays = {} if record is None else {"record": np.array(record)}
    np.savez(tmp_path / "c.npz", weights=np.zeros(3), **arrays)
    with pytest.raises(CheckpointError, match="cannot be read as a checkpoint"):
        read_checkpoint(tmp_path / "c.npz")


def test_what_is_written_does_not_depend_on_where_the_model_s_numbers_lie(rng, tmp_path):
    """The same bits after a copy, whose arrays lie elsewhere."""
    model = Classifier(Sequential([Dense(5, 3, rng), BatchNorm(3)]))
    records = [read_checkpoint(saved(m, tmp_path / "c.npz"))[0] for m in (model, copy.deepcopy(model))]
    assert records[0] == records[1]
