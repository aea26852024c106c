"""Damaged and hostile files for everything that reads one: python -m tests.fuzz_files [--files 10000] [--seed 0]

A file that is not what it should be ends in one sentence, and takes no more than twice the memory of a right file of
its kind and size, and no more than two seconds. It is accepted only if what is read is what a right file has; a
checkpoint that was changed by somebody who can compute checksums has to be one that a training can go on with, and a
progress file, which has none, one that could have been written.

Of a folder of exercises, in which any file may be damaged or be something else than a file, each command ends in a
sentence, and nothing that the learner has written is lost.
"""

from __future__ import annotations

import argparse
import collections
import contextlib
import copy
import dataclasses
import functools
import gzip
import hashlib
import importlib.util
import io
import json
import os
import random
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from math import inf
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io

from scratchnn import Adam, BatchNorm, Classifier, Dense, Dropout, Sequential
from scratchnn.data.files import File
from scratchnn.data.idx import parse
from scratchnn.data.mat import matrix
from scratchnn.exercises import progress
from scratchnn.exercises.__main__ import run as exercises
from scratchnn.exercises.exercise import ladder
from scratchnn.exercises.progress import STATE, DamagedError, Progress
from scratchnn.training import CheckpointError, DivergedError, Trainer, load_model
from scratchnn.training.checkpoints import read_checkpoint, write_checkpoint
from scratchnn.training.weights import Points, WeightsError, load_weights, named, save_weights

WINDOW = 2**15  # bytes that zlib keeps of what it has unpacked, however little that is


class FaultError(AssertionError):
    """A file that was not dealt with as it should be."""


Memory = Callable[[int], float]  # in bytes, by the size of a file


class Kind(NamedTuple):
    """A kind of file: right ones, and what reads them, refusing with `refusal`, and returns what can be compared.

    Where somebody can alter one so that it is another right one: who does so, and what that has to be good for.
    """

    right: list[bytes]
    read: Callable[[bytes], Any]
    refusal: type[Exception]
    altered: Callable[[bytes, random.Random], bytes] | None = None
    goes_on: Callable[[bytes], None] | None = None
    checksum: bool = True  # that damage does not pass


# ---- checkpoints


class Pairs:
    """Eight examples of two classes."""

    def __len__(self) -> int:
        return 8

    def __getitem__(self, rows: Any) -> Any:
        return np.linspace(0, 1, 16, dtype=np.float32).reshape(8, 2)[rows], np.arange(8)[rows] % 2


def trainer(width: int = 3) -> Trainer:
    rng = np.random.default_rng(0)
    layers = [Dense(2, width, rng, b=0.1), BatchNorm(width), Dropout(0.5, rng), Dense(width, 2, rng)]
    model = Classifier(Sequential(layers))
    return Trainer(model, Adam(model), rng, {"data": "x"})


def checkpoint(width: int = 3, epochs: int = 2) -> bytes:
    """A checkpoint with everything that one can have."""
    t = trainer(width)
    if epochs:
        with contextlib.redirect_stdout(io.StringIO()):
            t.fit(Pairs(), epochs=epochs, batch_size=4, after_epoch=[lambda t, _: t.snapshots.append(np.arange(3.0))])
    with in_file(b"") as path:
        t.save(path)
        return path.read_bytes()


@contextmanager
def in_file(content: bytes, name: str = "checkpoint.npz") -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / name
        path.write_bytes(content)
        yield path


def restored(content: bytes) -> list[Any]:
    """A training that goes on with a checkpoint, and the model that is loaded from it."""
    with in_file(content) as path:
        t = trainer()
        t.restore(path)
        model, settings = load_model(path)
        assert model.params.tobytes() == t.model.params.tobytes() and settings["epochs"] == len(t.history)
        state = {name: np.copy(value).tolist() for name, value in t.optimiser.state().items()}
        read = [t.model.params.tobytes(), state, t.history, t.iteration_losses, t.rng.bit_generator.state]
        read += [np.array(t.snapshots).tolist(), {name: array.tolist() for name, array in t.model.buffers.items()}]
        return copy.deepcopy(read)


def goes_on(content: bytes) -> None:
    """A training takes a step from a checkpoint, and writes one that can be read, or says that its numbers overflow."""
    with in_file(content) as path, contextlib.suppress(CheckpointError, DivergedError):
        t = trainer()
        t.restore(path)
        with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
            t.fit(Pairs(), epochs=len(t.history) + 1, batch_size=4)
        t.snapshots = t.snapshots and [*t.snapshots, t.snapshots[-1]]
        t.save(path)
        again = trainer()
        again.restore(path)
        assert len(again.history) == len(t.history)


VALUES: list[Any] = [
    None, True, False, 0, 1, -1, 2**31, 2**63, 2**200, 10**400, 0.5, -0.0, 1e308, float("nan"), float("inf"),
    "", "x", "1", "\x1b[2J\n", "é" * 5000, "Layer", "Dense", "Loss",
    [], [[]], [1, 2], {}, {"a": 1}, [{}], {"": {}}, [None] * 2000,
]  # fmt: skip
ARRAYS: list[Any] = [
    np.zeros(()), np.zeros(0), np.zeros(3), np.zeros((1, 1, 1)), np.ones(24, np.float32), np.array([np.nan] * 24),
    np.full(24, np.inf, np.float32), np.full(24, -1, np.float32), np.zeros(24, ">f4"), np.zeros(24, int),
    np.array("text"), np.zeros(24, np.float16), np.zeros(24, bool), np.zeros((2, 0)),
    np.asfortranarray(np.zeros((4, 6), np.float32)),
]  # fmt: skip


def fields(value: Any) -> Iterator[tuple[Any, Any]]:
    """Every place in a record: a list or mapping, and the key in it."""
    for key in list(value) if isinstance(value, dict) else range(len(value)) if isinstance(value, list) else ():
        yield value, key
        yield from fields(value[key])


def altered_by_hand(content: bytes, draw: random.Random) -> bytes:
    """A checkpoint with other fields or arrays, and with checksums that are right."""
    with in_file(content) as path:
        record, arrays = read_checkpoint(path)
        for _ in range(draw.choice([1, 1, 1, 2, 5])):
            if draw.random() < 0.7:
                owner, key = draw.choice(list(fields(record)))
                if draw.random() < 0.25:
                    del owner[key]
                else:
                    owner[key] = copy.deepcopy(draw.choice([*VALUES, owner[key], record]))
            elif arrays:
                name = draw.choice(list(arrays))
                if draw.random() < 0.2:
                    del arrays[name]
                elif draw.random() < 0.5:
                    arrays[name] = draw.choice(ARRAYS)
                elif arrays[name].size:
                    arrays[name] = arrays[name].copy()
                    arrays[name].flat[draw.randrange(arrays[name].size)] = draw.choice([-1, 0, np.nan, np.inf, 1e30])
        write_checkpoint(path, record, arrays)
        return path.read_bytes()


CHECKPOINTS = Kind([checkpoint(), checkpoint(epochs=0)], restored, CheckpointError, altered_by_hand, goes_on)


# ---- weights alone


def weights(suffix: str, dtype: str = "float32") -> bytes:
    """A file of weights with everything that one can have."""
    with in_file(checkpoint()) as path:
        model, settings = load_model(path)
        where = Points(np.linspace(0, 1, 8, dtype=np.float32).reshape(4, 2), np.arange(4, dtype=np.uint8), (1, 2))
        save_weights(path.with_suffix(suffix), model, settings, dtype=dtype, points=where)
        return path.with_suffix(suffix).read_bytes()


def loaded(content: bytes, suffix: str) -> list[Any]:
    with in_file(content, f"w{suffix}") as path:
        model, settings, points = load_weights(path)
        arrays = {name: (str(array.dtype), array.tolist()) for name, array in named(model).items()}
        return [repr(model), arrays, settings, points and [np.copy(points.means).tolist(), points[2:]]]


WEIGHTS = {
    f"weights {suffix}": Kind(
        [weights(suffix), weights(suffix, "float16")], functools.partial(loaded, suffix=suffix), WeightsError
    )
    for suffix in (".npz", ".safetensors")
    if suffix == ".npz" or importlib.util.find_spec("safetensors")
}


# ---- the files of data sets


def idx(array: np.ndarray[Any, Any]) -> bytes:
    header = b"\0\0\x08" + bytes([array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


def consistent(content: bytes) -> str:
    """Whether an IDX file is read as what it says: nothing else verifies one that is given to `parse`."""
    array = parse(content)
    if idx(array) != content:
        raise FaultError(f"read as {array.shape}")
    return "an array"


def file_of(payload: bytes, unpack: Callable[[bytes], bytes] = bytes) -> File:
    return File("set", "images", hashlib.sha256(payload).hexdigest(), len(payload), urls=(), unpack=unpack)


PIXELS = np.random.default_rng(0).integers(0, 256, (40, 6, 5), np.uint8)
IMAGES = file_of(idx(PIXELS))
FRAMES = PIXELS.reshape(40, 30)
VIDEO = file_of(FRAMES.tobytes(), unpack=lambda raw: matrix(raw, b"ff", (30, 40)).T.tobytes())


def matlab(array: np.ndarray[Any, Any]) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {"ff": array})
    return file.getvalue()


def images(content: bytes) -> Any:
    return parse(IMAGES.payload(content)).tolist()


IDX = Kind([idx(PIXELS), idx(PIXELS[0]), idx(PIXELS[0, 0])], consistent, ValueError)
GZIP = Kind([idx(PIXELS), gzip.compress(idx(PIXELS)), gzip.compress(idx(PIXELS), 1)], images, ValueError)
MAT = Kind([matlab(FRAMES.T), gzip.compress(matlab(FRAMES.T))], VIDEO.payload, ValueError)


# ---- progress files, and the folders that they lie in


def state(content: bytes) -> Any:
    with in_file(content, STATE) as path:
        return dataclasses.asdict(progress.load(path.parent))


def written_again(content: bytes) -> None:
    """A state that was read is one that is written, and read again."""
    with in_file(content, STATE) as path:
        read = progress.load(path.parent)
        read.save(path.parent)
        assert progress.load(path.parent) == read


def another_state(content: bytes, draw: random.Random) -> bytes:
    record = json.loads(content)
    for _ in range(draw.choice([1, 1, 2, 5])):
        places = list(fields(record))
        if places:
            owner, key = draw.choice(places)
            owner[key] = copy.deepcopy(draw.choice([*VALUES, *ladder()[:2], owner[key], record]))
    return json.dumps(record).encode()


def right_states() -> Iterator[bytes]:
    first, second, third, *_ = ladder()
    for each in (Progress(first), Progress(third, {first}, {second}, {third}, {first: 1}, {first: 3})):
        with tempfile.TemporaryDirectory() as folder:
            each.save(Path(folder))
            yield (Path(folder) / STATE).read_bytes()


PROGRESS = Kind(list(right_states()), state, DamagedError, another_state, written_again, checksum=False)


def spoiled(path: Path, draw: random.Random) -> None:
    """Something else in the place of a file."""
    content = path.read_bytes()
    path.unlink()
    way = draw.randrange(9)
    if way < 4:
        path.write_bytes(damaged(content, draw))
    elif way == 4:
        path.mkdir()
    elif way == 5:
        path.symlink_to(draw.choice(["nowhere", path.name, "/dev/zero", "/dev/null", "."]))
    elif way == 6:
        os.mkfifo(path)
    elif way == 7:
        path.write_bytes(b"")


def fuzz_folders(folders: int, seed: int) -> collections.Counter[str]:
    """How many commands in so many spoiled folders of exercises ended with which status."""
    draw, fates = random.Random(f"folders {seed}"), collections.Counter[str]()
    for number in range(folders):
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            progress.write_stubs(folder)
            (folder / STATE).write_bytes(draw.choice(PROGRESS.right))
            mine = progress.file_of(folder, draw.choice(ladder()))
            mine.write_text(f"my own work {number}", encoding="utf-8")
            others = [path for path in sorted(folder.iterdir()) if path != mine]
            for path in {folder / STATE, *draw.sample(others, 3)} if draw.random() < 0.5 else draw.sample(others, 2):
                spoiled(path, draw)
            exercise = draw.choice(ladder())
            for command in (["hint"], ["next"], ["reset", exercise], ["check", exercise], ["start"], []):
                if command[:1] == ["check"] and draw.random() < 0.8:
                    continue  # a process of its own takes long
                try:
                    fates[told(["--folder", name, *command])] += 1
                except Exception as error:
                    raise FaultError(f"folder {number} of seed {seed}, {command}: {error!r}") from error
            kept = [path for path in folder.iterdir() if path.is_file() and not path.is_symlink()]
            if not any(path.read_bytes() == f"my own work {number}".encode() for path in kept):
                raise FaultError(f"folder {number} of seed {seed}: what the learner has written is lost")
    return fates


def told(arguments: list[str]) -> str:
    """The fate of a command for the exercises: its status, or that it was refused in a sentence."""
    out, err = io.StringIO(), io.StringIO()
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status: Any = exercises(arguments)
    except SystemExit as end:
        status = end.code
    if isinstance(status, str):
        if not status.isprintable() or not status.startswith("error: "):
            raise FaultError(f"no sentence: {status!r}")
        return "refused"
    if "Traceback" in out.getvalue() + err.getvalue():
        raise FaultError(out.getvalue() + err.getvalue())
    return f"status {status}"


# ---- any file


def damaged(content: bytes, draw: random.Random) -> bytes:
    """A file with flipped bits, other numbers, pieces cut out, doubled or moved, or cut short."""
    changed = bytearray(content)
    for _ in range(draw.choice([1, 1, 2, 8])):
        at, n = draw.randrange(len(changed) + 1), draw.choice([1, 2, 4, 8, 40, 400])
        way = draw.randrange(7)
        if way == 0 and at < len(changed):
            changed[at] ^= 1 << draw.randrange(8)
        elif way == 1:
            changed[at : at + 4] = draw.choice([b"\0\0\0\0", b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80"])
        elif way == 2:
            del changed[at : at + n]
        elif way == 3:
            changed[at:at] = changed[at : at + n]
        elif way == 4:
            changed[at:at] = changed[draw.randrange(len(changed) + 1) :][:n]
        elif way == 5:
            changed[at : at + n] = draw.randbytes(n)
        else:
            del changed[at:]
    return bytes(changed)


# ---- what is asked of all


def measured(call: Callable[[], Any]) -> tuple[Any, float, int]:
    """What a call returns or raises, its seconds, and the most memory that it held."""
    began = time.process_time()
    tracemalloc.start()
    try:
        result = call()
    except Exception as error:
        result = error
    finally:
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    return result, time.process_time() - began, peak


def judge(kind: Kind, content: bytes, memory: Memory, by_hand: bool = False, limit: float = inf) -> str:
    """ "refused", "the same" or, for a file that was altered by hand, "goes on"; FaultError for all else."""
    result, seconds, peak = measured(lambda: kind.read(content))
    if peak > 2 * memory(len(content)):
        raise FaultError(f"{peak:,} bytes of memory for a file of {len(content):,}")
    if seconds > limit:
        raise FaultError(f"{seconds:.1f} seconds")
    if isinstance(result, Exception):
        sentence = str(result)
        if not isinstance(result, kind.refusal):
            raise FaultError(f"{type(result).__name__}: {sentence[:300]}") from result
        if not sentence.isprintable() or len(sentence) > 1500:
            raise FaultError(f"no sentence: {sentence[:300]!r}")
        return "refused"
    if any(result == kind.read(file) for file in kind.right):
        return "the same"
    if kind.goes_on is None or (kind.checksum and not by_hand):
        raise FaultError("accepted with other content")
    kind.goes_on(content)
    return "goes on"


def memory_of(kind: Kind) -> Memory:
    """The most memory that a right file of a size takes: what those here take, and in proportion for a larger one."""
    for right in kind.right:
        kind.read(right)  # what is imported and made once is not counted
    peaks = [measured(lambda right=right: kind.read(right))[2] for right in kind.right]  # type: ignore[misc]
    per_byte = min(peak / len(right) for peak, right in zip(peaks, kind.right, strict=True))
    return lambda size: max(*peaks, per_byte * size, WINDOW)


KINDS = {"checkpoint": CHECKPOINTS, **WEIGHTS, "idx": IDX, "gzip": GZIP, "mat": MAT, "progress": PROGRESS}


def fuzz(name: str, files: int, seed: int, limit: float = inf) -> collections.Counter[str]:
    """How many of so many bad files of a kind had which fate."""
    kind, draw = KINDS[name], random.Random(f"{name} {seed}")
    memory, fates = memory_of(kind), collections.Counter[str]()
    for number in range(files):
        by_hand = kind.altered is not None and draw.random() < 0.5
        content = (kind.altered if by_hand and kind.altered else damaged)(draw.choice(kind.right), draw)
        try:
            fates[judge(kind, content, memory, by_hand, limit)] += 1
        except Exception as error:
            kept = Path(tempfile.gettempdir()) / f"bad-{name}-{seed}-{number}"
            kept.write_bytes(content)
            raise FaultError(f"{name} {number} of seed {seed}, kept as {kept}: {error}") from error
    return fates


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--files", type=int, default=10_000, help="of all kinds together (default: 10,000)")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    for name in KINDS:
        fates = fuzz(name, -(-args.files // len(KINDS)), args.seed, limit=2)
        print(f"{name:<12}{sum(fates.values()):>7,} files: {dict(fates.most_common())}", flush=True)
    folders = -(-args.files // 100)
    print(f"exercises   {folders:>7,} folders: {dict(fuzz_folders(folders, args.seed).most_common())}", flush=True)


if __name__ == "__main__":
    main()
