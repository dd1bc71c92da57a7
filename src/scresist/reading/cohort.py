"""The cohort: every sample read, checked, mapped to symbols and joined to the sheets."""

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import sparse

from scresist import keys
from scresist.progress import track
from scresist.reading.brought import check_brought, put_brought, with_antibodies
from scresist.reading.divide import check_paths
from scresist.reading.formats import open_matrix
from scresist.reading.identity import Cells, check_identity, check_raw, note_aggregated, print_cells
from scresist.reading.matrix import CountMatrix, check_values, unique_barcodes
from scresist.reading.names import check_names
from scresist.reading.symbols import Mapping, looks_like_human, looks_like_mouse, map_symbols
from scresist.study import Study
from scresist.study.paths import locate
from scresist.study.problems import Problem, Problems, StudyError, merged

if TYPE_CHECKING:
    from anndata import AnnData

EMPTY_BELOW = 100  # counts: barcodes below hold ambient RNA only (Lun ATL 2019 Genome Biol 20:63 takes the same bound)


@dataclass(frozen=True, slots=True)
class Inspection:
    """What reading every matrix found: `table` has one row per sample (cells, genes, counts, mapped share).

    `genes` are those that every sample has; `prints` tell the cells of each sample from others.
    """

    table: pd.DataFrame
    problems: tuple[Problem, ...]
    genes: frozenset[str] = frozenset()
    prints: tuple[Cells, ...] = ()


@dataclass(slots=True)
class _Sample:
    name: str
    counts: sparse.csr_array
    barcodes: np.ndarray
    symbols: np.ndarray
    names: np.ndarray
    ids: np.ndarray
    empty: np.ndarray | None = None
    prints: Cells | None = None
    brought: CountMatrix | None = None  # what the file has beside the counts of genes
    facts: dict[str, object] = field(default_factory=dict)


def inspect(study: Study) -> Inspection:
    """Read and check every matrix of the study; compute and keep nothing.

    Parameters
    ----------
    study
        From `read_study`.
    """
    problems = Problems()
    rows = []
    own = check_paths(study.samples["path"], study.settings.study.samples, study.folder, problems)
    names: list[set[str]] = []
    prints: list[Cells] = []
    brought: dict[str, CountMatrix] = {}
    for sample in track(study.samples.index, "samples"):
        loaded = _load(study, str(sample), problems)
        rows.append({"sample": sample, **(loaded.facts if loaded else {})})
        if loaded is not None and loaded.prints is not None:
            names.append(set(loaded.symbols))
            prints.append(loaded.prints)
        if loaded is not None and loaded.brought is not None:
            brought[loaded.name] = loaded.brought
    _check_together(study, prints if own else [], rows, problems)
    check_brought(study, brought, problems)
    common = set.intersection(*names) if names else set()
    if names:
        _check_common(study, len(common), [len(n) for n in names], common, problems)
    return Inspection(pd.DataFrame(rows), merged(problems), frozenset(common), tuple(prints))


def ingest(study: Study) -> "AnnData":
    """Read every sample of a study into one cohort of raw counts.

    Parameters
    ----------
    study
        From `read_study`.

    Returns
    -------
    AnnData, cells x genes common to all samples, `layers["counts"]` int32; obs has sample, patient, arm, barcode. What
    was changed (names mapped, features left out) is in `uns["ingest_notes"]`, one sentence each.

    Raises
    ------
    StudyError
        With every problem of every matrix.
    """
    import anndata

    problems = Problems()
    if not check_paths(study.samples["path"], study.settings.study.samples, study.folder, problems):
        raise StudyError(problems)
    # One order whatever the order of the sheet and of the files: clusters must not depend on it.
    order = sorted(str(name) for name in study.samples.index)
    read = (_load(study, name, problems) for name in track(order, "samples"))
    loaded = [_in_order(s) for s in read if s is not None]
    _check_together(study, [s.prints for s in loaded if s.prints is not None],
                    [{"sample": s.name, **s.facts} for s in loaded], problems)  # fmt: skip
    brought = {s.name: s.brought for s in loaded if s.brought is not None}
    check_brought(study, brought, problems)
    others = [set(s.symbols) for s in loaded[1:]]
    common = [g for g in loaded[0].symbols if all(g in other for other in others)] if loaded else []
    if loaded:
        _check_common(study, len(common), [len(s.symbols) for s in loaded], set(common), problems)
    if problems.errors:
        raise StudyError(problems)
    index = pd.Index(common)
    positions = [pd.Index(s.symbols).get_indexer(index) for s in loaded]
    counts = sparse.vstack([s.counts[:, p] for s, p in zip(loaded, positions, strict=True)], format="csr")
    of = np.repeat([s.name for s in loaded], [s.counts.shape[0] for s in loaded])
    barcodes = np.concatenate([s.barcodes for s in loaded])
    sheet = study.samples
    obs = pd.DataFrame(
        {
            "sample": pd.Categorical(of, categories=[s.name for s in loaded]),
            "patient": pd.Categorical(sheet["patient"].reindex(of), categories=sorted(set(sheet["patient"]))),
            "arm": pd.Categorical(sheet["arm"].reindex(of), categories=list(study.design.arms)),
            "barcode": barcodes.astype(str),
        },
        index=pd.Index([f"{s}:{b}" for s, b in zip(of, barcodes, strict=True)], name="cell"),
    )
    first = loaded[0]
    var = pd.DataFrame(
        {"gene_name": first.names[positions[0]].astype(str), "gene_id": first.ids[positions[0]].astype(str)},
        index=pd.Index(common, name="gene"),
    )
    cohort = anndata.AnnData(X=None, obs=obs, var=var, layers={"counts": sparse.csr_matrix(counts)})
    if any(s.empty is not None for s in loaded):
        none = np.full(len(common), np.nan, dtype=np.float32)
        columns = [none if s.empty is None else s.empty[p] for s, p in zip(loaded, positions, strict=True)]
        keys.put(cohort, "empty_droplets", np.column_stack(columns).astype(np.float32))
    put_brought(cohort, study, brought)
    keys.put(cohort, "organism", study.settings.study.organism)
    keys.put(cohort, "samples", np.array([s.name for s in loaded], dtype=object))
    keys.put(cohort, "ingest_notes", np.array([str(p) for p in merged(problems)], dtype=object))
    return cohort


def _check_together(study: Study, prints: list[Cells], facts: list[dict[str, object]], problems: Problems) -> None:
    """What only all samples beside each other show: cells that two of them share, and mitochondrial genes in none."""
    file = study.settings.study.samples
    check_identity(prints, {str(s): str(p) for s, p in study.samples["path"].items()}, file, problems)
    read = [f for f in facts if "mito_share" in f]
    none = [str(f["sample"]) for f in read if f["mito_share"] == 0]
    if none:
        which = "in any sample" if len(none) == len(read) else f"in {len(none)} of {len(read)} samples"
        problems.warning(
            file, f"no count is of a mitochondrial gene (MT-...) {which}, so that their share "
            "does not show dying cells",
            "give the counts before genes were filtered; for nuclei or a gene panel this is as it should be",
            column="path", value=", ".join(none[:5]),
        )  # fmt: skip


def _in_order(sample: _Sample) -> _Sample:
    rows = np.argsort(sample.barcodes.astype(str), kind="stable")
    sample.counts, sample.barcodes = sample.counts[rows], sample.barcodes[rows]
    sample.brought = None if sample.brought is None else sample.brought.cells(rows)
    return sample


def _load(study: Study, sample: str, problems: Problems) -> _Sample | None:
    shown = str(study.samples.loc[sample, "path"])
    before = len(problems.errors)
    organism = study.settings.study.organism
    matrix = open_matrix(study.folder, shown, problems, organism=organism)
    if matrix is None:
        return None
    for note in matrix.notes:
        if not note.startswith("counts from"):
            problems.note(shown, note)
    if ";" in matrix.slot:  # there was a choice
        problems.note(shown, matrix.slot)
    if matrix.counts.shape[1] == 0:
        check_names(matrix, shown, problems)
        return None
    if matrix.counts.shape[0] == 0 or matrix.counts.nnz == 0:
        problems.error(shown, f"sample {sample} is empty: {matrix.counts.shape[0]} cells, no counts", "leave it out")
        return None
    valid = check_values(matrix.counts, shown, problems, slot=matrix.slot) & unique_barcodes(matrix, shown, problems)
    if organism == "human" and looks_like_mouse(matrix.genes):
        problems.error(
            shown,
            "the genes are mouse genes in a human study",
            'set organism = "mouse" in [study]',
            value=", ".join(str(g) for g in matrix.genes[:3]),
        )
        valid = False
    if organism == "mouse" and looks_like_human(matrix.genes):
        problems.error(
            shown,
            "the genes are human genes in a mouse study",
            'set organism = "human" in [study]',
            value=", ".join(str(g) for g in matrix.genes[:3]),
        )
        valid = False
    if not valid or len(problems.errors) > before or not check_names(matrix, shown, problems):
        return None
    note_aggregated(matrix.barcodes, shown, problems)
    mapping = map_symbols(matrix.genes, matrix.gene_ids, organism=organism)
    _note_mapping(mapping, len(matrix.genes), shown, problems)
    if matrix.counts.shape[0] < study.settings.quality.min_cells:
        problems.warning(
            shown,
            f"sample {sample} has {matrix.counts.shape[0]} cells, below quality.min_cells",
            "so few cells hardly count in a comparison; merge the sample with another, or leave it out",
            value=matrix.counts.shape[0],
        )
    counts = sparse.csr_array(matrix.counts.astype(np.int32))
    counts.eliminate_zeros()
    totals = np.asarray(counts.sum(axis=1))
    facts = {"cells": counts.shape[0], "genes": counts.shape[1], "median_counts": float(np.median(totals))}
    facts["mapped_share"] = _mapped_share(mapping, len(matrix.genes))
    facts["mito_share"] = _mito_share(counts, mapping.symbols, float(totals.sum()))
    empty = _empty_droplets(study, sample, matrix, counts, totals, problems)
    prints = print_cells(sample, counts, matrix.barcodes, mapping.symbols)
    ids = np.full(len(matrix.genes), "", dtype=object) if matrix.gene_ids is None else matrix.gene_ids
    brought = replace(matrix, counts=sparse.csr_array((counts.shape[0], 0)))
    given = study.samples["protein_path"].get(sample) if "protein_path" in study.samples else None
    if isinstance(given, str) and given:
        brought = with_antibodies(brought, study.folder, given, problems)
    return _Sample(sample, counts, matrix.barcodes, mapping.symbols, matrix.genes, ids, empty, prints, brought, facts)


def _mito_share(counts: sparse.csr_array, symbols: np.ndarray, total: float) -> float:
    inside = np.array([str(s).upper().startswith("MT-") for s in symbols], dtype=float)
    return float((counts @ inside).sum() / total) if total else 0.0


def _mapped_share(mapping: Mapping, n: int) -> float:
    return 1.0 - mapping.unmapped / n


def _note_mapping(mapping: Mapping, n: int, shown: str, problems: Problems) -> None:
    if mapping.from_ensembl or mapping.unmapped:
        share = mapping.from_ensembl / max(1, mapping.from_ensembl + mapping.unmapped)
        problems.note(
            shown, f"{mapping.from_ensembl} Ensembl ids became symbols ({share:.0%}); {mapping.unmapped} stay ids"
        )
        if share < 0.5 and mapping.from_ensembl + mapping.unmapped > n / 2:
            problems.warning(shown, "fewer than half of the Ensembl ids are in the shipped table", "check the organism")
    if mapping.renamed:
        shown_pairs = ", ".join(f"{a}->{b}" for a, b in mapping.renamed[:8])
        more = f" and {len(mapping.renamed) - 8} more" if len(mapping.renamed) > 8 else ""
        problems.note(shown, f"{len(mapping.renamed)} old symbols became official ones: {shown_pairs}{more}")
    if mapping.made_unique:
        names = ", ".join(mapping.made_unique[:8]) + (", ..." if len(mapping.made_unique) > 8 else "")
        problems.note(
            shown, f"{len(mapping.made_unique)} gene names occur more than once and were made unique: {names}"
        )


def _empty_droplets(
    study: Study, sample: str, matrix: CountMatrix, counts: sparse.csr_array, totals: np.ndarray, problems: Problems
) -> np.ndarray | None:
    """Counts of the empty droplets, from the sheet's `raw_path` or from the matrix itself where it has them."""
    raw_path = study.samples["raw_path"].get(sample) if "raw_path" in study.samples else None
    if isinstance(raw_path, str) and raw_path:
        raw = open_matrix(study.folder, raw_path, problems, organism=study.settings.study.organism)
        if raw is None:
            return None
        if not np.array_equal(raw.genes, matrix.genes):
            problems.error(raw_path, "the raw matrix has other genes than the filtered one", "export both together")
            return None
        of_raw = np.asarray(raw.counts.sum(axis=1))
        if not check_raw(sample, totals, matrix.barcodes, (of_raw, raw.barcodes), raw_path, problems):
            return None
        if len(raw.barcodes) == len(matrix.barcodes) and not ((of_raw > 0) & (of_raw <= EMPTY_BELOW)).any():
            problems.error(
                raw_path, f"the raw matrix of sample {sample} has its cells only and no empty droplets: it is "
                "the filtered one",
                "give raw_feature_bc_matrix, or leave raw_path empty", column="raw_path",
            )  # fmt: skip
            return None
        chosen = (of_raw > 0) & (of_raw <= EMPTY_BELOW)
        return np.asarray(raw.counts[np.flatnonzero(chosen)].sum(axis=0), dtype=np.float32)
    chosen = (totals > 0) & (totals <= EMPTY_BELOW)
    if chosen.sum() < max(200, counts.shape[0] // 4):
        return None
    problems.note(
        str(study.samples.loc[sample, "path"]),
        f"{int(chosen.sum())} of {counts.shape[0]} barcodes have at most {EMPTY_BELOW} counts: taken as empty "
        "droplets for the ambient profile",
    )
    return np.asarray(counts[np.flatnonzero(chosen)].sum(axis=0), dtype=np.float32)


def _check_common(study: Study, common: int, sizes: list[int], names: set[str], problems: Problems) -> None:
    largest = max(sizes)
    if common < largest:
        problems.note(
            study.settings.study.samples,
            f"{common} genes are in every sample (of up to {largest}); a gene that a sample does not measure is "
            "left out for all",
        )
    if common < 0.5 * min(sizes):
        problems.error(
            study.settings.study.samples,
            f"the samples share only {common} genes (sizes {min(sizes)} to {largest})",
            "quantify every sample against one reference",
        )
    for gene in study.settings.focus.keep_genes:
        if gene not in names:
            problems.warning(
                study.path.name,
                f"focus.keep_genes: {gene} is not measured in every sample",
                "check the symbol",
                column="keep_genes",
                value=gene,
            )


def path_of(study: Study, sample: str) -> Path:
    """The file or folder of a sample, without its selector."""
    return locate(study.folder, str(study.samples.loc[sample, "path"])).path
