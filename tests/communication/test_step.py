"""The step of a run: which tables it leaves, what they hold, and what it notes where it cannot go on."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from planted_signals import cohort, design
from scipy import sparse

from scresist import tables
from scresist.checks import InputError
from scresist.communication import infer, interaction_table, responses
from scresist.run.bodies.communication import communication
from scresist.run.step import Context, State
from scresist.study.settings import CommunicationSection

TESTED = {
    "contrast",
    "effect",
    "ci_low",
    "ci_high",
    "p_value",
    "p_floor",
    "q_value",
    "n_test",
    "n_reference",
    "n_pairs",
}


def cells_with_responses():
    adata = cohort(per_arm=4, planted=2.0)
    genes = [g for g in responses()["TGFb"] if g not in adata.var_names][:60]
    more = np.log1p(np.random.default_rng(0).poisson(1.0, (adata.n_obs, len(genes))) * 2.5)
    import anndata

    out = anndata.AnnData(sparse.csr_matrix(np.hstack([adata.X.toarray(), more])), obs=adata.obs,
                          var=pd.DataFrame(index=[*adata.var_names, *genes]))  # fmt: skip
    out.obs["population"] = out.obs["cell_type"]
    return out


def with_counts(adata, depth=2000):
    """The cells with counts of about that depth beside their log-normalised values."""
    rng = np.random.default_rng(1)
    rate = np.expm1(adata.X.toarray())
    total = np.broadcast_to(depth, adata.n_obs)[:, None] * rng.lognormal(0, 0.2, (adata.n_obs, 1))
    adata.layers["counts"] = sparse.csr_matrix(rng.poisson(rate / rate.sum(axis=1, keepdims=True) * total))
    return adata


def step(adata, folder, mode="sound", **settings):
    own = CommunicationSection(permutations=20, **settings)
    study = SimpleNamespace(
        settings=SimpleNamespace(communication=own, study=SimpleNamespace(organism="human")), design=design(adata),
        folder=Path(folder),
    )  # fmt: skip
    run = State(Path(folder), cohort=adata if "counts" in adata.layers else with_counts(adata), step="communication")
    communication(run, study, Context(1, mode=mode))
    return run


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    return step(cells_with_responses(), tmp_path_factory.mktemp("results"))


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("communication", {"sample", "source", "target", "ligand", "receptor", "probability", "p_value", "q_value"}),
        ("communication_evidence", {"source", "target", "interaction", "share_samples", "ligand_ambient_share"}),
        ("communication_scores", {"source", "target", "interaction", "specificity", "aggregate", "n_high"}),
        ("communication_samples", {"level", "sample", "source", "target", "pathway", "value"}),
        ("signal_chain", {"pathway", "step", "group", "sample", "value"}),
        ("flow_contrasts", {"pathway", *TESTED}),
        ("communication_contrasts", {"level", "source", "target", "ligand", "receptor", "pathway", *TESTED}),
        ("signal_chain_contrasts", {"pathway", "step", "group", *TESTED}),
    ],
)
def test_every_table_is_there_and_tidy(run, name, columns):
    assert run.refusals == []
    table = run.results[name].table
    assert len(table)
    assert columns <= set(table.columns)
    tables.check(name, table)


def test_values_per_sample_are_what_their_description_says(run):
    """Sums over the pairs of a pathway; of these, for a sender or receiver, the mean over its partners."""
    adata = cells_with_responses()
    com = infer(adata, groupby="population", permutations=0)
    which = com.interactions["pathway_name"].to_numpy()
    table = run.results["communication_samples"].table
    checked = 0
    for row in table.dropna(subset="value").sample(60, random_state=0).to_dict("records"):
        own = com.by_sample[list(com.samples).index(row["sample"])][:, :, which == row["pathway"]].sum(axis=-1)
        at = [None if pd.isna(row[end]) else com.groups.get_loc(row[end]) for end in ("source", "target")]
        expected = {"pathway": lambda a=at, v=own: v[a[0], a[1]], "outgoing": lambda a=at, v=own: np.nanmean(v[a[0]]),
                    "incoming": lambda a=at, v=own: np.nanmean(v[:, a[1]])}[row["level"]]()  # fmt: skip
        np.testing.assert_allclose(row["value"], expected)
        checked += row["level"] != "pathway"
    assert checked > 3
    meaning = tables.column("communication_samples", "value").meaning
    assert "sum over the pairs" in meaning
    assert "mean over partners" in meaning
    with pytest.raises(InputError, match="level must be one of pathway, pair, outgoing, incoming"):
        interaction_table(com, level="group")


def test_links_scores_and_evidence_speak_of_the_same_links(run):
    key = ["source", "target", "interaction"]
    links = set(map(tuple, run.results["communication"].table[key].drop_duplicates().to_numpy()))
    for name in ("communication_evidence", "communication_scores"):
        assert set(map(tuple, run.results[name].table[key].to_numpy())) == links


def test_more_relabellings_are_drawn_where_few_exceed(run, tmp_path):
    assert run.results["communication"].settings["permutations_max"] == 200
    p = run.results["communication"].table["p_value"]
    assert p.min() < 1 / 21
    few = step(cells_with_responses(), tmp_path, permutations_max=20).results["communication"].table["p_value"]
    assert few.min() == pytest.approx(1 / 21)


def test_the_planted_ligand_is_seen_in_the_chain(run):
    table = run.results["signal_chain_contrasts"].table
    first = table.loc[table["p_value"].idxmin()]
    assert (first["pathway"], first["step"], first["group"]) == ("TGFb", "ligand", "malignant")


def test_what_cannot_be_computed_is_noted(tmp_path):
    adata = cohort(per_arm=2)
    adata.obs["population"] = adata.obs["cell_type"]
    run = step(adata, tmp_path)
    assert [r["what"] for r in run.refusals] == ["from signal to response"]
    assert {"communication_contrasts", "communication_evidence"} <= set(run.results)
    adata.obs["population"] = "one"
    run = step(adata, tmp_path)
    assert [r["what"] for r in run.refusals] == ["ligand-receptor links"]
    assert run.results == {}


def test_parity_describes_and_compares_nothing(tmp_path):
    run = step(cells_with_responses(), tmp_path, mode="parity")
    assert set(run.results) == {"communication", "communication_evidence", "communication_scores"}


def test_links_of_arms_that_differ_in_depth_are_doubted(tmp_path):
    adata = cells_with_responses()
    arms = design(adata)
    test = adata.obs["sample"].map(arms.samples["arm"]).to_numpy() == arms.contrasts[0].test
    malignant = (adata.obs["population"] == "malignant").to_numpy()
    run = step(with_counts(adata, np.where(test & malignant, 4000, 2000)), tmp_path)
    links = run.results["communication_contrasts"].table
    touched = (links[["source", "target"]] == "malignant").any(axis=1)
    assert links.loc[touched, "doubts"].str.match("malignant: cells of .* have (1.[89]|2|2.1) times as many").all()
    assert (links.loc[~touched, "doubts"] == "").all()
    chain = run.results["signal_chain_contrasts"].table
    assert ((chain["doubts"] != "") == (chain["group"] == "malignant")).all()
    assert any("no findings" in note for note in run.results["communication_contrasts"].notes)
