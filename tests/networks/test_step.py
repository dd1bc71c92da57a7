"""The step of the run: what it publishes, and what it adds where more is asked."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import sparse

import networks_cohort
import scresist as sr
from scresist.networks.selection import GeneChoice, select_genes
from scresist.results import read_table
from scresist.run.bodies.networks import MEANING, networks, settings_of
from scresist.run.step import Context, State
from scresist.study import Study
from scresist.study.design import Design
from scresist.study.settings import NetworksSection, Settings
from scresist.tables import TABLES

ASKED = {
    "study": {"name": "x", "samples": "s.csv", "patients": "p.csv"},
    "design": {"arms": ["baseline", "primary"]},
    "focus": {"compartment": "malignant", "keep_genes": ["G5", "NOPE"]},
    "networks": {"min_module_size": 15, "bootstraps": 2, "consensus": True, "fraction": 0.0, "n_genes": 5000},
}


@pytest.fixture(scope="module")
def published(tmp_path_factory):
    out = tmp_path_factory.mktemp("results")
    cells = networks_cohort.cohort()
    cells.obs["population"] = cells.obs["cell_type"]
    run = State(out, cohort=cells, step="networks")
    sheet = cells.obs[["sample", "patient", "arm"]].drop_duplicates().astype(str).set_index("sample")
    sheet["batch"] = ["B1", "B1", "B1", "B2", "B2", "B2"]
    third = [f"G{i}" for i in np.flatnonzero(networks_cohort.planted_labels() == 3)]
    raised = (cells.obs["sample"].astype(str).map(sheet["batch"]) == "B1").to_numpy()
    factor = np.where(np.outer(raised, cells.var_names.isin(third)), 3, 1)
    cells.layers["counts"] = sparse.csr_matrix(cells.layers["counts"].toarray() * factor)
    design = Design(("baseline", "primary"), (), sheet, batches=("batch",))
    study = Study(Path("study.toml"), Settings.model_validate(ASKED), design, sheet, pd.DataFrame())
    networks(run, study, Context(1))
    return run, out


def test_the_step_leaves_what_modules_rest_on(published):
    run, out = published
    names = {"modules", "module_scores", "module_catalogue", "hub_genes", "metacells", "network_genes", "power_table"}
    assert names <= set(run.results)
    assert all((out / file).exists() for file in (TABLES[name].path for name in run.results))
    net = sr.networks.load(out / "network.zip")
    catalogue = read_table(out / "tables" / "module_catalogue.csv")
    assert catalogue["module"].tolist() == net.names
    assert {"carried_by", "technical", "recurrence", "consensus_jaccard"} <= set(catalogue)
    genes = read_table(out / "tables" / "network_genes.csv")
    assert genes["kept"].sum() == len(net.genes)


def test_a_run_takes_every_detected_gene_of_a_large_cohort_however_little_it_varies():
    counts = sparse.csr_array(np.random.default_rng(0).poisson(0.5, (60, 9000)))
    names = ("fraction", "n_genes")
    chosen = GeneChoice("variable", **{name: settings_of(NetworksSection())[name] for name in names})
    variability = np.linspace(0.5, 2, 9000)
    report = select_genes(
        counts, pd.Index([f"G{i}" for i in range(9000)]), np.zeros(60, int), chosen, variability=variability
    )
    assert report["kept"].all()


def test_a_batch_of_the_sheet_reaches_the_modules(published):
    """Ingest writes no batch to the cells: the sheet is where a batch is known."""
    run, out = published
    assert "batch" not in run.cells.obs
    catalogue = read_table(out / "tables" / "module_catalogue.csv").set_index("module")
    module = run.table("modules").set_index("gene").loc["G80", "module"]
    assert catalogue.loc[module, "technical"] == "batch"


def test_every_table_has_the_same_interval_of_a_kme(published):
    """The candidates take theirs from the table of modules."""
    run, _ = published
    modules, hubs = (run.table(name).set_index("gene") for name in ("modules", "hub_genes"))
    columns = ["kme", "kme_low", "kme_high", "rank_low", "rank_high"]
    pd.testing.assert_frame_equal(modules.loc[hubs.index, columns], hubs[columns], check_dtype=False)
    view = run.table("gene_views").iloc[0]
    assert view["module"] == view["nearest"]
    assert tuple(view[["kme_low", "kme_high"]]) == tuple(modules.loc[view["gene"], ["kme_low", "kme_high"]])


def test_consensus_is_laid_beside_the_modules(published):
    run, out = published
    agreed = run.table("consensus_modules")
    mine = run.table("modules")
    for row in read_table(out / "tables" / "module_catalogue.csv").itertuples():
        genes = set(mine.loc[mine["module"] == row.module, "gene"])
        theirs = [set(g["gene"]) for name, g in agreed.groupby("module") if name != "unassigned"]
        np.testing.assert_allclose(row.consensus_jaccard, max(len(genes & g) / len(genes | g) for g in theirs))


def test_only_genes_that_were_measured_are_looked_up(published):
    run, _ = published
    assert run.table("gene_views")["gene"].tolist() == ["G5"]
    # The genes of the example have no real names: every collection is refused by name, and none is left silent.
    said = {r["what"] for r in run.refusals}
    assert {f"gene sets {name}" for name in MEANING} <= said


def test_a_study_of_three_patients_has_its_tables(tmp_path):
    """Their metacells have a column more: the part of the cells in which modules are proved."""
    cells = networks_cohort.cohort(n_patients=3)
    cells.obs["population"] = cells.obs["cell_type"]
    run = State(tmp_path, cohort=cells, step="networks")
    sheet = cells.obs[["sample", "patient", "arm"]].drop_duplicates().astype(str).set_index("sample")
    asked = ASKED | {"networks": ASKED["networks"] | {"bootstraps": 0, "consensus": False}}
    design = Design(("baseline", "primary"), (), sheet)
    networks(run, Study(Path("study.toml"), Settings.model_validate(asked), design, sheet, pd.DataFrame()), Context(1))
    assert set(run.table("metacells")["part"].astype(str)) == {"0", "1", "2", "3"}
    assert any("other cells of the same" in note for note in run.results["network_choices"].notes)


def test_a_study_without_programmes_keeps_the_tables(tmp_path):
    cells = networks_cohort.cohort()[:, 95:].copy()
    cells.obs["population"] = cells.obs["cell_type"]
    run = State(tmp_path, cohort=cells, step="networks")
    sheet = cells.obs[["sample", "patient", "arm"]].drop_duplicates().astype(str).set_index("sample")
    design = Design(("baseline", "primary"), (), sheet)
    networks(run, Study(Path("study.toml"), Settings.model_validate(ASKED), design, sheet, pd.DataFrame()), Context(1))
    assert {"metacells", "network_genes", "power_table", "network_choices", "module_candidates"} <= set(run.results)
    assert "modules" not in run.results
    assert "no group of genes" in run.refusals[-1]["reason"] or "no module is proved" in run.refusals[-1]["reason"]
