"""Holds the check and torch.autograd.gradcheck against the same Functions; `python tests/compare_torch.py` counts.

What people write for PyTorch: each Function once right, and with mistakes, each the change of one line. A wrong one has
what its cause is called by, if it is called by its name. docs/diagnosis.md has the last result.
"""

from __future__ import annotations

import linecache
import re
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = Sequence[np.ndarray]


@dataclass(frozen=True)
class Function:
    """The source of a class F; what (inputs, constants) it is given; and what is wrong → (old line, new line, cause).

    A cause is a regular expression: what a report must say that has found it.
    """

    name: str
    source: str
    given: Callable[[np.random.Generator], tuple[Arrays, Sequence[Any]]]
    wrong: dict[str, tuple[str, str, str]]

    def make(self, mistake: str = "") -> tuple[Any, int]:
        """The class, its source where a traceback finds it; and the number of the line with the mistake."""
        old, new, _ = self.wrong[mistake] if mistake else ("", "", "")
        assert not mistake or self.source.count(old) == 1, (self.name, mistake)
        text, file = self.source.replace(old, new) if mistake else self.source, f"<{self.name}: {mistake or 'right'}>"
        linecache.cache[file] = (len(text), None, text.splitlines(keepends=True), file)
        space: dict[str, Any] = {"__name__": "functions"}
        exec(compile("import math, torch", "", "exec"), space)
        exec(compile(text, file, "exec", dont_inherit=True), space)
        return space["F"], self.source[: self.source.index(old)].count("\n") + 1

    def inputs(self) -> tuple[list[np.ndarray], Sequence[Any]]:
        inputs, constants = self.given(np.random.default_rng(0))
        return list(inputs), constants


def normal(*shapes: tuple[int, ...]) -> Callable[[np.random.Generator], tuple[Arrays, Sequence[Any]]]:
    return lambda rng: ([rng.standard_normal(shape) for shape in shapes], ())


FUNCTIONS = [
    Function(
        "linear",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, W, b):
        ctx.save_for_backward(x, W)
        return x @ W.t() + b

    @staticmethod
    def backward(ctx, dy):
        x, W = ctx.saved_tensors
        dx = dW = db = None
        if ctx.needs_input_grad[0]:
            dx = dy @ W
        if ctx.needs_input_grad[1]:
            dW = dy.t() @ x
        if ctx.needs_input_grad[2]:
            db = dy.sum(0)
        return dx, dW, db
""",
        normal((5, 4), (4, 4), (4,)),
        {
            "a mean over the batch": ("db = dy.sum(0)", "db = dy.mean(0)", "that is 1/N"),
            "W transposed": ("dx = dy @ W", "dx = dy @ W.t()", "taken with W in the place of"),
            "the wrong needs_input_grad": ("needs_input_grad[1]", "needs_input_grad[0]", "needs_input_grad"),
            "another shape": ("db = dy.sum(0)", "db = dy.sum(1)", "invalid gradient"),
        },
    ),
    Function(
        "GELU",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        inner = math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)
        t = torch.tanh(inner)
        ctx.save_for_backward(x, t)
        return 0.5 * x * (1 + t)

    @staticmethod
    def backward(ctx, dy):
        x, t = ctx.saved_tensors
        dt = dy * 0.5 * x
        dinner = dt * (1 - t**2)
        dx = dy * 0.5 * (1 + t) + dinner * math.sqrt(2 / math.pi) * (1 + 3 * 0.044715 * x**2)
        return dx
""",
        normal((3, 4)),
        {
            "tanh' forgotten": ("dinner = dt * (1 - t**2)", "dinner = dt", "torch.tanh.* is left out"),
            "1 − t for 1 − t²": ("dt * (1 - t**2)", "dt * (1 - t)", "taken for 1 − t"),
            "the inner derivative without its 3": ("1 + 3 * 0.044715", "1 + 0.044715", "counts 0.333333 times"),
        },
    ),
    Function(
        "softmax",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        e = torch.exp(x - x.max(dim=1, keepdim=True).values)
        p = e / e.sum(dim=1, keepdim=True)
        ctx.save_for_backward(p)
        return p

    @staticmethod
    def backward(ctx, dp):
        (p,) = ctx.saved_tensors
        inner = (dp * p).sum(dim=1, keepdim=True)
        dx = p * (dp - inner)
        return dx
""",
        normal((4, 3)),
        {
            "only the diagonal": ("dx = p * (dp - inner)", "dx = p * (1 - p) * dp", "on its diagonal alone"),
            "the sum without p": ("(dp * p).sum", "dp.sum", "lacks the factor p"),
            "the saved p overwritten": (
                "dx = p * (dp - inner)", "dx = p.mul_(dp - inner)", "inplace operation|writes into what forward",
            ),
        },
    ),
    Function(
        "layer norm",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, gamma, beta, eps=1e-5):
        mean = x.mean(1, keepdim=True)
        var = ((x - mean) ** 2).mean(1, keepdim=True)
        inv = 1 / torch.sqrt(var + eps)
        xhat = (x - mean) * inv
        ctx.save_for_backward(xhat, gamma, inv)
        return gamma * xhat + beta

    @staticmethod
    def backward(ctx, dy):
        xhat, gamma, inv = ctx.saved_tensors
        dgamma = (dy * xhat).sum(0)
        dbeta = dy.sum(0)
        dxhat = dy * gamma
        dx = inv * (dxhat - dxhat.mean(1, keepdim=True) - xhat * (dxhat * xhat).mean(1, keepdim=True))
        return dx, dgamma, dbeta, None
""",
        normal((5, 4), (4,), (4,)),
        {
            "the route through the mean": ("dxhat - dxhat.mean(1, keepdim=True) - ", "dxhat - ", "from x to mean"),
            "gamma forgotten": ("dxhat = dy * gamma", "dxhat = dy", "by xhat is left out"),
            "the wrong axis": ("dxhat.mean(1, keepdim=True)", "dxhat.mean(0, keepdim=True)", "another axis|axis 0"),
            "the width as a number": (
                "dbeta = dy.sum(0)", "dbeta = dy.sum(0) * gamma.numel() / 4", "a size written as a number",
            ),
        },
    ),
    Function(
        "cross entropy",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, logits, labels):
        log_p = torch.log_softmax(logits, 1)
        ctx.save_for_backward(log_p, labels)
        return -log_p[torch.arange(len(labels)), labels].mean()

    @staticmethod
    def backward(ctx, dloss):
        log_p, labels = ctx.saved_tensors
        dlogits = torch.exp(log_p)
        dlogits[torch.arange(len(labels)), labels] -= 1
        dlogits = dlogits * dloss / len(labels)
        return dlogits, None
""",
        lambda rng: ([rng.standard_normal((5, 4))], [rng.integers(0, 4, 5)]),
        {
            "N forgotten": ("dlogits * dloss / len(labels)", "dlogits * dloss", "that is N"),
            "the upstream gradient forgotten": ("dlogits * dloss / len", "dlogits / len", "whatever the upstream"),
            "plus 1": ("labels] -= 1", "labels] += 1", "the label's entry"),
        },
    ),
    Function(
        "LSTM cell",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, h, c, W, U, b):
        a = x @ W + h @ U + b
        ai, af, ao, ag = a.chunk(4, dim=1)
        i, f, o, g = torch.sigmoid(ai), torch.sigmoid(af), torch.sigmoid(ao), torch.tanh(ag)
        c_new = f * c + i * g
        t = torch.tanh(c_new)
        h_new = o * t
        ctx.save_for_backward(x, h, c, W, U, i, f, o, g, t)
        return h_new, c_new

    @staticmethod
    def backward(ctx, dh_new, dc_new):
        x, h, c, W, U, i, f, o, g, t = ctx.saved_tensors
        do = dh_new * t
        dt = dh_new * o
        dc_total = dc_new + dt * (1 - t**2)
        df = dc_total * c
        dc = dc_total * f
        di = dc_total * g
        dg = dc_total * i
        dai = di * i * (1 - i)
        daf = df * f * (1 - f)
        dao = do * o * (1 - o)
        dag = dg * (1 - g**2)
        da = torch.cat([dai, daf, dao, dag], dim=1)
        dx = da @ W.t()
        dh = da @ U.t()
        dW = x.t() @ da
        dU = h.t() @ da
        db = da.sum(0)
        return dx, dh, dc, dW, dU, db
""",
        normal((3, 2), (3, 2), (3, 2), (2, 8), (2, 8), (8,)),
        {
            "tanh' of the cell forgotten": ("dc_new + dt * (1 - t**2)", "dc_new + dt", "torch.tanh.* is left out"),
            "sigmoid' of the forget gate": ("daf = df * f * (1 - f)", "daf = df * (1 - f)", "taken for 1/f"),
            "the gates in another order": ("[dai, daf, dao, dag]", "[daf, dai, dao, dag]", "a[if].* are exchanged"),
            "dc_new left out": ("dc_total = dc_new + dt", "dc_total = dt", "«number 2» is missing"),
        },
    ),
    Function(
        "hard tanh",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x.clamp(-1, 1)

    @staticmethod
    def backward(ctx, dy):
        (x,) = ctx.saved_tensors
        inside = (x > -1) & (x < 1)
        dx = dy * inside
        return dx
""",
        lambda rng: ([np.append(rng.uniform(-2, 2, (3, 4)), [[-1.0, 1.0, 0.5, 0.0]], axis=0)], ()),
        {
            "no lower end": ("inside = (x > -1) & (x < 1)", "inside = x < 1", "except where x < "),
            "the output for the gradient": ("dx = dy * inside", "dx = dy * x.clamp(-1, 1)", "taken for its result"),
            "or for and": ("inside = (x > -1) & (x < 1)", "inside = (x > -1) | (x < 1)", "left out"),
        },
    ),
    Function(
        "product",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x * w

    @staticmethod
    def backward(ctx, dy):
        x, w = ctx.saved_tensors
        dx = dy * w
        dw = (dy * x).sum(0)
        return dx, dw
""",
        lambda rng: ([rng.uniform(-1, 1, (4, 3)), rng.uniform(0.5, 1, 3)], ()),
        {
            "values clipped": ("dx = dy * w", "dx = dy.clamp(-5, 5) * w", "clipped"),
            "the norm clipped": ("dx = dy * w", "dx = dy * w * (100 / (dy.norm() + 1e-9)).clamp(max=1)", "clipped"),
            "a guard that clips": ("dx = dy * w", "dx = torch.where(dy.abs() < 99, dy, 0.0) * w", "clipped"),
            "a view that needs rows in memory": (
                "dx = dy * w", "dx = (dy.view(-1) * w.expand_as(x).reshape(-1)).view(x.shape)", "view size is not",
            ),
        },
    ),
    Function(
        "kept from the first call",
        """
class F(torch.autograd.Function):
    kept = None

    @staticmethod
    def forward(ctx, x, W):
        h = x @ W
        y = torch.sigmoid(h)
        F.kept = F.kept if F.kept is not None else y
        ctx.save_for_backward(x, W, y)
        return y

    @staticmethod
    def backward(ctx, dy):
        x, W, y = ctx.saved_tensors
        dh = dy * y * (1 - y)
        dx = dh @ W.t()
        dW = x.t() @ dh
        return dx, dW
""",
        normal((4, 3), (3, 2)),
        {
            "the first y": ("dh = dy * y * (1 - y)", "dh = dy * F.kept * (1 - F.kept)", "kept from an earlier call"),
            "sums over all calls": (
                "dW = x.t() @ dh", "dW = F.sum = getattr(F, 'sum', 0) + x.t() @ dh", "adds to what was|not reentrant",
            ),
            "h for y": ("dh = dy * y * (1 - y)", "dh = dy * y * (1 - x @ W)", "1 − h|h in place of y"),
        },
    ),
    Function(
        "very small gradients",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, q):
        r = (x**2).sum(1)
        ctx.save_for_backward(x, r, q)
        return 1e-10 * q / r

    @staticmethod
    def backward(ctx, dy):
        x, r, q = ctx.saved_tensors
        dq = 1e-10 * dy / r
        dr = -1e-10 * dy * q / r**2
        dx = 2 * dr[:, None] * x
        return dx, dq
""",
        normal((4, 3), (4,)),
        {
            "the sign": ("dr = -1e-10", "dr = 1e-10", "the opposite sign"),
            "the 2 of the square": ("dx = 2 * dr", "dx = dr", "that is 1/2"),
            "r for r²": ("q / r**2", "q / r", "r times|r² |1/r"),
        },
    ),
    Function(
        "nearly right",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x):
        n = torch.sqrt((x**2).sum(1, keepdim=True))
        y = x / n
        ctx.save_for_backward(y, n)
        return y

    @staticmethod
    def backward(ctx, dy):
        y, n = ctx.saved_tensors
        inner = (dy * y).sum(1, keepdim=True)
        dx = (dy - y * inner) / n
        return dx
""",
        normal((4, 3)),
        {
            "an epsilon": ("dx = (dy - y * inner) / n", "dx = (dy - y * inner) / (n + 1e-6)", "an added epsilon"),
            "single precision": ("dx = (dy - y * inner) / n", "dx = (dy - y * inner).float() / n", "single precision"),
            "a rounded constant": ("dx = (dy - y * inner) / n", "dx = 1.0000004 * (dy - y * inner) / n", r"1\.0000"),
        },
    ),
    Function(
        "embedding",
        """
class F(torch.autograd.Function):
    @staticmethod
    def forward(ctx, W, places):
        ctx.save_for_backward(places)
        ctx.shape = W.shape
        return W[places]

    @staticmethod
    def backward(ctx, dy):
        (places,) = ctx.saved_tensors
        dW = dy.new_zeros(ctx.shape)
        dW.index_add_(0, places, dy)
        return dW, None
""",
        lambda rng: ([rng.standard_normal((5, 3))], [np.array([0, 2, 2, 4, 0, 1])]),
        {
            "the last of equal places wins": ("dW.index_add_(0, places, dy)", "dW[places] = dy", "the last use"),
            "the number of rows as a number": ("dy.new_zeros(ctx.shape)", "dy.new_zeros(5, 3)", "a size written"),
            "a mean over equal places": (
                "dW.index_add_(0, places, dy)",
                "dW.index_reduce_(0, places, dy, 'mean', include_self=False)", "a mean|counts",
            ),
        },
    ),
]  # fmt: skip


# ---- the two checks


def ours(function: Function, mistake: str = "") -> str:
    """What the check says against it; "" if nothing."""
    from scratchnn.gradcheck import GradientError, check_autograd_function

    made, _ = function.make(mistake)
    try:
        check_autograd_function(made, *function.inputs())
    except GradientError as error:
        return str(error)
    return ""


def theirs(function: Function, mistake: str = "") -> str:
    """What torch.autograd.gradcheck says with its defaults."""
    import torch

    made, _ = function.make(mistake)
    inputs, constants = function.inputs()
    tensors = [torch.tensor(x, requires_grad=True) for x in inputs]
    fixed = [torch.tensor(c) if isinstance(c, np.ndarray) else c for c in constants]
    try:
        torch.autograd.gradcheck(made.apply, (*tensors, *fixed))
    except RuntimeError as error:  # its GradcheckError is one
        return str(error) or "an error"
    return ""


def lines_named(text: str) -> list[int]:
    """The lines of which a report says that one is wrong."""
    one = re.search(r"^line (\d+), ", text, re.MULTILINE)
    several = re.search(r"one of the lines ([\d, and]+)", text)
    return [int(one[1])] if one else [*map(int, re.findall(r"\d+", several[1]))] if several else []


def rows() -> Iterator[tuple[Function, str, int, dict[str, str], dict[str, float]]]:
    """(function, mistake or "", its line, what each check says, the seconds it took)."""
    for function in FUNCTIONS:
        for mistake in ("", *function.wrong):
            said, seconds = {}, {}
            for check in (ours, theirs):
                start = time.perf_counter()
                said[check.__name__] = check(function, mistake)
                seconds[check.__name__] = time.perf_counter() - start
            yield function, mistake, function.make(mistake)[1], said, seconds


def main() -> None:
    import torch

    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    found: dict[str, dict[str, float]] = {name: dict.fromkeys(COUNTS, 0) for name in ("ours", "theirs")}
    for function, mistake, line, said, seconds in rows():
        marks = []
        for name, text in said.items():
            counts = found[name]
            counts["seconds"] += seconds[name]
            if not mistake:
                counts["right ones"] += 1
                counts["right ones refused"] += bool(text)
                marks.append(f"{'REFUSED' if text else 'ok':22} {seconds[name]:5.2f} s")
                continue
            named, cause = lines_named(text), bool(re.search(function.wrong[mistake][2], text))
            counts["wrong ones"] += 1
            counts["caught"] += bool(text)
            counts["the line"] += named == [line]
            counts["some lines, it among them"] += len(named) > 1 and line in named
            counts["a line that is right"] += bool(named) and line not in named
            counts["the cause"] += cause
            what = [f"line{'s' if len(named) > 1 else ''}{'' if line in named else ' WRONG'}"] if named else []
            what += ["cause"] if cause else []
            marks.append(f"{('caught ' + ', '.join(what)) if text else '-':22} {seconds[name]:5.2f} s")
        print(f"{function.name:24} {mistake or 'right':40} {marks[0]}   PyTorch's: {marks[1]}", flush=True)
    print(f"\n{'':28}{'ours':>10}{'PyTorch':>10}")
    for count in COUNTS:
        print(f"{count:28}{found['ours'][count]:10.0f}{found['theirs'][count]:10.0f}")
    print(f"torch {torch.__version__}, NumPy {np.__version__}")


COUNTS = (
    "right ones", "right ones refused", "wrong ones", "caught", "the line", "some lines, it among them",
    "a line that is right", "the cause", "seconds",
)  # fmt: skip

if __name__ == "__main__":
    main()
