"""Compiled loops give NumPy's bits, and are used when they pay."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
from conftest import ROOT
from hypothesis import given
from hypothesis import strategies as st

from scratchnn import VAE, Adam, Bernoulli, Conv2D, Dense, MaxPool2D, ReLU, Sequential, compiled
from scratchnn.data import Images
from scratchnn.layers.convolution import col2im, im2col
from scratchnn.layers.pooling import max_pool_adjoint
from scratchnn.machinery.images import batch_first
from scratchnn.training import Trainer, compiling

pytest.importorskip("numba")

SPECIAL = (0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, -1e-40, 5e-324, 1e-310, 1.0, -1.0, 3e38, -1e300)
seeds = st.integers(0, 2**32 - 1)
dtypes = st.sampled_from([np.float32, np.float64])


@pytest.fixture(scope="module")
def loops():
    """The module of the loops, all of them in use; afterwards only if they were before."""
    before = dict(compiled.in_use)
    assert compiled.use_loops()
    compiled.in_use.update(compiled.loops_at_hand().FORMS)  # use_loops does that once a process
    yield compiled.loops_at_hand()
    compiled.in_use.clear()
    compiled.in_use.update(before)


def numbers(rng, shape, dtype, special):
    """Draws on all scales, with a share of special values (as far as the type has them)."""
    with np.errstate(over="ignore", under="ignore"):
        x = (rng.standard_normal(shape) * 10.0 ** rng.integers(-40, 38, shape)).astype(dtype)
        return np.where(rng.random(shape) < special, rng.choice(SPECIAL, shape).astype(dtype), x)


def same_bits(one, other):
    """Equal to the sign of a zero; of a NaN only that it is one."""
    assert one.dtype == other.dtype and one.shape == other.shape and one.strides == other.strides
    both = np.isnan(one) & np.isnan(other)
    unsigned = np.uint32 if one.dtype == np.float32 else np.uint64
    np.testing.assert_array_equal(one.view(unsigned)[~both], other.view(unsigned)[~both])


def by_both(loops, run):
    """What run() returns with NumPy's forms, and with loops, each called for certain."""
    with compiled.numpy_forms():
        expected = run()
    called = []
    for name, form in loops.FORMS.items():
        compiled.in_use[name] = lambda *args, form=form: called.append(form(*args)) or called[-1]
    found = run()
    assert called and all(result is not NotImplemented for result in called)
    compiled.in_use.update(loops.FORMS)
    return expected, found


class Vectors:
    def __init__(self, params, grads):
        self.params, self.grads = params, grads


@given(seeds, st.integers(0, 70), st.sampled_from([0.0, 0.3]), dtypes, st.integers(1, 2000))
def test_adam_changes_no_bit(loops, seed, n, special, dtype, t):
    rng = np.random.default_rng(seed)
    start = [numbers(rng, n, dtype, special) for _ in range(4)]
    lr, beta1, beta2, eps = rng.uniform((1e-5, 0, 0, 1e-12), (1, 0.999, 0.9999, 1e-3))

    def run():
        params, grads, m, v = (array.copy() for array in start)
        adam = Adam(Vectors(params, grads), lr, beta1, beta2, eps)
        adam.m, adam.v, adam.t = m, np.abs(v), t
        adam.begin()
        with np.errstate(all="ignore"):
            adam.update(slice(0, n))
        return params, adam.m, adam.v

    for one, other in zip(*by_both(loops, run), strict=True):
        same_bits(one, other)


pairs = st.tuples(st.integers(1, 3), st.integers(1, 3))
sizes = st.tuples(st.integers(1, 3), st.integers(1, 3), st.integers(1, 9), st.integers(1, 7))


@given(seeds, sizes, pairs, pairs, st.sampled_from([0.0, 0.3]), dtypes, st.integers(0, 2))
def test_col2im_changes_no_bit(loops, seed, more, kernel, stride, special, dtype, above):
    OH, OW, N, C = more
    rng = np.random.default_rng(seed)
    height, width = (s * (n - 1) + k for n, k, s in zip((OH, OW), kernel, stride, strict=True))
    cols = numbers(rng, (C * kernel[0] * kernel[1], OH * OW * N), dtype, special)
    # a band of a larger image, as in correlate_adjoint; the last columns may lie in no window
    image = numbers(rng, (C, height + above + 1, width + 1, N), dtype, special)

    def run():
        x = image.copy()
        with np.errstate(all="ignore"):
            col2im(x[:, above : above + height], cols, kernel, stride, (OH, OW))
        return x

    same_bits(*by_both(loops, run))


@given(seeds, sizes, pairs, st.sampled_from([0.0, 0.4]), dtypes, st.integers(0, 2))
def test_max_pooling_backward_changes_no_bit(loops, seed, more, size, special, dtype, rest):
    C, OH, OW, N = more
    rng = np.random.default_rng(seed)
    x = numbers(rng, (C, OH * size[0] + rest, OW * size[1] + rest, N), dtype, special)
    x = np.where(rng.random(x.shape) < 0.4, 0, x)  # ties
    dy = numbers(rng, (C, OH, OW, N), dtype, special)
    with np.errstate(all="ignore"):
        layer = MaxPool2D(size)
        y = np.ascontiguousarray(layer.forward(batch_first(x)).transpose(1, 2, 3, 0)[:, :OH, :OW])
        same_bits(*by_both(loops, lambda: max_pool_adjoint(x, y, dy, size, size)))


def test_the_loops_are_right_as_python_reads_them(loops, rng, monkeypatch):
    """What Numba compiles is also a program that Python runs: a reader may trust the text of loops.py."""
    for machine_code, _ in loops.LOOPS:
        monkeypatch.setattr(loops, machine_code.__name__, machine_code.py_func)
    kernel, stride, windows = (2, 3), (1, 2), (3, 2)
    cols = rng.standard_normal((2 * 2 * 3, 3 * 2 * 2)).astype(np.float32)
    x = rng.integers(0, 3, (2, 5, 6, 2)).astype(np.float32)  # ties; the last row lies in no window
    layer = MaxPool2D((2, 3))
    y = np.ascontiguousarray(layer.forward(batch_first(x)).transpose(1, 2, 3, 0))
    start = rng.standard_normal((4, 7)).astype(np.float32)

    def run():
        image = np.ones((2, 4, 5, 2), np.float32)
        col2im(image, cols, kernel, stride, windows)
        params, grads, m, v = start.copy()
        adam = Adam(Vectors(params, grads))
        adam.m, adam.v = m, np.abs(v)
        adam.begin()
        adam.update(slice(0, 7))
        return image, max_pool_adjoint(x, y, y, layer.size, layer.stride), params, adam.m, adam.v

    for one, other in zip(*by_both(loops, run), strict=True):
        same_bits(one, other)


def test_a_loop_with_another_order_of_sums_is_found(loops, rng):
    """The test can fail: col2im from the last entry of the kernel to the first has other last bits."""
    cols = rng.standard_normal((9 * 2, 5 * 4 * 3)).astype(np.float32)

    def backwards(x, cols, kernel, stride, windows):
        turned = cols.reshape(2, 3, 3, 5, 4, 3)
        for u, v in reversed(list(np.ndindex(3, 3))):
            x[:, u : u + 5, v : v + 4] += turned[:, u, v]

    def run():
        x = np.zeros((2, 7, 6, 3), np.float32)
        col2im(x, cols, (3, 3), (1, 1), (5, 4))
        return x

    loops_form, loops.FORMS["col2im"] = loops.FORMS["col2im"], backwards
    try:
        with pytest.raises(AssertionError, match="Arrays are not equal"):
            same_bits(*by_both(loops, run))
    finally:
        loops.FORMS["col2im"] = loops_form


def test_arrays_that_no_loop_is_made_for_take_the_numpy_form(loops, rng):
    image, size = np.zeros((2, 7, 6, 3)), ((3, 3), (1, 1), (5, 4))
    cols = im2col(rng.standard_normal((2, 7, 6, 3)), *size)
    forms = loops.FORMS
    assert forms["col2im"](image, cols, *size) is None
    for x, columns in [
        (image.astype(complex), cols.astype(complex)),
        (image.astype(np.float32), cols),
        (image.astype(np.float16), cols.astype(np.float16)),
        (np.zeros((2, 7, 6, 6))[..., ::2], cols),
        (np.asfortranarray(image), cols),
    ]:
        expected = x.copy(order="K")
        with compiled.numpy_forms():
            col2im(expected, columns, *size)
        assert forms["col2im"](x, columns, *size) is NotImplemented
        col2im(x, columns, *size)
        np.testing.assert_array_equal(x, expected)
    x = rng.standard_normal((2, 5, 5, 3))
    assert forms["max_pool_adjoint"](x, x[:, :4, :4], x[:, :4, :4], (2, 2), (1, 1)) is NotImplemented  # overlapping
    adam = Adam(Vectors(np.zeros(6)[::2], np.ones(3)))
    adam.begin()
    assert forms["Adam.update"](adam, slice(0, 3)) is NotImplemented
    adam.update(slice(0, 3))
    assert (adam.model.params != 0).all()


def network(seed):
    rng = np.random.default_rng(seed)
    encoder = Sequential([Dense(36, 20, rng, b=0.1), ReLU(), Dense(20, 6, rng, b=-0.1)])
    decoder = Sequential([Dense(3, 20, rng, b=0.1), ReLU(), Dense(20, 36, rng)])
    return VAE(encoder, decoder, Bernoulli(), 3)


def test_a_training_has_the_same_bits_wherever_the_loops_take_over(loops, capsys):
    pixels = np.random.default_rng(0).integers(0, 256, (90, 36), dtype=np.uint8)

    def train(when):
        model, rng = network(1), np.random.default_rng(2)
        compiled.in_use.clear()

        def switch(trainer, record):
            if record["epoch"] == when:
                compiled.in_use.update(loops.FORMS)

        trainer = Trainer(model, Adam(model), rng)
        switch(trainer, {"epoch": 0})
        trainer.fit(Images(pixels, 255), epochs=4, batch_size=20, after_epoch=[switch])
        return model.params.tobytes(), [record["train_loss"] for record in trainer.history]

    assert train(when=0) == train(when=2) == train(when=9)
    compiled.in_use.update(loops.FORMS)


class OfEpochs:
    def __init__(self, epochs):
        self.epochs = epochs


@pytest.fixture
def switched(monkeypatch):
    """What use_loops_if_it_pays did, by the times of an epoch; nothing is compiled."""
    calls = []
    monkeypatch.setattr(compiled, "in_use", {})
    monkeypatch.setattr(compiling, "FOUND", [])
    monkeypatch.setattr(compiled, "use_loops", lambda: calls.append("loops") or True)
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    return calls


def test_loops_take_over_when_the_epochs_left_earn_their_cost(switched, monkeypatch, capsys):
    warm = compiling.READ / compiling.SAVED
    cold = compiling.COMPILE / compiling.SAVED

    def after(seconds_left, in_cache):
        switched.clear()
        monkeypatch.setattr(compiled, "in_cache", lambda: in_cache)
        compiling.use_loops_if_it_pays(OfEpochs(11), {"epoch": 1, "seconds": seconds_left / 10})
        return switched == ["loops"], capsys.readouterr().out

    assert after(0.99 * warm, True) == (False, "")
    assert after(1.01 * warm, True) == (True, "")
    assert after(0.99 * cold, False) == (False, "")
    used, said = after(1.01 * cold, False)
    assert used and said.startswith("Numba compiles the loops of training, once on this machine …\n… which took 0.0 s")
    with compiled.numpy_forms():
        assert after(1000 * cold, True) == (False, "")
    monkeypatch.setenv(compiled.VARIABLE, "0")
    assert after(1000 * cold, True) == (False, "")


def test_without_numba_a_long_training_says_how_it_takes_less_time(switched, monkeypatch, capsys):
    monkeypatch.setattr(compiling.importlib.util, "find_spec", lambda name: None)
    hint = 'With Numba this training would take less time: python -m pip install "scratchnn[fast]"\n'
    for epoch, seconds, said in ((1, 1.0, ""), (1, 10.0, hint), (2, 10.0, "")):
        compiling.use_loops_if_it_pays(OfEpochs(11), {"epoch": epoch, "seconds": seconds})
        assert switched == [] and capsys.readouterr().out == said


def python(code, **environment):
    known = {name: value for name, value in os.environ.items() if name != compiled.VARIABLE}
    return subprocess.run(
        [sys.executable, "-W", "always", "-c", code], cwd=ROOT, env=known | environment, capture_output=True, text=True
    )


def test_the_variable_of_the_environment_decides_at_import():
    code = "import sys, scratchnn; from scratchnn.compiled import in_use; print(sorted(in_use), 'numba' in sys.modules)"
    assert python(code).stdout == python(code, SCRATCHNN_LOOPS="0").stdout == "[] False\n"
    assert python(code, SCRATCHNN_LOOPS="1").stdout == "['Adam.update', 'col2im', 'max_pool_adjoint'] True\n"


@pytest.mark.parametrize(
    "breakage, reason",
    [
        ("sys.modules['numba'] = None", "ModuleNotFoundError: import of numba halted; None in sys.modules"),
        (
            "import types; sys.modules['numba'] = types.ModuleType('numba'); sys.modules['numba'].njit = 1 / 1",
            "TypeError: 'float' object is not callable",
        ),
        (
            "import numba.core.caching as c; c.FunctionCache._impl_class._locator_classes = []",
            "RuntimeError: cannot cache function 'adam': no locator available for file",
        ),
        ("import os; os.environ['NUMBA_DISABLE_JIT'] = '1'", "ImportError: NUMBA_DISABLE_JIT is set"),
    ],
)
def test_where_numba_is_of_no_use_one_sentence_says_so_and_numpy_goes_on(breakage, reason):
    """Not there, of another version, with no folder that it may write its cache to, and told to compile nothing."""
    code = (
        f"import sys; {breakage}; from scratchnn import compiled; "
        "print(compiled.use_loops() or compiled.in_cache(), compiled.in_use)"
    )
    done = python(code)
    assert done.stdout == "False {}\n" and "Traceback" not in done.stderr
    assert done.stderr.count("training goes on without compiled loops") == 1 and reason in done.stderr


def test_a_second_process_reads_what_the_first_has_compiled(tmp_path):
    code = (
        "from scratchnn.compiled import in_cache, loops_at_hand, use_loops; before = in_cache(); use_loops();"
        "print(before, in_cache(), sum(sum(loop.stats.cache_misses.values()) for loop, _ in loops_at_hand().LOOPS))"
    )
    environment = {"NUMBA_CACHE_DIR": str(tmp_path)}
    assert python(code, **environment).stdout == "False True 6\n"  # three loops for two types
    assert python(code, **environment).stdout == "True True 0\n"


def test_the_loops_are_in_use_where_the_whole_suite_asks_for_them():
    if os.environ.get(compiled.VARIABLE) != "1":
        pytest.skip(f"{compiled.VARIABLE} is not 1")
    assert set(compiled.in_use) == {"Adam.update", "col2im", "max_pool_adjoint"}


def test_the_time_of_an_epoch_is_that_of_its_steps(switched, monkeypatch):
    """Compiling happens between two epochs."""
    monkeypatch.setattr(compiled, "in_cache", lambda: True)
    monkeypatch.setattr(compiled, "use_loops", lambda: time.sleep(0.5) or switched.append("loops") or True)
    monkeypatch.setattr(compiling, "SAVED", 1e9)
    model = network(1)
    trainer = Trainer(model, Adam(model), np.random.default_rng(0))
    trainer.fit(np.zeros((8, 36), np.float32), epochs=2, batch_size=8)
    assert switched and max(record["seconds"] for record in trainer.history) < 0.5


def test_a_convolution_trains_with_loops_as_without(loops, rng):
    x = rng.standard_normal((6, 1, 9, 8)).astype(np.float32)

    def gradient():
        network = Sequential([Conv2D(1, 3, 2, np.random.default_rng(1), b=0.1), ReLU(), MaxPool2D(2),
                              Conv2D(3, 2, (2, 3), np.random.default_rng(2), stride=(1, 2))])  # fmt: skip
        y = network.forward(x)
        dx = network.backward(y)
        return np.concatenate([dx.ravel(), network.grads])

    same_bits(*by_both(loops, gradient))


def test_loops_that_cannot_be_had_are_tried_once(monkeypatch, capsys):
    """Numba is installed, and of no use here: not every epoch says again that it compiles."""
    calls = []
    monkeypatch.setattr(compiled, "use_loops", lambda: calls.append("loops") or False)
    monkeypatch.setattr(compiled, "in_cache", lambda: False)
    monkeypatch.setattr(compiled, "in_use", {})
    monkeypatch.setattr(compiling, "FOUND", [])
    monkeypatch.delenv(compiled.VARIABLE, raising=False)
    for epoch in (1, 2):
        compiling.use_loops_if_it_pays(SimpleNamespace(epochs=99), {"epoch": epoch, "seconds": 1000.0})
    assert calls == ["loops"] and "Numba compiles" in capsys.readouterr().out
