"""The formulas of the docstrings are in the grammar, stand in the code, and are right: they are run on arrays."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from cases import CASES
from conftest import PACKAGE, ROOT

sys.path.insert(0, str(ROOT))
from formulas import __main__ as command
from formulas.execute import DisagreementError, NotExecutableError, Scope, Subject, Value, run
from formulas.find import Line, displayed, formula_lines, ladder, lines_of
from formulas.grammar import LEADS, GrammarError, Parser, parse
from formulas.join import lines_that_compute
from formulas.table import Row, definitions, group_of, rows, scopes, table
from formulas.tex import to_tex
from formulas.tree import Formula, Name, Over, Sum, walk
from scratchnn import layers
from scratchnn.exercises.exercise import outputs_of, reference

NOT_EXECUTED = {  # of those in classes with a backward, optimisers and exercises
    "Sequential: x_0": "letters for layers and what they return",
    "Sequential: dx_(k−1),i": "the same",
    "Bernoulli: softplus′": "an equation between functions",
    "KLToStandardNormal: KL": "integrals",
    "VAE: reconstruction_n": "p(x|z) is a decoder and a likelihood",
    "Autoencoder: loss_n": "functions that are networks",
    "Classifier: loss_n": "functions that are networks",
    "e32_bug: h": "a network without an exercise of its own",
    "e38_elbo_identity: p(z)": "densities",
    "e39_reinforce: f(z_k)": "a function of a draw",
    "e41_continuous_bernoulli: log": "a density",
    "e43_test_of_kl: KL(q": "integrals",
    "e44_iwae: bound_n": "defined by a name of its own line",
    "e46_train_vae: loss_n": "a loss that is put together from other exercises",
    "e52_recurrent: g_nkj": "letters for what the loop makes in each step",
    "e52_recurrent: dx_nki": "the same",
    "e52_recurrent: dW_ij": "the same",
    "e52_recurrent: dU_ij": "the same",
    "e52_recurrent: db_j": "the same",
}
UNJOINED = {
    "KLToStandardNormal: KL": "the definition of the divergence, of which the code has what it becomes",
    "Adam: m̂": "the code takes the two corrections into lr and eps",
    "e14_bottleneck: dmean_nj": "the code adds up its two routes inside dheads",
    "e14_bottleneck: dlog_var_nj": "the same",
    "e18_batch_norm: dnormed_nj": "a stage of the exercise before; here the code is one line",
    "e18_batch_norm: dvar_j": "the same",
    "e18_batch_norm: dcentred_nj": "the same",
    "e46_train_vae: loss_n": "a loss that is put together from other exercises",
    "e44_iwae: bound_n": "the code takes the largest log_w out first",
    "e52_recurrent: g_nkj": "a letter for what the loop makes in each step",
}


LINES = formula_lines()


def group(line: Line) -> list[Line]:
    """The lines that stand in one class or exercise with this one."""
    return [other for other in LINES if group_of(other) == group_of(line)]


@pytest.fixture(scope="module")
def all_rows() -> list[Row]:
    return table()


def known_as(row: Row) -> str:
    """The class or exercise of a line, and the left-hand side."""
    owner = row.line.path.stem if row.line.path.parent.name == "ladder" else row.line.owner
    return f"{owner}: {row.line.text.split(' ')[0]}"


# ---- the lines of the project


def test_every_formula_line_is_in_the_grammar(all_rows):
    assert {row.line.place: row.outcome.reason for row in all_rows if row.parsed is None} == {}


def test_no_formula_has_become_prose(all_rows):
    """A formula that leaves its line, or that the finder overlooks, makes them fewer."""
    in_ladder = [row for row in all_rows if row.line.path.parent.name == "ladder"]
    assert len(in_ladder) >= 83 and len(all_rows) - len(in_ladder) >= 104


def test_every_class_with_a_case_has_its_formulas(all_rows):
    without = {cls.__name__ for cls in CASES} - {row.line.owner for row in all_rows}
    assert without == {"Reshape"}  # it moves no number


def module_of(path):
    return reference(path.stem.partition("_")[2])


def test_every_exercise_has_a_formula_for_every_gradient_of_its_solution(all_rows):
    gradients = [path for path in ladder() if module_of(path).EXERCISE.function == "backward"]
    assert len(gradients) > 30
    for path in gradients:
        mine = [row.parsed for row in all_rows if row.line.path == path]
        names = {formula.name.partition("_")[0] for parsed in mine for formula in parsed.formulas}  # dx_nti: of step t
        outputs = {name.partition("_")[0] for name in outputs_of(path.stem.partition("_")[2])}
        assert outputs <= names, path.name


def test_no_formula_is_wrong(all_rows):
    assert [f"{row.line.place}: {row.outcome.reason}" for row in all_rows if row.outcome.wrong] == []


def test_most_formulas_are_executed_and_the_others_are_these(all_rows):
    counted = [row for row in all_rows if row.counts]
    assert sum(row.outcome.executed for row in counted) >= 0.8 * len(counted)
    assert {known_as(row) for row in counted if not row.outcome.executed} == set(NOT_EXECUTED)
    assert all(row.outcome.reason for row in all_rows if not row.outcome.executed)


def test_the_code_computes_what_stands_on_the_left(all_rows):
    counted = [row for row in all_rows if row.counts]
    unjoined = {known_as(row) for row in counted if row.unjoined()}
    assert unjoined == set(UNJOINED) and len(unjoined) <= 0.05 * len(counted)


def test_a_name_is_joined_to_the_line_that_computes_it(all_rows):
    def joined(owner: str, name: str) -> str:
        line = next(row.line for row in all_rows if owner in (row.line.owner, row.line.path.stem))
        text = line.path.read_text(encoding="utf-8").splitlines()
        return " | ".join(text[number - 1].strip() for number in lines_that_compute(name, line))

    assert joined("Dense", "dW").startswith("np.matmul(x.T, dy, out=self.dW)")
    assert joined("Dense", "dx").startswith("return dy @ self.W.T")
    assert joined("Conv2D", "dW") == "self.dW = weight_gradient(x, dy, self.kernel, self.stride)"
    assert joined("Tanh", "dx") == "slope = staticmethod(lambda y: 1 - y * y)"
    assert joined("BatchNorm", "x_hat").startswith("x_hat = (x - mean[by_unit])")
    assert joined("MeanSquaredError", "loss") == "return np.mean(difference**2, axis=1)"
    assert joined("e03_linear", "dW") == "dW = x.T @ dy"
    assert joined("e08_softmax_cross_entropy", "one_hot").count("|") == 0, "the checker's part is not the learner's"
    assert joined("Dense", "dw") == ""


def test_a_sum_of_products_is_an_einsum(all_rows):
    """Dense's three lines, by NumPy's own einsum."""
    found = {row.parsed.formulas[0].name: row.einsum for row in all_rows if row.line.owner == "Dense"}
    assert found == {"y": "", "dW": "ni,nj->ij", "db": "nj->j", "dx": "nj,ij->ni"}
    rng = np.random.default_rng(0)
    layer, (x,) = CASES[layers.Dense].make(rng), CASES[layers.Dense].inputs(rng)
    dy = rng.normal(size=layer.forward(x).shape)
    dx = layer.backward(dy)
    np.testing.assert_allclose(np.einsum(found["dW"], x, dy), layer.dW, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.einsum(found["db"], dy), layer.db, rtol=0, atol=1e-13)
    np.testing.assert_allclose(np.einsum(found["dx"], dy, layer.W), dx, rtol=0, atol=1e-13)


# ---- it can fail


def outcome_of(owner: str, old: str, new: str) -> list[Row]:
    """What becomes of the lines of a class or an exercise, where one has a mistake."""
    lines = group(next(line for line in LINES if owner in (line.owner, line.path.stem)))
    assert sum(old in line.text for line in lines) == 1
    return list(rows([replace(line, text=line.text.replace(old, new)) for line in lines]))


PLANTED = [
    ("Dense", "dW_ij = Σ_n x_ni dy_nj", "dW_ij = x_ni dy_nj"),  # no sum
    ("Dense", "dW_ij = Σ_n x_ni dy_nj", "dW_ij = Σ_n x_ni dy_n"),  # a dropped index
    ("Dense", "dx_ni = Σ_j dy_nj W_ij", "dx_ni = Σ_j dy_nj W_ji"),  # exchanged indices
    ("Dense", "dW = xᵀ dy", "dW = dyᵀ x"),  # in the matrix form
    ("Dense", "+ b_j", ""),
    ("Sigmoid", "dy_k y_k (1 − y_k)", "dy_k y_k (1 + y_k)"),  # a sign
    ("Sigmoid", "= y · (1 − y)", "= y · (1 − y²)"),
    ("Tanh", "(1 − y_k²)", "(1 − y_k)"),  # no square
    ("ReLU", "[y_k > 0]", "[y_k ≥ 0]"),
    ("Elementwise", "dy_k f′(x_k)", "dy_k f(x_k)"),
    ("Softplus", "= 1 − 1/(1 + e^x)", "= 1 + 1/(1 + e^x)"),
    ("MeanSquaredError", "(2/D)", "(1/D)"),
    ("BinaryCrossEntropy", "softplus′(logits_ni)", "softplus(logits_ni)"),
    ("SoftmaxCrossEntropy", "[c = labels_n]", "[c ≠ labels_n]"),
    ("SoftmaxCrossEntropy", "/ Σ_k e^(logits_nk)", "/ Σ_k e^(logits_kc)"),
    ("Gaussian", "−½ Σ_i", "−Σ_i"),  # a missing ½
    ("Gaussian", "½ (r_ni²", "(r_ni²"),
    ("ContinuousBernoulli", "[l_ni > 0]", "[l_ni < 0]"),
    ("ContinuousBernoulli", "t e^(l t) dt", "e^(l t) dt"),  # the integral of p, not its mean
    ("ContinuousBernoulli", "/ ∫_0^1 e^(l t) dt", ""),
    ("ContinuousBernoulli", "x_ni − mean(l_ni)", "mean(l_ni) − x_ni"),
    ("DiscretisedLogistic", "a_ni = (x_ni − h", "a_ni = (x_ni"),  # no half a level
    ("DiscretisedLogistic", "= 2h/s_ni", "= h/s_ni"),
    ("DiscretisedLogistic", "log sigmoid(−a_ni)", "log sigmoid(a_ni)"),
    ("DiscretisedLogistic", "sigmoid(−b_ni))/s_ni", "sigmoid(−b_ni))"),
    ("DiscretisedLogistic", "w_ni/(e^(w_ni) − 1)", "w_ni/(1 − e^(w_ni))"),
    ("Reparameterise", "eps · σ/2", "eps · σ"),
    ("Reparameterise", "with σ = e^(log_var/2)", "with σ = e^(log_var)"),
    ("KLToStandardNormal", "½ (e^(log_var_nj) − 1)", "½ (e^(log_var_nj) + 1)"),
    ("KLOfOneDraw", "− z_nj²)", "− z_nj)"),
    ("KLOfOneDraw", "dz_nj       = dkl_n z_nj", "dz_nj       = −dkl_n z_nj"),
    ("KLOfOneDraw", "= −½ dkl_n", "= −½ dkl_n log_var_nj"),
    ("IWAE", "log_p_nk − kl_nk", "log_p_nk + kl_nk"),
    ("IWAE", "−log((1/K) Σ_k", "−log(Σ_k"),
    ("IWAE", "−log((1/K) Σ_k e^(log_w_nk))", "−(1/K) Σ_k log_w_nk"),  # the loss of a VAE of K draws
    ("IWAE", "Σ_j e^(log_w_nj)", "Σ_n e^(log_w_nj)"),
    ("IWAE", "−dloss_n s_nk", "−dloss_n /K"),  # its shares
    ("SigmoidMean", "[dmean · s", "[dlog_var · s"),
    ("Dropout", "(1 − rate)", "rate"),
    ("BatchNorm", "var = (1/m) Σ_i (x_i − mean)²", "var = (1/m) Σ_i (x_i − mean)"),
    ("BatchNorm", "− 1/m − x̂_i x̂_j / m", "− x̂_i x̂_j / m"),
    ("BatchNorm", "with g_i = dy_i gamma", "with g_i = dy_i"),
    ("Flatten", "y_n,d = x_nchw   with d = (c·H + h)·W + w", "y_n,d = x_nchw   with d = (c·H + w)·W + h"),
    ("Conv2D", "W_fc,p−si,q−sj", "W_fc,p+si,q−sj"),
    ("Conv2D", "x_nc,si+u,sj+v      a sum", "x_nc,i+u,j+v      a sum"),  # no stride
    ("ConvTranspose2D", "dy_nf,si+u,sj+v W_cfuv", "dy_nf,sj+u,si+v W_cfuv"),
    ("MaxPool2D", "max_uv", "Σ_u Σ_v"),
    ("UpSampling2D", "Σ_u Σ_v dy", "Σ_u dy"),
    ("SGD", "− lr · velocity", "+ lr · velocity"),
    ("Adam", "(1 − β2^t)", "(1 − β2)"),
    ("Adam", "(√v̂ + ε)", "√(v̂ + ε)"),
    ("e01_sum", "= [m = n]", "= [m = i]"),
    ("e05_sigmoid", "(−1/u²)", "(1/u²)"),
    ("e09_softmax", "and ∂S_n/∂x_ni = e^(x_ni)", "and ∂S_n/∂x_ni = S_n"),
    ("e13_reparameterise", "∂z_nj/∂σ_nj ∂σ_nj", "∂z_nj/∂mean_nj ∂σ_nj"),
    ("e14_bottleneck", "dz_nj               + dkl_n mean_nj", "dz_nj"),  # found by dheads, which uses it
    ("e16_adam", "Σ_k (1 − β1) β1^k", "Σ_k β1^k"),
    ("e17_batch_norm_staged", "−Σ_n dnormed_nj", "Σ_n dnormed_nj"),
    ("e18_batch_norm", "dnormed_nj  = dy_nj gamma_j", "dnormed_nj  = dy_nj"),
    ("e19_max_pool", "y_np = x_nl   with l = 2p + place_np", "y_np = x_nl   with l = p + place_np"),
    ("e20_convolution", "dy_nf,p−u,q−v", "dy_nf,p+u,q+v"),
]


@pytest.mark.parametrize(("owner", "old", "new"), PLANTED, ids=[f"{p[0]}: {p[1]}" for p in PLANTED])
def test_a_mistake_in_a_formula_is_found(owner, old, new):
    assert any(row.outcome.wrong for row in outcome_of(owner, old, new))


def mistaken(formula: Formula) -> list[Formula]:
    """A formula with the last side negated, and, where it has sums, without each of them."""
    *sides, last = formula.sides
    found = [replace(formula, sides=(*sides, Sum((("−", last),))))]
    for sum_ in [tree for tree in walk(last) if isinstance(tree, Over)]:
        found.append(replace(formula, sides=(*sides, without(last, sum_))))
    return found


def without(tree, sum_: Over):
    if tree is sum_:
        return tree.body
    if isinstance(tree, tuple):
        return tuple(without(part, sum_) for part in tree)
    if hasattr(tree, "__dataclass_fields__"):
        return type(tree)(*(without(getattr(tree, name), sum_) for name in tree.__dataclass_fields__))
    return tree


def test_every_sign_and_every_sum_counts():
    """Each formula that is compared with the code fails with the other sign, and without any of its sums."""
    tried = 0
    for first in {group_of(line): line for line in LINES}.values():
        lines = [parse(line.text) for line in group(first)]
        for scope in scopes(first, lines)[:1]:
            for line in lines:
                scope.enter(line)
                for formula in [*line.formulas, *line.matrix_forms]:
                    tried += every_mistake_fails(scope, formula)
    assert tried > 250


def every_mistake_fails(scope: Scope, formula: Formula) -> int:
    mistakes = mistaken(formula)
    try:
        if formula.relations != ("←",):  # a step is made once, after its mistakes
            scope.compare(formula)
        is_zero = not np.any(scope.value(formula.sides[-1], scope.sizes(formula)).array)
        is_new = isinstance(formula.left, Name) and not scope.code(formula.left) and len(formula.sides) == 2
    except NotExecutableError:
        return 0
    for mistake in [] if is_zero or is_new else mistakes:
        with pytest.raises(DisagreementError):
            scope.compare(mistake)
    if formula.relations == ("←",):
        scope.compare(formula)
    return 0 if is_zero or is_new else len(mistakes)


# ---- the grammar


@pytest.mark.parametrize(
    ("text", "tex"),
    [
        ("dW_ij = Σ_n x_ni dy_nj", r"\mathrm{d}W_{ij} = \sum_{n} x_{ni} \, \mathrm{d}y_{nj}"),
        ("x̂ = (x − mean) / √(var + eps)", r"\hat{x} = \frac{x - \mathrm{mean}}{\sqrt{\mathrm{var} + \mathrm{eps}}}"),
        ("y = e^(−x²/2) 1/N Σ_n a_n/b", r"y = {e}^{-\frac{{x}^{2}}{2}} \, \frac{1}{N} \, \sum_{n} \frac{a_{n}}{b}"),
        ("m ← β1 m + (1 − β1) g", r"m \leftarrow \beta_{1} \, m + \left( 1 - \beta_{1} \right) \, g"),
        ("y = x_nc,si+u,j W_fc,p−si,q", r"y = x_{n,c,si + u,j} \, W_{f,c,p - si,q}"),
        ("log_var = log σ²", r"\mathrm{log\_var} = \log {\sigma}^{2}"),
        ("y = a/b/c", r"y = \frac{\frac{a}{b}}{c}"),
        ("y = a b / c d", r"y = \frac{a \, b}{c} \, d"),
        ("dx_(k−1),i = W_meanᵀ", r"\mathrm{d}x_{k - 1,i} = {W_{\mathrm{mean}}}^{\top}"),
        ("l = −log p_(n, labels_n)", r"l = -\log p_{n,\mathrm{labels}_{n}}"),
        ("t = tanh²(x_nj) [i = j]", r"t = \tanh^{2}\left( x_{nj} \right) \, \left[ i = j \right]"),
        ("a = KL(q ‖ p(z|x)) ≥ 0", r"a = \mathrm{KL}\left( q \,\|\, p\left( z \mid x \right) \right) \geq 0"),
        ("m = ∫_0^1 t f(t) dt / ∫ f(t) dt a", r"m = \frac{\int_{0}^{1} t \, f\left( t \right) \, dt}"
         r"{\int f\left( t \right) \, dt} \, a"),
        ("c = coth t − 1/t", r"c = \coth t - \frac{1}{t}"),
        ("∂/∂m E_q[z] = a", r"\frac{\partial}{\partial m} \mathbb{E}_{q}\left[ z \right] = a"),
    ],
)  # fmt: skip
def test_a_formula_as_tex(text, tex):
    (formula,) = parse(text).formulas
    assert to_tex(formula) == tex


def test_a_line_has_formulas_words_and_a_matrix_form():
    line = parse("db_j  = Σ_n dy_nj   with r = x − y      b_j enters y_nj with the factor 1:      db = Σ_n dy_n")
    assert [(formula.name, formula.lead) for formula in line.formulas] == [("db", ""), ("r", "with")]
    assert [to_tex(form) for form in line.matrix_forms] == [r"\mathrm{d}b = \sum_{n} \mathrm{d}y_{n}"]
    assert line.words == ["b_j enters y_nj with the factor 1:"]


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("y = x, the same", r"expected an operation, a relation, or the end .*three spaces.*found «,»"),
        ("y = (x + 1", r"expected «\)», found nothing more"),
        ("y = 2 $ x", r"'\$' is no sign of the grammar"),
        ("y = x +", r"expected a number, a name or a bracket, found nothing more"),
        ("y = x      so that: z = 1", r"':' is no sign"),
        ("the words come first", r"begins with a formula, not with words"),
    ],
)
def test_what_is_no_formula_gets_a_sentence(text, sentence):
    with pytest.raises(GrammarError, match=sentence):
        parse(text)


def test_the_notation_is_stated_as_it_is():
    """Every example in the paragraph of CONTRIBUTING.md is in the grammar."""
    text = (
        (ROOT / "CONTRIBUTING.md")
        .read_text(encoding="utf-8")
        .partition("## The notation of formulas")[2]
        .partition("\n## ")[0]
    )
    spans = re.findall(r"`([^`]+)`", text)
    others = {*LEADS, "=", "Σ_n", "max_uv", "python -m formulas", "tests/test_formulas.py"}
    assert others <= set(spans) and len(spans) > 25
    for span in [span for span in spans if span not in others]:
        parser = Parser(span)
        parser.formula()
        assert parser.peek.kind == "end", span


def test_every_formula_gives_balanced_tex(all_rows):
    for tex in all_tex(all_rows):
        depth = 0
        for brace in re.findall(r"[{}]", tex):
            depth += 1 if brace == "{" else -1
            assert depth >= 0, tex
        assert depth == 0 and tex.count(r"\left") == tex.count(r"\right") + tex.count(r"\leftarrow"), tex
        assert not re.search(r"[^\x20-\x7e]", tex), f"{tex}: a sign that TeX does not know"


def all_tex(all_rows: list[Row]) -> list[str]:
    return [to_tex(part) for row in all_rows for part in row.parsed.parts if isinstance(part, Formula)]


def test_katex_takes_every_formula(all_rows):
    program = """
    const katex = require("katex"), formulas = JSON.parse(require("fs").readFileSync(0));
    for (const tex of formulas) katex.renderToString(tex, {throwOnError: true, strict: "error"});
    """
    if not shutil.which("node") or subprocess.run(["node", "-e", 'require("katex")'], capture_output=True).returncode:
        pytest.skip("KaTeX is not installed: npm install katex, and NODE_PATH=…/node_modules names its place")
    ended = subprocess.run(["node", "-e", program], input=json.dumps(all_tex(all_rows)), capture_output=True, text=True)
    assert ended.returncode == 0, ended.stderr


# ---- finding


def test_formula_lines_are_told_from_text_and_pictures():
    text = """
    Shapes
        x (N, D) = what it is
    Forward
        y_n = Σ_i x_ni      a sum
        In the text y = x is no formula line, nor is
        z = 3 at the beginning of a row.

            1 2 3       a picture = of something
            y_n = a_n
                = b_n            goes on
                                 with its words
            [a, b] = c
    Watch
        y = x here is text
          - nor is this,
            x = 1, below a dash
    """.splitlines()
    assert list(displayed(text, "")) == [
        (5, "y_n = Σ_i x_ni      a sum"),
        (10, "y_n = a_n\n= b_n            goes on with its words"),
        (13, "[a, b] = c"),
    ]


def test_in_a_derivation_a_formula_line_begins_with_a_formula():
    rows_ = [
        "y_n = 1",
        "[i = j] e^x = 2      words",
        "A row adds up to a (1 − 1) = 0",
        "  and there the term j = i",
        "1/u = y",
    ]
    assert [text for _, text in displayed(rows_, "derivation")] == [rows_[0], rows_[1], rows_[4]]


def test_a_line_knows_its_place():
    (line, *_) = lines_of(PACKAGE / "layers/dense.py")
    assert line.place == f"layers/dense.py:{line.number} Dense"
    assert line.path.read_text(encoding="utf-8").splitlines()[line.number - 1].strip() == line.text


# ---- executing


def scope_of(*texts: str, words: str = "", **known) -> Scope:
    known = {name: np.asarray(array, float) for name, array in known.items()}
    return Scope(Subject(("x",), known, ranges={"u": 2}), [parse(text) for text in texts], definitions(words))


def value_of(text: str, scope: Scope) -> Value:
    (formula,) = parse("value = " + text).formulas
    return scope.value(formula.sides[1], scope.sizes(formula))


def test_values_against_plain_loops():
    rng = np.random.default_rng(1)
    x, w = rng.normal(size=(3, 5)), rng.normal(size=(2, 4))
    scope = scope_of(x=x, w=w, s=2, labels=[4, 0, 2], v=[1, 4, 9, 16, 25])

    found = value_of("x_n,si+u w_ui", scope)
    assert set(found.axes) == {"n", "i", "u"}
    for n, i, u in np.ndindex(3, 4, 2):
        inside = 2 * i + u < 5  # outside stands 0
        place = tuple({"n": n, "i": i, "u": u}[axis] for axis in found.axes)
        assert found.array[place] == (x[n, 2 * i + u] * w[u, i] if inside else 0)

    np.testing.assert_array_equal(value_of("x_(n, labels_n)", scope).array, x[[0, 1, 2], [4, 0, 2]])
    np.testing.assert_array_equal(value_of("x_ni [i = labels_n]", scope).array, x * np.eye(5)[[4, 0, 2]])
    np.testing.assert_array_equal(value_of("max_i x_ni", scope).array, x.max(axis=1))
    assert value_of("Σ_u 3", scope).array == 6  # u runs to 2, and no array has it
    np.testing.assert_allclose(value_of("Σ_n x_n", scope).array, x.sum(axis=0), atol=1e-14)  # i is left out
    np.testing.assert_array_equal(value_of("√v_i/½", scope).array, [2, 4, 6, 8, 10])
    np.testing.assert_array_equal(value_of("xᵀ x", scope).array, x.T @ x)
    np.testing.assert_array_equal(value_of("x · x", scope).array, x * x)
    np.testing.assert_array_equal(value_of("[x, x · 2]", scope).array, np.hstack([x, 2 * x]))
    np.testing.assert_allclose(value_of("log 2π", scope).array, np.log(2 * np.pi), rtol=1e-15)
    np.testing.assert_allclose(value_of("∫_0^1 e^(x t) dt", scope).array, np.expm1(x) / x, rtol=1e-13)
    np.testing.assert_allclose(value_of("s ∫_1^3 x_ni t² dt s", scope).array, x * 4 * 26 / 3, rtol=1e-13)


def test_derivatives_of_formulas():
    """By definitions that stand on other lines, in the words, and through one another."""
    rng = np.random.default_rng(2)
    x = rng.normal(size=(3, 4))
    scope = scope_of("y_nj = s_n x_nj", "s_n = Σ_j x_nj²", words="With r = x · x and t = 3, and so on.", x=x)
    found = value_of("∂y_nj/∂x_ni", scope)
    assert found.axes == ("n", "j", "i")
    for n, j, i in np.ndindex(3, 4, 4):
        wanted = 2 * x[n, i] * x[n, j] + (i == j) * np.sum(x[n] ** 2)
        assert abs(found.array[n, j, i] - wanted) < 1e-7
    np.testing.assert_allclose(value_of("r′", scope).array, 2 * x, atol=1e-8)
    np.testing.assert_allclose(value_of("softplus′(x_nj)", scope).array, 1 / (1 + np.exp(-x)), atol=1e-8)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("y_n = x_nj z_j", "the index j runs to 4 and to 5"),
        ("y = x x", "shapes .* do not fit|matmul"),
        ("y = x z", "without indices, side by side is the matrix product: write ·"),
        ("y_n = 1 x_nij", "x has 2 axes and 3 indices"),
    ],
)
def test_indices_that_do_not_fit_get_a_sentence(text, sentence):
    scope = scope_of(x=np.ones((3, 4)), z=np.ones(5), y=np.ones(3))
    with pytest.raises((DisagreementError, ValueError), match=sentence):
        scope.compare(parse(text).formulas[0])


def test_a_formula_that_nobody_uses_is_not_executed():
    lines = [parse(text) for text in ("a = 2 x", "b = 3 x", "y = a + x")]
    x = np.ones((2, 3))
    outcomes = run(Scope(Subject(("x",), {"x": x, "y": 3 * x}), lines, []), lines)
    assert [outcome.executed for outcome in outcomes] == [True, False, True]
    assert outcomes[1].reason == "gives a name that no other line uses"


# ---- the command


def test_the_command_lists_lines_and_counts(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["formulas", "layers/dense.py"])
    command.main()
    printed = capsys.readouterr().out
    assert "executed as einsum ni,nj->ij" in printed
    assert printed.splitlines()[-3].startswith("4 of 4 formula lines parsed")
    assert printed.splitlines()[-2].startswith("4 of the 4") and "3 of their 3 matrix forms" in printed.splitlines()[-2]


def test_the_command_knows_no_other_file(monkeypatch, capsys):
    monkeypatch.setattr("sys.argv", ["formulas", "layers/thick.py"])
    with pytest.raises(SystemExit):
        command.main()
    assert "there is no file scratchnn/layers/thick.py: name files below scratchnn/" in capsys.readouterr().err


def test_a_line_that_is_not_in_the_grammar_is_shown():
    (row,) = rows([Line(PACKAGE / "init.py", "", 1, "y = x, and so on")])
    assert command.state(row).startswith("not parsed: expected an operation")
