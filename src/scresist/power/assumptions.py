"""What a calculation of power takes to be true of a cohort."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from scresist.checks import InputError, require_keys, require_positive
from scresist.contrasts.verdict import ALPHA

QUESTIONS = ("module", "gene", "composition", "hazard")


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken to be true of a cohort; the defaults are a middling gastric biopsy.

    `effect` is the size that each question seeks: module (shift of its mean activity, in SD between cells), gene
    (log2 fold change), composition (log odds), hazard (hazard ratio per SD of the marker). `patient_sd` is the SD
    between patients of one arm, in the same units (log2 for a gene). `family` is the number of tests that q-values are
    taken over, `affected` how many of them have the effect. `cells` is the number per sample, `malignant_share` of them
    are malignant: modules and genes are read there. `count` is the mean count of the gene per malignant cell,
    `dispersion` its negative binomial dispersion between cells of one patient, `depth_sd` the log SD of library sizes,
    `prior_df` what other genes lend to its variance. `share` is that of the cell type. `event_share` of the patients
    have the event. `correlation` is that of two samples of one patient (before the noise of cells and counts).
    """

    effect: Mapping[str, float] = field(
        default_factory=lambda: {"module": 1.0, "gene": 1.0, "composition": 1.0, "hazard": 2.0}
    )
    patient_sd: Mapping[str, float] = field(
        default_factory=lambda: {"module": 0.4, "gene": 0.6, "composition": 0.6}
    )  # fmt: skip
    family: Mapping[str, int] = field(
        default_factory=lambda: {"module": 12, "gene": 5000, "composition": 14, "hazard": 12}
    )
    affected: Mapping[str, int] = field(
        default_factory=lambda: {"module": 1, "gene": 100, "composition": 1, "hazard": 1}
    )
    cells: float = 250
    malignant_share: float = 0.4
    count: float = 0.5
    dispersion: float = 0.6
    depth_sd: float = 0.45
    prior_df: float = 5.0
    share: float = 0.08
    event_share: float = 0.7
    correlation: float = 0.5
    alpha: float = ALPHA
    q: float = ALPHA
    target: float = 0.8


def change(plan: Assumptions, **given: Any) -> Assumptions:
    """The assumptions with some replaced: mappings entry by entry; None leaves a field as it was."""
    changes: dict[str, Any] = {}
    for name, value in given.items():
        if isinstance(value, Mapping):
            old = getattr(plan, name)
            require_keys(value, old, name)
            whole = name in {"family", "affected"}
            changes[name] = {**old, **{k: int(v) if whole else float(v) for k, v in value.items()}}
        elif value is not None:
            changes[name] = value
    if "family" in changes:
        changes["affected"] = {k: min(v, changes["family"][k]) for k, v in plan.affected.items()}
    return replace(plan, **changes)


def check_assumptions(plan: Assumptions) -> None:
    """Raise InputError for what cannot be."""
    for name in ("effect", "family", "affected"):
        require_keys(getattr(plan, name), QUESTIONS, name)
        absent = [q for q in QUESTIONS if q not in getattr(plan, name)]
        if absent:
            raise InputError(f"{name} has no entry for {absent[0]}; give {', '.join(QUESTIONS)}")
    require_keys(plan.patient_sd, QUESTIONS[:3], "patient_sd")
    for name in QUESTIONS[:3]:
        require_positive(plan.patient_sd.get(name, -1.0), f"patient_sd of {name}", allow_zero=True)
    for name in ("cells", "count", "dispersion"):
        require_positive(getattr(plan, name), name)
    for name in ("depth_sd", "prior_df"):
        require_positive(getattr(plan, name), name, allow_zero=True)
    require_positive(plan.effect["hazard"], "effect of hazard (a ratio)")
    for name in ("malignant_share", "share", "event_share", "alpha", "q", "target"):
        value = getattr(plan, name)
        if not 0 < value < 1 and not (name in {"malignant_share", "event_share"} and value == 1):
            raise InputError(f"{name} must lie between 0 and 1; got {value!r}")
    if not 0 <= plan.correlation < 1:
        raise InputError(f"correlation must lie in [0, 1); got {plan.correlation!r}")
    for name in QUESTIONS:
        if not 1 <= plan.affected[name] <= plan.family[name]:
            family, got = plan.family[name], plan.affected[name]
            raise InputError(f"affected of {name} must lie between 1 and its family of {family}; got {got}")


def counting_noise(question: str, effect: float, plan: Assumptions) -> float:
    """Variance of a patient's value that comes from counting: the mean of the two arms."""
    if question == "module":
        return 1.0 / (plan.cells * plan.malignant_share)
    if question == "composition":
        odds = plan.share / (1 - plan.share) * np.exp([0.0, np.clip(effect, -30, 30)])
        share = odds / (1 + odds)
        return float(np.mean(1 / (plan.cells * share * (1 - share))))
    n = plan.cells * plan.malignant_share
    mean = n * plan.count * 2.0 ** np.array([0.0, np.clip(effect, -30, 30)])
    between_cells = plan.dispersion * np.exp(plan.depth_sd**2) / n
    return float(np.mean(1 / mean) + between_cells) / np.log(2) ** 2
