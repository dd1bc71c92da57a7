"""Small designs and values for the tests of this folder."""

import numpy as np
import pandas as pd

from scresist.study.design import Contrast, Design


def two_arms(n_test=4, n_reference=4, n_pairs=0, pairing="auto", **columns):
    """A design with arms `naive` and `resistant`: pairs first, then the single patients."""
    rows = [(f"q{i}", arm) for i in range(n_pairs) for arm in ("resistant", "naive")]
    rows += [(f"t{i}", "resistant") for i in range(n_test)] + [(f"r{i}", "naive") for i in range(n_reference)]
    samples = pd.DataFrame(rows, columns=["patient", "arm"], index=[f"s{i:02d}" for i in range(len(rows))])
    for name, values in columns.items():
        samples[name] = values
    contrast = Contrast("primary", "resistant", "naive", pairing)
    return Design(("naive", "resistant"), (contrast,), samples, covariates=tuple(columns))


def three_arms(n=6, n_pairs=4):
    """Baseline, primary and acquired; the first `n_pairs` acquired patients have a baseline sample too."""
    rows = [(f"b{i}", "baseline") for i in range(n)] + [(f"p{i}", "primary") for i in range(n)]
    rows += [(f"b{i}" if i < n_pairs else f"a{i}", "acquired") for i in range(n)]
    samples = pd.DataFrame(rows, columns=["patient", "arm"], index=[f"s{i:02d}" for i in range(len(rows))])
    contrasts = (Contrast("primary", "primary", "baseline"), Contrast("acquired", "acquired", "baseline"))
    return Design(("baseline", "primary", "acquired"), contrasts, samples)


def noise(design, n_features=5, seed=0):
    """Standard normal values per sample and feature."""
    values = np.random.default_rng(seed).normal(size=(len(design.samples), n_features))
    return pd.DataFrame(values, index=design.samples.index, columns=[f"m{i}" for i in range(n_features)])
