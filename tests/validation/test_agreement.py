"""Agreement of RNA with protein and assays: scipy's correlation, the null, signs that are met, missed or open."""

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from scresist.checks import InputError
from scresist.contrasts.sentences import about_assay
from scresist.microenvironment.proteins import protein_against_rna
from scresist.run.bodies.bench import _not_compared
from scresist.validation.concordance import agreement, functional_agreement


def measured(n, slope, seed=1):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=n)
    samples = [f"S{i}" for i in range(n)]
    rna = pd.DataFrame({"MUC3A": x}, samples)
    proteins = pd.DataFrame({"sample": samples, "gene": "MUC3A", "evidence": "IHC",
                             "value": slope * x + rng.normal(size=n)})  # fmt: skip
    return rna, proteins, pd.Series([f"P{i}" for i in range(n)], samples)


def test_the_correlation_is_that_of_scipy_and_a_patient_counts_once():
    rna, proteins, patients = measured(20, 2.0)
    found = agreement(rna, proteins, patients).table.iloc[0]
    assert found["value"] == pytest.approx(stats.spearmanr(rna["MUC3A"], proteins["value"]).statistic)
    assert (found["n"], found["met"]) == (20, "yes")
    assert found["ci_low"] < found["value"] < found["ci_high"]
    assert "as expected" in found["sentence"]
    twice = patients.copy()
    twice.iloc[1] = twice.iloc[0]
    assert agreement(rna, proteins, twice).table["n"].iloc[0] == 19


def test_unrelated_rna_and_protein_are_called_at_the_stated_rate():
    p = [agreement(*measured(10, 0.0, s), rng=s).table["p_value"].iloc[0] for s in range(80)]
    assert np.mean(np.array(p) <= 0.05) <= 0.12  # SE 0.024


def test_genes_of_other_cells_and_of_few_counts_are_not_compared():
    focus = pd.DataFrame({"CST3": [100.0, 120], "CD8A": [6, 6], "PDCD1": [1, 1], "MUC3A": [900, 880]}, ["S1", "S2"])
    everywhere = focus + pd.DataFrame({"CST3": [300.0, 300], "CD8A": [80, 90], "PDCD1": [5, 5], "MUC3A": [0, 0]},
                                      ["S1", "S2"])  # fmt: skip
    found = _not_compared(focus, everywhere, "malignant cells")
    assert set(found) == {"CD8A", "PDCD1"}
    assert "less than a fifth" in found["CD8A"]
    assert found["PDCD1"] == "its RNA has 1.0 counts a sample in malignant cells; at least 2 are needed"
    assert _not_compared(everywhere, everywhere, "all cells") == {}


def test_what_cannot_be_correlated_has_a_reason():
    rna, proteins, patients = measured(4, 1.0)
    assert "at least 5 are needed" in agreement(rna, proteins, patients).table["reason"].iloc[0]
    other = agreement(rna, proteins.assign(gene="CST3"), patients).table.iloc[0]
    assert other["reason"] == "the RNA of CST3 was not measured"
    rna, proteins, patients = measured(9, 1.0)
    why = {"MUC3A": "its RNA is of other cells"}
    few = agreement(rna, proteins, patients, not_compared=why, cells="malignant cells").table.iloc[0]
    assert few["reason"] == "its RNA is of other cells"
    assert few["statistic"] == "Spearman's correlation with RNA of malignant cells"
    assert "same value" in agreement(rna, proteins.assign(value=1.0), patients).table["reason"].iloc[0]


def dose(ratio, p, test="CST3 OE"):
    return pd.DataFrame({"compound": ["T-DXd"], "line": ["NCI-N87"], "test": [test], "reference": ["control"],
                         "ratio": [ratio], "ci_low": [ratio * 0.7], "ci_high": [ratio * 1.4], "p_value": [p],
                         "n_test": [4], "n_reference": [5], "reason": [""]})  # fmt: skip


@pytest.mark.parametrize(
    ("change", "text", "ratio", "p", "met"),
    [(1.0, "CST3+", 3.0, 0.001, "yes"), (1.0, "CST3+", 0.3, 0.001, "no"), (1.0, "CST3-", 0.3, 0.001, "yes"),
     (-1.0, "CST3+", 0.3, 0.001, "yes"), (1.0, "CST3+", 3.0, 0.4, "open"), (np.nan, "CST3+", 3.0, 0.001, "open")],
)  # fmt: skip
def test_signs_are_those_that_the_rna_predicts(change, text, ratio, p, met):
    tests = {"validation_dose_ratios": dose(ratio, p)}
    found = functional_agreement(tests, pd.Series({"CST3": change}), {"CST3 OE": text}).table.iloc[0]
    assert found["met"] == met
    assert found["n"] == 4
    assert found["value"] == pytest.approx(np.log2(ratio))


def test_an_ic50_that_is_not_reached_is_judged_by_the_area_above_the_curve():
    """The case of a line that resists outright: no ratio of IC50, and the area tells."""
    beyond = dose(np.nan, 1e-5).assign(statistic="aac", aac_difference=-0.45, aac_low=-0.5, aac_high=-0.4,
                                       reason="IC50 not reached in 4 of 4")  # fmt: skip
    found = functional_agreement({"validation_dose_ratios": beyond}, pd.Series({"CST3": 1.0}), {"CST3 OE": "CST3+"})
    row = found.table.iloc[0]
    assert (row["met"], row["expected_sign"], row["value"]) == ("yes", -1, -0.45)
    assert row["reason"] == ""
    claim = about_assay("dose ratios", beyond.iloc[0].to_dict())
    assert claim.startswith("T-DXd acts less in NCI-N87 in CST3 OE than in control (difference of the area")
    assert "-0.50 to -0.40" in claim


def test_two_perturbations_of_a_gene_keep_a_row_each():
    tests = {"validation_dose_ratios": pd.concat([dose(0.4, 0.001, "si 1"), dose(0.5, 0.02, "si 2")])}
    found = functional_agreement(tests, pd.Series({"CST3": 1.0}), {"si 1": "CST3-", "si 2": "CST3-"}).table
    assert found["evidence"].nunique() == 2
    assert (found["met"] == "yes").all()


def test_release_and_apoptosis_count_the_other_way():
    kinetics = pd.DataFrame({"experiment": ["lysate"], "condition": ["CST3 OE"], "reference": ["control"],
                             "parameter": ["k ratio"], "value": [0.4], "ci_low": [0.3], "ci_high": [0.6],
                             "p_value": [0.001], "n_replicates": [4], "n_reference": [4], "reason": [""]})  # fmt: skip
    readouts = pd.DataFrame({"line": ["N87"], "kind": ["apoptosis"], "readout": ["annexin V"],
                             "test": ["CST3 OE"],
                             "scale": ["difference"], "effect": [12.0], "ci_low": [5.0], "ci_high": [19.0],
                             "p_value": [0.01], "n_test": [3], "n_reference": [3], "reason": [""]})  # fmt: skip
    tests = {"validation_kinetics": kinetics, "validation_readouts": readouts}
    found = functional_agreement(tests, pd.Series({"CST3": 1.0}), {"CST3 OE": "CST3+"}).table.set_index("evidence")
    assert found.loc["release of the payload, lysate, CST3 OE", "met"] == "yes"
    assert found.loc["annexin V in N87, CST3 OE", "met"] == "no"
    with pytest.raises(InputError, match="must be a gene and"):
        functional_agreement({}, pd.Series(dtype=float), {"x": "CST3"})


def test_antibodies_against_rna_have_the_same_correlation():
    """One kernel for antibodies of CITE-seq and for stains."""
    rna, proteins, patients = measured(12, 1.5, 4)
    table = pd.DataFrame({"protein": "MUC3A", "gene": "MUC3A", "cell_type": "malignant", "control": False,
                          "value": proteins["value"], "rna": rna["MUC3A"].to_numpy()})  # fmt: skip
    antibody = protein_against_rna(table).table.iloc[0]
    stain = agreement(rna, proteins, patients).table.iloc[0]
    np.testing.assert_allclose(antibody[["correlation", "ci_low", "ci_high"]].astype(float),
                               stain[["value", "ci_low", "ci_high"]].astype(float), rtol=1e-12)  # fmt: skip
    assert antibody["correlation"] == pytest.approx(stats.spearmanr(table["value"], table["rna"]).statistic)
