"""Data files: found in the right order, verified, parsed strictly, never half-downloaded."""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import os
import re
import sys
import time
from pathlib import Path

import downloads
import numpy as np
import pytest
import scipy.io
from downloads import Mirror, serving
from fuzz_files import measured
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from scratchnn import data
from scratchnn.data import DataError, Images, Labelled, binarise, binarise_held_out, files, load
from scratchnn.data.binarisation import draw_bernoulli
from scratchnn.data.files import File
from scratchnn.data.idx import parse
from scratchnn.data.mat import matrix

PAYLOAD = bytes(range(256)) * 4
SHA256 = hashlib.sha256(PAYLOAD).hexdigest()


def idx(array: np.ndarray) -> bytes:
    header = b"\0\0\x08" + bytes([array.ndim]) + b"".join(size.to_bytes(4, "big") for size in array.shape)
    return header + array.tobytes()


@given(arrays(np.uint8, st.lists(st.integers(0, 4), min_size=1, max_size=3).map(tuple)))
def test_idx_files_are_read_as_they_were_written(array):
    np.testing.assert_array_equal(parse(idx(array)), array)


GOOD = idx(np.zeros((2, 3), np.uint8))


@pytest.mark.parametrize(
    "payload, message",
    [
        (GOOD[:-1], r"its header promises \(2, 3\), 6 bytes, and 5 follow"),
        (GOOD + b"\0", "6 bytes, and 7 follow"),
        (GOOD[:9], "its header says 2 dimensions and takes 12 bytes, it has 9"),
        (b"\0\0\x0d" + GOOD[3:], "starts with 00 00 08 and a rank, this one with '00 00 0d 02'"),
        (b"\0\0\x08\0", "and a rank"),
        (b"", "this one with ''"),
        (b"\0\0\x08\xff" + b"\xff" * 1020, "of 255 dimensions"),
        (b"\0\0\x08\xff" + b"\0\0\0\1" * 255 + b"x", "of 255 dimensions"),
        (b"\0\0\x08\3" + b"\0\0\0\0" + b"\xff" * 8, r"promises \(0, 4294967295, 4294967295\), which no"),
    ],
)
def test_idx_files_that_lie_are_refused(payload, message):
    with pytest.raises(ValueError, match=message):
        parse(payload)


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A folder for SCRATCHNN_DATA and one for the cache, both empty, and no network."""
    (tmp_path / "named").mkdir()
    monkeypatch.setenv("SCRATCHNN_DATA", str(tmp_path / "named"))
    monkeypatch.setattr(files, "cache_folder", lambda: tmp_path / "cache")
    return tmp_path


class Mirrors:
    """Stands in for the network: what each address answers, an exception or bytes; counts the requests."""

    def __init__(self, monkeypatch, answers: dict) -> None:
        import pooch

        self.answers, self.asked = answers, []
        monkeypatch.setattr(pooch, "HTTPDownloader", lambda **_: self)

    def __call__(self, url, output, _):
        self.asked.append(url)
        answer = self.answers[url]
        if isinstance(answer, Exception):
            raise answer
        Path(output).write_bytes(answer)


def file(*urls: str) -> File:
    return File("set", "images", SHA256, len(PAYLOAD), urls or ("https://a/images.gz",))


def place(folder, name: str, content: bytes) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)


@pytest.mark.parametrize("folder", ["named/set", "cache/set"])
@pytest.mark.parametrize("name, content", [("images", PAYLOAD), ("images.gz", gzip.compress(PAYLOAD))])
def test_a_file_is_found_raw_or_compressed(folder, name, content, here):
    place(here / folder, name, content)
    assert file().read() == PAYLOAD


def test_the_named_folder_comes_before_the_cache(here):
    place(here / "named/set", "images", b"wrong")
    place(here / "cache/set", "images", PAYLOAD)
    with pytest.raises(DataError, match="named/set/images is not images of set"):
        file().read()


def test_with_no_named_folder_the_cache_is_that_of_the_user_and_needs_a_package(tmp_path, monkeypatch):
    import pooch

    monkeypatch.delenv("SCRATCHNN_DATA", raising=False)
    monkeypatch.setattr(pooch, "os_cache", lambda project: tmp_path / project)
    place(tmp_path / "scratchnn/set", "images", PAYLOAD)
    assert file().read() == PAYLOAD
    monkeypatch.setitem(sys.modules, "pooch", None)
    sentence = r'a data set that is not in a folder named by SCRATCHNN_DATA needs pooch: .* "scratchnn\[examples\]"'
    with pytest.raises(ModuleNotFoundError, match=sentence):
        file().read()


@pytest.mark.parametrize(
    "content, reason",
    [
        (gzip.compress(PAYLOAD, mtime=0)[:-9], "truncated or damaged"),
        (gzip.compress(PAYLOAD, mtime=0)[:40], "truncated or damaged"),
        (gzip.compress(PAYLOAD[:-1], mtime=0), r"its 1,023 bytes of data have sha256 \w{64}, expected \w{64}"),
        (gzip.compress(PAYLOAD[:-1] + b"x", mtime=0), "altered, or the file of the same name of another data set"),
        (b"", "its 0 bytes"),
    ],
)
def test_a_truncated_or_altered_file_is_refused_and_says_what_to_do(content, reason, here):
    place(here / "named/set", "images.gz", content)
    with pytest.raises(DataError, match=rf"images\.gz is not images of set: .*{reason}.*Delete it, and it will be"):
        file().read()


def test_a_download_is_cached_and_not_repeated(here, monkeypatch):
    mirrors = Mirrors(monkeypatch, {"https://a/images.gz": gzip.compress(PAYLOAD)})
    assert file().read() == file().read() == PAYLOAD
    assert mirrors.asked == ["https://a/images.gz"]
    assert [path.name for path in (here / "cache/set").iterdir()] == ["images.gz"]


def test_what_a_killed_download_has_left_is_removed_and_what_another_is_writing_is_not(here, monkeypatch):
    Mirrors(monkeypatch, {"https://a/images.gz": gzip.compress(PAYLOAD)})
    for name, age in (("images.gz.1-0.part", 4000), ("images.gz.2-0.part", 10)):
        place(here / "cache/set", name, b"half of")
        os.utime(here / "cache/set" / name, 2 * (time.time() - age,))
    file().read()
    assert {path.name for path in (here / "cache/set").iterdir()} == {"images.gz", "images.gz.2-0.part"}


def test_a_mirror_that_fails_or_answers_with_something_else_is_passed_over(here, monkeypatch):
    answers = {
        "https://a/images.gz": ConnectionError("no route"),
        "https://b/images.gz": gzip.compress(b"another data set"),
        "https://c/images.gz": b"<html>403</html>",
        "https://d/images.gz": gzip.compress(PAYLOAD, compresslevel=1),  # recompressed: other bytes, same payload
    }
    mirrors = Mirrors(monkeypatch, answers)
    assert file(*answers).read() == PAYLOAD
    assert mirrors.asked == list(answers)


@pytest.fixture
def server():
    """The address of mirrors on this machine."""
    with serving() as address:
        yield address


def faulty(tmp_path, faults, places) -> None:
    """However the mirrors before it go wrong, the good one is reached, and what the others go on to write is no part of
    what is kept; of one that is alone, the fault is told."""
    for fault, cells in downloads.table(tmp_path, faults, places).items():
        for place, cell in cells.items():
            assert cell.refused if place == downloads.NONE else cell.right, (fault, place, cell)
        assert re.search(TOLD[fault], cells[downloads.NONE].outcome), (fault, cells[downloads.NONE])


def test_mirrors_that_send_something_else_are_passed_over(tmp_path, monkeypatch):
    """The first part of the short form of python -m tests.downloads, in which nobody has to be waited for."""
    monkeypatch.setattr(files, "fetch", functools.partial(files.fetch, patience=600))
    faults = [fault for fault in downloads.FAULTS if fault not in downloads.WAITS]
    assert len(faults) > 20
    faulty(tmp_path, faults, (*downloads.PLACES, downloads.NONE))


def test_mirrors_that_are_waited_for_are_passed_over(tmp_path, monkeypatch):
    """The second part: with less patience, and only one of them before the good one."""
    monkeypatch.setattr(Mirror, "late", 12.0)
    monkeypatch.setattr(files, "fetch", functools.partial(files.fetch, patience=5, least_speed=1000, deadline=60))
    faulty(tmp_path, downloads.WAITS, ("second", downloads.NONE))


SHA = r"bytes of data have sha256 \w{64}, expected \w{64}"
TOLD = {
    "refuses": "Max retries exceeded",
    "resets_the_connection": "Connection aborted",
    "says_nothing": "0 bytes in 5 seconds|timed out",
    "says_nothing_after_its_head": "0 bytes in 5 seconds|timed out",
    "stalls_halfway": "0 bytes in 5 seconds|timed out",
    "sends_all_when_given_up": "0 bytes in 5 seconds",
    "drips": "bytes in 5 seconds are too few to wait for the rest",
    "drips_at_its_end": "bytes in 5 seconds are too few",
    "drips_its_head": "0 bytes in 5 seconds",
    "drips_in_pieces": "bytes in 5 seconds are too few",
    "has_moved": "404",
    "is_forbidden": "403",
    "is_overloaded": "503",
    "sends_a_page_of_its_own": f"its 35 {SHA}",
    "sends_nothing": f"its 0 {SHA}",
    "sends_another_file": f"its 300,000 {SHA}",
    "flips_a_bit": "it is truncated or damaged",
    "flips_a_bit_of_the_payload": f"its 300,000 {SHA}",
    "breaks_off": "IncompleteRead",
    "sends_half_as_if_it_were_all": "it is truncated or damaged",
    "breaks_off_in_a_piece": "IncompleteRead",
    "has_no_end": "it sends more than the 304,396 bytes that the file can have",
    "sends_a_bomb": "it unpacks to more than the 300,000 bytes of the right one",
    "packs_a_bomb_for_the_way": "it sends more than the 304,396 bytes that the file can have",
    "redirects_to_nowhere": "Max retries exceeded",
    "redirects_in_a_circle": "Exceeded 30 redirects",
    "redirects_to_a_file": "No connection adapters",
    "redirects_to_words": "URL",
    "speaks_no_http": "Connection aborted",
}


def test_a_download_that_never_ends_has_a_deadline(tmp_path, server):
    """It sends enough to be waited for, and would do so for ever."""
    with pytest.raises(TimeoutError, match=r"it was not there after 0\.5 seconds"):
        files.fetch(f"{server}/has_no_end", tmp_path / "a", 10**12, patience=1, least_speed=1000, deadline=0.5)


def test_a_slow_mirror_that_is_fast_enough_is_waited_for(tmp_path, server):
    files.fetch(f"{server}/is_slow", tmp_path / "a", 10**6, patience=1, least_speed=100, deadline=60)
    assert (tmp_path / "a").read_bytes() == bytes(6000)


def test_a_cache_that_cannot_be_made_is_told_once_and_nothing_is_asked_for(here, monkeypatch):
    (here / "cache").write_text("a file in the way", encoding="utf-8")
    mirrors = Mirrors(monkeypatch, {})
    with pytest.raises(DataError, match=r"its download would go into .*cache/set, which cannot be made \(.+\): put"):
        file("https://a/images.gz", "https://b/images.gz").read()
    assert not mirrors.asked


def test_without_network_the_message_says_where_files_may_be_put(here, monkeypatch):
    answers = {"https://a/images.gz": ConnectionError("no route"), "https://b/images.gz": gzip.compress(b"no")}
    Mirrors(monkeypatch, answers)
    with pytest.raises(DataError) as error:
        file(*answers).read()
    message = str(error.value)
    assert "https://a/images.gz: no route" in message and "https://b/images.gz: its 2 bytes of data" in message
    assert str(here / "named/set") in message and "set/images" in message
    assert list((here / "cache/set").iterdir()) == []


def test_a_named_folder_that_does_not_exist_is_an_error_and_no_reason_to_download(here, monkeypatch):
    monkeypatch.setenv("SCRATCHNN_DATA", str(here / "nowhere"))
    with pytest.raises(DataError, match="there is no such folder: correct it or unset it"):
        file().read()


def test_a_damaged_matlab_file_is_named(here):
    place(here / "named/frey-face", "frey_rawface.mat", b"MATLAB 5.0 MAT-file, or so it says")
    with pytest.raises(DataError, match=r"frey_rawface\.mat .*it is no MATLAB 5\.0 file that holds just one matrix"):
        data.load("frey-face")


def test_the_frames_are_those_that_scipy_reads(real_data):
    raw = (real_data / "frey-face/frey_rawface.mat").read_bytes()
    theirs = scipy.io.loadmat(io.BytesIO(raw))["ff"]
    np.testing.assert_array_equal(matrix(raw, b"ff", (560, 1965)), theirs)
    assert data.frames_of_mat(raw) == theirs.T.tobytes()


def mat(array: np.ndarray, name: str = "ff", **how) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, {name: array}, **how)
    return file.getvalue()


def test_every_bit_of_a_matlab_file_counts_or_means_nothing():
    """The text at its beginning and the bytes that fill up its end mean nothing, and a hash decides on the numbers.
    A flip of any other bit is seen by the reader."""
    array = np.arange(15, dtype=np.uint8).reshape(3, 5)
    raw = mat(array)
    np.testing.assert_array_equal(matrix(raw, b"ff", (3, 5)), array)
    numbers = range(len(raw) - 16, len(raw) - 1)
    for bit in range(8 * len(raw)):
        flipped = bytearray(raw)
        flipped[bit // 8] ^= 1 << bit % 8
        if bit // 8 < 124 or bit // 8 >= len(raw) - 1:
            np.testing.assert_array_equal(matrix(bytes(flipped), b"ff", (3, 5)), array)
        elif bit // 8 in numbers:
            found = matrix(bytes(flipped), b"ff", (3, 5))
            assert found.shape == (3, 5) and (found != array).sum() == 1
        else:
            with pytest.raises(ValueError, match=r"it is no MATLAB 5\.0 file"):
                matrix(bytes(flipped), b"ff", (3, 5))


@pytest.mark.parametrize(
    "raw",
    [
        mat(np.zeros((5, 3), np.uint8)), mat(np.zeros((3, 5), np.int8)), mat(np.zeros((3, 5), np.uint8), "gg"),
        mat(np.zeros((3, 5), np.uint8), do_compression=True), mat(np.zeros((3, 5), np.uint8), format="4"),
        mat(np.zeros((3, 5), np.uint8)) + b"more", mat(np.zeros((3, 5), np.uint8))[:-1], b"", b"MATLAB 5.0 MAT-file",
    ],
)  # fmt: skip
def test_another_matlab_file_is_refused(raw):
    with pytest.raises(ValueError, match=r"holds just one matrix of bytes, ff \(3, 5\), not compressed"):
        matrix(raw, b"ff", (3, 5))


def test_a_file_that_grows_without_end_is_stopped_at_the_size_that_is_known(here):
    content = gzip.compress(bytes(200_000_000), compresslevel=1)[:-8]
    small = gzip.compress(PAYLOAD)
    right, _, usual = measured(lambda: file().payload(small))
    result, _, peak = measured(lambda: file().payload(content))
    assert right == PAYLOAD and usual < 20_000
    assert isinstance(result, ValueError) and "it unpacks to more than the 1,024 bytes of the right one" in str(result)
    assert peak < 1.5 * len(content)  # which is kept as what is left to unpack


@pytest.mark.parametrize("name", ["images", "images.gz"])
def test_a_file_that_is_larger_than_the_right_one_is_not_even_read(name, here, monkeypatch):
    place(here / "named/set", name, b"")
    os.truncate(here / "named/set" / name, 10**11)  # it has no blocks on the disk
    with pytest.raises(DataError, match="its 100,000,000,000 bytes are more than the 1,024 of the right one"):
        file().read()


def test_the_sizes_of_the_sets_are_those_of_their_files(real_data):
    """Else a right file would be refused."""
    for name in data.DATA_SETS:
        data.load(name)


def test_an_unknown_data_set_is_named():
    with pytest.raises(DataError, match="no data set 'cifar': choose one of digits, mnist, fashion-mnist, frey-face"):
        data.load("cifar")


def test_pixels_stay_bytes_until_a_batch_is_taken():
    images = Images(np.array([[0, 255], [51, 102]], np.uint8), 255, np.array([1, 2], np.uint8))
    assert images[:1].dtype == np.float32
    np.testing.assert_array_equal(images[np.array([1, 0])], np.array([[0.2, 0.4], [0, 1]], np.float32))
    for sizes in ((2, len(images)), (-1, 2)):
        with pytest.raises(ValueError, match="images cannot be cut into pieces of "):
            images.split(*sizes)
    first, second = images.split(1, 1)
    assert len(first) == len(second) == 1 and second.labels == [2]
    assert np.shares_memory(first.pixels, images.pixels)


def test_digits_are_embedded_and_split_without_overlap(monkeypatch):
    monkeypatch.setenv("SCRATCHNN_DATA", "/nowhere")
    digits = data.load("digits")
    assert (len(digits.train), len(digits.validation), len(digits.test)) == (1297, 200, 300)
    assert digits.train.pixels.dtype == np.uint8 and digits.train[:].max() == 1 and digits.train[:].min() == 0
    assert str(digits).startswith("digits: 1,297 training, 200 validation and 300 test images of 8×8 grey pixels / 16")


def test_the_digits_are_those_of_scikit_learn_in_its_order():
    theirs = pytest.importorskip("sklearn.datasets").load_digits()
    ours = data.load("digits")
    parts = (ours.validation, ours.train, ours.test)
    np.testing.assert_array_equal(np.concatenate([part.pixels for part in parts]), theirs.data)
    np.testing.assert_array_equal(np.concatenate([data.labels_of(part) for part in parts]), theirs.target)
    assert all(part.labels.dtype == np.uint8 and part.pixels.flags.c_contiguous for part in parts)


def test_digits_that_were_damaged_or_left_out_are_refused(tmp_path, monkeypatch):
    shipped = (Path(data.__file__).parent / "digits.idx.gz").read_bytes()
    assert len(shipped) < 100_000
    monkeypatch.setattr(data.resources, "files", lambda _: tmp_path)
    with pytest.raises(DataError, match=r"digits that come with the library cannot be read .*install it again"):
        data.load("digits")
    payload = bytearray(gzip.decompress(shipped))
    payload[-1] ^= 1
    (tmp_path / "digits.idx.gz").write_bytes(gzip.compress(payload))
    with pytest.raises(DataError, match=r"its 116,817 bytes of data have sha256 \w{64}, expected 4af6"):
        data.load("digits")


# ---- the real files


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_the_split_is_that_of_tensorflow_1(name, real_data):
    raw = parse(gzip.decompress((real_data / name / "train-images-idx3-ubyte.gz").read_bytes())).reshape(-1, 784)
    images = data.load(name)
    np.testing.assert_array_equal(images.validation.pixels, raw[:5000])
    np.testing.assert_array_equal(images.train.pixels, raw[5000:])
    assert len(images.test) == len(images.test.labels) == 10_000 and images.image_shape == (28, 28)


def test_the_labels_belong_to_the_images(real_data):
    """The mean image of a class is nearer to most of its members than that of another class: 82% on MNIST's test set
    (a nearest-mean classifier); labels shifted by one would give 10%."""
    images = data.load("mnist")
    means = np.stack([images.train.pixels[images.train.labels == c].mean(axis=0) for c in range(10)])
    test = images.test[:2000]
    distances = ((means / 255) ** 2).sum(axis=1) - 2 * test @ (means / 255).T
    assert (distances.argmin(axis=1) == images.test.labels[:2000]).mean() > 0.7


def test_frey_face_frames_are_upright_and_in_order(real_data):
    images = data.load("frey-face")
    assert (len(images.train), len(images.test), len(images.validation)) == (1600, 300, 65)
    assert images.train.labels is None

    def roughness(shape):
        return np.abs(np.diff(images.train.pixels.reshape(-1, *shape).astype(float), axis=1)).mean()

    assert roughness((28, 20)) < 0.7 * roughness((20, 28))  # the right shape is the smooth one
    frames = images.train.pixels.astype(float)
    assert np.abs(np.diff(frames, axis=0)).mean() < 0.7 * np.abs(frames[1:] - frames[::-1][:-1]).mean()


def test_one_data_set_in_the_place_of_another_is_noticed(real_data, tmp_path, monkeypatch):
    """Fashion-MNIST has MNIST's file names."""
    monkeypatch.setenv("SCRATCHNN_DATA", str(tmp_path))
    (tmp_path / "mnist").symlink_to(real_data / "fashion-mnist")
    with pytest.raises(DataError, match="the file of the same name of another data set"):
        data.load("mnist")


def test_binary_pixels_have_the_grey_ones_as_their_mean(rng):
    grey = Images(np.repeat(np.array([[0, 3, 8, 15]], np.uint8), 4000, axis=0), 15)
    for how in ("dynamic", "fixed"):
        x = binarise(grey, how, rng)[:]
        assert x.dtype == np.float32 and set(np.unique(x)) == {0, 1}
        p = np.array([0, 3, 8, 15]) / 15
        assert (np.abs(x.mean(axis=0) - p) <= 5 * np.sqrt(p * (1 - p) / 4000)).all()  # 0 and 1 without exception
    white = binarise(Images(np.array([[0, 7, 8, 15]], np.uint8), 15), "threshold", rng)
    assert white.pixels.tolist() == [[0, 0, 1, 1]] and white.max_value == 1
    assert binarise(grey, "none", rng) is grey


def test_dynamic_draws_at_every_use_and_fixed_once(rng):
    images = load("digits").train
    before = rng.bit_generator.state
    fixed = binarise(images, "fixed", rng)
    assert rng.bit_generator.state == before  # the run's generator is left alone
    np.testing.assert_array_equal(fixed[:50], binarise(images, "fixed", np.random.default_rng(5))[:50])
    np.testing.assert_array_equal(fixed.labels, images.labels)
    dynamic = binarise(images, "dynamic", rng)
    assert (dynamic[:50] != dynamic[:50]).any() and len(dynamic) == len(images)
    for how, equal in (("none", images[:9]), ("dynamic", binarise(images, "fixed", rng)[:9])):
        np.testing.assert_array_equal(binarise_held_out(images, how)[:9], equal)


def test_an_unknown_binarisation_is_named(rng):
    with pytest.raises(ValueError, match="no binarisation 'static': choose one of none, dynamic, fixed, threshold"):
        binarise(load("digits").train, "static", rng)


def test_a_reshuffled_split_has_the_same_images_in_other_parts(rng):
    digits = load("digits")
    reshuffled = digits.reshuffled(rng)
    parts = ("train", "validation", "test")
    assert [len(getattr(reshuffled, p)) for p in parts] == [len(getattr(digits, p)) for p in parts]

    def rows(data_set):
        everything = [getattr(data_set, p) for p in parts]
        both = np.column_stack(
            [np.concatenate([i.labels for i in everything]), np.concatenate([i.pixels for i in everything])]
        )
        return both[np.lexsort(both.T)]

    np.testing.assert_array_equal(rows(reshuffled), rows(digits))
    assert (reshuffled.test.pixels != digits.test.pixels).any()
    random, again = load("digits", "random"), load("digits", "random")
    np.testing.assert_array_equal(random.test.pixels, again.test.pixels)
    np.testing.assert_array_equal(rows(random), rows(digits))
    with pytest.raises(DataError, match="a random split is there for digits and frey-face; mnist has no split"):
        load("mnist", "random")


def test_labelled_images_are_pairs_and_need_labels(rng):
    train = load("digits").train
    x, labels = Labelled(train)[[3, 1]]
    np.testing.assert_array_equal(x, train[[3, 1]])
    np.testing.assert_array_equal(labels, train.labels[[3, 1]])
    np.testing.assert_array_equal(data.labels_of(train), train.labels)
    for need_labels in (Labelled, data.labels_of):
        with pytest.raises(ValueError, match="these images have no labels, so no classifier can learn from them"):
            need_labels(Images(train.pixels, 16))
    with pytest.raises(ValueError, match="1297 images need as many labels, got 5"):
        Images(train.pixels, 16, train.labels[:5])


def test_every_pixel_is_drawn_for_itself(rng):
    """Of mid-grey pixels, no two pixels, images, chunks of a thousand, or sets go together: a correlation of N pairs of
    independent draws has a standard deviation of 1/√N."""
    half = np.full((2000, 12), 8, np.uint8)
    train = binarise(Images(half, 16), "fixed", rng).pixels * 2.0 - 1
    other = binarise(Images(half.copy()[:1999], 16), "fixed", rng).pixels * 2.0 - 1
    pairs = {
        "pixels of an image": (train[:, 0], train[:, 1]),
        "neighbouring images": (train[:-1], train[1:]),
        "chunks": (train[:1000], train[1000:]),
        "sets": (train[:1999], other),
    }
    for name, (a, b) in pairs.items():
        assert abs(np.mean(a * b)) < 5 / np.sqrt(a.size), name


def test_the_threshold_is_above_a_half(rng):
    levels = Images(np.array([[0, 7, 8, 9, 16]], np.uint8), 16)
    assert binarise(levels, "threshold", rng).pixels.tolist() == [[0, 0, 0, 1, 1]]


def test_a_largest_value_of_numpy_s_does_not_wrap():
    images = Images(np.array([[0, 255]], np.uint8), np.uint8(255))
    assert type(images.max_value) is int and images.max_value + 1 == 256


@pytest.mark.parametrize("how", data.BINARISATIONS)
def test_no_images_are_binarised_to_none(how):
    assert len(binarise_held_out(Images(np.empty((0, 3), np.uint8), 255), how)) == 0


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_a_sentence(tmp_path, monkeypatch):
    monkeypatch.setenv("SCRATCHNN_DATA", str(tmp_path))
    path = tmp_path / "mnist" / "train-images-idx3-ubyte"
    path.parent.mkdir()
    path.write_bytes(b"")
    path.chmod(0)
    with pytest.raises(DataError, match="cannot be read: Permission denied"):
        load("mnist")


def test_a_draw_with_probability_nan_is_nan():
    p = np.array([0, 1, np.nan, 0.5], np.float32)
    u = np.random.default_rng(0).random(4, np.float32)
    drawn = draw_bernoulli(p, np.random.default_rng(0))
    np.testing.assert_array_equal(drawn, np.float32([0, 1, np.nan, u[3] < 0.5]))
