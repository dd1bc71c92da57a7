"""Immunohistochemistry: what readers saw in cores becomes one score of each sample, with how far readers agree."""

import numpy as np
import pandas as pd
from scipy import stats

from scresist.checks import InputError, counted
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.reader_agreement import (
    Estimate,
    intraclass,
    krippendorff,
    limits_of_agreement,
    weighted_kappa,
)
from scresist.results import Result
from scresist.validation.assay_table import Rows, number_column, read_assay

INTENSITIES = ("weak", "moderate", "strong")
TOLERANCE = 0.5  # percent: shares that were rounded may add up to a little more than 100
CELLS = ("positive_tumour", "positive_immune", "viable_tumour")
COLUMNS = (
    "patient", "sample", "marker", "h_score", "ci_low", "ci_high", "n_cores", "n_readers", "positive_percent", "tps",
    "cps", "reason",
)  # fmt: skip
FEW = 3  # cores that an agreement needs at least
BANDS = (50.0, 150.0)  # H-scores between low, moderate and high expression, for the kappa of categories


def ihc(table: pd.DataFrame, *, alpha: float = ALPHA) -> Result:
    """H-score, tumour proportion and combined positive score of every sample, from readers' percentages per core.

    The readers of a core are averaged, then the cores of a sample, so that a core that two readers saw does not count
    twice. The interval of an H-score is from the spread of cores within samples, pooled over the samples of a marker,
    because a sample has too few cores for a spread of its own.

    Parameters
    ----------
    table
        One row per marker, core and reader: patient, sample, marker, weak, moderate, strong (percent of tumour cells;
        they add up to 100 at most), and any of reader, core. With counts of cells, positive_tumour, viable_tumour and
        positive_immune, the tumour proportion score and the combined positive score are made too.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table is `validation_ihc`: one row per sample and marker.

    Raises
    ------
    InputError
        If a percentage is below 0 or above 100, the three of a row are more than 100 together, all are shares of 1, a
        number is text, a row is there twice, or a sample belongs to two patients; with the row of the file.

    Notes
    -----
    H-score: McCarty KS et al 1985, Arch Pathol Lab Med 109:716. Combined positive score: Kulangara K et al 2019, Arch
    Pathol Lab Med 143:330.
    """
    scored = score_rows(table)
    cores = scored.groupby(["patient", "sample", "marker", "core"], sort=True, observed=True)
    per_core = cores.agg(h_score=("h_score", "mean"), positive_percent=("positive_percent", "mean"),
                         tps=("tps", "mean"), cps=("cps", "mean")).reset_index()  # fmt: skip
    keys = ["patient", "sample", "marker"]
    samples = per_core.groupby(keys, sort=True)
    found = samples.agg(h_score=("h_score", "mean"), n_cores=("core", "size"),
                        positive_percent=("positive_percent", "mean"), tps=("tps", "mean"),
                        cps=("cps", "mean"))  # fmt: skip
    found["n_readers"] = scored.groupby(keys)["reader"].nunique()
    spread = samples["h_score"].agg(["var", "size"]).reset_index()
    pooled = {m: _pooled(t["var"].to_numpy(float), t["size"].to_numpy()) for m, t in spread.groupby("marker")}
    found = found.reset_index()
    sd, df = (np.array([pooled[m][k] for m in found["marker"]]) for k in (0, 1))
    half = stats.t.ppf(1 - alpha / 2, np.maximum(df, 1)) * sd / np.sqrt(found["n_cores"].to_numpy(float))
    half = np.where(df > 0, half, np.nan)
    found["ci_low"] = np.clip(found["h_score"] - half, 0.0, 300.0)
    found["ci_high"] = np.clip(found["h_score"] + half, 0.0, 300.0)
    found["reason"] = np.where(df > 0, "", "no sample of the marker has two cores, so that there is no interval")
    notes = [f"{marker}: {counted(int(n), 'sample')}" for marker, n in found["marker"].value_counts().items()]
    return Result(found[list(COLUMNS)], "H-score, mean over readers and cores; interval from cores within samples",
                  {"alpha": alpha}, tuple(notes))  # fmt: skip


def score_rows(table: pd.DataFrame) -> pd.DataFrame:
    """The rows of a table of readers with their H-score, positive share and scores of counts.

    Parameters
    ----------
    table
        As in `ihc`.

    Raises
    ------
    InputError
        As in `ihc`.
    """
    filled = {"reader": "reader 1", "core": "core 1"}
    given, rows = read_assay(table, "ihc", names=("patient", "sample", "marker"), numbers=INTENSITIES, filled=filled)
    shares = given[list(INTENSITIES)]
    for name in INTENSITIES:
        rows.refuse((shares[name] < 0) | (shares[name] > 100), f"{name} must be a percentage, 0 to 100",
                    list(shares[name]))  # fmt: skip
    total = shares.sum(axis=1)
    rows.refuse(total > 100 + TOLERANCE, "weak, moderate and strong are more than 100 percent together", list(total))
    if len(given) > 1 and 0 < total.max() <= 1.0:
        rows.refuse(total > 0, "weak, moderate and strong look like shares of 1; give percent, 0 to 100", list(total))
    rows.refuse(given.duplicated(["sample", "marker", "reader", "core"]),
                "this sample, marker, core and reader are there already", list(given["sample"]))  # fmt: skip
    one_patient(given, rows)
    for name in ("marker", "reader"):
        one_spelling(given[name], name, rows)
    given["positive_percent"] = total.clip(upper=100.0)
    given["h_score"] = (shares["weak"] + 2 * shares["moderate"] + 3 * shares["strong"]).clip(upper=300.0)
    _counts(given, rows)
    rows.stop()
    return given


def one_spelling(names: pd.Series, what: str, rows: Rows) -> None:
    """Note rows whose name differs from that of an earlier row by capitals, spaces or hyphens only.

    Parameters
    ----------
    names
        Of markers or readers.
    what
        The column, for messages.
    rows
        Where errors are noted.
    """
    plain = names.astype(str).str.lower().str.replace(r"[\s_\-]", "", regex=True)
    first = names.groupby(plain, sort=False).transform("first")
    for name in dict.fromkeys(first[names != first]):
        other = (names != first) & (first == name)
        rows.refuse(other, f"the {what} is {name!r} in an earlier row; write it in one way", list(names))


def one_patient(table: pd.DataFrame, rows: Rows) -> None:
    """Note rows whose sample belongs to another patient in an earlier row.

    Parameters
    ----------
    table
        With patient and sample.
    rows
        Where errors are noted.
    """
    first = table.groupby("sample", sort=False)["patient"].transform("first")
    rows.refuse(table["patient"] != first, "the sample belongs to another patient in an earlier row",
                list(table["sample"]))  # fmt: skip


def _counts(given: pd.DataFrame, rows: Rows) -> None:
    """Tumour proportion and combined positive score where cells were counted; NaN otherwise."""
    given["tps"] = given["cps"] = np.nan
    if "viable_tumour" not in given:
        return
    counts = {name: number_column(given[name], name, rows, may_miss=True) for name in CELLS if name in given}
    for name, values in counts.items():
        rows.refuse(values < 0, f"{name} must be a number of cells, 0 or more", list(values))
    viable = counts["viable_tumour"]
    rows.refuse(viable == 0, "viable_tumour is 0: there is no tumour cell to score", list(viable))
    positive = counts.get("positive_tumour")
    if positive is None:
        return
    rows.refuse(positive > viable, "more tumour cells are positive than there are", list(positive))
    above = viable.where(viable > 0)
    given["tps"] = 100.0 * positive / above
    immune = counts.get("positive_immune")
    if immune is not None:
        given["cps"] = (100.0 * (positive + immune) / above).clip(upper=100.0)


def _pooled(variances: np.ndarray, sizes: np.ndarray) -> tuple[float, int]:
    """Standard deviation within samples, pooled over those with at least two cores, and its degrees of freedom."""
    df = int(np.sum(sizes - 1))
    if df == 0:
        return float("nan"), 0
    return float(np.sqrt(np.nansum(variances * (sizes - 1)) / df)), df


def reader_agreement(table: pd.DataFrame, *, alpha: float = ALPHA) -> Result:
    """How far readers agree on H-scores and on their categories (below 50, to 150, above).

    Parameters
    ----------
    table
        As in `ihc`, with a column reader.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.

    Returns
    -------
    Result whose table is `validation_ihc_agreement`: for every marker the intraclass correlation of one reader and of
    the mean of all, Krippendorff's alpha of the categories, and for every pair of readers weighted kappa, the mean
    difference and the 95 % limits of agreement; with the number of cores that the readers share.

    Raises
    ------
    InputError
        As in `ihc`, or if there is one reader only.
    """
    scored = score_rows(table)
    if scored["reader"].nunique() < 2:
        raise InputError("agreement needs at least two readers; column 'reader' has one")
    records: list[dict[str, object]] = []
    notes = []
    for marker, own in scored.groupby("marker", sort=True):
        wide = own.assign(place=own["sample"] + " " + own["core"]).pivot_table(
            index="place", columns="reader", values="h_score"
        )  # fmt: skip
        if wide.shape[1] < 2:
            notes.append(f"{marker}: one reader, so that agreement cannot be measured")
            continue
        records += [{"marker": marker} | r for r in _together(wide, alpha)]
        names = list(wide.columns)
        for i, a in enumerate(names):
            for b in names[i + 1 :]:
                records += [{"marker": marker} | r for r in _of_two(wide[[a, b]].dropna(), alpha)]
    columns = ["marker", "readers", "statistic", "n", "value", "ci_low", "ci_high", "reason"]
    return Result(pd.DataFrame(records, columns=columns), "agreement between readers over cores", {"alpha": alpha},
                  tuple(notes))  # fmt: skip


def _together(wide: pd.DataFrame, alpha: float) -> list[dict[str, object]]:
    whole = wide.dropna().to_numpy(float)
    base = {"readers": "all", "n": len(whole)}
    few = (
        "" if len(whole) >= FEW else f"{counted(len(whole), 'core')} scored by every reader; at least {FEW} are needed"
    )
    found = intraclass(whole, alpha) if not few else None
    none = Estimate(np.nan, np.nan, np.nan)
    constant = "" if few or np.isfinite(found.agreement.value) else "every score is the same"  # type: ignore[union-attr]
    rows = [
        base | _row("ICC, one reader", none if found is None else found.agreement, few or constant),
        base | _row("ICC, mean of readers", none if found is None else found.agreement_average, few or constant),
    ]
    ranks = np.where(np.isfinite(wide), np.digitize(wide, BANDS).astype(float), np.nan)
    value = krippendorff(ranks, "ordinal")
    rows.append(
        {"readers": "all", "n": int((np.isfinite(ranks).sum(axis=1) > 1).sum())}
        | _row("Krippendorff's alpha of low, moderate, high", Estimate(value, np.nan, np.nan),
               "" if np.isfinite(value) else "every score is in one category")
    )  # fmt: skip
    return rows


def _of_two(pair: pd.DataFrame, alpha: float) -> list[dict[str, object]]:
    a, b = (pair.iloc[:, k].to_numpy(float) for k in (0, 1))
    base = {"readers": " and ".join(map(str, pair.columns)), "n": len(pair)}
    none = Estimate(np.nan, np.nan, np.nan)
    if len(pair) < FEW:
        few = f"{counted(len(pair), 'core')} scored by both; at least {FEW} are needed"
        return [base | _row("weighted kappa of low, moderate, high", none, few)]
    kappa = weighted_kappa(np.digitize(a, BANDS), np.digitize(b, BANDS), len(BANDS) + 1, 2.0, alpha)
    limits = limits_of_agreement(a - b, alpha)
    one = "" if np.isfinite(kappa.value) else "every score is in one category"
    return [
        base | _row("weighted kappa of low, moderate, high", kappa, one),
        base | _row("mean difference", limits.bias, ""),
        base | _row("lower limit of agreement", limits.lower, ""),
        base | _row("upper limit of agreement", limits.upper, ""),
    ]


def _row(statistic: str, found: Estimate, reason: str) -> dict[str, object]:
    return {"statistic": statistic, "value": found.value, "ci_low": found.low, "ci_high": found.high, "reason": reason}
