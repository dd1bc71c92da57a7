"""How events at one time enter the likelihood: by Efron, or, where times are rounded to scans, in any order."""

import numpy as np
import pandas as pd

from scresist.survival.endpoint import Endpoint

AUTO, EFRON, BRESLOW, MARGINAL = "auto", "efron", "breslow", "marginal"
NAMES = {EFRON: "Efron ties", BRESLOW: "Breslow ties", MARGINAL: "ties in any order"}
TIED = 0.5  # share of the events that share their time with another from which the order is summed over
SHOWN = 8  # features that a note names


def tied_share(time: np.ndarray, event: np.ndarray, strata: np.ndarray | None = None) -> float:
    """Share of the events that share their time with another event of the stratum; 0 without events.

    Parameters
    ----------
    time, event
        Shape (patients,).
    strata
        Stratum of each patient; None is one for all.
    """
    died = np.asarray(event).astype(bool)
    if not died.any():
        return 0.0
    layer = np.zeros(died.size, int) if strata is None else np.unique(strata, return_inverse=True)[1].ravel()
    _, code, counts = np.unique(
        np.column_stack([layer[died], np.asarray(time, float)[died]]), axis=0, return_inverse=True, return_counts=True
    )
    return float((counts[code.ravel()] > 1).mean())


def choose_ties(time: np.ndarray, event: np.ndarray, strata: np.ndarray | None = None) -> str:
    """`marginal` where at least half of the events are tied, else `efron`; blind to what is tested.

    Efron's approximation has hazard ratios too near 1 and intervals too narrow where many events are tied and one
    patient has much of the hazard: the marginal likelihood sums over the orders that the tied events may have had.

    Parameters
    ----------
    time, event, strata
        As in `tied_share`.

    References
    ----------
    Kalbfleisch & Prentice (1973) Biometrika 60:267.
    """
    return MARGINAL if tied_share(time, event, strata) >= TIED else EFRON


def coarse_times(found: Endpoint, table: pd.DataFrame, layers: np.ndarray | None) -> list[str]:
    """Words where times tied at scans are too coarse for a hazard ratio.

    By the model, a patient who progressed at a scan with others was expected to do so more than once since the scan
    before. Then the order within the interval, which nobody saw, has much of the information.

    Parameters
    ----------
    found
        The patients with their times.
    table
        Hazard ratios (`hr`, `sd`) of the features in their order; those with a `concordance` are looked at.
    layers
        Stratum of each patient; None is one for all.
    """
    named = []
    for k in np.flatnonzero(table["concordance"].notna()):
        values = found.values.iloc[:, k].to_numpy(float)
        here = np.flatnonzero(~np.isnan(values))
        time, event = found.time[here], found.event[here] > 0
        x = values[here] / float(table["sd"].iloc[k])
        risk = np.exp(np.log(float(table["hr"].iloc[k])) * (x - x.mean()))
        layer = np.zeros(here.size) if layers is None else np.unique(layers[here], return_inverse=True)[1]
        start = np.full(here.size, -np.inf) if found.entry is None else found.entry[here]
        for own, at in set(zip(layer[event], time[event], strict=True)):
            dead = event & (time == at) & (layer == own)
            left = (layer == own) & (time >= at) & (start < at)
            if dead.sum() > 1 and dead.sum() * risk[dead].max() / risk[left].sum() > 1:
                named.append(str(found.values.columns[k]))
                break
    if not named:
        return []
    more = f" and {len(named) - SHOWN} more" if len(named) > SHOWN else ""
    return [
        f"{', '.join(named[:SHOWN])}{more}: events are tied at times too coarse for so large an effect; the hazard "
        "ratio is too near 1 and its interval too narrow, the p-value is not affected"
    ]
