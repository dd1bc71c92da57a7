"""Combinations: planted synergy, no synergy, missing single drugs, bad input."""

import numpy as np
import pandas as pd
import pytest

from scresist import validation
from scresist.checks import InputError
from scresist.tables import check

DOSES = np.r_[0, 10.0 ** np.linspace(-1.5, 1, 5)]


def pairs(effect=0.0, *, replicates=3, sd=1.0, seed=0):
    rng = np.random.default_rng(seed)
    a, b = (m.ravel() for m in np.meshgrid(DOSES, DOSES, indexing="ij"))
    out = []
    for r in range(replicates):
        one, two = (10 + 90 / (1 + (d / (m * np.exp(0.1 * rng.normal()))) ** 1.1) for d, m in ((a, 1.0), (b, 0.5)))
        y = one * two / 100 - effect * (a > 0) * (b > 0) + sd * rng.normal(size=a.size)
        out.append(pd.DataFrame({"line": "N87", "condition": "c", "drug_a": "T-DXd", "drug_b": "E64", "dose_a_um": a,
                                 "dose_b_um": b, "replicate": r, "response": y}))  # fmt: skip
    return pd.concat(out, ignore_index=True)


def mean_of(table, model):
    return table[(table["model"] == model) & table["dose_a_um"].isna()].iloc[0]


def test_planted_synergy_is_found_and_its_absence_is_covered():
    found = validation.combinations(pairs(10.0)).table
    check("validation_combinations", found)
    bliss = mean_of(found, "bliss")
    assert bliss["ci_low"] > 0
    assert bliss["synergy"] == pytest.approx(10, abs=2.5)  # responses are capped at 0
    assert bliss["n_pairs"] == 25
    none = mean_of(validation.combinations(pairs()).table, "bliss")
    assert none["ci_low"] < 0 < none["ci_high"]


def test_measured_single_drugs_give_the_products_of_the_wells():
    table = pairs(sd=0.0, replicates=1)
    out = validation.combinations(table, models=["bliss", "hsa"], singles="measured", cap=False).table
    surface = table.pivot_table(index="dose_a_um", columns="dose_b_um", values="response")
    for model, combine in (("bliss", lambda x, y: x * y / 100), ("hsa", min)):
        for row in out[(out["model"] == model) & out["dose_a_um"].notna()].itertuples():
            expected = combine(surface.loc[row.dose_a_um, 0.0], surface.loc[0.0, row.dose_b_um])
            assert row.predicted == pytest.approx(expected)
            assert row.synergy == pytest.approx(expected - surface.loc[row.dose_a_um, row.dose_b_um])
    assert out["p_value"].isna().all()
    assert out["weak"].str.contains("3 are needed").all()


def test_a_bound_at_0_changes_bliss_and_never_loewe():
    table = pairs(sd=1.0, replicates=4)
    table["response"] -= table["response"].min() + 4  # some wells are below 0
    capped, free = (validation.combinations(table, models=["bliss", "loewe"], cap=cap).table for cap in (True, False))
    own = capped["model"] == "loewe"
    pd.testing.assert_frame_equal(capped[own].drop(columns="q_value"), free[own].drop(columns="q_value"))
    assert not np.allclose(capped.loc[~own, "synergy"], free.loc[~own, "synergy"])
    assert capped.loc[own, "observed"].min() < 0


def test_loewe_is_absent_where_the_weaker_drug_never_reaches():
    table = pairs(sd=0.1)
    weak = table["dose_a_um"] == 0
    table.loc[weak, "response"] = 100 - 0.4 * (100 - table.loc[weak, "response"])
    out = validation.combinations(table, models=["loewe"]).table
    missing = out[out["dose_a_um"].notna() & out["synergy"].isna()]
    assert len(missing)
    assert missing["reason"].str.contains("weaker drug").all()
    assert "have no prediction" in mean_of(out, "loewe")["reason"]


BAD = {
    "no single drug": (lambda t: t[t["dose_b_um"] > 0], "no well of drug_a alone"),
    "never together": (lambda t: t[(t["dose_a_um"] == 0) | (t["dose_b_um"] == 0)], "never given together"),
    "negative": (lambda t: t.assign(dose_a_um=-t["dose_a_um"]), "dose_a_um is negative"),
    "fractions": (lambda t: t.assign(response=t["response"] / 100), "look like fractions"),
    "one drug": (lambda t: t.assign(drug_b="T-DXd"), "drug_a and drug_b are the same"),
    "unit": (lambda t: t.assign(dose_unit="x"), "row 2: unknown unit of dose"),
}


@pytest.mark.parametrize("fault", list(BAD))
def test_bad_tables_are_refused(fault):
    change, words = BAD[fault]
    with pytest.raises(InputError, match=words):
        validation.combinations(change(pairs()))
    with pytest.raises(InputError, match="a model of synergy"):
        validation.combinations(pairs(), models=["blis"])
