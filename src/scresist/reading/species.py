"""Human and mouse genes in one matrix, as a xenograft has them: the species of every barcode, and whose cells stay."""

import re
from dataclasses import dataclass, replace

import numpy as np
from scipy import sparse

from scresist.reading.matrix import CountMatrix

# Names of genomes as references and prefixes of genes have them.
GENOMES = {
    "human": r"grch\d+|hg\d+|hs\d*|human|homo_?sapiens|t2t\w*|chm13\w*|b37",
    "mouse": r"grcm\d+|mm\d+|mouse|mus_?musculus|mm",
    "rat": r"rnor\w*|rn\d+|rat|mratbn\w*",
    "pig": r"sscrofa\w*|pig", "macaque": r"mmul\w*|macaque|rhemac\d+", "fly": r"bdgp\d*|dm\d+",
    "fish": r"grcz\d+|danrer\d+",
}  # fmt: skip
_GENOME = {species: re.compile(rf"^({words})([-._].*)?$", re.IGNORECASE) for species, words in GENOMES.items()}
_ALL = "|".join(words for species, words in GENOMES.items())
PREFIX = re.compile(
    rf"^(?P<genome>({_ALL})(?:[-.]\w[\w.]*?)??(?:[-_.]?(?:pre-?m?rna|gencode[-_.]?v?\d*[a-z]?|nuclei))?)(?P<end>_{{1,6}}|-{{1,3}}|\.{{3}})(?=\w)",
    re.IGNORECASE,
)
OWN = 0.8  # share of a barcode's counts in one species from which on it is a cell of it; the rest can be ambient RNA
SOME = 0.02  # share of the genes, and of the counts, below which a second species is no part of the tissue


def species_of_genome(genome: str) -> str:
    """The species of a genome's name (GRCh38, mm10, hg19_premrna); "" where it is not known.

    Parameters
    ----------
    genome
        As a reference is named.
    """
    bare = genome.strip().strip("_-.")
    return next((species for species, pattern in _GENOME.items() if pattern.match(bare.replace("_", "."))
                 or pattern.match(bare)), "")  # fmt: skip


def without_prefix(names: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Names without the genome that stands before them (GRCh38_CD8A, mm10___Cd8a), and their genomes ("" for none).

    Parameters
    ----------
    names
        As in the file.
    """
    out, genomes = names.copy(), np.full(len(names), "", dtype=object)
    for i, name in enumerate(names):
        found = PREFIX.match(str(name))
        if found and species_of_genome(found["genome"]):
            out[i], genomes[i] = str(name)[found.end() :], found["genome"]
    return out, genomes


def species_of_ids(ids: np.ndarray) -> np.ndarray:
    """The species of Ensembl gene ids; "" for others.

    Parameters
    ----------
    ids
        Names or ids of genes.
    """
    out = np.full(len(ids), "", dtype=object)
    for i, name in enumerate(ids):
        text = str(name)
        if re.match(r"^ENSG\d{6,}", text):
            out[i] = "human"
        elif re.match(r"^ENSMUSG\d{6,}", text):
            out[i] = "mouse"
    return out


@dataclass(frozen=True, slots=True)
class Barcodes:
    """Numbers of barcodes by species in a matrix of two."""

    own: int
    other: int
    mixed: int


def keep_species(matrix: CountMatrix, species: np.ndarray, genomes: np.ndarray, wanted: str) -> CountMatrix:
    """The cells and genes of one species where a matrix has genes of two; what is left out is named in a note.

    A barcode belongs to the species that has at least 0.8 of its counts (Zheng 2017 Nat Commun 8:14049 separate human
    and mouse cells of a mixture by the share of counts).

    Parameters
    ----------
    matrix
        Cells x genes of all species.
    species
        human | mouse | another | "" of every gene.
    genomes
        Name of the genome of every gene, for the note; "" where the file has none.
    wanted
        The species of the study.
    """
    found = [s for s in dict.fromkeys(species) if s]
    if len(found) < 2:
        return matrix
    per_gene = np.asarray(matrix.counts.sum(axis=0)).ravel()
    totals = {s: float(per_gene[species == s].sum()) for s in found}
    keep = wanted if totals.get(wanted, 0) > 0 else max(totals, key=lambda s: totals[s])
    genes = np.flatnonzero((species == keep) | (species == ""))
    inside = _row_sums(matrix.counts, species == keep)
    everything = _row_sums(matrix.counts, species != "")
    share = np.divide(inside, everything, out=np.full(len(inside), np.nan), where=everything > 0)
    own, other = share >= OWN, share <= 1 - OWN
    small = sum((species == s).sum() for s in found if s != keep) < SOME * len(species)
    minor = small or sum(n for s, n in totals.items() if s != keep) < SOME * sum(totals.values())
    name = {s: next((g for g in genomes[species == s] if g), s) for s in found}
    notes = [f"genome {name[keep]} is used ({int(totals[keep])} counts)"]
    notes += [f"genome {name[s]} left out ({int(totals[s])} counts)" for s in found if s != keep]
    rows = np.arange(len(share)) if minor else np.flatnonzero(own | np.isnan(share))
    if not minor:
        others = " and ".join(s for s in found if s != keep)
        notes.append(
            f"genes of {keep} and {others} in one matrix: {int(own.sum())} barcodes are {keep} (at least {OWN:.0%} of "
            f"their counts) and are kept; {int(other.sum())} are {others} (stroma of a xenograft) and "
            f"{int(np.sum(~own & ~other & ~np.isnan(share)))} are mixed (doublets or ambient RNA): left out"
        )
    chosen = matrix.cells(rows)
    ids = None if matrix.gene_ids is None else matrix.gene_ids[genes]
    return replace(chosen, counts=sparse.csr_array(chosen.counts[:, genes]), genes=matrix.genes[genes], gene_ids=ids,
                   notes=(*matrix.notes, *notes))  # fmt: skip


def _row_sums(counts: sparse.csr_array, columns: np.ndarray) -> np.ndarray:
    return np.asarray(counts @ columns.astype(float)).ravel()
