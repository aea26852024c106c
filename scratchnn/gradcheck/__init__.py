"""Gradient checks: numeric.py (derivatives that know their error), check.py (is it right?), diagnosis.py (why not?)."""

from scratchnn.gradcheck.check import check_function, check_layer, check_model
from scratchnn.gradcheck.problem import GradientError
from scratchnn.gradcheck.report import Report

__all__ = ["GradientError", "Report", "check_function", "check_layer", "check_model"]
