"""From signal to response: ligand in the sender, receptor and response in the receiver, sample by sample."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import resources
from scresist.cells.normalise import log_normalised
from scresist.checks import RefusedError
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.levels import levels
from scresist.communication.resource import read_resource
from scresist.communication.result import Communication
from scresist.contrasts import contrast_arms
from scresist.results import Result
from scresist.study.design import Design

TOP_GENES = 100  # of a PROGENy pathway, those it is used with
MINIMUM_SHARE, MINIMUM_GENES = 0.25, 10  # of the genes of a response, those that must be measured
SD_FLOOR = 0.05  # of log1p counts per 10,000
_PROGENY = {"TGFb": "TGFb", "TNF": "TNFa", "EGF": "EGFR", "WNT": "WNT", "VEGF": "VEGF", "TRAIL": "Trail", "IL1": "NFkB"}
_HALLMARK = {
    "IFN-I": "INTERFERON_ALPHA_RESPONSE", "IFN-II": "INTERFERON_GAMMA_RESPONSE", "NOTCH": "NOTCH_SIGNALING",
    "IL6": "IL6_JAK_STAT3_SIGNALING", "IL2": "IL2_STAT5_SIGNALING", "HH": "HEDGEHOG_SIGNALING",
}  # fmt: skip


@cache
def responses(organism: str = "human") -> Mapping[str, Mapping[str, float]]:
    """Weights of the genes that a receiver changes under a pathway, by the pathway's name in CellChatDB.

    They were measured in human cells; for mouse they are those of the one-to-one orthologues.

    Parameters
    ----------
    organism
        human | mouse.

    References
    ----------
    Schubert et al. (2018) Nat Commun 9:20 and Holland et al. (2020) Genome Biol 21:36 (PROGENy: TGFb, TNF, EGF, WNT,
    VEGF, TRAIL, IL1); Liberzon et al. (2015) Cell Syst 1:417 (hallmarks: IFN-I, IFN-II, NOTCH, IL6, IL2, HH).
    """
    out: dict[str, Mapping[str, float]] = {}
    table = resources.progeny()
    for pathway, name in _PROGENY.items():
        own = table[table["pathway"] == name].sort_values("p.value", kind="stable").head(TOP_GENES)
        out[pathway] = MappingProxyType(dict(zip(own["gene"], own["weight"], strict=True)))
    sets = resources.gene_sets("hallmark")
    for pathway, name in _HALLMARK.items():
        out[pathway] = MappingProxyType(dict.fromkeys(sets[f"HALLMARK_{name}"], 1.0))
    if organism != "human":
        same = resources.orthologues(organism)
        out = {k: MappingProxyType({same[g]: w for g, w in own.items() if g in same}) for k, own in out.items()}
    return MappingProxyType(out)


def signal_chain(
    adata: Any,
    com: Communication,
    *,
    weights: Mapping[str, Mapping[str, float]] | None = None,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
) -> pd.DataFrame:
    """Ligands, receptors and response of each pathway in each group and sample: pathway, step, group, sample, value.

    `ligand` and `receptor` are mean levels over the genes of the pathway's ligands (receptors) that are measured with
    all their subunits; where none is, that step has no rows. `response` is the weighted mean of the response's genes in
    units of their standard deviation between cells, without the ligands and receptors of the pathway itself.

    Parameters
    ----------
    adata, com
        The cells and what was inferred from them (sound mode, for values per sample).
    weights
        Response of each pathway, as weights by gene; None uses `responses`.
    resource, organism
        The table with the genes of pathways.
    sample
        Column of the samples.

    Raises
    ------
    RefusedError
        Where no pathway has a response that is measured.
    """
    measured = set(pd.Index(adata.var_names).astype(str))
    every = responses(organism) if weights is None else weights
    plan = _chain_genes(every, read_resource(resource, organism), measured)
    if not plan:
        raise RefusedError(
            f"no pathway has enough measured genes of its response; responses exist for {', '.join(every)}"
        )
    genes = pd.Index(sorted({g for own in plan.values() for g in own}))
    means = levels(adata, com, genes, sample=sample)
    sd = _spread(adata, genes)
    names = com.samples if com.samples is not None else pd.Index(["all"])
    parts = []
    for (pathway, step), own in plan.items():
        at, w = genes.get_indexer(list(own)), np.array(list(own.values()))
        values = means[:, :, at] / sd[at] if step == "response" else means[:, :, at]
        score = (values * w).sum(axis=2) / np.abs(w).sum()
        parts.append(
            pd.DataFrame(
                {
                    "pathway": pathway, "step": step, "group": np.tile(com.groups, len(names)),
                    "sample": np.repeat(names, len(com.groups)), "value": score.ravel(),
                }
            )
        )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def _chain_genes(
    every: Mapping[str, Mapping[str, float]], table: LigandReceptorTable, measured: set[str]
) -> dict[tuple[str, str], dict[str, float]]:
    """Genes and weights of every pathway and step; one without a response is left out."""
    rows = table.interactions
    plan: dict[tuple[str, str], dict[str, float]] = {}
    for pathway, response in every.items():
        own = rows[rows["pathway_name"] == pathway]
        sides = {step: [table.genes_of(str(n)) for n in own[step]] for step in ("ligand", "receptor")}
        of_pathway = {g for units in sides.values() for genes in units for g in genes}
        whole = {step: sorted({g for genes in units if measured.issuperset(genes) for g in genes})
                 for step, units in sides.items()}  # fmt: skip
        usable = {g: w for g, w in response.items() if g in measured and g not in of_pathway}
        if own.empty or len(usable) < max(MINIMUM_GENES, MINIMUM_SHARE * len(response)):
            continue
        for step, genes in whole.items():
            if genes:
                plan[pathway, step] = dict.fromkeys(genes, 1.0)
        plan[pathway, "response"] = usable
    return plan


def contrast_chain(
    adata: Any,
    com: Communication,
    design: Design,
    *,
    resource: str | Path | pd.DataFrame | LigandReceptorTable = "cellchatdb:all",
    organism: str = "human",
    sample: str = "sample",
    rng: int | np.random.Generator = 1,
) -> Result:
    """The difference between arms of ligand, receptor and response of every pathway and group, by patients.

    Parameters
    ----------
    adata, com, resource, organism, sample
        As in `signal_chain`; `com` of mode "sound".
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator of the tests.

    Returns
    -------
    Result with pathway, step (ligand | receptor | response), group and the columns of `contrast_arms`.

    Raises
    ------
    InputError
        If `com` has no values per sample.
    """
    com.values_per_sample()  # raises where there are none
    chain = signal_chain(adata, com, resource=resource, organism=organism, sample=sample)
    return contrast_steps(chain, design, rng=rng)


def contrast_steps(chain: pd.DataFrame, design: Design, *, rng: int | np.random.Generator = 1) -> Result:
    """The difference between arms of every value of a table of `signal_chain`, by patients.

    Parameters
    ----------
    chain
        From `signal_chain`.
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator of the tests.

    Returns
    -------
    As `contrast_chain`.
    """
    tested = contrast_arms(chain, design, rng=rng)
    return Result(tested.table, "ligand, receptor and response per sample, patients as the unit", tested.settings,
                  tested.notes)  # fmt: skip


def _spread(adata: Any, genes: pd.Index) -> np.ndarray:
    at = pd.Index(adata.var_names).astype(str).get_indexer(genes)
    X = sparse.csc_array(log_normalised(adata, genes=at), dtype=np.float64)
    mean = np.asarray(X.mean(axis=0)).ravel()
    square = np.asarray(X.multiply(X).mean(axis=0)).ravel()
    return np.asarray(np.maximum(np.sqrt(np.maximum(square - mean**2, 0)), SD_FLOOR))
