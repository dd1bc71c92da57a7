"""Comparisons of arms with the patient as the unit: tests, intervals, influence, and what a design can carry."""

from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.cell_shares import composition
from scresist.contrasts.claims import register_claims
from scresist.contrasts.difference import primary_against_acquired
from scresist.contrasts.estimability import estimable, losses
from scresist.contrasts.families import family_names, study_levels
from scresist.contrasts.genes import expression
from scresist.contrasts.module_tests import modules
from scresist.contrasts.replication import replication
from scresist.contrasts.shuffling import calibrate, shuffle_arms

__all__ = [
    "calibrate", "composition", "contrast_arms", "estimable", "expression", "family_names", "losses", "modules",
    "primary_against_acquired", "register_claims", "replication", "shuffle_arms", "study_levels",
]  # fmt: skip
