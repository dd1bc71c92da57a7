"""The run of a study: the steps, their order, what each keeps, and where a killed run continues."""

from scresist.run.pipeline import run_study

__all__ = ["run_study"]
