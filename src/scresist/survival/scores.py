"""A score of several genes, judged by nested cross-validation: concordance with an interval, optimism, calibration."""

import numpy as np
import pandas as pd

from scresist.kernels.cox import concordance_index
from scresist.kernels.cox_scan import scan_cox
from scresist.results import Result
from scresist.survival.endpoint import Endpoint

SIZES = (1, 3, 5, 10, 20)
MIN_EVENTS = 15


def nested_score(
    found: Endpoint, *, endpoint: str, folds: int = 5, repeats: int = 10, rng: int | np.random.Generator = 1
) -> Result:
    """Concordance of a score of the genes with the smallest p, all choices made without the patients it is judged in.

    The score is the mean of standardised genes times the sign of their log hazard ratio. In every outer training set
    the genes and (by an inner cross-validation) their number are chosen anew; the outer patients only judge.

    Parameters
    ----------
    found
        Patients with their times and values.
    endpoint
        Its name.
    folds, repeats
        Of the outer cross-validation.
    rng
        Source of chance, or its seed.

    Returns
    -------
    Result whose table has one row: `concordance` (cross-validated) with the 95 % interval of a bootstrap over patients
    of the out-of-fold scores, `apparent` (the same patients), `optimism`, `slope` (calibration: 1 is right), and the
    number of genes that was chosen most often.

    References
    ----------
    Varma & Simon (2006) BMC Bioinformatics 7:91; Harrell, Lee & Mark (1996) Stat Med 15:361.
    """
    chance = np.random.default_rng(rng)
    columns = ["endpoint", "n", "events", "concordance", "ci_low", "ci_high", "apparent", "optimism", "slope",
               "n_genes", "folds", "repeats", "reason"]  # fmt: skip
    values = found.values.loc[:, found.values.notna().all(axis=0)].to_numpy(float)
    n, events = found.time.size, int(found.event.sum())
    base = {"endpoint": endpoint, "n": n, "events": events, "folds": folds, "repeats": repeats, "reason": ""}
    if events < MIN_EVENTS or values.shape[1] < 2:
        reason = f"{events} events, fewer than {MIN_EVENTS}" if events < MIN_EVENTS else "fewer than two features"
        return Result(pd.DataFrame([base | {"reason": reason}], columns=columns), "nested cross-validation")
    out, chosen = np.full((repeats, n), np.nan), []
    for r in range(repeats):
        fold = chance.permutation(n) % folds
        for f in range(folds):
            train, test = fold != f, fold == f
            size = _best_size(values[train], found.time[train], found.event[train], chance)
            chosen.append(size)
            out[r, test] = _score(values[train], found.time[train], found.event[train], values[test], (size,))[0]
    score = out.mean(axis=0)
    kept = int(np.bincount(chosen).argmax())
    apparent = concordance_index(
        _score(values, found.time, found.event, values, (kept,))[0], found.time, found.event
    )  # fmt: skip
    own = float(np.mean([concordance_index(row, found.time, found.event) for row in out]))
    draws = []
    for _ in range(500):
        rows = chance.integers(0, n, n)
        draws.append(concordance_index(score[rows], found.time[rows], found.event[rows]))
    middle = concordance_index(score, found.time, found.event)
    low, high = np.nanquantile(draws, [0.025, 0.975]) - middle + own
    slope = scan_cox(found.time, found.event, score[:, None], limits=False)
    whole = scan_cox(
        found.time, found.event, _score(values, found.time, found.event, values, (kept,))[0][:, None], limits=False
    )  # fmt: skip
    row = base | {
        "concordance": own, "ci_low": max(low, 0.0), "ci_high": min(high, 1.0), "apparent": apparent,
        "optimism": apparent - own, "slope": float(slope.coef[0] / whole.coef[0]), "n_genes": kept,
    }  # fmt: skip
    return Result(pd.DataFrame([row], columns=columns), "nested cross-validation of a score of signs")


def _score(
    train: np.ndarray, time: np.ndarray, event: np.ndarray, test: np.ndarray, sizes: tuple[int, ...]
) -> list[np.ndarray]:
    """Scores of other patients by the genes of smallest p of the training patients, one per number of genes."""
    fit = scan_cox(time, event, train, limits=False, firth=False)
    z = np.where(np.isfinite(fit.coef), fit.coef / fit.se, 0.0)
    order = np.argsort(-np.abs(z), kind="stable")
    centre, sd = train.mean(axis=0), train.std(axis=0)
    standard = (test - centre) / np.where(sd > 0, sd, 1.0)
    return [standard[:, order[:k]] @ np.sign(z[order[:k]]) / k for k in sizes]


def _best_size(values: np.ndarray, time: np.ndarray, event: np.ndarray, rng: np.random.Generator) -> int:
    sizes = tuple(k for k in SIZES if k <= values.shape[1])
    fold = rng.permutation(time.size) % 3
    held = np.full((len(sizes), time.size), np.nan)
    for f in range(3):
        held[:, fold == f] = _score(values[fold != f], time[fold != f], event[fold != f], values[fold == f], sizes)
    return sizes[int(np.nanargmax([concordance_index(row, time, event) for row in held]))]
