"""All arms of a design tell about the variance: limma's numbers where they vary equally, the error rate where not."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scresist.contrasts as sc
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.other_arms import other_arms
from scresist.contrasts.units import contrast_units
from scresist.kernels.shared_variance import SharedVariance, pooled, share_variance
from scresist.study.design import Contrast, Design

GOLDEN = Path(__file__).parents[1] / "golden" / "limma"


def design_of(*sizes, patients=None):
    arm = np.repeat(list("abc"), sizes)
    who = [f"P{i:02d}" for i in range(arm.size)] if patients is None else patients
    samples = pd.DataFrame({"patient": who, "arm": arm}, index=[f"s{i:02d}" for i in range(arm.size)])
    return Design(tuple("abc"), (Contrast("c", "b", "a"),), samples)


def draws(rng, design, features, spread):
    """Normal values whose features differ in variance; `spread` is the SD of each arm."""
    values = rng.normal(size=(len(design.samples), features)) * np.sqrt(5 / rng.chisquare(5, features))
    values *= design.samples["arm"].map(dict(zip("abc", spread, strict=True))).to_numpy()[:, None]
    return pd.DataFrame(values, index=design.samples.index)


def test_three_arms_that_vary_equally_are_limmas_one_model():
    values = pd.read_csv(GOLDEN / "three_arms.csv", index_col="sample")
    expected = pd.read_csv(GOLDEN / "three_arms_limma.csv", skipinitialspace=True)
    samples = pd.DataFrame({"patient": values.index, "arm": values.index.str[0]}, index=values.index)
    contrast = Contrast("c", "b", "a")
    design = Design(tuple("abc"), (contrast,), samples)
    found = evaluate_contrast(
        contrast_units(values, design, contrast), others=other_arms(values, design, contrast),
        independent_features=True, equal_variances=True,
    )  # fmt: skip
    for name in ("effect", "se", "df", "p_value"):
        np.testing.assert_allclose(getattr(found, name), expected[name], rtol=1e-6)


def test_three_arms_of_four_have_nine_degrees_of_freedom():
    rng = np.random.default_rng(0)
    design = design_of(4, 4, 4)
    few = sc.contrast_arms(draws(rng, design, 12, (1, 1, 1)), design, equal_variances=True, influence=False).table
    np.testing.assert_allclose(few["df"], 9)
    two = Design(("a", "b"), design.contrasts, design.samples.iloc[:8])
    alone = sc.contrast_arms(draws(rng, two, 12, (1, 1, 1)), two, equal_variances=True, influence=False).table
    np.testing.assert_allclose(alone["df"], 6)


def test_the_variance_is_that_of_all_residuals_by_least_squares():
    rng = np.random.default_rng(1)
    design = design_of(4, 5, 6)
    values = draws(rng, design, 5, (1, 1, 1))
    table = sc.contrast_arms(values, design, equal_variances=True, influence=False).table
    model = np.eye(3)[np.repeat([0, 1, 2], [4, 5, 6])]
    squares = np.linalg.lstsq(model, values.to_numpy(), rcond=None)[1]
    half = np.sqrt(squares / 12 * (1 / 4 + 1 / 5))

    np.testing.assert_allclose((table["ci_high"] - table["ci_low"]) / 2, stats.t.ppf(0.975, 12) * half)


def test_one_feature_learns_nothing_from_an_arm_whose_ratio_is_not_known():
    rng = np.random.default_rng(2)
    design = design_of(4, 5, 6)
    values = draws(rng, design, 1, (1, 1, 1))
    two = Design(("a", "b"), design.contrasts, design.samples.iloc[:9])
    row, alone = (sc.contrast_arms(values.loc[d.samples.index], d).table.iloc[0] for d in (design, two))
    np.testing.assert_allclose([row["p_value"], row["df"]], [alone["p_value"], alone["df"]])


def test_an_arm_adds_less_the_more_features_differ_in_its_ratio():
    rng = np.random.default_rng(3)
    own = rng.chisquare(6, 400) / 6
    same, differ = 9 * rng.chisquare(3, 400) / 3, np.exp(2 * rng.normal(size=400)) * rng.chisquare(3, 400) / 3
    each = [
        share_variance(own, np.full(400, 6.0), other[None], np.full((1, 400), 3.0), np.ones(400, bool))
        for other in (same, differ)
    ]
    assert each[0].df.mean() > 2.5 > 1.0 > each[1].df.mean()
    np.testing.assert_allclose(np.median(each[0].mean_square), np.median(rng.chisquare(3, 100_000) / 3), rtol=0.2)


def test_the_degrees_of_freedom_are_the_spread_of_the_pooled_variance():
    """2 / variance of the log of the pooled mean square, over many draws of five features that share a ratio."""
    rng = np.random.default_rng(4)
    a, b, m, n = 20.0, 12.0, 5, 4000
    own, other = rng.chisquare(a, (n, m)) / a, rng.chisquare(b, (n, m)) / b
    logs = []
    for x, y in zip(own, other, strict=True):
        found = share_variance(x, np.full(m, a), y[None], np.full((1, m), b), np.ones(m, bool))
        exact = SharedVariance(found.mean_square, np.full((1, m), b), found.independent)  # no spread, as drawn
        mean_square, df = pooled(x, np.full(m, a), exact)
        logs.append(np.log(mean_square[0]))
    np.testing.assert_allclose(2 / np.var(logs), df[0], rtol=0.08)


@pytest.mark.parametrize("spread", [(1, 1, 1), (1, 1, 3), (1, 3, 1), (1, 1, 1 / 3)])
@pytest.mark.parametrize("sizes", [(4, 4, 4), (8, 4, 6)])
def test_the_error_rate_holds_whatever_the_other_arm_varies(sizes, spread):
    rng = np.random.default_rng(5)
    design = design_of(*sizes)
    p = [
        sc.contrast_arms(draws(rng, design, 60, spread), design, influence=False, n_permutations=1).table["p_value"]
        for _ in range(40)
    ]
    assert (np.concatenate(p) < 0.05).mean() < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 2400)


def test_patients_of_the_contrast_are_no_other_arm_and_each_patient_counts_once():
    patients = ["A", "B", "C", "D", "E", "F", "A", "G", "H", "G"]
    arm = list("aaabbbcccd")
    samples = pd.DataFrame({"patient": patients, "arm": arm}, index=[f"s{i}" for i in range(10)])
    contrast = Contrast("c", "b", "a")
    design = Design(tuple("abcd"), (contrast,), samples)
    values = pd.DataFrame(np.arange(10.0)[:, None], index=samples.index, columns=["x"])
    found = other_arms(values, design, contrast)
    assert [list(o.units.patient) for o in found] == [["G", "H"]]


def test_genes_learn_from_other_arms_and_keep_their_effects():
    rng = np.random.default_rng(6)
    design = design_of(4, 4, 4)
    counts = pd.DataFrame(rng.poisson(200 * rng.gamma(8, 1 / 8, (12, 120))), index=design.samples.index)
    counts.columns = [f"g{i}" for i in range(120)]
    two = Design(("a", "b"), design.contrasts, design.samples.iloc[:8])
    joint = sc.expression(counts, design, influence=False, equal_variances=True).table
    alone = sc.expression(counts.iloc[:8], two, influence=False, equal_variances=True).table
    np.testing.assert_allclose(joint["log2fc"], alone["log2fc"])
    assert joint["df"].mean() > alone["df"].mean()
