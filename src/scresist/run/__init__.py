"""The run of a study: the steps, their order, what each keeps, and where a killed run continues."""

from scresist.run.open import Run
from scresist.run.pipeline import run_study

__all__ = ["Run", "run_study"]
