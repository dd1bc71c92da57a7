"""Gene modules between arms: a score per sample and module, tested with patients as the unit."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError
from scresist.contrasts.arms import contrast_arms
from scresist.contrasts.verdict import ALPHA
from scresist.results import Result
from scresist.study.design import Design


def modules(
    net: Any,
    design: Design,
    *,
    weights: pd.Series | None = None,
    method: str = "auto",
    n_permutations: int = 10_000,
    alpha: float = ALPHA,
    rng: int | np.random.Generator = 1,
) -> Result:
    """How the activity of each module differs between arms, with patients as the unit.

    Parameters
    ----------
    net
        Scores per sample: a network built on a cohort with samples, what `networks.module_scores(net, adata)` returns,
        a table (sample, module, score), or samples x modules.
    design
        Arms, contrasts, sheet of samples.
    weights
        Number of cells behind each sample's scores; None uses the column `n_cells` of the scores, where there is one.
    method, n_permutations
        As in `contrast_arms`.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    rng
        Seed or generator.

    Returns
    -------
    Result with the columns of `contrast_arms`; `module` names the feature.
    """
    scores, cells = _scores(net)
    return contrast_arms(
        scores, design, weights=cells if weights is None else weights, method=method, n_permutations=n_permutations,
        alpha=alpha, name="module", rng=rng,
    )  # fmt: skip


def _scores(net: Any) -> tuple[pd.DataFrame, pd.Series | None]:
    """Scores in a shape that `contrast_arms` takes, and the cells behind them where they are given."""
    for candidate in (net, *(getattr(net, name, None) for name in ("module_scores", "scores", "table"))):
        table = getattr(candidate, "table", candidate)
        if not isinstance(table, pd.DataFrame) or {"gene", "kme"} <= set(table.columns) or table.empty:
            continue
        if not {"sample", "module", "score"} <= set(table.columns):
            return table, None
        cells = table.groupby("sample")["n_cells"].max().fillna(0) if "n_cells" in table.columns else None
        return table[["sample", "module", "score"]], cells
    raise InputError(
        f"{type(net).__name__} has no scores per sample; pass what networks.module_scores(net, adata) returns, or a "
        "table of samples x modules"
    )
