"""Names of genes made readable where their pattern is certain, each change noted; and the refusal where it is not."""

import re
from collections import Counter
from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np

from scresist import resources
from scresist.reading.features import ensembl_only
from scresist.reading.matrix import CountMatrix
from scresist.reading.recognise import BOTH, OURS, dates, folded, is_known, known_share, pattern_of, strict_share
from scresist.reading.species import keep_species, species_of_genome, species_of_ids, without_prefix
from scresist.study.problems import Problems

# Mitochondrial genes as NCBI names them in annotations of RefSeq.
REFSEQ = {
    "ND1": "MT-ND1", "ND2": "MT-ND2", "ND3": "MT-ND3", "ND4": "MT-ND4", "ND4L": "MT-ND4L", "ND5": "MT-ND5",
    "ND6": "MT-ND6", "COX1": "MT-CO1", "COX2": "MT-CO2", "COX3": "MT-CO3", "CYTB": "MT-CYB", "ATP6": "MT-ATP6",
    "ATP8": "MT-ATP8",
}  # fmt: skip
MOUSE_CLONE = re.compile(r"^Gm\d+$|Rik\d?$|^gm\d+$|rik\d?$|^h2-")
ENOUGH = 0.5  # share of names that must be official, alias or Ensembl
NUMBERED = 0.1  # share of plain names below which names with a number behind them are not those of doubled genes
COMMON = 0.9  # share of names that have the same letters before or behind them
SECOND = 0.15  # share of names from which on symbols of a second species are a second genome


def tidy_names(matrix: CountMatrix, organism: str) -> CountMatrix:
    """The matrix with names as a reference has them, and the cells of one species where it has genes of two.

    Parameters
    ----------
    matrix
        As read.
    organism
        human | mouse.
    """
    ids = None if matrix.gene_ids is None else tuple(str(i) for i in matrix.gene_ids)
    found = _readable(tuple(str(n) for n in matrix.genes), ids)
    tidy = replace(matrix, genes=found.names, gene_ids=found.ids, notes=(*matrix.notes, *found.notes))
    return keep_species(tidy, found.species, found.genomes, organism)


@dataclass(frozen=True, slots=True)
class _Readable:
    """Names and ids after repair, and the species and genome of every gene."""

    names: np.ndarray
    ids: np.ndarray | None
    species: np.ndarray
    genomes: np.ndarray
    notes: tuple[str, ...]


@lru_cache(maxsize=8)  # samples of one study mostly share their gene names
def _readable(given: tuple[str, ...], given_ids: tuple[str, ...] | None) -> _Readable:
    names = np.array([n.strip().strip("\ufeff\"'").strip() for n in given], dtype=object)
    ids = None if given_ids is None else np.array(given_ids, dtype=object)
    notes: list[str] = []
    names, genomes = _without_genome(names)
    if any(genomes):
        shown = ", ".join(dict.fromkeys(g for g in genomes if g))
        notes.append(f"the name of the genome before every gene ({shown}) was taken off")
    if ids is not None:
        ids = ensembl_only(without_prefix(ids)[0])
    names, ids = _split_both(names, ids, notes)
    names = _without_affix(names, notes)
    names = _repaired(names, notes)
    species = np.array([species_of_genome(g) if g else "" for g in genomes], dtype=object)
    if not any(species):
        species = species_of_ids(names if ids is None else ids)
        by_name = species_of_ids(names)
        species = np.where(species == "", by_name, species)
    if len({s for s in species if s}) < 2:
        species = _by_symbol(names, species)
    return _Readable(names, ids, species, genomes, tuple(notes))


def _without_genome(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    bare, genomes = without_prefix(names)
    if len(names) and np.mean(genomes != "") > 0.5:
        return bare, genomes
    return names, np.full(len(names), "", dtype=object)


def _split_both(
    names: np.ndarray, ids: np.ndarray | None, notes: list[str]
) -> tuple[np.ndarray, np.ndarray | None]:  # fmt: skip
    """SYMBOL_ENSG... and ENSG..._SYMBOL as symbol and id; SYMBOL|1234 as symbol."""
    found = [BOTH.match(n) for n in names]
    if any(f is not None for f in found):
        own = np.array([(f["id"] or f["id2"]) if f else "" for f in found], dtype=object)
        own = own if ids is None else np.where(own == "", ids, own)
        example = next(n for n, f in zip(names, found, strict=True) if f)
        notes.append(f"{sum(f is not None for f in found)} names have symbol and Ensembl id in one ({example}): split")
        names = np.array([(f["symbol"] or f["symbol2"]) if f else n for n, f in zip(names, found, strict=True)],
                         dtype=object)  # fmt: skip
        return names, own
    numbered = [bool(re.match(r"^[A-Za-z?][\w.-]*\|\d+$", n)) for n in names]
    if names.size and np.mean(numbered) > 0.5:
        notes.append(f"the Entrez number behind every symbol ({names[numbered.index(True)]}) was taken off")
        return np.array(
            [n.partition("|")[0] if k else n for n, k in zip(names, numbered, strict=True)], dtype=object
        ), ids
    return names, ids


def _without_affix(names: np.ndarray, notes: list[str]) -> np.ndarray:
    """Names without what nearly all have before or behind them (gene:CD8A, CD8A_hg19), where the rest is known."""
    before = strict_share(names)
    if not len(names) or before >= ENOUGH:
        return names
    best, affix, where = names, "", ""
    for side, cut in (("before", lambda n, k: n[:k]), ("behind", lambda n, k: n[len(n) - k :] if len(n) > k else "")):
        for k in range(1, 26):
            common, n = Counter(cut(str(name), k) for name in names).most_common(1)[0]
            if n < COMMON * len(names) or not common:
                break
            bare = names.copy()
            for i, name in enumerate(names):
                if cut(str(name), k) == common:
                    bare[i] = (str(name)[k:] if side == "before" else str(name)[:-k]).strip()
            share = strict_share(bare)
            if share >= max(ENOUGH, before + 0.3):
                best, affix, where, before = bare, common, side, share - 0.3
    if affix:
        notes.append(f"{affix!r} {where} every name ({names[0]}) was taken off")
    return best


def _repaired(names: np.ndarray, notes: list[str]) -> np.ndarray:
    """Dots, underscores and spaces for dashes, letters in another case, and names of RefSeq, where it is certain."""
    out, present = names.copy(), set(names)
    official = set(folded().values())
    changed: dict[str, list[str]] = {}

    def take(i: int, name: str, why: str) -> bool:
        if name in present or name not in official:
            return False
        changed.setdefault(why, []).append(f"{out[i]}->{name}")
        present.add(name)
        out[i] = name
        return True

    unknown = [i for i, n in enumerate(names) if not is_known(n)]
    lower = [i for i in unknown if names[i] == names[i].lower() != names[i].upper() and names[i].casefold() in folded()]
    human_lower = len(lower) > ENOUGH * len(names) and _lower_is_human(names)
    for i in unknown:
        name = str(names[i])
        for letters in (".", "_", " "):
            dashed = re.sub(rf"\s*{re.escape(letters)}+\s*", "-", name) if letters in name else name
            if dashed != name and (take(i, dashed, f"{letters!r} for '-'")
                                   or take(i, folded().get(dashed.casefold(), "") if dashed.isupper() else "",
                                           f"{letters!r} for '-'")):  # fmt: skip
                break
        else:
            if name == name.upper() or (human_lower and name == name.lower()):
                take(i, folded().get(name.casefold(), ""), "letters in another case")
            if human_lower and out[i] == name and name == name.lower():
                take(i, folded().get(name.replace(".", "-").casefold(), ""), "letters in another case")
    if not any(n.startswith("MT-") for n in present) and sum(n in present for n in REFSEQ) >= 10:
        out = np.array([REFSEQ.get(n, n) for n in out], dtype=object)
        changed["RefSeq's names of mitochondrial genes"] = [f"{a}->{b}" for a, b in REFSEQ.items() if a in present]
    for why, pairs in changed.items():
        more = f" and {len(pairs) - 4} more" if len(pairs) > 4 else ""
        notes.append(f"{len(pairs)} names were read with {why}: {', '.join(pairs[:4])}{more}")
    return out


def _lower_is_human(names: np.ndarray) -> bool:
    """Whether names in lower case are of man: HLA genes and open reading frames are there, clones of mouse are not."""
    lowered = [str(n).lower() for n in names]
    human = sum(n.startswith(("hla-", "hla.", "znf")) or bool(re.match(r"^c\d+orf\d+", n)) for n in lowered)
    return human > sum(bool(MOUSE_CLONE.search(n)) or n.startswith("zfp") for n in lowered) and human > 0


def _by_symbol(names: np.ndarray, species: np.ndarray) -> np.ndarray:
    """The species by symbols (CD8A of man, Cd8a of mouse), where both have a good share of the names."""
    official, mouse = set(folded().values()), resources.mouse_symbols()
    human = np.array([n in official for n in names], dtype=bool)
    rodent = np.array([n not in official and (n in mouse or bool(MOUSE_CLONE.search(n))) for n in names], dtype=bool)
    if not len(names) or min(human.mean(), rodent.mean()) < SECOND:
        return species
    out = np.full(len(names), "", dtype=object)
    out[human], out[rodent] = "human", "mouse"
    return out


def check_names(matrix: CountMatrix, shown: str, problems: Problems) -> bool:
    """Whether half of the names of genes are known; otherwise a problem with examples and the pattern that was seen.

    Parameters
    ----------
    matrix
        With names as `tidy_names` gives them.
    shown, problems
        As in `open_matrix`.
    """
    n = len(matrix.genes)
    if n == 0:
        problems.error(shown, "the matrix has no genes", "give the counts of genes, not of antibodies or tags alone")
        return False
    share = known_share(matrix.genes)
    if strict_share(matrix.genes) < NUMBERED and matrix.gene_ids is None:
        share = strict_share(matrix.genes)
    if matrix.gene_ids is not None:
        share = max(share, float(np.mean([bool(OURS.match(str(i))) for i in matrix.gene_ids])))
    spoiled = dates(matrix.genes)
    if share >= ENOUGH:
        if spoiled:
            problems.warning(
                shown, f"{len(spoiled)} names of genes are dates: a spreadsheet changed genes such as MARCH1, SEPT1, "
                "DEC1; they are lost", "give the table as it was before the spreadsheet", value=", ".join(spoiled[:6]),
            )  # fmt: skip
        return True
    unknown = [str(g) for g in matrix.genes if not is_known(str(g))]
    pattern = pattern_of(matrix.genes)
    seen = f" (they look like: {pattern})" if pattern else ""
    problems.error(
        shown, f"only {share:.0%} of {n} names of genes are official symbols, aliases or Ensembl ids{seen}",
        "name genes by symbols (CD8A) or Ensembl ids (ENSG...), as the reference of the counts does",
        column="genes", value=", ".join(unknown[:6]),
    )  # fmt: skip
    return False
