"""Kinetics tables: release and inhibition with planted constants, bounds, choice of the model, bad input."""

import numpy as np
import pandas as pd
import pytest

from scresist import validation
from scresist.checks import InputError
from scresist.kernels.kinetics import model_value
from scresist.tables import check

HOURS = np.array([0, 1, 2, 4, 8, 16, 24.0])


def release(k, *, condition="control", plateau=80.0, sd=1.0, replicates=3, seed=0, spread=0.1, hours=HOURS):
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(replicates):
        own = k * np.exp(spread * rng.normal())
        rows += [("e", condition, r, t, plateau * (1 - np.exp(-own * t)) + sd * rng.normal()) for t in hours]
    return pd.DataFrame(rows, columns=["experiment", "condition", "replicate", "time", "released"])


def rates(model, parameters, columns, *, condition="control", sd=0.0, seed=0, replicates=3):
    rng = np.random.default_rng(seed)
    grid = pd.DataFrame(columns)
    out = []
    for r in range(replicates):
        y = model_value(model, parameters, *[grid[c].to_numpy(float) for c in columns]) + sd * rng.normal(
            size=len(grid)
        )
        out.append(grid.assign(experiment="e", condition=condition, replicate=r, rate=y))
    return pd.concat(out, ignore_index=True)


def grid(**levels):
    mesh = np.meshgrid(*levels.values(), indexing="ij")
    return {f"{name}_um": m.ravel() for name, m in zip(levels, mesh, strict=True)}


def value(table, parameter, condition="control", reference=""):
    of = table[
        (table["parameter"] == parameter) & (table["condition"] == condition) & (table["reference"] == reference)
    ]
    return of[of["chosen"].astype(bool)].iloc[0]


def test_an_inhibitor_that_slows_release_five_times():
    table = pd.concat([release(0.2), release(0.04, condition="CST3", seed=1)])
    out = validation.kinetics(table).table
    check("validation_kinetics", out)
    k = value(out, "k")
    assert k["ci_low"] < 0.2 < k["ci_high"]
    assert k["unit"] == "1/h"
    assert value(out, "half-life")["value"] == pytest.approx(np.log(2) / k["value"])
    ratio = value(out, "k ratio", "CST3", "control")
    assert ratio["ci_low"] < 0.2 < ratio["ci_high"]
    assert ratio["p_value"] < 0.01
    assert ratio["n_reference"] == 3


def test_the_model_follows_the_data():
    slow = release(0.001, sd=0.05, spread=0)
    out = validation.kinetics(slow).table
    assert out.loc[out["chosen"].astype(bool), "model"].iloc[0] == "constant rate"
    whole = release(0.2, plateau=100.0, spread=0)
    assert validation.kinetics(whole).table.query("chosen")["model"].iloc[0] == "first order to 100 %"
    weights = out.drop_duplicates("model")["weight"]
    assert weights.sum() == pytest.approx(1)


@pytest.mark.parametrize("model", ["competitive", "uncompetitive", "noncompetitive"])
def test_the_kind_of_inhibition_is_recognised(model):
    columns = grid(substrate=[1, 2, 5, 10, 20.0], inhibitor=[0, 0.5, 2, 8.0])
    table = rates(model, [90.0, 4.0, 1.5], columns, sd=1.0)
    out = validation.kinetics(table).table.query("chosen")
    assert set(out["model"]) == {model}
    ki = out.set_index("parameter").loc["ki"]
    assert ki["ci_low"] < 1.5 < ki["ci_high"]
    assert ki["unit"] == "uM"


def test_tight_binding_gives_ki_and_an_ic50_of_half_the_enzyme_more():
    columns = grid(inhibitor=np.array([0, 0.01, 0.02, 0.04, 0.06, 0.1, 0.2, 0.5]), enzyme=[0.05])
    table = rates("morrison", [100.0, 0.02], columns, sd=1.0)
    out = validation.kinetics(table).table
    assert value(out, "ki_app")["model"] == "morrison"
    assert value(out, "ki_app")["value"] == pytest.approx(0.02, rel=0.2)
    assert value(out, "ic50")["value"] == pytest.approx(value(out, "ki_app")["value"] + 0.025)
    nano = table.assign(inhibitor_um=table["inhibitor_um"] * 1e3, enzyme_um=50.0, concentration_unit="nM")
    np.testing.assert_allclose(value(validation.kinetics(nano).table, "ki_app")["value"], value(out, "ki_app")["value"])


def test_constants_beyond_what_was_measured_are_bounds():
    out = validation.kinetics(release(0.01, sd=0.2, spread=0, plateau=100.0), models=["first order to 100 %"]).table
    half = value(out, "half-life")
    assert np.isnan(half["value"])
    assert half["ci_low"] == 24
    assert "not reached" in half["reason"]
    weak = rates("hyperbolic", [100.0, 90.0], grid(inhibitor=[0, 1, 3, 10.0]), sd=0.1)
    row = value(validation.kinetics(weak).table, "ic50")
    assert np.isnan(row["value"])
    assert row["ci_low"] == 10


def test_one_replicate_has_the_profile_of_its_points_and_no_comparison():
    table = pd.concat([release(0.2, replicates=1), release(0.04, condition="CST3", seed=1, replicates=1)])
    out = validation.kinetics(table).table
    assert value(out, "k")["interval_of"] == "profile over points"
    ratio = value(out, "k ratio", "CST3", "control")
    assert np.isnan(ratio["p_value"])
    assert "3 are needed" in ratio["weak"]


def test_too_little_is_a_reason_and_not_a_number():
    out = validation.kinetics(release(0.2, hours=[0, 4.0])).table
    assert out["value"].isna().all()
    assert "1 time after 0" in out["reason"].iloc[0]
    few = validation.kinetics(rates("michaelis-menten", [90.0, 4.0], grid(substrate=[1.0, 5.0]))).table
    assert "Km needs 3" in few["reason"].iloc[0]


BAD = {
    "negative time": (lambda t: t.assign(time=t["time"] - 1), "row 2: time is negative"),
    "unit of time": (lambda t: t.assign(time_unit="fortnight"), "row 2: unknown unit of time.*fortnight"),
    "fraction": (lambda t: t.assign(released=t["released"] / 100), "looks like a fraction"),
    "over all": (lambda t: t.assign(released=t["released"] * 4), "more than 150 percent"),
    "no time": (lambda t: t.assign(time=t["time"].where(t.index != 2)), "row 4: released has no time"),
    "text": (lambda t: t.assign(released="<LOD"), "row 2: column 'released' must be a number.*<LOD"),
    "neither": (lambda t: t.drop(columns="released"), "needs the columns time and released"),
    "row twice": (lambda t: pd.concat([t, t.iloc[[3]]]), "row 23: this row repeats"),
}


@pytest.mark.parametrize("fault", list(BAD))
def test_bad_time_courses_are_refused_with_their_row(fault):
    change, words = BAD[fault]
    with pytest.raises(InputError, match=words):
        validation.kinetics(change(release(0.2)))


def test_bad_rates_are_refused_with_their_row():
    table = rates("hyperbolic", [100.0, 2.0], grid(inhibitor=[0, 1, 3, 10.0]))
    with pytest.raises(InputError, match="row 3: inhibitor_um is negative"):
        validation.kinetics(table.assign(inhibitor_um=table["inhibitor_um"].where(table.index != 1, -1)))
    with pytest.raises(InputError, match="row 2: a rate has no concentration"):
        validation.kinetics(table.assign(inhibitor_um=table["inhibitor_um"].where(table.index != 0)))
    with pytest.raises(InputError, match=r"unknown unit of dose.*ppm"):
        validation.kinetics(table.assign(concentration_unit="ppm"))
    with pytest.raises(InputError, match="a model must be one of"):
        validation.kinetics(table, models=["competative"])
