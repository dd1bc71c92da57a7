"""A contrast of a first cohort in a second: the same test there, and whether the direction is the same."""

import numpy as np
import pandas as pd

from scresist.contrasts.estimability import estimable, weakness
from scresist.contrasts.module_tests import modules
from scresist.contrasts.verdict import ALPHA
from scresist.results import Result
from scresist.study.design import Design


def replication(
    scores: Result | pd.DataFrame, design: Design, first: pd.DataFrame, *, alpha: float = ALPHA,
    n_permutations: int = 10_000, rng: int | np.random.Generator = 1,
) -> Result:  # fmt: skip
    """How the activity of each module of a first cohort differs between the arms of a second, patients as the unit.

    Parameters
    ----------
    scores
        Of the modules in the samples of the second cohort, as in `modules`.
    design
        Arms, contrasts, sheet of samples.
        It is that of the second cohort, its contrasts under the names of the first.
    first
        The table of the first cohort: `module`, `contrast`, `effect`, `p_value`, `q_value`; it may be empty.
    alpha
        Level of the tests; intervals have a coverage of 1 - alpha.
    n_permutations, rng
        As in `contrast_arms`.

    Returns
    -------
    Result with the columns of `contrast_arms`, and `arm_test`, `arm_reference` (arms of the second cohort),
    `first_effect`, `first_q`, `same_direction` (whether the effects have one sign; missing where one was not
    estimated), and `weak` (why the second design is weak for another reason than few patients).
    """
    tested = modules(scores, design, n_permutations=n_permutations, alpha=alpha, rng=rng)
    table = tested.table
    arms = {c.name: (c.test, c.reference) for c in design.contrasts}
    table["arm_test"] = [arms[c][0] for c in table["contrast"]]
    table["arm_reference"] = [arms[c][1] for c in table["contrast"]]
    known = first if len(first) else pd.DataFrame(columns=["module", "contrast", "effect", "q_value"])
    before = known.set_index(["module", "contrast"])[["effect", "q_value"]].astype(float)
    place = pd.MultiIndex.from_frame(table[["module", "contrast"]])
    table["first_effect"], table["first_q"] = before.reindex(place).to_numpy().T
    signs = np.sign(table["effect"].to_numpy(float) * table["first_effect"].to_numpy(float))
    table["same_direction"] = pd.array(np.where(np.isnan(signs), None, signs > 0), dtype="boolean")
    table["weak"] = table["contrast"].map(weakness(estimable(design, alpha=alpha).table)).fillna("")
    return Result(table, tested.method, tested.settings, tested.notes)
