"""Gene names to official symbols, openly: Ensembl ids by the shipped table, old symbols by alias, all listed."""

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from scresist import resources
from scresist.checks import RefusedError
from scresist.reading.features import ENSEMBL

MOUSE_LIKE = re.compile(r"^[A-Z][a-z0-9]+[a-z][A-Za-z0-9.-]*$")


@dataclass(frozen=True, slots=True)
class Mapping:
    """Symbols in the order of the input names, and what was done to reach them."""

    symbols: np.ndarray
    from_ensembl: int = 0
    unmapped: int = 0
    renamed: tuple[tuple[str, str], ...] = ()
    made_unique: tuple[str, ...] = ()


def looks_like_mouse(names: np.ndarray) -> bool:
    """Whether the names are mouse genes: Ensembl ids ENSMUSG..., or symbols such as Cd8a where human has CD8A."""
    some = [str(n) for n in names]
    if sum(n.startswith("ENSMUSG") for n in some) > len(some) / 2:
        return True
    return len(some) > 0 and sum(bool(MOUSE_LIKE.match(n)) for n in some) > len(some) / 2


def looks_like_human(names: np.ndarray) -> bool:
    """Whether the names are human genes: Ensembl ids ENSG..., or official human symbols, for more than half of them."""
    some = [str(n) for n in names]
    official = set(resources.genes().index)
    return len(some) > 0 and sum(n.startswith("ENSG") or n in official for n in some) > len(some) / 2


def map_symbols(names: np.ndarray, gene_ids: np.ndarray | None, *, organism: str) -> Mapping:
    """Map names to official symbols and make them unique; nothing is dropped.

    Ensembl ids (with or without version) become symbols; an id the table lacks stays. An old symbol becomes the
    official one unless that is in the data already; a name that is itself an approved symbol is never another gene's.
    A symbol that occurs twice keeps its first place; later ones get their Ensembl id where known, else a running
    number.
    """
    ids = None if gene_ids is None else tuple(str(i) for i in gene_ids)
    return _map(tuple(str(n) for n in names), ids, organism)


@lru_cache(maxsize=8)  # samples of one study mostly share their gene names
def _map(names: tuple[str, ...], ids: tuple[str, ...] | None, organism: str) -> Mapping:
    given, gene_ids = np.array(names, dtype=object), None if ids is None else np.array(ids, dtype=object)
    if organism != "human":
        symbols, doubled = _unique(given, gene_ids)
        return Mapping(symbols, made_unique=doubled)
    if not len(given):
        raise RefusedError("the matrix has no genes")
    is_id = np.array([bool(ENSEMBL.match(n)) for n in given])
    symbols = given.copy()
    table, others = _ensembl_table(), resources.other_symbols()
    symbols[is_id] = [table.get(n.partition(".")[0], n) for n in given[is_id]]
    mapped = int((symbols[is_id] != given[is_id]).sum())
    present, official = set(symbols), resources.genes().index
    known, renamed = set(official), []
    alias = resources.aliases()
    for i, name in enumerate(symbols):
        if name not in known and name not in others and not is_id[i]:
            target = alias.get(name)
            # An alias can be another gene's in the data: its Ensembl id, where given, has the last word.
            agrees = gene_ids is None or table.get(str(gene_ids[i]).partition(".")[0]) == target
            if target is not None and target not in present and agrees:
                symbols[i] = target
                present.add(target)
                renamed.append((str(name), target))
    symbols, doubled = _unique(symbols, given if is_id.any() else gene_ids)
    return Mapping(symbols, mapped, int(is_id.sum()) - mapped, tuple(renamed), doubled)


def _ensembl_table() -> dict[str, str]:
    genes = resources.genes()
    table = dict(zip(genes["ensembl"], genes.index, strict=True))
    return {**table, **resources.ensembl_supplement()}


def _unique(symbols: np.ndarray, gene_ids: np.ndarray | None) -> tuple[np.ndarray, tuple[str, ...]]:
    seen, taken = {}, set(symbols)
    out, doubled = symbols.copy(), []
    for i, name in enumerate(symbols):
        if name not in seen:
            seen[name] = 0
            continue
        doubled.append(str(name))
        new = None if gene_ids is None or not gene_ids[i] else str(gene_ids[i])
        while new is None or new in taken:
            seen[name] += 1
            new = f"{name}-{seen[name]}"
        taken.add(new)
        out[i] = new
    return out, tuple(dict.fromkeys(doubled))
