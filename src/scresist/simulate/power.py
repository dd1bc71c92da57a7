"""What a design can find: a module, a gene, a change of composition, a hazard; by formula and by simulation."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import cache
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, require_keys, require_positive
from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.estimability import exact_floor
from scresist.contrasts.genes import expression
from scresist.contrasts.units import Units, contrast_units
from scresist.design import Contrast, Design
from scresist.kernels.cox import cox_regression
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.kernels.power import detectable, discovery_level, effect_scale, hazard_power, marker_information, t_power
from scresist.results import Result

QUESTIONS = ("module", "gene", "composition", "hazard")
UNITS = {
    "module": "SD between cells", "gene": "log2 fold change", "composition": "log odds", "hazard": "ratio per SD",
}  # fmt: skip
_METHODS = {
    "module": "noncentral t", "gene": "moderated t of sums of counts", "composition": "noncentral t of log odds",
    "hazard": "Schoenfeld, information at the effect",
}  # fmt: skip
_GENES_SIMULATED = 400
_COUNT_SD = 1.5  # of log mean counts over genes


@dataclass(frozen=True, slots=True)
class Assumptions:
    """What is taken to be true of a cohort; the defaults are a middling gastric biopsy.

    `effect` holds the size sought of each question: module (shift of its mean activity, in SD between cells), gene
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
    alpha: float = 0.05
    q: float = 0.05
    target: float = 0.8


@dataclass(frozen=True, slots=True)
class _Layout:
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
        return int(self.units.paired.sum() // 2)


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

    Raises
    ------
    InputError
        For assumptions that cannot be, fewer than two patients, more pairs than patients, a study without contrast.

    References
    ----------
    Schoenfeld (1983) Biometrics 39:499; Jung (2005) Bioinformatics 21:3097 (power at a false discovery rate).
    """
    plan = plan or Assumptions()
    _check(plan)
    for question in questions:
        require_choice(question, QUESTIONS, "a question")
    require_positive(simulations, "simulations", allow_zero=True)
    layouts = _of_numbers(patients, pairs, plan) if study is None else _of_study(study, plan)
    generator = np.random.default_rng(rng)
    rows = []
    for layout in layouts:
        for question in (q for q in layout.questions if q in questions):
            row = _judge(layout, question, plan)
            if simulations:
                row |= _simulated(layout, question, plan, int(simulations), generator)
            rows.append(row)
    settings = {k: dict(v) if isinstance(v, Mapping) else v for k, v in asdict(plan).items()}
    settings["simulations"] = int(simulations)
    return Result(pd.DataFrame(rows), "power by formula", MappingProxyType(settings), _notes(rows, plan))


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


def power_text(table: pd.DataFrame) -> str:
    """The table of `power` as text, rounded for reading."""
    shown = table.drop(columns=["family", "events"]).copy()
    for name in shown.select_dtypes("number").columns.drop(["n_test", "n_reference", "n_pairs"]):
        digits = "{:.2g}" if name == "p_floor" else "{:.2f}"
        shown[name] = [digits.format(v) if np.isfinite(v) else "" for v in shown[name]]
    return shown.to_string(index=False)


def _check(plan: Assumptions) -> None:
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
            most, got = plan.family[name], plan.affected[name]
            raise InputError(f"affected of {name} must lie between 1 and its family of {most}; got {got}")


def _of_numbers(patients: Sequence[int], pairs: int, plan: Assumptions) -> list[_Layout]:
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
        layouts.append(_Layout(name, design, contrast, units, total, total * plan.event_share, QUESTIONS))
    if pairs > max(patients):
        raise InputError(f"pairs must be at most {max(patients)}, the patients of an arm; got {pairs}")
    return layouts


def _of_study(study: Any, plan: Assumptions) -> list[_Layout]:
    design = study.design
    if not design.contrasts:
        raise InputError(f"{study.name} has no contrast to judge; add [design.contrasts.NAME] to its study.toml")
    layouts = []
    survival = study.settings.survival
    for contrast in design.contrasts:
        units = _units(design, contrast)
        layouts.append(_Layout(contrast.name, design, contrast, units, 0, 0.0, QUESTIONS[:3]))
    if survival is not None and survival.event in study.patients:
        seen = pd.to_numeric(study.patients[survival.event], errors="coerce").dropna()
        none = layouts[0].units.keep(np.zeros(len(layouts[0].units.patient), bool))
        layouts.append(
            _Layout("survival", design, design.contrasts[0], none, len(seen), float(seen.sum()), ("hazard",))
        )
    return layouts


def _units(design: Design, contrast: Contrast) -> Units:
    dummy = np.random.default_rng(0).normal(size=len(design.samples))
    units = contrast_units(pd.DataFrame({"any": dummy}, index=design.samples.index), design, contrast)
    return units.keep(units.paired) if contrast.pairing == "paired" and units.patient.size else units


def _judge(layout: _Layout, question: str, plan: Assumptions) -> dict[str, Any]:
    units = layout.units
    row: dict[str, Any] = {
        "design": layout.name, "n_test": int(units.is_test.sum()), "n_reference": int((~units.is_test).sum()),
        "n_pairs": layout.n_pairs, "question": question, "effect": plan.effect[question], "unit": UNITS[question],
        "power": np.nan, "power_q": np.nan, "detectable": np.nan, "detectable_q": np.nan, "p_floor": np.nan,
        "family": plan.family[question], "events": layout.events if question == "hazard" else np.nan,
        "method": _METHODS[question],
    }  # fmt: skip
    if question != "hazard":
        if min(row["n_test"], row["n_reference"]) < 2:
            return row | {"method": "refused: fewer than two patients in an arm"}
        row["p_floor"] = exact_floor(units)
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


def _chance(layout: _Layout, question: str, plan: Assumptions) -> Callable[[float, float], float]:
    """Chance to find an effect at a level."""
    if question == "hazard":

        @cache
        def per_event(effect: float) -> float:
            return marker_information(effect, layout.events, layout.patients) / max(layout.events, 1.0)

        def found(effect: float, alpha: float) -> float:
            return hazard_power(effect, layout.events, alpha, per_event(effect))

        return found
    between = plan.patient_sd[question] ** 2
    units = layout.units
    prior = plan.prior_df if question == "gene" else 0.0

    @cache
    def scaled(effect: float) -> tuple[float, float, float]:
        variance = between + _noise(question, effect, plan)
        return variance, *effect_scale(units.nuisance, units.is_test, units.code, plan.correlation * between / variance)

    def chance(effect: float, alpha: float) -> float:
        variance, scale, df = scaled(effect)
        return t_power(effect / np.sqrt(variance * scale), df, alpha, prior) if np.isfinite(scale) else float("nan")

    return chance


def _noise(question: str, effect: float, plan: Assumptions) -> float:
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
    partly = dict.fromkeys(
        r["design"] for r in rows if 0 < r["n_pairs"] < min(r["n_test"], r["n_reference"]) and r["n_test"] < 10
    )
    if partly:
        notes.append(f"{', '.join(partly)}: partly paired and small; the formula may be 0.1 off, simulate to be sure")
    few = [r for r in rows if r["question"] == "hazard" and r["events"] < 10]
    if few:
        notes.append(f"{len(few)} designs have fewer than 10 events: the formula is optimistic there")
    return tuple(notes)


def _simulated(
    layout: _Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator
) -> dict[str, float]:
    """Shares of simulated cohorts that find the effect, with standard errors; NaN where nothing was tested."""
    drawn = {"module": _values, "composition": _values, "gene": _genes, "hazard": _hazards}[question]
    if question != "hazard" and min(layout.units.is_test.sum(), (~layout.units.is_test).sum()) < 2:
        found = np.full((cohorts, 2), np.nan)
    else:
        found = drawn(layout, question, plan, cohorts, rng)  # (cohorts, 2): shares found at alpha and at q
    mean = found.mean(axis=0)
    error = found.std(axis=0, ddof=1) / np.sqrt(len(found)) if len(found) > 1 else np.full(2, np.nan)
    return {
        "simulated": float(mean[0]), "simulated_se": float(error[0]), "simulated_q": float(mean[1]),
        "simulated_q_se": float(error[1]),
    }  # fmt: skip


def _patient_values(layout: _Layout, sd: float, n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Deviations of (samples, n) values: what a patient's samples share, and what each has of its own."""
    sheet = layout.design.samples
    code = pd.factorize(sheet["patient"])[0]
    shared = rng.normal(size=(code.max() + 1, n))[code]
    return sd * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(len(sheet), n)))


def _values(
    layout: _Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator
) -> np.ndarray:  # fmt: skip
    """Modules: means over malignant cells. Composition: log odds of binomial counts of cells."""
    family, affected = plan.family[question], plan.affected[question]
    sheet = layout.design.samples
    values = _patient_values(layout, plan.patient_sd[question], cohorts * family, plan.correlation, rng)
    touched = np.tile(np.arange(family) < affected, cohorts)
    values[np.ix_((sheet["arm"] == layout.contrast.test).to_numpy(), touched)] += plan.effect[question]
    if question == "module":
        n = np.maximum(round(plan.cells * plan.malignant_share), 1)
        values += rng.normal(size=values.shape) / np.sqrt(n)
    else:
        n = round(plan.cells)
        seen = rng.binomial(n, 1 / (1 + np.exp(-(values + np.log(plan.share / (1 - plan.share))))))
        values = np.log((seen + 0.5) / (n - seen + 0.5))
    columns = pd.MultiIndex.from_product([[f"{i}" for i in range(cohorts)], range(family)], names=["cohort", "feature"])
    design = replace(layout.design, contrasts=(layout.contrast,))
    table = contrast_arms(
        pd.DataFrame(values, index=sheet.index, columns=columns), design, family="cohort", method="t",
        n_permutations=1, influence=False, alpha=plan.alpha,
    ).table  # fmt: skip
    own = table[table["feature"] < affected].groupby("cohort")
    return np.column_stack([
        own["p_value"].agg(lambda p: (p < plan.alpha).mean()), own["q_value"].agg(lambda p: (p < plan.q).mean()),
    ])  # fmt: skip


def _genes(layout: _Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator) -> np.ndarray:
    """Cells' counts are drawn and summed; the share of affected genes stays that of the family, in fewer genes."""
    sheet = layout.design.samples
    n = max(round(plan.cells * plan.malignant_share), 1)
    genes = min(plan.family[question], _GENES_SIMULATED)
    affected = max(round(genes * plan.affected[question] / plan.family[question]), 2)
    noise, between = _noise(question, 0.0, plan), plan.patient_sd[question] ** 2
    design = replace(layout.design, contrasts=(layout.contrast,))
    names = [f"g{i}" for i in range(genes)]
    index = pd.MultiIndex.from_product([sheet.index, ["malignant"]], names=["sample", "cell_type"])
    test = np.flatnonzero(sheet["arm"] == layout.contrast.test)
    sign = np.where(np.arange(affected) % 2, -1.0, 1.0)
    found = []
    for _ in range(cohorts):
        drawn = plan.prior_df / rng.chisquare(plan.prior_df, genes) if plan.prior_df else np.ones(genes)
        drawn[:affected] = 1.0  # the formula is for a gene of typical variance
        sd = np.sqrt(np.maximum((between + noise) * drawn - noise, 0.0))
        count = plan.count * np.exp(rng.normal(0, _COUNT_SD, genes))
        count[:affected] = plan.count
        values = _patient_values(layout, 1.0, genes, plan.correlation, rng) * sd
        values[np.ix_(test, np.arange(affected))] += sign * plan.effect[question]
        sums = np.empty((len(sheet), genes), int)
        for i, row in enumerate(values):
            depth = np.exp(rng.normal(-(plan.depth_sd**2) / 2, plan.depth_sd, n))
            rate = np.outer(depth, count * 2.0**row)
            sums[i] = draw_counts(rate, np.full(genes, plan.dispersion), rng).sum(axis=0)
        table = expression(pd.DataFrame(sums, index=index, columns=names), design, influence=False, alpha=plan.alpha)
        own = table.table.set_index("gene").reindex(names[:affected])
        found.append([(own["p_value"] < plan.alpha).mean(), (own["q_value"] < plan.q).mean()])
    return np.array(found)


def _hazards(layout: _Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator) -> np.ndarray:
    """Exponential times by a standardised marker, followed until the last of the events; null markers are uniform p."""
    found = []
    seen = max(round(layout.events), 1)
    for _ in range(cohorts):
        marker = rng.normal(size=layout.patients)
        marker = (marker - marker.mean()) / marker.std()
        months = rng.exponential(np.exp(-np.log(plan.effect[question]) * marker))
        end = np.sort(months)[seen - 1]
        with np.errstate(invalid="ignore"):  # a marker that orders the events without exception has no finite ratio
            fit = cox_regression(np.minimum(months, end), months <= end, marker[:, None], diagnose=False)
        p = float(fit.p_wald[0]) if not fit.reason and np.isfinite(fit.p_wald[0]) else 1.0
        family = np.append(rng.random(plan.family[question] - 1), p)
        found.append([p < plan.alpha, benjamini_hochberg(family)[-1] < plan.q])
    return np.array(found, dtype=float)
