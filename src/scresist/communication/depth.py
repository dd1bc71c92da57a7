"""Whether the cells of two arms differ in depth: depth alone moves the values of links."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from scresist.cells.counts import total_counts
from scresist.communication.levels import group_codes, sample_codes
from scresist.communication.result import Communication
from scresist.contrasts import contrast_arms
from scresist.contrasts.verdict import ALPHA
from scresist.results import Result
from scresist.study.design import Design

ALL = "every cell"  # of a sample, whatever its group


def depths(adata: Any, com: Communication, *, sample: str = "sample") -> pd.DataFrame:
    """Median counts of the cells of each group in each sample: sample, group (and "every cell"), counts.

    Parameters
    ----------
    adata
        The cells, with raw counts.
    com
        Inferred from them.
    sample
        Column of the samples.

    Raises
    ------
    InputError
        If the cells have no raw counts, or a sample or group that the result does not have.
    """
    of_sample, names = sample_codes(adata, com, sample)
    cells = pd.DataFrame({"sample": of_sample, "group": group_codes(adata, com), "counts": total_counts(adata)})
    every = cells.groupby("sample")["counts"].median().reset_index().assign(group=ALL)
    own = cells.groupby(["sample", "group"])["counts"].agg(["median", "size"]).reset_index()
    own = own[own["size"] >= int(com.settings.get("min_cells", 0))].rename(columns={"median": "counts"})
    own["group"] = np.asarray(com.groups)[own["group"]]
    both = pd.concat([every, own], ignore_index=True)[["sample", "group", "counts"]]
    return both.assign(sample=np.asarray(names)[both["sample"]])


def with_depth_doubts(
    result: Result, depth: pd.DataFrame, design: Design, *, rng: int | np.random.Generator = 1
) -> Result:
    """The comparison with a column `doubts`: which of a link's groups differ in depth between the arms.

    A link is computed from averages of log-normalised cells, and those of a gene with few counts depend on how many
    counts a cell has. Where nothing but the depth differs between arms, by half or three times, 0.15 to 0.62 of links
    have p < 0.05 (docs/contrasts.md), so that no difference of such a link is a finding.

    Parameters
    ----------
    result
        From `contrast_communication` or `contrast_steps`, or of flows of pathways over all groups.
    depth
        From `depths`.
    design
        Arms, contrasts, sheet of samples.
    rng
        Seed or generator of the test of the depths.
    """
    wide = depth.assign(value=np.log(depth["counts"].clip(lower=1)))[["sample", "group", "value"]]
    tested = contrast_arms(wide, design, rng=rng).table
    unequal = tested[tested["p_value"] < ALPHA]
    arms = {c.name: ("a later arm", "the one before") if c.order else (c.test, c.reference) for c in design.contrasts}
    words = {
        (str(row["contrast"]), str(row["group"])): _words(row["group"], *arms[row["contrast"]], row["effect"])
        + f" (p = {row['p_value']:.2g})"
        for row in unequal.to_dict("records")
    }
    table = result.table
    sides = [column for column in ("source", "target", "group") if column in table]
    doubts = []
    for row in table.to_dict("records"):
        groups = list(dict.fromkeys(str(row[side]) for side in sides if isinstance(row[side], str))) or [ALL]
        found = [words[key] for group in groups if (key := (str(row["contrast"]), group)) in words]
        doubts.append("; ".join(found))
    named = [f"{contrast}: {text}; such links are no findings" for (contrast, _), text in words.items()]
    return replace(result, table=table.assign(doubts=doubts), notes=(*result.notes, *named))


def _words(group: object, test: str, reference: str, effect: float) -> str:
    who = "cells" if group == ALL else f"{group}: cells"
    return f"{who} of {test} have {np.exp(effect):.2g} times as many counts as those of {reference}"
