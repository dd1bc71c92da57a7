"""The soft-threshold power of a network, and how it is chosen."""

import warnings
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.kernels.similarity import check_power, soft_threshold

POWERS = (*range(1, 11), *range(12, 31, 2))
TARGET_R2 = 0.8
MIN_POWER = 4
MIN_MEAN_K = 1


class PowerWarning(UserWarning):
    """No power makes the network scale-free; a tabulated one is used."""


@dataclass(frozen=True, slots=True)
class PowerChoice:
    """How the power is found: the given one, else from a fit table of these powers and this correlation."""

    power: float | None
    powers: tuple[float, ...]
    correlation: str


def power_table(R: np.ndarray, network: str, powers: tuple[float, ...] = POWERS) -> pd.DataFrame:
    """The fit table of a network: one row per power."""
    return pd.DataFrame(soft_threshold(R, powers, network))


def choose_power(
    table: pd.DataFrame, n_samples: int, network: str, *, given: float | None = None, living_fit: bool
) -> tuple[float, str]:
    """The smallest power of 4 or more whose fit reaches 0.8, and a sentence on how it was chosen.

    Where no power qualifies, the power that WGCNA's authors recommend for the number of samples is used, lowered where
    necessary to the largest that leaves a mean connectivity of 1, with a `PowerWarning`.

    Parameters
    ----------
    table
        Fit table, as from `power_table`.
    n_samples
        Number of metacells.
    network
        "signed", "unsigned" or "signed hybrid".
    given
        A power to use in any case.
    living_fit
        Whether a fit counts only where its line falls (hdWGCNA also accepts a network with more hubs than leaves) and
        the mean connectivity is 1 or more: in a network without edges any line fits by chance.

    Raises
    ------
    InputError
        If the given power is not a number from 1 to 30.

    References
    ----------
    Langfelder & Horvath, WGCNA package FAQ, point 6 (powers by number of samples and type of network).
    """
    if given is not None:
        check_power(given)
        return float(given), f"power {given:g} was given"
    alive = (table["mean_k"] >= MIN_MEAN_K) | (not living_fit)
    good = (table["sft_r2"] >= TARGET_R2) & (table["power"] >= MIN_POWER) & alive
    if living_fit:
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
    vanished = ", where the network has almost no edges" if (table["sft_r2"] >= TARGET_R2).any() else ""
    note = (
        f"no power reaches a scale-free fit of {TARGET_R2} (the best is {table['sft_r2'].max():.2f}{vanished}); "
        f"power {power:g} is used, {why}"
    )
    warnings.warn(note, PowerWarning, stacklevel=3)
    return power, note
