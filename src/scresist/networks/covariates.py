"""What else may explain a module: depth, dying cells, the cell cycle, ambient transcripts, a batch, or one patient."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.counts import genes_per_cell
from scresist.kernels.normalise import log1p_per_10k
from scresist.networks.network import Network
from scresist.networks.pooling import Metacells
from scresist.networks.scores import wide_scores

# Genes that rise from S phase to mitosis; from Tirosh et al. (2016) Science 352:189, those found in most tissues.
CYCLING = (
    "MKI67", "TOP2A", "PCNA", "MCM2", "MCM3", "MCM5", "MCM6", "TYMS", "RRM1", "RRM2", "UBE2C", "BIRC5", "CDK1", "CCNB2",
    "CENPF", "CENPE", "TPX2", "NUSAP1", "HMGB2", "GMNN", "CDC20", "AURKA", "AURKB", "BUB1",
)  # fmt: skip
BATCHES = ("batch", "site", "chemistry")
COVARIATES = ("log_depth", "log_detected", "mito_share", "ribosomal_share", "cell_cycle", "contamination")
CARRIED = 0.5  # share of an eigengene's variance beyond which the module rests on one patient
TECHNICAL = 0.5  # |r| with a covariate beyond which a module is flagged
BETWEEN_BATCHES = 0.75  # the same for a batch: with few samples, half of the variance is between batches by chance
OUTLIER = 5.0  # deviations from the other patients' scores beyond which a patient is an outlier


def with_covariates(metacells: Metacells, cells: Any) -> Metacells:
    """Metacells with technical and biological covariates as columns of their table.

    `log_depth` (log10 of counts per member), `log_detected` (mean log10 of the members' detected genes), `mito_share`,
    `ribosomal_share`, `cell_cycle` (mean log-normalised expression of cycling genes, where there are five or more), and
    the members' mean of obs["contamination"], where there is one.

    Parameters
    ----------
    metacells
        As from `pool_cells`.
    cells
        The cells they were pooled from.
    """
    counts = metacells.counts
    total = counts.sum(axis=1)
    table = metacells.table.copy()
    table["log_depth"] = np.log10(np.maximum(total, 1) / table["n_cells"].to_numpy())
    names = cells.var_names.astype(str)
    mito = np.flatnonzero(names.str.upper().str.startswith("MT-"))
    if len(mito):
        table["mito_share"] = counts[:, mito].sum(axis=1) / np.maximum(total, 1)
    ribosomal = np.flatnonzero(names.str.upper().str.match(r"RP[LS]\d"))
    if len(ribosomal) >= 5:
        table["ribosomal_share"] = counts[:, ribosomal].sum(axis=1) / np.maximum(total, 1)
    detected = np.log10(np.maximum(genes_per_cell(cells), 1))
    table["log_detected"] = [float(detected[pool].mean()) for pool in metacells.members]
    cycling = np.flatnonzero(names.str.upper().isin(CYCLING))
    if len(cycling) >= 5:
        table["cell_cycle"] = log1p_per_10k(counts)[:, cycling].mean(axis=1)
    if "contamination" in cells.obs:
        values = cells.obs["contamination"].to_numpy(dtype=float)
        table["contamination"] = [float(np.nanmean(values[pool])) if np.isfinite(values[pool]).any() else np.nan
                                  for pool in metacells.members]  # fmt: skip
    return replace(metacells, table=table)


def with_flags(net: Network, obs: pd.DataFrame, samples: pd.DataFrame | None = None) -> Network:
    """The network with `carried_by`, `carried_share`, `technical` and `technical_r` in its catalogue, and notes.

    `carried_by` is the patient whose metacells make more than half of the eigengene's variance, or whose score lies
    more than five deviations (1.4826 times the median absolute one) from the patients' median and twice as far as any
    other's. `technical` is the covariate with the largest |r| with the eigengene over metacells, or the batch that
    explains most of the variance of the scores over samples, where that exceeds 0.5 (0.75 for a batch); else empty.

    Parameters
    ----------
    net
        The network, with its scores.
    obs
        The table of the cells that were scored.
    samples
        One row per sample, indexed by its name: its columns batch, site and chemistry are the batches. None uses these
        columns of `obs`, where each has one value per sample.
    """
    catalogue = net.catalogue.copy()
    batches, notes = _batches(obs, samples)
    carried, shares = _carriers(net, obs)
    technical, strength = _technical(net, batches)
    catalogue["carried_by"], catalogue["carried_share"] = carried, shares
    catalogue["technical"], catalogue["technical_r"] = technical, strength
    return net.replace(catalogue=catalogue, notes=(*net.notes, *notes))


def _batches(obs: pd.DataFrame, samples: pd.DataFrame | None) -> tuple[pd.DataFrame, list[str]]:
    """Batch columns of every sample, missing where unknown, and a note on each column that cannot be used."""
    if samples is not None:
        table = samples[[column for column in BATCHES if column in samples]]
        return table.set_axis(table.index.astype(str)).replace("", np.nan), []
    table, notes = pd.DataFrame(), []
    for column in BATCHES if "sample" in obs else ():
        if column in obs:
            pairs = obs[["sample", column]].astype(object).replace("", np.nan).dropna().drop_duplicates()
            own = pairs.set_index(pairs["sample"].astype(str))[column]
            if own.index.has_duplicates:
                notes.append(f"{column} has several values within a sample and is not compared with the scores")
            else:
                table = table.join(own, how="outer")
    return table, notes


def _carriers(net: Network, obs: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    nothing = [""] * len(net.names), np.full(len(net.names), np.nan)
    if "patient" not in net.metacells or net.metacells["patient"].nunique() < 3:
        return nothing
    patient = net.metacells["patient"].astype(str).to_numpy()
    squares = net.eigengenes.pow(2).groupby(patient).sum()
    share = squares / squares.sum()
    carried = [str(share[m].idxmax()) if share[m].max() > CARRIED else "" for m in net.names]
    outliers = _outliers(net, obs)
    return [a or b for a, b in zip(carried, outliers, strict=True)], share.max().to_numpy()


def _outliers(net: Network, obs: pd.DataFrame) -> list[str]:
    """For each module the patient whose mean score is far from all others', or nothing."""
    wide = _patient_scores(net, obs)
    result = []
    for module in net.names:
        values = wide[module].dropna() if module in wide else pd.Series(dtype=float)
        if len(values) < 4:
            result.append("")
            continue
        centre = values.median()
        spread = 1.4826 * (values - centre).abs().median()
        far = ((values - centre).abs() / spread).sort_values(ascending=False) if spread > 0 else pd.Series([0.0, 0.0])
        result.append(str(far.index[0]) if far.iloc[0] > OUTLIER and far.iloc[0] > 2 * far.iloc[1] else "")
    return result


def _patient_scores(net: Network, obs: pd.DataFrame) -> pd.DataFrame:
    if net.scores.empty:
        return pd.DataFrame()
    wide = wide_scores(net.scores)
    if "sample" not in obs or "patient" not in obs:
        return wide
    owner = obs[["sample", "patient"]].astype(str).drop_duplicates("sample").set_index("sample")["patient"]
    return wide.groupby(owner.reindex(wide.index).to_numpy()).mean()


def _technical(net: Network, batches: pd.DataFrame) -> tuple[list[str], np.ndarray]:
    """The covariate or batch that each module is most associated with, and how closely."""
    table, E = net.metacells, net.eigengenes.to_numpy()
    found: list[dict[str, float]] = [{} for _ in net.names]
    columns = [c for c in COVARIATES if c in table]
    groups = table[net.settings["within"]].astype(str).to_numpy() if net.settings.get("within") in table else None
    for column in columns:
        values = table[column].to_numpy(dtype=float)
        if groups is not None:
            values = values - pd.Series(values).groupby(groups).transform("mean").to_numpy()
        known = np.isfinite(values)
        if known.sum() > 3 and np.ptp(values[known]) > 1e-12:
            for m in range(len(net.names)):
                found[m] = {**found[m], column: float(np.corrcoef(values[known], E[known, m])[0, 1])}
    for batch in () if net.scores.empty else batches.columns:
        for m, root in enumerate(_explained_by(net, batches[batch])):
            found[m] = {**found[m], batch: root}
    names, r = [], np.full(len(net.names), np.nan)
    for m, of_module in enumerate(found):
        known = {name: value for name, value in of_module.items() if np.isfinite(value)}
        best = max(known, key=lambda name: abs(known[name]), default="")
        r[m] = known.get(best, np.nan)
        names.append(best if abs(r[m]) > (BETWEEN_BATCHES if best in BATCHES else TECHNICAL) else "")
    return names, r


def _explained_by(net: Network, batch: pd.Series) -> Sequence[float]:
    """Root of the adjusted share of the variance of sample scores that lies between batches; 0 where undefined."""
    wide = wide_scores(net.scores)
    result = []
    for module in net.names:
        values = wide[module].dropna()
        group = batch.reindex(values.index).dropna()
        values = values[group.index]
        n, k = len(values), group.nunique()
        total = float(((values - values.mean()) ** 2).sum())
        if k < 2 or n - k < 3 or total == 0:
            result.append(0.0)
            continue
        inside = float(((values - values.groupby(group).transform("mean")) ** 2).sum())
        adjusted = 1 - (inside / (n - k)) / (total / (n - 1))
        result.append(float(np.sqrt(max(adjusted, 0.0))))
    return result
