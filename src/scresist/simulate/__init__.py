"""Cohorts with planted truth: what a study finds when the answer is known, and what a design can find at all."""

from scresist.simulate.assumptions import Assumptions
from scresist.simulate.cohort import simulate
from scresist.simulate.compare import compare_counts
from scresist.simulate.estimate import FittedProfiles, estimate_profiles, pilot_assumptions
from scresist.simulate.fitted import draw_like, simulate_from
from scresist.simulate.plan import Plan
from scresist.simulate.power import power, power_curves
from scresist.simulate.write import write_cohort

__all__ = [
    "Assumptions", "FittedProfiles", "Plan", "compare_counts", "draw_like", "estimate_profiles", "pilot_assumptions",
    "power", "power_curves", "simulate", "simulate_from", "write_cohort",
]  # fmt: skip
