"""The differences between the two modes of a network, as data: one record per mode, which `build` reads."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import pandas as pd

from scresist.checks import require_choice
from scresist.kernels.r_random import RStream
from scresist.networks.pooling import Pooling


@dataclass(frozen=True, slots=True)
class NetworkMode:
    """One way of building a network.

    Attributes
    ----------
    name
        "sound" or "parity".
    pooling
        Sizes and limits of the metacells, unless the call sets them.
    pooled_apart
        Columns that the cells of a metacell must share besides those of `groupby`, where obs has them.
    centred_within
        What `within="auto"` means: the first of these columns that obs has; none pools everything.
    minimum_patients, minimum_metacells
        Below these numbers no network is built.
    minimum_cells
        Cells of a group in which a gene must be detected, however small `fraction` is.
    detection_by_group
        Whether a gene may be detected in one group of the metacells alone, or must be in all cells together.
    every_type_first
        Whether metacells of all cell types are drawn from one stream before those of one type are kept.
    threshold_correlation
        The correlation of the fit table; None is that of the network.
    single_precision
        Whether matrices of genes x genes are in single precision.
    living_fit
        Whether the fit must fall, and leave a mean connectivity of 1, to count.
    smaller_modules
        Whether the smallest module size is halved where no module is that large.
    r_stream
        Whether a seed is R's.
    values
        What genes are correlated by: "residuals" of counts within samples, or "log"-normalised metacells.
    min_module_sizes
        Smallest module, unless the call sets it; of several the one whose modules reproduce is used.
    deep_split
        Depth of the cut; None chooses it with the power by what reproduces.
    members
        How far a gene must follow a module to belong to it, in deviations of independent genes; 0 keeps the branches
        of the tree as they are.
    seed_genes
        Genes of the tree of a resample.
    max_cells
        Largest number of cells, evenly many of each sample; None takes all.
    """

    name: str
    pooling: Pooling
    pooled_apart: tuple[str, ...]
    centred_within: tuple[str, ...]
    minimum_patients: int
    minimum_metacells: int
    minimum_cells: int
    detection_by_group: bool
    every_type_first: bool
    threshold_correlation: str | None
    single_precision: bool
    living_fit: bool
    smaller_modules: bool
    r_stream: bool
    values: str
    min_module_sizes: tuple[int, ...]
    deep_split: int | None
    members: float
    seed_genes: int
    max_cells: int | None

    def random(self, rng: int | np.random.Generator) -> "np.random.Generator | RStream":
        """Where the positions of metacells are drawn from."""
        return RStream(rng) if self.r_stream and isinstance(rng, int) else np.random.default_rng(rng)

    def column_within(self, obs: pd.DataFrame, within: str | None) -> str | None:
        """The column of obs whose groups' means are subtracted: `within`, or what "auto" means here."""
        return next((c for c in self.centred_within if c in obs), None) if within == "auto" else within


SOUND = NetworkMode(
    name="sound",
    pooling=Pooling(),
    pooled_apart=("sample",),
    centred_within=("sample", "patient"),
    minimum_patients=2,  # modules of one patient may be specific to that patient
    minimum_metacells=15,  # correlations over fewer are mostly noise
    minimum_cells=5,  # a share of a small group would be no cell at all
    detection_by_group=True,
    every_type_first=False,
    threshold_correlation=None,
    single_precision=True,
    living_fit=True,
    smaller_modules=True,
    r_stream=False,
    values="residuals",
    min_module_sizes=(15, 30),  # fewer genes are as tight by chance
    deep_split=None,
    members=4.0,  # of 5,000 independent genes one in seven modules gains one
    seed_genes=2000,
    max_cells=20_000,  # their residuals need 400 MB with 5,000 genes, 1.2 GB with 15,000
)
PARITY = NetworkMode(
    name="parity",
    pooling=Pooling(target=1000, small_groups=False),
    pooled_apart=(),
    centred_within=(),
    minimum_patients=1,
    minimum_metacells=4,
    minimum_cells=0,
    detection_by_group=False,
    every_type_first=True,
    threshold_correlation="bicor",
    single_precision=False,
    living_fit=False,
    smaller_modules=False,
    r_stream=True,
    values="log",
    min_module_sizes=(50,),
    deep_split=4,
    members=0.0,
    seed_genes=0,
    max_cells=None,
)
MODES = MappingProxyType({mode.name: mode for mode in (SOUND, PARITY)})


def mode_named(name: str) -> NetworkMode:
    """The record of a mode.

    Parameters
    ----------
    name
        sound | parity.

    Raises
    ------
    InputError
        If it is neither "sound" nor "parity".
    """
    require_choice(name, MODES, "mode")
    return MODES[name]
