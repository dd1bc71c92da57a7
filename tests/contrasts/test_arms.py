"""The one door: units, tests, intervals, refusals."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy import stats

import scresist as sr
from scresist.checks import InputError, MissingColumnError
from scresist.contrasts import contrast_arms
from scresist.study.design import Contrast
from studies import noise, three_arms, two_arms


def only(result, **keys):
    table = result.table
    for name, value in keys.items():
        table = table[table[name] == value]
    assert len(table) == 1
    return table.iloc[0]


def test_columns_of_the_contract_come_first():
    table = contrast_arms(noise(three_arms()), three_arms()).table
    expected = ["feature", "contrast", "effect", "ci_low", "ci_high", "p_value", "p_floor", "q_value", "n_test",
                "n_reference", "n_pairs", "influence"]  # fmt: skip
    assert list(table.columns[:12]) == expected
    assert len(table) == 10
    assert sr.contrasts.contrast_arms is contrast_arms


def test_unmoderated_is_the_t_test():
    design = two_arms(5, 4)
    values = noise(design)
    table = contrast_arms(values, design, method="t").table
    test = (design.samples["arm"] == "resistant").to_numpy()
    expected = stats.ttest_ind(values[test], values[~test])
    np.testing.assert_allclose(table["p_value"], expected.pvalue)
    interval = expected.confidence_interval()
    np.testing.assert_allclose(table["ci_low"], interval.low)
    np.testing.assert_allclose(table["ci_high"], interval.high)


@pytest.mark.parametrize("pairing", ["auto", "paired"])
def test_complete_pairs_are_compared_within_patients(pairing):
    design = two_arms(0, 0, 6, pairing=pairing)
    values = noise(design)
    table = contrast_arms(values, design, method="t").table
    test = (design.samples["arm"] == "resistant").to_numpy()
    np.testing.assert_allclose(table["p_value"], stats.ttest_rel(values[test], values[~test]).pvalue)
    assert (table["n_pairs"] == 6).all()
    np.testing.assert_allclose(table["p_floor"], 2 / 64)


def test_several_samples_of_a_patient_are_one_unit():
    design = two_arms(3, 3)
    values = noise(design)
    extra = design.samples.iloc[[0]].rename(index={"s00": "s99"})
    wider = replace(design, samples=pd.concat([design.samples, extra]))
    more = pd.concat([values, values.iloc[[0]].rename(index={"s00": "s99"}) + 3])
    cells = pd.Series(100.0, index=more.index)
    cells["s99"] = 300
    expected = values.copy()
    expected.iloc[0] += 3 * 0.75
    one, other = contrast_arms(more, wider, weights=cells).table, contrast_arms(expected, design).table
    np.testing.assert_allclose(one["effect"], other["effect"], rtol=0.2, atol=0.2)
    assert (one["n_test"] == 3).all()
    np.testing.assert_allclose(
        contrast_arms(more, wider).table["effect"],
        contrast_arms(values.add([1.5] + [0] * 5, axis=0), design).table["effect"],
    )


@pytest.mark.parametrize("method", ["moderated", "t", "mixed", "permutation"])
def test_rows_in_any_order_give_the_same_numbers(method):
    design = three_arms()
    values = noise(design)
    shuffled = np.random.default_rng(1).permutation(len(values))
    other = replace(design, samples=design.samples.iloc[shuffled])
    one = contrast_arms(values, design, method=method, rng=3).table
    two = contrast_arms(values.iloc[shuffled[::-1]], other, method=method, rng=3).table
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize("method", ["moderated", "t", "mixed", "permutation"])
@pytest.mark.parametrize("layout", [(5, 5, 0), (0, 0, 7), (3, 4, 4), (0, 4, 5)])
def test_the_interval_agrees_with_the_test(method, layout):
    design = two_arms(*layout)
    table = contrast_arms(noise(design, 40) * 2 + 0.3, design, method=method).table
    found = table["p_value"] < 0.05
    assert ((table["ci_low"] > 0) | (table["ci_high"] < 0)).equals(found)
    assert ((table["effect"] >= table["ci_low"]) & (table["effect"] <= table["ci_high"])).all()


def test_partial_pairs_use_everyone():
    design = two_arms(2, 3, 4)
    row = contrast_arms(noise(design), design).table.iloc[0]
    assert (row["n_test"], row["n_reference"], row["n_pairs"]) == (6, 7, 4)
    paired = replace(design, contrasts=(Contrast("primary", "resistant", "naive", "paired"),))
    row = contrast_arms(noise(design), paired).table.iloc[0]
    assert (row["n_test"], row["n_reference"], row["n_pairs"], row["n_missing"]) == (4, 4, 4, 5)


def test_tidy_and_wide_are_the_same():
    design = two_arms()
    wide = noise(design)
    tidy = wide.rename_axis("sample").reset_index().melt("sample", var_name="module", value_name="score")
    one, two = contrast_arms(wide, design, name="module").table, contrast_arms(tidy, design).table
    pd.testing.assert_frame_equal(one, two)
    tidy["cell_type"] = "T cell"
    assert list(contrast_arms(tidy, design).table.columns[:3]) == ["module", "cell_type", "contrast"]


def test_several_columns_name_a_feature_without_their_combinations():
    design = two_arms()
    values = noise(design, 3)
    names = [
        ("T", "B", "CCL5", "CCR5", "CCL"),
        ("B", "T", "CD40", "CD40LG", None),
        ("T", "T", "IFNG", "IFNGR1_IFNGR2", "IFN"),
    ]
    keys = ["source", "target", "ligand", "receptor", "pathway"]
    tidy = pd.concat([
        pd.DataFrame({"sample": values.index, **dict(zip(keys, k, strict=True)), "value": values.iloc[:, i].to_numpy()})
        for i, k in enumerate(names)
    ])  # fmt: skip
    table = contrast_arms(tidy, design).table
    assert list(table.columns[:6]) == [*keys, "contrast"]
    assert len(table) == 3
    np.testing.assert_allclose(table["p_value"], contrast_arms(values, design).table["p_value"])


def test_families():
    design = two_arms(6, 6)
    values = noise(design, 6)
    whole = contrast_arms(values, design).table
    split = contrast_arms(values, design, family={f"m{i}": str(i % 2) for i in range(6)}).table
    assert split["family"].nunique() == 2
    np.testing.assert_allclose(whole["q_value"], stats.false_discovery_control(whole["p_value"]))
    part = split[split["family"] == "primary: 0"]
    np.testing.assert_allclose(part["q_value"], stats.false_discovery_control(part["p_value"]))


def test_covariates_are_adjusted_for_and_confine_relabelling():
    batch = ["a", "b"] * 6
    design = two_arms(6, 6, batch=batch)
    values = noise(design) + 50 * (design.samples["batch"] == "a").to_numpy()[:, None]
    table = contrast_arms(values, design).table
    assert (table["effect"].abs() < 5).all()
    np.testing.assert_allclose(table["p_floor"], 2 / 400)
    with_age = two_arms(6, 6, age=np.arange(12.0))
    assert contrast_arms(values, with_age).table["p_value"].notna().all()
    permuted = contrast_arms(values, with_age, method="permutation").table
    assert permuted["p_value"].between(2 / 924, 1).all()


def test_a_finding_of_one_patient_is_marked():
    design = two_arms(4, 4)
    values = noise(design)
    values.loc[design.samples["arm"] == "resistant", "m0"] += 10
    values["m1"] = [8.0, 0.6, 0.5, 0.7, 0.3, 0.5, 0.1, 0.2]
    table = contrast_arms(values, design, method="t").table.set_index("feature")
    assert not table.loc["m0", "rests_on_one"]
    assert table.loc["m1", "influence_patient"] == "t0"
    assert table.loc["m1", "influence"] > 0.8
    few = two_arms(2, 2)
    found = contrast_arms(noise(few).assign(m0=[9.0, 9.1, 0, 0.1]), few, method="t").table
    assert found.loc[0, "p_value"] < 0.05
    assert found.loc[0, "rests_on_one"]


# --- bad input: NaN with a counted reason, or a refusal in words ---


def test_one_patient_in_an_arm():
    design = two_arms(1, 4)
    result = contrast_arms(noise(design), design)
    assert result.table["effect"].notna().all()
    assert result.table[["p_value", "q_value", "ci_low", "p_floor"]].isna().all(axis=None)
    assert set(result.table["reason"]) == {"fewer than 2 patients in arm resistant"}
    assert "5 of 5 features not tested" in result.notes[0]


def test_empty_arm():
    design = two_arms(0, 4)
    table = contrast_arms(noise(design), design).table
    assert table[["effect", "p_value"]].isna().all(axis=None)
    assert set(table["reason"]) == {"fewer than 2 patients in arm resistant"}
    nobody = contrast_arms(noise(two_arms(4, 4)).iloc[:0], two_arms(4, 4)).table
    assert set(nobody["reason"]) == {"no value in any patient"}


@pytest.mark.parametrize("method", ["moderated", "t", "mixed", "permutation"])
def test_values_that_do_not_vary(method):
    design = two_arms(4, 4)
    values = noise(design, 20)
    values["zero"], values["same"] = 0.0, 7.1
    values["apart"] = 5.0 * (design.samples["arm"] == "resistant")
    table = contrast_arms(values, design, method=method).table.set_index("feature")
    assert table.loc[["zero", "same"], ["p_value", "q_value"]].isna().all(axis=None)
    assert table.loc["zero", "reason"] == "the same value in every patient"
    if method in ("t", "mixed"):
        assert np.isnan(table.loc["apart", "p_value"])
        assert table.loc["apart", "reason"] == "no variation left to judge the effect by"
    else:
        assert 0 < table.loc["apart", "p_value"] < 0.05
    assert not (table["p_value"] == 0).any()


def test_missing_values_are_counted_and_do_not_touch_other_features():
    design = two_arms(4, 4)
    values = noise(design)
    holes = values.copy()
    holes.loc["s00", "m0"] = np.nan
    holes["m1"] = np.nan
    holes.loc[["s00", "s01", "s02"], "m2"] = np.nan
    table = contrast_arms(holes, design, method="t").table.set_index("feature")
    assert (table.loc["m0", "n_test"], table.loc["m0", "n_missing"]) == (3, 1)
    assert table.loc["m1", "reason"] == "no value in any patient"
    assert table.loc["m2", "reason"] == "fewer than 2 patients in arm resistant"
    full = contrast_arms(values, design, method="t").table.set_index("feature")
    assert table.loc["m3", "p_value"] == full.loc["m3", "p_value"]


def test_covariate_confounded_with_the_arm():
    design = two_arms(4, 4, site=["a"] * 4 + ["b"] * 4)
    result = contrast_arms(noise(design), design)
    assert set(result.table["reason"]) == {"the arms cannot be separated from the covariates"}
    assert any("share no site" in n for n in result.notes)
    singular = two_arms(3, 3, site=list("abcdef"))
    assert contrast_arms(noise(singular), singular).table["p_value"].isna().all()


def test_patient_in_both_arms_of_an_unpaired_contrast():
    design = two_arms(3, 3, 2, pairing="unpaired")
    table = contrast_arms(noise(design), design).table
    assert table["p_value"].isna().all()
    assert set(table["reason"]) == {"a patient is in both arms of an unpaired contrast"}


def test_paired_without_pairs():
    design = two_arms(4, 4, 1, pairing="paired")
    table = contrast_arms(noise(design), design).table
    assert set(table["reason"]) == {"fewer than 2 patients in arm resistant"}


def test_missing_covariate_leaves_the_patient_out_and_says_so():
    design = two_arms(4, 4, age=[np.nan, 2, 3, 4, 1, 2, 3, 5])
    result = contrast_arms(noise(design), design)
    assert (result.table["n_test"] == 3).all()
    assert "age is missing (t0)" in result.notes[0]


def test_what_cannot_be_read_is_an_error():
    design = two_arms()
    values = noise(design)
    with pytest.raises(InputError, match="no row in the design"):
        contrast_arms(values.rename(index={"s00": "x"}), design)
    with pytest.raises(InputError, match="infinities"):
        contrast_arms(values.replace(values.iloc[0, 0], np.inf), design)
    with pytest.raises(InputError, match="more than one row"):
        contrast_arms(pd.concat([values, values]), design)
    with pytest.raises(InputError, match="not numbers"):
        contrast_arms(values.assign(m0="high"), design)
    with pytest.raises(InputError, match="method must be one of"):
        contrast_arms(values, design, method="wilcoxon")
    with pytest.raises(InputError, match="weights lack 1 samples"):
        contrast_arms(values, design, weights=pd.Series(1.0, index=values.index[1:]))
    with pytest.raises(InputError, match="did you mean 'naive'"):
        contrast_arms(values, replace(design, contrasts=(Contrast("c", "resistant", "naiv"),)))
    with pytest.raises(MissingColumnError, match="no column 'arm'"):
        contrast_arms(values, replace(design, samples=design.samples.drop(columns="arm")))
    with pytest.raises(InputError, match="more than one value"):
        contrast_arms(pd.DataFrame({"sample": ["s00", "s00"], "feature": "a", "value": 1.0}), design)
