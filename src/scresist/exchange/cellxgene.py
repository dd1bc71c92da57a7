"""An h5ad after the schema of CELLxGENE (7.1.0): Ensembl ids, raw counts in raw, ontology terms in obs."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist.checks import InputError, require_keys
from scresist.exchange.tidy import counts_of, embeddings, ensembl_of
from scresist.kernels.normalise import log1p_per_10k

if TYPE_CHECKING:
    from anndata import AnnData

# Terms of every cell where neither the sheets nor the call give others. A tissue, a disease and an assay have no
# "unknown" in the schema: a general one stands there until the user names the right one.
TERMS = {
    "assay": "EFO:0008913",  # single-cell RNA sequencing
    "disease": "MONDO:0004992",  # cancer
    "tissue": "UBERON:0000479",  # tissue
    "cell_type": "unknown",
    "sex": "unknown",
    "self_reported_ethnicity": "unknown",
    "development_stage": "unknown",
}
OTHERS = {"suspension_type": "cell", "tissue_type": "tissue", "is_primary_data": "true"}
ORGANISMS = {"human": "NCBITaxon:9606", "mouse": "NCBITaxon:10090"}
# Columns that the portal writes itself; ours of these names get a prefix.
RESERVED = frozenset({
    "assay", "disease", "tissue", "cell_type", "sex", "self_reported_ethnicity", "development_stage", "organism",
    "ethnicity", "observation_joinid", "experimental_condition", "perturbation_types",
})  # fmt: skip


def write_cellxgene(cohort: "AnnData", path: Path, *, terms: Mapping[str, str]) -> tuple[str, ...]:
    """Write an h5ad that `cellxgene-schema validate` accepts: X log-normalised, raw counts in raw.X.

    Parameters
    ----------
    cohort
        Cells x genes with `layers["counts"]`.
    path
        The file.
    terms
        Ontology terms for all cells: assay, disease, tissue, cell_type, sex, self_reported_ethnicity,
        development_stage, suspension_type, tissue_type, organism, title. A column `<name>_ontology_term_id` of obs
        has precedence.

    Returns
    -------
    Notes on genes left out and on terms that were filled in.

    Raises
    ------
    InputError
        If a term has another name, no gene has an Ensembl id, or no embedding is there.
    """
    import anndata

    require_keys(terms, [*TERMS, *OTHERS, "organism", "title"], "--term")
    ids = ensembl_of(cohort.var_names, cohort.var["gene_id"].to_numpy() if "gene_id" in cohort.var else None)
    first = ~pd.Series(ids).duplicated().to_numpy()
    keep = np.flatnonzero((ids != "") & first)
    notes = []
    if len(keep) == 0:
        raise InputError("no gene of the cohort has an Ensembl id, which CELLxGENE needs")
    if len(keep) < len(ids):
        notes.append(f"{len(ids) - len(keep)} of {len(ids)} genes have no Ensembl id of their own and are left out")
    spaces = embeddings(cohort)
    if not spaces:
        raise InputError("the cohort has no embedding, which CELLxGENE needs; run the study as far as embed")
    counts = counts_of(cohort)[:, keep]
    obs, filled = _obs(cohort.obs, terms)
    if filled:
        notes.append(
            f"filled in for all cells: {', '.join(filled)}; give your own, such as --term tissue=UBERON:0000945"
        )
    organism = terms.get("organism", "mouse" if str(ids[keep[0]]).startswith("ENSMUS") else "human")
    index = pd.Index(ids[keep].astype(str))
    out = anndata.AnnData(
        X=sparse.csr_matrix(log1p_per_10k(counts), dtype=np.float32), obs=obs,
        var=pd.DataFrame({"feature_is_filtered": np.zeros(len(keep), dtype=bool)}, index=index),
        obsm={name: values.astype(np.float32) for name, values in spaces.items()},
        uns={"title": terms.get("title", "scresist cohort"),
             "organism_ontology_term_id": ORGANISMS.get(organism, organism),
             "default_embedding": "X_umap" if "X_umap" in spaces else next(iter(spaces)),
             "X_approximate_distribution": "normal"},
    )  # fmt: skip
    out.raw = anndata.AnnData(X=sparse.csr_matrix(counts, dtype=np.float32), obs=obs[[]], var=pd.DataFrame(index=index))
    empty = int((np.asarray(counts.sum(axis=1)).ravel() == 0).sum())
    if empty:
        notes.append(f"{empty} cells have no count in the genes that are kept; the schema refuses them: leave them out")
    part = path.with_name(f".{path.name}.part")
    out.write_h5ad(part, compression="gzip")
    part.replace(path)
    return tuple(notes)


def _obs(given: pd.DataFrame, terms: Mapping[str, str]) -> tuple[pd.DataFrame, list[str]]:
    """Columns of the cells with those of the schema, and which of these were filled in without being given."""
    obs = given.copy()
    obs.columns = [f"scresist_{c}" if c in RESERVED else str(c) for c in obs.columns]
    for column in obs:
        values = obs[column]
        if values.dtype.kind not in "fiub":
            obs[column] = pd.Categorical(values.astype(object).where(values.notna(), "unknown").astype(str))
    filled = []
    for name, default in TERMS.items():
        column = f"{name}_ontology_term_id"
        if column not in obs:
            obs[column] = pd.Categorical([terms.get(name, default)] * len(obs))
            if name not in terms:
                filled.append(f"{name}={default}")
    for name, default in OTHERS.items():
        if name not in obs or name in terms:
            value = terms.get(name, default)
            obs[name] = (
                np.full(len(obs), value == "true") if name == "is_primary_data" else pd.Categorical([value] * len(obs))
            )
    if "donor_id" not in obs:
        people = given["patient"].astype(str) if "patient" in given else pd.Series("unknown", index=given.index)
        obs["donor_id"] = pd.Categorical(people.to_numpy())
    return obs, filled
