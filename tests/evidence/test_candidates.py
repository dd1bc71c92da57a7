"""The ranking joins evidence that was made by hand, and doubts what is not a factor of the compartment."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist.evidence import COLUMNS, change_in_others, doubts, rank, sensitivity, technical
from scresist.evidence.ranking import TRUST, WEIGHTS
from scresist.results import Result
from scresist.study.design import Contrast, Design

GENES = ["HUB", "MEMBER", "LONER", "SOUP", "HOUSE", "BATCH", "QUIET"]


def expression() -> pd.DataFrame:
    """Malignant cells change in the first six genes; every other population changes in SOUP, and in HUB by its soup."""
    own = pd.DataFrame({
        "cell_type": "malignant", "contrast": "primary", "gene": GENES,
        "log2fc": [2.0, 1.0, 2.0, 2.0, 2.0, 2.0, 0.1], "shrunken_log2fc": [1.8, 0.9, 1.8, 1.8, 1.8, 1.8, 0.0],
        "p_value": [1e-6, 1e-5, 1e-6, 1e-6, 1e-6, 1e-6, 0.8], "q_value": [1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 0.9],
        "p_floor": 0.002, "influence": 0.1, "rests_on_one": False, "ci_low": 0.5, "ci_high": 3.0,
    })  # fmt: skip
    others = [
        own.assign(cell_type=name, log2fc=[2.0, 0.1, -0.1, 1.9, 0.05 * sign, 0.2 * sign, 0.1])
        for name, sign in (("T cell", 1), ("macrophage", -1), ("fibroblast", 1), ("B cell", -1))
    ]
    return pd.concat([own, *others], ignore_index=True)


def provenance() -> pd.DataFrame:
    return pd.DataFrame(
        {"compartment_share": 0.6, "ambient_risk": [0.05] * 7, "cells_share": 0.5,
         "preference": [0.95, 0.8, 0.5, 0.5, 0.5, 0.5, 0.5]}, index=pd.Index(GENES, name="gene"),
    )  # fmt: skip


MODULES = pd.DataFrame({"module": "M1", "gene": ["HUB", "MEMBER"], "kme": [0.9, 0.6], "stability": [1.0, 0.8]})
TESTED = pd.DataFrame({"module": ["M1"], "contrast": "primary", "effect": [2.0], "p_value": [1e-4], "q_value": [1e-3]})


def ranked(**more: object) -> pd.DataFrame:
    own = expression()
    own = own[own["cell_type"] == "malignant"]
    given = {"modules": MODULES, "module_contrasts": TESTED, **more}
    return rank(own, provenance(), **given).table.set_index("gene")


def test_change_elsewhere_is_the_median_of_the_other_populations():
    found = change_in_others(expression(), "malignant").xs("primary", level="contrast")
    assert found.loc["SOUP", "change_elsewhere"] == pytest.approx(1.9)
    assert found.loc["HOUSE", "change_elsewhere"] == pytest.approx(0.0)
    assert found.loc["HOUSE", "same_elsewhere"] == pytest.approx(0.5)
    assert (found["n_elsewhere"] == 4).all()


def test_what_all_cells_show_is_doubted_and_a_gene_of_the_compartment_is_not():
    plain, table = ranked(), ranked(others=change_in_others(expression(), "malignant"))
    assert plain.loc["SOUP", "verdict"] == "supported"
    assert table.loc["SOUP", "verdict"] == "not supported"
    assert "all other cells" in table.loc["SOUP", "why"]
    assert table.loc["SOUP", "score"] < 0.1 * plain.loc["SOUP", "score"]
    for gene in ("HUB", "HOUSE", "LONER"):  # the hub's soup moves with it in all cells
        assert table.loc[gene, "verdict"] == "supported"
        assert table.loc[gene, "score"] == pytest.approx(plain.loc[gene, "score"])


def test_a_little_of_a_change_in_all_cells_is_no_doubt_and_one_half_is():
    row = {"gene": "A", "ambient_risk": 0.0, "preference": 0.5, "log2fc": 2.0, "n_elsewhere": 4, "same_elsewhere": 1.0}
    table = pd.DataFrame([{**row, "change_elsewhere": c} for c in (0.0, 0.9, 1.0, 2.0, 3.0)])
    assert doubts(table)["elsewhere"].tolist() == [0.0, 0.0, 0.5, 1.0, 1.0]


def test_the_score_is_the_weighted_mean_of_the_lines_less_the_doubts():
    table = ranked(others=change_in_others(expression(), "malignant"))
    row = table.loc["MEMBER"]
    change = 5 / 7 * 0.9 / 1.9
    module = 4 / 6 * (0.6 / 0.9) ** 2 * 0.8
    expected = (change + module) / 2 * (1 - 0.25 * 0.2) * (1 - 0.5 * 0.1) * (1 - 0.05)
    assert row["score"] == pytest.approx(expected)
    assert list(rank(expression().query("cell_type == 'malignant'"), provenance()).table.columns) == list(COLUMNS)
    assert table["rank"].is_monotonic_increasing
    assert table.index[0] == "HUB"


def test_a_gene_that_no_module_holds_takes_a_stricter_level():
    own = expression().query("cell_type == 'malignant'").assign(q_value=0.03)
    with_network = rank(own, provenance(), modules=MODULES, module_contrasts=TESTED).table.set_index("gene")["verdict"]
    assert with_network[["HUB", "MEMBER"]].eq("supported").all()
    assert with_network[["LONER", "HOUSE"]].eq("suggestive").all()
    assert rank(own, provenance()).table.set_index("gene").loc["LONER", "verdict"] == "supported"
    still = rank(own, provenance(), modules=MODULES, module_contrasts=TESTED.assign(q_value=0.2)).table
    assert set(still.set_index("gene").loc[["HUB", "MEMBER"], "verdict"]) == {"suggestive"}


def test_genes_of_technical_lists_are_doubted():
    own = expression().query("cell_type == 'malignant'").replace({"gene": {"HOUSE": "TOP2A"}})
    table = rank(own, provenance().rename(index={"HOUSE": "TOP2A"})).table.set_index("gene")
    assert table.loc["TOP2A", "verdict"] == "not supported"
    assert "G2/M phase" in table.loc["TOP2A", "why"]
    assert table["doubt_listed"].drop("TOP2A").eq(0).all()


def cohort() -> tuple[ad.AnnData, Design]:
    """Twelve samples of 20 cells; BATCH goes with a batch that is nearly the arm, HUB with the arm alone."""
    rng = np.random.default_rng(4)
    arm = np.repeat(["baseline", "primary"], 6)
    batch = np.array(["B1", "B1", "B1", "B1", "B1", "B2", "B2", "B2", "B2", "B2", "B2", "B1"])
    samples = pd.DataFrame({"patient": [f"P{i}" for i in range(12)], "arm": arm, "batch": batch},
                           index=pd.Index([f"S{i}" for i in range(12)], name="sample"))  # fmt: skip
    mean = np.full((12, len(GENES) + 40), 20.0)
    mean[:, GENES.index("HUB")] *= np.where(arm == "primary", 4, 1)
    mean[:, GENES.index("BATCH")] *= np.where(batch == "B2", 6, 1)
    mean *= np.exp(rng.normal(0, 0.05, mean.shape))
    counts = rng.poisson(np.repeat(mean, 20, axis=0))
    obs = pd.DataFrame({"sample": pd.Categorical(np.repeat(samples.index, 20))})
    obs["patient"] = pd.Categorical(np.repeat(samples["patient"].to_numpy(), 20))
    obs.index = pd.Index([f"c{i}" for i in range(240)])
    var = pd.DataFrame(index=GENES + [f"G{i}" for i in range(40)])
    matrix = sparse.csr_matrix(counts)
    design = Design(("baseline", "primary"), (Contrast("primary", "primary", "baseline"),), samples)
    return ad.AnnData(matrix, obs=obs, var=var, layers={"counts": matrix}), design


def test_what_goes_with_a_batch_within_arms_loses_its_change():
    cells, design = cohort()
    found = technical(cells, np.ones(cells.n_obs, bool), design).xs("primary", level="contrast")
    assert found.loc["BATCH", "technical_source"] == "batch"
    assert found.loc["BATCH", "technical_p"] < 1e-4
    assert abs(found.loc["BATCH", "change_kept"]) < 0.2
    assert found.loc["HUB", "change_kept"] == pytest.approx(1.0, abs=0.2)
    table = ranked(technical=technical(cells, np.ones(cells.n_obs, bool), design))
    assert table.loc["BATCH", "verdict"] == "not supported"
    assert "goes with batch" in table.loc["BATCH", "why"]
    assert table.loc["HUB", "verdict"] == "supported"


def test_the_models_are_least_squares():
    cells, design = cohort()
    found = technical(cells, np.ones(cells.n_obs, bool), design).xs("primary", level="contrast")
    sums = pd.DataFrame(cells.layers["counts"].toarray(), columns=cells.var_names).groupby(
        cells.obs["sample"].to_numpy()).sum().reindex(design.samples.index)  # fmt: skip
    values = np.log2((sums["BATCH"] + 0.5) / (sums.sum(axis=1) + 1) * 1e6).to_numpy()
    arm = (design.samples["arm"] == "primary").to_numpy(float)
    batch = (design.samples["batch"] == "B2").to_numpy(float)
    alone = values[arm == 1].mean() - values[arm == 0].mean()
    X = np.column_stack([np.ones(12), arm, batch])
    beside = np.linalg.solve(X.T @ X, X.T @ values)[1]
    assert found.loc["BATCH", "change_kept"] == pytest.approx(beside / alone)


def test_too_few_patients_are_not_judged():
    cells, design = cohort()
    few = Design(design.arms, design.contrasts, design.samples.iloc[[0, 1, 6]])
    found = technical(cells, np.ones(cells.n_obs, bool), few)
    assert found["technical_p"].isna().all()
    assert ranked(technical=found).loc["HUB", "doubt_technical"] == 0


def test_sensitivity_of_unchanged_weights_is_none_and_a_lost_line_moves_genes():
    own = expression().query("cell_type == 'malignant'")
    result = rank(own, provenance(), modules=MODULES, module_contrasts=TESTED)
    table = sensitivity(result, top=2).table
    assert set(table["line"]) == {*WEIGHTS, *TRUST}
    assert table["kept"].between(0, 2).all()
    without = table[(table["line"] == "module") & (table["factor"] == 0)].iloc[0]
    assert without["first_becomes"] == 1  # the hub leads by its change and its specificity too
    lone = Result(result.table.head(1), "one gene")
    assert (sensitivity(lone, top=1).table["kept"] == 1).all()
