"""What a hazard ratio rests on: concordance, proportional hazards, its form, and every patient left out once."""

import numpy as np
import pandas as pd
from scipy import stats

from scresist.kernels.cox import cox_regression
from scresist.kernels.cox_scan import CoxScan, scan_cox
from scresist.survival.assumptions import bend_p
from scresist.survival.endpoint import Endpoint
from scresist.survival.ties import EFRON, MARGINAL

HEADLINES = 50  # features whose influence is computed though they are not found, those with the smallest p


def checked(
    found: Endpoint, table: pd.DataFrame, adjust: np.ndarray, layers: np.ndarray | None, *, ties: str, alpha: float
) -> pd.DataFrame:
    """Concordance, proportional hazards and form for p < alpha; for findings also every patient left out once.

    Parameters
    ----------
    found
        Values and endpoint of the patients.
    table
        Hazard ratios of its features in their order: `hr`, `sd`, `p_value`, `q_value`, `penalised`.
    adjust
        Covariates, shape (patients, covariates).
    layers
        Stratum of each patient; None is one for all.
    ties, alpha
        As in `cox`. Concordance and the tests of the assumptions use Efron's ties where those of the model are
        marginal.

    Returns
    -------
    `concordance`, `zph_p`, `form_p`, `influence`, `influence_patient`, `rests_on_one`, one row per feature.
    """
    plain = EFRON if ties == MARGINAL else ties
    out = pd.DataFrame(
        {"concordance": np.nan, "zph_p": np.nan, "form_p": np.nan, "influence": np.nan, "influence_patient": "",
         "rests_on_one": False}, index=table.index,
    ).astype({"influence_patient": object})  # fmt: skip
    p, q = table["p_value"].to_numpy(float), table["q_value"].to_numpy(float)
    for place, k in enumerate(np.argsort(p, kind="stable")):
        if not (p[k] < alpha and (q[k] < alpha or place < 4 * HEADLINES)):
            break
        values = found.values.iloc[:, k].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        x = values[here] / float(table["sd"].iloc[k])
        strata = None if layers is None else layers[here]
        entry = None if found.entry is None else found.entry[here]
        fit = cox_regression(
            found.time[here], found.event[here], np.column_stack([x, adjust[here]]), strata=strata, entry=entry,
            ties=plain,
        )  # fmt: skip
        if not fit.reason:
            out.loc[k, "concordance"], out.loc[k, "zph_p"] = fit.concordance, fit.zph_p[0]
        fixed = adjust[here]
        fixed = fixed[:, fixed.std(axis=0) > 0]
        standard, how = (x - x.mean()) / x.std(ddof=1), {"strata": strata, "entry": entry, "ties": plain}
        out.loc[k, "form_p"] = bend_p(standard, found.time[here], found.event[here], fixed, how)
        if q[k] < alpha or place < HEADLINES:
            own = _leave_out(found, table.iloc[k], here, x, adjust, layers, ties=ties, alpha=alpha)
            out.loc[k, ["influence", "influence_patient", "rests_on_one"]] = own
    return out


def _leave_out(
    found: Endpoint, row: pd.Series, here: np.ndarray, x: np.ndarray, adjust: np.ndarray, layers: np.ndarray | None,
    *, ties: str, alpha: float,
) -> list[object]:  # fmt: skip
    """How far the finding moves without one patient, whose that is, and whether it then is one no more."""
    whole = np.log(float(row["hr"]))
    firth = bool(row["penalised"])
    change, lost = np.zeros(here.size), np.zeros(here.size, bool)

    def fit(rows: np.ndarray) -> CoxScan:
        kept = here[rows]
        return scan_cox(
            found.time[kept], found.event[kept], x[rows][:, None], adjust=adjust[kept], ties=ties,
            entry=None if found.entry is None else found.entry[kept],
            strata=None if layers is None else layers[kept], firth=True if firth else None, limits=False,
        )  # fmt: skip

    # The calibration of the whole is used for its parts: its statistic over the uncalibrated one.
    raw = stats.chi2.isf(max(float(fit(np.arange(here.size)).p_value[0]), 1e-300), 1)
    scale = raw / stats.chi2.isf(max(float(row["p_value"]), 1e-300), 1) if firth else 1.0
    for i in range(here.size):
        part = fit(np.delete(np.arange(here.size), i))
        coef = float(part.coef[0])
        change[i] = abs(coef - whole) / abs(whole) if np.isfinite(coef) else np.inf
        left = stats.chi2.sf(stats.chi2.isf(max(float(part.p_value[0]), 1e-300), 1) / scale, 1)
        lost[i] = not (left < alpha and np.sign(coef) == np.sign(whole))
    worst = int(np.argmax(np.where(lost, change + change[np.isfinite(change)].max(initial=0.0) + 1, change)))
    return [change[worst], str(found.patients.index[here[worst]]), bool(lost.any())]
