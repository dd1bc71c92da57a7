"""Cohorts with planted truth: what a study finds when the answer is known."""

from scresist.simulate.cohort import Plan, simulate
from scresist.simulate.write import write_cohort

__all__ = ["Plan", "simulate", "write_cohort"]
