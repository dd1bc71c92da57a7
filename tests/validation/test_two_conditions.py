"""Read-outs, qPCR, blots: against scipy and worked examples, replicates as the unit, type I error, bad input."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scresist import validation
from scresist.checks import InputError
from scresist.tables import check
from scresist.validation.two_conditions import bootstrap_difference, difference, met, sign_of


def values(test, reference, **more):
    rows = [("N87", c, r, v) for c, side in (("control", reference), ("KD", test)) for r, v in enumerate(side)]
    return pd.DataFrame(rows, columns=["line", "condition", "replicate", "value"]).assign(readout="signal", **more)


def test_differences_are_those_of_scipy():
    rng = np.random.default_rng(1)
    a, b = rng.normal(1, 2, 4), rng.normal(size=4)
    found, theirs = difference(a, b), stats.ttest_ind(a, b, equal_var=False)
    assert found.p_value == pytest.approx(theirs.pvalue)
    np.testing.assert_allclose([found.ci_low, found.ci_high], theirs.confidence_interval())
    paired, theirs = difference(a, b, paired=True), stats.ttest_rel(a, b)
    assert paired.p_value == pytest.approx(theirs.pvalue)
    np.testing.assert_allclose([paired.ci_low, paired.ci_high], theirs.confidence_interval())


@pytest.mark.parametrize(("n", "m", "spread"), [(3, 8, 1), (3, 8, 2), (3, 6, 3), (8, 3, 1), (3, 4, 0.5)])
def test_unequal_numbers_keep_the_level_where_welch_does_not(n, m, spread):
    """The degrees of freedom of the docstring in a plain loop over draws, and those of `difference` beside them."""
    rng = np.random.default_rng(3)
    a, b = spread * rng.normal(size=(40_000, n)), rng.normal(size=(40_000, m))
    va, vb = a.var(axis=1, ddof=1) / n, b.var(axis=1, ddof=1) / m
    t = np.abs(a.mean(axis=1) - b.mean(axis=1)) / np.sqrt(va + vb)
    s, few, many = (va / (va + vb), n, m) if n < m else (vb / (va + vb), m, n)
    df = [1 / (q**2 / (few - 1) + (1 - q) ** 2 / (many - 1)) for q in (s, s + s * (1 - s) / 2)]
    p = 2 * stats.t.sf(t, np.minimum(*df))
    assert 0.03 < (p < 0.05).mean() < 0.062
    np.testing.assert_allclose([difference(*pair).p_value for pair in zip(a[:50], b[:50], strict=True)], p[:50])


@pytest.mark.parametrize("n", [3, 4, 6, 8])
def test_type_one_error_is_kept(n):
    rng = np.random.default_rng(n)
    p = np.array([difference(*rng.normal(size=(2, n))).p_value for _ in range(1500)])
    assert 0.02 < (p < 0.05).mean() < 0.065
    p = np.array([difference(*rng.normal(size=(2, n)), paired=True).p_value for _ in range(1500)])
    assert 0.033 < (p < 0.05).mean() < 0.067


def test_the_bootstrap_is_too_narrow_for_three_and_is_not_the_interval():
    rng = np.random.default_rng(2)
    inside = []
    for _ in range(300):
        low, high = bootstrap_difference(*rng.normal(size=(2, 3)), paired=False, rng=rng, draws=400)
        inside.append(low <= 0 <= high)
    assert np.mean(inside) < 0.88


def test_expected_directions():
    assert [sign_of(x) for x in ("higher", "down", None, -1)] == [1, -1, 0, -1]
    assert [met(1.0, 0.01, 1), met(1.0, 0.01, -1), met(1.0, 0.2, 1), met(1.0, 0.01, 0)] == ["yes", "no", "open", ""]
    with pytest.raises(InputError, match="higher or lower"):
        sign_of("sideways")


def test_a_ratio_is_on_the_log_scale_and_percent_is_a_difference():
    a, b = np.array([20.0, 26, 31]), np.array([10.0, 11, 15])
    row = validation.readouts(values(a, b, kind="internalisation"), expected={"signal": "higher"}).table.iloc[0]
    check("validation_readouts", validation.readouts(values(a, b)).table)
    assert row["effect"] == pytest.approx(np.exp(np.log(a).mean() - np.log(b).mean()))
    assert row["p_value"] == pytest.approx(stats.ttest_ind(np.log(a), np.log(b), equal_var=False).pvalue)
    assert row["met"] == "yes"
    row = validation.readouts(values(a, b, kind="apoptosis", unit="percent")).table.iloc[0]
    assert (row["scale"], row["effect"]) == ("difference", pytest.approx(a.mean() - b.mean()))


def test_technical_wells_do_not_add_replicates():
    once = values([20, 26, 31.0], [10, 11, 15.0])
    wells = pd.concat([once.assign(value=once["value"] + d) for d in (-1, 0, 1)])
    pd.testing.assert_frame_equal(validation.readouts(once).table, validation.readouts(wells).table)


def test_growth_is_doublings_and_colonies_are_percent_of_the_plated():
    time = np.array([0, 24, 48, 72.0])
    rows = [
        (c, r, t, 1000 * 2 ** (t / (d + r))) for c, d in (("control", 24), ("KD", 36)) for r in range(3) for t in time
    ]
    table = pd.DataFrame(rows, columns=["condition", "replicate", "time", "value"]).assign(line="N87", readout="cells",
                                                                                           kind="growth")  # fmt: skip
    row = validation.readouts(table).table.iloc[0]
    assert row["unit"] == "doublings per h"
    assert row["mean_reference"] == pytest.approx(np.mean([1 / 24, 1 / 25, 1 / 26]))
    assert row["mean_test"] == pytest.approx(np.mean([1 / 36, 1 / 37, 1 / 38]))
    colonies = validation.readouts(values([10, 12, 14.0], [40, 50, 60.0], kind="colony", plated=200)).table.iloc[0]
    assert colonies["mean_reference"] == pytest.approx(25)


def qpcr_table(ddct=-2.0, replicates=3, sd=0.2, seed=1):
    rng = np.random.default_rng(seed)
    rows = []
    for condition, shift in (("control", 0.0), ("resistant", ddct)):
        for r in range(replicates):
            loaded = rng.normal()
            for gene, ct in (("GAPDH", 18.0), ("ACTB", 19.0), ("CST3", 25 + shift + sd * rng.normal())):
                rows += [("N87", condition, r, gene, ct + loaded + 0.05 * w) for w in (-1, 0, 1)]
    return pd.DataFrame(rows, columns=["line", "condition", "replicate", "gene", "ct"])


def test_a_worked_example_of_delta_delta_ct():
    """Livak & Schmittgen: two cycles fewer, the same reference genes: four times as much."""
    table = qpcr_table()
    out = validation.qpcr(table, reference_genes=["GAPDH", "ACTB"], expected="higher").table
    check("validation_expression", out)
    row = out.iloc[0]
    means = table.groupby(["condition", "replicate", "gene"])["ct"].mean().unstack()  # noqa: PD010
    delta = means["CST3"] - means[["GAPDH", "ACTB"]].mean(axis=1)
    ddct = delta["resistant"].mean() - delta["control"].mean()
    assert row["ddct"] == pytest.approx(ddct)
    assert row["fold"] == pytest.approx(2**-ddct)
    assert row["p_value"] == pytest.approx(
        stats.ttest_ind(delta["resistant"], delta["control"], equal_var=False).pvalue
    )
    assert row["ci_low"] < 4 < row["ci_high"]
    assert row["met"] == "yes"


def test_pfaffl_with_equal_efficiencies_of_two_is_the_same_and_undetermined_is_missing():
    table = qpcr_table()
    same = validation.qpcr(table.assign(efficiency=2.0), reference_genes=["GAPDH", "ACTB"]).table
    pd.testing.assert_frame_equal(same, validation.qpcr(table, reference_genes=["GAPDH", "ACTB"]).table)
    unseen = table.assign(ct=table["ct"].astype(object))
    gone = (unseen["gene"] == "CST3") & (unseen["condition"] == "control") & (unseen["replicate"] == 0)
    unseen.loc[gone, "ct"] = "Undetermined"
    result = validation.qpcr(unseen, reference_genes=["GAPDH", "ACTB"])
    assert result.table["n_reference"].iloc[0] == 2
    assert "3 are needed" in result.table["weak"].iloc[0]
    assert any("3 wells without a Ct" in n for n in result.notes)


def blot_table(fold=0.5, seed=1):
    rng = np.random.default_rng(seed)
    rows = []
    for r in range(4):
        exposure = np.exp(rng.normal())
        for condition, level in (("control", 1.0), ("KD", fold * np.exp(0.1 * rng.normal()))):
            loaded = np.exp(0.2 * rng.normal())
            rows += [("N87", condition, r, f"m{r}", "GAPDH", 1000 * exposure * loaded),
                     ("N87", condition, r, f"m{r}", "CST3", 500 * exposure * loaded * level)]  # fmt: skip
    return pd.DataFrame(rows, columns=["line", "condition", "replicate", "membrane", "protein", "signal"])


def test_blots_are_compared_within_membranes_whatever_the_exposure():
    table = blot_table()
    row = validation.blot(table, loading="GAPDH", expected="lower").table.iloc[0]
    assert row["ci_low"] < 0.5 < row["ci_high"]
    assert row["p_value"] < 0.01
    assert row["met"] == "yes"
    brighter = table.assign(signal=table["signal"] * table["replicate"].map({0: 1, 1: 10, 2: 0.1, 3: 5.0}))
    np.testing.assert_allclose(validation.blot(brighter, loading="GAPDH").table["fold"], row["fold"])


def test_bad_tables_are_refused_with_their_row():
    with pytest.raises(InputError, match=r"row 2: unknown kind of read-out.*magic"):
        validation.readouts(values([1, 2, 3], [1, 2, 4], kind="magic"))
    with pytest.raises(InputError, match="row 2: a value is negative"):
        validation.readouts(values([1, 2, 3], [-1, 2, 4]))
    with pytest.raises(InputError, match="a percentage of cells is above 100"):
        validation.readouts(values([1, 2, 3], [101, 2, 4], kind="apoptosis", unit="%"))
    with pytest.raises(InputError, match="look like fractions"):
        validation.readouts(values([0.1, 0.2, 0.3], [0.1, 0.2, 0.4], unit="percent"))
    with pytest.raises(InputError, match="more colonies than plated"):
        validation.readouts(values([1, 2, 3], [1, 2, 300], kind="colony", plated=200))
    with pytest.raises(InputError, match="no reference gene 'GAPD'; did you mean 'GAPDH'"):
        validation.qpcr(qpcr_table(), reference_genes=["GAPD"])
    with pytest.raises(InputError, match="row 2: a Ct is not between"):
        validation.qpcr(qpcr_table().assign(ct=99), reference_genes=["GAPDH"])
    with pytest.raises(InputError, match="row 2: an efficiency must be the factor"):
        validation.qpcr(qpcr_table().assign(efficiency=98), reference_genes=["GAPDH"])
    without = blot_table().drop(index=2)
    with pytest.raises(InputError, match="row 4: the lane of this band has no loading control"):
        validation.blot(without, loading="GAPDH")
