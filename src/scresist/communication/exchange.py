"""Results in the formats of other programs: LIANA's and CellPhoneDB's tables, Tensor-cell2cell's array."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.checks import require_choice
from scresist.communication.interactions import LigandReceptorTable
from scresist.communication.result import Communication


@dataclass(frozen=True, slots=True)
class SignalTensor:
    """Probabilities as samples x pairs x sources x targets with names of each axis; `mask` is False where missing."""

    values: np.ndarray
    mask: np.ndarray
    names: tuple[list[str], list[str], list[str], list[str]]


def to_liana(com: Communication) -> pd.DataFrame:
    """Links in the columns of LIANA's CellChat table.

    Parameters
    ----------
    com
        Any mode.

    Returns
    -------
    (sample,) source, target, ligand_complex, receptor_complex, lr_probs, cellchat_pvals.
    """
    names = {"ligand": "ligand_complex", "receptor": "receptor_complex", "probability": "lr_probs",
             "p_value": "cellchat_pvals"}  # fmt: skip
    first = ["sample"] if com.samples is not None else []
    table = com.table.rename(columns=names)
    return table[[*first, "source", "target", *names.values()]]


def to_cellphonedb(
    com: Communication, resource: LigandReceptorTable | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Two wide tables as CellPhoneDB's means.txt and pvalues.txt, one column per "source|target".

    Parameters
    ----------
    com
        Any mode; in sound mode the means over samples.
    resource
        The table of complexes; None treats every name as a gene.

    Returns
    -------
    Means (here probabilities) and p-values; pairs without any link above zero are left out.
    """
    own = com.interactions
    complexes = set() if resource is None else set(resource.complexes)
    kept = np.flatnonzero((np.nan_to_num(com.probability) > 0).any(axis=(0, 1)))

    def partner(name: str) -> str:
        return f"complex:{name}" if name in complexes else f"simple:{name}"

    def gene(name: str) -> str:
        return "" if name in complexes else name

    rows = own.iloc[kept]
    head = pd.DataFrame(
        {
            "id_cp_interaction": rows["interaction_name"].to_numpy(),
            "interacting_pair": [f"{a}_{b}" for a, b in zip(rows["ligand"], rows["receptor"], strict=True)],
            "partner_a": [partner(str(n)) for n in rows["ligand"]],
            "partner_b": [partner(str(n)) for n in rows["receptor"]],
            "gene_a": [gene(str(n)) for n in rows["ligand"]],
            "gene_b": [gene(str(n)) for n in rows["receptor"]],
            "secreted": (rows["annotation"] == "Secreted Signaling").to_numpy(),
            "receptor_a": False,
            "receptor_b": True,
            "annotation_strategy": "CellChatDB",
            "is_integrin": rows["receptor"].str.contains("ITG").to_numpy(),
        }
    )
    columns = [f"{s}|{t}" for s in com.groups for t in com.groups]
    made = []
    for values in (com.probability, com.p_value):
        wide = values[:, :, kept].reshape(-1, len(kept)).T
        made.append(pd.concat([head, pd.DataFrame(wide, columns=columns)], axis=1))
    return made[0], made[1]


def to_tensor(com: Communication, *, level: str = "pair") -> SignalTensor:
    """Probabilities per sample in Tensor-cell2cell's order of axes; what is missing is 0 with a mask of False.

    Parameters
    ----------
    com
        Of mode "sound".
    level
        pair | pathway.

    Raises
    ------
    InputError
        If `com` has no values per sample, or for another level.
    """
    require_choice(level, ("pair", "pathway"), "level")
    values, names = com.values_per_sample(level=level)
    moved = values.transpose(0, 3, 1, 2)
    groups = [str(g) for g in com.groups]
    return SignalTensor(
        np.nan_to_num(moved), np.isfinite(moved), ([str(s) for s in pd.Index(com.samples)], names, groups, list(groups))
    )
