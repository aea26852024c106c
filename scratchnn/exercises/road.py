"""The road: all exercises in their order, what to read before each, and where the library has what it is about.

The number in a file's name is only a name; the order is this list. `read` and `used` name a file, or a class or
function in one: "scratchnn/layers/dense.py: Dense.backward".
"""

from __future__ import annotations

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
NUMERIC = "scratchnn/gradcheck/numeric.py"
VAE = "scratchnn/vae.py"

PARTS: dict[str, tuple[Step, ...]] = {
    "I. One number changes": (
        Step("sum", 1, FIRST, "scratchnn/losses.py: batch_mean"),
        Step("bias", 1, FIRST, "scratchnn/layers/dense.py: Dense.backward"),
        Step("twice", 1, "scratchnn/layers/layer.py: Layer", "scratchnn/vae.py: VAE.backward"),
    ),
    "II. Layers": (
        Step("linear", 1, LAYER, "scratchnn/layers/dense.py: Dense.backward"),
        Step("relu", 1, LAYER, "scratchnn/layers/activations.py: ReLU"),
        Step("sigmoid", 1, LAYER, "scratchnn/layers/activations.py: Sigmoid"),
        Step("tanh", 1, LAYER, "scratchnn/layers/activations.py: Tanh"),
        Step("mse", 1, "scratchnn/losses.py: batch_mean", "scratchnn/losses.py: MeanSquaredError"),
        Step("softmax_cross_entropy", 1, "scratchnn/classifier.py", "scratchnn/losses.py: SoftmaxCrossEntropy"),
        Step("softmax", 1, "scratchnn/classifier.py", "scratchnn/losses.py: SoftmaxCrossEntropy"),
        Step("dropout", 1, LAYER, "scratchnn/layers/dropout.py: Dropout"),
    ),
    "III. Learning": (
        Step("adam", 1, "scratchnn/optim.py: SGD", "scratchnn/optim.py: Adam"),
        Step("batch_norm_staged", 1, LAYER, "scratchnn/layers/batch_norm.py: BatchNorm"),
        Step("batch_norm", 1, LAYER, "scratchnn/layers/batch_norm.py: BatchNorm.backward"),
    ),
    "IV. The bound": (
        Step("kl", 1, VAE, "scratchnn/vae.py: KLToStandardNormal"),
        Step("reparameterise", 1, VAE, "scratchnn/vae.py: GaussianSampler"),
        Step("bottleneck", 1, VAE, "scratchnn/vae.py: VAE.backward"),
        Step("elbo", 1, VAE, "scratchnn/vae.py: VAE.backward"),
    ),
    "V. Images and sequences": (
        Step("max_pool", 1, LAYER, "scratchnn/layers/pooling.py: MaxPool2D"),
        Step("convolution", 1, "scratchnn/layers/shape.py", "scratchnn/layers/convolution.py: Conv2D"),
        Step("strided_convolution", 1, "scratchnn/layers/shape.py", "scratchnn/layers/convolution.py: Conv2D"),
    ),
}

STEPS = [step for steps in PARTS.values() for step in steps]


def step_of(name: str) -> Step:
    return next(step for step in STEPS if step.name == name)
