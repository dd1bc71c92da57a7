"""Power by simulated cohorts: values or counts are drawn, and tested as a study tests them."""

from dataclasses import replace

import numpy as np
import pandas as pd

from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.genes import expression
from scresist.kernels.cox import cox_regression
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.negative_binomial_draws import draw_counts
from scresist.power.assumptions import Assumptions, counting_noise
from scresist.power.layouts import Layout

_GENES_SIMULATED = 400
_COUNT_SD = 1.5  # of log mean counts over genes


def simulated(
    layout: Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator
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


def _patient_values(layout: Layout, sd: float, n: int, rho: float, rng: np.random.Generator) -> np.ndarray:
    """Deviations of (samples, n) values: what a patient's samples share, and what each has of its own."""
    sheet = layout.design.samples
    code = pd.factorize(sheet["patient"])[0]
    shared = rng.normal(size=(code.max() + 1, n))[code]
    return sd * (np.sqrt(rho) * shared + np.sqrt(1 - rho) * rng.normal(size=(len(sheet), n)))


def _values(
    layout: Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator
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


def _genes(layout: Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator) -> np.ndarray:
    """Cells' counts are drawn and summed; the share of affected genes stays that of the family, in fewer genes."""
    sheet = layout.design.samples
    n = max(round(plan.cells * plan.malignant_share), 1)
    genes = min(plan.family[question], _GENES_SIMULATED)
    affected = max(round(genes * plan.affected[question] / plan.family[question]), 2)
    noise, between = counting_noise(question, 0.0, plan), plan.patient_sd[question] ** 2
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


def _hazards(layout: Layout, question: str, plan: Assumptions, cohorts: int, rng: np.random.Generator) -> np.ndarray:
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
