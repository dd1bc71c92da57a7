"""Two conditions of a release or of an enzyme: ratios of their constants over biological replicates."""

import numpy as np
import pandas as pd

from scresist.kernels import kinetics as kernel
from scresist.validation.rate_fits import OF_REPLICATES, Fits, fit_replicates
from scresist.validation.two_conditions import difference, met, word_of

MAIN = ("k", "rate", "ki", "ki_app", "ic50")  # what a prediction is of; Vmax where a model has none of them


def rate_ratios(
    block: pd.DataFrame, fits: dict[str, Fits], test: str, ref: str, way: int, *, paired: bool
) -> list[dict[str, object]]:
    """Ratios of the parameters of two conditions under the model of least AICc in both.

    Parameters
    ----------
    block
        Points of one experiment.
    fits
        Of its conditions.
    test, ref
        Their names.
    way
        +1 or -1: the direction that was predicted; 0 for none.
    paired
        Whether replicates of one name belong together.
    """
    sides = [block[block["condition"] == name] for name in (test, ref)]
    n_test, n_ref = (s["replicate"].nunique() for s in sides)
    base: dict[str, object] = {
        "n_replicates": n_test,
        "n_reference": n_ref,
        "n_points": sum(map(len, sides)),
        "chosen": True,
    }
    lacking = [name for name in (test, ref) if fits[name].lacks]
    common = [m for m in fits[test].models if m in fits[ref].models]
    if lacking or not common:
        why = f"no fit of {', '.join(lacking)}" if lacking else "the conditions have no model in common"
        return [{**base, "model": "", "parameter": "", "value": np.nan, "chosen": False, "reason": why}]
    model = min(common, key=lambda m: fits[test].aicc[m] + fits[ref].aicc[m])
    first, second = (fit_replicates(s, model) for s in sides)
    names = [list(dict.fromkeys(s["replicate"])) for s in sides]
    main = next((p for p in kernel.MODELS[model].parameters if p in MAIN), "vmax")
    out: list[dict[str, object]] = []
    for j, parameter in enumerate(kernel.MODELS[model].parameters):
        row = {**base, "model": model, "parameter": f"{parameter} ratio", "unit": "", "interval_of": OF_REPLICATES}
        pooled = fits[test].models[model].parameters[j] / fits[ref].models[model].parameters[j]
        if first is None or second is None:
            out.append(
                row
                | {
                    "value": pooled,
                    "interval_of": "",
                    "weak": "replicates cannot be fitted one by one",
                    "reason": "a biological replicate has too few points for a fit of its own",
                }
            )
            continue
        a, b = first[:, j], second[:, j]
        if paired:
            both = [n for n in names[0] if n in names[1]]
            a, b = (v[[names[k].index(n) for n in both]] for k, v in enumerate((a, b)))
        found = difference(a, b, paired=paired)
        value = np.exp(found.effect) if np.isfinite(found.effect) else pooled
        out.append(
            row
            | {
                "value": value,
                "ci_low": np.exp(found.ci_low),
                "ci_high": np.exp(found.ci_high),
                "p_value": found.p_value,
                "weak": found.weak,
                "reason": found.reason,
            }
        )
        if parameter == main:
            out[-1] |= {"expected": word_of(way), "met": met(found.effect, found.p_value, way)}
    return out
