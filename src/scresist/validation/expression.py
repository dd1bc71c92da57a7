"""Quantitative PCR and Western blots: fold changes over replicates against reference genes or loading controls."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, require_choice
from scresist.results import Result
from scresist.validation.expression_input import KEYS, LEVELS, Levels, blot_levels, qpcr_levels
from scresist.validation.two_conditions import PAIRINGS, difference, met, q_values, reference_of, sign_of, word_of

CONTROLS = {"qpcr": "reference genes", "blot": "loading controls"}
METHODS = {"qpcr": "delta-delta Ct, t over biological replicates",
           "blot": "ratios within membranes, t over biological replicates"}  # fmt: skip

COLUMNS = (
    "assay", *KEYS, "target", "test", "reference", "fold", "ci_low", "ci_high", "p_value", "q_value", "ddct",
    "normalised_to", "n_test", "n_reference", "pairing", "expected", "met", "weak", "reason",
)  # fmt: skip
Expected = Mapping[str, str] | str | None


def qpcr(
    table: pd.DataFrame,
    *,
    reference_genes: Iterable[str],
    reference: str | None = None,
    pairing: str = "unpaired",
    expected: Expected = None,
) -> Result:
    """Fold change of each gene between conditions by delta-delta Ct, with biological replicates as the unit.

    Technical wells are averaged first. Delta Ct of a replicate is the Ct of the gene less the mean Ct of the reference
    genes; with amplification factors, Ct is multiplied by their log2 (Pfaffl). Delta-delta Ct is the difference of the
    means over replicates; its test is Welch's t, or the t of the differences where replicates are paired.

    Parameters
    ----------
    table
        line, condition, replicate, gene, ct, one row per well. Optional: experiment, well, efficiency (factor per
        cycle, 1.5 to 2.2; else 2). `Undetermined` is a missing Ct: it is counted and never replaced by a number.
    reference_genes
        Genes that delta Ct is relative to.
    reference
        The condition that others are compared with; None takes one that is named as a control, else the first.
    pairing
        `unpaired`, or `paired`: replicates of one name were done together in both conditions.
    expected
        `higher` or `lower`, for all genes or by their name: the direction that was predicted; None uses the column
        `expected` of the table, where there is one.

    Returns
    -------
    Result with one row per gene and comparison: `fold` is 2 to the minus `ddct`, with its interval.

    Raises
    ------
    InputError
        If the table has a fault, or a reference gene is not there; the message has the row of the file.

    References
    ----------
    Livak & Schmittgen (2001) Methods 25:402; Pfaffl (2001) Nucleic Acids Res 29:e45; Bustin et al. (2009)
    Clin Chem 55:611.
    """
    controls = names_of(reference_genes)
    return _compared(qpcr_levels(table, controls), "qpcr", controls, reference, expected, pairing)


def blot(
    table: pd.DataFrame,
    *,
    loading: Iterable[str],
    reference: str | None = None,
    pairing: str = "paired",
    expected: Expected = None,
) -> Result:
    """Fold change of each protein between conditions from Western blots, with biological replicates as the unit.

    The signal of a protein is divided by the (geometric mean of the) loading controls of the same lane. Signals of two
    membranes have no common scale; so the ratio of two conditions is taken within a replicate and membrane and tested
    over those (t of the log ratios). `unpaired` compares normalised signals over membranes.

    Parameters
    ----------
    table
        line, condition, replicate, protein, signal, one row per band. Optional: experiment, membrane, lane, background.
    loading
        Proteins that are loading controls.
    reference
        The condition that others are compared with; None takes one that is named as a control, else the first.
    pairing
        `paired` by replicate and membrane, or `unpaired`.
    expected
        `higher` or `lower`, for all proteins or by their name: the direction that was predicted; None uses the column
        `expected` of the table, where there is one.

    Returns
    -------
    Result with one row per protein and comparison.

    Raises
    ------
    InputError
        If the table has a fault, or a loading control is not there; the message has the row of the file.

    References
    ----------
    Degasperi et al. (2014) PLoS One 9:e87293 (normalisation of blots).
    """
    controls = names_of(loading)
    return _compared(blot_levels(table, controls), "blot", controls, reference, expected, pairing)


def expression_points(table: pd.DataFrame, *, assay: str, controls: Iterable[str]) -> Result:
    """Log2 level of every target and replicate relative to its controls, as conditions are compared.

    Parameters
    ----------
    table
        As for `qpcr` or `blot`.
    assay
        qpcr or blot.
    controls
        Reference genes or loading controls.
    """
    require_choice(assay, tuple(CONTROLS), "the assay")
    levels = (qpcr_levels if assay == "qpcr" else blot_levels)(table, names_of(controls))
    return Result(levels.table.assign(assay=assay)[["assay", *LEVELS]], "relative to the controls", {},
                  tuple(levels.notes))  # fmt: skip


def names_of(controls: Iterable[str]) -> list[str]:
    """Names of controls, each once; one name may be given as such."""
    return list(dict.fromkeys(map(str, [controls] if isinstance(controls, str) else controls)))


def _compared(
    levels: Levels, assay: str, controls: list[str], reference: str | None, expected: Expected, pairing: str
) -> Result:
    """The table of one assay: every condition against the reference."""
    require_choice(pairing, PAIRINGS, "pairing")
    if levels.table.empty:
        raise InputError(f"{assay}.csv has only {CONTROLS[assay]}; there is nothing to compare")
    notes = list(levels.notes)
    out = _contrasted(levels, reference, expected, notes, paired=pairing == "paired")
    out["assay"], out["normalised_to"] = assay, " + ".join(controls)
    if assay == "qpcr":
        out["ddct"] = -np.log2(out["fold"])
    settings = {"controls": controls, "pairing": pairing}
    return Result(out[list(COLUMNS)], METHODS[assay], MappingProxyType(settings), tuple(dict.fromkeys(notes)))


def _contrasted(
    levels: Levels, reference: str | None, expected: Expected, notes: list[str], *, paired: bool
) -> pd.DataFrame:
    """Every condition against the reference."""
    values = levels.table
    first, words = reference_of(list(dict.fromkeys(values["condition"])), reference, "condition")
    notes += [words] if words else []
    rows = []
    for key, block in values.groupby([*KEYS, "target"], sort=False):
        of = {name: part.set_index("replicate")["level"] for name, part in block.groupby("condition", sort=False)}
        if first not in of:
            notes.append(f"{key[2]!r} of line {key[1]!r} has no condition {first!r}: not compared")
            continue
        given = sign_of(expected.get(str(key[2])) if isinstance(expected, Mapping) else expected)
        place = dict(zip([*KEYS, "target"], key, strict=True)) | {"reference": first}
        for name, part in of.items():
            if name != first:
                way = given or levels.predicted.get((*map(str, key), str(name)), 0)
                rows.append(place | {"test": name} | _one(part, of[first], way, paired=paired))
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["q_value"] = q_values(out["p_value"].to_numpy(float))
    if out.empty:
        notes.append("nothing was measured in two conditions: there is no comparison")
    return out


def _one(test: pd.Series, reference: pd.Series, way: int, *, paired: bool) -> dict[str, object]:
    """Fold change of one condition over the reference."""
    a, b = test, reference
    if paired:
        both = [r for r in a.index if r in b.index]
        a, b = a.loc[both], b.loc[both]
    found = difference(a.to_numpy(float), b.to_numpy(float), paired=paired)
    missing = int(test.isna().sum() + reference.isna().sum())
    reasons = [f"{counted(missing, 'replicate')} without a value left out"] if missing else []
    reasons += ["no replicate has both conditions"] if paired and not len(a) else []
    return {
        "fold": 2**found.effect, "ci_low": 2**found.ci_low, "ci_high": 2**found.ci_high, "p_value": found.p_value,
        "ddct": np.nan, "n_test": found.n_test, "n_reference": found.n_reference,
        "pairing": "paired" if paired else "unpaired", "expected": word_of(way),
        "met": met(found.effect, found.p_value, way), "weak": found.weak,
        "reason": "; ".join(r for r in (*reasons, found.reason) if r),
    }  # fmt: skip
