"""Comparisons of arms with the patient as the unit: tests, intervals, influence, and what a design can carry."""

from scresist.contrasts.arms import contrast_arms

__all__ = ["contrast_arms"]
