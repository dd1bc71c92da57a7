"""Comparisons of arms with the patient as the unit: tests, intervals, influence, and what a design can carry."""

from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.estimability import estimable

__all__ = ["contrast_arms", "estimable"]
