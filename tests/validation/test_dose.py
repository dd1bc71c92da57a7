"""Dose-response tables: planted truth, bounds instead of extrapolation, replicates as the unit, bad input."""

import numpy as np
import pandas as pd
import pytest

from oracle import SHARED, needs_shared
from scresist import validation
from scresist.checks import InputError, MissingColumnError
from scresist.kernels.four_parameter import fit_curves
from scresist.kernels.hill_curve import LN10
from scresist.tables import check
from scresist.validation.curves import lack_of_fit

DOSES = 10.0 ** np.linspace(-3, 1, 9)


def wells(curve, *, condition="control", replicates=3, line="N87", compound="T-DXd", doses=DOSES, sd=0.0, seed=0, n=1):
    """One row per well; `curve` is a function of (dose, replicate)."""
    rng = np.random.default_rng(seed)
    rows = [
        ("e", line, condition, compound, x, r + 1, f"p{r}", curve(x, r) + sd * rng.normal())
        for r in range(replicates) for x in doses for _ in range(n)
    ]  # fmt: skip
    names = ["experiment", "line", "condition", "compound", "dose_um", "replicate", "plate", "response"]
    return pd.DataFrame(rows, columns=names)


def hill(ic, slope=1.0, low=0.0):
    return lambda x, r: low + (100 - low) / (1 + (x / (ic * (1 + 0.2 * r))) ** slope)


def test_a_planted_curve_is_found_and_its_ic50_is_the_geometric_mean_of_the_replicates():
    out = validation.dose_response(wells(hill(0.1))).table
    check("validation_dose_response", out)
    row = out.iloc[0]
    expected = 0.1 * (1 * 1.2 * 1.4) ** (1 / 3)
    assert row["ic50_um"] == pytest.approx(expected, rel=1e-6)
    assert row["ic50_low"] < expected < row["ic50_high"]
    assert bool(row["ic50_reached"])
    assert row["n_replicates"] == 3
    areas = [1 - np.trapezoid(hill(0.1)(10.0**x, r), x) / 400 for x in [np.linspace(-3, 1, 20001)] for r in range(3)]
    assert row["aac"] == pytest.approx(np.mean(areas), abs=1e-6)
    assert row["emax"] == pytest.approx(np.mean([hill(0.1)(10.0, r) for r in range(3)]), rel=1e-5)


def test_an_ic50_beyond_the_doses_is_a_bound_and_never_a_number():
    table = pd.concat([
        wells(hill(200.0), compound="weak"), wells(lambda x, r: 20.0 + r, compound="strong"),
        wells(lambda x, r: 70 + 30 / (1 + x / 0.1), compound="partial"),
    ])  # fmt: skip
    out = validation.dose_response(table).table.set_index("compound")
    assert out["ic50_um"].isna().all()
    assert not out["ic50_reached"].any()
    assert out.loc[["weak", "partial"], "ic50_low"].tolist() == pytest.approx([10, 10])
    assert out.loc["strong", "ic50_high"] == pytest.approx(0.001)
    assert out.loc[["weak", "partial"], "ic50_high"].isna().all()
    assert out["reason"].str.contains("not reached").all()


def test_replicates_that_do_not_all_reach_it_leave_one_bound_open():
    row = validation.dose_response(wells(lambda x, r: 100 / (1 + x / (4.0 if r < 2 else 40.0)))).table.iloc[0]
    assert row["ic50_low"] == pytest.approx(4.0, rel=1e-4)
    assert np.isnan(row["ic50_high"])
    assert "1 of 3 replicates" in row["reason"]


def test_flat_rising_and_single_doses_have_a_reason():
    rng = np.random.default_rng(1)
    table = pd.concat([
        wells(lambda x, r: 100 + rng.normal(), compound="flat"),
        wells(lambda x, r: 100 + 10 * np.log10(x / 1e-3) + rng.normal(), compound="rising"),
        wells(lambda x, r: 50.0 + r, compound="one", doses=[1.0]),
    ])  # fmt: skip
    out = validation.dose_response(table).table.set_index("compound")
    assert out.loc["flat", "reason"].startswith("flat")
    assert out.loc["rising", "reason"].startswith("the response rises")
    assert out.loc["one", "reason"].startswith("1 dose")
    assert out["hill"].isna().all()
    assert np.isnan(out.loc["one", "aac"])
    assert out.loc["flat", "aac"] < 0.02


def test_technical_wells_are_averaged_and_only_replicates_count():
    table = wells(hill(0.1), sd=5, n=3)
    mean = table.groupby(list(table.columns[:-1]), sort=False)["response"].mean().reset_index()
    columns = ["ic50_um", "ic50_low", "ic50_high", "aac", "n_replicates"]
    np.testing.assert_allclose(
        validation.dose_response(table).table[columns].astype(float),
        validation.dose_response(mean).table[columns].astype(float), rtol=1e-7,
    )  # fmt: skip


def test_the_order_of_rows_and_other_curves_move_nothing():
    table = pd.concat([wells(hill(0.1), sd=5), wells(hill(2.0), sd=5, compound="other", seed=1)])
    once = validation.dose_response(table).table
    again = validation.dose_response(table.sample(frac=1, random_state=1)).table
    keys = ["compound"]
    numbers = ["ic50_um", "ic50_low", "ic50_high", "aac", "emax", "hill"]
    first, second = (t.set_index(keys)[numbers].sort_index() for t in (once, again))
    pd.testing.assert_frame_equal(first, second, rtol=1e-6)


def test_units_of_dose_and_response_are_converted():
    table = wells(hill(0.1))
    expected = validation.dose_response(table).table
    nano = table.assign(dose_um=table["dose_um"] * 1000, dose_unit="nM")
    fraction = table.assign(response=table["response"] / 100, response_unit="fraction")
    control = table.drop_duplicates("replicate").assign(dose_um=0.0, response=100.0)
    raw = pd.concat([control, table]).assign(unit_=1.0)
    factor = raw["replicate"].map({1: 310.0, 2: 270.0, 3: 505.0})
    raw = raw.assign(response=raw["response"] * factor, response_unit="raw").drop(columns="unit_")
    for other in (nano, fraction, raw):
        found = validation.dose_response(other).table
        np.testing.assert_allclose(found["ic50_um"], expected["ic50_um"], rtol=1e-6)
        np.testing.assert_allclose(found["aac"], expected["aac"], rtol=1e-6)


def test_growth_rate_metrics_do_not_depend_on_the_number_of_divisions():
    """Hafner et al. (2016): one effect on the growth rate, lines that divide once or three times."""

    def response(divisions):
        def of(x, r):
            gr = 0.2 + 0.8 / (1 + (x / 0.1) ** 1.5)
            return 100 * ((gr + 1) / 2) ** divisions

        return of

    tables = [wells(response(d), line=f"L{d}").assign(divisions=d) for d in (1.0, 3.0)]
    out = validation.dose_response(pd.concat(tables)).table
    gr50 = 0.1 * (0.5 / 0.3) ** (1 / 1.5)
    np.testing.assert_allclose(out["gr50_um"], gr50, rtol=1e-4)
    np.testing.assert_allclose(out["gr_max"], 0.2 + 0.8 / (1 + 100**1.5), rtol=1e-3)
    assert out["ic50_um"].iloc[0] > 2 * out["ic50_um"].iloc[1] or not out["ic50_reached"].iloc[0]
    zero = wells(response(1.0)).assign(time_zero=50.0)
    np.testing.assert_allclose(validation.dose_response(zero).table["gr50_um"], gr50, rtol=1e-4)


def test_ratios_find_a_planted_shift_within_and_between_lines():
    table = pd.concat([wells(hill(0.1), sd=2), wells(hill(0.8), condition="resistant", sd=2, seed=1)])
    row = validation.dose_ratios(table, expected="higher").table.iloc[0]
    assert row["ci_low"] < 8 < row["ci_high"]
    assert row["p_value"] < 0.01
    assert row["met"] == "yes"
    assert row["f_p_value"] < 0.01
    lines = table.assign(line=table["condition"], condition="none")
    other = validation.dose_ratios(lines, compare="line", reference="control").table
    check("validation_dose_ratios", other)
    np.testing.assert_allclose(other["ratio"], row["ratio"])
    turned = validation.dose_ratios(table, reference="resistant").table.iloc[0]
    np.testing.assert_allclose([turned["ratio"], turned["ci_low"]], [1 / row["ratio"], 1 / row["ci_high"]])
    np.testing.assert_allclose(turned["p_value"], row["p_value"])


def test_a_ratio_without_an_ic50_is_a_bound_and_a_test_of_the_areas():
    table = pd.concat([wells(hill(0.1), sd=2), wells(hill(500.0), condition="resistant", sd=2, seed=1)])
    row = validation.dose_ratios(table).table.iloc[0]
    ic50 = validation.dose_response(table).table["ic50_um"].iloc[0]
    assert np.isnan(row["ratio"])
    assert row["ratio_at_least"] == pytest.approx(10 / ic50)
    assert row["statistic"] == "aac"
    assert row["p_value"] == row["aac_p_value"] < 0.01


@pytest.mark.parametrize("replicates", [1, 2])
def test_few_replicates_are_called_weak(replicates):
    table = pd.concat([wells(hill(0.1), replicates=replicates, sd=2),
                       wells(hill(0.8), condition="resistant", replicates=replicates, sd=2, seed=1)])  # fmt: skip
    row = validation.dose_ratios(table).table.iloc[0]
    assert "replicate" in row["weak"]
    assert np.isnan(row["p_value"]) == (replicates == 1)
    out = validation.dose_response(table).table
    assert out["weak"].str.contains("3 are needed").all()


def test_replicates_copied_from_each_other_give_no_p_value():
    table = pd.concat([wells(lambda x, r: hill(0.1)(x, 0)), wells(lambda x, r: hill(0.8)(x, 0), condition="other")])
    row = validation.dose_ratios(table).table.iloc[0]
    assert np.isnan(row["p_value"])
    assert "do not vary" in row["reason"]


def test_the_interval_of_one_replicate_is_that_of_its_fit():
    """Against the delta method with derivatives by finite differences."""
    rng = np.random.default_rng(5)
    table = wells(lambda x, r: 10 + 90 / (1 + x / 0.1) + 3 * rng.normal(), replicates=1)
    row = validation.dose_response(table).table.iloc[0]
    x, y = np.log10(DOSES), np.clip(table["response"].to_numpy(), 0, 100)
    fit = fit_curves(x, y, low=np.array([0, 100, 0, -6]), high=np.array([100, 100, 4, 6]))
    q = fit.parameters[0][[0, 2, 3]]

    def curve(q):
        return q[0] + (100 - q[0]) / (1 + np.exp(LN10 * q[1] * (x - q[2])))

    def ic50(q):
        return q[2] + np.log10(50 / (50 - q[0])) / q[1]

    steps = np.eye(3) * 1e-5
    jac = np.stack([(curve(q + s) - curve(q - s)) / 2e-5 for s in steps], axis=1)
    gradient = np.array([(ic50(q + s) - ic50(q - s)) / 2e-5 for s in steps])
    from scipy import stats

    half = stats.t.ppf(0.975, 6) * np.sqrt(gradient @ np.linalg.inv(jac.T @ jac) @ gradient * fit.loss[0] / 6)
    np.testing.assert_allclose(np.log10(row["ic50_high"] / row["ic50_um"]), half, rtol=1e-4)
    assert row["interval_of"] == "doses of one replicate"


BAD = {
    "logarithms": (lambda t: t.assign(dose_um=np.log10(t["dose_um"])), "row 2: a dose is negative"),
    "fractions": (lambda t: t.assign(response=t["response"] / 100), "look like fractions"),
    "text": (lambda t: t.assign(response=t["response"].astype(object).where(t.index != 4, "12,5")),
             "row 6: column 'response' must be a number.*'12,5'"),
    "unit of dose": (lambda t: t.assign(dose_unit="mg/ml"), "row 2: unknown unit of dose.*mg/ml"),
    "unit of response": (lambda t: t.assign(response_unit="OD"), "row 2: unknown unit of the response"),
    "no control": (lambda t: t.assign(response_unit="raw"), "row 2: a raw signal has no control"),
    "a row twice": (lambda t: pd.concat([t, t.iloc[[5]]]), "row 29: this row repeats"),
    "a well twice": (lambda t: pd.concat([t.assign(well=t.index), t.assign(well=t.index, response=1.0).iloc[[5]]]),
                     "row 29: this well is in the table already"),
    "raw signal": (lambda t: t.assign(response=t["response"] * 1e4), "is it a raw signal"),
    "no name": (lambda t: t.assign(line=t["line"].where(t.index != 3)), "row 5: column 'line' is empty"),
    "infinite": (lambda t: t.assign(response=t["response"].where(t.index != 3, np.inf)), "row 5: .* must be finite"),
    "no dose": (lambda t: t.assign(dose_um=t["dose_um"].where(t.index != 0)), "row 2: column 'dose_um' is empty"),
    "no rows": (lambda t: t.iloc[:0], "has no rows"),
    "no growth": (lambda t: t.assign(time_zero=120.0), "the control did not grow"),
}  # fmt: skip


@pytest.mark.parametrize("fault", list(BAD))
def test_bad_tables_are_refused_with_their_row(fault):
    change, words = BAD[fault]
    with pytest.raises(InputError, match=words):
        validation.dose_response(change(wells(hill(0.1))))


def test_a_missing_column_and_an_unknown_reference_are_refused():
    with pytest.raises(MissingColumnError, match="replicate"):
        validation.dose_response(wells(hill(0.1)).drop(columns="replicate"))
    with pytest.raises(InputError, match="no condition is named 'DMSO'"):
        validation.dose_ratios(wells(hill(0.1)), reference="DMSO")
    with pytest.raises(InputError, match="level must be between"):
        validation.dose_response(wells(hill(0.1)), level=100)


def test_equal_wells_by_chance_are_not_refused():
    table = wells(hill(0.1), n=3, sd=3)
    table["response"] = table["response"].round()
    assert table.duplicated().any()
    assert len(validation.dose_response(table).table) == 1


@needs_shared
def test_ccle_agrees_with_the_published_fits():
    """300 of the 11,670 curves; the whole in benchmarks/bench.py --only dose."""
    folder = SHARED / "data" / "dose_response"
    raw = pd.read_csv(folder / "CCLEsmall_raw_dose_viability.csv.gz").dropna()
    published = pd.read_csv(folder / "CCLEsmall_profiles.csv.gz", index_col=0).iloc[::39]
    raw = raw[raw["exp"].isin(published.index)]
    table = pd.DataFrame({"line": raw["exp"], "condition": "none", "compound": "drug", "dose_um": raw["dose"],
                          "replicate": 1, "response": raw["viability"]})  # fmt: skip
    out = validation.dose_response(table).table.set_index("line").loc[published.index]
    assert ((out["aac"] - published["auc_recomputed"]).abs() < 0.02).mean() > 0.97
    inside = (published["ic50_recomputed"] >= out["dose_min_um"]) & (published["ic50_recomputed"] <= out["dose_max_um"])
    off = np.log10(out["ic50_um"] / published["ic50_recomputed"])[inside].abs()
    assert (off < 0.1).mean() > 0.98


@needs_shared
def test_lack_of_fit_is_that_of_r_drc():
    """modelFit of drc 3.0-1, curves with replicates that R's README calls identified."""
    folder = SHARED / "oracle" / "inference" / "agreement_dose_kinetics"
    points = pd.read_csv(folder / "in_dose_response.csv.gz")
    theirs = pd.read_csv(folder / "drc_lack_of_fit.csv.gz").set_index("curve")
    for curve, row in theirs.drop(index=[5, 11, 16, 17, 23], errors="ignore").iterrows():
        block = points[points["curve"] == curve]
        with np.errstate(divide="ignore"):
            x, y = np.log10(block["dose"].to_numpy(float)), block["y"].to_numpy(float)
        low, high = np.array([-np.inf, -np.inf, 1e-3, -8.0]), np.array([np.inf, np.inf, 50.0, 8.0])
        f, p = lack_of_fit(x, y, fit_curves(x, y, low=low, high=high).loss[0], 4)
        np.testing.assert_allclose([f, p], row[["F", "p"]].to_numpy(float), rtol=1e-6)
