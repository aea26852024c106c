"""The layers, one idea a file: dense.py, layer.py (the contract, the chain rule as a loop), activations.py, dropout.py,
batch_norm.py; for images shape.py, convolution.py, pooling.py."""

from scratchnn.layers.activations import (
    Elementwise,
    Exponential,
    Identity,
    ReLU,
    Sigmoid,
    Softplus,
    Step,
    Tanh,
)  # fmt: skip
from scratchnn.layers.batch_norm import BatchNorm
from scratchnn.layers.convolution import Conv2D, ConvTranspose2D
from scratchnn.layers.dense import Dense
from scratchnn.layers.dropout import Dropout
from scratchnn.layers.layer import Layer, Module, Sequential
from scratchnn.layers.pooling import MaxPool2D, UpSampling2D
from scratchnn.layers.shape import Flatten, Reshape

__all__ = [
    "BatchNorm", "Conv2D", "ConvTranspose2D", "Dense", "Dropout", "Elementwise", "Exponential", "Flatten", "Identity",
    "Layer", "MaxPool2D", "Module", "ReLU", "Reshape", "Sequential", "Sigmoid", "Softplus", "Step", "Tanh",
    "UpSampling2D",
]  # fmt: skip
