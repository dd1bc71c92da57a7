"""Subclones: malignant cells of one tumour that differ by the copy number of whole chromosome arms."""

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from scresist import keys
from scresist.checks import InputError, require_columns
from scresist.kernels.subclones import divided_columns, groups
from scresist.results import Result

if TYPE_CHECKING:
    from anndata import AnnData

MIN_CELLS, MIN_REFERENCE = 30, 20
APART = 2.2  # spreads between the two levels of an arm
SHARE = 0.15  # of the malignant cells at the rarer level
GAIN = 20.0  # twice the log-likelihood over one level
LETTERS = tuple("ABCDE")  # of the subclones of a patient, A the largest
AT_MOST = 5  # subclones of a tumour
SMALLEST = 0.05  # share of the malignant cells in a subclone


def subclones(cohort: "AnnData") -> Result:
    """Divide the malignant cells of every patient by arms whose signal lies at two levels; write `obs` subclone.

    How far the signal of an arm spreads around one level is known from the normal cells of the same patient. An arm
    divides a tumour where the signal of its malignant cells lies at two levels at least 2.2 spreads apart, with at
    least 15 % of the cells at the rarer, and a gain in twice the log-likelihood of at least 20 over one level. The
    cells are then grouped by all arms that divide, with this spread around every group; the number of groups has the
    least Bayesian information criterion. They are A (the largest), B, ... of their patient. A subclone that
    differs by less than a whole arm is not seen.

    Parameters
    ----------
    cohort
        After `malignancy`, with `obsm["copy_number"]`.

    Returns
    -------
    Result with one row per patient and arm that divides: patient, arm, share (of the cells at the rarer level), shift
    (of the signal there, log scale), apart (spreads), gain, n_cells, n_subclones. Its notes name the patients with too
    few cells.

    Raises
    ------
    InputError
        If there is no copy-number signal.
    """
    require_columns(cohort.obs, ["patient", "malignancy"], "the cohort")
    if "copy_number" not in cohort.obsm:
        raise InputError("the cohort has no copy-number signal; call sr.annotate.malignancy first")
    signal = cohort.obsm["copy_number"]
    values, arms = signal.to_numpy(dtype=float), [str(a) for a in signal.columns]
    kind, patient = cohort.obs["malignancy"].astype(str).to_numpy(), cohort.obs["patient"].astype(str).to_numpy()
    measured = np.isfinite(values).all(axis=1)
    label = np.full(cohort.n_obs, "", dtype=object)
    rows, few = [], []
    for who in sorted(set(patient)):
        own = np.flatnonzero((patient == who) & (kind == "malignant") & measured)
        reference = np.flatnonzero((patient == who) & (kind == "normal") & measured)
        if len(own) < MIN_CELLS or len(reference) < MIN_REFERENCE:
            few.append(who)
            continue
        found, spread = divided_columns(values[own], values[reference])
        divides = (np.abs(found[:, 0]) >= APART) & (found[:, 1] >= SHARE) & (found[:, 3] >= GAIN)
        member = np.zeros(len(own), dtype=np.intp)
        if divides.any():
            member = groups(values[np.ix_(own, np.flatnonzero(divides))], spread[divides], at_most=AT_MOST,
                            smallest=max(5, int(np.ceil(SMALLEST * len(own)))))  # fmt: skip
        label[own] = [chr(65 + g) for g in member]
        rows += [
            (who, arms[j], found[j, 1], found[j, 2], abs(found[j, 0]), found[j, 3], len(own), int(member.max()) + 1)
            for j in np.flatnonzero(divides)
        ]
    keys.put(cohort, "subclone", pd.Categorical(label, categories=["", *LETTERS]))
    notes = (f"subclones are not sought where a patient has fewer than {MIN_CELLS} malignant or {MIN_REFERENCE} normal "
             f"cells with a signal: {', '.join(few)}",) if few else ()  # fmt: skip
    columns = ["patient", "arm", "share", "shift", "apart", "gain", "n_cells", "n_subclones"]
    return Result(pd.DataFrame(rows, columns=columns), "arms whose signal lies at two levels", notes=notes)
