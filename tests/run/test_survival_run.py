"""Survival through a whole run: two endpoints, a competing event, scans, covariates, two cohorts of bulk expression."""

import numpy as np
import pandas as pd
import pytest

from scresist.results import read_table
from scresist.run.pipeline import run_study
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import read_study

ENDPOINTS = """[[survival]]
name = "PFS"
time = "pfs_months"
event = "pfs_event"
competing = "death_first"
scan_interval = 1.5
covariates = ["age"]

[[survival]]
name = "OS"
time = "os_months"
event = "os_event"

[validation]
bulk = ["asian.csv", "tcga.csv"]
"""


def write_bulk(folder, name, genes, n, rng):
    values = pd.DataFrame(8 + rng.normal(size=(len(genes), n)), genes, [f"{name}{i}" for i in range(n)])
    values.rename_axis("gene").to_csv(folder / f"{name}.csv")
    people = {"sample": values.columns, "time": rng.exponential(12, n), "event": rng.integers(0, 2, n)}
    pd.DataFrame(people).to_csv(folder / f"{name}_clinical.csv", index=False)


@pytest.mark.slow
def test_every_table_of_survival_comes_out_of_a_run(tmp_path):
    plan = Plan(patients={"baseline": 22, "acquired": 4}, pairs=4, cells=60, n_genes=2500, decoys=False, seed=5)
    simulation = simulate(plan)
    path = write_cohort(simulation, tmp_path / "cohort")
    rng = np.random.default_rng(3)
    people = pd.read_csv(path.parent / "patients.csv")
    first = rng.random(len(people)) < 0.25
    people["death_first"], people["pfs_event"] = first.astype(int), people["pfs_event"].where(~first, 0)
    people["os_months"] = people["pfs_months"] + rng.exponential(8, len(people)).round(2)
    people["os_event"] = rng.integers(0, 2, len(people))
    people.to_csv(path.parent / "patients.csv", index=False)
    genes = list(simulation.profiles.genes.index)
    write_bulk(path.parent, "asian", genes, 100, rng)
    write_bulk(path.parent, "tcga", genes[: int(0.7 * len(genes))], 80, rng)
    text = path.read_text(encoding="utf-8").replace('compartment = "malignant"', 'compartment = "epithelial"')
    path.write_text(text[: text.index("[survival]")] + ENDPOINTS, encoding="utf-8")
    out = tmp_path / "results"
    run_study(read_study(path), out)
    tables = {
        name: read_table(out / "tables" / f"{name}.csv") for name in (
            "survival", "survival_incidence", "survival_competing", "survival_forms", "survival_scans",
            "survival_adjusted", "survival_decision", "survival_calibration", "survival_response", "validation_bulk",
        )
    }  # fmt: skip
    assert set(tables["survival"]["endpoint"]) == {"PFS", "OS"}
    assert set(tables["survival_incidence"]["cause"]) == {"event", "competing event"}
    assert set(tables["survival_scans"]["endpoint"]) == {"PFS"}
    bulk = tables["validation_bulk"]
    assert set(bulk["cohort"]) == {"asian", "tcga", "all cohorts", "all cohorts, fixed effect"}
    both = bulk.pivot_table(index="feature", columns="cohort", values="genes_found")
    assert (both["asian"] == 1).all()
    assert (both["tcga"] <= 1).all()
    # The direction is that of the study: the first row of the feature there.
    here = tables["survival"].drop_duplicates("feature").set_index("feature")["hr"]
    own = bulk[bulk["cohort"] == "asian"].set_index("feature")
    np.testing.assert_allclose(own["discovery_hr"], here[own.index])
    agrees = np.sign(np.log(own["hr"])) == np.sign(np.log(own["discovery_hr"]))
    assert (agrees == own["same_direction"].astype(str).eq("True")).all()
    pooled = bulk[bulk["cohort"] == "all cohorts"]
    assert pooled[["cochran_q", "i_squared", "tau_squared", "heterogeneity"]].notna().all().all()
    page = (out / "report.html").read_text(encoding="utf-8")
    for words in ("External cohorts", "Events between scans", "Beside a competing event", "Best response"):
        assert words in page
    claims = read_table(out / "claims.csv")
    assert {"survival", "response"} <= set(claims["kind"])
