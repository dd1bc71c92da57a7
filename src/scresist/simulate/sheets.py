"""Who is in the cohort: samples, patients, their arms and batches, and when they progress."""

import numpy as np
import pandas as pd

from scresist.simulate.plan import Plan


def lay_out_sheets(plan: Plan, rng: np.random.Generator) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The sheets of samples (arm, batch, timepoint) and of patients; acquired patients give the pairs."""
    rows, people, number = [], [], 0
    paired: list[str] = []
    for arm in ("acquired", *[a for a in plan.patients if a != "acquired"]):
        for _ in range(plan.patients.get(arm, 0)):
            if arm == "baseline" and paired:
                patient = paired.pop(0)
            else:
                number += 1
                patient = f"P{number:02d}"
                people.append({"patient": patient, "arm": arm})
                if arm == "acquired" and len(paired) < plan.pairs:
                    paired.append(patient)
            rows.append({"sample": f"{patient}_{arm}", "patient": patient, "arm": arm})
    sheet = pd.DataFrame(rows)
    order = {arm: i for i, arm in enumerate(plan.patients)}
    sheet = sheet.sort_values(["arm", "patient"], key=lambda c: c.map(order) if c.name == "arm" else c)
    sheet = sheet.reset_index(drop=True)
    within = sheet.groupby("arm").cumcount()
    sheet["batch"] = [f"B{1 + i % plan.batches}" for i in within]
    # Primary resistance is there before the first dose; only the acquired is biopsied at progression.
    sheet["timepoint"] = np.where(sheet["arm"] == "acquired", "progression", "baseline")
    table = pd.DataFrame(people)
    table["age"] = rng.integers(45, 80, len(table))
    table["sex"] = rng.choice(["F", "M"], len(table))
    return sheet, table


def progression(
    plan: Plan, people: pd.DataFrame, sheet: pd.DataFrame, activity: pd.DataFrame, rng: np.random.Generator
) -> pd.DataFrame:
    """Best response by arm, and progression-free months: exponential, hazard by the primary programme at baseline."""
    first = sheet.drop_duplicates("patient").set_index("patient")["sample"]
    base = {row["patient"]: row["sample"] for _, row in sheet.iterrows() if row["arm"] == "baseline"}
    out = people.copy()
    level = activity["primary"] if "primary" in activity else pd.Series(0.0, index=activity.index)
    centre = level.mean()
    rate = [np.log(2) / 8 * np.exp(plan.log_hazard * (level[base.get(p, first[p])] - centre)) for p in out["patient"]]
    months = rng.exponential(1 / np.array(rate))
    out["pfs_months"] = np.round(np.clip(months, 0.05, 30), 2)
    out["pfs_event"] = (months < 30).astype(int)
    responses = {"primary": ["PD"], "acquired": ["PR", "CR", "PR"]}
    out["best_response"] = [str(rng.choice(responses.get(a, ["PR", "SD", "PD"]))) for a in out["arm"]]
    return out.drop(columns="arm")
