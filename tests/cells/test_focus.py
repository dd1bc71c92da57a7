"""Which cells a compartment has: one rule for networks, contrasts, candidates and the rest."""

import anndata as ad
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from scresist.cells import populations, pseudobulk, resolve_focus
from scresist.checks import InputError, RefusedError

OBS = pd.DataFrame(
    {
        "sample": ["a", "a", "a", "b", "b", "b", "b", "b"],
        "lineage": ["epithelial"] * 4 + ["mast", "mast", "B", "B"],
        "cell_type": ["pit", "pit", "chief", "pit", "mast", "basophil", "B", "B"],
        "malignancy": ["malignant", "normal", "uncertain", "malignant", "normal", "normal", "normal", "uncertain"],
    },
    index=[f"c{i}" for i in range(8)],
)  # fmt: skip


def cells_of(compartment, obs=OBS):
    return np.flatnonzero(resolve_focus(obs, compartment).mask).tolist()


def test_every_kind_of_compartment():
    assert cells_of("all") == cells_of(None) == list(range(8))
    assert cells_of("malignant") == [0, 3]
    assert cells_of("normal") == [1, 4, 5, 6]
    assert cells_of("epithelial") == [0, 1, 2, 3]
    assert cells_of("pit") == [0, 1, 3], "a cell type has its malignant cells too"
    assert cells_of("mast") == [4, 5], "a name that is a lineage and a cell type is the lineage"


def test_the_population_is_one_of_those_compared_where_its_cells_are_the_same():
    assert list(populations(OBS)) == ["malignant", "pit", "chief", "malignant", "mast", "basophil", "B", "B"]
    named = {c: resolve_focus(OBS, c).population for c in ("malignant", "B", "all", "normal", "epithelial")}
    assert named == {"malignant": "malignant", "B": "B", "all": "all cells", "normal": "normal",
                     "epithelial": "epithelial"}  # fmt: skip
    # Other cells than those of the population of that name.
    assert resolve_focus(OBS, "pit").population == "pit (in focus)"
    assert resolve_focus(OBS, "mast").population == "mast (in focus)"
    one = OBS.assign(malignancy="malignant")
    assert resolve_focus(one, "all").population == "malignant"


def test_a_name_without_cells_is_a_mistake_or_too_little_data():
    with pytest.raises(InputError, match="no cell is in compartment 'malignnt'; did you mean 'malignant'"):
        resolve_focus(OBS, "malignnt")
    with pytest.raises(RefusedError, match="no cell is 'plasma cell'; there are B, epithelial"):
        resolve_focus(OBS, "plasma cell", known=["plasma cell"])
    with pytest.raises(RefusedError, match="no cell was called malignant \\(8 uncertain\\)"):
        resolve_focus(OBS.assign(malignancy="uncertain"), "malignant")
    with pytest.raises(InputError, match="needs a column lineage or cell_type in obs, which has none"):
        resolve_focus(OBS[["sample"]], "epithelial")
    with pytest.raises(InputError, match="needs a column malignancy, lineage or cell_type"):
        resolve_focus(OBS[["sample"]], "malignant")


def test_without_calls_malignant_is_a_cell_type_like_any_other():
    plain = pd.DataFrame({"cell_type": ["malignant", "B"]}, index=["a", "b"])
    assert cells_of("malignant", plain) == [0]
    with pytest.raises(InputError, match="there is: all, B, malignant"):
        resolve_focus(plain, "normal")


@pytest.mark.parametrize("compartment", ["all", "malignant", "normal", "epithelial", "pit", "mast", "basophil"])
def test_the_sums_of_the_focus_are_those_of_its_cells(compartment):
    counts = np.random.default_rng(0).poisson(3, (8, 5))
    adata = ad.AnnData(obs=OBS.assign(population=populations(OBS)), layers={"counts": sparse.csr_matrix(counts)},
                       var=pd.DataFrame(index=list("ABCDE")))  # fmt: skip
    focus = resolve_focus(adata.obs, compartment)
    sums = pseudobulk(adata, groupby="population", min_cells=1, focus=focus).of(focus.population)
    for sample in sums.counts.index.get_level_values("sample"):
        inside = focus.mask & (OBS["sample"] == sample).to_numpy()
        np.testing.assert_array_equal(sums.counts.loc[(sample, focus.population)], counts[inside].sum(axis=0))
    assert sums.counts.to_numpy().sum() == counts[focus.mask].sum()
