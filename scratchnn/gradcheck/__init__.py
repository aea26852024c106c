"""Gradient checks: numeric.py (derivatives that know their error), check.py (is it right?), diagnosis.py (why not?)."""

from scratchnn.gradcheck.check import Report, check_function, check_layer, check_model
from scratchnn.gradcheck.problem import GradientError

__all__ = ["GradientError", "Report", "check_function", "check_layer", "check_model"]
