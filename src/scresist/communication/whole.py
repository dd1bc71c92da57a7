"""All cells as one object, as in CellChat."""

import numpy as np
import pandas as pd

from scresist.communication.inputs import Inputs
from scresist.communication.relabelling import labels_under, number_of
from scresist.communication.result import Communication
from scresist.kernels.signalling import count_exceeding, observe


def infer_whole(inputs: Inputs, permutations: int | np.ndarray, rng: np.random.Generator) -> Communication:
    """Probabilities on the object's own scale, and the share of relabellings that exceed them.

    Parameters
    ----------
    inputs
        Values, pairs, groups, and the numbers of the call.
    permutations
        A number, or an array (cells, permutations).
    rng
        Generator of the relabellings.
    """
    call, n_groups = inputs.call, len(inputs.groups)
    size = np.bincount(inputs.codes, minlength=n_groups)
    order = inputs.data.order.scaled(inputs.data.scale)
    seen = observe(order, inputs.codes, n_groups, inputs.plan, call.formula(size))
    observed, n_drawn = seen.probability, number_of(permutations)
    p_value = np.ones(observed.shape)
    if n_drawn:
        exceeded = count_exceeding(seen, labels_under(permutations, inputs.codes, rng))
        p_value = np.where(observed > 0, exceeded / n_drawn, 1.0)
    small = size <= call.min_cells if call.min_cells else np.zeros(n_groups, dtype=bool)
    kept = observed.copy()
    kept[small], kept[:, small] = 0.0, 0.0
    notes = _notes(inputs, small)
    return Communication(inputs.groups, pd.Index(inputs.chosen["interaction_name"], name="pair"), kept, p_value,
                         inputs.chosen, "parity", coverage=inputs.coverage, settings=inputs.settings,
                         notes=notes)  # fmt: skip


def _notes(inputs: Inputs, small: np.ndarray) -> tuple[str, ...]:
    notes = [f"{len(inputs.coverage)} interactions are not covered: genes of their ligand or receptor are not measured"]
    if small.any():
        notes.append(f"groups with too few cells, set to 0: {', '.join(inputs.groups[small])}")
    return tuple(notes)
