"""How communication differs between arms, with patients as the unit: per link, per pathway, and per role of a group."""

import numpy as np
import pandas as pd

from scresist.checks import RefusedError, require_choice
from scresist.communication.result import Communication
from scresist.contrasts import contrast_arms
from scresist.results import Result
from scresist.study.design import Design

MIN_SAMPLES = 3  # in which a link must be above zero to be compared
LEVELS = ("pathway", "pair", "outgoing", "incoming")


def interaction_table(com: Communication, *, level: str = "pair") -> pd.DataFrame:
    """Probability per sample as a tidy table: sample, source, target, (ligand, receptor,) pathway, value.

    A link whose source or target is missing from a sample is NaN there; one that is measured and has no signal is 0.
    Links above zero in fewer than three samples are left out.

    Parameters
    ----------
    com
        Of mode "sound".
    level
        pair | pathway (sum over its pairs) | outgoing | incoming (of a group in a pathway, mean over the partners that
        the sample has, so that a sample with fewer groups does not seem to have less signal).

    Raises
    ------
    InputError
        If `com` has no values per sample, or for another level.
    """
    require_choice(level, LEVELS, "level")
    values, names = com.values_per_sample(level="pair" if level == "pair" else "pathway")
    if level in {"outgoing", "incoming"}:
        axis = 2 if level == "outgoing" else 1
        measured = np.isfinite(values).any(axis=axis)
        n = np.maximum(np.isfinite(values).sum(axis=axis), 1)
        values = np.where(measured, np.nansum(values, axis=axis) / n, np.nan)
        return _tidy(com, values, names, ["group"])
    return _tidy(com, values, names if level == "pathway" else None, ["source", "target"])


def _tidy(com: Communication, values: np.ndarray, pathways: list[str] | None, sides: list[str]) -> pd.DataFrame:
    enough = (np.nan_to_num(values) > 0).sum(axis=0) >= MIN_SAMPLES
    at = np.nonzero(enough)
    n_samples = values.shape[0]
    picked = np.moveaxis(values, 0, -1)[at].T
    out: dict[str, np.ndarray] = {"sample": np.repeat(np.asarray(com.samples), picked.shape[1])}
    for side, positions in zip(sides, at, strict=False):
        out[side] = np.tile(np.asarray(com.groups)[positions], n_samples)
    last = at[-1]
    if pathways is None:
        own = com.interactions.iloc[last]
        for name, column in (("ligand", "ligand"), ("receptor", "receptor"), ("pathway", "pathway_name")):
            out[name] = np.tile(own[column].to_numpy(), n_samples)
        out["interaction"] = np.tile(own["interaction_name"].to_numpy(), n_samples)
    else:
        out["pathway"] = np.tile(np.array(pathways, dtype=object)[last], n_samples)
    out["value"] = picked.ravel()
    return pd.DataFrame(out)


def contrast_communication(com: Communication, design: Design, *, rng: int | np.random.Generator = 1) -> Result:
    """The difference between arms of every link and pathway, with patients as the unit.

    Parameters
    ----------
    com
        Of mode "sound".
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator of the tests.

    Returns
    -------
    Result with `level` (pair | pathway | outgoing | incoming), source, target, ligand, receptor, pathway and the
    columns of `contrast_arms`; q-values are over the links of a level and contrast. `effect` is a difference of
    probabilities: of a pair, of the sum over a pathway's pairs, or of the mean of that sum over partners.

    Raises
    ------
    RefusedError
        If no link is above zero in three samples.
    """
    parts, notes = [], []
    for level in LEVELS:
        tidy = interaction_table(com, level=level)
        if tidy.empty:
            notes.append(f"no link is above zero in {MIN_SAMPLES} samples at the level of {level}")
            continue
        tested = contrast_arms(tidy, design, rng=rng)
        table = tested.table.rename(columns={"group": "source" if level == "outgoing" else "target"})
        parts.append(table.assign(level=level))
        notes += list(tested.notes)
    if not parts:
        raise RefusedError("no link is above zero in three samples; nothing can be compared")
    table = pd.concat(parts, ignore_index=True)
    first = ["level", "source", "target", "ligand", "receptor", "pathway", "interaction"]
    table = table.reindex(columns=[*first, *(c for c in table.columns if c not in first)])
    return Result(
        table, "probability of communication per sample, patients as the unit", notes=tuple(dict.fromkeys(notes))
    )
