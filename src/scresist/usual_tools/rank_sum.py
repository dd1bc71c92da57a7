"""The Wilcoxon test over cells by illico, without its chatter: for descriptions and for parity, never for claims."""

import contextlib
import io
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def rank_sum_over_cells(cells: "AnnData", **how: Any) -> "pd.DataFrame":
    """`illico.asymptotic_wilcoxon` on log-normalised values; its log and its progress bar stay silent.

    References
    ----------
    Wilcoxon (1945) Biometrics Bull 1:80; Mann & Whitney (1947) Ann Math Stat 18:50, with tie correction.
    """
    import illico
    from loguru import logger

    logger.disable("illico")
    with contextlib.redirect_stderr(io.StringIO()):
        return illico.asymptotic_wilcoxon(cells, is_log1p=True, **how)
