"""Which soft-threshold power a network takes."""

import warnings

import numpy as np
import pandas as pd

from scresist.kernels.similarity import check_power, soft_threshold

POWERS = (*range(1, 11), *range(12, 31, 2))
TARGET_R2 = 0.8
MIN_POWER = 4


class PowerWarning(UserWarning):
    """No power made the network scale-free; a tabulated one is used."""


def power_table(R: np.ndarray, network: str, powers: tuple[float, ...] = POWERS) -> pd.DataFrame:
    """The fit table of a network: one row per power."""
    return pd.DataFrame(soft_threshold(R, powers, network))


def choose_power(table: pd.DataFrame, n_samples: int, network: str, *, falling: bool) -> tuple[float, str]:
    """The smallest power of 4 or more whose fit reaches 0.8, and a sentence saying how it was chosen.

    `falling` also asks for a negative slope: hdWGCNA counts a network with more hubs than leaves as scale-free too.
    Where no power reaches the target, the power that WGCNA's authors recommend for the number of samples is taken,
    with a `PowerWarning`.

    References
    ----------
    Langfelder & Horvath, WGCNA package FAQ, point 6 (powers by number of samples and type of network).
    """
    good = (table["sft_r2"] >= TARGET_R2) & (table["power"] >= MIN_POWER)
    if falling:
        good &= table["slope"] < 0
    if good.any():
        power = float(table.loc[good, "power"].min())
        return power, f"power {power:g} is the smallest of {MIN_POWER} or more whose fit reaches {TARGET_R2}"
    step = int(np.searchsorted([20, 30, 40], n_samples, side="right"))
    power = float((18, 16, 14, 12)[step] if network == "signed" else (9, 8, 7, 6)[step])
    best = table["sft_r2"].max()
    said = (
        f"no power reaches a scale-free fit of {TARGET_R2} (the best is {best:.2f}); "
        f"power {power:g} is used, as recommended for {n_samples} metacells and a {network} network"
    )
    warnings.warn(said, PowerWarning, stacklevel=3)
    return power, said


def check_given(power: float) -> float:
    """A power the caller chose, checked."""
    check_power(power)
    return float(power)
