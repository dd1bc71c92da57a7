"""All cells as one object, as in CellChat."""

import numpy as np
import pandas as pd

from scresist.communication.inputs import Inputs, Settings
from scresist.communication.relabelling import labels_under, number_of
from scresist.communication.result import Communication
from scresist.kernels.averages import averages_of_sorted
from scresist.kernels.signalling import count_exceeding, probability


def infer_whole(
    inputs: Inputs, call: Settings, permutations: int | np.ndarray, rng: np.random.Generator
) -> Communication:
    """Probabilities on the object's own scale, and the share of relabellings that exceed them.

    Parameters
    ----------
    inputs
        Values, pairs and groups.
    call
        Numbers of the call.
    permutations
        A number, or an array (cells, permutations).
    rng
        Generator of the relabellings.
    """
    data, n_groups = inputs.data, len(inputs.groups)
    order = data.order.scaled(data.scale)
    size = np.bincount(inputs.codes, minlength=n_groups)
    averages = averages_of_sorted(order, inputs.codes, n_groups, call.average, call.trim)
    share = size / size.sum() if call.population_size else None
    observed = probability(averages, inputs.plan, call.kh, call.hill, share)
    n_drawn = number_of(permutations)
    p_value = np.ones(observed.shape)
    if n_drawn:
        labels = labels_under(permutations, inputs.codes, rng)
        exceeded = count_exceeding(
            order, labels, size, inputs.plan, observed, average=call.average, trim=call.trim,
            kh=call.kh, hill=call.hill, population=share,
        )  # fmt: skip
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
