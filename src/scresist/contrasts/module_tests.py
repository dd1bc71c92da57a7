"""Gene modules between arms: a score per sample and module, tested with patients as the unit."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.arms import contrast_arms
from scresist.design import Design
from scresist.results import Result


def modules(
    net: Any,
    design: Design,
    *,
    weights: pd.Series | None = None,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = 0.05,
    rng: int | np.random.Generator = 1,
) -> Result:
    """How the activity of each module differs between arms, with patients as the unit.

    Parameters
    ----------
    net
        Scores per sample: a Result or a table (sample, module, score), samples x modules, or an object that has them
        as `module_scores` or `scores`. A network holds no scores of a cohort: pass what
        `networks.module_scores(net, adata)` returns.
    design
        Arms, contrasts, sheet of samples.
    weights
        Number of cells behind each sample's scores.
    method, n_permutations, alpha, rng
        As in `contrast_arms`.

    Returns
    -------
    Result with the columns of `contrast_arms`; `module` names the feature.
    """
    return contrast_arms(
        _scores(net), design, weights=weights, method=method, n_permutations=n_permutations, alpha=alpha, name="module",
        rng=rng,
    )  # fmt: skip


def _scores(net: Any) -> pd.DataFrame:
    for candidate in (net, *(getattr(net, name, None) for name in ("module_scores", "scores", "table"))):
        table = getattr(candidate, "table", candidate)
        if isinstance(table, pd.DataFrame) and not {"gene", "kme"} <= set(table.columns):
            keep = [c for c in ("sample", "module", "score") if c in table.columns]
            return table[keep] if len(keep) == 3 else table
    raise InputError(
        f"{type(net).__name__} holds no scores per sample; pass what networks.module_scores(net, adata) returns, or a "
        "table of samples x modules"
    )
