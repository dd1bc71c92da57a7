"""A patient who has no cell left after quality control is named at once, in the claims and on the page."""

import json

import pandas as pd
import pytest
from scipy import io, sparse

from scresist.contrasts import estimable, losses
from scresist.run import run_study as run
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import read_study
from scresist.study.design import Contrast, Design

PLAN = Plan(patients={"baseline": 3, "primary": 3}, pairs=0, cells=80, n_genes=2600, seed=8)


def design():
    sheet = pd.DataFrame(
        {"patient": ["P1", "P2", "P3", "P4", "P5", "P1"], "arm": ["a", "a", "a", "b", "b", "b"]},
        index=["S1", "S2", "S3", "S4", "S5", "S6"],
    )
    return Design(("a", "b"), (Contrast("c", "b", "a"),), sheet)


def test_the_patients_that_are_lost_are_named_by_arm():
    whole = design()
    assert losses(whole, whole.of(whole.samples.index)) == {}
    lost = losses(whole, whole.of(["S1", "S2", "S4", "S5"]))["c"]
    assert lost.startswith("2 against 2 patients, not 3 against 3")
    assert "P3 (a)" in lost
    assert "P1 (b)" in lost, "a patient may lose one arm and keep the other"
    row = estimable(whole, kept=["S1", "S2", "S4", "S5"]).table.iloc[0]
    assert (row["n_test"], row["n_reference"], row["n_pairs"]) == (2, 2, 0)
    assert "After quality control: 2 against 2" in row["sentence"]
    assert "After quality control" not in estimable(whole).table.iloc[0]["sentence"]


@pytest.mark.slow
@pytest.mark.filterwarnings("default")
def test_a_run_warns_at_once_and_the_claims_and_the_page_restate_it(tmp_path):
    path = write_cohort(simulate(PLAN), tmp_path / "study")
    sheet = pd.read_csv(path.parent / "samples.csv")
    bad = sheet[sheet["arm"] == "primary"].iloc[0]
    folder = path.parent / bad["path"]
    file = folder / "matrix.mtx.gz"
    counts = sparse.coo_array(io.mmread(file))
    file.unlink()
    thin = sparse.coo_array((counts.data[::40], (counts.row[::40], counts.col[::40])), shape=counts.shape)
    io.mmwrite(str(folder / "matrix.mtx"), thin)
    said = []
    run(read_study(path), tmp_path / "r", say=said.append)
    after = said[[line.split(":")[0] for line in said].index("quality") + 1]
    assert after.startswith("warning: after quality control primary is 2 against 3 patients, not 3 against 3")
    assert f"{bad['patient']} (primary) has no cell left" in after
    claims = pd.read_csv(tmp_path / "r" / "claims.csv")
    first = claims[claims["kind"] == "design"].iloc[0]
    assert f"{bad['patient']} (primary) has no cell left" in first["statement"]
    assert "2 patients in primary" in first["statement"]
    assert f"{bad['patient']} (primary) has no cell left" in (tmp_path / "r" / "report.html").read_text()
    refusals = json.loads((tmp_path / "r" / "run.json").read_text())["refusals"]
    assert any(r["what"] == "patients" for r in refusals)
