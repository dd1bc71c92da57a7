"""Two inferences side by side, as CellChat compares them: descriptions of two objects, without patients.

The p-values here have pairs of groups as replicates, so that a published analysis can be checked. To compare arms, use
`contrast_communication`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, suggestion
from scresist.communication.result import LINK_P, Communication


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


def role_changes(conditions: Mapping[str, Communication], group: str, *, threshold: float = LINK_P) -> pd.DataFrame:
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


def role_change_totals(conditions: Mapping[str, Communication], *, threshold: float = LINK_P) -> pd.DataFrame:
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
