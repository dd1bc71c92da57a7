"""When a hazard ratio is the same evidence as a comparison of arms."""

import numpy as np

from scresist.study.design import BEFORE, Design
from scresist.survival.endpoint import Endpoint

FUNCTION = 0.9  # concordance of arm and time from which the arm is taken as a function of the endpoint
_MIN = 2  # patients of each arm


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
