"""Every small design gives a table or a refusal in words, and a covariate is what its column means."""

import itertools

import numpy as np
import pandas as pd
import pytest

import scresist.contrasts as sc
from scresist.cells import Pseudobulk
from scresist.study import Contrast, Design

SIZES = [
    (test, reference, pairs)
    for test, reference in itertools.product(range(7), range(7))
    for pairs in range(min(test, reference) + 1)
]


def design_of(test, reference, pairs, pairing="auto", **columns):
    who = [f"P{i}" for i in range(test)] + [f"P{i}" for i in range(test - pairs, test - pairs + reference)]
    arm = ["test"] * test + ["reference"] * reference
    samples = pd.DataFrame({"patient": who, "arm": arm, **columns}, index=[f"S{i}" for i in range(len(who))])
    covariates = tuple(columns)
    return Design(("reference", "test"), (Contrast("c", "test", "reference", pairing),), samples, covariates)


def check(table):
    p, floor = table["p_value"].to_numpy(float), table["p_floor"].to_numpy(float)
    assert (((p > 0) & (p <= 1)) | np.isnan(p)).all()
    assert (((floor > 0) & (floor <= 1)) | np.isnan(floor)).all()
    assert (table["reason"].fillna("") != "")[np.isnan(p)].all(), "no p-value without a reason"


@pytest.mark.parametrize(("test", "reference", "pairs"), SIZES)
def test_every_design_up_to_six_against_six_is_answered(test, reference, pairs):
    for pairing in ("auto", "paired", "unpaired"):
        design = design_of(test, reference, pairs, pairing)
        row = sc.estimable(design).table.iloc[0]
        assert row["verdict"] in {"ok", "weak", "refused"}
        assert (row["verdict"] == "refused") or 0 < row["p_floor"] <= 1
        if not len(design.samples):
            continue
        rng = np.random.default_rng(test * 100 + reference * 10 + pairs)
        values = pd.DataFrame(rng.normal(size=(len(design.samples), 12)), index=design.samples.index)
        check(sc.contrast_arms(values, design).table)
        counts = pd.DataFrame(rng.poisson(60, (len(design.samples), 4)), index=design.samples.index)
        check(sc.composition(counts.add_prefix("type "), design).table)


@pytest.mark.parametrize(
    ("test", "reference", "pairs"), [s for s in SIZES if s[0] == 2 or s[1] == 2 or s in {(6, 6, 3)}]
)
def test_genes_are_answered_in_the_designs_with_an_arm_of_two(test, reference, pairs):
    design = design_of(test, reference, pairs)
    index = pd.MultiIndex.from_product([design.samples.index, ["malignant"]], names=["sample", "cell_type"])
    counts = pd.DataFrame(np.random.default_rng(1).poisson(40, (len(index), 60)), index=index)
    groups = index.to_frame(index=False).assign(cells=50, kept=True, reason="")
    found = sc.expression(Pseudobulk(counts.rename(columns="g{}".format), groups), design)
    check(found.table)
    if 0 in {test, reference}:
        empty = "test" if test == 0 else "reference"
        assert found.table.empty
        assert found.notes == (f"c, malignant: not tested, no patient of arm {empty} has enough cells",)
        return
    assert len(found.table) == 60, "one row for each gene"
    refused = sc.estimable(design).table["verdict"].iloc[0] == "refused"
    assert found.table["p_value"].isna().all() if refused else found.table["p_value"].notna().all()


def test_a_numbered_batch_is_groups_and_not_a_slope():
    """Three batches whose means are 0, 5 and 0: a slope over 1, 2, 3 would not see them, groups take them out."""
    batch = ["1", "2", "3"] * 4
    design = design_of(6, 6, 0, batch=batch)
    rng = np.random.default_rng(0)
    shift = np.array([0.0, 5.0, 0.0])[np.array(batch, int) - 1]
    values = pd.DataFrame(shift[:, None] + rng.normal(scale=0.1, size=(12, 3)), index=design.samples.index)
    residual = sc.contrast_arms(values, design).table
    assert (residual["ci_high"] - residual["ci_low"]).max() < 0.6
