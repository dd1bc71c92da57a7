"""What may explain a gene's change away: soup, a change of all cells, batch, depth or cycle, a technical list."""

from collections.abc import Mapping

import numpy as np
import pandas as pd

from scresist import resources
from scresist.results import number

MAX_DOUBT = 0.5  # share of a change, or of counts, that may come from other cells before nothing is called
SHARED, OWN = 0.6, 0.7  # below 0.6 a change that all cells show is attributed to the other cells; above 0.7 it is not
LISTED = 0.5  # doubt of a gene whose level is known to follow cycling cells, red cells or dissociation
MIN_OTHERS = 3  # populations, two thirds of which must move the same way
TECHNICAL_P = 0.01  # within arms, of the variable that explains most, for their number


def doubts(table: pd.DataFrame) -> dict[str, np.ndarray]:
    """What may explain a change away, each in [0, 1]; 0 where it was not measured.

    Parameters
    ----------
    table
        One row per gene and contrast: `gene`, `ambient_risk`, `preference`, `log2fc`, and the columns of
        `change_in_others` and `technical` where they were computed.

    Returns
    -------
    By name (ambient, elsewhere, technical, listed), one value per row.
    """
    listed = {gene for genes in resources.gene_lists().values() for gene in genes}
    found = {"ambient": table["ambient_risk"].fillna(0.0).to_numpy(dtype=float)}
    if "change_elsewhere" in table:
        with np.errstate(invalid="ignore", divide="ignore"):
            alike = np.clip(table["change_elsewhere"] / table["log2fc"], 0, 1)
        theirs = np.clip((OWN - table["preference"]) / (OWN - SHARED), 0, 1)
        enough = (table["n_elsewhere"] >= MIN_OTHERS) & (table["same_elsewhere"] >= 2 / 3)
        explained = (alike * theirs).fillna(0.0)
        # Soup carries a little of what the compartment makes into every cell; only one half of a change explains it.
        found["elsewhere"] = np.where(enough & (explained >= MAX_DOUBT), explained, 0.0)
    if "change_kept" in table:
        lost = np.clip(1 - table["change_kept"].astype(float), 0, 1).fillna(0.0)
        # Any variable takes a little of any change; only one that takes half of it explains it.
        explains = (table["technical_p"].astype(float) < TECHNICAL_P) & (lost >= MAX_DOUBT)
        found["technical"] = np.where(explains, lost, 0.0)
    found["listed"] = np.where(table["gene"].astype(str).str.upper().isin(listed), LISTED, 0.0)
    return found


def doubt_sentences(row: Mapping[str, object]) -> list[str]:
    """The doubts of a row that reach one half, in words.

    Parameters
    ----------
    row
        A gene in a contrast: `gene`, `doubt_ambient`, `doubt_elsewhere`, `doubt_technical`, `doubt_listed`, and
        `technical_source`.
    """
    sentences = {
        "ambient": "{:.0%} of its counts may be ambient",
        "elsewhere": "{:.0%} of its change is seen in all other cells too, which have as much of it",
        "technical": f"{{:.0%}} of its change goes with {row.get('technical_source')}",
        "listed": f"a gene of {_list_of(str(row.get('gene', '')))}, whose level depends on how the sample was taken",
    }
    sizes = {name: number(row.get(f"doubt_{name}")) for name in sentences}  # NaN where it was not measured: no doubt
    return [sentences[name].format(size) for name, size in sizes.items() if size >= MAX_DOUBT]


def _list_of(gene: str) -> str:
    """The shipped technical list that contains a gene."""
    return next((name for name, genes in resources.gene_lists().items() if gene.upper() in genes), "no list")
