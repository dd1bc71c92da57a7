"""Where the matrix of a sample is: in a folder of three files, under a prefix of GEO, or deep in a run's folder."""

import re
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from scresist.reading.market import Triplet
from scresist.reading.species import species_of_genome
from scresist.study.paths import companions
from scresist.study.problems import Problems

DEPTH, AT_MOST = 7, 20_000  # how far a folder is searched
ENDS = r"(\.(tsv|txt|csv|mtx|names))*(\.gz)?$"
ROLES = (
    ("symbols", re.compile(rf"(genes?[._]names){ENDS}", re.IGNORECASE)),
    ("matrix", re.compile(r"\.mtx(\.gz)?$", re.IGNORECASE)),
    ("barcodes", re.compile(rf"(barcodes?|cells?|cell_?(names|ids?|barcodes?)|quants_mat_rows){ENDS}", re.IGNORECASE)),
    ("features", re.compile(rf"(features?|genes?|gene_?(names|ids?|symbols?)|quants_mat_cols){ENDS}", re.IGNORECASE)),
)
STEM = re.compile(r"[._-]?(cells?_?x_?genes|quants_mat|(count|gene|expression|raw|umi)?s?[._-]?(matrix|counts?)|mtx)$",
                  re.IGNORECASE)  # fmt: skip
# Parts of a run that are no counts of genes per cell for this purpose.
NOT_COUNTS = re.compile(r"(^|[/\\])(velocyto|sj|transcript3p|analysis|crispr_analysis|vdj\w*|spatial|_.*|tmp)([/\\]|$)",
                        re.IGNORECASE)  # fmt: skip
NO_MATRIX_FILES = re.compile(r"molecule_info|feature_slice|barcode_correlations|probe_set|tf_analysis", re.IGNORECASE)
FILES = re.compile(r"\.(h5|h5ad|loom|h5mu)(\.gz)?$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Place:
    """One matrix that was found under a folder: three files (per genome), or one; and its path below the folder."""

    below: str
    source: "Triplet | Path | dict[str, Triplet]"


def triplets(files: list[Path]) -> tuple[dict[str, Triplet], dict[str, list[str]]]:
    """The complete triplets among files by their prefix, and what the incomplete ones lack.

    Parameters
    ----------
    files
        Of one folder.
    """
    groups: dict[str, dict[str, Path]] = defaultdict(dict)
    for file in sorted(files, key=lambda f: (not f.name.endswith(".gz"), f.name)):  # packed first, as Cell Ranger 3
        role, prefix = _role(file.name)
        if role:
            groups[prefix].setdefault(role, file)
    matrices = {prefix: group for prefix, group in groups.items() if "matrix" in group}
    rest: dict[str, list[Path]] = defaultdict(list)
    for prefix, group in groups.items():
        if prefix not in matrices:
            for role, file in group.items():
                rest[role].append(file)
    found, lacking = {}, {}
    shared = not any("barcodes" in group for group in matrices.values())
    for prefix, group in matrices.items():
        if shared and len(rest["symbols"]) == 1:
            group.setdefault("symbols", rest["symbols"][0])
        for role in ("barcodes", "features"):
            # One file of genes for all samples of a series, or names of another beginning for all matrices (kb writes
            # spliced and unspliced counts of the same cells so).
            if role not in group and len(rest[role]) == 1 and (role == "features" or shared):
                group[role] = rest[role][0]
        missing = [role for role in ("barcodes", "features") if role not in group]
        if missing:
            lacking[prefix] = missing
        else:
            found[prefix] = Triplet(group["matrix"], group["barcodes"], group["features"], group.get("symbols"))
    if not matrices and rest:
        lacking[""] = ["matrix", *(r for r in ("barcodes", "features") if not rest[r])]
    return found, lacking


def _role(name: str) -> tuple[str, str]:
    turned = re.match(
        r"^(matrix|counts|barcodes|features|genes)[._-](.+?)((\.(tsv|txt|csv|mtx))+(\.gz)?)$", name, re.IGNORECASE
    )
    if turned and not any(p.search(name) for r, p in ROLES if r in {"barcodes", "features", "symbols"}):
        name = f"{turned[2]}_{turned[1]}{turned[3]}"  # the sample behind the word: barcodes_S1.tsv.gz
    for role, pattern in ROLES:
        match = pattern.search(name)
        if match:
            prefix = STEM.sub("", name[: match.start()].rstrip("._-")).rstrip("._-")
            return role, prefix
    return "", ""


def find_place(path: Path, shown: str, problems: Problems) -> Place | None:
    """The one matrix that a folder, a prefix or an .mtx file means; None (and a problem) where there is none, or more.

    Parameters
    ----------
    path
        A folder, a prefix of file names, or an .mtx file.
    shown, problems
        As in `open_matrix`.
    """
    if path.is_file():
        return _beside(path, shown, problems)
    files = companions(path) if not path.is_dir() else [f for f in path.iterdir() if f.is_file()]
    found, lacking = triplets(files)
    if len(found) == 1 and (not lacking or "" in found):  # beside matrix.mtx may be others of the same cells
        return Place("", next(iter(found.values())))
    if len(found) > 1:
        if path.is_dir():
            _choose(shown, [f"{shown.rstrip('/')}/{prefix}" for prefix in found], "the folder has", problems)
        else:
            _choose(shown, [str(t.matrix.name) for t in found.values()], "several samples begin so:", problems)
        return None
    if lacking and not path.exists() and sum(f.name.removesuffix(".gz").endswith(".mtx") for f in files) == 1:
        return _beside(next(f for f in files if f.name.removesuffix(".gz").endswith(".mtx")), shown, problems)
    if lacking:
        _lacks(path, lacking, shown, problems)
        return None
    places = _below(path)
    best = _preferred(places)
    if len(best) == 1:
        return best[0]
    genomes = {p.below.rpartition("/")[2]: p.source for p in best if isinstance(p.source, Triplet)}
    if len(best) == len(genomes) > 1 and all(species_of_genome(g) for g in genomes):
        return Place(best[0].below.rpartition("/")[0], {g: t for g, t in genomes.items() if isinstance(t, Triplet)})
    if best:
        _choose(shown, [f"{shown.rstrip('/')}/{p.below}" for p in best], "below the folder there are", problems)
    else:
        names = sorted(p.name for p in path.iterdir())
        problems.error(
            shown, "the folder has no matrix that is known" if names else "the folder is empty",
            "give the folder with matrix.mtx, barcodes.tsv and features.tsv (gzipped or not), or a file of counts",
            value=", ".join(names[:8]) or "nothing",
        )  # fmt: skip
    return None


def _beside(path: Path, shown: str, problems: Problems) -> Place | None:
    """The triplet of an .mtx file that is named itself."""
    found, lacking = triplets([f for f in path.parent.iterdir() if f.is_file()])
    for triplet in found.values():
        if triplet.matrix.resolve() == path.resolve() or triplet.matrix.name.removesuffix(".gz") == path.name:
            return Place("", triplet)
    _lacks(path.parent, lacking or {"": ["barcodes", "features"]}, shown, problems)
    return None


def _lacks(folder: Path, lacking: dict[str, list[str]], shown: str, problems: Problems) -> None:
    words = {"matrix": "matrix.mtx", "barcodes": "barcodes.tsv", "features": "features.tsv (or genes.tsv)"}
    prefix, missing = next(iter(lacking.items()))
    before = f"{prefix}_" if prefix else ""
    here = folder if folder.is_dir() else folder.parent
    if (here / "quants_mat.gz").exists():
        problems.error(shown, "this is the binary output of alevin (quants_mat.gz)",
                       "run salmon alevin with --dumpMtx, or alevin-fry quant with --use-mtx")  # fmt: skip
        return
    problems.error(
        shown, f"the 10x folder lacks {' and '.join(before + words[m] for m in missing)} (gzipped or not)",
        "export the folder again, whole", value=", ".join(sorted(p.name for p in here.iterdir())[:8]) or "nothing",
    )  # fmt: skip


def _choose(shown: str, choices: list[str], says: str, problems: Problems) -> None:
    listed = ", ".join(sorted(choices)[:8]) + (", ..." if len(choices) > 8 else "")
    problems.error(shown, f"{says} {len(choices)} matrices, and nothing shows which one is meant",
                   "give the path of one of them", value=listed)  # fmt: skip


def _below(folder: Path) -> list[Place]:
    """Every matrix below a folder that holds none itself."""
    places: list[Place] = []
    seen, todo = 0, [(folder, 0)]
    while todo and seen < AT_MOST:
        here, depth = todo.pop(0)
        children = sorted(here.iterdir()) if here.is_dir() else []
        seen += len(children)
        below = here.relative_to(folder).as_posix()
        below = "" if below == "." else below
        files = [c for c in children if c.is_file()]
        found, _ = triplets(files)
        for prefix, triplet in found.items():
            places.append(Place("/".join(x for x in (below, prefix) if x), triplet))
        for file in files:
            if FILES.search(file.name) and not NO_MATRIX_FILES.search(file.name):
                places.append(Place("/".join(x for x in (below, file.name) if x), file))
        for child in children:
            if child.is_dir() and depth < DEPTH and not child.name.startswith("."):
                if (child / ".zgroup").exists() or (child / "zarr.json").exists():
                    places.append(Place(child.relative_to(folder).as_posix(), child))
                elif not NOT_COUNTS.search(child.name):
                    todo.append((child, depth + 1))
    return places


def _preferred(places: list[Place]) -> list[Place]:
    """Filtered before unfiltered matrices; of one matrix in several formats the folder before the .h5."""
    kept = [p for p in places if not NOT_COUNTS.search(p.below)]
    for worse in (r"unfiltered|(^|[/_.])raw([/_.]|$)|raw_feature_bc|raw_gene_bc", r"\.h5ad$|\.loom$|^[^/]*\.h5mu$"):
        better = [p for p in kept if not re.search(worse, p.below, re.IGNORECASE)]
        kept = better or kept
    # In the outputs of `cellranger multi` the matrices per sample are those of cells; the others are of the whole pool.
    per_sample = [p for p in kept if "per_sample_outs" in p.below]
    kept = per_sample or kept
    folders = {p.below for p in kept if not isinstance(p.source, Path)}
    out = []
    for place in kept:
        bare = re.sub(r"(_h5)?\.(h5|h5ad)$", "", place.below)
        if isinstance(place.source, Path) and any(bare == n or n.startswith(f"{bare}/") for n in folders):
            continue
        out.append(place)
    return out


def files_of(path: Path) -> list[Path]:
    """The files that reading a path reads, as far as its place is certain; they count by their content.

    Parameters
    ----------
    path
        As `locate` gives it.
    """
    if path.is_file() and not re.search(r"\.mtx(\.gz)?$", path.name):
        return [path]
    if path.is_dir() and any((path / n).exists() for n in (".zgroup", "zarr.json")):
        return sorted(f for f in path.rglob("*") if f.is_file())
    place = find_place(path, path.name, Problems()) if path.is_dir() or path.is_file() or companions(path) else None
    if place is None:
        return [path]
    source = place.source
    if not isinstance(source, Path):
        parts = [source] if isinstance(source, Triplet) else list(source.values())
        return [f for t in parts for f in (t.matrix, t.barcodes, t.features, t.symbols) if f is not None]
    return files_of(source) if source.is_dir() else [source]


def matrices_below(folder: Path) -> list[str]:
    """Every sample's matrix below a folder, as paths relative to it: of each subfolder the matrices of cells.

    Parameters
    ----------
    folder
        Searched with its subfolders.
    """
    groups: dict[str, list[Place]] = defaultdict(list)
    for place in _below(folder):
        groups[place.below.partition("/")[0] if "/" in place.below else ""].append(place)
    return sorted(place.below for group in groups.values() for place in _preferred(group))
