"""What the names of genes are: official, alias or Ensembl, and by what pattern the others can be read or recognised."""

import re
from collections import Counter
from collections.abc import Callable
from functools import cache, lru_cache, partial

import numpy as np

from scresist import resources
from scresist.reading.species import PREFIX, species_of_genome

OURS = re.compile(r"^ENS(MUS)?G\d{6,}(\.\d+)?$")  # genes of man and mouse
MONTHS = r"jan|feb|mar|apr|may|jun|jul|aug|sep|sept|oct|nov|dec|m[aä]r|mai|okt|dez"
DATE = re.compile(
    rf"^\d{{1,2}}[-. /]({MONTHS})[a-z]*\.?([-. /]\d{{2,4}})?$|^({MONTHS})[a-z]*\.?[-. /]\d{{1,4}}$"
    r"|^\d{4}-\d{2}-\d{2}([ T]00:00(:00)?)?$|^\d{1,2}[/.]\d{1,2}[/.]\d{2,4}$", re.IGNORECASE,
)  # fmt: skip
BOTH = re.compile(
    r"^(?P<symbol>[A-Za-z0-9][\w.@/-]*?)[_|;:,/ -]+(?P<id>ENS[A-Z]*G\d{6,}(\.\d+)?)$"
    r"|^(?P<id2>ENS[A-Z]*G\d{6,}(\.\d+)?)[_|;:,/ -]+(?P<symbol2>[A-Za-z0-9][\w.@/-]*)$"
)
# Names that are those of genes but have no symbol, such as clones; they count neither for nor against.
CLONE = re.compile(
    r"^(RP|CT|XX|AC|AL|AP|BX|CR|CU|FP|KC|Z|L|U|AD|AF|AJ|D|GS|KB|LA|LL|LLNL|XXB?AC|CH|FO|RN|SNO|MIR|hsa|bP|CICP|WI|ABBA"
    r"|ABC|AMAC)[\w.]*[-\d][\w.-]*[.-]\d+$|^(LOC|Gm|AW|BC|AI|AA|AU|BB)\d{3,}|^(RNU?|MIR|SNOR[AD]|Y_RNA|U\d|tRNA|n-R)[\w.-]*\d"
    r"|Rik\d?$|^ERCC-\d{5}$|^DDX11L|^WASH\d+P"
)
OTHER = (
    ("transcripts of Ensembl (ENST...)", re.compile(r"^ENS[A-Z]*T\d{6,}")),
    ("proteins of Ensembl (ENSP...)", re.compile(r"^ENS[A-Z]*P\d{6,}")),
    ("transcripts of RefSeq (NM_..., NR_...)", re.compile(r"^[NX][MR]_\d+")),
    ("probes of an array",
     re.compile(r"^(\d+(_[a-z])?(_[a-z])?_at|ILMN_\d+|A_\d+_P\d+|cg\d{8}|TC\d{6,}.*)$", re.IGNORECASE)),
    ("regions of the genome (peaks)", re.compile(r"^(chr)?[\dXYM]{1,2}[:_-]\d+[-_]\d+$", re.IGNORECASE)),
    ("genes of zebrafish", re.compile(r"^ENSDARG\d+")), ("genes of rat", re.compile(r"^ENSRNOG\d+")),
    ("genes of pig", re.compile(r"^ENSSSCG\d+")), ("genes of dog", re.compile(r"^ENSCAFG\d+")),
    ("genes of macaque", re.compile(r"^ENSMMUG\d+")), ("genes of fly", re.compile(r"^FBgn\d+")),
    ("genes of worm", re.compile(r"^WBGene\d+")), ("UniProt accessions", re.compile(r"^[OPQ]\d[A-Z0-9]{3}\d$")),
    ("HGNC numbers", re.compile(r"^HGNC:\d+")),
    ("barcodes of cells", re.compile(r"^[ACGTN]{12,}([-_.]\d+)?$")),
)  # fmt: skip


@cache
def _human() -> frozenset[str]:
    shipped = resources.genes().index
    return frozenset({*shipped, *resources.ensembl_supplement().values(), *resources.other_symbols(),
                      *resources.aliases()})  # fmt: skip


@cache
def folded() -> dict[str, str]:
    """Official symbols by their letters in lower case."""
    others = {s.casefold(): s for s in [*resources.other_symbols(), *resources.ensembl_supplement().values()]}
    return {**others, **{s.casefold(): s for s in resources.genes().index}}


def is_known(name: str) -> bool:
    """Whether a name is an official symbol or alias of man, a symbol of mouse, or an Ensembl id of a gene.

    Parameters
    ----------
    name
        As in the file.
    """
    return name in _human() or name in resources.mouse_symbols() or bool(OURS.match(name)) or _numbered(name)


def _numbered(name: str) -> bool:
    """A known name made unique by a number: TBCE.1, TBCE-1, TBCE_1."""
    base = re.sub(r"[.\-_]{1,2}\d{1,2}$", "", name)
    return base != name and (base in _human() or base in resources.mouse_symbols())


def strict_share(names: np.ndarray) -> float:
    """The share of names that are official, alias or Ensembl as they stand: clones and numbered names do not count.

    Parameters
    ----------
    names
        Names of genes.
    """
    mouse = resources.mouse_symbols()
    known = sum(n in _human() or n in mouse or bool(OURS.match(n)) for n in map(str, names))
    return known / max(1, len(names))


def known_share(names: np.ndarray) -> float:
    """The share of names that are official, alias or Ensembl; clones without a symbol count neither way.

    Parameters
    ----------
    names
        Names of genes.
    """
    return _share(tuple(str(n) for n in names))


@lru_cache(maxsize=32)
def _share(texts: tuple[str, ...]) -> float:
    known = sum(is_known(t) for t in texts)
    clones = sum(bool(CLONE.match(t)) and not is_known(t) for t in texts)
    # A file of clones alone is none of genes that anything here could use.
    clones = min(clones, len(texts) // 2 if known else 0)
    return known / max(1, len(texts) - clones)


def dates(names: np.ndarray) -> list[str]:
    """Names that a spreadsheet turned into dates (1-Mar, 2023-09-01).

    Parameters
    ----------
    names
        Names of genes.
    """
    return [str(n) for n in names if DATE.match(str(n)) and str(n) not in _human()]


def pattern_of(names: np.ndarray) -> str:
    """In words, what most of the names that are not known look like.

    Parameters
    ----------
    names
        Names of genes.
    """
    unknown = [str(n) for n in names if not is_known(str(n))]
    if not unknown:
        return ""
    tests: list[tuple[str, Callable[[str], bool]]] = [(what, partial(_matches, pattern)) for what, pattern in OTHER]
    tests += [
        ("names without letters: row numbers or Entrez numbers", lambda n: bool(re.fullmatch(r"\d+(\.0)?", n))),
        ("dates that a spreadsheet made of genes (MARCH1, SEPT1)", lambda n: bool(DATE.match(n))),
        ("symbol and Ensembl id in one name", lambda n: bool(BOTH.match(n))),
        ("the genome before the name", _prefix),
        ("symbols in lower case", lambda n: n != n.upper() and n == n.lower() and n.casefold() in folded()),
        ("mouse symbols, or human ones in another case",
         lambda n: n[:1].isupper() and n.casefold() in folded()),
        ("dots for dashes", lambda n: "." in n and n.replace(".", "-") in _human()),
        ("underscores for dashes", lambda n: "_" in n and n.replace("_", "-") in _human()),
        ("spaces in the names", lambda n: (n != re.sub(r"\s+", "", n) and is_known(re.sub(r"\s+", "", n).strip()))
         or (" " in n.strip() and is_known(n.strip().replace(" ", "-")))),
        ("quotation marks around the names", lambda n: n[:1] in "\"'" and is_known(n.strip("\"'"))),
        ("something before a known name", lambda n: bool(re.match(r"^[^_|:.]+[_|:.]+", n))
         and is_known(re.sub(r"^[^_|:.]+[_|:.]+", "", n))),
        ("something behind a known name", lambda n: bool(re.search(r"[_|:;,.]+[^_|:;,.]*$", n))
         and is_known(re.sub(r"[_|:;,.]+[^_|:;,.]*$", "", n))),
    ]  # fmt: skip
    counts = Counter({what: sum(test(n) for n in unknown) for what, test in tests})
    what, n = counts.most_common(1)[0]
    if "row numbers" in what and n:
        whole = [int(float(u)) for u in unknown if re.fullmatch(r"\d+(\.0)?", u)]
        steps = set(np.diff(whole)) if len(whole) > 1 else {1}
        what = "row numbers" if steps == {1} else "Entrez numbers" if _entrez(whole) > 0.5 else "numbers"
    return what if n >= 0.3 * len(unknown) else ""


def _matches(pattern: re.Pattern[str], name: str) -> bool:
    return bool(pattern.match(name))


def _prefix(name: str) -> bool:
    found = PREFIX.match(name)
    return bool(found and species_of_genome(found["genome"]))


def _entrez(numbers: list[int]) -> float:
    known = set(resources.genes()["entrez"].astype(int))
    return sum(n in known for n in numbers) / max(1, len(numbers))
