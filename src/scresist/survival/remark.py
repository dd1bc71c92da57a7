"""The items of REMARK that the data fill, and those that only the authors can: gaps are named."""

from collections.abc import Sequence
from typing import Any

import pandas as pd

from scresist.results import Result

GAP = "to be filled in by the authors"


def remark(
    endpoints: Sequence[Any], patients: pd.DataFrame, survival: pd.DataFrame, overview: pd.DataFrame,
    cohorts: pd.DataFrame, *, drug: str = "", notes: Sequence[str] = (),
) -> Result:  # fmt: skip
    """The twenty items of the recommendations for tumour-marker studies.

    Parameters
    ----------
    endpoints
        Sections of the study file, with time, event, unit, covariates, strata, landmark and cut.
    patients
        The sheet.
    survival, overview, cohorts
        The tables of hazard ratios, of endpoints and of external cohorts.
    drug
        The treatment.
    notes
        Of the hazard ratios: who was left out.

    Returns
    -------
    Result whose table has `item`, `topic`, `text` and `filled`.

    References
    ----------
    McShane et al. (2005) J Natl Cancer Inst 97:1180; Altman et al. (2012) PLoS Med 9:e1001216.
    """
    kinds = survival["what"].value_counts()
    tested = ", ".join(f"{n:,} {kind}s" for kind, n in kinds.items())
    flow = "; ".join(
        f"{r['endpoint']}: {r['n']} patients, {r['events']} events" for r in overview.to_dict("records")
    )  # fmt: skip
    follow = "; ".join(
        f"{r['endpoint']}: {r['follow_up']:.1f} {r['unit']}" for r in overview.to_dict("records")
        if r["follow_up"] == r["follow_up"]
    )  # fmt: skip
    known = [c for c in ("age", "sex", "stage", "her2_ihc", "prior_lines") if c in patients]
    adjusted = sorted({c for e in endpoints for c in e.covariates})
    cuts = ", ".join(f"{e.label}: {e.cut}" for e in endpoints)
    external = sorted(c for c in set(cohorts["cohort"]) if not c.startswith("all cohorts")) if len(cohorts) else []
    few = int(survival["penalised"].sum())
    given = [e.label for e in endpoints if e.scan_interval or e.last_scan]
    scans = f"hazard ratios within the intervals of {', '.join(given)} are in survival_scans.csv" if given else (
        "the times are taken as exact")  # fmt: skip
    # "; adjusted for" and left-out patients come with the notes of the models.
    left = "; ".join(n for n in notes if "left out" in n or "not used" in n)
    items = (
        ("1", "marker, objectives, hypotheses", f"{tested} per endpoint; primary question: see the register"),
        ("2", "patients: stage, source, criteria", ""),
        ("3", "treatment", drug),
        ("4", "specimens", "biopsies taken before treatment, by the sample sheet; " + (left or "none left out")),
        ("5", "assay", "single-cell RNA sequencing, sums per patient, log2 counts per million, TMM"),
        ("6", "case selection, follow-up", f"median follow-up {follow}" if follow else ""),
        ("7", "endpoints", ", ".join(f"{e.label} ({e.time}, {e.event}; {e.unit})" for e in endpoints)),
        ("8", "candidate variables", ", ".join(known)),
        ("9", "sample size", "see the section on power"),
        ("10", "statistical methods", "Cox per SD, profile likelihood; Firth's likelihood and permutation at few "
         f"events ({few:,} rows); missing values leave their feature"),
        ("11", "cut-points", f"continuous values first; groups cut at {cuts}"),
        ("12", "flow of patients", flow),
        ("13", "demographics", "; ".join(f"{c}: {patients[c].notna().sum()} known" for c in known)),
        ("14", "marker and standard variables", ""),
        ("15", "univariable analysis", "survival.csv, with intervals" if not adjusted else ""),
        ("16", "multivariable analysis", f"adjusted for {', '.join(adjusted)}" if adjusted else ""),
        ("17", "effects with intervals", "survival.csv: hazard ratio and interval of every feature"),
        ("18", "assumptions, sensitivity, validation", "proportional hazards, form and influence of patients in "
         f"survival.csv; external cohorts: {', '.join(external) or 'none'}. Progression is seen at scans only, so its "
         "time is interval-censored: " + scans),
        ("19", "interpretation", ""),
        ("20", "implications", ""),
    )  # fmt: skip
    rows = [(i, topic, text or GAP, bool(text)) for i, topic, text in items]
    table = pd.DataFrame(rows, columns=["item", "topic", "text", "filled"])
    gaps = table.loc[~table["filled"], "item"]
    return Result(table, "REMARK", {}, (f"items {', '.join(gaps)} are gaps: {GAP}",) if len(gaps) else ())
