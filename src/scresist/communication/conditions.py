"""Two inferences side by side, as CellChat compares them: descriptions of two objects, without patients.

The p-values here have pairs of groups as replicates, so that a published analysis can be checked. To compare arms, use
`contrast_communication`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, suggestion
from scresist.communication.result import Communication
from scresist.kernels.rank_tests import signed_rank_test, two_sample_rank_test


def lift(com: Communication, groups: Sequence[str]) -> Communication:
    """The same result over a longer list of groups, every value under its own name.

    A group that is added has probability 0 and p-value 1 in parity, NaN in sound mode.

    Parameters
    ----------
    com
        Any mode.
    groups
        All groups of `com` and any others, in the wanted order.

    Raises
    ------
    InputError
        If a group of `com` is not among them, or one occurs twice.
    """
    names = pd.Index([str(g) for g in groups], name="group")
    if names.has_duplicates:
        raise InputError(f"group {names[names.duplicated()][0]!r} occurs more than once")
    for name in com.groups:
        if name not in names:
            raise InputError(f"group {name!r} of the result is not among those to lift to; {suggestion(name, names)}")
    at = names.get_indexer(com.groups)
    parity = com.mode == "parity"

    def place(values: np.ndarray, fill: float) -> np.ndarray:
        out = np.full((*values.shape[:-3], len(names), len(names), values.shape[-1]), fill)
        out[..., at[:, None], at[None, :], :] = values
        return out

    absent, p_absent = (0.0, 1.0) if parity else (np.nan, np.nan)
    return replace(
        com, groups=names, probability=place(com.probability, absent), p_value=place(com.p_value, p_absent),
        by_sample=None if com.by_sample is None else place(com.by_sample, np.nan),
        p_by_sample=None if com.p_by_sample is None else place(com.p_by_sample, np.nan),
    )  # fmt: skip


def together(conditions: Mapping[str, Communication]) -> dict[str, Communication]:
    """Results lifted to the union of their groups, in order of first appearance.

    Parameters
    ----------
    conditions
        Results by name.

    Raises
    ------
    InputError
        If there is none.
    """
    if len(conditions) < 1:
        raise InputError("there is no result to compare: give results by the name of their condition")
    names = list(dict.fromkeys(g for com in conditions.values() for g in com.groups))
    return {name: lift(com, names) for name, com in conditions.items()}


def _two(conditions: Mapping[str, Communication]) -> tuple[Communication, Communication]:
    if len(conditions) != 2:
        raise InputError(f"a difference needs two conditions; got {len(conditions)}")
    first, second = together(conditions).values()
    return first, second


def compare_totals(conditions: Mapping[str, Communication]) -> pd.DataFrame:
    """Number of links and their summed probability in each condition: condition, count, weight.

    Parameters
    ----------
    conditions
        Results by name.
    """
    rows = [
        (name, int(com.counts().to_numpy().sum()), float(com.weights().to_numpy().sum()))
        for name, com in conditions.items()
    ]
    return pd.DataFrame(rows, columns=["condition", "count", "weight"])


def difference(conditions: Mapping[str, Communication], *, measure: str = "count") -> pd.DataFrame:
    """Source x target: the second condition less the first, in number of links or summed probability.

    Parameters
    ----------
    conditions
        Two results by name. Groups are matched by name; a group that a condition lacks has no links there.
    measure
        count | weight.
    """
    require_choice(measure, ("count", "weight"), "measure")
    first, second = _two(conditions)
    made = [c.counts() if measure == "count" else c.weights() for c in (first, second)]
    return made[1] - made[0]


def rank_flow(
    conditions: Mapping[str, Communication],
    *,
    level: str = "pathway",
    measure: str = "weight",
    paired: bool = True,
    threshold: float = 0.05,
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


def rounded(values: np.ndarray) -> np.ndarray:
    """Values rounded as R's format(digits = 1) does: with the digits that the value with the most decimals needs."""
    finite = values[np.isfinite(values)]
    if len(finite) == 0:
        return values
    exponent = np.array([int(f"{v:.0e}".split("e")[1]) if v else 0 for v in finite])
    decimals = int(max(0, (-exponent).max()))
    left = int(max(1, (exponent + 1).max()))
    scientific = 6 if np.abs(exponent).max() >= 100 else 5
    fixed = left + (decimals + 1 if decimals else 0) <= scientific
    out = values.copy()
    text = [f"{v:.{decimals}f}" if fixed else f"{v:.0e}" for v in finite]
    out[np.isfinite(values)] = [float(t) for t in text]
    return out


def _flow_test(name: str, arrays: list[tuple[np.ndarray, pd.Index]], *, paired: bool) -> float:
    if any(name not in own for _, own in arrays):
        return 0.0
    x, y = (array[:, :, own.get_loc(name)].ravel() for array, own in arrays)
    some = (x != 0) | (y != 0)
    if some.sum() <= 3:
        return 0.0
    p = signed_rank_test(x[some], y[some]) if paired else two_sample_rank_test(x[some], y[some])
    return 0.0 if np.isnan(p) else p


def role_changes(conditions: Mapping[str, Communication], group: str, *, threshold: float = 0.05) -> pd.DataFrame:
    """Change of what one group sends and receives per pathway, the second condition less the first.

    Parameters
    ----------
    conditions
        Two results by name.
    group
        Name of the group.
    threshold
        p-value up to which links count.

    Returns
    -------
    pathway, outgoing, incoming, roles (Shared | Incoming specific | Outgoing specific | Incoming & Outgoing specific: a
    role is specific where it is 0 in one condition alone), condition (the one with the specific role, where both
    changes have one sign; else Shared). Pathways without signal in either condition are left out, and, as in CellChat,
    pathways whose two changes cancel.

    Raises
    ------
    InputError
        If there are not two conditions, or the group is in neither.
    """
    first, second = _two(conditions)
    if group not in first.groups:
        raise InputError(f"no group is named {group!r}; {suggestion(group, first.groups)}")
    names, sent, received = _role_values([first, second], threshold)
    g = first.groups.get_loc(group)
    out, inc = sent[:, g], received[:, g]
    d_out, d_in = out[1] - out[0], inc[1] - inc[0]
    only_out, only_in = (out == 0).sum(axis=0) == 1, (inc == 0).sum(axis=0) == 1
    label = np.where(only_in & only_out, "Incoming & Outgoing specific", np.where(
        only_in, "Incoming specific", np.where(only_out, "Outgoing specific", "Shared")))  # fmt: skip
    labels = list(conditions)
    specific = label != "Shared"
    whose = np.where(
        specific & (d_out >= 0) & (d_in >= 0), labels[1],
        np.where(specific & (d_out <= 0) & (d_in <= 0), labels[0], "Shared"),
    )  # fmt: skip
    table = pd.DataFrame({"pathway": names, "outgoing": d_out, "incoming": d_in, "roles": label, "condition": whose})
    return table[(d_out + d_in) != 0].reset_index(drop=True)


def role_change_totals(conditions: Mapping[str, Communication], *, threshold: float = 0.05) -> pd.DataFrame:
    """Change of all that each group sends and receives: group, outgoing, incoming (second condition less the first).

    Parameters
    ----------
    conditions
        Two results by name.
    threshold
        p-value up to which links count.
    """
    first, second = _two(conditions)
    _, sent, received = _role_values([first, second], threshold)
    out, inc = (v.sum(axis=2) for v in (sent, received))
    return pd.DataFrame({"group": first.groups.to_numpy(), "outgoing": out[1] - out[0], "incoming": inc[1] - inc[0]})


def _role_values(coms: list[Communication], threshold: float) -> tuple[list[str], np.ndarray, np.ndarray]:
    """Names of the pathways, and what each group sends and receives: (condition, group, pathway)."""
    arrays = [com.pathway_array(threshold=threshold) for com in coms]
    names = list(dict.fromkeys(n for _, own in arrays for n in own))
    at = {n: k for k, n in enumerate(names)}
    shape = (len(coms), len(coms[0].groups), len(names))
    sent, received = np.zeros(shape), np.zeros(shape)
    for c, (array, own) in enumerate(arrays):
        if len(own):
            index = [at[n] for n in own]
            sent[c][:, index], received[c][:, index] = array.sum(axis=1), array.sum(axis=0)
    return names, sent, received
