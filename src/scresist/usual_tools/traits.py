"""hdWGCNA's tests of modules and traits, with cells as replicates, so that a published analysis can be checked.

These p-values do not generalise to patients. The test that does is `contrasts.contrast_arms` on `module_scores`.
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, require_columns
from scresist.kernels.modules import signed_kme
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.rank_tests import two_sample_rank_test
from scresist.networks.naming import GREY, UNASSIGNED
from scresist.results import Result
from scresist.usual_tools.rank_sum import ALL_EQUAL

OVER_CELLS = "cells as replicates, as in hdWGCNA 0.4: not a test over patients"


def module_traits(
    eigengenes: pd.DataFrame, obs: pd.DataFrame, traits: Sequence[str], *, groupby: str | None = None
) -> Result:
    """Pearson correlation of each module's cell eigengene with each trait, over all cells and within groups.

    Parameters
    ----------
    eigengenes
        Cells x modules; `cell_eigengenes` writes them.
    obs
        The same cells' table.
    traits
        Columns of obs; categorical ones are numbered in the order of their categories.
    groupby
        Column; each of its values is tested alone too.

    Returns
    -------
    Result whose table has `group` ("all_cells" or a value of `groupby`), `trait`, `module`, `r`, `p_value` (two-sided
    t; exactly 0 below about 1e-16, as in Hmisc), `q_value` (Benjamini-Hochberg within a group), `n_cells`.
    A trait constant in a group has NaN.

    Raises
    ------
    InputError
        If `obs` and `eigengenes` have different numbers of cells.
    """
    require_columns(obs, [*traits, *([groupby] if groupby else [])], "obs")
    if len(obs) != len(eigengenes):
        raise InputError(f"obs has {len(obs)} cells and eigengenes {len(eigengenes)}; give the same cells")
    numbers = np.column_stack([_numeric(obs[trait]) for trait in traits])
    groups: list[tuple[str, np.ndarray]] = [("all_cells", np.ones(len(obs), dtype=bool))]
    if groupby:
        values = obs[groupby].astype(str).to_numpy()
        groups += [(name, values == name) for name in pd.unique(values)]
    tables = [_correlated(eigengenes[rows], numbers[rows], traits, name) for name, rows in groups]
    return Result(pd.concat(tables, ignore_index=True), f"Pearson correlation; {OVER_CELLS}", {"groupby": groupby})


def _numeric(column: pd.Series) -> np.ndarray:
    """A trait as numbers: categories and text by the order of their levels, from 1."""
    if isinstance(column.dtype, pd.CategoricalDtype) or not pd.api.types.is_numeric_dtype(column):
        codes = column.astype("category").cat.codes.to_numpy().astype(float) + 1
        codes[codes == 0] = np.nan
        return codes
    return column.to_numpy(dtype=float)


def _correlated(E: pd.DataFrame, traits: np.ndarray, names: Sequence[str], group: str) -> pd.DataFrame:
    rows = []
    for column, trait in enumerate(names):
        for module in E.columns:
            x, y = E[module].to_numpy(dtype=float), traits[:, column]
            known = ~(np.isnan(x) | np.isnan(y))
            n = int(known.sum())
            r = p = np.nan
            if n > 2 and np.ptp(x[known]) > 0 and np.ptp(y[known]) > 0:
                r = float(np.clip(np.corrcoef(x[known], y[known])[0, 1], -1, 1))
                t = np.inf if abs(r) == 1 else abs(r) * np.sqrt((n - 2) / (1 - r * r))
                p = float(2 * (1 - stats.t.cdf(t, n - 2)))
            rows.append((group, trait, module, r, p, n))
    table = pd.DataFrame(rows, columns=["group", "trait", "module", "r", "p_value", "n_cells"])
    table.insert(5, "q_value", benjamini_hochberg(table["p_value"].to_numpy()))
    return table


def module_differences(
    eigengenes: pd.DataFrame, first: np.ndarray, second: np.ndarray, *, pseudocount: float = 0.0
) -> Result:
    """Differential module eigengenes between two sets of cells: rank sum test and log2 fold change.

    Negative eigengenes are set to 0 and that of the unassigned genes is dropped, as in hdWGCNA.

    Parameters
    ----------
    eigengenes
        Cells x modules.
    first, second
        Masks or positions of the cells compared.
    pseudocount
        Added to both means before the logarithm.

    Returns
    -------
    Result whose table has `module`, `p_value` (Wilcoxon, normal approximation with correction for ties and
    continuity), `log2fc`, `share_first`, `share_second` (cells above 0, to three decimals), `p_adjusted`
    (Bonferroni), `reason` (why there is no p-value), by increasing p and decreasing fold change.

    Raises
    ------
    InputError
        If a set has no cells.
    """
    E = eigengenes.drop(columns=[c for c in (GREY, UNASSIGNED) if c in eigengenes]).clip(lower=0)
    a, b = E.to_numpy()[first], E.to_numpy()[second]
    if len(a) == 0 or len(b) == 0:
        raise InputError(f"the sets have {len(a)} and {len(b)} cells; both need at least one")
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log2(a.mean(axis=0) + pseudocount) - np.log2(b.mean(axis=0) + pseudocount)
    p = np.array([two_sample_rank_test(a[:, m], b[:, m], exact_below=0) for m in range(E.shape[1])])
    table = pd.DataFrame(
        {
            "module": E.columns,
            "p_value": p,
            "log2fc": change,
            "share_first": (a > 0).mean(axis=0).round(3),
            "share_second": (b > 0).mean(axis=0).round(3),
            "p_adjusted": np.minimum(1, p * E.shape[1]),
            "reason": np.where(np.isnan(p), ALL_EQUAL, ""),
        }
    )
    table = table.iloc[np.lexsort([-change, p])].reset_index(drop=True)
    return Result(table, f"Wilcoxon rank sum; {OVER_CELLS}", {"pseudocount": pseudocount})


def cell_membership(
    X: np.ndarray, genes: Sequence[str], eigengenes: pd.DataFrame, modules: Sequence[str], *, reassign: bool = True
) -> pd.DataFrame:
    """Membership of genes over cells, and modules after genes with a negative kME in their own are moved.

    As in hdWGCNA.

    Parameters
    ----------
    X
        Log-normalised expression of the cells of the group, (cells, genes), sparse or dense.
    genes
        Names of the columns of X.
    eigengenes
        The same cells x modules, the unassigned group ("grey" or "unassigned") included or not.
    modules
        Module of each gene.
    reassign
        Whether a gene with a negative kME in its own module goes to the module where its kME is highest, or to the
        unassigned where that is negative too.

    Returns
    -------
    A table of `gene`, `module`, and `kme_` + module for every column of `eigengenes`.
    """
    kme = pd.DataFrame(signed_kme(X, eigengenes.to_numpy()), columns=eigengenes.columns)
    own = np.array([str(module) for module in modules], dtype=object)
    proper = [c for c in eigengenes.columns if c not in (GREY, UNASSIGNED)]
    nowhere = GREY if GREY in own or GREY in eigengenes else UNASSIGNED
    if reassign and len(eigengenes.columns) > 2:
        for module in proper:
            opposed = np.flatnonzero((own == module) & (kme[module].to_numpy() < 0))
            if len(opposed):
                best = kme.loc[opposed, proper].to_numpy()
                moved = np.array(proper, dtype=object)[best.argmax(axis=1)]
                moved[best.max(axis=1) < 0] = nowhere
                own[opposed] = [f"\0{name}" for name in moved]
        own = np.array([name.removeprefix("\0") for name in own], dtype=object)
    kme.columns = [f"kme_{c}" for c in kme.columns]
    kme.insert(0, "module", own)
    kme.insert(0, "gene", list(genes))
    return kme


def average_expression(X: np.ndarray, modules: pd.DataFrame, *, n_genes: int = 25) -> pd.DataFrame:
    """Mean log-normalised expression of each module's genes of highest kME, per cell.

    Parameters
    ----------
    X
        Log-normalised expression, cells x genes, sparse or dense, columns in the order of `modules`.
    modules
        `gene`, `module`, `kme`; unassigned genes are left out.
    n_genes
        Genes of highest kME per module; all genes that tie with the last of them are used.

    Returns
    -------
    Cells x modules, in the order in which modules appear along the genes.

    Raises
    ------
    InputError
        If X and `modules` have different numbers of genes.
    """
    require_columns(modules, ["gene", "module", "kme"], "modules")
    if X.shape[1] != len(modules):
        raise InputError(f"X has {X.shape[1]} genes and modules {len(modules)}; give the same genes")
    values = {}
    for name in pd.unique(modules["module"]):
        if name not in (GREY, UNASSIGNED):
            inside = np.flatnonzero(modules["module"] == name)
            kme = modules["kme"].to_numpy(dtype=float)[inside]
            lowest = np.sort(kme)[::-1][min(n_genes, len(kme)) - 1]
            values[name] = np.asarray(X[:, inside[kme >= lowest]].mean(axis=1)).ravel()
    return pd.DataFrame(values)
