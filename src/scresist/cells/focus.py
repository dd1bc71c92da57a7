"""Which cells a question is about: the populations that are compared, and the compartment in focus."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from scresist.checks import InputError, RefusedError, require_columns, suggestion

MALIGNANT, NORMAL, ALL = "malignant", "normal", "all"
ALL_CELLS = "all cells"  # the population of a focus on all cells
_NAMED_BY = ("lineage", "cell_type")  # a name that is both means the lineage, the wider of the two


@dataclass(frozen=True, slots=True)
class Focus:
    """The cells of a compartment.

    `name` is the compartment by its given name; `mask` is True for its cells; `population` is its name in tables that
    compare populations: that of the population with exactly these cells where there is one, else a name of its own.
    """

    name: str
    mask: np.ndarray
    population: str


def populations(obs: pd.DataFrame) -> pd.Series:
    """The population of each cell: `malignant`, or its cell type.

    Parameters
    ----------
    obs
        Table of the cells, with `cell_type`, and `malignancy` where it was called.

    Raises
    ------
    MissingColumnError
        If there is no column `cell_type`.
    """
    require_columns(obs, ["cell_type"], "the table of cells (obs)")
    cell_type = obs["cell_type"].astype(str)
    if "malignancy" not in obs:
        return cell_type
    return cell_type.where(obs["malignancy"].astype(str) != MALIGNANT, MALIGNANT)


def resolve_focus(obs: pd.DataFrame, compartment: str | None, *, known: Iterable[str] = ()) -> Focus:
    """The cells of a compartment, decided here for every stage.

    "all" (or None) is every cell. "malignant" and "normal" are the calls in `malignancy`, where the table has that
    column. Any other name is a lineage, else a cell type; a name that is both is the lineage. A cell type has all of
    its cells, malignant ones too.

    Parameters
    ----------
    obs
        Table of the cells, with the columns that the name needs: malignancy, lineage, cell_type.
    compartment
        all | malignant | normal | a lineage | a cell type.
    known
        Lineages and cell types that could have been found. A name among them without cells is no mistake of the user.

    Raises
    ------
    InputError
        For a name that is no lineage or cell type, or a table without the columns that would show it.
    RefusedError
        If no cell was called malignant (or normal), or no cell has a known name.
    """
    name = ALL if compartment is None else compartment
    mask = _mask(obs, name, frozenset(known))
    return Focus(name, mask, _population(obs, name, mask))


def _mask(obs: pd.DataFrame, name: str, known: frozenset[str]) -> np.ndarray:
    if name == ALL:
        return np.ones(len(obs), dtype=bool)
    if name in (MALIGNANT, NORMAL) and "malignancy" in obs:
        called = obs["malignancy"].astype(str)
        if not (called == name).any():
            raise RefusedError(
                f'no cell was called {name} ({_counted(called)}); use a lineage (for example "epithelial"), a cell '
                'type or "all" as the compartment (focus.compartment in study.toml)'
            )
        return (called == name).to_numpy()
    found: list[str] = []
    for column in (c for c in _NAMED_BY if c in obs):
        values = obs[column].astype(str)
        if (values == name).any():
            return (values == name).to_numpy()
        found += sorted(set(values))
    if name in known:
        raise RefusedError(f"no cell is {name!r}; there are {', '.join(dict.fromkeys(found))}")
    if not found:
        needed = "malignancy, lineage or cell_type" if name in (MALIGNANT, NORMAL) else "lineage or cell_type"
        raise InputError(f"compartment {name!r} needs a column {needed} in obs, which has none of them")
    names = [ALL, *([MALIGNANT, NORMAL] if "malignancy" in obs else []), *dict.fromkeys(found)]
    raise InputError(f"no cell is in compartment {name!r}; {suggestion(name, names)}")


def _counted(called: pd.Series) -> str:
    return ", ".join(f"{n} {value}" for value, n in called.value_counts().items())


def _population(obs: pd.DataFrame, name: str, mask: np.ndarray) -> str:
    own = ALL_CELLS if name == ALL else name
    if "cell_type" not in obs:
        return own
    compared = populations(obs)
    inside = compared[mask].unique()
    if len(inside) == 1 and int((compared == inside[0]).sum()) == int(mask.sum()):
        return str(inside[0])
    return f"{own} (in focus)" if (compared == own).any() else own
