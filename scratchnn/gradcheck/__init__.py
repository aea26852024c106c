"""Gradient checking: numeric.py estimates derivatives and how good the estimates are, check.py compares."""

from scratchnn.gradcheck.check import GradientError, Report, check_layer, check_model

__all__ = ["GradientError", "Report", "check_layer", "check_model"]
