"""Agreement between readers: R's irr, psych and vcd where they are right, plain definitions, coverage of intervals."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist.kernels.reader_agreement import intraclass, krippendorff, limits_of_agreement, weighted_kappa

R = SHARED / "oracle" / "inference" / "agreement_dose_kinetics"


def wide(table):
    return table.pivot_table(index="subject", columns="reader", values="score")


@needs_shared
def test_intraclass_correlations_are_those_of_irr():
    given, golden = pd.read_csv(R / "in_icc.csv.gz"), pd.read_csv(R / "icc.csv.gz")
    names = {"oneway": "oneway consistency single", "oneway_average": "oneway consistency average",
             "consistency": "twoway consistency single", "consistency_average": "twoway consistency average",
             "agreement": "twoway agreement single", "agreement_average": "twoway agreement average"}  # fmt: skip
    checked = 0
    for number, scores in given.groupby("set"):
        found = intraclass(wide(scores).dropna().to_numpy(), 0.05)
        own = golden[(golden["set"] == number) & (golden["source"] == "irr")].set_index("name")
        psych = golden[(golden["set"] == number) & (golden["source"] == "psych_aov")].set_index("name")
        for field, name in names.items():
            r = own.loc[name]
            if field == "agreement_average":  # irr has other degrees of freedom than McGraw & Wong there
                if "Average_random_raters" not in psych.index:
                    continue
                r = psych.loc["Average_random_raters"]
            np.testing.assert_allclose(getattr(found, field), r[["value", "lower", "upper"]].astype(float),
                                       rtol=1e-6, atol=1e-9, err_msg=f"set {number} {name}")  # fmt: skip
            checked += 1
    assert checked >= 47


@needs_shared
def test_weighted_kappa_is_that_of_irr_and_its_error_that_of_vcd():
    given, golden = pd.read_csv(R / "in_ordinal.csv.gz"), pd.read_csv(R / "kappa.csv.gz")
    checked = 0
    for number, scores in given.groupby("set"):
        table = wide(scores).dropna()
        own = golden[golden["set"] == number]
        if table.shape[1] != 2:
            continue
        levels = np.unique(table.to_numpy())
        a, b = (np.searchsorted(levels, table.iloc[:, k]) for k in (0, 1))
        for power, irr, vcd in ((0, "unweighted", "unweighted"), (1, "equal", "Equal-Spacing"),
                                (2, "squared", "Fleiss-Cohen")):  # fmt: skip
            found = weighted_kappa(a, b, len(levels), power, 0.05)
            value = own.loc[(own["source"] == "irr_kappa2") & (own["weight"] == irr), "value"]
            np.testing.assert_allclose(found.value, value, rtol=1e-6, atol=1e-12)
            r = own[(own["source"] == "vcd_Kappa") & (own["weight"] == vcd)]
            if len(r):
                np.testing.assert_allclose([found.low, found.high], r[["lower", "upper"]].iloc[0], rtol=1e-5, atol=1e-9)
                checked += 1
    assert checked > 10


def test_krippendorffs_alpha_is_that_of_his_own_example():
    """Krippendorff K 2011, Computing Krippendorff's alpha-reliability, example C: four observers, values missing."""
    none = np.nan
    data = np.array([
        [1, 2, 3, 3, 2, 1, 4, 1, 2, none, none, none], [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, none, 3],
        [none, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, none], [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, none],
    ]).T  # fmt: skip
    for level, value in (("nominal", 0.743), ("ordinal", 0.815), ("interval", 0.849)):
        assert krippendorff(data, level) == pytest.approx(value, abs=5e-4)


@needs_shared
def test_krippendorffs_alpha_of_two_readers_is_that_of_irr():
    """Of three readers irr divides by another number of values than Krippendorff (119/120 for 59/60)."""
    given, golden = pd.read_csv(R / "in_ordinal.csv.gz"), pd.read_csv(R / "kappa.csv.gz")
    for number, scores in given.groupby("set"):
        table = scores.pivot_table(index="subject", columns="reader", values="score").to_numpy()
        own = golden[(golden["set"] == number) & (golden["source"] == "irr_kripp.alpha")]
        if table.shape[1] > 2:
            continue
        for level, value in zip(own["weight"], own["value"], strict=True):
            assert krippendorff(table, level) == pytest.approx(value, rel=1e-6), (number, level)


def test_readers_that_agree_have_one_and_constant_scores_none():
    same = np.tile(np.array([10.0, 60.0, 200.0, 290.0])[:, None], (1, 3))
    found = intraclass(same, 0.05)
    assert found.agreement.value == pytest.approx(1.0)
    assert np.isnan(intraclass(np.full((5, 2), 3.0), 0.05).agreement.value)
    assert np.isnan(weighted_kappa(np.zeros(5, int), np.zeros(5, int), 4, 1, 0.05).value)
    assert np.isnan(krippendorff(np.full((5, 2), 3.0), "ordinal"))


def test_kappa_of_independent_readers_is_about_0_and_its_interval_covers_it():
    rng = np.random.default_rng(1)
    found = [weighted_kappa(rng.integers(0, 4, 80), rng.integers(0, 4, 80), 4, 1, 0.05) for _ in range(800)]
    inside = np.mean([f.low <= 0 <= f.high for f in found])
    assert 0.93 < inside < 0.97
    assert abs(np.mean([f.value for f in found])) < 0.01


def test_the_interval_of_agreement_covers_the_true_correlation():
    rng = np.random.default_rng(2)
    truth, inside = 100 / (100 + 9 + 16), []
    for _ in range(800):
        scores = rng.normal(0, 10, (15, 1)) + rng.normal(0, 3, (1, 5)) + rng.normal(0, 4, (15, 5))
        found = intraclass(scores, 0.05).agreement
        inside.append(found.low <= truth <= found.high)
    assert 0.93 < np.mean(inside) < 0.98


def test_intervals_of_the_limits_of_agreement_cover_the_limits():
    rng = np.random.default_rng(3)
    found = [limits_of_agreement(rng.normal(2.0, 5.0, 12), 0.05) for _ in range(1500)]
    for part, truth in (("bias", 2.0), ("lower", 2 - 1.959964 * 5), ("upper", 2 + 1.959964 * 5)):
        inside = np.mean([getattr(f, part).low <= truth <= getattr(f, part).high for f in found])
        assert 0.935 < inside < 0.965, part
