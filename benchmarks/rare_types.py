"""Composition where six of fourteen types make up 1 to 2.1 %: type I error and power, before and after.

`python benchmarks/rare_types.py [studies] [--power] [--only GENERATOR ...] [--seed N]`. "Before" is the same test in
the same run without the draws of counts that lower the degrees of freedom. Called by `benchmarks/calibration.py` too.
Nothing is downloaded.
"""

import argparse
import sys
from collections.abc import Sequence
from itertools import product

import numpy as np
import pandas as pd
from scipy import stats

from nulls import LAYOUTS, two_arms
from scresist.contrasts import cell_shares
from scresist.contrasts.genes import summed_units
from scresist.kernels.multiple_testing import benjamini_hochberg
from scresist.kernels.redrawn_cells import redrawn_rates

SHARES = np.array([0.3, 0.2, 0.15, 0.1, 0.03, 0.03, 0.025, 0.025, 0.02, 0.02, 0.0175, 0.015, 0.0125, 0.01])
SHARES = SHARES / SHARES.sum()
RARE = SHARES < 0.026
GENERATORS = ("Dirichlet 30", "log normal 0.5", "gamma, correlated", "log t of 5")
DEPTHS = ((5000, 100), (100, 5000), (300, 3000), (1000, 1000))


def numbers(rng: np.random.Generator, generator: str, patients: int) -> np.ndarray:
    """True numbers of cells of each patient and type, up to a factor of the patient."""
    shape = (patients, SHARES.size)
    if generator == "Dirichlet 30":
        return rng.gamma(np.tile(SHARES * 30, (patients, 1)))
    if generator == "log normal 0.5":
        return SHARES * np.exp(0.5 * rng.normal(size=shape))
    if generator == "gamma, correlated":  # two blocks of 0.36; squared coefficients of variation 0.1 to 1
        block = rng.permutation(np.arange(SHARES.size) % 2)
        z = 0.6 * rng.normal(size=(patients, 2))[:, block] + 0.8 * rng.normal(size=shape)
        spread = np.exp(rng.uniform(np.log(0.1), 0, SHARES.size))
        return SHARES * stats.gamma.ppf(stats.norm.cdf(z), 1 / spread) * spread
    spread = np.exp(rng.uniform(np.log(0.3), np.log(0.9), SHARES.size))
    return SHARES * np.exp(spread * np.sqrt(3 / 5) * rng.standard_t(5, size=shape))


def both(
    rng: np.random.Generator, generator: str, layout: tuple[int, int], depths: tuple[int, int], change: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """p-values before and after of one study, shape (types,) each; the arms differ by `change`, on the log scale."""
    design = two_arms(*layout)
    test = (design.samples["arm"] == "test").to_numpy()
    number = numbers(rng, generator, test.size) * np.exp(np.where(test[:, None], change, 0))
    number /= number.sum(axis=1, keepdims=True)
    counts = np.vstack([rng.multinomial(d, s) for d, s in zip(np.where(test, *depths), number, strict=True)])
    frame = pd.DataFrame(counts, index=design.samples.index).add_prefix("type ")
    units = summed_units(frame, design, design.contrasts[0])
    reason = cell_shares._not_tested(units)
    main = cell_shares._transformed(units, frame.columns, reason == "", "ratio")
    how = {"method": "auto", "n_permutations": 1, "alpha": 0.05, "seed": int(rng.integers(2**63)), "beside": False}
    found = cell_shares._test(units, main, reason, how)
    before = np.where(found.reason == "", found.p_value, np.nan)
    cell_shares._widen(found, units, main, redrawn_rates, how)
    return before, np.where(found.reason == "", found.p_value, np.nan)


def _rates(p: list[np.ndarray], columns: np.ndarray) -> tuple[float, float, float, int]:
    own = np.concatenate([one[columns] for one in p])
    own = own[np.isfinite(own)]
    some = np.mean([np.nanmin(benjamini_hochberg(one), initial=1.0) < 0.05 for one in p])
    return float((own < 0.05).mean()), float((own < 0.01).mean()), float(some), own.size


def _error(p: list[np.ndarray], columns: np.ndarray) -> float:
    """Monte-Carlo error of the rate of p < 0.05: types of a study share their reference and are not independent."""
    hits = np.array([(one[columns] < 0.05).sum() for one in p])
    tests = np.array([np.isfinite(one[columns]).sum() for one in p])
    return float(np.sqrt(((hits - hits.sum() / max(tests.sum(), 1) * tests) ** 2).sum()) / max(tests.sum(), 1))


def rare_types(rng: np.random.Generator, studies: int, generators: Sequence[str] = GENERATORS) -> pd.DataFrame:
    """Type I error of the rare types over layouts, depths and generators; some q over all types."""
    rows = []
    for depths, generator, layout in product(DEPTHS, generators, LAYOUTS):
        pairs = [both(rng, generator, layout, depths, np.zeros(SHARES.size)) for _ in range(studies)]
        row: dict[str, object] = {"test v reference": f"{layout[0]} v {layout[1]}", "patients": generator,
                                  "cells per sample": f"{depths[0]} v {depths[1]}"}  # fmt: skip
        for name, p in (("before", [b for b, _ in pairs]), ("after", [a for _, a in pairs])):
            first, second, some, tests = _rates(p, RARE)
            row |= {f"{name}: p < 0.05": first, f"{name}: p < 0.01": second, f"{name}: some q": some,
                    f"{name}: all types": _rates(p, np.ones(SHARES.size, bool))[0]}  # fmt: skip
        rows.append({**row, "tests": tests, "error after": _error([a for _, a in pairs], RARE)})
        print(" | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in rows[-1].values()), file=sys.stderr)
    return pd.DataFrame(rows)


def pooled(table: pd.DataFrame) -> pd.DataFrame:
    """Over the layouts, each weighted by its tests."""
    rates = [c for c in table.columns if ":" in c]
    rows = []
    for keys, own in table.groupby(["cells per sample", "patients"], sort=False):
        tests = int(own["tests"].sum())
        error = float(np.sqrt(((own["error after"] * own["tests"]) ** 2).sum()) / tests)
        mean = np.average(own[rates].to_numpy(), axis=0, weights=own["tests"])
        rows.append({"cells per sample": keys[0], "patients": keys[1], **dict(zip(rates, mean, strict=True)),
                     "highest after": float(own["after: p < 0.05"].max()), "tests": tests,
                     "error after": error})  # fmt: skip
    return pd.DataFrame(rows)


def rare_power(rng: np.random.Generator, studies: int) -> pd.DataFrame:
    """Five types of fourteen differ by a factor of 4, up and down, of which three are rare."""
    change = np.zeros(SHARES.size)
    change[[1, 4, 9, 11, 12]] = np.log(4) * np.array([-1, 1, -1, 1, 1])
    rows = []
    for depths, layout, generator in product(((1000, 1000), (5000, 100)), LAYOUTS, GENERATORS[:3]):
        pairs = [both(rng, generator, layout, depths, change) for _ in range(studies)]
        row: dict[str, object] = {"test v reference": f"{layout[0]} v {layout[1]}", "patients": generator,
                                  "cells per sample": f"{depths[0]} v {depths[1]}"}  # fmt: skip
        for name, p in (("before", [b for b, _ in pairs]), ("after", [a for _, a in pairs])):
            first, second, some, tests = _rates(p, change != 0)
            rare = _rates(p, (change != 0) & RARE)[0]
            row |= {f"{name}: p < 0.05": first, f"{name}: p < 0.01": second, f"{name}: rare": rare,
                    f"{name}: some q": some}  # fmt: skip
        rows.append({**row, "tests": tests})
        print(" | ".join(f"{v:.3g}" if isinstance(v, float) else str(v) for v in rows[-1].values()), file=sys.stderr)
    return pd.DataFrame(rows)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("studies", nargs="?", type=int, default=100, help="of each row")
    parser.add_argument("--power", action="store_true", help="power in place of the type I error")
    parser.add_argument("--only", nargs="+", choices=GENERATORS, default=GENERATORS)
    parser.add_argument("--seed", type=int, default=1)
    asked = parser.parse_args()
    rng = np.random.default_rng(asked.seed)
    if asked.power:
        print(rare_power(rng, asked.studies).round(3).to_string())
        return
    table = rare_types(rng, asked.studies, asked.only)
    print(table.round(3).to_string())
    print(pooled(table).round(3).to_string())


if __name__ == "__main__":
    main()
