"""Which soft-threshold power a network takes."""

import warnings

import numpy as np
import pandas as pd

from scresist.kernels.similarity import check_power, soft_threshold

POWERS = (*range(1, 11), *range(12, 31, 2))
TARGET_R2 = 0.8
MIN_POWER = 4
MIN_MEAN_K = 1


class PowerWarning(UserWarning):
    """No power made the network scale-free; a tabulated one is used."""


def power_table(R: np.ndarray, network: str, powers: tuple[float, ...] = POWERS) -> pd.DataFrame:
    """The fit table of a network: one row per power."""
    return pd.DataFrame(soft_threshold(R, powers, network))


def choose_power(table: pd.DataFrame, n_samples: int, network: str, *, strict: bool) -> tuple[float, str]:
    """The smallest power of 4 or more whose fit reaches 0.8, and a sentence saying how it was chosen.

    `strict` also asks for a line that falls (hdWGCNA counts a network with more hubs than leaves as scale-free too)
    and for a mean connectivity of 1 or more: in a network that has all but vanished any line fits by chance.
    Where no power will do, the power that WGCNA's authors recommend for the number of samples is taken, lowered if
    need be to the largest that leaves that connectivity, with a `PowerWarning`.

    References
    ----------
    Langfelder & Horvath, WGCNA package FAQ, point 6 (powers by number of samples and type of network).
    """
    alive = (table["mean_k"] >= MIN_MEAN_K) | (not strict)
    good = (table["sft_r2"] >= TARGET_R2) & (table["power"] >= MIN_POWER) & alive
    if strict:
        good &= table["slope"] < 0
    if good.any():
        power = float(table.loc[good, "power"].min())
        return power, f"power {power:g} is the smallest of {MIN_POWER} or more whose fit reaches {TARGET_R2}"
    step = int(np.searchsorted([20, 30, 40], n_samples, side="right"))
    power = float((18, 16, 14, 12)[step] if network == "signed" else (9, 8, 7, 6)[step])
    why = f"as recommended for {n_samples} metacells and a {network} network"
    if not alive[table["power"] == power].all() and alive.any():
        why = f"the largest that leaves a mean connectivity of {MIN_MEAN_K}, below the {power:g} recommended"
        power = float(table.loc[alive & (table["power"] < power), "power"].max())
    said = (
        f"no power reaches a scale-free fit of {TARGET_R2} (the best is {table['sft_r2'].max():.2f}"
        f"{', where the network has vanished' if (table['sft_r2'] >= TARGET_R2).any() else ''}); "
        f"power {power:g} is used, {why}"
    )
    warnings.warn(said, PowerWarning, stacklevel=3)
    return power, said


def check_given(power: float) -> float:
    """A power the caller chose, checked."""
    check_power(power)
    return float(power)
