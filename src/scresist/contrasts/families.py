"""Many kinds of claim in one study: the level of each family of tests, so that the whole study keeps its rate."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.multiple_testing import PRIMARY_SHARE, focused_q_values, levels_with_primary
from scresist.results import Result

COLUMNS = ("kind", "family", "tests", "smallest_q", "primary", "level")


def study_levels(tables: Mapping[str, Result | pd.DataFrame], *, alpha: float = ALPHA, primary: str = "") -> Result:
    """What q-values are compared with when genes, modules, cell types, signals and hazards are all asked in one study.

    A q-value keeps the rate of its own family. A study has dozens of families, and where no arm differs each may still
    call something in one study of twenty. The levels given here keep the rate over all of them: a claim is `supported`
    only where its q-value is at or below the level of its family.

    Parameters
    ----------
    tables
        By kind of claim, as for `register_claims`: `p_value`, `q_value`, the families by `family_names`, and
        `rests_on_one` and `doubts` where known: what they take away does not count as found.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
        It is the rate that the whole study keeps.
    primary
        The question declared beforehand: a kind of claim, the name of a contrast, or both as "modules: acquired". Its
        families have four fifths of alpha to themselves; the others share a fifth, or all of alpha where every family
        of the primary question has something to call. Empty: none was declared.

    Returns
    -------
    Result whose table has one row per family: `kind`, `family`, `tests` (with a q-value), `smallest_q`,
    `primary` (whether it belongs to the question declared beforehand), `level` (0:
    nothing of this family is supported over the whole study; NaN: nothing was tested).

    References
    ----------
    See `kernels.multiple_testing.family_levels` and `levels_with_primary`.
    """
    rows = []
    for kind, result in tables.items():
        table = result.table if isinstance(result, Result) else result
        if table.empty:
            continue
        require_columns(table, ["q_value"], f"the table of {kind}")
        focused = (
            with_focused_q(table) if "p_value" in table else table.assign(q_focused=table["q_value"], left_out=False)
        )
        kept = focused["q_focused"].where(~focused["left_out"], np.fmax(focused["q_focused"], 1.0))
        contrast = table["contrast"].astype(str) if "contrast" in table else pd.Series("", index=table.index)
        for family, q in kept.groupby(family_names(table), sort=False):
            asked = bool(primary) and all(answers(primary, kind, c) for c in contrast[q.index].unique())
            rows.append((kind, family, int(q.notna().sum()), float(q.min()) if q.notna().any() else np.nan, asked))
    out = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    out["level"] = levels_with_primary(
        out["smallest_q"].to_numpy(float), pd.factorize(out["kind"])[0], out["primary"].to_numpy(bool), alpha
    )
    held = out[out["level"] > 0]
    note = f"{len(held)} of {len(out)} families have something that is supported over the whole study"
    settings = MappingProxyType({"alpha": alpha, "primary": primary})
    notes = (note, *([primary_sentence(out, primary, alpha)] if primary else []))
    return Result(out, "Benjamini-Bogomolov over kinds and families", settings, notes)


def answers(primary: str, kind: str, contrast: str) -> bool:
    """Whether claims of a kind in a contrast answer the primary question (`kind`, `contrast` or `kind: contrast`).

    Parameters
    ----------
    primary
        The question declared beforehand.
    kind, contrast
        The kind of claim, and the name of the contrast.
    """
    return all(part.strip() in (kind, contrast) for part in primary.split(":"))


def primary_sentence(levels: pd.DataFrame, primary: str, alpha: float = ALPHA) -> str:
    """What the primary question has of alpha, and what is left for the others, in words.

    Parameters
    ----------
    levels
        Table of `study_levels`.
    primary, alpha
        As in `study_levels`.
    """
    own = levels[levels["primary"].astype(bool) & levels["smallest_q"].notna()]
    if own.empty:
        return f"The primary question, {primary}, could not be tested; all other families share {alpha:g}."
    found = int((own["level"] > 0).sum())
    rest = alpha if found == len(own) else alpha * (1 - PRIMARY_SHARE)
    return (
        f"The primary question, declared beforehand, is {primary}: its families share a level of "
        f"{alpha * PRIMARY_SHARE:g} to themselves, and {found} of {len(own)} have a finding; all other families share "
        f"{rest:g}."
    )


def with_focused_q(table: pd.DataFrame) -> pd.DataFrame:
    """The table with `q_focused`: q over what is left without findings that one patient carries or that have doubts.

    Parameters
    ----------
    table
        Tests with `p_value`, `q_value`, the columns of `family_names`, and `rests_on_one` and `doubts` where known.
    """
    against = pd.Series(data=False, index=table.index)
    if "rests_on_one" in table:
        against |= table["rests_on_one"].fillna(value=False).astype(bool)
    if "doubts" in table:
        against |= table["doubts"].fillna("") != ""
    out = table["q_value"].astype(float).copy()
    families = family_names(table)
    for family in families[against].unique():
        rows = families == family
        out[rows] = focused_q_values(table.loc[rows, "p_value"].to_numpy(float), ~against[rows].to_numpy())
    return table.assign(q_focused=np.fmax(out, table["q_value"].astype(float)), left_out=against)


def family_names(table: pd.DataFrame) -> pd.Series:
    """The family that the q-value of each row was corrected over.

    Parameters
    ----------
    table
        With any of the columns level, step, family, contrast, cell_type, endpoint, method.
    """
    parts = [table[c].astype(str) for c in ("level", "step", "family") if c in table]
    if "family" not in table:
        parts += [table[c].astype(str) for c in ("contrast", "cell_type", "endpoint", "method") if c in table]
    if not parts:
        return pd.Series("all", index=table.index)
    named = parts[0]
    for part in parts[1:]:
        named = named + ": " + part
    return named
