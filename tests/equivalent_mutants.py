"""The mutants of python -m tests.mutation_testing that nothing can notice, each with the reason.

A mutant is one line in the place of another; `new` lists those for which the reason is the same, or says ANYTHING.
"""

from __future__ import annotations

from typing import NamedTuple

ANYTHING = "*"  # whatever of the line survives


class Equivalent(NamedTuple):
    module: str
    old: str
    new: tuple[str, ...]
    why: str


AT_0 = "where the logit is 0, e is 1 itself, and so is the larger of the two"
ONE_DRAW = "with one draw, repeating a row once and the sum over one draw are the row: the shortcut saves time only"
PROTOCOL = "a protocol, which only the type checker reads"
LEAST = "no setting is smaller"
COUNTS = "the counts are only compared with one another"
A_TIME = "so many are taken at a time: it changes memory and time"
MEASURED = "a time that was measured; the tests ask for what follows from it"
A_TYPE = "a type equals itself only"
ANY_NEGATIVE = "to reshape, NumPy takes any negative size for the one that is left to it"

EQUIVALENT = [
    Equivalent(
        "layers.activations",
        "slope = staticmethod(lambda y: y > 0)",
        ("slope = staticmethod(lambda y: y != 0)",),
        "y = max(x, 0) is never below 0",
    ),
    Equivalent(
        "layers.batch_norm",
        "rest, by_unit = ((0, 2, 3), (slice(None), None, None)) if x.ndim == 4 else ((0,), (slice(None),))",
        ("rest, by_unit = ((0, 2, 3), (slice(None), None, None)) if x.ndim >= 4 else ((0,), (slice(None),))",),
        "x has two dimensions or four: the first line of forward refuses all else",
    ),
    Equivalent(
        "layers.batch_norm",
        "m = x_hat.size // self.n_units",
        ("m = x_hat.size / self.n_units",),
        "it divides without a rest",
    ),
    Equivalent(
        "layers.batch_norm", "m = x.size // self.n_units", ("m = x.size / self.n_units",), "it divides without a rest"
    ),
    Equivalent(
        "layers.batch_norm",
        'expect(self, "x", x, ("N", self.n_units, "H", "W") if np.ndim(x) == 4 else ("N", self.n_units))',
        ('expect(self, "x", x, ("N", self.n_units, "H", "W") if np.ndim(x) >= 4 else ("N", self.n_units))',),
        "x of more than four dimensions is refused in either case",
    ),
    Equivalent(
        "layers.dropout",
        "elif not isinstance(mask, np.ndarray) or mask.shape != x.shape or mask.dtype != bool:",
        ("elif not isinstance(mask, np.ndarray) or mask.shape != x.shape or mask.dtype > bool:",),
        "in NumPy's order every other type of numbers is above bool",
    ),
    Equivalent(
        "layers.dropout",
        "mask[...] = noise >= self.rate",
        ("mask[...] = noise > self.rate",),
        "they differ where a draw is the rate itself, once in 2^24 draws of float32",
    ),
    Equivalent("layers.convolution", "COLUMNS_BYTES = 2**22", (ANYTHING,), A_TIME),
    Equivalent(
        "layers.convolution",
        "row = x.shape[0] * KH * KW * OW * x.shape[-1] * x.itemsize",
        (ANYTHING,),
        A_TIME,
    ),
    Equivalent("layers.convolution", "height = max(1, COLUMNS_BYTES // max(1, row))", (ANYTHING,), A_TIME),
    Equivalent(
        "layers.convolution",
        "yield x[:, top * SH : (bottom - 1) * SH + KH], slice(top, bottom), (bottom - top, OW)",
        (
            "yield x[:, top * SH : (bottom // 1) * SH + KH], slice(top, bottom), (bottom - top, OW)",
            "yield x[:, top * SH : (bottom ** 1) * SH + KH], slice(top, bottom), (bottom - top, OW)",
            "yield x[:, top * SH : (bottom * 1) * SH + KH], slice(top, bottom), (bottom - top, OW)",
            "yield x[:, top * SH : (bottom + 1) * SH + KH], slice(top, bottom), (bottom - top, OW)",
            "yield x[:, top * SH : (bottom - 0) * SH + KH], slice(top, bottom), (bottom - top, OW)",
        ),
        "rows below the last window, which no window reads",
    ),
    Equivalent(
        "layers.convolution",
        "out = y[:, rows].reshape(F, -1)",
        ("out = y[:, rows].reshape(F, ~1)", "out = y[:, rows].reshape(F, - 2)"),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "layers.convolution",
        "np.matmul(W.reshape(F, -1), im2col(part, kernel, stride, band), out=out)",
        (
            "np.matmul(W.reshape(F, ~1), im2col(part, kernel, stride, band), out=out)",
            "np.matmul(W.reshape(F, - 2), im2col(part, kernel, stride, band), out=out)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "layers.convolution",
        "cols = W.reshape(F, -1).T @ y[:, rows].reshape(F, -1)",
        (
            "cols = W.reshape(F, -1).T @ y[:, rows].reshape(F, ~1)",
            "cols = W.reshape(F, -1).T @ y[:, rows].reshape(F, - 2)",
            "cols = W.reshape(F, ~1).T @ y[:, rows].reshape(F, -1)",
            "cols = W.reshape(F, - 2).T @ y[:, rows].reshape(F, -1)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "layers.convolution",
        "dW += y[:, rows].reshape(F, -1) @ im2col(part, kernel, stride, band).T",
        (
            "dW += y[:, rows].reshape(F, ~1) @ im2col(part, kernel, stride, band).T",
            "dW += y[:, rows].reshape(F, - 2) @ im2col(part, kernel, stride, band).T",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "layers.convolution",
        'return padding if padding == "same" else ((0, 0), (0, 0))',
        ('return padding if padding <= "same" else ((0, 0), (0, 0))',),
        'it is "same" or "valid"',
    ),
    Equivalent(
        "layers.convolution",
        "reach = [-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)]",
        ("reach = [-(-k // s) for k, s in zip(self.kernel, self.stride, strict=False)]",),
        "each of them has two",
    ),
    Equivalent(
        "layers.convolution",
        "missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=True)]",
        ("missing = [max((-(-n // s) - 1) * s + k - n, 0) for n, k, s in zip(size, kernel, stride, strict=False)]",),
        "each of them has two",
    ),
    Equivalent(
        "layers.convolution",
        "for n, s, k, extra in zip((height, width), layer.stride, layer.kernel, layer.output_padding, strict=True)",
        ("for n, s, k, extra in zip((height, width), layer.stride, layer.kernel, layer.output_padding, strict=False)",),
        "each of them has two",
    ),
    Equivalent(
        "layers.convolution",
        "if any(extra >= s for extra, s in zip(self.output_padding, self.stride, strict=True)):",
        ("if any(extra >= s for extra, s in zip(self.output_padding, self.stride, strict=False)):",),
        "each of them has two",
    ),
    Equivalent(
        "layers.pooling",
        "OH, OW = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], self.size, self.stride, strict=True))",
        ("OH, OW = ((n - k) // s + 1 for n, k, s in zip(x.shape[1:3], self.size, self.stride, strict=False))",),
        "each of them has two",
    ),
    Equivalent(
        "layers.convolution",
        "reach = [-(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)]",
        (
            "reach = [(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)]",
            "reach = [+(-k // s) for k, s in zip(self.kernel, self.stride, strict=True)]",
        ),
        "both are negative then, and only their product is taken",
    ),
    Equivalent(
        "layers.pooling",
        "found = (x[piece] == y) & free",
        ("found = (x[piece] >= y) & free",),
        "y is the largest of the window",
    ),
    Equivalent(
        "likelihoods",
        "p = np.maximum(e, outputs >= 0) / (1 + e)",
        ("p = np.maximum(e, outputs > 0) / (1 + e)",),
        AT_0,
    ),
    Equivalent(
        "losses",
        "p = np.maximum(e, logits >= 0) / (1 + e)",
        ("p = np.maximum(e, logits > 0) / (1 + e)",),
        AT_0,
    ),
    Equivalent(
        "likelihoods",
        "return np.heaviside(p - rng.random(outputs.shape), 0).astype(outputs.dtype)",
        (
            "return np.heaviside(p // rng.random(outputs.shape), 0).astype(outputs.dtype)",
            "return np.heaviside(p - rng.random(outputs.shape), -1).astype(outputs.dtype)",
            "return np.heaviside(p - rng.random(outputs.shape), 1).astype(outputs.dtype)",
        ),
        "they differ where the draw is p to the last of its 53 bits, or 0; p // draw is 1 or more where p exceeds it",
    ),
    Equivalent(
        "vae",
        "return rows if self.draws == 1 else np.repeat(rows, self.draws, axis=0)",
        (
            "return rows if self.draws < 1 else np.repeat(rows, self.draws, axis=0)",
            "return rows if self.draws <= 1 else np.repeat(rows, self.draws, axis=0)",
            "return rows if self.draws == 0 else np.repeat(rows, self.draws, axis=0)",
        ),
        ONE_DRAW,
    ),
    Equivalent(
        "vae",
        "return rows if self.draws == 1 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)",
        (
            "return rows if self.draws < 1 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.draws <= 1 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.draws == 0 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)",
        ),
        ONE_DRAW,
    ),
    Equivalent(
        "vae",
        "return rows if self.draws == 1 else rows.reshape(-1, self.draws, *rows.shape[1:]).sum(axis=1)",
        (
            "return rows if self.draws == 1 else rows.reshape(~1, self.draws, *rows.shape[1:]).sum(axis=1)",
            "return rows if self.draws == 1 else rows.reshape(- 2, self.draws, *rows.shape[1:]).sum(axis=1)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "vae",
        "eps = rng.standard_normal((len(x), self.draws, self.n_z)).reshape(-1, self.n_z).astype(self.params.dtype)",
        (
            "eps = rng.standard_normal((len(x), self.draws, self.n_z)).reshape(~1, self.n_z).astype(self.params.dtype)",
            "eps = rng.standard_normal((len(x), self.draws, self.n_z)).reshape(- 2, self.n_z).astype(self.params.dtype)",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "vae",
        "return dict(zip(self.term_names, self.forward(x, eps), strict=True))",
        ("return dict(zip(self.term_names, self.forward(x, eps), strict=False))",),
        "both are always two",
    ),
    Equivalent(
        "evaluation.levels",
        "narrow = width * (1 + np.abs(middle)) < 1e-5",
        ("narrow = width * ( 2 + np.abs(middle)) < 1e-5",),
        "on either side of the limit both formulas are right to 1e-10",
    ),
    Equivalent(
        "evaluation.bounds",
        "nats: Array = p * np.log(np.where(p > 0, p, 1)) + (1 - p) * np.log1p(-np.where(p < 1, p, 0))",
        (
            "nats: Array = p * np.log(np.where(p > 0, p, 2)) + (1 - p) * np.log1p(-np.where(p < 1, p, 0))",
            "nats: Array = p * np.log(np.where(p != 0, p, 1)) + (1 - p) * np.log1p(-np.where(p < 1, p, 0))",
            "nats: Array = p * np.log(np.where(p > 0, p, 1)) + (1 - p) * np.log1p(-np.where(p < 1, p, -1))",
        ),
        "p lies in [0, 1], and where p or 1 − p is 0, so is the product",
    ),
    Equivalent(
        "evaluation.bounds",
        "z = m + np.exp(0.5 * v) * eps",
        ("z = m - np.exp(0.5 * v) * eps",),
        "eps and −eps have the same distribution and density",
    ),
    Equivalent(
        "evaluation.bounds",
        "spread = w.std(axis=1, ddof=1) if n_samples > 1 else np.full(len(w), np.nan)",
        ("spread = w.std(axis=1, ddof=1) if n_samples != 1 else np.full(len(w), np.nan)",),
        "fewer than one sample are refused",
    ),
    Equivalent(
        "evaluation.bounds",
        "n_images = max(1, ROWS // n_samples)",
        ("n_images = max(1, ROWS * n_samples)", "n_images = max(1, ROWS + n_samples)"),
        A_TIME,
    ),
    Equivalent("evaluation.latent", "ROWS = 1000", ("ROWS = 1001", "ROWS = 999"), A_TIME),
    Equivalent("evaluation.latent", "ENCODED = 200", ("ENCODED = 201", "ENCODED = 199"), A_TIME),
    Equivalent(
        "evaluation.latent",
        "axis = 1 if isinstance(codes[0], tuple) else 0",
        ("axis = 1 if isinstance(codes[ -1], tuple) else 0",),
        "what an encoder returns is of one type for all images",
    ),
    Equivalent(
        "evaluation.latent", "first = images[:1]", ("first = images[: 0]",), "its columns and its type are read"
    ),
    Equivalent(
        "evaluation.levels",
        "b = np.where(k < last, (high - mean) * per_sigma, np.inf)",
        ("b = np.where(k != last, (high - mean) * per_sigma, np.inf)",),
        "no level is above the last",
    ),
    Equivalent("evaluation.quadrature", "ROWS = 5000", ("ROWS = 4999", "ROWS = 5001"), A_TIME),
    Equivalent(
        "evaluation.latent",
        "rng, rows = np.random.default_rng(seed), max(1, 4_000_000 // len(mean))",
        (
            "rng, rows = np.random.default_rng(seed), max(1, 4_000_000 + len(mean))",
            "rng, rows = np.random.default_rng(seed), max(1, 4_000_000 % len(mean))",
            "rng, rows = np.random.default_rng(seed), max(1, 3999999 // len(mean))",
        ),
        A_TIME,
    ),
    Equivalent(
        "evaluation.classification",
        "def predicted_classes(classifier: Classifier, x: Any, batch_size: int = 500) -> Array:",
        ("def predicted_classes(classifier: Classifier, x: Any, batch_size: int = 499) -> Array:",),
        A_TIME,
    ),
    Equivalent(
        "evaluation.levels",
        "right = a + b > 0",
        ("right = a + b > 1",),
        "near 0 a bin may stand on either side: digits are lost several σ to the right",
    ),
    Equivalent(
        "evaluation.levels",
        "width, middle = np.where(narrow, width, 1), np.where(narrow, middle, 0)",
        ("width, middle = np.where(narrow, width, 1), np.where(narrow, middle, -1)",),
        "a stand-in, for bins whose value is then taken from the other formula",
    ),
    Equivalent(
        "training.loop",
        "def evaluate(model: Trainable, data: Any, batch_size: int = 500, seed: int = EVALUATION_SEED) -> dict[str, float]:",
        (
            "def evaluate(model: Trainable, data: Any, batch_size: int = 499, seed: int = EVALUATION_SEED) -> dict[str, float]:",
            "def evaluate(model: Trainable, data: Any, batch_size: int = 501, seed: int = EVALUATION_SEED) -> dict[str, float]:",
        ),
        A_TIME,
    ),
    Equivalent(
        "training.schema",
        'expect(array.dtype.kind != "f" or bool(np.isfinite(array).all()), f"its {name} has NaN or infinite values")',
        ('expect(array.dtype.kind < "f" or bool(np.isfinite(array).all()), f"its {name} has NaN or infinite values")',),
        "whole numbers are finite",
    ),
    Equivalent("training.loop", "if n == 0:", ("if n <= 0:",), "no data have fewer than no examples"),
    Equivalent(
        "training.loop",
        "if optimiser.model is not model:",
        ("if optimiser.model != model:",),
        "a model equals itself only",
    ),
    Equivalent(
        "training.loop",
        "return type(getattr(type(model), name)) is int",
        ("return type(getattr(type(model), name)) == int",),
        A_TYPE,
    ),
    Equivalent(
        "training.schema",
        'expect(type(history) is list and all(type(epoch) is dict for epoch in history), "its history is no list of epochs")',
        (
            'expect(type(history) == list and all(type(epoch) is dict for epoch in history), "its history is no list of epochs")',
        ),
        A_TYPE,
    ),
    Equivalent(
        "training.compiling",
        'if record["epoch"] == 1 and left > LONG:',
        ('if record["epoch"] == 1 and left >= LONG:',),
        MEASURED,
    ),
    Equivalent(
        "training.parallel",
        "all_wait = len(self.waiting) + len(self.over) == self.parts",
        ("all_wait = len(self.waiting) + len(self.over) >= self.parts",),
        "no part waits that is over",
    ),
    Equivalent(
        "training.parallel",
        "if not found <= replaceable:",
        ("if not found == replaceable:",),
        "what can be replaced was copied with the model, and so is in what was found",
    ),
    Equivalent(
        "training.parallel",
        "n = len(batch[0]) if isinstance(batch, tuple | list) else len(batch)",
        (
            "n = len(batch[ 1]) if isinstance(batch, tuple | list) else len(batch)",
            "n = len(batch[ -1]) if isinstance(batch, tuple | list) else len(batch)",
        ),
        "images and labels are equally many",
    ),
    Equivalent(
        "training.parallel",
        "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads - 1))",
        (
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads * 1))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads + 1))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads - 0))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads / 1))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads // 1))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max(1, self.threads ** 1))",
            "self.conductor, self.pool = ThreadPoolExecutor(1), ThreadPoolExecutor(max( 2, self.threads - 1))",
        ),
        "a thread more that has nothing to do",
    ),
    Equivalent(
        "training.parallel",
        "self.process = -1",
        ("self.process = ~1", "self.process = - 2", "self.process = - 0", "self.process = not 1"),
        "any number that no process has",
    ),
    Equivalent(
        "training.parallel",
        "self.averages = list(zip(*(made.buffers.values() for made in (model, *self.replicas)), strict=True))",
        ("self.averages = list(zip(*(made.buffers.values() for made in (model, *self.replicas)), strict=False))",),
        "copies have as many parts",
    ),
    Equivalent("training.parallel", "@abstractmethod", ("",), "nothing makes the class itself"),
    Equivalent(
        "training.parallel",
        "for was, now in zip(before, self.settings_seen, strict=True)",
        ("for was, now in zip(before, self.settings_seen, strict=False)",),
        "the layers of a model do not become more or fewer",
    ),
    Equivalent(
        "training.parallel",
        "for (_, *copies), values in zip(self.layers, changed, strict=True):",
        ("for (_, *copies), values in zip(self.layers, changed, strict=False):",),
        "the layers of a model do not become more or fewer",
    ),
    Equivalent(
        "training.parallel",
        "return min(made[:part], default=inf) > made[part] == min(made[part:])",
        (
            "return min(made[:part], default=inf) != made[part] == min(made[part:])",
            "return min(made[:part], default=inf) > made[part] <= min(made[part:])",
        ),
        "no part is ahead of one before it, and made[part] is among made[part:]",
    ),
    Equivalent(
        "training.parallel",
        "if type(optimiser).step is not Optimiser.step:",
        ("if type(optimiser).step != Optimiser.step:",),
        "a function equals itself only",
    ),
    Equivalent("training.parallel", "self.made[rng][part] += 1", ("self.made[rng][part] += 2",), COUNTS),
    Equivalent(
        "training.parallel",
        "self.made: dict[np.random.Generator, list[int]] = defaultdict(lambda: [0] * parts)",
        (
            "self.made: dict[np.random.Generator, list[int]] = defaultdict(lambda: [ 1] * parts)",
            "self.made: dict[np.random.Generator, list[int]] = defaultdict(lambda: [ -1] * parts)",
        ),
        COUNTS,
    ),
    Equivalent(
        "training.parallel",
        "terms = {name: np.concatenate([part[name] for part in terms_of_parts]) for name in terms_of_parts[0]}",
        ("terms = {name: np.concatenate([part[name] for part in terms_of_parts]) for name in terms_of_parts[ -1]}",),
        "the terms of every part have the same names",
    ),
    Equivalent(
        "training.parallel",
        "self.layers = list(zip(*(made.walk() for made in (model, *self.replicas)), strict=True))",
        ("self.layers = list(zip(*(made.walk() for made in (model, *self.replicas)), strict=False))",),
        "copies have as many parts",
    ),
    Equivalent(
        "optim",
        "BLOCK = 131_072",
        ("BLOCK = 131073", "BLOCK = 131071"),
        "the size of blocks changes no bit, and an entry more or less no time",
    ),
    Equivalent("optim", "@property", ("",), PROTOCOL),
    Equivalent(
        "training.runs",
        "write(trainer, trainer.history[-1])",
        ("write(trainer, trainer.history[~1])", "write(trainer, trainer.history[not 1])"),
        "a log reads the whole history, and of the record only that there is one",
    ),
    Equivalent(
        "training.runs",
        "for record, values in zip(trainer.history, trainer.snapshots, strict=True):",
        ("for record, values in zip(trainer.history, trainer.snapshots, strict=False):",),
        "what keeps snapshots keeps one after every epoch, and a checkpoint is refused that has another number of them",
    ),
    Equivalent("training.compiling", "READ, COMPILE = 1.0, 6.0", (ANYTHING,), MEASURED),
    Equivalent("training.compiling", "SAVED = 0.06", (ANYTHING,), MEASURED),
    Equivalent(
        "training.compiling",
        "if FOUND == [True] and not ready:",
        ("if FOUND >= [True] and not ready:",),
        "nothing that is found is above it",
    ),
    Equivalent(
        "training.after_epoch",
        "if best_record(trainer.history) is record:",
        ("if best_record(trainer.history) == record:",),
        "the records of two epochs differ in their numbers",
    ),
    Equivalent("training.loop", "EVALUATION_SEED = 20_180_101", (ANYTHING,), "any seed serves"),
    Equivalent(
        "training.schema",
        "type(on_model) is dict and all(map(is_number, on_model.values())),",
        ("type(on_model) == dict and all(map(is_number, on_model.values())),",),
        A_TYPE,
    ),
    Equivalent(
        "training.schema",
        'expect(type(optimiser) is dict, "its optimiser is no mapping")',
        ('expect(type(optimiser) == dict, "its optimiser is no mapping")',),
        A_TYPE,
    ),
    Equivalent(
        "training.npz",
        "if (flags & ~0x800, method, kind, stored) != (0, 0, 1, n) or n > size - file.tell():",
        ("if (flags & ~0x800, method, kind, stored) != (0, 0, 1, n) or n >= size - file.tell():",),
        "behind the last member stands the end of the archive",
    ),
    Equivalent("training.checkpoints", "@property", ("",), PROTOCOL),
    Equivalent(
        "training.checkpoints",
        'expect(type(found) is type(value) or (type(value) is float and is_number(found)), f"its {name} is {found}")',
        (
            'expect(type(found) == type(value) or (type(value) is float and is_number(found)), f"its {name} is {found}")',
            'expect(type(found) is type(value) or (type(value) == float and is_number(found)), f"its {name} is {found}")',
        ),
        A_TYPE,
    ),
    Equivalent(
        "training.checkpoints",
        'if type(found) is str and found.startswith("weights "):',
        ('if type(found) == str and found.startswith("weights "):',),
        A_TYPE,
    ),
    Equivalent(
        "training.checkpoints",
        'model = build(record["model"]["modules"], np.random.default_rng(0), params.size).astype(params.dtype)',
        ('model = build(record["model"]["modules"], np.random.default_rng( 1), params.size).astype(params.dtype)',),
        "its parameters are those of the checkpoint a line later",
    ),
    Equivalent(
        "training.checkpoints",
        "if len(table) > len(rows):",
        ("if len(table) != len(rows):",),
        "the loop before has found every row in the table",
    ),
    Equivalent(
        "gradcheck.shapes",
        "changes = (x.shape != a.shape) + (y.shape != b.shape)",
        ("changes = (x.shape != a.shape) * (y.shape != b.shape)",),
        "with no operand changed nothing fits; of one change and two, one is less in either case",
    ),
    Equivalent(
        "gradcheck.edits",
        "one_target = len(group) > 1 and len({link.parent for link in group}) == 1",
        ("one_target = len(group) > 1 and len({link.parent for link in group}) <= 1",),
        "a group has a link at least",
    ),
    Equivalent(
        "gradcheck.shapes",
        "holds = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 0)]",
        ("holds = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and n.lineno <= line <= (n.end_lineno or 1)]",),
        "in a tree that has just been parsed every statement has its last line",
    ),
    Equivalent(
        "gradcheck.recording",
        "for (name, names), value in zip(parts, values, strict=True):",
        ("for (name, names), value in zip(parts, values, strict=False):",),
        "the line before has made them as many",
    ),
    Equivalent(
        "gradcheck.another",
        "n = next((len(a) for a in arrays if a.ndim and a.size), 0)",
        ("n = next((len(a) for a in arrays if a.ndim and a.size), 1)",),
        "1 example and none are both 0 in the end",
    ),
    Equivalent(
        "gradcheck.another",
        "if constant.ndim != 2 or len(set(constant.shape)) > 1 or (constant == constant[0, 0]).all():",
        ("if constant.ndim != 2 or len(set(constant.shape)) != 1 or (constant == constant[0, 0]).all():",),
        "a matrix has one length or two",
    ),
    Equivalent(
        "gradcheck.diagnosis",
        'places = {"at its first place": along == 0, "at its last place": along == length - 1}',
        ('places = {"at its first place": along <= 0, "at its last place": along == length - 1}',),
        "places are counted from 0",
    ),
    Equivalent(
        "gradcheck.graph",
        "size = max(np.abs(g).max(initial=0) for g in found.values())",
        ("size = max(np.abs(g).max(initial= -1) for g in found.values())",),
        "there is an input, and it has an entry",
    ),
    Equivalent(
        "gradcheck.cause",
        "if line and not (unused and len(line.lines) > 1):",
        ("if line and not (unused and len(line.lines) != 1):",),
        "it names a line at least",
    ),
    Equivalent(
        "gradcheck.edits",
        "self.right = {name: self.views[0].gradients[node] for name, node in graph.inputs.items()}",
        ("self.right = {name: self.views[ -1].gradients[node] for name, node in graph.inputs.items()}",),
        "both views have the same gradients, but for rounding",
    ),
    Equivalent(
        "gradcheck.notebook",
        "report: Any = error.args[0] if error.args else None",
        ("report: Any = error.args[ -1] if error.args else None",),
        "the error is made of one argument",
    ),
    Equivalent(
        "gradcheck.check",
        "inputs = dict(zip(argument_names(forward, len(inputs)), inputs, strict=True))",
        ("inputs = dict(zip(argument_names(forward, len(inputs)), inputs, strict=False))",),
        "argument_names gives as many as it is asked for",
    ),
    Equivalent(
        "gradcheck.diagnosis",
        "along = np.arange(length).reshape([-1 if k == axis else 1 for k in range(len(shape))])",
        (
            "along = np.arange(length).reshape([~1 if k == axis else 1 for k in range(len(shape))])",
            "along = np.arange(length).reshape([- 2 if k == axis else 1 for k in range(len(shape))])",
        ),
        ANY_NEGATIVE,
    ),
    Equivalent(
        "gradcheck.edits",
        "child, parent = group[0].child, group[0].parent",
        ("child, parent = group[0].child, group[ -1].parent",),
        "the parents of a group have one name, or one place in the code and hence one text",
    ),
    Equivalent(
        "gradcheck.report",
        'return np.asarray(np.isin(self.numeric.trouble, ("", "kink")) & ((size > self.rounding) | (size == 0)))',
        ('return np.asarray(np.isin(self.numeric.trouble, ("", "kink")) & ((size > self.rounding) | (size <= 0)))',),
        "a size is not below 0",
    ),
    Equivalent(
        "gradcheck.check",
        'if problem.code.kind != "function":',
        ('if problem.code.kind > "function":',),
        "the other kinds, layer and model, are both later in the alphabet",
    ),
    Equivalent(
        "gradcheck.another",
        "if all(c is other for c, other in zip(constants, others, strict=True)):",
        ("if all(c is other for c, other in zip(constants, others, strict=False)):",),
        "the line before has made as many",
    ),
    Equivalent(
        "gradcheck.learned",
        "return gradient in self.written and np.ndim(held_by(self.model)[gradient]) == 0",
        ("return gradient in self.written and np.ndim(held_by(self.model)[gradient]) <= 0",),
        "an array has 0 dimensions at least",
    ),
    Equivalent(
        "gradcheck.another",
        "descends = (constant[1:] < constant[:-1]).any()",
        ("descends = (constant[1:] <= constant[:-1]).any()",),
        "no two of these numbers are equal",
    ),
    Equivalent(
        "gradcheck.edits",
        "if len(edit.rules) > 1 and edit.how:",
        ("if len(edit.rules) > 0 and edit.how:",),
        "one change alone shifts all of L's slope by as much as that through it: the short way saves time",
    ),
    Equivalent(
        "gradcheck.check",
        "expect_right(here, further, seed + 1, DIRECTIONS, numbers=changes)",
        (
            "expect_right(here, further, seed * 1, DIRECTIONS, numbers=changes)",
            "expect_right(here, further, seed // 1, DIRECTIONS, numbers=changes)",
            "expect_right(here, further, seed ** 1, DIRECTIONS, numbers=changes)",
            "expect_right(here, further, seed + 0, DIRECTIONS, numbers=changes)",
            "expect_right(here, further, seed + 2, DIRECTIONS, numbers=changes)",
        ),
        "any seed serves",
    ),
    Equivalent(
        "gradcheck.line",
        "if len(runs) <= 1 or len(wanted) == 1:",
        ("if len(runs) == 1 or len(wanted) == 1:",),
        "without a run it is what backward returns, which no trial changes and which hence mends nothing",
    ),
    Equivalent(
        "gradcheck.diagnosis",
        'places |= {"in its first half": along < length // 2, "in its second half": along >= length // 2}',
        ('places |= {"in its first half": along < length / 2, "in its second half": along >= length // 2}',),
        "the length is even",
    ),
]
