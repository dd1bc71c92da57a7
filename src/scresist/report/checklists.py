"""The section with the check-lists: REMARK for the survival claims, and the SITC definitions of resistance."""

from typing import Any

import numpy as np
import pandas as pd

from scresist.report.blocks import Column, Section, heading, plain_table, table, text
from scresist.report.folder import Folder

GAP = "to be filled in by the authors"


def checklists(folder: Folder) -> Section | None:
    """What the data fill of REMARK and of the SITC definitions; gaps are named."""
    resistance = sitc(folder)
    remark = folder.table("remark")
    blocks: list[dict[str, Any]] = []
    if len(resistance):
        blocks += [heading(f"Resistance by the SITC definitions ({_filled(resistance)})"),
                   text("Kluger et al. (2020) J Immunother Cancer 8:e000398, for primary and secondary resistance."),
                   plain_table(resistance, [Column("topic", "item"), Column("text", "in this study"),
                                            Column("filled", "filled")])]  # fmt: skip
    if len(remark):
        blocks += [heading(f"REMARK ({_filled(remark)})"), table(remark, "remark", ["item", "topic", "text", "filled"])]
    lead = "Filled from the sheets and tables of this run. What only the authors know is a gap, and is named as one."
    return Section("checklists", "Check-lists", lead, blocks) if blocks else None


def _filled(items: pd.DataFrame) -> str:
    return f"{int(items['filled'].astype(bool).sum())} of {len(items)} items filled"


def sitc(folder: Folder) -> pd.DataFrame:
    """The items of the SITC definitions of primary and secondary resistance: topic, text, filled.

    Parameters
    ----------
    folder
        The results folder.
    """
    samples = folder.table("samples")
    design = folder.facts["settings"]["design"]
    roles = {c.get("role") or name for name, c in design["contrasts"].items()}
    if not roles & {"primary", "acquired"}:
        return pd.DataFrame(columns=["topic", "text", "filled"])
    limit = design.get("progression_months", 6.0)
    people = samples.drop_duplicates("patient")
    items = [
        ("definition", f"primary: best response PD, or SD for less than {limit:g} months; acquired: CR, PR, or SD for "
         f"at least {limit:g} months, then progression", True),
        ("best response of every patient", *_responses(people)),
        ("duration of response or disease control", *_durations(people)),
        ("drug exposure of at least 6 weeks before resistance is named", *_exposure(people)),
        ("when each biopsy was taken", *_times(samples)),
        ("arms that the definition does not give", *_against(folder, samples, limit)),
        ("progression confirmed by a second scan", GAP, False),
        ("why treatment was stopped (progression, toxicity, "
         "other)", *_column(people, ("stop_reason", "off_treatment"))),
        ("earlier lines of treatment", *_column(people, ("prior_lines", "prior_therapy"))),
    ]  # fmt: skip
    return pd.DataFrame(items, columns=["topic", "text", "filled"])


def _responses(people: pd.DataFrame) -> tuple[str, bool]:
    if "best_response" not in people:
        return GAP, False
    known = people["best_response"].fillna("").astype(str)
    known = known[known != ""]
    counts = known.value_counts()
    words = ", ".join(f"{r} {counts[r]}" for r in ("CR", "PR", "SD", "PD", "NE") if r in counts)
    left = len(people) - len(known)
    return f"{words}{f'; not given for {left}' if left else ''}", left == 0


def _durations(people: pd.DataFrame) -> tuple[str, bool]:
    if "pfs_months" not in people:
        return GAP, False
    months = pd.to_numeric(people["pfs_months"], errors="coerce")
    left = int(months.isna().sum())
    return (f"progression-free survival, median {months.median():.1f} months of {int(months.notna().sum())} patients"
            f"{f'; not given for {left}' if left else ''}", left == 0)  # fmt: skip


def _exposure(people: pd.DataFrame) -> tuple[str, bool]:
    weeks = people.get("treatment_weeks", people.get("exposure_weeks"))
    if weeks is None:
        return GAP, False
    weeks = pd.to_numeric(weeks, errors="coerce")
    short = people.loc[(weeks < 6).to_numpy(), "patient"].astype(str)
    return f"below 6 weeks: {', '.join(short) or 'nobody'}", bool(weeks.notna().all())


def _times(samples: pd.DataFrame) -> tuple[str, bool]:
    if "taken" not in samples:
        return GAP, False
    taken = samples["taken"].fillna("").astype(str)
    counts = taken[taken != ""].value_counts()
    left = int((taken == "").sum())
    words = ", ".join(f"{n} {when}" for when, n in counts.items())
    return (f"{words}{f'; not known for {left}' if left else ''}" if words else GAP), bool(words) and left == 0


def _against(folder: Folder, samples: pd.DataFrame, limit: float) -> tuple[str, bool]:
    """Biopsies at progression whose arm is not the one that response and duration give."""
    if not {"best_response", "taken"} <= set(samples.columns):
        return GAP, False
    names = {}
    for name, contrast in folder.facts["settings"]["design"]["contrasts"].items():
        if (role := contrast.get("role") or name) in ("primary", "acquired"):
            names[role] = contrast["test"]
    own = samples[samples["taken"].fillna("").astype(str) == "at progression"]
    if not len(own):
        return "no biopsy is marked as taken at progression", False
    response = own["best_response"].fillna("").astype(str)
    months = pd.to_numeric(own["pfs_months"], errors="coerce") if "pfs_months" in own else pd.Series(np.nan, own.index)
    stable = np.where(months.isna(), "", np.where(months < limit, "primary", "acquired"))
    role = np.select(
        [response == "PD", response.isin(["CR", "PR"]), response == "SD"], ["primary", "acquired", stable], ""
    )
    given = own["arm"].astype(str).to_numpy()
    other = [
        f"{sample} ({r}{f', {m:g} months' if np.isfinite(m) else ''}) is {arm}"
        for sample, r, m, arm, want in zip(own["sample"], response, months, given, role, strict=True)
        if want in names and names[want] != arm and arm in names.values()
    ]  # fmt: skip
    open_ones = int((role == "").sum())
    tail = f"; {open_ones} cannot be checked" if open_ones else ""
    return f"{'; '.join(other) or 'none'}{tail}", open_ones == 0


def _column(people: pd.DataFrame, names: tuple[str, ...]) -> tuple[str, bool]:
    for name in names:
        if name in people and people[name].notna().any():
            counts = people[name].astype(str).value_counts()
            return ", ".join(f"{value} {n}" for value, n in counts.head(6).items()), bool(people[name].notna().all())
    return GAP, False
