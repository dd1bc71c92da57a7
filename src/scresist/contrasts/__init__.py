"""Comparisons of arms with the patient as the unit: tests, intervals, influence, and what a design can carry."""

from scresist.contrasts.aggregation import Pseudobulk, pseudobulk
from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.cell_shares import composition
from scresist.contrasts.difference import primary_against_acquired
from scresist.contrasts.estimability import estimable
from scresist.contrasts.genes import expression
from scresist.contrasts.module_tests import modules

__all__ = [
    "Pseudobulk", "composition", "contrast_arms", "estimable", "expression", "modules", "primary_against_acquired",
    "pseudobulk",
]  # fmt: skip
