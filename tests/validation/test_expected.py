"""Directions that a file predicts: read from its column `expected`, decided by the test, refused where they clash."""

import numpy as np
import pandas as pd
import pytest

from scresist import validation
from scresist.checks import InputError
from scresist.tables import check
from scresist.validation.concordance import functional_agreement
from scresist.validation.expression import expression_points
from scresist.validation.rates import kinetics_points


def release(slower=0.3):
    rng, time = np.random.default_rng(1), np.array([0, 1, 2, 4, 8, 16.0])
    rows = [(c, r, t, 90 * (1 - np.exp(-k * np.exp(0.05 * rng.normal()) * t)) + 0.3 * rng.normal())
            for c, k in (("control", 0.4), ("CST3 OE", 0.4 * slower)) for r in range(4) for t in time]  # fmt: skip
    return pd.DataFrame(rows, columns=["condition", "replicate", "time", "released"])


def pairs(synergy=15.0):
    rng = np.random.default_rng(2)
    doses = (0.0, 0.1, 0.3, 1.0, 3.0)
    rows = [
        ("N87", "c", "T-DXd", "E-64", a, b, r,
         100 / (1 + a) / (1 + b / 2) - (synergy if a * b > 0 else 0) * 0.5 + rng.normal())
        for r in range(4) for a in doses for b in doses
    ]  # fmt: skip
    names = ["line", "condition", "drug_a", "drug_b", "dose_a_um", "dose_b_um", "replicate", "response"]
    return pd.DataFrame(rows, columns=names)


@pytest.mark.parametrize(("expected", "met"), [("lower", "yes"), ("Higher", "no"), ("", "")])
def test_kinetics_have_the_direction_of_the_file(expected, met):
    table = release()
    table["expected"] = np.where(table["condition"] == "CST3 OE", expected, "")
    out = validation.kinetics(table).table
    check("validation_kinetics", out)
    row = out[out["parameter"] == "k ratio"].iloc[0]
    assert (row["expected"], row["met"]) == (expected.lower(), met)
    assert (out.loc[out["parameter"] == "plateau ratio", "expected"] == "").all()


def test_an_argument_stands_before_the_file_and_no_effect_is_open():
    table = release(1.0).assign(expected="lower")
    out = validation.kinetics(table, expected="higher").table
    row = out[out["parameter"].isin(["k ratio"])].iloc[0]
    assert (row["expected"], row["met"]) == ("higher", "open")


def test_combinations_have_the_direction_of_the_file_on_their_mean():
    out = validation.combinations(pairs().assign(expected="higher"), models=["bliss"]).table
    check("validation_combinations", out)
    whole = out[out["dose_a_um"].isna()].iloc[0]
    assert whole["synergy"] > 3
    assert (whole["expected"], whole["met"]) == ("higher", "yes")
    assert (out.loc[out["dose_a_um"].notna(), "expected"] == "").all()
    against = validation.combinations(pairs(), models=["bliss"], expected="lower").table
    assert against["met"].iloc[0] == "no"


def test_readouts_doses_qpcr_and_blots_read_it_too():
    rows = [("N87", c, r, "invasion", v) for c, values in (("control", (90, 100, 110)), ("KD", (40, 50, 55)))
            for r, v in enumerate(values)]  # fmt: skip
    table = pd.DataFrame(rows, columns=["line", "condition", "replicate", "readout", "value"])
    table["expected"] = table["condition"].map({"control": None, "KD": "lower"})
    assert validation.readouts(table).table["met"].tolist() == ["yes"]
    doses = 10.0 ** np.linspace(-3, 1, 7)
    wells = pd.DataFrame([("N87", c, "T-DXd", d, r, 100 / (1 + d / (ic * (1 + 0.1 * r)))) for c, ic in
                          (("control", 0.1), ("KD", 0.02)) for r in range(3) for d in doses],
                         columns=["line", "condition", "compound", "dose_um", "replicate", "response"])  # fmt: skip
    wells["expected"] = np.where(wells["condition"] == "KD", "lower", "")
    assert validation.dose_ratios(wells).table[["expected", "met"]].to_numpy().tolist() == [["lower", "yes"]]
    levels = pd.DataFrame([("N87", c, r, g, v + 0.1 * r * (g == "CST3")) for c, shift in (("control", 0), ("KD", 3))
                           for r in range(3) for g, v in (("GAPDH", 18.0), ("CST3", 25.0 + shift))],
                          columns=["line", "condition", "replicate", "gene", "ct"])  # fmt: skip
    levels["ct"] += 0.05 * np.arange(len(levels)) % 0.13
    levels["expected"] = np.where((levels["condition"] == "KD") & (levels["gene"] == "CST3"), "lower", "")
    assert validation.qpcr(levels, reference_genes="GAPDH").table["met"].tolist() == ["yes"]
    points = expression_points(levels.drop(columns="expected"), assay="qpcr", controls="GAPDH").table
    check("validation_expression_points", points)
    mean = points.groupby("condition")["level"].mean()
    assert mean["KD"] - mean["control"] == pytest.approx(-3, abs=0.1)


def test_wrong_words_and_two_directions_are_refused_with_their_row():
    table = release()
    with pytest.raises(InputError, match=r"row 3: expected must be higher or lower.*'sideways'"):
        validation.kinetics(table.assign(expected=["", "sideways", *[""] * (len(table) - 2)]))
    with pytest.raises(InputError, match="row 3: expected is higher in one row and lower in another"):
        validation.kinetics(table.assign(expected=["higher", "lower", *[""] * (len(table) - 2)]))


def test_points_of_kinetics_are_the_means_of_repeats():
    table = release()
    twice = pd.concat([table, table.assign(released=table["released"] + 1)])
    out = kinetics_points(twice).table
    check("validation_kinetics_points", out)
    np.testing.assert_allclose(out["released"], table["released"] + 0.5)


def test_a_drug_that_lowers_a_gene_is_set_against_its_rna_by_synergy():
    """CTSL is higher in resistant tumours: its inhibitor should sensitise, which is synergy."""
    tests = {"validation_combinations": validation.combinations(pairs(), models=["bliss", "hsa"]).table}
    found = functional_agreement(tests, pd.Series({"CTSL": 1.2}), {"E-64": "CTSL-"}).table
    assert len(found) == 1
    assert (found["met"].iloc[0], found["expected_sign"].iloc[0]) == ("yes", 1)
    other = functional_agreement(tests, pd.Series({"CTSL": -1.2}), {"E-64": "CTSL-"}).table
    assert other["met"].iloc[0] == "no"
