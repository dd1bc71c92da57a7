"""Cohorts with planted truth: what a study finds when the answer is known, and what a design can find at all."""

from scresist.simulate.cohort import Plan, simulate
from scresist.simulate.power import Assumptions, power
from scresist.simulate.write import write_cohort

__all__ = ["Assumptions", "Plan", "power", "simulate", "write_cohort"]
