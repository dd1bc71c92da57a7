"""Per gene: whether RNA agrees with protein in the same patients, and whether assays moved as the RNA predicts."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.rank_correlation import rank_correlation
from scresist.results import Result

COLUMNS = (
    "gene", "evidence", "n", "statistic", "value", "ci_low", "ci_high", "p_value", "expected_sign", "met", "sentence",
    "reason",
)  # fmt: skip
FEW = 5  # patients that a rank correlation needs at least
PERMUTATIONS = 9_999
# Read-outs of which more means that fewer tumour cells live, or that less payload acts; of others more is resistance.
COMPARED_BY = "bliss"  # the model of two drugs whose synergy is set against RNA
AGAINST = ("apoptosis", "internalisation", "release")


def agreement(
    rna: pd.DataFrame, proteins: pd.DataFrame, patients: pd.Series, *, not_compared: Mapping[str, str] | None = None,
    cells: str = "", rng: int | np.random.Generator = 1, alpha: float = ALPHA,
) -> Result:  # fmt: skip
    """Whether the RNA of a gene and its protein go together over patients: Spearman's correlation.

    Samples of a patient are averaged first, so that a patient counts once.

    Parameters
    ----------
    rna
        Samples x genes, log2 counts per million.
    proteins
        Tidy: sample, gene, evidence (IHC, mIF), value.
    patients
        Patient of every sample.
    not_compared
        Genes whose RNA says nothing of these cells, with the reason.
    cells
        Whose RNA it is, for the statistic's name.
    rng
        Of the permutations that give p.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table is `validation_agreement`: `met` is yes where the interval is above 0, no where it is below, and
    open otherwise.

    Notes
    -----
    Interval: Bonett DG & Wright TA 2000, Psychometrika 65:23.
    """
    generator = np.random.default_rng(rng)
    rows = []
    for (gene, evidence), own in proteins.groupby(["gene", "evidence"], sort=True):
        values = own.groupby("sample")["value"].mean()
        row: dict[str, Any] = {"gene": gene, "evidence": f"protein by {evidence}", "expected_sign": 1,
                                  "statistic": f"Spearman's correlation with RNA{f' of {cells}' if cells else ''}",
                               "met": "open"}  # fmt: skip
        if gene not in rna.columns:
            rows.append(row | {"n": 0, "reason": f"the RNA of {gene} was not measured"})
            continue
        if gene in (not_compared or {}):
            rows.append(row | {"n": 0, "reason": (not_compared or {})[gene]})
            continue
        both = pd.DataFrame({"rna": rna[gene], "protein": values}).dropna()
        both = both.groupby(patients.reindex(both.index).astype(str).to_numpy()).mean()
        rows.append(row | _correlation(both["rna"].to_numpy(float), both["protein"].to_numpy(float), generator, alpha))
    return Result(_with_sentences(rows), "rank correlation over patients", {"alpha": alpha})


def _correlation(x: np.ndarray, y: np.ndarray, rng: np.random.Generator, alpha: float) -> dict[str, Any]:
    n = len(x)
    if n < FEW:
        return {"n": n, "reason": f"{n} patients have both; at least {FEW} are needed"}
    if np.ptp(x) == 0 or np.ptp(y) == 0:
        return {"n": n, "reason": "every patient has the same value"}
    r, low, high = rank_correlation(x, y, alpha)
    a, b = stats.rankdata(x), stats.rankdata(y)
    a, b = a - a.mean(), b - b.mean()
    scale = float(np.sqrt((a @ a) * (b @ b)))
    drawn = np.array([abs(float(a @ rng.permutation(b))) for _ in range(PERMUTATIONS)]) / scale
    p = (1 + int(np.sum(drawn >= abs(r) - 1e-12))) / (PERMUTATIONS + 1)
    return {"n": n, "value": r, "ci_low": low, "ci_high": high, "p_value": p,
            "met": "yes" if low > 0 else "no" if high < 0 else "open"}  # fmt: skip


def functional_agreement(
    tests: Mapping[str, pd.DataFrame], directions: pd.Series, perturbations: Mapping[str, str], *, alpha: float = ALPHA
) -> Result:
    """Whether the effect of raising or lowering a gene has the sign that its RNA in resistant tumours predicts.

    A gene that is higher in resistant tumours should, when it is raised, raise the IC50 and growth, and lower
    apoptosis, internalisation and the release of the payload; and the reverse when it is lowered.

    Parameters
    ----------
    tests
        Tables by name: validation_dose_ratios, validation_readouts, validation_kinetics, validation_combinations.
    directions
        By gene, the log2 fold change of its RNA between resistant and other tumours; of genes whose RNA differs.
    perturbations
        What each condition does: `{"CST3 OE": "CST3+", "siMUC3A": "MUC3A-"}`; or a drug of a combination, `{"E-64":
        "CTSL-"}`: with one that lowers the gene, synergy is what a gene that is higher in resistant tumours predicts.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Raises
    ------
    InputError
        If a perturbation does not end in + or -.
    """
    rows = []
    for condition, text in perturbations.items():
        gene, sign = text[:-1].strip(), text[-1:]
        if sign not in ("+", "-") or not gene:
            raise InputError(f"perturbation {condition!r}: {text!r} must be a gene and + or -, such as CST3+")
        change = float(directions.get(gene, np.nan))
        for record in _effects(tests, condition):
            way = (1 if sign == "+" else -1) * int(record.pop("more_is_resistance"))
            known = np.isfinite(change) and change != 0
            expected = int(np.sign(change)) * way if known else 0
            value, p = float(record["value"]), float(record["p_value"])
            seen = int(np.sign(value)) if np.isfinite(p) and p < alpha and np.isfinite(value) else 0
            record["evidence"] = f"{record['evidence']}, {condition}"
            if np.isfinite(value):
                record["reason"] = ""  # what was not reached is in the table of the assay
            met = "open" if not known or not seen else "yes" if seen == expected else "no"
            reason = "" if known else "its RNA does not differ between the arms, so it predicts no sign"
            rows.append({"gene": gene, "expected_sign": expected, "met": met, **record,
                         "reason": record.get("reason") or reason})  # fmt: skip
    return Result(_with_sentences(rows), "sign of the effect against that of the RNA", {"alpha": alpha})


def _effects(tests: Mapping[str, pd.DataFrame], condition: str) -> list[dict[str, Any]]:
    """Effects of a condition over its reference, as log2 ratios or differences."""
    found: list[dict[str, Any]] = []
    for row in _of(tests, "validation_dose_ratios", condition):
        place = f"{row['compound']} in {row['line']}"
        if row.get("statistic") == "aac":  # an IC50 is not reached: the test is of the area above the curve
            areas = [float(row[c]) for c in ("aac_difference", "aac_low", "aac_high")]
            found.append(_record(f"area above the curve of {place}", "difference of areas", areas, row, -1))
            continue
        logs = [float(np.log2(row[c])) if row[c] > 0 else np.nan for c in ("ratio", "ci_low", "ci_high")]
        found.append(_record(f"IC50 of {place}", "log2 ratio of IC50", logs, row, 1))
    for row in _of(tests, "validation_readouts", condition):
        values = [float(row[c]) for c in ("effect", "ci_low", "ci_high")]
        if row["scale"] == "ratio":
            values = [float(np.log2(v)) if v > 0 else np.nan for v in values]
        against = any(word in f"{row['kind']} {row['readout']}".casefold() for word in AGAINST)
        found.append(_record(f"{row['readout']} in {row['line']}", f"{'log2 ' if row['scale'] == 'ratio' else ''}"
                             f"{row['scale']}", values, row, -1 if against else 1))  # fmt: skip
    for row in _of(tests, "validation_kinetics", condition):
        if row["parameter"] in ("k ratio", "rate ratio"):
            logs = [float(np.log2(row[c])) if row[c] > 0 else np.nan for c in ("value", "ci_low", "ci_high")]
            found.append(_record(f"release of the payload, {row['experiment']}".rstrip(", "), "log2 ratio of rates",
                                 logs, row, -1))  # fmt: skip
    found += [
        _record(f"{row['drug_a']} with {row['drug_b']} in {row['line']}, {row['model']}", "synergy, percent of control",
                [float(row[c]) for c in ("synergy", "ci_low", "ci_high")], row, -1)
        for row in _synergies(tests, condition)
    ]  # fmt: skip
    return found


def _synergies(tests: Mapping[str, pd.DataFrame], drug: str) -> list[dict[str, Any]]:
    """Mean synergies of the combinations that have the drug: it acts on the gene as a condition does."""
    table = tests.get("validation_combinations")
    if table is None or table.empty:
        return []
    own = table["dose_a_um"].isna() & ((table["drug_a"].astype(str) == drug) | (table["drug_b"].astype(str) == drug))
    records: list[dict[str, Any]] = table[own & (table["model"] == COMPARED_BY)].to_dict("records")
    return records


def _of(tests: Mapping[str, pd.DataFrame], name: str, condition: str) -> list[dict[str, Any]]:
    table = tests.get(name)
    if table is None or table.empty:
        return []
    column = "condition" if name == "validation_kinetics" else "test"
    records: list[dict[str, Any]] = table[table[column].astype(str) == condition].to_dict("records")
    return records


def _record(evidence: str, statistic: str, values: list[float], row: dict[str, Any], way: int) -> dict[str, Any]:
    n = int(np.nanmin([float(row.get(c) or np.nan) for c in ("n_test", "n_reference", "n_replicates")] + [1e9]))
    return {"evidence": evidence, "statistic": statistic, "value": values[0], "ci_low": values[1], "ci_high": values[2],
            "p_value": row.get("p_value", np.nan), "n": n if n < 1e9 else 0, "reason": str(row.get("reason") or ""),
            "more_is_resistance": way}  # fmt: skip


def _with_sentences(rows: list[dict[str, Any]]) -> pd.DataFrame:
    table = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    table["reason"] = table["reason"].fillna("")
    table["sentence"] = [_sentence(r) for r in table.to_dict("records")]
    return table


def _sentence(row: dict[str, Any]) -> str:
    if row["reason"]:
        return f"{row['gene']}, {row['evidence']}: {row['reason']}"
    word = {"yes": "as expected", "no": "against what was expected", "open": "not decided"}[str(row["met"])]
    return (f"{row['gene']}, {row['evidence']}: {row['statistic']} {row['value']:.2f} "
            f"[{row['ci_low']:.2f}, {row['ci_high']:.2f}], n {row['n']}: {word}")  # fmt: skip
