"""The design of a study: which samples are compared with which, and whose they are."""

from dataclasses import dataclass, field

import pandas as pd


@dataclass(frozen=True, slots=True)
class Contrast:
    """One comparison of two arms; `pairing` is auto, paired or unpaired."""

    name: str
    test: str
    reference: str
    pairing: str = "auto"


@dataclass(frozen=True, slots=True)
class Design:
    """Arms, contrasts and covariates over a sheet of samples.

    `samples` has one row per sample, indexed by sample, with at least the columns `patient` and `arm`; covariates are
    columns of it (patient columns are already joined on). `arms` are in the order of the study; `batches` are the
    columns (batch, site, chemistry) that are checked for confounding with the arms but not adjusted for.
    """

    arms: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    samples: pd.DataFrame
    covariates: tuple[str, ...] = ()
    batches: tuple[str, ...] = field(default=())

    def arm_of(self, samples: pd.Index) -> pd.Series:
        """The arm of each sample."""
        return self.samples.loc[samples, "arm"]
