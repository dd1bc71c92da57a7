"""HER2 status from immunohistochemistry and in-situ hybridisation, by the guideline that is named."""

import numpy as np
import pandas as pd

from scresist.checks import require_choice
from scresist.results import Result
from scresist.validation.assay_table import number_column, read_assay
from scresist.validation.readers import one_patient

GUIDELINES = ("breast 2023", "gastric 2016")
WORDS = {"0": 0, "1": 1, "2": 2, "3": 3, "1+": 1, "2+": 2, "3+": 3}
COLUMNS = (
    "patient", "sample", "score", "score_lowest", "score_highest", "her2_cep17", "her2_copies", "ish_group", "status",
    "class", "n_cores", "n_readers", "reason",
)  # fmt: skip


def her2(table: pd.DataFrame, *, guideline: str = "breast 2023") -> Result:
    """HER2 status of every sample: positive, negative, or equivocal until in-situ hybridisation is done.

    The score of a sample is the highest of its cores, by the median of the readers of each core; half a score is
    rounded up, so that readers who differ by one lead to in-situ hybridisation and not past it.

    Parameters
    ----------
    table
        One row per core and reader: patient, sample, score (0, 1+, 2+, 3+), and any of reader, core, her2_cep17
        (ratio of signals), her2_copies (mean HER2 signals per cell), cep17_copies.
    guideline
        breast 2023 (ASCO and CAP, which affirms the groups of 2018) | gastric 2016 (CAP, ASCP and ASCO).

    Returns
    -------
    Result with one row per sample. `class` is positive, low (1+, or 2+ without amplification) or 0; low is the class
    of the breast guideline's note on HER2-directed conjugates and is no category of the gastric one.

    Raises
    ------
    InputError
        If a score is no HER2 score, a ratio is negative, or values of one sample differ; with the row.

    Notes
    -----
    Wolff AC et al 2023, J Clin Oncol 41:3867; Bartley AN et al 2016, Arch Pathol Lab Med 140:1345.
    """
    require_choice(guideline, GUIDELINES, "guideline")
    filled = {"reader": "reader 1", "core": "core 1"}
    given, rows = read_assay(table, "her2", names=("patient", "sample", "score"), numbers=(), filled=filled)
    given["value"] = given["score"].str.replace(" ", "").map(WORDS)
    rows.refuse(given["value"].isna(), "score must be 0, 1+, 2+ or 3+", list(given["score"]))
    rows.refuse(given.duplicated(["sample", "reader", "core"]),
                "this sample, core and reader are there already; keep one row", list(given["sample"]))  # fmt: skip
    one_patient(given, rows)
    for name in ("her2_cep17", "her2_copies", "cep17_copies"):
        if name not in given:
            given[name] = np.nan
            continue
        given[name] = number_column(given[name], name, rows, may_miss=True)
        rows.refuse(given[name] < 0, f"{name} must be 0 or more", list(given[name]))
        first = given.groupby("sample")[name].transform("first")
        rows.refuse(given[name].notna() & (given[name] != first), f"the sample has another {name} in an earlier row",
                    list(given[name]))  # fmt: skip
    rows.stop()
    found = []
    for (patient, sample), own in given.groupby(["patient", "sample"], sort=True):
        by_core = own.groupby("core")["value"].median()
        score = int(np.floor(float(by_core.max()) + 0.5))
        ratio, copies, cep17 = (_first(own[c]) for c in ("her2_cep17", "her2_copies", "cep17_copies"))
        group = ish_group(ratio, copies)
        status, reason = _breast(score, group) if guideline == "breast 2023" else _gastric(score, ratio, copies, cep17)
        found.append({
            "patient": patient, "sample": sample, "score": f"{score}+" if score else "0",
            "score_lowest": int(own["value"].min()), "score_highest": int(own["value"].max()), "her2_cep17": ratio,
            "her2_copies": copies, "ish_group": group, "status": status, "class": _class(score, status),
            "n_cores": own["core"].nunique(), "n_readers": own["reader"].nunique(), "reason": reason,
        })  # fmt: skip
    return Result(pd.DataFrame(found, columns=list(COLUMNS)), f"HER2 by the guideline {guideline}",
                  {"guideline": guideline})  # fmt: skip


def ish_group(ratio: float, copies: float) -> int:
    """The group of dual-probe in-situ hybridisation, 1 to 5; 0 where the ratio or the copies are missing.

    Parameters
    ----------
    ratio
        HER2 signals per CEP17 signal.
    copies
        HER2 signals per cell.
    """
    if not np.isfinite(ratio) or not np.isfinite(copies):
        return 0
    if ratio >= 2.0:
        return 1 if copies >= 4.0 else 2
    return 3 if copies >= 6.0 else 4 if copies >= 4.0 else 5


def _breast(score: int, group: int) -> tuple[str, str]:
    if score == 3:
        return "positive", "3+"
    if score < 2:
        return "negative", "0 or 1+"
    if group == 0:
        return "equivocal", "2+ without in-situ hybridisation: ratio and copies are needed"
    if group == 1:
        return "positive", "2+ and amplified (group 1)"
    if group == 3:
        return "positive", "2+ and at least 6 copies (group 3)"
    return "negative", f"2+ and not amplified (group {group})"


def _gastric(score: int, ratio: float, copies: float, cep17: float) -> tuple[str, str]:
    if score == 3:
        return "positive", "3+"
    if score < 2:
        return "negative", "0 or 1+"
    if not np.isfinite(ratio):
        return "equivocal", "2+ without in-situ hybridisation: the ratio is needed"
    if ratio >= 2.0:
        return "positive", "2+ and a ratio of at least 2"
    if not np.isfinite(copies):
        return "equivocal", "2+ and a ratio below 2: the copies of HER2 are needed"
    if copies > 6.0:
        if np.isfinite(cep17) and cep17 < 3.0:
            return "equivocal", "2+, more than 6 copies and fewer than 3 of CEP17: another probe is needed"
        return "positive", "2+ and more than 6 copies"
    if copies >= 4.0:
        return "equivocal", "2+ and 4 to 6 copies: 20 more cells, or another probe, are needed"
    return "negative", "2+, a ratio below 2 and fewer than 4 copies"


def _class(score: int, status: str) -> str:
    if status == "positive":
        return "positive"
    if status == "equivocal":
        return ""
    return "low" if score >= 1 else "0"


def _first(values: pd.Series) -> float:
    known = values.dropna()
    return float(known.iloc[0]) if len(known) else float("nan")
