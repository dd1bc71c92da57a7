"""The information flow of pathways between conditions, tested over pairs of populations as CellChat's rankNet does."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice
from scresist.communication.conditions import rounded, together
from scresist.communication.result import LINK_P, Communication
from scresist.kernels.rank_tests import signed_rank_test, two_sample_rank_test


def rank_flow(
    conditions: Mapping[str, Communication],
    *,
    level: str = "pathway",
    measure: str = "weight",
    paired: bool = True,
    threshold: float = LINK_P,
) -> pd.DataFrame:
    """Information flow of each pathway or pair: the sum (or number) of its links over all pairs of groups.

    Parameters
    ----------
    conditions
        One result by name, or two to compare.
    level
        pathway | pair.
    measure
        weight (summed probability) | count (number of links).
    paired
        Whether the test between two conditions pairs the links of the same two groups.
    threshold
        p-value up to which links count.

    Returns
    -------
    For each condition and name: name, condition, flow, scaled_flow (-1 / ln flow; flows of 1 and more are above all
    others), and for two conditions relative (second over first, rounded for display), p_value and order. The p-value
    has pairs of groups as replicates and does not generalise to patients. As in CellChat it is 0 where a name is in one
    condition only or has three links or fewer.

    Raises
    ------
    InputError
        For another number of conditions than one or two, or an unknown level or measure.
    """
    require_choice(level, ("pathway", "pair"), "level")
    require_choice(measure, ("weight", "count"), "measure")
    if len(conditions) not in {1, 2}:
        raise InputError(f"flows are ranked for one or two conditions; got {len(conditions)}")
    lifted = together(conditions)
    arrays = {}
    for name, com in lifted.items():
        if level == "pathway":
            arrays[name] = com.pathway_array(threshold=threshold)
        else:
            arrays[name] = (np.where(com.p_value <= threshold, np.nan_to_num(com.probability), 0.0), com.pairs)
    if measure == "count":
        arrays = {name: ((array > 0).astype(float), own) for name, (array, own) in arrays.items()}
    names = list(dict.fromkeys(n for _, own in arrays.values() for n in own))
    flow = np.zeros((len(names), len(arrays)))
    for c, (array, own) in enumerate(arrays.values()):
        at = {n: k for k, n in enumerate(own)}
        flow[:, c] = [array[:, :, at[n]].sum() if n in at else 0.0 for n in names]
    scaled = _scaled(flow) if measure == "weight" else flow
    table = pd.concat(
        [
            pd.DataFrame({"name": names, "condition": label, "flow": flow[:, c], "scaled_flow": scaled[:, c]})
            for c, label in enumerate(arrays)
        ],
        ignore_index=True,
    )
    some = flow.sum(axis=1) > 0
    if len(arrays) == 1:
        return table[some].sort_values("flow", kind="stable").reset_index(drop=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.nan_to_num(rounded(flow[:, 1] / flow[:, 0]), nan=0.0, posinf=np.inf)
    order = np.lexsort((-flow[:, 1], flow[:, 0], -relative))
    order = order[some[order]]
    place = {k: i + 1 for i, k in enumerate(order)}
    p_value = np.array([_flow_test(n, list(arrays.values()), paired=paired) for n in names])
    table["relative"], table["p_value"] = np.tile(relative, 2), np.tile(p_value, 2)
    table["order"] = [place.get(k % len(names), 0) for k in range(len(table))]
    kept = table[table["order"] > 0].sort_values("order", kind="stable")
    return kept.sort_values("condition", key=lambda c: c.map(list(arrays).index), kind="stable").reset_index(drop=True)


def _scaled(flow: np.ndarray) -> np.ndarray:
    """-1 / ln(flow); flows of 1 and more, where that is negative, are spread evenly above the largest of the others."""
    with np.errstate(divide="ignore", invalid="ignore"):
        out = -1 / np.log(flow)
    out[np.isnan(out)] = 0
    out[flow == 0] = 0
    beyond = (flow >= 1) | np.isinf(out) | (out < 0)
    if beyond.any():
        finite = out[np.isfinite(out)]
        top = finite.max() if len(finite) else 1.0
        where = np.flatnonzero(beyond.T.ravel())
        spread = np.linspace(1.1 * top, 1.5 * top, len(where)) if len(where) > 1 else np.array([1.1 * top])
        flat, values = out.T.ravel(), flow.T.ravel()[where]
        flat[where[np.argsort(values, kind="stable")]] = spread
        out = flat.reshape(out.shape[::-1]).T
    return np.asarray(np.abs(out))


def _flow_test(name: str, arrays: list[tuple[np.ndarray, pd.Index]], *, paired: bool) -> float:
    if any(name not in own for _, own in arrays):
        return 0.0
    x, y = (array[:, :, own.get_loc(name)].ravel() for array, own in arrays)
    some = (x != 0) | (y != 0)
    if some.sum() <= 3:
        return 0.0
    p = signed_rank_test(x[some], y[some]) if paired else two_sample_rank_test(x[some], y[some])
    return 0.0 if np.isnan(p) else p
