"""Cohorts with planted truth: what a study finds when the answer is known."""

from scresist.simulate.bench import write_bench
from scresist.simulate.cohort import simulate
from scresist.simulate.compare import compare_counts
from scresist.simulate.estimate import FittedProfiles, estimate_profiles
from scresist.simulate.fitted import draw_like, simulate_from
from scresist.simulate.plan import Plan
from scresist.simulate.write import read_plan, write_cohort

__all__ = [
    "FittedProfiles", "Plan", "compare_counts", "draw_like", "estimate_profiles", "read_plan",
    "simulate", "simulate_from", "write_bench", "write_cohort",
]  # fmt: skip
