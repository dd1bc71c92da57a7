"""Replicates and plates as levels: weights by errors, components, plate effects on controls; GR bounds."""

import numpy as np
import pandas as pd
import pytest
from scipy import optimize, stats

from scresist import validation
from scresist.checks import InputError
from scresist.kernels.hill_curve import LN10
from scresist.tables import check
from scresist.validation.curves import Shape
from scresist.validation.dose_components import CONTROL, estimates, fit_units
from scresist.validation.dose_input import read_doses

DOSES = 10.0 ** np.linspace(-3, 1, 9)


def plated(midpoints, *, condition="control", sd=2.0, seed=0, wells=2, plate_sd=0.0, control=None):
    """One row per well; `midpoints` is replicates x plates of log10 midpoints."""
    rng = np.random.default_rng(seed)
    rows = []
    for r, plates in enumerate(midpoints):
        for p, midpoint in enumerate(plates):
            factor = 1 + plate_sd * rng.normal()
            for dose in np.r_[[0.0] * (control is not None), DOSES]:
                share = 1 / (1 + (dose / 10**midpoint) ** 1.2)
                for _ in range(wells):
                    y = (10 + 90 * share) * (control or 1.0) * factor + sd * (control or 1.0) * rng.normal()
                    rows.append(("e", "N87", condition, "drug", dose, r, f"r{r}p{p}", y))
    names = ["experiment", "line", "condition", "compound", "dose_um", "replicate", "plate", "response"]
    return pd.DataFrame(rows, columns=names)


def test_the_error_of_a_curve_is_that_of_scipys_least_squares():
    table = plated([[-1.0]], sd=3.0, wells=1)
    units = fit_units(read_doses(table), Shape(cap=False))
    value, variance = estimates(units, "log10 IC50", 50.0)

    def curve(x, lower, hill, midpoint):
        return lower + (100 - lower) / (1 + np.exp(LN10 * hill * (x - midpoint)))

    x, y = np.log10(table["dose_um"].to_numpy()), table["response"].to_numpy()
    p, covariance = optimize.curve_fit(curve, x, y, p0=[10, 1, -1])
    share = (50 - p[0]) / (100 - p[0])
    ic50 = p[2] + np.log(1 / share - 1) / (LN10 * p[1])

    def crossing(q):
        s = (50 - q[0]) / (100 - q[0])
        return q[2] + np.log(1 / s - 1) / (LN10 * q[1])

    gradient = optimize.approx_fprime(p, crossing, 1e-7)
    assert value[0] == pytest.approx(ic50, abs=1e-5)
    assert variance[0] == pytest.approx(gradient @ covariance @ gradient, rel=1e-3)


def test_components_are_found_on_their_level_and_are_registered():
    rng = np.random.default_rng(4)
    between, plates = [], []
    for seed in range(12):
        midpoints = -1 + 0.3 * rng.normal(size=(5, 1)) + 0.1 * rng.normal(size=(5, 3))
        out = validation.dose_components(plated(midpoints, seed=seed, sd=1.0)).table
        check("validation_dose_components", out)
        row = out.set_index("quantity").loc["log10 IC50"]
        assert row["ci_low"] < row["value"] < row["ci_high"]
        assert (row["n_replicates"], row["n_plates"]) == (5, 15)
        between.append(row["sd_replicates"])
        plates.append(row["sd_plates"])
    assert np.mean(between) == pytest.approx(0.3, abs=0.08)
    assert np.mean(plates) == pytest.approx(0.1, abs=0.03)


def test_plate_effects_on_the_controls_are_told_before_they_are_divided_out():
    table = plated(np.full((4, 3), -1.0), sd=1.0, plate_sd=0.15, control=50.0, wells=3).assign(response_unit="raw")
    row = validation.dose_components(table).table.set_index("quantity").loc[CONTROL]
    zero = table[table["dose_um"] == 0]
    assert row["value"] == pytest.approx(zero["response"].mean())
    assert row["sd_plates"] > 5 * row["sd_wells"]
    within = 100 * np.sqrt(zero.groupby("plate")["response"].var(ddof=1).mean()) / zero["response"].mean()
    assert row["sd_wells"] == pytest.approx(within)


def test_equal_errors_are_welchs_t_and_an_uncertain_replicate_counts_less():
    a = plated([[-1.0], [-1.1], [-0.9]], sd=0.0, wells=1)
    b = plated([[-0.5], [-0.4], [-0.7]], condition="test", sd=0.0, wells=1)
    equal, errors = (validation.dose_ratios(pd.concat([a, b]), weights=w).table.iloc[0] for w in ("equal", "errors"))
    expected = stats.ttest_ind([-0.5, -0.4, -0.7], [-1.0, -1.1, -0.9], equal_var=False).pvalue
    assert equal["p_value"] == pytest.approx(expected, rel=1e-3)
    assert errors["p_value"] == pytest.approx(expected, rel=1e-3)
    rng = np.random.default_rng(2)
    noisy = plated([[-0.5], [-0.4], [0.3]], condition="test", sd=1.0)
    at = noisy["replicate"] == 2
    noisy.loc[at, "response"] += 25 * rng.normal(size=at.sum())
    table = pd.concat([plated([[-1.0], [-1.1], [-0.9]], sd=1.0), noisy])
    found = {w: validation.dose_ratios(table, weights=w).table.iloc[0] for w in ("equal", "errors")}
    assert abs(np.log10(found["errors"]["ratio"]) - 0.55) < abs(np.log10(found["equal"]["ratio"]) - 0.55)
    assert validation.dose_ratios(table).table["weights"].iloc[0] == "errors"
    assert validation.dose_ratios(table, pairing="paired").table["weights"].iloc[0] == "equal"


def test_weights_of_pairs_and_what_is_refused():
    table = pd.concat([plated([[-1.0], [-1.1], [-0.8]], sd=1.0), plated([[-0.5], [-0.6], [-0.35]], condition="test")])
    of = {w: validation.dose_ratios(table, weights=w, pairing="paired").table.iloc[0] for w in ("equal", "errors")}
    assert of["errors"]["ratio"] == pytest.approx(of["equal"]["ratio"], rel=0.1)
    assert of["errors"]["n_test"] == 3
    with pytest.raises(InputError, match="needs a curve of each replicate"):
        validation.dose_ratios(table, weights="errors", replicates="shared")
    with pytest.raises(InputError, match="weights"):
        validation.dose_ratios(table, weights="own")


def test_a_gr50_has_an_interval_or_a_bound():
    def of(floor, scale):
        rows = []
        for r in range(3):
            gr = floor + (1 - floor) / (1 + (DOSES / (0.1 * scale**r)) ** 1.5)
            rows += [("N87", "c", f"drug {floor}", d, r, 100 * (g + 1) / 2) for d, g in zip(DOSES, gr, strict=True)]
        return pd.DataFrame(rows, columns=["line", "condition", "compound", "dose_um", "replicate", "response"])

    table = pd.concat([of(0.2, 1.3), of(0.8, 1.0)]).assign(divisions=1.0)
    out = validation.dose_response(table).table.set_index("compound")
    reached, not_reached = out.loc["drug 0.2"], out.loc["drug 0.8"]
    expected = np.log10(0.1 * (0.5 / 0.3) ** (1 / 1.5) * 1.3 ** np.arange(3))
    low, high = stats.t.interval(0.95, 2, expected.mean(), stats.sem(expected))
    assert [reached["gr50_um"], reached["gr50_low"], reached["gr50_high"]] == pytest.approx(
        [10 ** expected.mean(), 10**low, 10**high], rel=1e-3
    )
    assert reached["gr_max_low"] <= reached["gr_max"] <= reached["gr_max_high"]
    assert reached["emax_low"] < reached["emax"] < reached["emax_high"]
    assert np.isnan(not_reached["gr50_um"])
    assert not_reached["gr50_low"] == pytest.approx(10.0)
    assert "GR50 not reached: it is above the highest dose" in not_reached["reason"]


def test_flat_and_rising_curves_have_components_and_equal_values_no_interval():
    from scresist.kernels.random_effects import combine

    found = combine(np.full(4, 2.5), np.zeros(4), np.array([0, 0, 1, 1]))
    assert (found.mean, found.error, found.between, found.plates) == (2.5, 0.0, 0.0, 0.0)
    assert found.estimate.tolist() == [2.5, 2.5]
    rng = np.random.default_rng(0)
    dose = np.r_[0, 10.0 ** np.linspace(-3, 1, 6)]
    for rise in (0.0, 10.0):
        table = pd.DataFrame(
            [("A", c, "x", d, r, 100 + rise * np.log10(max(d, 1e-4)) + rng.normal())
             for c in ("control", "KD") for r in (1, 2, 3) for d in dose],
            columns=["line", "condition", "compound", "dose_um", "replicate", "response"],
        )  # fmt: skip
        out = validation.dose_components(table).table
        slope = out[(out["quantity"] == "log10 IC50")]
        assert slope["reason"].str.contains("do not reach the IC50").all()
        same = out[out["reason"].str.contains("the same in every replicate")]
        assert same["ci_low"].isna().all()
        assert rise == 0 or len(same)
    with pytest.raises(InputError, match="no well has a dose above 0"):
        validation.dose_response(table.assign(dose_um=0.0, well=range(len(table))))
