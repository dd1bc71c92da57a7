"""Kinetic models against R's nls, plain formulas and scipy."""

import numpy as np
import pandas as pd
import pytest
from scipy.optimize import least_squares

from oracle import SHARED, needs_shared
from scresist.kernels.kinetics import MODELS, aicc, fit_model, model_value, profile_interval

ORACLE = SHARED / "oracle" / "inference" / "agreement_dose_kinetics"
S = np.tile([0.5, 1, 2, 5, 10, 20.0], 4)
I = np.repeat([0, 0.5, 2, 8.0], 6)  # noqa: E741
T = np.array([0, 0.5, 1, 2, 4, 8, 16, 24.0])
COLUMNS = {
    "michaelis-menten": (S,), "competitive": (S, I), "uncompetitive": (S, I), "noncompetitive": (S, I), "mixed": (S, I),
    "morrison": (I, np.full(24, 1.0)), "morrison, enzyme estimated": (I,), "hyperbolic": (I,), "sigmoid": (I,),
    "first order": (T,), "first order to 100 %": (T,), "constant rate": (T,),
}  # fmt: skip
TRUE = {"vmax": 90.0, "km": 4.0, "ki": 1.5, "alpha": 3.0, "v0": 70.0, "ki_app": 0.4, "enzyme": 1.0, "ic50": 1.3,
        "hill": 1.6, "plateau": 80.0, "k": 0.2, "rate": 3.0}  # fmt: skip


@pytest.mark.parametrize("model", list(MODELS))
def test_every_model_is_recovered_without_noise(model):
    truth = np.array([TRUE[p] for p in MODELS[model].parameters])
    y = model_value(model, truth, *COLUMNS[model])
    np.testing.assert_allclose(fit_model(model, y, *COLUMNS[model]).parameters, truth, rtol=1e-5)


def test_inhibition_is_its_formula():
    v, km, ki, a = 90, 4, 1.5, 3
    np.testing.assert_allclose(
        model_value("mixed", [v, km, ki, a], S, I), v * S / (km * (1 + I / ki) + S * (1 + I / a / ki))
    )
    np.testing.assert_allclose(
        model_value("mixed", [v, km, ki, 1.0], S, I), model_value("noncompetitive", [v, km, ki], S, I)
    )
    np.testing.assert_allclose(
        model_value("mixed", [v, km, ki, 1e12], S, I), model_value("competitive", [v, km, ki], S, I)
    )
    e, k = 1.0, 0.4
    quadratic = 1 - ((e + I + k) - np.sqrt((e + I + k) ** 2 - 4 * e * I)) / (2 * e)
    np.testing.assert_allclose(model_value("morrison", [70, k], I, np.full(24, e)), 70 * quadratic, rtol=1e-12)


def test_tight_binding_stays_exact_where_the_quadratic_cancels():
    """Free enzyme v obeys v (K + i v_free ...): mass balance, checked by insertion."""
    e, k, i = 1.0, 1e-9, np.array([10.0, 1e4])
    share = model_value("morrison", [1.0, k], i, np.full(2, e))
    free_inhibitor = i - e * (1 - share)
    np.testing.assert_allclose(share * e * free_inhibitor / (e * (1 - share)), k, rtol=1e-9)


@pytest.mark.parametrize("model", ["competitive", "first order", "morrison"])
def test_fit_and_profile_against_scipy(model):
    rng = np.random.default_rng(1)
    names = MODELS[model].parameters
    truth, columns = np.array([TRUE[p] for p in names]), COLUMNS[model]
    y = model_value(model, truth, *columns) + rng.normal(size=columns[0].size)
    fit = fit_model(model, y, *columns)

    def rss(fixed, value):
        free = [j for j in range(truth.size) if j != fixed]

        def residual(q):
            p = np.empty(truth.size)
            p[free] = np.exp(q)
            if fixed is not None:
                p[fixed] = value
            return model_value(model, p, *columns) - y

        return 2 * least_squares(residual, np.log(truth[free]), xtol=1e-14, ftol=1e-14).cost

    np.testing.assert_allclose(fit.rss, rss(None, 0), rtol=1e-9)
    from scipy import stats

    df = y.size - truth.size
    target = fit.rss * (1 + stats.t.ppf(0.975, df) ** 2 / df)
    low, high = profile_interval(model, fit, 1, y, *columns)
    assert low < fit.parameters[1] < high
    np.testing.assert_allclose([rss(1, low), rss(1, high)], target, rtol=1e-7)


def test_an_open_interval_is_open():
    """A release that is still a straight line bounds k from above only, and the plateau from below only."""
    time = np.array([0, 1, 2, 3, 4.0])
    y = 2.0 * time + np.array([0.1, -0.2, 0.1, 0.1, -0.1])
    fit = fit_model("first order", y, time)
    assert profile_interval("first order", fit, 0, y, time)[1] == np.inf


def test_aicc_is_its_formula():
    assert aicc(8.0, 12, 2) == pytest.approx(12 * np.log(8 / 12) + 6 + 2 * 3 * 4 / 8)
    assert aicc(8.0, 4, 2) == np.inf


@needs_shared
def test_estimates_errors_and_limits_are_those_of_r():
    """nls of R 4.2.2; its profile limits are interpolated by a spline, ours are roots."""
    theirs = pd.read_csv(ORACLE / "kinetics.csv.gz")
    rates = pd.read_csv(ORACLE / "in_competitive.csv.gz")
    for number, block in rates.groupby("set"):
        y, columns = block["v"].to_numpy(float), (block["S"].to_numpy(float), block["I"].to_numpy(float))
        for model in ("competitive", "uncompetitive", "noncompetitive"):
            of = theirs[(theirs["set"] == number) & (theirs["model"] == f"nls_{model}")]
            fit = fit_model(model, y, *columns)
            np.testing.assert_allclose(fit.parameters, of["estimate"], rtol=1e-6)
            np.testing.assert_allclose(fit.errors, of["se"], rtol=1e-6)
            if model == "competitive":
                limits = [profile_interval(model, fit, j, y, *columns) for j in range(3)]
                np.testing.assert_allclose(limits, of[["lower", "upper"]], rtol=5e-5)


@needs_shared
def test_tight_binding_is_that_of_r():
    theirs = pd.read_csv(ORACLE / "kinetics.csv.gz").query("model == 'nls_morrison_logK'")
    tight = pd.read_csv(ORACLE / "in_tight_binding.csv.gz")
    for number, block in tight.groupby("set"):
        of = theirs[theirs["set"] == number].set_index("term")
        y, columns = block["v"].to_numpy(float), (block["I"].to_numpy(float), block["E"].to_numpy(float))
        fit = fit_model("morrison", y, *columns)
        np.testing.assert_allclose(fit.parameters[0], of.loc["v0", "estimate"], rtol=1e-6)
        np.testing.assert_allclose(np.log(fit.parameters[1]), of.loc["lK", "estimate"], atol=1e-6)
        limits = of.loc["lK", ["lower", "upper"]].to_numpy(float)
        if np.isfinite(limits).all():
            np.testing.assert_allclose(np.log(profile_interval("morrison", fit, 1, y, *columns)), limits, atol=5e-4)
