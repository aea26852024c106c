"""Files that somebody has made to do harm, and what remains of files after damage: one sentence each, little memory."""

from __future__ import annotations

import functools
import io
import json
import os
import re
import struct
import zipfile
import zlib
from typing import Any

import fuzz_files
import numpy as np
import pytest
from fuzz_files import CHECKPOINTS, checkpoint, in_file, judge, measured

from scratchnn import Adam, Classifier, Dense, Sequential
from scratchnn.training import CheckpointError, Trainer, load_model
from scratchnn.training.checkpoints import BUILDING_BLOCKS, FORMAT, read_checkpoint, write_checkpoint
from scratchnn.training.npz import read_arrays, write_arrays
from scratchnn.training.schema import DEPTH, MODULES, deeper_than, expect_model, expect_modules


@pytest.mark.parametrize("kind", fuzz_files.KINDS)
def test_bad_files_are_refused_in_a_sentence(kind):
    """The short form of python -m tests.fuzz_files."""
    fates = fuzz_files.fuzz(kind, 150, seed=1)
    assert fates["refused"] > 75


def test_spoiled_folders_of_exercises_end_in_a_sentence_and_nothing_is_lost():
    """Another part of it."""
    fates = fuzz_files.fuzz_folders(8, seed=1)
    assert sum(fates.values()) >= 8 * 5


# ---- archives by hand


RECORD = json.dumps({"format": FORMAT, "model": {}, "training": {}})


def saved(write=np.savez, **arrays) -> bytes:
    file = io.BytesIO()
    write(file, **arrays)
    return file.getvalue()


def stored(*members: tuple[str, bytes], **header: int) -> bytes:
    """An archive of these members as np.savez writes one, with other values in the headers of the members."""
    archive, in_extra = b"", 2**32 - 1
    for name, content in members:
        size, crc = header.get("size", len(content)), zlib.crc32(content)
        flags, method, version = header.get("flags", 0), header.get("method", 0), header.get("version", 45)
        start = struct.pack(
            "<4s5H3L2H", b"PK\3\4", version, flags, method, 0, 33, crc, in_extra, in_extra, len(name), 20
        )
        archive += start + name.encode() + struct.pack("<2H2Q", 1, 16, size, size) + content
    directory = b"PK\1\2" + bytes(42)
    return archive + directory + struct.pack("<4s4H2LH", b"PK\5\6", 0, 0, 1, 1, 46, len(archive), 0)


def npy(descr: str = "<f4", shape: str = "(3,)", data: bytes = bytes(12), version: int = 1, form: str = "") -> bytes:
    header = (form or f"{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}").encode() + b" \n"
    return b"\x93NUMPY" + bytes([version, 0]) + struct.pack("<H", len(header)) + header + data


def text(content: str) -> bytes:
    return npy(f"<U{len(content)}", "()", content.encode("utf-32-le"))


def with_weights(content: bytes) -> bytes:
    return stored(("record.npy", text(RECORD)), ("model/params.npy", content))


def many_members(n: int) -> bytes:
    """Each of them a megabyte, and all of them the same."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("record.npy", npy(shape=f"({2**18},)", data=bytes(2**20)))
        archive.filelist *= n
    return file.getvalue()


ARCHIVES = {
    "compressed, a thousandth of its size": saved(
        np.savez_compressed, record=np.array(RECORD), weights=np.zeros(10**7)
    ),
    "encrypted": stored(("record.npy", text(RECORD)), flags=1),
    "encrypted strongly": stored(("record.npy", text(RECORD)), flags=0x41),
    "of an unknown method": stored(("record.npy", text(RECORD)), method=99),
    "a member of 10 GB": stored(("record.npy", text(RECORD)), size=10**10),
    "an array of 10 GB": with_weights(npy(shape="(2500000000,)")),
    "an array of 10 GB in a mapping": with_weights(npy(shape="(50000, 50000)")),
    "a text of 4 GB": stored(("record.npy", npy("<U999999999", "()"))),
    "a shape beyond all numbers": with_weights(npy(shape="(999999999999999999, 999999999999999999)")),
    "a shape of 2000 dimensions": with_weights(npy(shape="(" + "1, " * 2000 + ")")),
    "no numbers in a large shape": with_weights(npy(shape="(0, 999999999999999999, 999999999999999999)", data=b"")),
    "a negative shape": with_weights(npy(shape="(-3,)")),
    "a header that is nested": with_weights(npy(form="(" * 9000)),
    "a header with an open text": with_weights(npy(form="{'descr': '''<f4")),
    "a header that computes": with_weights(npy(shape="(9**9**9,)")),
    "a header of version 3": with_weights(npy(version=3)),
    "objects": with_weights(npy("|O")),
    "records": with_weights(npy("<f4', '<f4")),
    "dates": with_weights(npy("<M8", data=bytes(24))),
    "a type that is none": with_weights(npy("<f1")),
    "a hundred members in one place": many_members(100),
    "two members of one name": stored(("record.npy", text(RECORD)), ("record.npy", text(RECORD))),
    "a record of bytes that are no letters": stored(("record.npy", npy("<U3", "()", b"\xff" * 12))),
    "a record that is a list of texts": stored(("record.npy", npy("<U1", "(3,)"))),
    "a record that is nested": stored(("record.npy", text("[" * 100_000))),
    "a record that is nested and whole": stored(("record.npy", text("[" * 100_000 + "]" * 100_000))),
    "a number of a million digits": stored(("record.npy", text("1" * 1_000_000))),
    "a record that is a number": stored(("record.npy", text("3"))),
    "a section that is a number": stored(("record.npy", text('{"format": 2, "model": 3}'))),
    "a section that is a list": stored(("record.npy", text('{"format": 2, "model": [], "training": []}'))),
    "a section without a checksum": stored(("record.npy", text(RECORD))),
    "a format that rings": stored(("record.npy", text('{"format": "\\u001b]0;bell\\u0007\\n2"}'))),
    "a format of a megabyte": stored(("record.npy", text('{"format": "' + "2" * 10**6 + '"}'))),
}


@functools.cache
def memory_of_checkpoints() -> fuzz_files.Memory:
    return fuzz_files.memory_of(CHECKPOINTS)


@pytest.mark.parametrize("name, content", ARCHIVES.items(), ids=ARCHIVES)
def test_an_archive_that_np_savez_would_not_have_written_is_refused(name, content):
    """For what it is: only those of the last kinds are archives in order, with a record of no use."""
    assert judge(CHECKPOINTS, content, memory_of_checkpoints()) == "refused"
    message = "is damaged|of format" if name.startswith(("a section", "a format")) else "cannot be read as a checkpoint"
    with in_file(content) as path, pytest.raises(CheckpointError, match=message):
        read_checkpoint(path)


def test_the_archives_above_are_refused_for_what_they_are_named_after():
    """One that is made in the same way, with nothing wrong in it, is read."""
    with in_file(with_weights(npy())) as path, pytest.raises(CheckpointError, match="is damaged"):
        read_checkpoint(path)  # as far as the checksums of its sections


@pytest.mark.parametrize("end", [b"PK\5\5", b"PK\5\7", b"\0\0\0\0"])
def test_an_archive_ends_with_its_own_mark(end):
    content = checkpoint()
    at = content.rindex(b"PK\5\6")
    with (
        in_file(content[:at] + end + content[at + 4 :]) as path,
        pytest.raises(CheckpointError, match="truncated or of"),
    ):
        read_checkpoint(path)


@pytest.mark.parametrize("mark", [b"PK\3\5", b"PK\4\4", b"\xff\xff\xff\xff", b"PK\3\3"])
def test_a_member_begins_with_its_own_mark(mark):
    with in_file(mark + checkpoint()[4:]) as path, pytest.raises(CheckpointError, match="truncated or of another kind"):
        read_checkpoint(path)


def test_no_code_is_written_into_an_archive():
    with pytest.raises(ValueError, match="allow_pickle"):
        write_arrays(io.BytesIO(), {"a": np.array([print])})


@pytest.mark.parametrize("kind", [0, 2])
def test_a_member_has_its_size_in_64_bits(kind):
    """As np.savez writes it: another field in that place says nothing of a size."""
    content = checkpoint()
    n_name, _ = struct.unpack("<2H", content[26:30])
    assert content[30 + n_name : 34 + n_name] == struct.pack("<2H", 1, 16)
    changed = content[: 30 + n_name] + struct.pack("<H", kind) + content[32 + n_name :]
    with in_file(changed) as path, pytest.raises(CheckpointError, match="truncated or of another kind"):
        read_checkpoint(path)


# ---- what a section may have


def test_parameters_are_a_vector():
    for shape in ((), (1, 1)):
        with pytest.raises(ValueError, match="its model/params is float32 of shape"):
            expect_model(
                {"modules": [{"name": "", "class": "ReLU", "settings": {}}]}, {"model/params": np.zeros(shape, "f4")}
            )


def test_a_record_may_be_nested_as_deep_as_is_said_and_no_deeper():
    for depth, is_too_deep in ((DEPTH, False), (DEPTH + 1, True)):
        value: Any = []
        for _ in range(depth):
            value = {"in": value} if value else [0]
        assert deeper_than(value, DEPTH) == is_too_deep
        names = ["", *(".".join("a" * (k + 1)) for k in range(depth))]
        rows = [{"name": name, "class": "ReLU", "settings": {}} for name in names]
        if is_too_deep:
            with pytest.raises(ValueError, match="nested more than 20 deep"):
                expect_modules(rows)
        else:
            expect_modules(rows)


# ---- checkpoints by hand, with checksums that are right


def altered(change) -> bytes:
    with in_file(checkpoint()) as path:
        record, arrays = read_checkpoint(path)
        change(record["model"], record["training"], arrays, record)
        write_checkpoint(path, record, arrays)
        return path.read_bytes()


def layers(n: int, name=str, settings=None, cls="ReLU"):
    """n rows in the place of the network's."""

    def change(model, training, arrays, record):
        top = [{"name": "", "class": "Sequential", "settings": {}}]
        model["modules"] = top + [{"name": name(k), "class": cls, "settings": settings or {}} for k in range(n)]

    return change


def params(value):
    return lambda model, training, arrays, record: arrays.update({"model/params": value})


def array(name: str, value):
    """Another array, or with a function one made of what is there."""
    return lambda model, training, arrays, record: arrays.update(
        {name: value(np.array(arrays[name])) if callable(value) else value}
    )


def of_training(name: str, value):
    return lambda model, training, arrays, record: training.update({name: value})


def of_optimiser(name: str, value):
    return lambda model, training, arrays, record: training["optimiser"].update({name: value})


def of_epoch(**values):
    return lambda model, training, arrays, record: training["history"][0].update(values)


def of_generator(**values):
    return lambda model, training, arrays, record: training["generator"].update(values)


def first(value):
    """An array with another first number."""

    def change(a):
        a.flat[0] = value
        return a

    return change


def nested(depth: int):
    value: list = []
    for _ in range(depth):
        value = [value]
    return value


VAR, M, V = "model/buffers/network.1.var", "training/optimiser/m", "training/optimiser/v"
ALTERED = {
    "a layer of 225 million numbers": (
        layers(1, cls="Dense", settings={"n_in": 15_000, "n_out": 15_000}),
        "a Dense of",
    ),
    "an average of a billion numbers": (
        layers(1, cls="BatchNorm", settings={"n_units": 10**9}),
        "a BatchNorm of 2,000",
    ),
    "a convolution beyond all numbers": (
        layers(1, cls="Conv2D", settings={"c_in": 10**6, "c_out": 10**6, "kernel": 10**6}),
        "a Conv2D of 1,000,",
    ),
    "many layers that fit one by one": (
        layers(9, cls="Dense", settings={"n_in": 2, "n_out": 3}),
        "too few parameters for a Dense of 9",
    ),
    "50,000 layers": (layers(50_000), f"no list of 1 to {MODULES:,} rows"),
    "900 layers in one another": (
        layers(900, lambda k: ".".join("0" * (k + 1)), cls="Sequential"),
        f"more than {DEPTH}",
    ),
    "two layers of one name": (layers(2, lambda k: "0"), "the same name"),
    "a layer that no model has": (layers(2, lambda k: ("0", "elsewhere")[k]), "lsewhere"),
    "a layer that computes nothing": (layers(1, cls="Layer"), "Layer is no layer of this library"),
    "a loss that computes nothing": (layers(1, cls="Loss"), "Loss is no layer"),
    "a loss among the layers": (layers(1, cls="MeanSquaredError"), "holds no model"),
    "settings of another module": (layers(1, settings={"rng": 3}), "holds no model"),
    "memory of another type": (
        layers(1, cls="Dense", settings={"n_in": 2, "n_out": 3, "dtype": "O"}),
        "holds no model",
    ),
    "a width that is a text of a megabyte": (
        layers(1, cls="Dense", settings={"n_in": "9" * 10**6, "n_out": 3}),
        "holds no model",
    ),
    "a width on several lines": (layers(1, cls="Dense", settings={"n_in": "\n\x1b[2J", "n_out": 3}), "holds no model"),
    "a record nested 30 deep": (of_training("settings", {"a": nested(30)}), f"more than {DEPTH} deep"),
    "a record nested 400 deep": (of_training("settings", {"a": nested(400)}), f"more than {DEPTH} deep"),
    "params that are one number": (params(np.float32(1)), r"model/params is float32 of shape \(\)"),
    "params in a matrix": (params(np.ones((1, 23), np.float32)), r"of shape \(1, 23\)"),
    "params of half precision": (params(np.ones(23, np.float16)), "float16"),
    "params that are NaN": (array("model/params", first(np.nan)), "model/params has NaN or infinite values"),
    "params that are infinite": (array("model/params", first(np.inf)), "model/params has NaN or infinite values"),
    "an average that is infinite": (array("model/buffers/network.1.mean", first(-np.inf)), "has NaN or infinite"),
    "an average of whole numbers": (
        array("model/buffers/network.1.mean", lambda a: a.astype(int)),
        "no array of floats",
    ),
    "a variance below zero": (array(VAR, first(-1)), f"{VAR} has negative values"),
    "a moment that is one number": (array(M, np.float32(0)), r"m is float32 of shape \(\)"),
    "a moment of other precision": (array(M, lambda a: a.astype(np.float64)), "m is float64"),
    "a moment that is NaN": (array(M, first(np.nan)), f"{M} has NaN"),
    "a second moment below zero": (array(V, first(-1)), f"{V} has negative values"),
    "a negative number of steps": (of_optimiser("t", -1), "t is no number of steps"),
    "half a step": (of_optimiser("t", 2.5), "t is no number of steps"),
    "steps beyond all numbers": (of_optimiser("t", 10**400), "t is"),
    "steps that are true": (of_optimiser("t", True), "t is no number of steps"),
    "a learning rate below 0": (of_optimiser("lr", -0.001), "lr is no number from 0 upwards"),
    "a learning rate that is NaN": (of_optimiser("lr", float("nan")), "lr is nan"),
    "a learning rate that is infinite": (of_optimiser("lr", float("inf")), "lr is inf"),
    "fewer losses than epochs": (array("training/iteration_losses", lambda a: a[:1]), "iteration_losses are not one"),
    "losses that are one number": (array("training/iteration_losses", np.float64(0)), "iteration_losses are not one"),
    "losses in a matrix": (array("training/iteration_losses", lambda a: a[None]), "iteration_losses are not one"),
    "a loss that is NaN": (array("training/iteration_losses", first(np.nan)), "iteration_losses has NaN"),
    "losses of whole numbers": (
        array("training/iteration_losses", lambda a: a.astype(int)),
        "iteration_losses are not",
    ),
    "fewer snapshots than epochs": (array("training/snapshots", lambda a: a[:1]), "snapshots are not one"),
    "more snapshots than epochs": (array("training/snapshots", lambda a: np.repeat(a, 2, axis=0)), "snapshots are not"),
    "a history that is a text": (of_training("history", "two epochs"), "history is no list of epochs"),
    "a history of lists": (of_training("history", [[1, 2], [3, 4]]), "history is no list of epochs"),
    "a history of nothing": (of_training("history", [{}, {}]), "no whole record of finite numbers for epoch 1"),
    "an epoch of another number": (of_epoch(epoch=2), "no whole record of finite numbers for epoch 1"),
    "a loss that is a text": (of_epoch(train_loss="small"), "no whole record"),
    "seconds that are NaN": (of_epoch(seconds=float("nan")), "no whole record"),
    "a history of a number beyond all": (of_epoch(train_loss=10**400), "no whole record"),
    "settings that are a list": (of_training("settings", ["data", "x"]), "settings are no mapping"),
    "an optimiser that is a list": (of_training("optimiser", [0.1]), "optimiser is no mapping"),
    "a generator of another kind": (of_generator(bit_generator="MT19937"), "no PCG64"),
    "a state that is a text": (of_generator(state={"state": "1", "inc": 3}), "generator is out of range"),
    "a state of 129 bits": (of_generator(state={"state": 2**128, "inc": 3}), "generator is out of range"),
    "generators that are a mapping": (of_training("generators", {}), "its generators are no list of at most 1,000"),
    "generators that are a text": (of_training("generators", ""), "its generators are no list of at most 1,000"),
    "a third half": (of_generator(has_uint32=2), "no PCG64"),
    "a half of 33 bits": (of_generator(uinteger=2**32), "generator is out of range"),
}


@pytest.mark.parametrize("change, message", ALTERED.values(), ids=ALTERED)
def test_a_checkpoint_altered_by_hand_is_refused(change, message):
    """By the function that loads a model and by the one that goes on with a training, and nothing has changed then."""
    content, t = altered(change), fuzz_files.trainer()
    before = [t.model.params.tobytes(), t.rng.bit_generator.state, t.history, t.restored]
    with in_file(content) as path:
        loaded, _, memory = measured(lambda: load_model(path))
        refused, _, more = measured(lambda: t.restore(path))
    assert max(memory, more) < 2 * memory_of_checkpoints()(len(content))
    assert isinstance(refused, CheckpointError), repr(refused)
    sentences = [str(result) for result in (loaded, refused) if isinstance(result, CheckpointError)]
    assert all(sentence.isprintable() and len(sentence) < 1500 for sentence in sentences)
    assert isinstance(loaded, CheckpointError | tuple), repr(loaded)
    assert any(re.search(message, sentence) for sentence in sentences), sentences
    assert before == [t.model.params.tobytes(), t.rng.bit_generator.state, t.history, t.restored]


def test_a_checkpoint_that_is_no_file_is_refused(tmp_path):
    """A pipe would be waited for."""
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "link.npz").symlink_to(tmp_path / "nowhere")
    for name, message in {"folder.npz": "is no file", "link.npz": "there is no checkpoint"}.items():
        with pytest.raises(CheckpointError, match=message):
            read_checkpoint(tmp_path / name)
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.npz")
        with pytest.raises(CheckpointError, match="is no file"):
            read_checkpoint(tmp_path / "pipe.npz")


def test_every_building_block_computes_something():
    """What is only a contract, or a base of others, cannot be built of a checkpoint."""
    for name, cls in BUILDING_BLOCKS.items():
        assert callable(getattr(cls, "forward", None)), name
    assert not {"Module", "Layer", "Elementwise", "Loss", "Likelihood"} & BUILDING_BLOCKS.keys()


@pytest.mark.parametrize(
    "spoil, message",
    [
        (lambda t: t.optimiser.v.fill(np.inf), "training/optimiser/v has NaN or infinite values"),
        (lambda t: t.model.buffers["network.1.var"].fill(np.nan), "var has NaN"),
        (lambda t: t.snapshots.append(np.arange(3.0)), "snapshots are not one for every epoch"),
    ],
)
def test_a_checkpoint_that_could_not_be_read_again_is_not_written(spoil, message, tmp_path):
    """The one before it stays."""
    (tmp_path / "c.npz").write_bytes(checkpoint())
    t = fuzz_files.trainer()
    t.restore(tmp_path / "c.npz")
    spoil(t)
    with pytest.raises(CheckpointError, match=rf"c\.npz is not written, since .*{message}"):
        t.save(tmp_path / "c.npz")
    assert load_model(tmp_path / "c.npz")[1]["epochs"] == 2


def test_a_model_that_is_nested_too_deeply_is_not_written(tmp_path):
    with pytest.raises(CheckpointError, match="nested more than"):
        network = Dense(2, 2, np.random.default_rng(0))
        for _ in range(DEPTH + 1):
            network = Sequential([network])
        model = Classifier(network)
        Trainer(model, Adam(model), np.random.default_rng(0)).save(tmp_path / "deep.npz")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("n", [8, 11, 13, 16])
def test_an_array_has_as_many_bytes_as_its_shape_says(n, tmp_path):
    path = tmp_path / "x.npz"
    for data, right in ((bytes(12), True), (bytes(n), False)):
        path.write_bytes(stored(("x.npy", npy(data=data))))
        with path.open("rb") as file:
            if right:
                assert read_arrays(file)["x"].shape == (3,)
            else:
                with pytest.raises(ValueError, match="and other data follow"):
                    read_arrays(file)
