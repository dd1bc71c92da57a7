"""Each documented value of each setting runs: no step fails, whatever a study may ask for."""

import json
import re
import shutil

import numpy as np
import pandas as pd
import pytest

from scresist.run import run_study as run
from scresist.simulate import Plan, simulate, write_cohort
from scresist.study import read_study

# Warnings of libraries on so few cells go to run.log.
pytestmark = [pytest.mark.filterwarnings("default"), pytest.mark.slow]
PLAN = Plan(patients={"baseline": 3, "primary": 3, "acquired": 3}, pairs=2, cells=110, n_genes=2600, seed=6)
BASE = "[networks]\nn_genes = 500\nbootstraps = 2\n[communication]\npermutations = 5\npermutations_max = 5\n"
# Section, key and value.
VALUES = [
    ("focus", "compartment", '"normal"'), ("communication", "average", '"truncated"'), ("quality", "doublets", "false"),
    ("focus", "compartment", '"all"'), ("focus", "compartment", '"T/NK"'), ("focus", "compartment", '"mast cell"'),
    ("focus", "compartment", '"plasma"'), ("quality", "filter", "false"), ("embed", "integrate", "false"),
    ("embed", "resolution", "0.5"), ("annotate", "malignancy", '"all"'), ("annotate", "malignancy", '"none"'),
    ("annotate", "malignant_lineage", '["B", "plasma"]'), ("networks", "values", '"log"'),
    ("networks", "network", '"unsigned"'), ("networks", "network", '"signed hybrid"'),
    ("networks", "correlation", '"bicor"'), ("networks", "correlation", '"latent"'), ("networks", "start", '"tree"'),
    ("networks", "start", '"components"'), ("networks", "consensus", "true"), ("networks", "power", "6"),
    ("networks", "deep_split", "2"), ("networks", "min_module_size", "20"), ("networks", "n_components", "5"),
    ("networks", "space", '"X_pca"'), ("communication", "average", '"thresholded"'),
    ("communication", "average", '"median"'), ("communication", "population_size", "true"),
    ("communication", "resource", '"cellchatdb:all"'), ("communication", "permutations", "0"),
    ("networks", "values", '"residuals"'), ("design.contrasts.acquired", "pairing", '"paired"'),
    ("design.contrasts.primary", "pairing", '"unpaired"'), ("design.contrasts.primary", "role", '"none"'),
    ("survival", "unit", '"days"'), ("survival", "unit", '"weeks"'), ("survival", "unit", '"years"'),
    ("survival", "cut", '"best"'), ("survival", "cut", "0.5"), ("survival", "landmark", "2"),
    ("signatures", "shipped", "true"), ("design", "primary", '"modules"'), ("design", "covariates", '["batch"]'),
]  # fmt: skip


@pytest.fixture(scope="module")
def cohort(tmp_path_factory):
    """A small cohort with a whole run beside it, whose steps are taken over where a setting does not touch them."""
    path = write_cohort(simulate(PLAN), tmp_path_factory.mktemp("values") / "study")
    text = re.sub(r"\[networks\]\n(bootstraps.*\n)?", "", path.read_text())
    text = text.replace('event = "pfs_event"', 'event = "pfs_event"\npermutations = 19')
    path.write_text(text.rstrip() + "\n" + BASE)
    sheet = pd.read_csv(path.parent / "patients.csv")
    days = 30.4 * sheet["pfs_months"]
    sheet = sheet.assign(progression=sheet["pfs_months"], progression_days=days)
    sheet.to_csv(path.parent / "patients.csv", index=False)
    run(read_study(path), path.parent / "whole")
    return path


def with_setting(text, section, key, value):
    if f"[{section}]" not in text:
        return f"{text}\n[{section}]\n{key} = {value}\n"
    head, _, rest = text.partition(f"[{section}]\n")
    own, mark, after = rest.partition("\n[")
    own = re.sub(rf"^{key} = .*\n?", "", own, flags=re.M)
    return f"{head}[{section}]\n{key} = {value}\n{own}{mark}{after}"


@pytest.mark.parametrize(
    ("section", "key", "value"),
    VALUES,
    ids=[f"{s}.{k}={v}" for s, k, v in VALUES],
)
def test_the_value_runs(cohort, section, key, value, tmp_path):
    changed = cohort.with_name(f"{tmp_path.name}.toml")
    text = cohort.read_text()
    if key == "unit":  # a column that is named in months is refused
        column = "progression_days" if "days" in value else "progression"
        text = text.replace('time = "pfs_months"', f'time = "{column}"')
    changed.write_text(with_setting(text, section, key, value))
    shutil.copytree(cohort.parent / "whole", tmp_path / "r")
    run(read_study(changed), tmp_path / "r")
    facts = json.loads((tmp_path / "r" / "run.json").read_text())
    assert facts["failed"] == []
    page = (tmp_path / "r" / "report.html").read_text()
    assert "Steps that are missing" not in page
    found = facts["settings"]
    for part in section.strip("[]").split("."):
        found = found[0] if isinstance(found, list) else found
        found = found[part]
    assert (found[0] if isinstance(found, list) else found)[key] == json.loads(value)


def test_a_panel_of_120_genes_costs_no_step(tmp_path):
    """Scrublet, and an embedding, on fewer genes than they have components by default."""
    from scipy import io, sparse

    path = write_cohort(simulate(PLAN), tmp_path / "study")
    kept = None
    for given in read_study(path).samples["path"]:
        folder = path.parent / given
        counts = sparse.csr_array(io.mmread(folder / "matrix.mtx.gz"))
        names = pd.read_csv(folder / "features.tsv.gz", sep="\t", header=None)
        kept = np.argsort(-counts.sum(axis=1), kind="stable")[:120] if kept is None else kept
        (folder / "matrix.mtx.gz").unlink()
        io.mmwrite(str(folder / "matrix.mtx"), counts[kept].tocoo())
        names.iloc[kept].to_csv(folder / "features.tsv.gz", sep="\t", header=False, index=False)
    run(read_study(path), tmp_path / "r", until="contrasts")
    facts = json.loads((tmp_path / "r" / "run.json").read_text())
    assert facts["failed"] == []
    assert facts["genes"] <= 120
