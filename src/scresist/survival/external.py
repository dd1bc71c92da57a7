"""External cohorts of bulk expression: what the discovery cohort found, in its direction and at its cut."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, counted, suggestion
from scresist.kernels.cox_scan import scan_cox
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.results import Result
from scresist.survival.models import calibrated_features
from scresist.survival.ties import choose_ties

ALL, FIXED = "all cohorts", "all cohorts, fixed effect"
ENOUGH = 0.2  # share of the genes of a set below which the cohort does not measure the set
DRAWS = 999  # permutations of a cohort with few events
_COLUMNS = (
    "cohort", "feature", "endpoint", "hr", "ci_low", "ci_high", "p_value", "q_value", "n", "events", "genes_found",
    "genes", "discovery_hr", "same_direction", "p_one_sided", "cut_share", "cut_hr", "heterogeneity", "cochran_q",
    "i_squared", "tau_squared", "reason",
)  # fmt: skip


def read_bulk(path: Path) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Genes x samples of a bulk cohort, and the clinical table beside it (NAME_clinical.csv), indexed by sample.

    Parameters
    ----------
    path
        CSV (may be gzipped) whose first column is the gene.

    Raises
    ------
    InputError
        If there is no clinical table, or no sample is in both.
    """
    stem = path.name.removesuffix(".gz").removesuffix(".csv")
    clinical = path.with_name(f"{stem}_clinical.csv")
    if not clinical.exists():
        raise InputError(f"{clinical} does not exist; put a table with sample, time and event beside {path.name}")
    values, people = pd.read_csv(path, index_col=0), pd.read_csv(clinical)
    key = next((c for c in ("sample", "patient", "ID", "id") if c in people), people.columns[0])
    people = people.drop_duplicates(key).set_index(people[key].drop_duplicates().astype(str))
    values = values[~values.index.duplicated()]
    values.columns = values.columns.astype(str)
    shared = [s for s in values.columns if s in people.index]
    if not shared:
        first = str(values.columns[0])
        raise InputError(
            f"no sample of {path.name} is in {clinical.name}: {first!r}; {suggestion(first, people.index)}"
        )
    text = [c for c in values if not pd.api.types.is_numeric_dtype(values[c])]
    if text:
        raise InputError(f"{path.name}: the values of sample {text[0]!r} are not numbers")
    return values[shared], people.loc[shared]


def external_cohorts(
    cohorts: Mapping[str, tuple[pd.DataFrame, pd.DataFrame]],
    features: Mapping[str, list[str]],
    discovery: pd.DataFrame,
    *,
    time: str,
    event: str,
    endpoint: str = "",
    logged: bool | None = None,
) -> Result:
    """Hazard ratios of genes and gene sets in other cohorts: direction and cut are those of the discovery cohort.

    Parameters
    ----------
    cohorts
        By name: genes x samples, and the clinical table indexed by sample.
    features
        Genes of each feature; a set is scored by the mean of its standardised genes, where the cohort has at least a
        fifth of them.
    discovery
        Indexed by feature: `hr` there, and `cut_share`, the share of patients at or below its cut.
    time, event
        Columns of the clinical tables; `time`, `status` or `event` where they have other names.
    endpoint
        Name of the endpoint; empty is the column of the time.
    logged
        Whether the values are logarithms; None: they are where none is above 50.

    Returns
    -------
    Result whose table has one row per cohort and feature (genes that a cohort lacks have none; a note counts them), and
    per feature one of `all cohorts` (random effects, limits by Hartung and Knapp) with Cochran's Q and its test, I
    squared and tau squared, and one of `all cohorts, fixed effect` (inverse variances). A cohort with fewer than 40
    events (100 where a feature has heavy tails) has its statistic calibrated by permutation, as in `survival.cox`.
    `p_one_sided` is the test in the direction of the discovery cohort. q-values are over the features of a cohort.

    References
    ----------
    DerSimonian & Laird (1986) Control Clin Trials 7:177; Hartung & Knapp (2001) Stat Med 20:3875; Higgins & Thompson
    (2002) Stat Med 21:1539.
    """
    rows: list[dict[str, object]] = []
    logs: dict[str, list[tuple[float, float]]] = {f: [] for f in features}
    notes = []
    for name, (values, people) in cohorts.items():
        t_name = next((c for c in (time, "time") if c in people), None)
        e_name = next((c for c in (event, "event", "status") if c in people), None)
        if t_name is None or e_name is None:
            notes.append(f"{name}: not used, its clinical table has neither {time}/{event} nor time/event")
            continue
        t, e = (pd.to_numeric(people[c], errors="coerce").to_numpy(float) for c in (t_name, e_name))
        usable = np.isfinite(t) & np.isfinite(e) & (t >= 0)
        if (~usable).any():
            notes.append(f"{name}: {int((~usable).sum())} patients without time or event left out")
        level = values.to_numpy(float)[:, usable]
        is_log = float(np.nanmax(level)) <= 50 if logged is None else logged
        level = level if is_log else np.log2(np.maximum(level, 0) + 1)
        spread = level.std(axis=1, ddof=1, keepdims=True)
        z = pd.DataFrame(
            (level - level.mean(axis=1, keepdims=True)) / np.where(spread > 0, spread, np.nan), values.index
        )
        absent = [f for f, genes in features.items() if len(genes) == 1 and genes[0] not in z.index]
        if absent:
            notes.append(f"{name}: {counted(len(absent), 'gene')} of {len(features)} features not measured there")
        for feature, genes in features.items():
            if feature in absent:
                continue
            there = [g for g in genes if g in z.index]
            base = {"cohort": name, "feature": feature, "endpoint": endpoint or time, "genes": len(genes),
                    "genes_found": len(there) / max(len(genes), 1), "n": int(usable.sum()),
                    "events": int(e[usable].sum()), "reason": ""}  # fmt: skip
            first = discovery.loc[feature] if feature in discovery.index else pd.Series(dtype=float)
            if len(there) < ENOUGH * len(genes):
                few = f"the cohort has {len(there) or 'none'} of its {len(genes)} genes, less than {ENOUGH:.0%}"
                hr, share = (float(first.get(c, np.nan)) for c in ("hr", "cut_share"))
                rows.append(base | {"discovery_hr": hr, "cut_share": share, "reason": few})
                continue
            rows.append(base | _one(z.loc[there].mean(axis=0).to_numpy(), t[usable], e[usable], first, logs[feature]))
    for feature in features:
        if len(logs[feature]) > 1:
            first = discovery.loc[feature] if feature in discovery.index else pd.Series(dtype=float)
            rows += _pooled(feature, logs[feature], endpoint or time, float(first.get("hr", np.nan)))
    table = pd.DataFrame(rows, columns=list(_COLUMNS))
    table["q_value"] = np.nan
    for _, own in table.groupby("cohort"):
        table.loc[own.index, "q_value"] = benjamini_hochberg(own["p_value"].to_numpy(float))
    return Result(
        table, "Cox per SD in external cohorts, random and fixed effects", {"time": time, "event": event}, tuple(notes)
    )


def _one(
    score: np.ndarray, time: np.ndarray, event: np.ndarray, first: pd.Series, logs: list[tuple[float, float]]
) -> dict[str, object]:
    hr = float(first.get("hr", np.nan))
    out: dict[str, object] = {"discovery_hr": hr, "cut_share": float(first.get("cut_share", np.nan))}
    if score.size < 4:
        return out | {"reason": f"{counted(score.size, 'patient')} with time and event, fewer than 4"}
    if not np.isfinite(score).all():
        return out | {"reason": "its values do not vary in the cohort, or some are missing"}
    x = score / score.std(ddof=1)
    few = bool(calibrated_features(x[:, None], int(event.sum()), 1)[0])
    fit = scan_cox(
        time, event, x[:, None], ties=choose_ties(time, event), firth=True if few else None,
        permutations=DRAWS if few else 0, rng=np.random.default_rng(1) if few else None,
    )  # fmt: skip
    if fit.reason[0]:
        return out | {"reason": fit.reason[0]}
    coef, p = float(fit.coef[0]), float(fit.p_value[0])
    logs.append((coef, float(fit.se[0])))
    out |= {"hr": np.exp(coef), "ci_low": np.exp(fit.low[0]), "ci_high": np.exp(fit.high[0]), "p_value": p}
    if np.isfinite(hr):
        same = bool(np.log(hr) * coef > 0)
        out |= {"same_direction": same, "p_one_sided": p / 2 if same else 1 - p / 2}
    share = out["cut_share"]
    if isinstance(share, float) and 0 < share < 1:
        high = (x > np.quantile(x, share)).astype(float)
        out["cut_hr"] = float(np.exp(scan_cox(time, event, high[:, None], limits=False).coef[0]))
    return out


def _pooled(feature: str, logs: list[tuple[float, float]], endpoint: str, first: float) -> list[dict[str, object]]:
    """Random effects, then the fixed effect."""
    effect, se = np.array(logs).T
    weight = 1 / se**2
    fixed = float(np.sum(weight * effect) / weight.sum())
    q, df = float(np.sum(weight * (effect - fixed) ** 2)), len(effect) - 1
    between = max((q - df) / (weight.sum() - np.sum(weight**2) / weight.sum()), 0.0)
    w = 1 / (se**2 + between)
    mean = float(np.sum(w * effect) / w.sum())
    # Never narrower than the usual interval.
    spread = float(np.sqrt(max(float(np.sum(w * (effect - mean) ** 2) / df), 1.0) / w.sum()))
    shared: dict[str, object] = {
        "feature": feature, "endpoint": endpoint, "heterogeneity": float(stats.chi2.sf(q, df)), "cochran_q": q,
        "i_squared": max((q - df) / q, 0.0) if q > 0 else 0.0, "tau_squared": between, "discovery_hr": first,
        "reason": "",
    }  # fmt: skip
    rows = []
    for name, middle, error, law in (
        (ALL, mean, spread, stats.t(df)), (FIXED, fixed, float(weight.sum() ** -0.5), stats.norm()),
    ):  # fmt: skip
        width, p = float(law.ppf(0.975)) * error, float(2 * law.sf(abs(middle) / error))
        row = shared | {"cohort": name, "hr": np.exp(middle), "ci_low": np.exp(middle - width),
                        "ci_high": np.exp(middle + width), "p_value": p}  # fmt: skip
        if np.isfinite(first):
            same = bool(np.log(first) * middle > 0)
            row |= {"same_direction": same, "p_one_sided": p / 2 if same else 1 - p / 2}
        rows.append(row)
    return rows
