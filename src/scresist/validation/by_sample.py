"""Bench measurements as one value of each sample and feature, which the comparisons of arms and survival take."""

import numpy as np
import pandas as pd

from scresist.checks import InputError, counted
from scresist.results import Result
from scresist.study.design import Design

STATISTICS = ("nearest", "contacts", "k", "g", "mixing")


def require_of_study(table: pd.DataFrame, design: Design, where: str) -> None:
    """Raise InputError where a sample or patient of a bench table is not in the study.

    Parameters
    ----------
    table
        With patient and sample, one row per line of the file.
    design
        Of the study.
    where
        Name of the file.

    Raises
    ------
    InputError
        With the row of the first, and how many there are.
    """
    owner = design.samples["patient"].astype(str)
    patients = table["patient"].astype(str).str.strip()
    samples = table["sample"].astype(str).str.strip()
    for column, given, known in (("patient", patients, set(owner)), ("sample", samples, set(owner.index.astype(str)))):
        unknown = np.flatnonzero(~given.isin(known))
        if unknown.size:
            at = int(unknown[0])
            rest = given.iloc[unknown].nunique() - 1
            more = f" and {counted(rest, f'more {column}')} like it" if rest else ""
            raise InputError(
                f"{where} row {at + 2}: {column} {given.iloc[at]!r}{more} is not in the study's samples.csv; "
                f"there is: {', '.join(sorted(known)[:8])}"
            )
    wrong = np.flatnonzero(patients.to_numpy() != samples.map(owner).astype(str).to_numpy())
    if wrong.size:
        at = int(wrong[0])
        raise InputError(f"{where} row {at + 2}: sample {samples.iloc[at]!r} is of patient "
                         f"{owner[samples.iloc[at]]!r} in samples.csv and of {patients.iloc[at]!r} here")  # fmt: skip


def ihc_values(scores: pd.DataFrame) -> pd.DataFrame:
    """Sample, marker and H-score.

    Parameters
    ----------
    scores
        The table `validation_ihc`.
    """
    return scores[["sample", "marker", "h_score"]].rename(columns={"h_score": "value"})


def density_values(densities: pd.DataFrame) -> pd.DataFrame:
    """log2 cells per square millimetre of each sample, compartment and phenotype; half a cell is added.

    Regions of a sample are joined by their cells and their area, so that a large one counts more.

    Parameters
    ----------
    densities
        The table `validation_mif`.
    """
    known = densities[densities["area_mm2"].notna() & (densities["area_mm2"] > 0)]
    sums = known.groupby(["sample", "compartment", "phenotype"], sort=True)[["n_cells", "area_mm2"]].sum()
    value = np.log2((sums["n_cells"] + 0.5) / sums["area_mm2"])
    return value.rename("value").reset_index()


def spatial_values(spatial: pd.DataFrame) -> pd.DataFrame:
    """log2 of observed over expected of each sample, pair of phenotypes and statistic, the mean over its regions.

    Regions are weighted by the cells that the statistic is of. An observed or expected 0 has no logarithm: the region
    is left out of that statistic.

    Parameters
    ----------
    spatial
        The table `validation_mif_spatial`.
    """
    own = spatial[spatial["statistic"].isin(STATISTICS) & (spatial["value"] > 0) & (spatial["expected"] > 0)]
    own = own.assign(log=np.log2(own["value"] / own["expected"]) * own["n_from"])
    sums = own.groupby(["sample", "from", "to", "statistic"], sort=True)[["log", "n_from"]].sum()
    return (sums["log"] / sums["n_from"]).rename("value").reset_index()


def bench_features(tables: dict[str, Result]) -> dict[str, pd.DataFrame]:
    """Samples x features of each kind of measurement, for survival and for agreement with RNA.

    Parameters
    ----------
    tables
        Results by the name of their table.
    """
    blocks: dict[str, pd.DataFrame] = {}
    if "validation_ihc" in tables:
        values = ihc_values(tables["validation_ihc"].table)
        blocks["IHC"] = values.assign(name=values["marker"] + " protein (IHC)").pivot_table(
            index="sample", columns="name", values="value"
        )
    if "validation_mif" in tables:
        values = density_values(tables["validation_mif"].table)
        names = "density of " + values["phenotype"] + " in " + values["compartment"]
        blocks["mIF"] = values.assign(name=names).pivot_table(index="sample", columns="name", values="value")
    return blocks
