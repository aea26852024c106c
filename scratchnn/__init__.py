"""Neural networks in plain NumPy: every backward pass derived by hand, written out, and checked.

The order to read in; this first part is the lesson:

    layers/dense.py         backpropagation in one layer
    layers/layer.py         what a layer is; the chain rule as a loop
    layers/activations.py   the nonlinearities in between
    losses.py               how wrong an output is, and where the 1/N of a mean comes in
    likelihoods.py          an output as a distribution over images
    vae.py                  reparameterisation, KL divergence, the ELBO: forward and its mirror image
    optim.py                from a gradient to a step: SGD, Adam
    gradcheck/              is a gradient right? numeric.py: finite differences with error bars
    init.py                 the size of initial weights
    grey_likelihoods.py     likelihoods of grey pixels
    autoencoder.py          two networks with a narrow code between them
    classifier.py           a network, softmax and cross-entropy as one model
    iwae.py                 a bound nearer to log p(x), from several weighted draws
    layers/dropout.py       a network that must not rely on any single unit
    layers/batch_norm.py    mean 0 and variance 1 for every unit, over the batch
    layers/shape.py         rows of numbers and images
    layers/convolution.py   a dense layer on every window of an image, and its adjoint
    layers/pooling.py       images made smaller and larger

What it stands on, and what uses it:

    machinery/              one flat vector for all parameters; checks; images in memory
    compiled/               one loop in place of many passes through memory
    data/                   data sets: found, verified, split
    training/               the epoch loop; checkpoints; runs; several threads
    evaluation/             floors, log p(x), active units
    estimators.py           transformers for scikit-learn
    scripts/                the command line, figures, explorers, the thesis's training
    exercises/              backward passes to be written, and a judge

A module imports only what stands before it:

    machinery  compiled  init  layers  losses  likelihoods  grey_likelihoods  vae  iwae  autoencoder  classifier  optim
    gradcheck  data  evaluation  training  estimators  scripts  exercises

Conventions, kept everywhere:

1. Rows are examples: x has shape (N, n_in); images are (N, C, H, W): channels, height, width.
2. dX is ∂L/∂X and has the shape of X. L is the scalar that is minimised, the mean over the batch of a loss per example.
   Losses and likelihoods return one value per example, (N,); the 1/N enters in `losses.batch_mean` and nowhere else.
3. Randomness is an argument, `rng: np.random.Generator`, the last that a function requires, or the noise itself
   (`eps`): nothing depends on global state. What has to come out the same at every call takes a `seed=` instead.
4. Names are the field's: W, b, mean, log_var (log σ²), eps, z, logits, lr, beta1, beta2.
   A decoder outputs logits; probabilities appear in pictures.
5. Training runs in float32, gradient checks in float64.
"""

from scratchnn.autoencoder import Autoencoder
from scratchnn.classifier import Classifier
from scratchnn.grey_likelihoods import ContinuousBernoulli, DiscretisedLogistic
from scratchnn.iwae import IWAE
from scratchnn.layers import (
    BatchNorm,
    Conv2D,
    ConvTranspose2D,
    Dense,
    Dropout,
    Exponential,
    Flatten,
    Identity,
    MaxPool2D,
    ReLU,
    Reshape,
    Sequential,
    Sigmoid,
    Softplus,
    Step,
    Tanh,
    UpSampling2D,
)  # fmt: skip
from scratchnn.likelihoods import Bernoulli, Gaussian, SigmoidMean
from scratchnn.losses import BinaryCrossEntropy, MeanSquaredError, SoftmaxCrossEntropy
from scratchnn.optim import SGD, Adam
from scratchnn.vae import VAE

__version__ = "0.1.0"

__all__ = [
    "IWAE", "SGD", "VAE", "Adam", "Autoencoder", "BatchNorm", "Bernoulli", "BinaryCrossEntropy", "Classifier",
    "ContinuousBernoulli", "Conv2D", "ConvTranspose2D", "Dense", "DiscretisedLogistic", "Dropout", "Exponential",
    "Flatten", "Gaussian", "Identity", "MaxPool2D", "MeanSquaredError", "ReLU", "Reshape", "Sequential", "Sigmoid",
    "SigmoidMean", "SoftmaxCrossEntropy", "Softplus", "Step", "Tanh", "UpSampling2D",
]  # fmt: skip
