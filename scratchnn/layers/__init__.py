"""The layers, one idea a file: read layer.py (the contract, the chain rule as a loop), dense.py, activations.py."""

from scratchnn.layers.activations import Exponential, Identity, ReLU, Sigmoid, Softplus, Step, Tanh
from scratchnn.layers.dense import Dense
from scratchnn.layers.layer import Composite, Layer, Sequential

__all__ = [
    "Composite",
    "Dense",
    "Exponential",
    "Identity",
    "Layer",
    "ReLU",
    "Sequential",
    "Sigmoid",
    "Softplus",
    "Step",
    "Tanh",
]
