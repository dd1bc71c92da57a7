"""Genes on the map and in the picture of markers: the same numbers as the saved cohort has."""

import base64
import json
import subprocess
import zlib
from importlib.resources import files

import anndata
import numpy as np
import pandas as pd
import pytest
from scipy import sparse

from browser import NODE
from scresist.cells import write_cohort
from scresist.cells.saved import saved_copy_number, saved_levels
from scresist.report.expression import detected, for_the_map, packed_genes


@pytest.fixture
def saved(tmp_path):
    rng = np.random.default_rng(4)
    counts = sparse.csr_array(rng.poisson(0.7, size=(31, 12)).astype(np.int32))
    obs = pd.DataFrame(index=[f"c{i}" for i in range(31)])
    cohort = anndata.AnnData(obs=obs, var=pd.DataFrame(index=[f"G{i}" for i in range(12)]), layers={"counts": counts})
    cohort.obsm["copy_number"] = pd.DataFrame(rng.normal(size=(31, 2)), index=obs.index, columns=["10p", "2q"])
    cohort.obs_names.name, cohort.var_names.name = "cell", "gene"
    write_cohort(cohort, tmp_path / "cohort.h5ad")
    return cohort, tmp_path / "cohort.h5ad"


@pytest.mark.parametrize("step", [1, 3])
def test_levels_are_those_of_the_file(saved, step):
    cohort, path = saved
    levels, names = saved_levels(path, slice(None, None, step))
    counts = cohort.layers["counts"].toarray()[::step]
    expected = np.log1p(1e4 * counts / counts.sum(axis=1, keepdims=True))
    assert names == list(cohort.var_names)
    np.testing.assert_allclose(levels.toarray(), expected, rtol=1e-6)
    np.testing.assert_array_equal(saved_copy_number(path).to_numpy(), cohort.obsm["copy_number"].to_numpy())


def test_a_gene_is_packed_in_steps_and_the_script_reads_it(saved):
    levels, names = saved_levels(saved[1], slice(None))
    data = for_the_map(packed_genes(levels, pd.Index(names), 1, ["G3", "absent", "G7"]))
    assert data["names"] == ["G3", "G7"]
    raw = zlib.decompress(base64.b64decode(data["packed"][1]))
    found = np.array([(raw[i // 2] >> (0 if i % 2 else 4)) & 15 for i in range(data["n"])])
    own = levels[:, [7]].toarray().ravel()
    assert ((found > 0) == (own > 0)).all()
    step = data["top"][1] / data["levels"]
    assert np.abs(found * step - np.minimum(own, data["top"][1]))[own > 0].max() <= step
    if NODE is None:
        pytest.skip("there is no node to run the script")
    script = (f"const m = require({json.dumps(str(files('scresist.report').joinpath('assets/map.js')))});"
              f"console.log(JSON.stringify([...m.unpacked(Uint8Array.from({list(raw)}), {data['n']})]));")  # fmt: skip
    run = subprocess.run([NODE, "-e", script], capture_output=True, text=True, check=True)
    assert json.loads(run.stdout) == found.tolist()


def test_markers_are_means_and_shares_over_the_cells_of_a_population(saved):
    levels, names = saved_levels(saved[1], slice(None))
    groups = pd.Series(np.resize(["b", "a", "a"], 31))
    table = detected(levels, pd.Index(names), groups, ["G5", "G0"]).set_index(["cell_type", "gene"])
    dense = pd.DataFrame(levels.toarray(), columns=names)
    for (group, gene), row in table.iterrows():
        own = dense.loc[(groups == group).to_numpy(), gene]
        expected = [own.mean(), (own > 0).mean(), len(own)]
        np.testing.assert_allclose(
            [row["level"], row["share"], row["n_cells"]], expected, rtol=1e-6
        )  # single precision
