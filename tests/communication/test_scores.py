"""Several scores, the evidence of a link, and responses of receivers."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from planted_signals import cohort, design
from scipy import sparse, stats

from oracle import SHARED, needs_shared
from scresist.checks import InputError, RefusedError
from scresist.communication import (
    contrast_chain,
    infer,
    link_evidence,
    responses,
    score_links,
    signal_chain,
)
from scresist.kernels.link_scores import link_scores, robust_rank_aggregate
from scresist.study.design import Contrast, Design


def test_scores_are_their_definitions():
    rng = np.random.default_rng(0)
    L, R, fl, fr = (rng.random((3, 4)) for _ in range(4))
    L[0, 0] = 0
    got = link_scores(L, R, fl, fr, level=0.3)
    for i in range(3):
        for j in range(3):
            for k in range(4):
                p = L[i, k] * R[j, k]
                expected = {
                    "product": p, "mean": (L[i, k] + R[j, k]) / 2 if p else 0, "geometric_mean": np.sqrt(p),
                    "regularised": np.sqrt(p) / (np.sqrt(p) + 0.3),
                    "specificity": L[i, k] / L[:, k].sum() * R[j, k] / R[:, k].sum(),
                    "log_fold": (fl[i, k] + fr[j, k]) / 2,
                }  # fmt: skip
                for name, value in expected.items():
                    assert got[name][i, j, k] == pytest.approx(value)
    with pytest.raises(InputError, match="one shape"):
        link_scores(L, R[:2], fl, fr, level=1.0)


def test_rank_aggregate_is_the_smallest_tail_of_order_statistics():
    rng = np.random.default_rng(1)
    scores = rng.random((40, 3))
    scores[7] = 2
    got = robust_rank_aggregate(scores)
    ranks = np.column_stack([stats.rankdata(-scores[:, k]) for k in range(3)]) / 40
    for i, row in enumerate(np.sort(ranks, axis=1)):
        tails = [stats.binom.sf(k, 3, r) for k, r in enumerate(row)]  # at least k + 1 of 3 below r
        assert got[i] == pytest.approx(min(1, 3 * min(tails)))
    assert got.argmin() == 7
    order = rng.permutation(40)
    np.testing.assert_allclose(robust_rank_aggregate(scores[order]), got[order])
    scores[7] = np.nan
    assert robust_rank_aggregate(scores)[7] == 1
    with pytest.raises(InputError, match="items x rankings"):
        robust_rank_aggregate(scores[:, 0])


@pytest.mark.parametrize("mode", ["sound", "parity"])
def test_a_strong_and_specific_link_stands_first(mode):
    adata = cohort(per_arm=3, planted=6.0, arms=("acquired",))
    com = infer(
        adata,
        groupby="cell_type",
        mode=mode,
        permutations=0,
        pairs=["TGFB1_TGFBR1_TGFBR2", "MIF_CD74_CD44", "CXCL12_CXCR4"],
    )
    table = score_links(adata, com)
    first = table.iloc[0]
    assert (first["source"], first["ligand"]) == ("malignant", "TGFB1")
    assert first["n_high"] >= 3
    assert len(table) == int((np.nan_to_num(com.probability) > 0).sum())
    order = np.random.default_rng(0).permutation(adata.n_obs)
    again = score_links(adata[order].copy(), com)
    np.testing.assert_allclose(again["aggregate"], table["aggregate"])


def test_evidence_counts_samples_and_cells_and_says_what_soup_would_explain():
    adata = cohort(per_arm=3, absent={("B0", "fibroblast")})
    dense = adata.X.toarray()
    kinds, ligand = adata.obs["cell_type"].to_numpy(), adata.var_names.get_loc("EGF")
    dense[:, ligand] = np.where(kinds == "fibroblast", 3.0, 0.01 * (np.arange(len(kinds)) % 2))
    adata.X = sparse.csr_matrix(dense)
    com = infer(adata, groupby="cell_type", permutations=0, average="truncated")
    table = link_evidence(adata, com).set_index(["source", "target", "interaction"])
    made = table.loc[("fibroblast", "malignant", "EGF_EGFR")]
    soup = table.loc[("B", "malignant", "EGF_EGFR")]
    assert made["n_samples"] == 5
    assert soup["n_samples"] == 6
    assert made["ligand_ambient_share"] < 0.05
    assert soup["ligand_ambient_share"] == 1
    assert soup["ligand_cells"] == pytest.approx(0.5)
    assert made["share_samples"] == 1


def responding(planted):
    """A cohort where TGF-beta's response genes rise in fibroblasts of the last arm."""
    adata = cohort(per_arm=5, planted=planted, seed=8)
    genes = list(responses()["TGFb"])[:60]
    rng = np.random.default_rng(9)
    mean = np.full((adata.n_obs, len(genes)), 1.0)
    if planted:
        on = ((adata.obs["arm"] == "acquired") & (adata.obs["cell_type"] == "fibroblast")).to_numpy()
        up = np.array([responses()["TGFb"][g] > 0 for g in genes])
        mean[np.ix_(on, up)] = 2.0
    more = np.log1p(rng.poisson(mean) * 2.5)
    X = sparse.csr_matrix(np.hstack([adata.X.toarray(), more]))
    var = pd.DataFrame(index=[*adata.var_names, *[f"{g}" if g not in adata.var_names else f"{g}.1" for g in genes]])
    return ad.AnnData(X, obs=adata.obs, var=var)


def test_a_signal_that_is_back_is_seen_in_sender_and_response():
    adata = responding(2.0)
    com = infer(adata, groupby="cell_type", permutations=0)
    table = contrast_chain(adata, com, design(adata)).table
    called = table[(table["q_value"] < 0.05) & (table["pathway"] == "TGFb")]
    seen = set(zip(called["step"], called["group"], strict=True))
    assert ("ligand", "malignant") in seen
    assert ("response", "fibroblast") in seen
    assert not {("response", "B"), ("response", "malignant")} & seen
    assert (called["effect"] > 0).all()


def test_responses_leave_out_their_own_ligands_and_receptors():
    adata = responding(0.0)
    com = infer(adata, groupby="cell_type", permutations=0)
    chain = signal_chain(adata, com)
    assert set(chain["step"]) == {"ligand", "receptor", "response"}
    assert set(chain["sample"]) == set(com.samples)
    raised = adata.copy()
    dense = raised.X.toarray()
    dense[:, raised.var_names.get_loc("TGFB1")] += 1
    raised.X = sparse.csr_matrix(dense)
    keys = ["pathway", "step", "group", "sample"]
    two = chain.merge(signal_chain(raised, com), on=keys)
    same = two[(two["step"] == "response") & (two["pathway"] == "TGFb")]
    np.testing.assert_allclose(same["value_x"], same["value_y"])
    with pytest.raises(RefusedError, match="responses exist for TGFb"):
        signal_chain(cohort(per_arm=1), infer(cohort(per_arm=1), groupby="cell_type", permutations=0))
    assert {"TGFb", "IFN-I", "IFN-II", "TNF", "EGF", "WNT", "NOTCH"} <= set(responses())


@needs_shared
def test_blood_cells_under_interferon_show_its_response():
    """Kang 2018: cells of two people, each with and without interferon beta, which is not among the genes measured."""
    adata = ad.read_h5ad(SHARED / "data" / "scrna" / "kang2018_ifnb_muscat.h5ad")
    counts = sparse.csr_array(adata.X, dtype=np.float64)
    adata.X = sparse.csr_matrix(counts.multiply(1e4 / counts.sum(axis=1)[:, None]).tocsr().log1p())
    com = infer(adata, groupby="cell_type", permutations=0)
    sheet = adata.obs.drop_duplicates("sample").set_index("sample")
    samples = sheet[["patient"]].assign(arm=sheet["condition"].astype(str))
    arms = Design(("ctrl", "stim"), (Contrast("stim", "stim", "ctrl"),), samples)
    table = contrast_chain(adata, com, arms).table
    assert (table["n_pairs"] == 2).all()
    own = table[(table["pathway"] == "IFN-I") & (table["step"] == "response")]
    assert set(own["group"]) == set(com.groups)
    assert (own["ci_low"] > 0).all()
    # Nothing else answers so much, in any type of cell; interferon gamma, which shares half its genes, comes next.
    for _, every in table[table["step"] == "response"].groupby("group"):
        assert list(every.sort_values("effect")["pathway"])[-2:] == ["IFN-II", "IFN-I"]
