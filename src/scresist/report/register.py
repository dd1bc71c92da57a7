"""The section with the register of claims, and what was planted in a simulated cohort."""

import numpy as np

from scresist.report.blocks import Section, heading, table
from scresist.report.comparisons import TEST
from scresist.report.folder import Folder


def claims(folder: Folder) -> Section | None:
    """The register: every statement with its numbers."""
    register = folder.claims
    if not len(register):
        return None
    register = register.assign(order=np.where(register["verdict"] == "supported", 0, 1))
    register = register.sort_values(["order", "p_value"], kind="stable")
    counts = register["verdict"].value_counts()
    listed_text = ", ".join(f"{n} {verdict}" for verdict, n in counts.items())
    levels = folder.table("families")
    lead = (
        f"Every statement of this page with its numbers: {listed_text}. A q-value keeps the rate of its family. A "
        "claim is supported only at or below the level that keeps the rate over all families of the study."
    )
    asked = register.loc[(register["kind"] == "design") & (register["verdict"] == "stated"), "statement"]
    lead = " ".join([lead, *asked])
    return Section("claims", "Claims register", lead, [
        *([table(levels, "families", [
            "kind", "family", "tests",
            "smallest_q", *(["primary"] if len(asked) else []), "level",
        ], at_most=60)] if len(levels) else []),
        table(register, "claims", [
            "statement", "verdict", "unit",
            "n", "test", "effect", *TEST[:5],
            "influence", "influence_patient", "why",
        ], at_most=len(register))])  # fmt: skip


def planted(folder: Folder) -> Section | None:
    """What was planted in a simulated cohort, beside what was found."""
    known = folder.table("planted")
    if not len(known):
        return None
    lead = "This cohort was simulated. The run did not see the truth; here both are compared."
    return Section("planted", "What was planted, and what was found", lead, [
        heading(f"{len(known)} comparisons"), table(known, "planted", ["what", "where", "planted", "found"]),
    ])  # fmt: skip
