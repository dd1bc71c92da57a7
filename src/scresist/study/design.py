"""The design of a study: which samples are compared with which, whose they are, and when they were taken."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

import pandas as pd

RESISTANCES = ("primary", "acquired")
ROLES = (*RESISTANCES, "none")
BEFORE, ON, AT_PROGRESSION = "before", "on", "at progression"
TAKEN = (BEFORE, ON, AT_PROGRESSION)


@dataclass(frozen=True, slots=True)
class Contrast:
    """One comparison of two arms, or the course over several; `pairing` is auto, paired or unpaired.

    `order` are the arms of a course, first to last; its effect is the change per step, and `reference` and `test` are
    its first and last arm. Empty: the two arms are compared.

    `role` is the resistance that it measures (primary | acquired | none); empty: that of its name, where it is one.
    """

    name: str
    test: str
    reference: str
    pairing: str = "auto"
    role: str = ""
    order: tuple[str, ...] = ()

    @property
    def arms(self) -> tuple[str, ...]:
        """The arms compared, the reference first."""
        return self.order or (self.reference, self.test)

    @property
    def resistance(self) -> str:
        """primary, acquired, or none."""
        return self.role or (self.name if self.name in RESISTANCES else "none")


@dataclass(frozen=True, slots=True)
class Design:
    """Arms, contrasts and covariates over a sheet of samples.

    `samples` has one row per sample, indexed by sample, with at least the columns `patient` and `arm`; covariates are
    columns of it (patient columns are already joined on), and `taken` is when the sample was taken (before | on | at
    progression; missing where it is not known). `arms` are in the order of the study; `batches` are the columns
    (batch, site, chemistry) that are checked for confounding with the arms but not adjusted for. `primary` is the
    question declared beforehand: a kind of claim, a contrast, or `kind: contrast`; empty where there is none.
    """

    arms: tuple[str, ...]
    contrasts: tuple[Contrast, ...]
    samples: pd.DataFrame
    covariates: tuple[str, ...] = ()
    batches: tuple[str, ...] = field(default=())
    primary: str = ""

    def of(self, samples: Iterable[str]) -> "Design":
        """The same design over some of its samples: those that have cells left.

        Parameters
        ----------
        samples
            Names of samples; others are passed over.
        """
        kept = set(map(str, samples))
        return replace(self, samples=self.samples[[str(s) in kept for s in self.samples.index]])

    def with_role(self, role: str) -> Contrast | None:
        """The contrast that measures a resistance (primary | acquired); None where the design has none."""
        return next((c for c in self.contrasts if c.resistance == role), None)

    def taken(self) -> pd.Series:
        """When each sample was taken: before | on | at progression; missing where it is not known."""
        if "taken" not in self.samples:
            return pd.Series(None, index=self.samples.index, dtype=object)
        return self.samples["taken"].astype(object).where(self.samples["taken"].isin(TAKEN), None)
