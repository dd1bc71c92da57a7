"""Log numbers of cells: the same expectation at any depth, reliabilities that are those of draws, R's models."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats
from scipy.special import digamma, polygamma

from oracle import SHARED, needs_shared
from scresist.contrasts import composition
from scresist.kernels.cell_numbers import log_odds, log_rates, log_ratios, mean_shares
from scresist.study.design import Contrast, Design


@pytest.mark.parametrize("shape", [0.5, 3.0, 30.0])
def test_a_log_rate_has_the_same_expectation_at_any_depth(shape):
    rng = np.random.default_rng(1)
    depth = np.repeat([100.0, 1000.0, 10_000.0], 4000)
    rate = rng.gamma(shape, 0.02 / shape, depth.size)
    counts = rng.poisson(rate * depth)[:, None].astype(float)
    found = log_rates(counts, depth[:, None])
    assert found.mean[0] == pytest.approx(0.02, rel=0.05)
    assert found.variance[0] == pytest.approx(polygamma(1, shape), rel=0.1)
    expected = digamma(shape) + np.log(0.02 / shape)
    for d in np.unique(depth):
        own = found.values[depth == d, 0]
        assert own.mean() == pytest.approx(expected, abs=5 * own.std() / np.sqrt(own.size) + 0.02)
        # What the noise of counting adds to the variance between patients.
        assert own.var() == pytest.approx(polygamma(1, shape) / found.reliability[depth == d, 0].mean(), rel=0.15)


def test_log_odds_have_the_same_expectation_at_any_depth():
    rng = np.random.default_rng(2)
    depth = np.repeat([100.0, 1000.0, 10_000.0], 4000)
    share = rng.beta(2, 18, depth.size)
    counts = rng.binomial(depth.astype(int), share)[:, None].astype(float)
    found = log_odds(counts, depth)
    for d in np.unique(depth):
        own = found.values[depth == d, 0]
        assert own.mean() == pytest.approx(digamma(2) - digamma(18), abs=5 * own.std() / np.sqrt(own.size) + 0.02)


def test_many_cells_give_the_plain_log():
    rng = np.random.default_rng(3)
    counts = rng.integers(50_000, 200_000, (10, 3)).astype(float)
    exposure = np.full(counts.shape, 1e6)
    found = log_rates(counts, exposure)
    np.testing.assert_allclose(found.values, np.log(counts / exposure), atol=1e-3)
    np.testing.assert_allclose(found.reliability, 1, atol=1e-3)


def test_a_type_that_grows_is_no_part_of_the_reference():
    rng = np.random.default_rng(4)
    test = np.repeat([True, False], [6, 6])
    number = rng.gamma(20, 1, (12, 8)) * [30, 20, 10, 5, 5, 3, 2, 1]
    number[test, 0] *= 8
    total = rng.integers(1000, 4000, 12).astype(float)
    counts = rng.poisson(total[:, None] * number / number.sum(axis=1, keepdims=True)).astype(float)
    found = log_ratios(counts, counts.sum(axis=1), test)
    assert not found.in_reference[0]
    assert found.in_reference.sum() >= 4
    values = found.numbers.values
    difference = values[test].mean(axis=0) - values[~test].mean(axis=0)
    assert difference[0] == pytest.approx(np.log(8), abs=0.4)
    assert np.median(np.abs(difference[1:])) < 0.25


@needs_shared
def test_log_odds_against_the_beta_binomial_models_of_r():
    """aod 1.3.3's model (best likelihood) on the tables without a batch: other estimates of the same odds ratio."""
    folder = SHARED / "oracle" / "inference" / "composition"
    given = pd.read_csv(folder / "in_composition.csv.gz")
    models = pd.read_csv(folder / "per_type_models.csv.gz")
    models = models[(models["method"] == "aod_betabin") & (models["term"] == "armB")].set_index(["table", "type"])
    rows = []
    for name, own in given[given["table"] % 3 != 0].groupby("table"):
        counts = own.pivot_table(index="sample", columns="type", values="count")
        samples = own.drop_duplicates("sample").set_index("sample")[["arm"]].loc[counts.index]
        samples["patient"] = samples.index
        design = Design(("A", "B"), (Contrast("c", "B", "A"),), samples)
        table = composition(counts, design, transform="logit", min_cells=0).table.set_index("cell_type")
        rows += [(table["effect"][t], table["p_value"][t], *models.loc[(name, t)][
            ["armB_best_own", "se", "lr_p", "rho_best_own"]]) for t in counts.columns]  # fmt: skip
    found = pd.DataFrame(rows, columns=["effect", "p", "theirs", "se", "lr_p", "rho"])
    found = found[(found["rho"] > 1e-4) & found["p"].notna()]  # elsewhere R's optimiser stops at a boundary
    assert len(found) > 50
    distance = ((found["effect"] - found["theirs"]) / found["se"]).abs()
    assert distance.median() < 0.15
    assert distance.max() < 2
    assert stats.spearmanr(found["p"], found["lr_p"]).statistic > 0.95


def test_a_mean_by_precision_says_nothing_of_the_difference_between_deep_and_shallow_biopsies():
    rng, total = np.random.default_rng(5), np.array([5000] * 8 + [100] * 4)
    share = 0.012 * np.exp(0.5 * rng.normal(size=(12, 4000)))
    counts = rng.binomial(total[:, None], share)
    counts = counts[:, counts.sum(axis=0) > 0]
    shares = counts / total[:, None]
    difference = shares[8:].mean(axis=0) - shares[:8].mean(axis=0)
    related = [np.corrcoef(mean, difference)[0, 1] for mean in (mean_shares(counts, total), shares.mean(axis=0))]
    assert abs(related[0]) < 0.1
    assert related[1] > 0.25
