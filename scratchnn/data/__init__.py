"""The data sets, split the way the thesis split them; pixels stay bytes until a batch is used.

load("digits")         1,797 handwritten digits of 8×8 pixels, which come with the library: no download
load("mnist")          70,000 handwritten digits of 28×28 pixels
load("fashion-mnist")  70,000 pieces of clothing, same shapes and file names
load("frey-face")      1,965 frames of 28×20 pixels of a video of one face, no labels

>>> train = load("digits").train
>>> train[:2].shape, train[:2].dtype, train.labels[:5]
((2, 64), dtype('float32'), array([...], dtype=uint8))
"""

from __future__ import annotations

from collections.abc import Callable
from importlib import resources

import numpy as np

from scratchnn.data.binarisation import BINARISATIONS, binarise, binarise_held_out
from scratchnn.data.files import DataError, File
from scratchnn.data.idx import parse
from scratchnn.data.images import DataSet, Images, Labelled, labels_of
from scratchnn.data.mat import matrix

__all__ = [
    "BINARISATIONS",
    "DATA_SETS",
    "DataError",
    "DataSet",
    "Images",
    "Labelled",
    "binarise",
    "binarise_held_out",
    "labels_of",
    "load",
]


SPLIT_SEED = 1965  # of the random split: the same for every run


def load(name: str, split: str = "contiguous") -> DataSet:
    """The data set of that name; DataError if it cannot be found, downloaded or verified.

    split="random" shuffles the images of a sequence and cuts them into parts of the same sizes. Neighbouring frames of
    a video, or digits in one hand, are then on both sides: for showing what that does to a test loss.
    """
    if name not in DATA_SETS:
        raise DataError(f"there is no data set {name!r}: choose one of {', '.join(DATA_SETS)}")
    if split == "contiguous":
        return DATA_SETS[name]()
    if split == "random" and name in SEQUENCES:
        return DATA_SETS[name]().reshuffled(np.random.default_rng(SPLIT_SEED))
    raise DataError(f"a random split is there for {' and '.join(SEQUENCES)}; {name} has no split {split!r}")


DIGITS = tuple("0123456789")
CLOTHES = (
    "T-shirt", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot",
)  # fmt: skip


def load_digits() -> DataSet:
    """Neighbouring images were written by the same hand, so the split is contiguous, not random.

    digits.md, beside this file, names the source and the licence.
    """
    sha256 = "4af6f3417d7865cd8b5dbd03a9e4f16e8ef14c0f4c336c712afa1421a4f382a9"
    file = File("digits", "digits.idx", sha256, 116_817, urls=())
    try:
        table = parse(file.payload((resources.files(__name__) / "digits.idx.gz").read_bytes()))
    except (OSError, ValueError) as error:
        raise DataError(f"the digits that come with the library cannot be read ({error}): install it again") from error
    images = Images(table[:, :64].copy(), 16, table[:, 64].copy())  # a row is 64 pixels and the digit
    validation, train, test = images.split(200, 1297, 300)
    return DataSet("digits", train, validation, test, (8, 8), DIGITS)


def load_mnist() -> DataSet:
    return load_idx(
        "mnist",
        DIGITS,
        urls=("https://ossci-datasets.s3.amazonaws.com/mnist/", "https://storage.googleapis.com/cvdf-datasets/mnist/"),
        sha256=(
            "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
            "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
            "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
            "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
        ),
    )


def load_fashion_mnist() -> DataSet:
    return load_idx(
        "fashion-mnist",
        CLOTHES,
        urls=(
            "https://github.com/zalandoresearch/fashion-mnist/raw/master/data/fashion/",
            "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
            "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        ),
        sha256=(
            "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
            "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
            "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
            "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
        ),
    )


def load_idx(
    name: str, class_names: tuple[str, ...], urls: tuple[str, ...], sha256: tuple[str, str, str, str]
) -> DataSet:
    """MNIST or a set laid out like it, split as TensorFlow 1's reader did: the first 5,000 training images validate."""
    names = ("train-images-idx3-ubyte", "train-labels-idx1-ubyte", "t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte")
    sizes = (16 + 60_000 * 784, 8 + 60_000, 16 + 10_000 * 784, 8 + 10_000)
    pixels, labels, test_pixels, test_labels = (
        parse(File(name, file, digest, size, tuple(f"{url}{file}.gz" for url in urls)).read())
        for file, digest, size in zip(names, sha256, sizes, strict=True)
    )
    height, width = pixels.shape[1:]
    validation, train = Images(pixels.reshape(-1, height * width), 255, labels).split(5_000, 55_000)
    test = Images(test_pixels.reshape(-1, height * width), 255, test_labels)
    return DataSet(name, train, validation, test, (height, width), class_names)


def load_frey_face() -> DataSet:
    """The thesis's split of the video in order: 1,600 frames train, the next 300 test; the last 65 validate here."""
    payload = File(
        "frey-face",
        "frey_rawface.mat",
        "2438ba4f0d2a6bd8bac43de756141eaa33c8d248dd613d464bdb1210d9b7af78",
        1965 * 560,
        ("https://cs.nyu.edu/~roweis/data/frey_rawface.mat",),
        unpack=frames_of_mat,
    ).read()
    images = Images(np.frombuffer(payload, np.uint8).reshape(1965, 560), 255)
    train, test, validation = images.split(1600, 300, 65)
    return DataSet("frey-face", train, validation, test, (28, 20))


def frames_of_mat(raw: bytes) -> bytes:
    """The frames, one after another, from the MATLAB file, which holds them as the columns of `ff` (560, 1965)."""
    return matrix(raw, b"ff", (560, 1965)).T.tobytes()


SEQUENCES = ("digits", "frey-face")
DATA_SETS: dict[str, Callable[[], DataSet]] = {
    "digits": load_digits,
    "mnist": load_mnist,
    "fashion-mnist": load_fashion_mnist,
    "frey-face": load_frey_face,
}
