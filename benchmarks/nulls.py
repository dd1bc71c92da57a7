"""Nulls that find ways to a false claim: arms that vary unequally, findings taken away after the correction.

Called by `benchmarks/calibration.py`; each table has the rates at three levels, what any family calls, the coverage of
the intervals, and the Monte-Carlo error of the first rate.
"""

import numpy as np
import pandas as pd
from scipy import stats

from scresist import contrasts
from scresist.kernels import exact_permutation_test
from scresist.kernels.multiple_testing import benjamini_hochberg, focused_q_values
from scresist.study.design import Contrast, Design

LAYOUTS = ((8, 4), (4, 8), (4, 4), (3, 3), (6, 6))  # patients in the test arm, in the reference


def two_arms(n_test: int, n_reference: int) -> Design:
    arm = ["test"] * n_test + ["reference"] * n_reference
    samples = pd.DataFrame({"patient": [f"P{i:02d}" for i in range(len(arm))], "arm": arm})
    samples.index = [f"S{i:02d}" for i in range(len(arm))]
    return Design(("reference", "test"), (Contrast("c", "test", "reference"),), samples)


def rates(p: np.ndarray, covered: np.ndarray, called: list[bool]) -> dict[str, float]:
    p = p[np.isfinite(p)]
    error = float(np.sqrt(0.05 * 0.95 / p.size))
    levels = {f"p < {a:g}": float((p < a).mean()) for a in (0.05, 0.01, 0.001)}
    return {**levels, "some q < .05": float(np.mean(called)),
            "coverage": float(np.nanmean(covered)), "error of the first": error}  # fmt: skip


def unequal_variance(rng: np.random.Generator, draws: int) -> pd.DataFrame:
    """Type I error where the same mean comes with a larger SD in the test arm; features differ in variance."""
    rows = []
    for n_test, n_reference in LAYOUTS:
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        for ratio in (1.0, 2.0, 3.0):
            for name, features, how in (
                ("ours, 400 features", 400, {}), ("ours, 8 features", 8, {}),
                ("equal variances, 400", 400, {"equal_variances": True}),
            ):  # fmt: skip
                p, covered, called = [], [], []
                for _ in range(max(draws // features, 4)):
                    scale = np.sqrt(5 / rng.chisquare(5, features))
                    values = rng.normal(size=(len(test), features)) * scale
                    values[test] *= ratio
                    frame = pd.DataFrame(values, index=design.samples.index)
                    table = contrasts.contrast_arms(frame, design, influence=False, n_permutations=1, **how).table
                    p.append(table["p_value"].to_numpy())
                    covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
                    called.append(bool((table["q_value"] < 0.05).any()))
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": ratio, "test": name,
                             **rates(np.concatenate(p), np.concatenate(covered), called)})  # fmt: skip
            values = rng.normal(size=(len(test), draws))
            values[test] *= ratio
            for name, studentised in (("permutation, studentised", True), ("permutation of the difference", False)):
                p = exact_permutation_test(values, test, studentised=studentised).p_value
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": ratio, "test": name,
                             **rates(p, np.array([np.nan]), [False])})  # fmt: skip
    return pd.DataFrame(rows)


def unequal_dispersion(rng: np.random.Generator, cohorts: int, genes: int) -> pd.DataFrame:
    """The same for counts: the log rate of a gene varies by an SD that is larger in the test arm."""
    rows = []
    for n_test, n_reference in ((8, 4), (4, 8)):
        design = two_arms(n_test, n_reference)
        test = (design.samples["arm"] == "test").to_numpy()
        for ratio in (1.0, 2.0, 3.0):
            for name, equal in (("ours", False), ("equal variances (limma-voom)", True)):
                p, covered, called = [], [], []
                for _ in range(cohorts):
                    spread = 0.3 * np.sqrt(10 / rng.chisquare(10, genes)) * np.where(test, ratio, 1.0)[:, None]
                    mean = rng.lognormal(4, 1.2, genes) * rng.uniform(0.5, 2, len(test))[:, None]
                    # The mean of the log rate is the same in both arms: what the test is about.
                    counts = rng.poisson(mean * np.exp(spread * rng.normal(size=spread.shape)))
                    frame = pd.DataFrame(counts, index=design.samples.index, columns=[f"g{i}" for i in range(genes)])
                    table = contrasts.expression(frame, design, influence=False, equal_variances=equal).table
                    p.append(table["p_value"].to_numpy())
                    covered.append(((table["ci_low"] <= 0) & (table["ci_high"] >= 0)).to_numpy(float))
                    called.append(bool((table["q_value"] < 0.05).any()))
                rows.append({"test v reference": f"{n_test} v {n_reference}", "SD ratio": ratio, "test": name,
                             **rates(np.concatenate(p), np.concatenate(covered), called)})  # fmt: skip
    return pd.DataFrame(rows)


def filtered(rng: np.random.Generator, cohorts: int) -> pd.DataFrame:
    """False share of what is left when most true changes have a doubt: 50 of 1,000 tests are true, shifted by 5 SD."""
    rows = []
    for doubted in (0.0, 0.5, 0.9, 1.0):
        shares: dict[str, list[float]] = {"focused (ours)": [], "taken away after the correction": []}
        for _ in range(cohorts):
            z = rng.normal(size=1000)
            z[:50] += 5
            p = 2 * stats.norm.sf(np.abs(z))
            kept = np.ones(1000, bool)
            kept[:50] = rng.uniform(size=50) >= doubted
            for name, q in zip(shares, (focused_q_values(p, kept), benjamini_hochberg(p)), strict=True):
                called = kept & (q < 0.05)
                shares[name].append(called[50:].sum() / max(called.sum(), 1))
        rows += [
            {"true changes doubted": doubted, "rule": name, "false share": float(np.mean(s)),
             "error": float(np.std(s) / np.sqrt(cohorts))}
            for name, s in shares.items()
        ]  # fmt: skip
    return pd.DataFrame(rows)
