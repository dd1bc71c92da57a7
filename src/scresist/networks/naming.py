"""Names of modules: a number, a hub, an id that depends on their genes alone, and a colour."""

import hashlib
from collections.abc import Sequence
from functools import cache
from importlib.resources import files

import numpy as np
import pandas as pd

UNASSIGNED = "unassigned"
GREY = "grey"


@cache
def standard_colours() -> tuple[str, ...]:
    """WGCNA's colours of modules 1, 2, ...: turquoise, blue, brown, ..."""
    return tuple(files("scresist.networks").joinpath("standard_colours.txt").read_text(encoding="ascii").split())


def colours_of(labels: np.ndarray) -> np.ndarray:
    """The colour of each label; 0 is grey, and a label beyond the last colour is its own number."""
    known = standard_colours()
    names = {label: known[label - 1] if label <= len(known) else str(label) for label in np.unique(labels).tolist()}
    names[0] = GREY
    return np.array([names[label] for label in np.asarray(labels).tolist()], dtype=object)


def alphabetical_codes(colours: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Colours numbered in alphabetical order, grey 0, and the colour of each number."""
    names = np.array([GREY, *sorted(set(colours.tolist()) - {GREY})], dtype=object)
    number = {name: i for i, name in enumerate(names)}
    return np.array([number[colour] for colour in colours.tolist()]), names


def content_id(genes: Sequence[str]) -> str:
    """Eight characters that depend on the genes of a module alone, not on their order."""
    return hashlib.sha256("\n".join(sorted(genes)).encode()).hexdigest()[:8]


def module_catalogue(genes: pd.Index, labels: np.ndarray, kme: np.ndarray, explained: np.ndarray) -> pd.DataFrame:
    """One row per module: `module` ("M3 MUC3A"), `id`, `hub`, `colour`, `n_genes`, `variance_explained`.

    The hub is the gene of highest kME (the first of equals). `kme` is genes x modules by ascending label.
    """
    rows = []
    for column, label in enumerate(np.unique(labels[labels > 0]).tolist()):
        members = np.flatnonzero(labels == label)
        hub = str(genes[members[np.argmax(kme[members, column])]])
        rows.append(
            {
                "module": f"M{label} {hub}",
                "id": content_id([str(gene) for gene in genes[members]]),
                "hub": hub,
                "colour": colours_of(np.array([label]))[0],
                "n_genes": len(members),
                "variance_explained": float(explained[column]),
            }
        )
    columns = ["module", "id", "hub", "colour", "n_genes", "variance_explained"]
    return pd.DataFrame(rows, columns=columns)
