"""Subclones of a patient: by arms at two levels, named by size, never over patients with few cells."""

import anndata
import numpy as np
import pandas as pd
import pytest

from scresist.annotate import subclones
from scresist.checks import InputError


def cohort(rng, sizes):
    rows, patients, kinds, truth = [], [], [], []
    for who, (malignant, normal, share) in sizes.items():
        signal = rng.normal(scale=0.05, size=(malignant + normal, 6))
        upper = np.arange(malignant) < share * malignant
        signal[:malignant] += [0.3, -0.2, 0, 0, 0, 0]  # of all its cells: no subclone
        signal[:malignant, 3] += 0.25 * upper
        rows.append(signal)
        patients += [who] * (malignant + normal)
        kinds += ["malignant"] * malignant + ["normal"] * normal
        truth += [*upper, *[False] * normal]
    obs = pd.DataFrame({"patient": patients, "malignancy": kinds}, index=[f"c{i}" for i in range(len(kinds))])
    made = anndata.AnnData(obs=obs)
    arms = ["1p", "1q", "2p", "7q", "8q", "Xp"]
    made.obsm["copy_number"] = pd.DataFrame(np.concatenate(rows), index=obs.index, columns=arms)
    return made, np.array(truth)


def test_one_arm_divides_one_patient_and_not_the_others():
    made, truth = cohort(np.random.default_rng(5), {"P1": (80, 40, 0.3), "P2": (80, 40, 0.0), "P3": (12, 40, 0.5)})
    result = subclones(made)
    assert result.table[["patient", "arm", "n_subclones"]].to_numpy().tolist() == [["P1", "7q", 2]]
    assert "P3" in result.notes[0]
    assert "P1" not in result.notes[0]
    label = made.obs["subclone"].astype(str).to_numpy()
    own = ((made.obs["patient"] == "P1") & (made.obs["malignancy"] == "malignant")).to_numpy()
    assert ((label[own] == "B") == truth[own]).mean() > 0.95, "the rarer is B"
    assert set(label[(made.obs["patient"] == "P2") & (made.obs["malignancy"] == "malignant")]) == {"A"}
    assert set(label[(made.obs["malignancy"] == "normal") | (made.obs["patient"] == "P3")]) == {""}


def test_the_cohort_needs_its_calls():
    with pytest.raises(InputError, match="malignancy"):
        subclones(anndata.AnnData(obs=pd.DataFrame({"patient": ["a"]}, index=["c"])))
    with pytest.raises(InputError, match="copy-number"):
        subclones(anndata.AnnData(obs=pd.DataFrame({"patient": ["a"], "malignancy": ["normal"]}, index=["c"])))
