"""A small simulated cohort, drawn once per process, and its truth."""

from functools import cache

import anndata as ad
import numpy as np
import pandas as pd
from scipy import sparse

from scresist.simulate import Plan, simulate
from scresist.study.design import Contrast, Design

PLAN = Plan(patients={"baseline": 4, "primary": 4, "acquired": 4}, pairs=2, cells=160, n_genes=3000, seed=11)


@cache
def drawn() -> tuple[ad.AnnData, pd.DataFrame, dict]:
    """Raw cohort as ingest would give it, the truth per cell in the same order, and the planted truth."""
    simulation = simulate(PLAN)
    parts = list(simulation.samples())
    truth = pd.concat([p.cells for p in parts], ignore_index=True)
    counts = sparse.csr_matrix(sparse.vstack([p.counts for p in parts]))
    sheet = simulation.samples_sheet.set_index("sample")
    names = truth["sample"] + ":" + truth["barcode"]
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(truth["sample"], categories=sorted(sheet.index)),
            "patient": pd.Categorical(sheet.loc[truth["sample"], "patient"]),
            "arm": pd.Categorical(sheet.loc[truth["sample"], "arm"], categories=list(PLAN.patients)),
        },
        index=pd.Index(names, name="cell"),
    )
    var = pd.DataFrame(index=pd.Index(simulation.profiles.genes.index, name="gene"))
    cohort = ad.AnnData(X=None, obs=obs, var=var, layers={"counts": counts})
    cohort.uns["samples"] = np.array(sorted(sheet.index), dtype=object)
    truth.index = obs.index
    return cohort, truth, dict(simulation.truth)


@cache
def embedded() -> tuple[ad.AnnData, pd.DataFrame]:
    """The cohort after quality control, embedding, cell types and malignancy, with the truth of the cells kept."""
    import scresist as sr

    cohort, truth, _ = drawn()
    cohort = cohort.copy()
    sr.quality.filter(cohort)
    sr.embed(cohort)
    sr.annotate.cell_types(cohort)
    sr.annotate.malignancy(cohort)
    return cohort, truth.loc[cohort.obs_names]


def design() -> Design:
    simulation = simulate(PLAN)
    samples = simulation.samples_sheet.set_index("sample")
    contrasts = (Contrast("primary", "primary", "baseline"), Contrast("acquired", "acquired", "baseline"))
    return Design(tuple(PLAN.patients), contrasts, samples)
