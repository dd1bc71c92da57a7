"""The designs whose power is computed: by numbers of patients, or the contrasts of a study."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.units import Units, contrast_units
from scresist.power.assumptions import QUESTIONS, Assumptions
from scresist.study.design import Contrast, Design
from scresist.survival.endpoint import early_samples


@dataclass(frozen=True, slots=True)
class Layout:
    """One design to judge: its units, the patients followed up and their events, and the questions it is asked."""

    name: str
    design: Design
    contrast: Contrast
    units: Units
    patients: int
    events: float
    questions: tuple[str, ...]

    @property
    def n_pairs(self) -> int:
        """Patients in both arms."""
        return int(self.units.paired.sum() // 2)


def of_numbers(patients: Sequence[int], pairs: int, plan: Assumptions) -> list[Layout]:
    """One design per number of patients in an arm."""
    if not len(patients):
        raise InputError("patients names no design; give the number per arm, e.g. 4,6,8")
    layouts = []
    for n in patients:
        if n < 2:
            raise InputError(f"patients must be at least 2 per arm, or nothing can be tested; got {n}")
        if pairs < 0:
            raise InputError(f"pairs must be zero or more; got {pairs}")
        both = min(pairs, n)
        reference = [f"P{i:03d}" for i in range(n)]
        test = [f"P{i:03d}" for i in range(n - both, 2 * n - both)]
        sheet = pd.DataFrame({
            "patient": [*test, *reference], "arm": ["test"] * n + ["reference"] * n,
        }, index=pd.Index([f"S{i:03d}" for i in range(2 * n)], name="sample"))  # fmt: skip
        contrast = Contrast("test", "test", "reference")
        design = Design(("reference", "test"), (contrast,), sheet)
        units = _units(design, contrast)
        total = 2 * n - both
        name = f"{n} per arm" + (f", {both} pairs" if both else "")
        layouts.append(Layout(name, design, contrast, units, total, total * plan.event_share, QUESTIONS))
    if pairs > max(patients):
        raise InputError(f"pairs must be at most {max(patients)}, the patients of an arm; got {pairs}")
    return layouts


def of_study(study: Any, plan: Assumptions) -> list[Layout]:
    """One design per contrast of a study, and one for its endpoint."""
    design = study.design
    if not design.contrasts:
        raise InputError(f"{study.name} has no contrast to judge; add [design.contrasts.NAME] to its study.toml")
    layouts = []
    survival = next(iter(study.settings.survival), None)  # the first endpoint
    for contrast in design.contrasts:
        units = _units(design, contrast)
        layouts.append(Layout(contrast.name, design, contrast, units, 0, 0.0, QUESTIONS[:3]))
    if survival is not None and survival.event in study.patients:
        early = early_samples(design, survival.measured_in)
        known = set(design.samples.loc[early, "patient"].astype(str))  # who has a sample that may predict the endpoint
        events = study.patients.loc[study.patients.index.astype(str).isin(known), survival.event]
        seen = pd.to_numeric(events, errors="coerce").dropna()
        none = layouts[0].units.keep(np.zeros(len(layouts[0].units.patient), bool))
        layouts.append(Layout("survival", design, design.contrasts[0], none, len(seen), float(seen.sum()), ("hazard",)))
    return layouts


def _units(design: Design, contrast: Contrast) -> Units:
    dummy = np.random.default_rng(0).normal(size=len(design.samples))
    ends = replace(contrast, order=())  # a course has at least the power of its last arm against its first
    units = contrast_units(pd.DataFrame({"any": dummy}, index=design.samples.index), design, ends)
    return units.keep(units.paired) if contrast.pairing == "paired" and units.patient.size else units
