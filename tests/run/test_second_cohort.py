"""Modules in a second cohort: found again where they were planted, not where they were not, and clear errors."""

from dataclasses import replace
from pathlib import Path

import anndata as ad
import numpy as np
import pandas as pd
import pytest

import networks_cohort
import scresist as sr
from scresist import resources
from scresist.checks import InputError, RefusedError
from scresist.reading import read_annotated
from scresist.report.folder import Folder
from scresist.report.validation import validation as section
from scresist.results import Result, read_table
from scresist.run import second
from scresist.run.bodies.register import counted_sentences
from scresist.run.bodies.validation import NOT_PRESERVED, validation
from scresist.run.pipeline import run_study
from scresist.run.preflight import check_files
from scresist.run.step import Context, State
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import Study, read_study
from scresist.study.design import Contrast, Design
from scresist.study.settings import Settings
from tiny import write_study

GIVEN = {
    "study": {"name": "first"},
    "design": {"arms": ["baseline", "primary"]},
    "focus": {"compartment": "malignant"},
    "validation": {"cohort": "second.h5ad", "permutations": 100, "consensus": True},
}
GENES = resources.genes()[lambda table: (table["type"] == "protein-coding") & ~table["ensembl"].duplicated(keep=False)]
SYMBOLS = sorted(GENES.index)[::50][: networks_cohort.N_GENES]
CONTRAST = Contrast("primary", "primary", "baseline")


def named(**changes) -> ad.AnnData:
    """Planted cells whose genes have official symbols, which no reader changes."""
    cells = networks_cohort.cohort(**changes)
    cells.var_names = SYMBOLS
    return cells


@pytest.fixture(scope="module")
def net():
    cells = named()
    return sr.networks.build(cells, groupby=("patient", "sample"), compartment="malignant", fraction=0.0)


def other(seed: int = 7, **changes) -> ad.AnnData:
    """Cells of other patients, in an order and with names of their own."""
    cells = named(seed=seed, **changes)
    cells.obs["patient"] = "Q" + cells.obs["patient"].astype(str)
    cells.obs["sample"] = "Q" + cells.obs["sample"].astype(str)
    return cells


def malignant(cells: ad.AnnData) -> ad.AnnData:
    return cells[(cells.obs["malignancy"] == "malignant").to_numpy()]


def study_of(folder: Path, cells: ad.AnnData, **changes) -> Study:
    """A study whose second cohort is these cells as an h5ad."""
    cells.write_h5ad(folder / "second.h5ad")
    sheet = networks_cohort.cohort().obs[["sample", "patient", "arm"]].drop_duplicates().astype(str).set_index("sample")
    design = Design(("baseline", "primary"), (CONTRAST,), sheet)
    settings = Settings.model_validate({**GIVEN, **changes})
    return Study(folder / "study.toml", settings, design, sheet, pd.DataFrame())


def ran(folder: Path, net, study: Study) -> State:
    net.save(folder / "network.zip")
    state = State(folder, cohort=named(), step="validation")
    state.results["modules"] = Result(net.modules)
    first = sr.contrasts.modules(net.scores, study.design)
    state.results["module_contrasts"] = first
    validation(state, study, Context(1))
    return state


@pytest.fixture(scope="module")
def found(net, tmp_path_factory):
    folder = tmp_path_factory.mktemp("second")
    return ran(folder, net, study_of(folder, other()))


def test_the_same_cells_give_the_expression_that_the_network_was_built_from(net):
    """The query is made as the network is."""
    query = sr.networks.in_other_cells(net, malignant(named()))
    pd.testing.assert_frame_equal(query.expression, net.expression[query.expression.columns], rtol=1e-4, atol=1e-4)
    assert query.missing == ()


def test_planted_modules_are_preserved_in_other_patients(found, net):
    table = found.table("validation_preservation").set_index("module")
    assert table.index.tolist() == net.names
    assert table["preserved"].all()
    assert (table["z_summary"] > 4).all()
    assert (table["z_summary"] > 2 * table["z_summary_chance"]).all()
    assert (table["n_found"] == table["n_genes"]).all()
    assert table["n_patients"].unique().tolist() == [6]
    agreed = found.table("validation_consensus")
    assert (agreed.loc[agreed["module"] != "unassigned", "jaccard"] > 0.8).all()
    scores = found.table("validation_scores")
    assert len(scores) == 6 * len(net.names)
    assert scores["patient"].str.startswith("QP").all()


def test_random_sets_and_a_cohort_without_programmes_are_not(net):
    """Random genes of the network are no module of the planted cohort, nor are the modules where none was planted."""
    genes = np.random.default_rng(3).permutation(net.genes)
    random = net.replace(modules=net.modules.assign(gene=genes), gene_report=net.gene_report)
    random = random.replace(expression=net.expression[genes])
    query = sr.networks.in_other_cells(net, malignant(other()))
    table = sr.networks.preserved_modules(random, query, n_permutations=100).table
    assert not table["preserved"].any()
    assert (table["p_value"] > 0.02).all()
    silent = sr.networks.in_other_cells(net, malignant(other(programmes=False)))
    table = sr.networks.preserved_modules(net, silent, n_permutations=100).table
    assert not table["preserved"].any()
    assert (table["z_summary"] < 3).all()


def test_missing_genes_are_counted_and_named(net):
    cells = malignant(other())
    lost = net.members(net.names[0])["gene"].iloc[:3].tolist()
    query = sr.networks.in_other_cells(net, cells[:, ~cells.var_names.isin(lost)])
    assert sorted(query.missing) == sorted(lost)
    table = sr.networks.preserved_modules(net, query, n_permutations=100).table
    assert table["n_found"].iloc[0] == table["n_genes"].iloc[0] - 3
    assert set(table["genes_missing"].iloc[0].split()) == set(lost)
    with pytest.raises(RefusedError, match=r"0 of the .* genes"):
        sr.networks.in_other_cells(net, renamed(cells))


def test_cohorts_that_share_few_genes_are_refused():
    genes = pd.Index(list("abcdefgh"))
    second.require_shared(genes, genes[4:].append(pd.Index(list("xyz"))))
    with pytest.raises(RefusedError, match="share 3 genes"):
        second.require_shared(genes, genes[:3].append(pd.Index(list("vwxyz"))))


def renamed(cells: ad.AnnData) -> ad.AnnData:
    cells = cells.copy()
    cells.var_names = [f"X{i}" for i in range(cells.n_vars)]
    return cells


def test_arms_are_tested_by_the_engine_of_the_first_cohort(found, net):
    table = found.table("validation_modules")
    sheet = found.table("validation_scores").drop_duplicates("sample").set_index("sample")[["patient", "arm"]]
    design = Design(("baseline", "primary"), (CONTRAST,), sheet)
    own = found.table("validation_scores")[["sample", "module", "score", "n_cells"]]
    expected = sr.contrasts.modules(own, design, rng=1).table
    for column in ("effect", "ci_low", "ci_high", "p_value", "q_value", "n_test"):
        np.testing.assert_allclose(table[column], expected[column])
    first = found.table("module_contrasts").set_index("module")["effect"]
    assert (table.set_index("module")["first_effect"] - first[table["module"]]).abs().max() < 1e-12
    same = np.sign(table["effect"]) == np.sign(table["first_effect"])
    assert table["same_direction"].astype(bool).tolist() == same.tolist()


def test_the_register_and_the_page_have_the_second_cohort(found):
    kinds = [kind for kind, *_ in counted_sentences(found)]
    assert kinds.count("preservation") == 1
    assert kinds.count("replication") == 1
    claims = sr.contrasts.register_claims(
        {"validation": found.table("validation_modules")},
        Design(("baseline", "primary"), (CONTRAST,), networks_cohort.cohort().obs[["patient", "arm", "sample"]]
               .drop_duplicates().astype(str).set_index("sample")), files={"validation": "validation_modules"},
    ).table  # fmt: skip
    own = claims[claims["kind"] == "validation"]
    assert len(own) == len(found.table("validation_modules"))
    assert own["statement"].str.startswith("Second cohort: module").all()
    assert set(own["verdict"]) <= {"supported", "suggestive", "not supported", "refused"}


def test_a_module_that_is_not_preserved_is_suggestive_at_most(net, tmp_path):
    state = ran(tmp_path, net, study_of(tmp_path, other(programmes=False)))
    table = state.table("validation_modules")
    assert (table["weak"] == NOT_PRESERVED).all()
    strong = table.assign(p_value=1e-6, q_value=1e-5, p_permutation=0.001, rests_on_one=False, reason="")
    judge = sr.contrasts.claims.Judge({}, {}, {("validation", "primary"): 0.05})
    assert set(judge.verdicts("validation", strong)) == {"suggestive"}


def test_contrasts_match_by_resistance_and_then_by_name():
    sheet = pd.DataFrame({"patient": ["a", "b"], "arm": ["pre", "pd"]}, index=["a", "b"])
    first = Design(("x", "y"), (Contrast("primary", "x", "y"), Contrast("other", "x", "y")), sheet)
    theirs = Design(("pre", "pd"), (Contrast("early", "pd", "pre", "auto", "primary"),), sheet)
    (shared,) = second._shared_design(first, theirs).contrasts
    assert (shared.name, shared.test, shared.reference) == ("primary", "pd", "pre")
    assert second._shared_design(first, replace(theirs, contrasts=(Contrast("early", "pd", "pre"),))) is None


def test_names_of_another_kind_become_the_same_symbols(tmp_path):
    """Ensembl ids with versions, and an old symbol, are the genes of the first cohort."""
    cells = other()
    cells.var_names = [f"{e}.7" for e in resources.genes().loc[SYMBOLS, "ensembl"]]
    cells.obs.loc[cells.obs_names[:3], "patient"] = None
    cells.write_h5ad(tmp_path / "ids.h5ad")
    read = read_annotated(tmp_path / "ids.h5ad", "ids.h5ad", organism="human")
    assert read.var_names.tolist() == SYMBOLS
    assert read.n_obs == cells.n_obs - 3


def problems_of(study: Study) -> str:
    return "\n".join(str(p) for p in second.examine_second(study))


def test_what_an_annotated_cohort_must_have(tmp_path):
    good = other()
    assert problems_of(study_of(tmp_path, good.copy())) == ""
    bad = good.copy()
    del bad.obs["patient"], bad.obs["malignancy"]
    text = problems_of(study_of(tmp_path, bad))
    assert "no column 'patient'" in text
    assert "no cell is in the compartment 'malignant'" in text
    mixed = good.copy()
    mixed.obs["patient"] = np.resize(["P1", "P2"], mixed.n_obs)
    assert "has 2 values of 'patient'" in problems_of(study_of(tmp_path, mixed))
    mouse = good.copy()
    mouse.var_names = [f"Gene{chr(97 + i % 26)}{i}" for i in range(mouse.n_vars)]
    assert "mouse genes" in problems_of(study_of(tmp_path, mouse))
    fractions = good.copy()
    fractions.layers["counts"] = fractions.layers["counts"].astype(float) * 0.5
    study = study_of(tmp_path, fractions)
    assert "not integer" in "\n".join(str(p) for p in second.inspect_second(study, frozenset(good.var_names)))
    study = study_of(tmp_path, good.copy())
    assert "share 0 genes" in "\n".join(str(p) for p in second.inspect_second(study, frozenset(["A", "B"])))
    assert "300 of 300 genes" in "\n".join(str(p) for p in second.inspect_second(study, frozenset(good.var_names)))
    (tmp_path / "second.csv").write_text("x")
    study = study_of(tmp_path, good, validation={"cohort": "second.csv"})
    assert "neither a study file nor an h5ad" in problems_of(study)


def test_cells_of_the_first_cohort_in_the_second_are_found_whatever_their_names(tmp_path):
    """The same cells, of other patients' names, in another order and with a part of the genes, are no second cohort."""
    from scresist import reading

    first, theirs = named(), other(seed=7)
    mixed = ad.concat([theirs, named()[::3]], join="inner", index_unique="-")
    mixed.obs["patient"], mixed.obs["sample"] = "Q1", np.resize(["Q1", "Q2"], mixed.n_obs)
    mixed = mixed[np.random.default_rng(1).permutation(mixed.n_obs)].copy()
    study, prints = study_of(tmp_path, mixed), tuple(reading.prints_by_sample(first))
    genes = frozenset(first.var_names)
    text = "\n".join(str(p) for p in second.inspect_second(study, genes, prints))
    assert "of the second cohort with equal counts" in text
    assert "the cells that formed them" in text
    with pytest.raises(RefusedError, match="of the second cohort with equal counts"):
        second.require_other_cells(first, mixed)
    second.require_other_cells(first, theirs)
    assert not any(p.severity == "error" for p in second.inspect_second(study_of(tmp_path, theirs), genes, prints))


def test_what_a_second_study_must_be(tmp_path):
    path = write_study(tmp_path / "a")
    body = path.read_text()

    def text(cohort: str) -> str:
        path.write_text(body + f'\n[validation]\ncohort = "{cohort}"\n')
        return "\n".join(str(p) for p in check_files(read_study(path)))

    with pytest.raises(InputError, match=r"validation\.cohort does not exist"):
        text("../b/study.toml")
    write_study(tmp_path / "b")
    assert "4 names of patients are in both cohorts" in text("../b/study.toml")
    assert not any(p.severity == "error" for p in check_files(read_study(path)))
    assert "the study itself" in text("study.toml")
    sheet = (tmp_path / "b" / "samples.csv").read_text()
    (tmp_path / "b" / "samples.csv").write_text(sheet.replace(",S1,", ",../a/S1,"))
    assert "read by both cohorts" in text("../b/study.toml")
    (tmp_path / "b" / "samples.csv").write_text(sheet.replace("primary", "first"))
    assert "../b/study.toml: samples.csv" in text("../b/study.toml")
    (tmp_path / "b" / "samples.csv").write_text(sheet)
    other_toml = tmp_path / "b" / "study.toml"
    other_toml.write_text(other_toml.read_text().replace("seed = 1", 'seed = 1\norganism = "mouse"'))
    assert "is mouse and the study is human" in text("../b/study.toml")


def test_arms_of_the_second_cohort_have_the_order_and_colours_of_the_study():
    """The tests are sorted by p, so that acquired comes first; the study's order is baseline, primary, acquired."""
    from scresist.report import validation as section

    class Page:
        arms = ("baseline", "primary", "acquired")

        @staticmethod
        def table(name):
            rows = [(f"{arm}{k}", arm, "M1", float(k)) for arm in ("acquired", "baseline", "primary") for k in range(3)]
            return pd.DataFrame(rows, columns=["patient", "arm", "module", "score"])

    seen = []
    tested = pd.DataFrame({"module": "M1", "arm_reference": "baseline", "arm_test": ["acquired", "primary"]})
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(section, "strip", lambda points, arms, unit: seen.append(arms) or "")
        section._strips(Page(), tested)
    assert seen == [["baseline", "primary", "acquired"]]


@pytest.mark.slow
def test_two_simulated_cohorts_from_their_sheets_to_the_page(tmp_path):
    """Both are read by the same steps; what an earlier run of the second left is used only where it matches."""
    plan = Plan(patients={"baseline": 4, "primary": 4}, pairs=0, cells=160, n_genes=3000, seed=5)
    first = write_cohort(simulate(plan), tmp_path / "a")
    later = write_cohort(simulate(replace(plan, seed=6), like=plan), tmp_path / "b")
    first.write_text(first.read_text() + '\n[validation]\ncohort = "../b/study.toml"\ncohort_results = "../rb"\n')
    run_study(read_study(later), tmp_path / "rb", until="malignancy")
    out = run_study(read_study(first), tmp_path / "ra")
    assert not (out / "second_cohort").exists()
    table = read_table(out / "tables" / "validation_preservation.csv")
    planted = simulate(plan).truth["modules"]["primary"]["genes"]
    modules = read_table(out / "tables" / "modules.csv")
    best = modules[modules["gene"].isin(planted)]["module"].mode()[0]
    assert table.set_index("module").loc[best, "preserved"]
    shown = section(Folder(out))
    assert shown is not None
    assert len(shown.blocks[0]["entries"]) == 2
    again = first.read_text()
    later.write_text(later.read_text().replace("[networks]", "[quality]\nn_mads = 4.0\n\n[networks]"))
    notes = []
    run_study(read_study(first), out, say=notes.append)
    assert any(line.startswith("validation: ") and "done before" not in line for line in notes)
    assert "networks: done before" in notes
    assert (out / "second_cohort" / "tables" / "quality.csv").exists()
    assert first.read_text() == again
