"""Gradient checks: numeric.py (derivatives that know their error), check.py (is it right?), diagnosis.py (why not?),
frameworks.py (the same for PyTorch and JAX)."""

from scratchnn.gradcheck.check import check_function, check_layer, check_model
from scratchnn.gradcheck.frameworks import check_autograd_function, check_custom_vjp
from scratchnn.gradcheck.problem import GradientError
from scratchnn.gradcheck.report import Report

__all__ = [
    "GradientError",
    "Report",
    "check_autograd_function",
    "check_custom_vjp",
    "check_function",
    "check_layer",
    "check_model",
]
