"""The road: all exercises in their order, what to read before each, and where the library has what it is about.

The number in a file's name is only a name; the order is this list. `read` and `used` name a file, or a class or
function in one: "scratchnn/layers/dense.py: Dense.backward".
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

KINDS = {
    1: "write a backward pass",
    2: "write the checker",
    3: "find the bug",
    4: "choose the sizes",
    5: "write the test",
    6: "predict before you run",
    7: "stable values",
    8: "an identity or an estimator",
    9: "capstone",
}


@dataclass(frozen=True)
class Step:
    name: str
    kind: int
    read: str
    used: str


FIRST = "examples/first_backprop.py"
LAYER = "scratchnn/layers/layer.py"
VAE = "scratchnn/vae.py"

PARTS: dict[str, tuple[Step, ...]] = {
    "I. One number changes": (
        Step("slope", 1, FIRST, "scratchnn/layers/activations.py: Elementwise"),
        Step("chain", 1, FIRST, "scratchnn/layers/layer.py: Sequential"),
        Step("sum", 1, FIRST, "scratchnn/losses.py: batch_mean"),
        Step("twice", 1, "scratchnn/layers/layer.py: Layer", "scratchnn/vae.py: VAE"),
        Step("bias", 1, FIRST, "scratchnn/layers/dense.py: Dense"),
        Step("broadcast", 1, "examples/lectures/backward_on_a_graph.py", "scratchnn/layers/batch_norm.py: BatchNorm"),
        Step("checker", 2, "examples/gradcheck_tour.py", "scratchnn/gradcheck/numeric.py: numeric_gradient"),
        Step("checker_of_several", 2, "examples/gradcheck_tour.py", "scratchnn/gradcheck/check.py: check_function"),
        Step("modes_counted", 6, "examples/lectures/backward_on_a_graph.py", "scratchnn/layers/layer.py: Sequential"),
    ),
    "II. Layers": (
        Step("linear", 1, LAYER, "scratchnn/layers/dense.py: Dense"),
        Step("sizes", 4, "scratchnn/gradcheck/another.py", "tests/cases.py"),
        Step("relu", 1, LAYER, "scratchnn/layers/activations.py: ReLU"),
        Step("sigmoid", 1, LAYER, "scratchnn/layers/activations.py: Sigmoid"),
        Step("tanh", 1, LAYER, "scratchnn/layers/activations.py: Tanh"),
        Step("softplus", 7, "scratchnn/layers/activations.py: sigmoid", "scratchnn/layers/activations.py: softplus"),
        Step("mse", 1, "scratchnn/losses.py: batch_mean", "scratchnn/losses.py: MeanSquaredError"),
        Step("log_sum_exp", 7, "scratchnn/classifier.py", "scratchnn/machinery/logarithm.py: log_mean_exp"),
        Step("softmax_cross_entropy", 1, "scratchnn/classifier.py", "scratchnn/losses.py: SoftmaxCrossEntropy"),
        Step("test_of_softmax", 5, "docs/mistakes.md", "tests/test_layers.py"),
        Step("softmax", 1, "scratchnn/classifier.py", "scratchnn/losses.py: SoftmaxCrossEntropy"),
        Step("dropout", 1, LAYER, "scratchnn/layers/dropout.py: Dropout"),
        Step("mlp", 1, "scratchnn/layers/layer.py: Sequential", "scratchnn/classifier.py: Classifier"),
        Step("bug", 3, "scratchnn/gradcheck/diagnosis.py", "tests/mutants/m_mse.py"),
        Step("daily_bug", 3, "scratchnn/gradcheck/edits.py", "tests/mutants/m_elbo.py"),
    ),
    "III. Learning": (
        Step("initialisation", 6, "examples/lectures/initial_values_and_steps.py", "scratchnn/init.py: lecun_normal"),
        Step("momentum", 1, "scratchnn/optim.py: Optimiser", "scratchnn/optim.py: SGD"),
        Step("adam", 1, "scratchnn/optim.py: SGD", "scratchnn/optim.py: Adam"),
        Step("train_digits", 9, "scratchnn/training/loop.py", "scratchnn/classifier.py: Classifier"),
        Step("batch_norm_staged", 1, LAYER, "scratchnn/layers/batch_norm.py: BatchNorm"),
        Step("batch_norm", 1, LAYER, "scratchnn/layers/batch_norm.py: BatchNorm"),
    ),
    "IV. The bound": (
        Step("elbo_identity", 8, "scratchnn/vae.py", "examples/lectures/elbo_tour.py"),
        Step("kl", 1, VAE, "scratchnn/vae.py: KLToStandardNormal"),
        Step("test_of_kl", 5, "docs/mistakes.md", "tests/test_vae.py"),
        Step("reparameterise", 1, VAE, "scratchnn/vae.py: Reparameterise"),
        Step("reinforce", 8, "scratchnn/vae.py: Reparameterise", "examples/lectures/pathwise_and_score.py"),
        Step("bottleneck", 1, VAE, "scratchnn/vae.py: VAE"),
        Step("elbo", 1, VAE, "scratchnn/vae.py: VAE"),
        Step("train_vae", 9, "scratchnn/vae.py: VAE", "scratchnn/vae.py: VAE"),
        Step("gaussian", 1, "scratchnn/likelihoods.py: Likelihood", "scratchnn/likelihoods.py: Gaussian"),
        Step(
            "continuous_bernoulli", 1, "examples/lectures/grey_pixels.py",
            "scratchnn/grey_likelihoods.py: ContinuousBernoulli",
        ),
        Step("iwae", 8, "scratchnn/iwae.py", "scratchnn/iwae.py: IWAE"),
        Step("linear_vae", 8, "scratchnn/vae.py", "examples/lectures/linear_vae.py"),
    ),
    "V. Images and sequences": (
        Step("max_pool", 1, LAYER, "scratchnn/layers/pooling.py: MaxPool2D"),
        Step("convolution", 1, "scratchnn/layers/shape.py", "scratchnn/layers/convolution.py: Conv2D"),
        Step("strided_convolution", 1, "scratchnn/layers/shape.py", "scratchnn/layers/convolution.py: Conv2D"),
        Step("sizes_of_a_convolution", 4, "scratchnn/gradcheck/another.py", "tests/test_convolution.py"),
        Step(
            "transposed_convolution", 1, "scratchnn/layers/convolution.py: Conv2D",
            "scratchnn/layers/convolution.py: ConvTranspose2D",
        ),
        Step("layer_norm", 1, "scratchnn/layers/batch_norm.py: BatchNorm", "scratchnn/layers/batch_norm.py: BatchNorm"),
        Step("embedding", 1, "scratchnn/layers/dense.py: Dense", "scratchnn/layers/dense.py: Dense"),
        Step("residual", 1, "scratchnn/layers/layer.py: Sequential", "scratchnn/layers/layer.py: Sequential"),
        Step("attention", 1, "scratchnn/losses.py: SoftmaxCrossEntropy", "scratchnn/layers/dense.py: Dense"),
        Step("recurrent", 1, "scratchnn/layers/layer.py: Sequential", "scratchnn/layers/layer.py: Sequential"),
    ),
}  # fmt: skip

STEPS = [step for steps in PARTS.values() for step in steps]


def step_of(name: str) -> Step:
    """The step of an exercise; one that is not on the road has no kind, and nothing to read before."""
    return next((step for step in STEPS if step.name == name), Step(name, 0, "", ""))


def follow(parts: Mapping[str, Sequence[Step]]) -> None:
    """Takes other exercises in the place of these."""
    PARTS.clear()
    PARTS.update({part: tuple(steps) for part, steps in parts.items()})
    STEPS[:] = [step for steps in parts.values() for step in steps]


def notebook_name(part: str) -> str:
    """The file of a part's notebook: 1_one_number_changes.ipynb for "I. One number changes"."""
    title = re.sub(r"\W+", "_", (part.partition(". ")[2] or part).lower())
    return f"{1 + list(PARTS).index(part)}_{title}.ipynb"
