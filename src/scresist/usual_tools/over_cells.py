"""The claims that the usual tools make of the same cohort, over cells or pairs of cell types, and their fate."""

from pathlib import Path

import numpy as np
import pandas as pd
from anndata import AnnData
from scipy import sparse

from scresist.cells import Focus, log_normalised, raw_counts
from scresist.checks import RefusedError
from scresist.results import Result
from scresist.study import Study
from scresist.usual_tools.flips import cell_level_expression, cell_level_values, compare_claims
from scresist.usual_tools.information_flow import rank_flow


def gene_flips(cells: AnnData, study: Study, focus: Focus, over_patients: pd.DataFrame) -> Result:
    """A Wilcoxon test over the cells of the compartment of every gene, against the test over patients.

    Parameters
    ----------
    cells
        The annotated cohort.
    study
        Its design has the contrasts.
    focus
        The cells that are tested.
    over_patients
        The table of expression contrasts with its verdicts.

    Raises
    ------
    RefusedError
        If there is no test over patients.
    """
    _require(over_patients)
    own = over_patients[over_patients["cell_type"] == focus.population]
    columns = np.flatnonzero(cells.var_names.isin(own["gene"]))
    focused = AnnData(
        X=sparse.csr_matrix(log_normalised(cells, cells=focus.mask, genes=columns)),
        obs=cells.obs.loc[focus.mask, ["sample"]].assign(cell_type=focus.population),
        var=pd.DataFrame(index=cells.var_names[columns]),
    )
    tested = cell_level_expression(focused, study.design)
    return compare_claims(tested, own, on=["cell_type", "contrast", "gene"])


def module_flips(cells: AnnData, study: Study, focus: Focus, over_patients: pd.DataFrame, *, out: Path) -> Result:
    """A Wilcoxon test over cells of every module's eigengene, as differential module eigengenes are tested.

    Parameters
    ----------
    cells, study, focus
        As in `gene_flips`.
    over_patients
        The table of module contrasts with its verdicts.
    out
        The results folder, with the network.

    Raises
    ------
    RefusedError
        If there is no test over patients.
    """
    from scresist import networks

    _require(over_patients)
    focused = AnnData(
        obs=cells.obs.loc[focus.mask, ["sample"]], var=pd.DataFrame(index=cells.var_names),
        layers={"counts": sparse.csr_matrix(raw_counts(cells, cells=focus.mask))},
    )  # fmt: skip
    networks.cell_eigengenes(networks.load(out / "network.zip"), focused)
    values = focused.obsm["module_eigengenes"]
    tested = cell_level_values(values, focused.obs["sample"], study.design, name="module")
    return compare_claims(tested, over_patients, on=["module", "contrast"])


def flow_flips(cells: AnnData, study: Study, over_patients: pd.DataFrame, seed: int) -> Result:
    """The ranked information flow of pooled arms, tested over pairs of cell types, against the flow per patient.

    Parameters
    ----------
    cells, study
        As in `gene_flips`.
    over_patients
        The table of flow contrasts with its verdicts.
    seed
        Of the relabellings.

    Raises
    ------
    RefusedError
        If there is no test over patients, or no permutation.
    """
    from scresist import communication

    _require(over_patients)
    own = study.settings.communication
    if own.permutations == 0:
        raise RefusedError("communication.permutations is 0, and CellChat compares significant links; set it to 100")
    resource = communication.locate_resource(own.resource, study.folder)
    pooled = {
        arm: communication.infer(
            cells[(cells.obs["arm"] == arm).to_numpy()], groupby="population", mode="parity", resource=resource,
            permutations=own.permutations, min_cells=own.min_cells, rng=seed,
            organism=study.settings.study.organism,
        )
        for arm in dict.fromkeys(a for c in study.design.contrasts for a in (c.reference, c.test))
    }  # fmt: skip
    tables = []
    for contrast in study.design.contrasts:
        pair = {contrast.reference: pooled[contrast.reference], contrast.test: pooled[contrast.test]}
        ranked = rank_flow(pair)
        flow = ranked.pivot_table(index="name", columns="condition", values="flow")
        flow = flow.reindex(columns=list(pair), fill_value=0.0)  # an arm in which no link is significant has no flow
        p = ranked.drop_duplicates("name").set_index("name")["p_value"]
        tables.append(
            pd.DataFrame(
                {
                    "pathway": flow.index,
                    "contrast": contrast.name,
                    "effect": (flow[contrast.test] - flow[contrast.reference]).to_numpy(),
                    "p_value": p.reindex(flow.index).to_numpy(),
                }
            )
        )
    return compare_claims(pd.concat(tables, ignore_index=True), over_patients, on=["pathway", "contrast"])


def _require(over_patients: pd.DataFrame) -> None:
    if not len(over_patients):
        raise RefusedError("there is no test over patients to compare with")
