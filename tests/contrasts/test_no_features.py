"""Tables without a feature are compared without an exception: a cohort may have no pathway, no module, no gene left."""

import numpy as np
import pandas as pd
import pytest

from scresist import contrasts
from scresist.checks import RefusedError
from scresist.study.design import Contrast, Design


def design(n_test, n_reference, pairs, third=0):
    patient = [f"T{i}" for i in range(n_test)]
    patient += [f"T{i}" if i < pairs else f"R{i}" for i in range(n_reference)] + [f"X{i}" for i in range(third)]
    arm = ["test"] * n_test + ["reference"] * n_reference + ["third"] * third
    samples = pd.DataFrame({"patient": patient, "arm": arm}, index=[f"S{i}" for i in range(len(arm))])
    pairs_of_arms = [Contrast("primary", "test", "reference")]
    if third:
        pairs_of_arms.append(Contrast("acquired", "third", "reference"))
    return Design(tuple(dict.fromkeys(arm)), tuple(pairs_of_arms), samples)


LAYOUTS = [design(4, 4, 0), design(4, 4, 4), design(4, 4, 2), design(3, 5, 0, 4)]


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("method", ["auto", "moderated", "t", "mixed", "permutation"])
def test_values_without_features(layout, method):
    empty = pd.DataFrame(np.zeros((len(layout.samples), 0)), index=layout.samples.index)
    table = contrasts.contrast_arms(empty, layout, method=method).table
    assert len(table) == 0
    assert {"p_value", "q_value", "effect", "reason"} <= set(table)


@pytest.mark.parametrize("layout", LAYOUTS)
def test_counts_without_genes(layout):
    empty = pd.DataFrame(np.zeros((len(layout.samples), 0)), index=layout.samples.index)
    assert len(contrasts.expression(empty, layout).table) == 0
    with pytest.raises(RefusedError, match="two cell types"):
        contrasts.composition(empty, layout)


def test_two_contrasts_without_features():
    layout = LAYOUTS[-1]
    empty = pd.DataFrame(np.zeros((len(layout.samples), 0)), index=layout.samples.index)
    table = contrasts.primary_against_acquired(empty, layout).table
    assert len(table) == 0
    assert "class" in table
