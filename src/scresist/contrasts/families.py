"""Many kinds of claim in one study: the level of each family of tests, so that the whole study keeps its rate."""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import require_columns
from scresist.contrasts.verdict import ALPHA
from scresist.kernels.multiple_testing import family_levels
from scresist.results import Result

COLUMNS = ("kind", "family", "tests", "smallest_q", "level")


def study_levels(tables: Mapping[str, Result | pd.DataFrame], *, alpha: float = ALPHA) -> Result:
    """What q-values are compared with when genes, modules, cell types, signals and hazards are all asked in one study.

    A q-value keeps the rate of its own family. A study has dozens of families, and where no arm differs each may still
    call something in one study of twenty. The levels given here keep the rate over all of them: a claim is `supported`
    only where its q-value is at or below the level of its family.

    Parameters
    ----------
    tables
        By kind of claim, as for `register_claims`: `p_value`, `q_value`, and the families by `family_names`.
    alpha
        Rate to keep.

    Returns
    -------
    Result whose table has one row per family: `kind`, `family`, `tests` (with a q-value), `smallest_q`, `level` (0:
    nothing of this family is supported over the whole study; NaN: nothing was tested).

    References
    ----------
    See `kernels.multiple_testing.family_levels`.
    """
    rows = []
    for kind, result in tables.items():
        table = result.table if isinstance(result, Result) else result
        if table.empty:
            continue
        require_columns(table, ["q_value"], f"the table of {kind}")
        for family, q in table["q_value"].groupby(family_names(table), sort=False):
            rows.append((kind, family, int(q.notna().sum()), float(q.min()) if q.notna().any() else np.nan))
    out = pd.DataFrame(rows, columns=list(COLUMNS[:-1]))
    out["level"] = family_levels(out["smallest_q"].to_numpy(float), pd.factorize(out["kind"])[0], alpha)
    held = out[out["level"] > 0]
    note = f"{len(held)} of {len(out)} families have something that is supported over the whole study"
    return Result(out, "Benjamini-Bogomolov over kinds and families", MappingProxyType({"alpha": alpha}), (note,))


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
