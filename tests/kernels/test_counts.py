"""Counts: filter, factors, precision and trend against edgeR 3.40.2 and limma 3.54.1 (../shared/oracle/pseudobulk)."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from oracle import SHARED, needs_shared
from scresist.kernels.counts import comparable_depth, enough_counts, lowess, tmm_factors
from scresist.kernels.moderated import squeeze, variance_prior
from scresist.kernels.normalise import log2_counts_per_million
from scresist.kernels.patient_model import fit_patient_model
from scresist.kernels.shrinkage import shrink_effects

GOLDEN = SHARED / "oracle" / "pseudobulk"


def read(name):
    return pd.read_csv(GOLDEN / name, index_col=0)


@needs_shared
@pytest.mark.parametrize("name", ["br", "gbm"])
def test_library_factors_match_edger(name):
    factors = tmm_factors(read(f"{name}_counts.csv.gz").loc[read(f"{name}_edger_qlf.csv.gz").index].T.to_numpy())
    np.testing.assert_allclose(factors, read(f"{name}_tmm.csv")["norm.factors"], rtol=1e-12)


@needs_shared
def test_kept_genes_match_edger():
    counts = read("br_counts.csv.gz")
    kept = counts.index[enough_counts(counts.T.to_numpy(), 8)]
    assert set(kept) == set(read("br_edger_qlf.csv.gz").index)


@needs_shared
@pytest.mark.parametrize("name", ["br", "gbm"])
def test_trended_prior_matches_limma(name):
    golden, meta = read(f"{name}_limma_trend.csv.gz"), read(f"{name}_meta.csv")
    counts = read(f"{name}_counts.csv.gz").loc[golden.index].T.to_numpy(float)
    library = counts.sum(axis=1) * tmm_factors(counts)
    y = log2_counts_per_million(counts, library, prior=2 * library / library.mean())
    test = meta["condition"].isin(["afatinib_sensitive", "panobinostat"]).to_numpy(float)
    patient = pd.factorize(meta.get("patient", pd.Series(meta.index)))[0]
    x = np.column_stack([np.ones(len(test)), test])
    fit = fit_patient_model(y, x, np.array([[0.0, 1.0]]), patient, correlation=float(name == "gbm"))
    variance = fit.within_ss / fit.within_df
    prior = variance_prior(variance, fit.within_df, covariate=y.mean(axis=0))
    posterior, df = squeeze(variance, fit.within_df, prior, df_limit=fit.within_df.sum())
    t = fit.effect[0] / np.sqrt(posterior * fit.within_factor[0])
    np.testing.assert_allclose(fit.effect[0], golden["logFC"], rtol=1e-8)
    np.testing.assert_allclose(t, golden["t"], rtol=1e-8)
    np.testing.assert_allclose(2 * stats.t.sf(np.abs(t), df), golden["P.Value"], rtol=1e-8)


def test_lowess_matches_statsmodels():
    smoothers = pytest.importorskip("statsmodels.nonparametric.smoothers_lowess")
    rng = np.random.default_rng(0)
    x = np.sort(rng.normal(size=400)).round(2)
    y = np.sin(x) + rng.standard_t(3, size=400) * 0.2
    expected = smoothers.lowess(y, x, frac=0.5, it=3, delta=0.01 * (x[-1] - x[0]), return_sorted=False)
    np.testing.assert_allclose(lowess(x, y, 0.5), expected, rtol=1e-6, atol=1e-8)


def test_factors_of_equal_samples_are_one():
    counts = np.random.default_rng(1).poisson(20, size=(1, 200)).repeat(3, axis=0) * np.array([[1], [2], [5]])
    np.testing.assert_allclose(tmm_factors(counts), 1)
    assert np.isnan(tmm_factors(np.vstack([counts, np.zeros(200)]))[3])


def test_shrinkage_beats_the_raw_estimates_and_keeps_the_sure():
    rng = np.random.default_rng(2)
    true = np.where(rng.random(4000) < 0.1, rng.normal(0, 2, 4000), 0)
    se = rng.uniform(0.1, 1, 4000)
    raw = true + se * rng.normal(size=4000)
    shrunken = shrink_effects(raw, se)
    assert np.mean((shrunken - true) ** 2) < 0.4 * np.mean((raw - true) ** 2)
    assert (np.abs(shrunken) <= np.abs(raw)).all()
    sure = (np.abs(true) > 3) & (se < 0.2)
    np.testing.assert_allclose(shrunken[sure], raw[sure], rtol=0.05)
    assert np.isnan(shrink_effects(np.array([np.nan, 1.0]), np.ones(2))[0])


def test_a_group_is_deep_enough_by_what_all_samples_let_expect():
    rng = np.random.default_rng(3)
    depth, shallow = np.r_[np.full(8, 50.0), np.ones(4)], np.arange(12) >= 8
    rate = rng.lognormal(0.5, 1.0, 4000) * np.exp(0.3 * rng.normal(size=(12, 4000)))
    counts = rng.poisson(rate * depth[:, None])
    deep = comparable_depth(counts, [~shallow, shallow])
    share = counts / counts.sum(axis=1, keepdims=True)
    difference = share[shallow].mean(axis=0) - share[~shallow].mean(axis=0)
    near = np.flatnonzero((rate.mean(axis=0) > 1.5) & (rate.mean(axis=0) < 3))
    chosen, plain = deep[1][near], counts[shallow].mean(axis=0)[near] >= 2
    apart = [difference[near][m].mean() - difference[near][~m].mean() for m in (chosen, plain)]
    assert abs(apart[0]) < 0.15 * apart[1]  # chosen blind to the difference
    assert deep[0].mean() > 0.99
    assert 0.1 < deep[1].mean() < 0.9


def test_a_gene_that_only_a_shallow_group_has_is_kept():
    counts = np.vstack([np.tile([1000, 0], (8, 1)), np.tile([20, 12], (4, 1))])
    groups = [np.arange(12) < 8, np.arange(12) >= 8, np.zeros(12, bool)]
    assert comparable_depth(counts, groups).all()
    assert not comparable_depth(np.vstack([counts[:8], np.tile([20, 1], (4, 1))]), groups)[1, 1]
