"""How far the ranking rests on its weights: each halved and doubled in turn."""

import numpy as np
import pandas as pd

from scresist.evidence.ranking import TRUST, WEIGHTS, weighted
from scresist.results import Result

_FACTORS = (0.0, 0.5, 2.0)


def sensitivity(ranked: Result, *, top: int = 10) -> Result:
    """What is left of the first genes when the weight of one line is halved, doubled or taken away.

    Parameters
    ----------
    ranked
        From `rank`; the genes it kept are ranked again by their lines of evidence and trust.
    top
        How many of the first genes are followed.

    Returns
    -------
    Result whose table has one row per contrast, line and factor: `contrast`, `line`, `factor` (of its weight), `kept`
    (how many of the first genes stay among the first), `first_becomes` (the rank of the gene that was first).
    """
    rows = []
    for contrast, own in ranked.table.groupby("contrast", sort=False):
        genes = own["gene"].to_numpy()
        doubts = [c for c in own if str(c).startswith("doubt_")]
        trust = np.prod([1 - own[c].astype(float).fillna(0.0) for c in doubts], axis=0)
        first = set(own.loc[own["rank"] <= top, "gene"])
        leader = own.loc[own["rank"].idxmin(), "gene"]
        for line in (*WEIGHTS, *TRUST):
            for factor in _FACTORS:
                weights = {name: w * (factor if name == line else 1.0) for name, w in WEIGHTS.items()}
                shares = {name: min(w * (factor if name == line else 1.0), 1.0) for name, w in TRUST.items()}
                score = weighted(own, weights, shares) * trust
                order = np.lexsort((genes, own["p_value"].fillna(1.0), -np.nan_to_num(score)))
                again = list(genes[order])
                rows.append({
                    "contrast": contrast, "line": line, "factor": factor, "kept": len(first & set(again[:top])),
                    "first_becomes": again.index(leader) + 1,
                })  # fmt: skip
    names = ["contrast", "line", "factor", "kept", "first_becomes"]
    return Result(pd.DataFrame(rows, columns=names), f"ranking with one weight changed, first {top}", {"top": top})
