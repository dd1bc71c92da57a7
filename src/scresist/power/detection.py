"""What a design can find: a module, a gene, a change of composition, a hazard; by formula, draws and simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, require_positive
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.estimability import exact_floor
from scresist.kernels.power import (
    detectable,
    discovery_level,
    drawn_hazard_p_values,
    drawn_power,
    effect_scale,
    hazard_power,
    marker_information,
    t_power,
)
from scresist.power.assumptions import QUESTIONS, Assumptions, check_assumptions, counting_noise
from scresist.power.layouts import Layout, of_numbers, of_study
from scresist.power.simulated_power import simulated
from scresist.results import Result

UNITS = {
    "module": "SD between cells", "gene": "log2 fold change", "composition": "log odds", "hazard": "ratio per SD",
}  # fmt: skip
_METHODS = {
    "module": "noncentral t", "gene": "moderated t of sums of counts", "composition": "noncentral t of log odds",
    "hazard": "Schoenfeld, information at the effect",
}  # fmt: skip
_DRAWS, _HAZARD_DRAWS = 4000, 1000
_FEW_EVENTS, _MIN_EVENTS = 12, 5  # the study's own Cox models refuse fewer than five
_REACH = {"module": 3.0, "gene": 4.0, "composition": 4.0, "hazard": 6.0}  # largest effect of a curve

Chance = Callable[[float, float], float]


def power(
    plan: Assumptions | None = None,
    *,
    patients: Sequence[int] = (4, 6, 8, 12),
    pairs: int = 0,
    study: Any = None,
    questions: Sequence[str] = QUESTIONS,
    simulations: int = 0,
    rng: int | np.random.Generator = 1,
) -> Result:
    """The chance of each design to find an effect of each kind, and the smallest effect it finds 8 times in 10.

    Parameters
    ----------
    plan
        Effects, variances and sizes taken to be true.
    patients
        Per arm; one design for each number. Not used with a study.
    pairs
        Patients with a sample in both arms, at most all of an arm.
    study
        From `read_study`: its contrasts are the designs, with their pairs and covariates; its endpoint
        gives the events.
    questions
        Which of module, gene, composition, hazard to judge.
    simulations
        Cohorts to draw and test with `contrast_arms`, `expression` and Cox regression, beside the formula; 0 is none.
    rng
        Seed or generator of the simulations.

    Returns
    -------
    Result whose table has one row per design and question: `design`, `n_test`, `n_reference` (patients), `n_pairs`,
    `question` (module | gene | composition | hazard), `effect` and its `unit`, `power` (at p < alpha), `power_q` (at q
    < q over `family` tests), `detectable`, `detectable_q` (smallest effect found with the target chance; NaN where none
    is), `p_floor` (smallest p-value of an exact test), `events`, `method`; with simulations also `simulated`,
    `simulated_se`, `simulated_q`, `simulated_q_se`.

    Where a formula is known to be off (modules and cell types in partly paired designs, fewer than 12 events) the
    statistic of the test is drawn instead, as `method` reports.

    Raises
    ------
    InputError
        For assumptions that cannot be, fewer than two patients, more pairs than patients, a study without contrast.

    References
    ----------
    Schoenfeld (1983) Biometrics 39:499; Jung (2005) Bioinformatics 21:3097 (power at a false discovery rate).
    """
    plan = plan or Assumptions()
    check_assumptions(plan)
    for question in questions:
        require_choice(question, QUESTIONS, "a question")
    require_positive(simulations, "simulations", allow_zero=True)
    layouts = of_numbers(patients, pairs, plan) if study is None else of_study(study, plan)
    generator = np.random.default_rng(rng)
    rows = []
    for layout in layouts:
        for question in (q for q in layout.questions if q in questions):
            row = _judge(layout, question, plan)
            if simulations:
                row |= simulated(layout, question, plan, int(simulations), generator)
            rows.append(row)
    settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(plan).items()}
    settings["simulations"] = int(simulations)
    return Result(pd.DataFrame(rows), "power by formula", MappingProxyType(settings), _notes(rows, plan))


def power_curves(
    plan: Assumptions | None = None,
    *,
    patients: Sequence[int] = (4, 6, 8, 12),
    pairs: int = 0,
    study: Any = None,
    questions: Sequence[str] = QUESTIONS,
    points: int = 17,
) -> Result:
    """The chance to find an effect over its size, for every design and question: what a figure of power shows.

    Parameters
    ----------
    plan, patients, pairs, study, questions
        As in `power`.
    points
        Effect sizes from none to a large one.

    Returns
    -------
    Result whose table has `design`, `n_test`, `n_reference`, `n_pairs`, `question`, `unit`, `effect`, `power` (at p <
    alpha), `power_q` (at q < q over the family) and `method`; a question that a design cannot be asked has no rows and
    is in the notes.

    Raises
    ------
    InputError
        As in `power`.
    """
    plan = plan or Assumptions()
    check_assumptions(plan)
    for question in questions:
        require_choice(question, QUESTIONS, "a question")
    if points < 2:
        raise InputError(f"points must be at least 2, or there is no curve; got {points}")
    rows, notes = [], []
    for layout in of_numbers(patients, pairs, plan) if study is None else of_study(study, plan):
        for question in (q for q in layout.questions if q in questions):
            own = _first_columns(layout, question, plan)
            if own["method"].startswith("refused"):
                notes.append(f"{layout.name}, {question}: {own['method']}")
                continue
            chance = _chance(layout, question, plan)
            kept = {k: own[k] for k in ("design", "n_test", "n_reference", "n_pairs", "question", "unit", "method")}
            start = 1.0 if question == "hazard" else 0.0
            for effect in np.linspace(start, max(_REACH[question], 1.5 * plan.effect[question]), points):
                size = float(np.log(effect) if question == "hazard" else effect)
                found = {"power": chance(size, plan.alpha), "power_q": _at_rate(chance, size, question, plan)}
                rows.append({**kept, "effect": float(effect), **found})
    names = ["design", "n_test", "n_reference", "n_pairs", "question", "unit", "effect", "power", "power_q", "method"]
    settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(plan).items()}
    return Result(pd.DataFrame(rows, columns=names), "power over effect size", MappingProxyType(settings), tuple(notes))


def power_text(table: pd.DataFrame) -> str:
    """The table of `power` as text, rounded for reading."""
    shown = table.drop(columns=["family", "events"]).copy()
    for name in shown.select_dtypes("number").columns.drop(["n_test", "n_reference", "n_pairs"]):
        digits = "{:.2g}" if name == "p_floor" else "{:.2f}"
        shown[name] = [digits.format(v) if np.isfinite(v) else "" for v in shown[name]]
    return shown.to_string(index=False)


def _first_columns(layout: Layout, question: str, plan: Assumptions) -> dict[str, Any]:
    units = layout.units
    row: dict[str, Any] = {
        "design": layout.name, "n_test": int(units.is_test.sum()), "n_reference": int((~units.is_test).sum()),
        "n_pairs": layout.n_pairs, "question": question, "effect": plan.effect[question], "unit": UNITS[question],
        "power": np.nan, "power_q": np.nan, "detectable": np.nan, "detectable_q": np.nan, "p_floor": np.nan,
        "family": plan.family[question], "events": layout.events if question == "hazard" else np.nan,
        "method": _METHODS[question],
    }  # fmt: skip
    if question == "hazard":
        if layout.events < _MIN_EVENTS:
            row["method"] = f"refused: fewer than {_MIN_EVENTS} events"
        elif layout.events < _FEW_EVENTS:
            row["method"] = "Wald's test of drawn times"
    elif min(row["n_test"], row["n_reference"]) < 2:
        row["method"] = "refused: fewer than two patients in an arm"
    else:
        row["p_floor"] = exact_floor(units)
        if question != "gene" and _partly_paired(layout):
            row["method"] = "t of drawn values"
    return row


def _partly_paired(layout: Layout) -> bool:
    paired = layout.units.paired
    return bool(paired.any() and not paired.all())


def _judge(layout: Layout, question: str, plan: Assumptions) -> dict[str, Any]:
    row = _first_columns(layout, question, plan)
    if row["method"].startswith("refused"):
        return row
    chance = _chance(layout, question, plan)
    size = np.log(row["effect"]) if question == "hazard" else row["effect"]
    back: Callable[[float], float] = (lambda v: float(np.exp(v))) if question == "hazard" else float
    row["power"], row["power_q"] = chance(size, plan.alpha), _at_rate(chance, size, question, plan)
    if np.isfinite(row["power"]):
        row["detectable"] = back(detectable(lambda e: chance(e, plan.alpha), plan.target))
        row["detectable_q"] = back(detectable(lambda e: _at_rate(chance, e, question, plan), plan.target))
    return row


def _at_rate(chance: Callable[[float, float], float], effect: float, question: str, plan: Assumptions) -> float:
    level = discovery_level(
        lambda alpha: chance(effect, alpha), plan.q, plan.family[question], plan.affected[question]
    )  # fmt: skip
    return chance(effect, level)


def _chance(layout: Layout, question: str, plan: Assumptions) -> Chance:
    """Chance to find an effect at a level."""
    if question == "hazard":
        return _hazard_chance(layout)
    between = plan.patient_sd[question] ** 2
    units = layout.units

    @cache
    def variance_at(effect: float) -> float:
        return between + counting_noise(question, effect, plan)

    if question != "gene" and _partly_paired(layout):
        drawn = _drawn_test(layout, plan.correlation * between / variance_at(plan.effect[question]))
        return lambda effect, alpha: drawn_power(effect / np.sqrt(variance_at(effect)), *drawn, alpha)
    prior = plan.prior_df if question == "gene" else 0.0

    @cache
    def scaled(effect: float) -> tuple[float, float, float]:
        variance = variance_at(effect)
        return variance, *effect_scale(units.nuisance, units.is_test, units.code, plan.correlation * between / variance)

    def chance(effect: float, alpha: float) -> float:
        variance, scale, df = scaled(effect)
        return t_power(effect / np.sqrt(variance * scale), df, alpha, prior) if np.isfinite(scale) else float("nan")

    return chance


def _drawn_test(layout: Layout, correlation: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Errors of the estimate, standard errors and degrees of freedom of the study's own test, for drawn values.

    The values have variance 1 and no effect: the estimate is linear in them, so an effect only shifts it.
    """
    units, rng = layout.units, np.random.default_rng(0)
    shared = rng.normal(size=(int(units.code.max()) + 1, _DRAWS))[units.code]
    own = rng.normal(size=(len(units.code), _DRAWS))
    values = np.sqrt(correlation) * shared + np.sqrt(1 - correlation) * own
    tested = evaluate_contrast(units.with_values(values), method="t", permutation_beside=False)
    return tested.effect, tested.se, tested.df


def _hazard_chance(layout: Layout) -> Chance:
    if layout.events < _FEW_EVENTS:
        sizes = np.linspace(0.0, 5.0, 16)
        p_values = drawn_hazard_p_values(
            sizes, round(layout.events), patients=layout.patients, draws=_HAZARD_DRAWS, rng=np.random.default_rng(0)
        )
        return lambda effect, alpha: float(np.interp(effect, sizes, (p_values < alpha).mean(axis=1)))

    @cache
    def per_event(effect: float) -> float:
        return marker_information(effect, layout.events, layout.patients) / max(layout.events, 1.0)

    return lambda effect, alpha: hazard_power(effect, layout.events, alpha, per_event(effect))


def _notes(rows: Sequence[Mapping[str, Any]], plan: Assumptions) -> tuple[str, ...]:
    notes = []
    for name in dict.fromkeys(r["design"] for r in rows if r["p_floor"] > plan.alpha):
        notes.append(
            f"{name}: no exact test reaches p < {plan.alpha:g}; what is found rests on the assumption of normal values"
        )
    if plan.cells * plan.malignant_share * plan.count < 10:
        expected = plan.cells * plan.malignant_share * plan.count
        notes.append(
            f"the gene has {expected:.1f} counts per sample: below 10 the formula is optimistic, or no test is"
        )
    return tuple(notes)
