"""What a call of `networks.build` asks for: the records that its settings travel in, and the checks of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, require_choice, require_positive, suggestion
from scresist.networks.modes import NetworkMode
from scresist.networks.pooling import Pooling
from scresist.networks.power import POWERS
from scresist.networks.recipe import Recipe, check_recipe
from scresist.networks.selection import GeneChoice

DEEP_SPLIT = 4  # where nothing decides it


@dataclass(frozen=True, slots=True)
class Measure:
    """What genes are correlated by, and the space in which cells are neighbours.

    Attributes
    ----------
    values
        "residuals" of counts within samples, with the depth of a cell as offset, or "log"-normalised sums of
        metacells. None is residuals in sound mode, log in parity mode.
    reduction
        Slot of obsm in which neighbours are sought. None is the compartment's own space for residuals; for values="log"
        X_pca where it exists, else components of the counts.
    n_components
        Components of the own space; None keeps those that exceed what independent genes give.
    within
        Column of obs. The mean of each of its groups is subtracted from the metacells first, so that modules contain
        genes that vary together inside the groups; a difference between tumours (copy number, handling) makes no
        module. Contrasts of the scores test afterwards whether a module differs between patients. "auto" is `sample`,
        else `patient`, in sound mode, and None in parity mode; None subtracts nothing.
    """

    values: str | None = None
    reduction: str | None = None
    n_components: int | None = None
    within: str | None = "auto"

    def __post_init__(self) -> None:
        if self.values is not None:
            require_choice(self.values, ("residuals", "log"), "values")
        if self.n_components is not None:
            require_positive(self.n_components, "n_components")


@dataclass(frozen=True, slots=True)
class Search:
    """How modules are sought, beyond power, depth of the cut and sizes.

    Attributes
    ----------
    start
        Where modules start: "tree" (its branches) or "components" (of the cells' residuals, turned so that each gene
        follows few). None is the tree, and for residuals, unless power or deep_split are given, whichever reproduces.
    powers, threshold_correlation
        Powers of the fit table, and the correlation that it uses; None uses that of the mode.
    pam
        Whether genes outside the branches are given to the nearest branch afterwards.
    max_module_share
        Share of the genes of the network beyond which a module is flagged: so large a module is an axis that all genes
        follow, not a programme.
    """

    start: str | None = None
    powers: Sequence[float] = POWERS
    threshold_correlation: str | None = None
    pam: bool = False
    max_module_share: float = 1 / 3


@dataclass(frozen=True, slots=True)
class Request:
    """A checked call of `build`: which cells, which genes, how they are measured, and how modules are sought.

    `inside` marks the cells of the compartment, `columns` are those within which cells are pooled, `sizes` the smallest
    modules to try, and `source` is where the positions of metacells are from: a generator, R's stream, or positions to
    replay. `power` and `deep_split` are None where the data choose them.
    """

    rules: NetworkMode
    compartment: str | None
    inside: np.ndarray
    columns: list[str]
    genes: GeneChoice
    pooling: Pooling
    measure: Measure
    search: Search
    recipe: Recipe
    power: float | None
    deep_split: int | None
    sizes: tuple[int, ...]
    rng: int | np.random.Generator
    source: Any

    def __post_init__(self) -> None:
        check_recipe(self.recipe)
        values = self.measure.values
        if self.recipe.correlation == "latent" and not self.by_residuals:
            raise InputError(f'correlation "latent" is of counts of cells; it needs values="residuals", got {values!r}')
        if self.recipe.start == "tree":
            return
        if not self.by_residuals:
            raise InputError(f'start={self.recipe.start!r} needs values="residuals"; values are {values!r}')
        if (self.power, self.deep_split) != (None, None):
            raise InputError('power and deep_split are settings of a tree; leave them out or set start="tree"')

    @property
    def by_residuals(self) -> bool:
        """Whether genes are correlated by residuals of counts within samples."""
        return self.measure.values == "residuals"

    def pooled_within(self, obs: pd.DataFrame) -> list[str]:
        """Columns whose values the cells of a metacell share: those of the call, and those of the mode that obs has."""
        return [*self.columns, *(c for c in self.rules.pooled_apart if c in obs and c not in self.columns)]


def with_settings(records: Sequence[Any], by_name: Mapping[str, Any]) -> list[Any]:
    """The records with the settings that a call gives by name.

    Parameters
    ----------
    records
        Records whose fields have different names.
    by_name
        Values by the name of the field.

    Raises
    ------
    TypeError
        For a name that no record has.
    """
    known = {field.name for record in records for field in fields(record)}
    for name in by_name:
        if name not in known:
            raise TypeError(f"networks.build has no setting {name!r}; {suggestion(name, known)}")
    own = [{f.name: by_name[f.name] for f in fields(record) if f.name in by_name} for record in records]
    return [replace(record, **given) if given else record for record, given in zip(records, own, strict=True)]
