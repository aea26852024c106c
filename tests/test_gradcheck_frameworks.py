"""Backward passes written for PyTorch and JAX: right ones pass, and every planted mistake is found, with its line."""

from __future__ import annotations

import linecache
import sys
from typing import Any

import compare_torch
import numpy as np
import pytest

from scratchnn.gradcheck import GradientError, check_autograd_function, check_custom_vjp
from scratchnn.machinery.extras import MissingExtraError

CASES = [(f, mistake) for f in compare_torch.FUNCTIONS for mistake in ("", *f.wrong)]
RNG = np.random.default_rng(0)
X, W, B = RNG.standard_normal((5, 3)), RNG.standard_normal((3, 4)), RNG.standard_normal(4)


@pytest.fixture
def torch() -> Any:
    torch = pytest.importorskip("torch", reason='needs python -m pip install "scratchnn[torch]"')
    torch.set_num_threads(1)  # two threads wait for each other, over arrays this small
    return torch


@pytest.fixture
def jax() -> Any:
    return pytest.importorskip("jax", reason='needs python -m pip install "scratchnn[jax]"')


def run(text: str, *changes: tuple[str, str]) -> dict[str, Any]:
    """What the text defines, with changes; its lines are where a traceback finds them."""
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    file = f"<{hash(text)}>"
    linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
    space: dict[str, Any] = {"np": np, "__name__": "written"}
    exec(compile(text, file, "exec", dont_inherit=True), space)
    return space


# ---- PyTorch


@pytest.mark.parametrize(("function", "mistake"), CASES, ids=lambda case: getattr(case, "name", case) or "right")
def test_right_functions_pass_and_no_wrong_one_does_or_is_called_wrong_in_another_line(torch, function, mistake):
    said, (_, line) = compare_torch.ours(function, mistake), function.make(mistake)
    assert bool(said) == bool(mistake), said
    named = compare_torch.lines_named(said)
    assert not named or line in named, said


@pytest.mark.parametrize("function", compare_torch.FUNCTIONS, ids=lambda f: f.name)
def test_pytorch_s_own_check_says_the_same_of_the_right_ones_but_on_a_kink(torch, function):
    assert bool(compare_torch.theirs(function)) == (function.name == "hard tanh")


def test_pytorch_s_own_check_finds_wrong_ones_too(torch):
    assert all(
        compare_torch.theirs(compare_torch.FUNCTIONS[2], mistake) for mistake in compare_torch.FUNCTIONS[2].wrong
    )


TWO = """
import torch
from torch.autograd.function import once_differentiable

class Two(torch.autograd.Function):
    @staticmethod
    def forward(x, eps, W):
        h = x * eps
        z = h @ W
        y = torch.tanh(z)
        return y, y.argmax(1), y.sum(1)

    @staticmethod
    def setup_context(ctx, inputs, output):
        x, eps, W = inputs
        y, best, _ = output
        ctx.mark_non_differentiable(best)
        ctx.save_for_backward(x, W, y)
        ctx.eps = eps

    @staticmethod
    @once_differentiable
    def backward(ctx, dy, _, dsum):
        x, W, y = ctx.saved_tensors
        dz = (dy + dsum[:, None]) * (1 - y**2)
        dW = (x * ctx.eps).t() @ dz
        dh = dz @ W.t()
        dx = dh * ctx.eps
        return dx, None, dW
"""
GIVEN = {"x": X, "W": W}, [RNG.standard_normal((5, 3))]


def test_a_function_with_setup_context_several_outputs_and_a_constant_in_between(torch):
    report = check_autograd_function(run(TWO)["Two"], *GIVEN)
    assert report.passed and [array.name for array in report.arrays] == ["dx", "dW"]
    assert check_autograd_function(run(TWO)["Two"], {"W": torch.tensor(W), "x": torch.tensor(X).T.clone().T}, GIVEN[1])


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("* (1 - y**2)", "* (1 - y)"), r"line 25, `dz = .*\n(.*\n)*.* derivative of .* is taken for 1 − y"),
        (("dx = dh * ctx.eps", "dx = dh"), r"line 28, `dx = dh`"),
        (("return dx, None, dW", "return dx, None, None"), "Two: backward gives nothing for dW"),
        (("return dx, None, dW", "return dx, dW"), "incorrect number of gradients"),
        (("return dx, None, dW", "return dx, None, dW.t()"), "invalid gradient at index 2"),
        (("dx = dh * ctx.eps", "dx = dh.mul_(ctx.eps); y.mul_(2)"), "writes into what forward returned|inplace"),
        (("dx = dh * ctx.eps", "dx = x.mul_(2) * 0 + dh * ctx.eps"), "writes into forward's argument|writes into x"),
        (("dW = (x * ctx.eps)", "dsum.mul_(1); dy.mul_(2); dW = (x * ctx.eps)"), "writes into the upstream gradient"),
        (("dW = (x * ctx.eps)", "ctx.eps *= 2; dW = (x * ctx.eps)"), "writes into|another"),
        (("(dy + dsum[:, None])", "dy"), "the part that comes through the output «number 2» is missing"),
        (("(dy + dsum[:, None])", "(dy + dsum.view(-1, 1).clamp(-9, 9))"), "not linear in the upstream gradient"),
        (("dx = dh * ctx.eps", "dx = dh * ctx.eps if ctx.needs_input_grad[2] else None"), "x alone .* needs_in"),
        (("dW = (x * ctx.eps)", "dy.view(-1); dW = (x * ctx.eps)"), r"fails for .* that of y\.sum\(0\)"),
        (("ctx.eps = eps", "ctx.eps = eps; ctx.set_materialize_grads(False)"), "where output number 1 alone is"),
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_in_it_are_found(torch, change, says):
    with pytest.raises(GradientError, match=says):
        check_autograd_function(run(TWO, change)["Two"], *GIVEN)


def test_a_gradient_that_pytorch_sums_to_the_shape_of_its_input_is_right(torch):
    """PyTorch does so with what was broadcast."""
    text = compare_torch.FUNCTIONS[0].source
    made = run("import torch\n" + text, ("db = dy.sum(0)", "db = dy"))["F"]
    assert check_autograd_function(made, [X, W.T.copy(), B]).passed


def test_on_a_kink_every_slope_in_between_is_right_and_no_other(torch):
    hard = next(f for f in compare_torch.FUNCTIONS if f.name == "hard tanh")
    at_end = [np.array([[-1.0, 0.3], [1.0, -2.0]])]
    for slope, right in ((0.5, True), (1.5, False)):
        text = hard.source.replace("return dx", f"return torch.where(x.abs() == 1, {slope} * dy, dx)")
        made = run("import torch\n" + text)["F"]
        if right:
            assert check_autograd_function(made, at_end).passed
        else:
            with pytest.raises(GradientError):
                check_autograd_function(made, at_end)


def test_what_cannot_be_checked_is_refused_in_a_sentence(torch):
    two = run(TWO)["Two"]
    with pytest.raises(TypeError, match="a gradient check needs float64, and the input x is float32"):
        check_autograd_function(two, {"x": torch.tensor(X, dtype=torch.float32), "W": W}, GIVEN[1])
    with pytest.raises(TypeError, match=r"a subclass of torch\.autograd\.Function, got a? ?Linear"):
        check_autograd_function(torch.nn.Linear(3, 4), [X])
    with pytest.raises(TypeError, match="there are 2 inputs and 2 constants for x, eps, W"):
        check_autograd_function(two, *GIVEN[:1], [1.0, 2.0])
    with pytest.raises(TypeError, match="no output of forward has a gradient"):
        check_autograd_function(run(TWO, ("(best)", "(*output)"))["Two"], *GIVEN)


# ---- JAX

DENSE = """
import jax
import jax.numpy as jnp
from functools import partial

@partial(jax.custom_vjp, nondiff_argnums=(1,))
def dense(layer, slope, x, labels):
    z = x @ layer["W"] + layer["b"][0]
    return {"y": jnp.where(z > 0, z, slope * z), "best": z.argmax(1)}

def fwd(layer, slope, x, labels):
    z = x @ layer["W"] + layer["b"][0]
    y = jnp.where(z > 0, z, slope * z)
    return {"y": y, "best": z.argmax(1)}, (layer["W"], x, z)

def bwd(slope, kept, douts):
    W, x, z = kept
    dz = douts["y"] * jnp.where(z > 0, 1, slope)
    dW = x.T @ dz
    db = dz.sum(0)
    dx = dz @ W.T
    return {"W": dW, "b": (db,)}, dx, None

dense.defvjp(fwd, bwd)
"""
INPUTS, LABELS = {"layer": {"W": W, "b": (B,)}, "x": X}, [0.1, np.arange(5)]


def test_a_custom_vjp_with_trees_and_nondiff_argnums(jax):
    report = check_custom_vjp(run(DENSE)["dense"], INPUTS, LABELS)
    assert report.passed and {array.name for array in report.arrays} == {"dW", "dlayer['b'][0]", "dx"}
    assert not jax.config.jax_enable_x64 and jax.numpy.ones(1).dtype == np.float32  # as it was


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (("dW = x.T @ dz", "dW = x.T @ dz / len(x)"), r"line 19, `dW = .*\n(.*\n)*dW: dW is exactly 0.2 times"),
        (("jnp.where(z > 0, 1, slope)", "1"), r"line 18, `dz = .*\n(.*\n)*dx.*: .* of jnp.where.* is left out"),
        (('{"W": dW, "b": (db,)}, dx', '{"W": dW}, dx'), "JAX ends backward with an error"),
        (("dx = dz @ W.T", "dx = W @ dz.T"), "JAX ends backward with an error"),
        (("dx = dz @ W.T", "dx = None"), "dx: dx is zero everywhere"),
        (("dW = x.T @ dz", "dW = x.T @ jnp.clip(dz, -9, 9)"), "not linear in the upstream gradient"),
        (('    return {"y": jnp.where(z > 0, z, slope * z)', '    return {"y": 2 * z'), "fwd give different values"),
    ],
    ids=str,
)  # fmt: skip
def test_mistakes_in_a_custom_vjp_are_found(jax, change, says):
    with pytest.raises(GradientError, match=says):
        check_custom_vjp(run(DENSE, change)["dense"], INPUTS, LABELS)


def test_what_is_no_custom_vjp_is_refused_in_a_sentence(jax):
    for function in (lambda x: x, jax.custom_vjp(lambda x: x)):
        with pytest.raises(TypeError, match=r"expected a function of jax\.custom_vjp, with its fwd and bwd"):
            check_custom_vjp(function, [X])
    with pytest.raises(TypeError, match="a gradient check needs float64, and the input x is float32"):
        check_custom_vjp(run(DENSE)["dense"], {**INPUTS, "x": X.astype(np.float32)}, LABELS)


# ---- without them


@pytest.mark.parametrize(("check", "package"), [(check_autograd_function, "torch"), (check_custom_vjp, "jax")])
def test_a_missing_framework_is_a_sentence_that_names_the_extra(monkeypatch, check, package):
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=rf'needs {package}: python -m pip install "scratchnn\[{package}\]"'):
        check(None, [X])
