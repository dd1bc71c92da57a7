"""Quantitative PCR and Western blots: fold changes over replicates against reference genes or loading controls."""

from collections.abc import Iterable, Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted, require_choice, suggestion
from scresist.results import Result
from scresist.validation.assay_table import Rows, number_column, read_assay, refuse_repeats
from scresist.validation.two_conditions import PAIRINGS, difference, met, q_values, reference_of, sign_of

UNDETERMINED = ("undetermined", "undet", "undet.", "n/a", "na", "nd", "no ct", "")
LARGEST_CT = 50.0
SPREAD_CT = 0.5  # SD of technical wells above which they are pointed out
KEYS = ["experiment", "line"]
COLUMNS = (
    "assay",
    *KEYS,
    "target",
    "test",
    "reference",
    "fold",
    "ci_low",
    "ci_high",
    "p_value",
    "q_value",
    "ddct",
    "normalised_to",
    "n_test",
    "n_reference",
    "pairing",
    "expected",
    "met",
    "weak",
    "reason",
)
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
        `higher` or `lower`, for all genes or by their name: the direction that was predicted.

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
    require_choice(pairing, PAIRINGS, "pairing")
    controls = list(dict.fromkeys(map(str, [reference_genes] if isinstance(reference_genes, str) else reference_genes)))
    values, notes = _delta_ct(table, controls)
    notes += _moving_controls(values, controls)
    targets = values[~values["gene"].isin(controls)]
    if targets.empty:
        raise InputError("qpcr.csv has only reference genes; there is nothing to compare")
    out = _contrasted(
        targets.drop(columns="level").rename(columns={"gene": "target", "delta": "level"}),
        reference,
        expected,
        notes,
        paired=pairing == "paired",
        assay="qpcr",
        normalised_to=" + ".join(controls),
    )
    out["ddct"] = -np.log2(out["fold"])
    settings = {"reference_genes": controls, "pairing": pairing}
    return Result(
        out[list(COLUMNS)],
        "delta-delta Ct, t over biological replicates",
        MappingProxyType(settings),
        tuple(dict.fromkeys(notes)),
    )


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
        `higher` or `lower`, for all proteins or by their name: the direction that was predicted.

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
    require_choice(pairing, PAIRINGS, "pairing")
    controls = list(dict.fromkeys(map(str, [loading] if isinstance(loading, str) else loading)))
    values, notes = _bands(table, controls)
    targets = values[~values["target"].isin(controls)]
    if targets.empty:
        raise InputError("blot.csv has only loading controls; there is nothing to compare")
    out = _contrasted(
        targets,
        reference,
        expected,
        notes,
        paired=pairing == "paired",
        assay="blot",
        normalised_to=" + ".join(controls),
    )
    settings = {"loading": controls, "pairing": pairing}
    return Result(
        out[list(COLUMNS)],
        "ratios within membranes, t over biological replicates",
        MappingProxyType(settings),
        tuple(dict.fromkeys(notes)),
    )


def _contrasted(values, reference, expected, notes, *, paired, assay, normalised_to) -> pd.DataFrame:  # type: ignore[no-untyped-def]
    """Every condition against the reference; `level` is log2 and higher for more."""
    first, words = reference_of(list(dict.fromkeys(values["condition"])), reference, "condition")
    notes += [words] if words else []
    rows = []
    for key, block in values.groupby([*KEYS, "target"], sort=False):
        of = {name: part.set_index("replicate")["level"] for name, part in block.groupby("condition", sort=False)}
        if first not in of:
            notes.append(f"{key[2]!r} of line {key[1]!r} has no condition {first!r}: not compared")
            continue
        way = sign_of(expected.get(str(key[2])) if isinstance(expected, Mapping) else expected)
        for name, part in of.items():
            if name == first:
                continue
            a, b = part, of[first]
            if paired:
                both = [r for r in a.index if r in b.index]
                a, b = a.loc[both], b.loc[both]
            found = difference(a.to_numpy(float), b.to_numpy(float), paired=paired)
            missing = int(part.isna().sum() + of[first].isna().sum())
            reasons = [f"{counted(missing, 'replicate')} without a value left out"] if missing else []
            reasons += ["no replicate has both conditions"] if paired and not len(a) else []
            rows.append(
                {
                    "assay": assay,
                    "experiment": key[0],
                    "line": key[1],
                    "target": key[2],
                    "test": name,
                    "reference": first,
                    "fold": 2**found.effect,
                    "ci_low": 2**found.ci_low,
                    "ci_high": 2**found.ci_high,
                    "p_value": found.p_value,
                    "ddct": np.nan,
                    "normalised_to": normalised_to,
                    "n_test": found.n_test,
                    "n_reference": found.n_reference,
                    "pairing": "paired" if paired else "unpaired",
                    "expected": {0: "", 1: "higher", -1: "lower"}[way],
                    "met": met(found.effect, found.p_value, way),
                    "weak": found.weak,
                    "reason": "; ".join(r for r in (*reasons, found.reason) if r),
                }
            )
    out = pd.DataFrame(rows).reindex(columns=list(COLUMNS))
    out["q_value"] = q_values(out["p_value"].to_numpy(float))
    if out.empty:
        notes.append("nothing was measured in two conditions: there is no comparison")
    return out


def _controls_there(found: Iterable[str], controls: list[str], what: str, where: str) -> None:
    known = list(dict.fromkeys(found))
    if not controls:
        raise InputError(f"{where}: no {what} is given; values cannot be normalised")
    for name in controls:
        if name not in known:
            raise InputError(f"{where} has no {what} {name!r}; {suggestion(name, known)}")


def _delta_ct(table: pd.DataFrame, controls: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Minus delta Ct (log2 level) of every gene and replicate, and the mean of the reference genes."""
    given = table
    if isinstance(table, pd.DataFrame) and "ct" in table:
        unseen = table["ct"].astype(str).str.strip().str.lower().isin(UNDETERMINED)
        given = table.assign(ct=table["ct"].astype(object).where(~unseen, np.nan))
    wells, rows = read_assay(
        given,
        "qpcr.csv",
        names=["line", "condition", "replicate", "gene"],
        numbers=["ct"],
        filled={"experiment": ""},
        may_miss=["ct"],
    )
    _controls_there(wells["gene"], controls, "reference gene", "qpcr.csv")
    rows.refuse(
        (wells["ct"] <= 0) | (wells["ct"] > LARGEST_CT),
        f"a Ct is not between 0 and {LARGEST_CT:g} cycles",
        list(wells["ct"]),
    )
    factor = np.full(len(wells), 2.0)
    if "efficiency" in wells:
        efficiency = number_column(wells["efficiency"], "efficiency", rows, may_miss=True)
        rows.refuse(
            (efficiency < 1.5) | (efficiency > 2.2),
            "an efficiency must be the factor per cycle, 1.5 to 2.2 (100 percent is 2)",
            list(efficiency),
        )
        factor = efficiency.fillna(2.0).to_numpy(float)
    keys = [*KEYS, "condition", "replicate", "gene"]
    refuse_repeats(wells, keys, "ct", rows)
    rows.stop()
    # Pfaffl's form: log2 of the quantity is minus Ct times log2 of the factor, per gene.
    wells["level"] = -wells["ct"].to_numpy(float) * np.log2(np.maximum(factor, 1.0))
    by = wells.groupby(keys, sort=False)
    out = by["level"].mean().reset_index()
    spread = by["ct"].std(ddof=1)
    notes = []
    wide = int((spread > SPREAD_CT).sum())
    if wide:
        notes.append(f"technical wells differ by more than {SPREAD_CT} cycles (SD) in {wide} of {len(spread)} means")
    missing = int(wells["ct"].isna().sum())
    if missing:
        notes.append(f"{counted(missing, 'well')} without a Ct left out (not replaced by a number)")
    is_control = out["gene"].isin(controls)
    place = [*KEYS, "condition", "replicate"]
    base = out[is_control].groupby(place)["level"].agg(lambda v: v.mean() if v.notna().all() else np.nan).rename("base")
    count = out[is_control & out["level"].notna()].groupby(place)["gene"].nunique().rename("n_controls")
    out = out.join(base, on=place).join(count, on=place)
    lacks = (out["n_controls"].fillna(0) < len(controls)) & ~is_control
    if lacks.any():
        notes.append(f"{counted(int(lacks.sum()), 'value')} without all reference genes left out")
    out["delta"] = (out["level"] - out["base"]).where(~lacks | is_control)
    return out, notes


def _moving_controls(values: pd.DataFrame, controls: list[str]) -> list[str]:
    """Reference genes that differ between conditions relative to the others."""
    notes = []
    if len(controls) < 2:
        return ["one reference gene: whether it is stable between the conditions cannot be checked"]
    for gene in controls:
        part = values[values["gene"] == gene]
        groups = [g["delta"].to_numpy(float) for _, g in part.groupby("condition", sort=False)]
        for other in groups[1:]:
            found = difference(other, groups[0])
            if found.p_value < 0.05 and abs(found.effect) > 0.5:
                notes.append(
                    f"reference gene {gene} differs between conditions by {abs(found.effect):.1f} cycles relative "
                    "to the mean of all; check whether it is stable"
                )
    return notes


def _bands(table: pd.DataFrame, controls: list[str]) -> tuple[pd.DataFrame, list[str]]:
    """Log2 of each band over the loading controls of its lane, per replicate and membrane."""
    bands, rows = read_assay(
        table,
        "blot.csv",
        names=["line", "condition", "replicate", "protein"],
        numbers=["signal"],
        filled={"experiment": "", "membrane": "", "lane": ""},
        may_miss=["signal"],
    )
    _controls_there(bands["protein"], controls, "loading control", "blot.csv")
    if "background" in bands:
        bands["background"] = number_column(bands["background"], "background", rows, may_miss=True)
        bands["signal"] = bands["signal"] - bands["background"].fillna(0)
    elif len(bands):
        rows.refuse(bands["signal"] < 0, "a signal is negative", list(bands["signal"]))
    lane = [*KEYS, "condition", "replicate", "membrane", "lane"]
    refuse_repeats(bands, [*lane, "protein"], "signal", rows)
    _lanes_have_controls(bands, lane, controls, rows)
    rows.stop()
    notes = []
    unseen = int((~(bands["signal"] > 0)).sum())
    if unseen:
        notes.append(f"{counted(unseen, 'band')} without a signal above the background left out")
    level = np.log2(bands["signal"].where(bands["signal"] > 0))
    bands = bands.assign(level=level).groupby([*lane, "protein"], sort=False)["level"].mean().reset_index()
    base = bands[bands["protein"].isin(controls)].groupby(lane)["level"].agg(_all_mean).rename("base")
    bands = bands.join(base, on=lane)
    bands["level"] = bands["level"] - bands["base"]
    # Lanes of one membrane and membranes of one replicate are technical; the place of a pair is replicate and membrane.
    out = bands.rename(columns={"protein": "target"})
    keys = [*KEYS, "target", "condition", "replicate"]
    of_membrane = out.groupby([*keys, "membrane"], sort=False)["level"].mean().reset_index()
    shared = of_membrane.groupby([*KEYS, "target", "replicate", "membrane"])["condition"].transform("nunique")
    alone = of_membrane.groupby([*KEYS, "target", "replicate"])["membrane"].transform("nunique") > 1
    apart = alone & (shared < 2)
    if apart.any():
        notes.append(f"{counted(int(apart.sum()), 'value')} of membranes with one condition left out: no common scale")
    return of_membrane[~apart].groupby(keys, sort=False)["level"].mean().reset_index(), notes


def _all_mean(values: pd.Series) -> float:
    return float(values.mean()) if values.notna().all() else float("nan")


def _lanes_have_controls(bands: pd.DataFrame, lane: list[str], controls: list[str], rows: Rows) -> None:
    """Note bands whose lane has no loading control."""
    there = bands["protein"].isin(controls).groupby([bands[k] for k in lane]).transform("any")
    rows.refuse(~there, f"the lane of this band has no loading control ({', '.join(controls)})", list(bands["protein"]))
