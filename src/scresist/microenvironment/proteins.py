"""Antibodies beside RNA (CITE-seq): summed counts per sample and population, normalised, and the gene of each."""

import re
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import resources
from scresist.checks import RefusedError, require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.rank_correlation import rank_correlation
from scresist.keys import organism_of
from scresist.results import Result

if TYPE_CHECKING:
    from anndata import AnnData

CONTROL = re.compile(r"isotype|control|^(mouse|rat|hamster)?[ _-]*igg\d?[a-c]?\b", re.IGNORECASE)
DECORATION = re.compile(
    r"^(anti[-_ ]?)?(human|hu|mouse|ms)?[-_. ]+|[-_ ]?total[-_ ]?seq[-_ ]?[abc]?$|[-_]prot(ein)?$", re.IGNORECASE
)
MIN_ANTIBODIES, MIN_COUNTS = 3, 20
# Antigens whose name is that of no gene, or of several, without spaces, hyphens and dots (UniProt, CD nomenclature of
# HLDA; names of stains as pathologists write them).
ANTIGENS = {
    "CD3": "CD3E", "CD8": "CD8A", "CD11A": "ITGAL", "CD11B": "ITGAM", "CD11C": "ITGAX", "CD15": "FUT4",
    "CD16": "FCGR3A", "CD20": "MS4A1", "CD21": "CR2", "CD23": "FCER2", "CD25": "IL2RA", "CD31": "PECAM1",
    "CD32": "FCGR2A",
    "CD39": "ENTPD1", "CD45": "PTPRC", "CD45RA": "PTPRC", "CD45RO": "PTPRC", "CD49F": "ITGA6", "CD56": "NCAM1",
    "CD57": "B3GAT1", "CD62L": "SELL", "CD64": "FCGR1A", "CD66B": "CEACAM8", "CD69": "CD69", "CD71": "TFRC",
    "CD90": "THY1", "CD103": "ITGAE", "CD117": "KIT", "CD123": "IL3RA", "CD127": "IL7R", "CD137": "TNFRSF9",
    "CD138": "SDC1", "CD141": "THBD", "CD152": "CTLA4", "CD155": "PVR", "CD161": "KLRB1", "CD183": "CXCR3",
    "CD185": "CXCR5", "CD194": "CCR4", "CD196": "CCR6", "CD197": "CCR7", "CD223": "LAG3", "CD272": "BTLA",
    "CD273": "PDCD1LG2", "CD274": "CD274", "CD278": "ICOS", "CD279": "PDCD1", "CD326": "EPCAM", "CD335": "NCR1",
    "CD340": "ERBB2", "CD366": "HAVCR2", "EGFR": "EGFR", "HER2": "ERBB2", "HER3": "ERBB3", "HLADR": "HLA-DRA",
    "KLRG1": "KLRG1", "PD1": "PDCD1", "PDL1": "CD274", "PDL2": "PDCD1LG2", "TIM3": "HAVCR2", "TIGIT": "TIGIT",
    "TCRAB": "TRAC", "TCRGD": "TRDC", "VISTA": "VSIR",
    "ALPHASMA": "ACTA2", "ASMA": "ACTA2", "SMA": "ACTA2", "AR": "AR", "ARGINASE1": "ARG1", "B7H3": "CD276",
    "B7H4": "VTCN1", "BCRP": "ABCG2", "BETACATENIN": "CTNNB1", "CATHEPSINB": "CTSB", "CATHEPSIND": "CTSD",
    "CATHEPSINL": "CTSL", "CATHEPSINS": "CTSS", "CD73": "NT5E", "CD107A": "LAMP1", "CD204": "MSR1", "CD206": "MRC1",
    "CHROMOGRANINA": "CHGA", "CK5": "KRT5", "CK7": "KRT7", "CK8": "KRT8", "CK14": "KRT14", "CK18": "KRT18",
    "CK19": "KRT19", "CK20": "KRT20", "CLAUDIN18": "CLDN18", "CLAUDIN182": "CLDN18", "CLDN182": "CLDN18",
    "CMET": "MET", "CYSTATINB": "CSTB", "CYSTATINC": "CST3", "D240": "PDPN", "ECADHERIN": "CDH1", "EMA": "MUC1",
    "ER": "ESR1", "FGFR2B": "FGFR2", "FIBRONECTIN": "FN1", "GRANZYMEB": "GZMB", "IDO": "IDO1", "KI67": "MKI67",
    "MDR1": "ABCB1", "MRP1": "ABCC1", "NCADHERIN": "CDH2", "P16": "CDKN2A", "P21": "CDKN1A", "P53": "TP53",
    "P63": "TP63", "PERFORIN": "PRF1", "PGLYCOPROTEIN": "ABCB1", "PODOPLANIN": "PDPN", "PR": "PGR",
    "SYNAPTOPHYSIN": "SYP", "TGFB": "TGFB1", "TGFBETA": "TGFB1", "TGFBETA1": "TGFB1", "TOPO1": "TOP1",
    "TOPOI": "TOP1", "TRYPTASE": "TPSAB1", "VIMENTIN": "VIM",
}  # fmt: skip
# Stains of the products of several genes: no RNA stands beside them.
SEVERAL = ("CK", "PANCK", "CYTOKERATIN", "PANCYTOKERATIN", "AE1AE3", "AE1/AE3", "HLAABC", "HLAI", "HLAII", "DNA")
GREEK = str.maketrans({"\u03b1": "A", "\u03b2": "B", "\u03b3": "G", "\u03ba": "K"})  # alpha, beta, gamma, kappa


def gene_of(antibody: str) -> str:
    """The gene that codes for the antigen of an antibody; "" where it is not known.

    Parameters
    ----------
    antibody
        As in the panel: `PD-1`, `CD279`, `CD8a`, `anti-human CD279 (PD-1)`, `CD3_TotalSeqB`, `Hu.CD274`, or as a
        pathologist writes it: `cystatin C`, `Ki-67`, `E-cadherin`.
    """
    plain = DECORATION.sub("", antibody.strip()).translate(GREEK)
    parts = [p for p in re.split(r"[()/|\s]+", plain) if p]
    official = set(resources.genes().index)
    for part in (plain, *parts):
        bare = plain_name(part)
        for name in (part, part.upper()):
            if name in official and bare not in ANTIGENS:
                return name
        if bare in ANTIGENS:
            return ANTIGENS[bare]
        alias = resources.aliases().get(part.upper()) or resources.aliases().get(bare)
        if alias:
            return str(alias)
        if bare in official:
            return bare
    return ""


def plain_name(antibody: str) -> str:
    """The name of an antigen in capitals, without spaces, hyphens and dots.

    Parameters
    ----------
    antibody
        As in `gene_of`.
    """
    return re.sub(r"[-_.\s]", "", antibody.translate(GREEK)).upper()


def protein_by_sample(cohort: "AnnData", *, groupby: str, min_cells: int = 10) -> Result:
    """Level of every antibody in each population of each sample: centred log ratio of summed counts.

    Counts are summed over the cells of a sample and population; the value is their natural logarithm (with half a count
    added) minus the mean of these logarithms over all antibodies of the panel but the isotype controls. A value tells
    how an antibody stands to the rest of the panel: where most of the panel changes, all do. Missing below `min_cells`
    cells or 20 counts of the panel. `rna` is the antigen's gene in the same cells, log1p counts per 10,000.

    Parameters
    ----------
    cohort
        With raw counts and `obsm["protein"]`.
    groupby
        Column of obs that names the populations.
    min_cells
        Groups with fewer cells are missing.

    Returns
    -------
    Result with columns sample, cell_type, protein, gene, value, rna, counts, n_cells, control.

    Raises
    ------
    RefusedError
        Without antibodies, or with fewer than three beside the controls.

    References
    ----------
    Stoeckius et al. (2017) Nat Methods 14:865 (centred log ratio of antibody counts); Mule et al. (2022) Nat Commun
    13:2099 (isotype controls).
    """
    from scresist.cells import sum_counts

    require_columns(cohort.obs, ["sample", groupby], "the cohort")
    if "protein" not in cohort.obsm:
        raise RefusedError("the samples have no counts of antibodies")
    panel = cohort.obsm["protein"]
    names = [str(c) for c in panel.columns]
    control = np.array([bool(CONTROL.search(n)) for n in names])
    if (~control).sum() < MIN_ANTIBODIES:
        raise RefusedError(
            f"{int((~control).sum())} antibodies are no panel to compare with: at least {MIN_ANTIBODIES}"
        )
    keys = cohort.obs["sample"].astype(str) + "\t" + cohort.obs[groupby].astype(str)
    groups = pd.Categorical(keys)
    counts = panel.to_numpy(dtype=float)
    measured = np.isfinite(counts).any(axis=1)
    codes = np.where(measured, groups.codes, -1)
    inside = codes >= 0
    n_groups = len(groups.categories)
    sums = np.zeros((n_groups, len(names)))
    np.add.at(sums, codes[inside], np.nan_to_num(counts[inside]))
    lacking = np.ones((n_groups, len(names)), dtype=bool)  # an antibody that no cell of a group was stained with
    np.logical_and.at(lacking, codes[inside], np.isnan(counts[inside]))
    cells = np.bincount(codes[inside], minlength=n_groups)
    level = np.log(sums + 0.5)
    level[lacking] = np.nan
    with np.errstate(invalid="ignore"):
        own = np.where(np.isfinite(level[:, ~control]), level[:, ~control], 0.0)
        n_own = np.isfinite(level[:, ~control]).sum(axis=1)
        value = level - (own.sum(axis=1) / np.maximum(n_own, 1))[:, None]
    value[(cells < min_cells) | (sums.sum(axis=1) < MIN_COUNTS)] = np.nan
    # Antigens are named as in human; in a mouse study their genes are the orthologues.
    same = resources.orthologues("mouse") if organism_of(cohort) == "mouse" else {}
    genes = ["" if c else same.get(gene_of(n), gene_of(n)) for n, c in zip(names, control, strict=True)]
    place = pd.Index(cohort.var_names.astype(str)).get_indexer(pd.Index(genes))
    used = np.unique(place[place >= 0])
    rna = np.full((n_groups, len(names)), np.nan)
    if len(used):
        own_counts = sum_counts(cohort, codes, n_groups, genes=used)
        totals = np.bincount(codes[inside], _totals(cohort)[inside], n_groups)
        rates = np.log1p(1e4 * own_counts / np.maximum(totals, 1)[:, None])
        rates[totals == 0] = np.nan
        for k, at in enumerate(place):
            if at >= 0:
                rna[:, k] = rates[:, int(np.searchsorted(used, at))]
    split = [str(c).split("\t") for c in groups.categories]
    n = len(names)
    table = pd.DataFrame(
        {
            "sample": np.repeat([s[0] for s in split], n), "cell_type": np.repeat([s[1] for s in split], n),
            "protein": np.tile(names, n_groups), "gene": np.tile(genes, n_groups), "value": value.ravel(),
            "rna": rna.ravel(), "counts": sums.ravel(), "n_cells": np.repeat(cells, n),
            "control": np.tile(control, n_groups),
        }
    )  # fmt: skip
    without = sorted(
        set(cohort.obs.loc[~measured, "sample"].astype(str)) - set(cohort.obs.loc[measured, "sample"].astype(str))
    )
    notes = [f"{len(without)} samples have no antibodies: {', '.join(without[:6])}"] if without else []
    unknown = [n for n, g, c in zip(names, genes, control, strict=True) if not g and not c]
    if unknown:
        notes.append(f"the gene of {len(unknown)} antibodies is not known: {', '.join(unknown[:8])}")
    table = table[table["n_cells"] > 0].reset_index(drop=True)
    return Result(table, "centred log ratio of summed counts of antibodies", notes=tuple(notes))


def _totals(cohort: "AnnData") -> np.ndarray:
    from scresist.cells.counts import total_counts

    return np.asarray(total_counts(cohort), dtype=float)


def protein_against_rna(table: pd.DataFrame) -> Result:
    """Whether an antibody and the RNA of its gene go together over the samples of a population: rank correlation.

    Parameters
    ----------
    table
        From `protein_by_sample`.

    Returns
    -------
    Result with columns protein, gene, cell_type, n (samples), correlation, ci_low, ci_high: Spearman's, with Fisher's
    interval by the variance of Bonett & Wright; missing below five samples.

    References
    ----------
    Bonett & Wright (2000) Psychometrika 65:23.
    """
    rows = []
    usable = table[(table["gene"] != "") & ~table["control"].astype(bool)].dropna(subset=["value", "rna"])
    for (protein, gene, kind), own in usable.groupby(["protein", "gene", "cell_type"], sort=False):
        n = len(own)
        low = high = r = np.nan
        if n >= 5 and np.ptp(own["value"]) > 0 and np.ptp(own["rna"]) > 0:
            r, low, high = rank_correlation(own["value"].to_numpy(float), own["rna"].to_numpy(float), ALPHA)
            if abs(r) >= 1:
                low = high = np.nan
        rows.append({"protein": protein, "gene": gene, "cell_type": kind, "n": n, "correlation": r, "ci_low": low,
                     "ci_high": high})  # fmt: skip
    columns = ["protein", "gene", "cell_type", "n", "correlation", "ci_low", "ci_high"]
    return Result(pd.DataFrame(rows, columns=columns), "Spearman's rank correlation over samples")
