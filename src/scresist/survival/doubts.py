"""When a hazard ratio is the same evidence as a comparison of arms, and when its times are too coarse for it."""

import numpy as np
import pandas as pd

from scresist.study.design import BEFORE, Design
from scresist.survival.endpoint import Endpoint

FUNCTION = 0.9  # concordance of arm and time from which the arm is taken as a function of the endpoint
_MIN = 2  # patients of each arm
SHOWN = 8  # features that a note names


def same_evidence(found: Endpoint, design: Design) -> str:
    """Words where the arms of a contrast, in the patients of the hazard ratios, follow from the time of the endpoint.

    Then a gene that differs between these arms has a hazard ratio by construction: both are one finding. It is so where
    both arms have samples of these patients from before treatment and the arm and the time order them alike
    (concordance of at least 0.9), or the contrast measures primary resistance, which progression defines.

    Parameters
    ----------
    found
        The patients with their times.
    design
        Arms, contrasts, sheet of samples.

    Returns
    -------
    Empty where there is no such contrast.
    """
    names = []
    early = design.samples[(design.taken() == BEFORE) | design.taken().isna()]
    for contrast in design.contrasts:
        inside = early[early["arm"].isin(contrast.arms)]
        arm = inside.drop_duplicates("patient").set_index(inside["patient"].drop_duplicates().astype(str))["arm"]
        of = arm.reindex(found.patients.index)
        known = of.notna().to_numpy()
        test = (of == contrast.test).to_numpy()[known]
        if min(test.sum(), (~test).sum()) < _MIN:
            continue
        time, event = found.time[known], found.event[known]
        across = _across(test, time, event)
        if contrast.resistance == "primary" or max(across, 1 - across) >= FUNCTION:
            names.append(contrast.name)
    if not names:
        return ""
    listed = ", ".join(names)
    return f"the same evidence as contrast {listed}: its arms are a function of this endpoint; it counts once, there"


def _across(test: np.ndarray, time: np.ndarray, event: np.ndarray) -> float:
    """Of the comparable pairs of one patient of each arm, the share in which that of the test arm has the event first."""  # noqa: E501
    first = pairs = 0
    for i in np.flatnonzero(event):
        others = (time > time[i]) & (test != test[i])
        pairs += int(others.sum())
        first += int(others.sum()) if test[i] else 0
    return first / pairs if pairs else 0.5


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
