"""Growth-rate metrics of dose-response: they do not depend on how often the control divides during the assay."""

import numpy as np
import pandas as pd

from scresist.kernels import hill_curve as hc
from scresist.validation.curves import Shape, fit_conditions
from scresist.validation.reached import crossing_dose
from scresist.validation.two_conditions import mean_interval

COLUMNS = ("gr50_um", "gr50_low", "gr50_high", "gr50_reached", "gr_max", "gr_max_low", "gr_max_high", "gr_aoc",
           "gr_aoc_low", "gr_aoc_high", "gr_reason")  # fmt: skip
STEEPEST = 5.0


def growth_rate_metrics(means: pd.DataFrame, shape: Shape) -> pd.DataFrame | None:
    """GR50 with its interval or bound, GR at the highest dose and area over the GR curve; None without growth.

    GR = 2 ** (log2(x / x0) / log2(control / x0)) - 1: 1 no effect, 0 no growth, below 0 fewer cells than at the start.

    Parameters
    ----------
    means
        From `read_doses`, with `divisions` or `time_zero`.
    shape
        How curves are fitted; the top is 1.

    References
    ----------
    Hafner et al. (2016) Nat Methods 13:521.
    """
    if not {"divisions", "time_zero"} & set(means.columns):
        return None
    divisions = means["divisions"] if "divisions" in means else np.log2(100 / means["time_zero"])
    growth = np.clip(means["response"].to_numpy(float), 0, None) / 100
    gr = 2.0 * growth ** (1 / divisions.to_numpy(float)) - 1
    of_growth = Shape(1.0, shape.cap, STEEPEST, shape.loss, 0.1, shape.replicates)
    fitted = fit_conditions(means.assign(gr=gr), of_growth, value="gr", floor=-1.0)
    at = fitted.members["group"].to_numpy()
    area = 1 - hc.mean_response(fitted.own, fitted.first[at], fitted.last[at])
    largest = hc.curve_at(fitted.own, fitted.last[at])
    rows = []
    for group in range(len(fitted.groups)):
        members = np.flatnonzero(at == group)
        if not np.isfinite(fitted.pooled[group, 0]):
            rows.append({"gr50_reached": False, "gr_reason": ""})
            continue
        found = crossing_dose(fitted, group, members, level=0.5, shape=of_growth, name="GR50")
        row: dict[str, object] = {"gr50_um": found.dose, "gr50_low": found.low, "gr50_high": found.high,
                                  "gr50_reached": found.reached, "gr_reason": found.reason}  # fmt: skip
        for name, values in (("gr_max", largest[members]), ("gr_aoc", area[members])):
            row |= dict(zip((name, f"{name}_low", f"{name}_high"), mean_interval(values), strict=True))
        rows.append(row)
    return pd.DataFrame(rows, columns=list(COLUMNS))
