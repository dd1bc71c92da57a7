"""Composition: what is refused, unequal depth, one type that grows; each a way to a false claim."""

import numpy as np
import pandas as pd
import pytest

from scresist.checks import InputError
from scresist.contrasts import cell_shares, composition, register_claims
from scresist.contrasts.engine import evaluate_contrast
from scresist.contrasts.units import Units
from scresist.kernels.cell_numbers import log_odds, mean_shares
from scresist.kernels.redrawn_cells import redrawn_odds
from scresist.study.design import Contrast
from studies import two_arms

SHARES = np.array([0.40, 0.20, 0.10, 0.08, 0.06, 0.04, 0.03, 0.025, 0.02, 0.015, 0.01, 0.01, 0.005, 0.005])
TYPES = [f"type {i:02d}" for i in range(SHARES.size)]


def drawn(rng, design, depth_test, depth_reference, *, grows=None, size=8.0, spread=8.0):
    test = (design.samples["arm"] == "resistant").to_numpy()
    number = rng.gamma(np.tile(SHARES * spread, (test.size, 1)))
    if grows is not None:
        number[test, grows] *= size
    depth = np.where(test, depth_test, depth_reference)
    shares = number / number.sum(axis=1, keepdims=True)
    counts = np.vstack([rng.multinomial(d, s) for d, s in zip(depth, shares, strict=True)])
    return pd.DataFrame(counts, index=design.samples.index, columns=TYPES)


def test_an_absent_type_is_refused():
    design = two_arms(6, 6)
    counts = drawn(np.random.default_rng(0), design, 100, 5000).assign(absent=0)
    row = composition(counts, design).table.set_index("cell_type").loc["absent"]
    assert row["reason"] == "no cell of this type in the samples that are compared"
    assert row[["effect", "p_value", "share_p_value", "q_value"]].isna().all()
    assert (row["n_test"], row["n_reference"]) == (6, 6)


def test_both_arms_must_expect_five_cells():
    design = two_arms(4, 4)
    rng = np.random.default_rng(0)
    counts = pd.DataFrame(rng.poisson([60, 40, 20], (8, 3)), index=design.samples.index, columns=["a", "b", "c"])
    counts["few"] = [0, 0, 0, 0, 3, 2, 3, 1]
    found = composition(counts, design).table.set_index("cell_type")
    assert "fewer than 5 cells expected in arm" in found.loc["few", "reason"]
    assert (found.loc[["a", "b", "c"], "reason"] == "").all()
    counts["few"] *= 4
    assert composition(counts, design).table.set_index("cell_type").loc["few", "reason"] == ""


@pytest.mark.parametrize("depths", [(100, 5000), (5000, 100)])
def test_unequal_depth_is_no_difference(depths):
    """The logit of shares with half a cell added gives 0.16 to 0.23 here."""
    design, rng = two_arms(6, 6), np.random.default_rng(7)
    p = np.concatenate([
        composition(drawn(rng, design, *depths), design, n_permutations=1)
        .table[["p_value", "share_p_value"]]
        .to_numpy()
        for _ in range(25)
    ])  # fmt: skip
    p = p[np.isfinite(p).all(axis=1)]
    assert ((p < 0.05).mean(axis=0) <= 0.06 + 2 * np.sqrt(0.05 * 0.95 / len(p))).all()


def test_four_shallow_biopsies_without_a_cell_of_a_type_are_weak_evidence():
    """They vary by nothing, and t on ten degrees of freedom gave p = 0.0007; none of four has one by chance in 0.02."""
    design, rng = two_arms(8, 4), np.random.default_rng(0)
    test = (design.samples["arm"] == "resistant").to_numpy()
    number = rng.gamma(np.tile(np.array([24, 15, 9, 5, 3, 2.4]), (12, 1)))
    number /= number.sum(axis=1, keepdims=True)
    drawn = [rng.multinomial(d, s) for d, s in zip(np.where(test, 5000, 100), number, strict=True)]
    counts = pd.DataFrame(np.vstack(drawn), index=design.samples.index).add_prefix("type ")
    counts["few"] = 0
    counts.loc[test, "few"] = [4, 73, 286, 347, 2, 44, 65, 5]
    found = composition(counts, design)
    row = found.table.set_index("cell_type").loc["few"]
    assert 0.01 < row["p_value"] < 0.05
    assert 0.01 < row["share_p_value"] < 0.05
    assert row["p_without"] >= row["p_value"]
    again = composition(counts[counts.columns[::-1]], design).table.set_index("cell_type").loc["few"]
    assert again["p_value"] == pytest.approx(row["p_value"], rel=1e-6)


def test_rare_types_in_shallow_biopsies_keep_the_level():
    """Six hundred types of 1.5 % that vary much between patients (gamma, shape 0.5), 8 v 4, 5,000 v 100 cells."""
    rng, test = np.random.default_rng(7), np.arange(12) < 8
    total = np.where(test, 5000.0, 100.0)
    share = np.minimum(rng.gamma(0.5, 0.03, (12, 1500)), 0.5)
    counts = rng.binomial(total[:, None].astype(int), share).astype(float)
    counts = counts[:, mean_shares(counts, total) * total[~test].sum() >= 5][:, :600]
    found = log_odds(counts, total)
    units = Units(Contrast("c", "test", "reference"), np.array([f"{i:02d}" for i in range(12)]), test, counts, None,
                  np.ones((12, 1)), np.zeros(12, int), (), ())  # fmt: skip
    tested = evaluate_contrast(units.with_values(found.values.copy()), weights=found.reliability, method="t",
                               permutation_beside=False)  # fmt: skip
    before = tested.p_value.copy()
    numbers = cell_shares._Numbers(found.values, found.reliability, "", found=found)
    cell_shares._widen(tested, units, numbers, redrawn_odds, {"seed": 1, "alpha": 0.05})
    p = tested.p_value
    assert p.size == 600
    assert (p >= before * (1 - 1e-9)).all()
    assert (before < 0.05).mean() > 0.055
    assert (p < 0.05).mean() <= 0.05
    assert (p < 0.01).mean() <= 0.01 + 2 * np.sqrt(0.01 * 0.99 / p.size)
    np.testing.assert_array_equal(p < 0.05, (tested.ci_low > 0) | (tested.ci_high < 0))


def test_where_one_type_grows_the_others_are_not_called():
    design, rng = two_arms(6, 6), np.random.default_rng(8)
    ratio, share, grown = [], [], []
    for _ in range(20):
        counts = drawn(rng, design, 2000, 2000, grows=1, spread=30.0)
        found = composition(counts, design, n_permutations=1).table.set_index("cell_type")
        others = found.drop(index=TYPES[1])
        ratio.append((others["p_value"] < 0.05).mean())
        share.append((others["share_p_value"] < 0.05).mean())
        grown.append(found.loc[TYPES[1], "p_value"])
        assert found["reference"].str.startswith("median of").all()
    assert np.mean(share) > 0.15
    assert np.mean(ratio) <= 0.06 + 2 * np.sqrt(0.05 * 0.95 / 200)
    assert np.median(grown) < 0.01


def test_the_claim_names_its_reference_and_needs_the_share_too():
    design = two_arms(8, 8)
    counts = drawn(np.random.default_rng(9), design, 2000, 2000, grows=1, spread=30.0)
    found = composition(counts, design)
    claims = register_claims({"composition": found}, design).table
    own = claims[claims["kind"] == "composition"].set_index("feature")
    assert own.loc[TYPES[1], "verdict"] == "supported"
    assert "relative to the median of" in own.loc[TYPES[1], "statement"]
    assert "share of all cells" in own.loc[TYPES[1], "statement"]
    contrary = found.table.assign(share_effect=-found.table["share_effect"])
    claims = register_claims({"composition": contrary}, design).table.set_index("feature")
    assert claims.loc[TYPES[1], "verdict"] == "suggestive"
    assert any("left out of it" in n and TYPES[1] in n for n in found.notes)


def test_other_references_enclose_the_effect():
    design = two_arms(6, 6)
    table = composition(drawn(np.random.default_rng(10), design, 2000, 1000), design).table
    tested = table[table["reason"] == ""]
    assert (tested["effect_low_reference"] >= tested["effect_high_reference"]).all()
    spread = tested["effect_low_reference"] - tested["effect_high_reference"]
    q1, q3 = np.quantile(tested["effect"], [0.25, 0.75])
    np.testing.assert_allclose(spread, q3 - q1)


def test_the_name_of_the_columns_does_not_matter():
    design = two_arms(3, 3)
    counts = drawn(np.random.default_rng(11), design, 500, 500).rename_axis(columns="type")
    assert list(composition(counts, design).table["cell_type"]) == TYPES
    with pytest.raises(InputError, match="one name per cell type"):
        composition(counts.T.set_axis(pd.MultiIndex.from_product([["a"], TYPES])).T, design)
