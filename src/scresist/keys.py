"""Every AnnData slot that is written: its name, axis, dtype, meaning, and the step that writes it."""

from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from anndata import AnnData

Axis = Literal["layers", "obs", "var", "obsm", "varm", "obsp", "uns", "X"]


class Key(NamedTuple):
    """One slot."""

    name: str
    axis: Axis
    dtype: str
    step: str
    meaning: str


KEYS = (
    Key("counts", "layers", "int32", "ingest", "raw counts; every test starts from these"),
    Key("sample", "obs", "category", "ingest", "sample of samples.csv"),
    Key("patient", "obs", "category", "ingest", "patient of the sample"),
    Key("arm", "obs", "category", "ingest", "arm of the sample, in the order of the study"),
    Key("barcode", "obs", "str", "ingest", "barcode as in the sample's file"),
    Key("gene_name", "var", "str", "ingest", "the name in the first sample's file"),
    Key("gene_id", "var", "str", "ingest", "Ensembl id in the first sample's file; empty where it has none"),
    Key(
        "empty_droplets", "varm", "float32", "ingest", "counts in empty droplets of a raw matrix, one column per sample"
    ),
    Key("organism", "uns", "str", "ingest", "human or mouse; without it, human"),
    Key(
        "input_columns",
        "uns",
        "str",
        "ingest",
        "columns of obs that came with the input; `input_` before a name of ours",
    ),
    Key("input_embedding", "obsm", "float32", "ingest", "the embedding that `embed.use` names"),
    Key("input_layout", "obsm", "float32", "ingest", "the layout that `embed.layout` names"),
    Key("protein", "obsm", "DataFrame", "ingest", "counts of antibodies (CITE-seq); NaN where a sample has none"),
    Key("n_counts", "obs", "int64", "quality", "counts of the cell"),
    Key("n_genes", "obs", "int64", "quality", "genes detected in the cell"),
    Key("mito_percent", "obs", "float64", "quality", "share of counts from mitochondrial genes, percent"),
    Key(
        "coarse_lineage",
        "obs",
        "category",
        "quality",
        "first call from raw counts; decides the mitochondrial reference",
    ),
    Key("doublet_score", "obs", "float64", "quality", "scrublet score within the sample; NaN where not computed"),
    Key("contamination", "obs", "float64", "quality", "estimated share of ambient counts in the cell's sample"),
    Key("contamination_low", "obs", "float64", "quality", "lowest of the estimates behind `contamination`"),
    Key("contamination_high", "obs", "float64", "quality", "median of the estimates behind `contamination`"),
    Key("removed_for", "obs", "category", "quality", "reason against the barcode; gone once they are dropped"),
    Key("quality_notes", "uns", "str", "quality", "notes on quality control for the reader"),
    Key("ambient", "varm", "float32", "quality", "ambient profile per sample, columns sum to 1"),
    Key("samples", "uns", "str", "ingest", "sample names in the order of the columns of `ambient`"),
    Key("ingest_notes", "uns", "str", "ingest", "names mapped, features left out, and the like"),
    Key("X", "X", "float32", "embed", "log1p of counts per 10,000"),
    Key("highly_variable", "var", "bool", "embed", "gene used for the embedding"),
    Key("X_pca", "obsm", "float32", "embed", "principal components of the selected genes"),
    Key("X_integrated", "obsm", "float32", "embed", "components after Harmony over samples; for annotation only"),
    Key("X_umap", "obsm", "float32", "embed", "two-dimensional layout; for looking at only"),
    Key("cluster", "obs", "category", "embed", "Leiden cluster, by decreasing size"),
    Key("resolution", "uns", "float64", "embed", "Leiden resolution used"),
    Key("resolution_stability", "uns", "table", "embed", "resolution, clusters and their stability"),
    Key("lineage", "obs", "category", "annotate", "lineage, or unassigned"),
    Key("cell_type", "obs", "category", "annotate", "cell type, or unassigned"),
    Key("confidence", "obs", "float64", "annotate", "share of marker resamplings that give the same lineage and type"),
    Key("malignant_probability", "obs", "float64", "malignancy", "probability from copy number; NaN where refused"),
    Key("malignancy", "obs", "category", "malignancy", "malignant, normal or uncertain"),
    Key(
        "subclone",
        "obs",
        "category",
        "malignancy",
        "group of a patient's malignant cells by whole arms, A the largest; empty elsewhere",
    ),
    Key("copy_number", "obsm", "float32", "malignancy", "copy-number signal per chromosome arm, log scale"),
    Key(
        "module_eigengenes", "obsm", "DataFrame", "networks", "eigengene of every module per cell; never a test's input"
    ),
    Key("malignancy_notes", "uns", "str", "malignancy", "patients whose call is refused, and why"),
    Key("malignancy_facts", "uns", "table", "malignancy", "signal and numbers of cells per patient"),
    Key("population", "obs", "category", "microenvironment", "malignant, or the cell type: what is compared"),
    Key("signature_notes", "uns", "str", "microenvironment", "signatures that are not scored, and why"),
    Key("signature_weights", "uns", "DataFrame", "microenvironment", "weight of each gene in each signature"),
    Key("signatures", "obsm", "DataFrame", "microenvironment", "signature score per cell"),
)

NAMES = frozenset(key.name for key in KEYS)
_BY_NAME = {key.name: key for key in KEYS}


def written_by(step: str) -> tuple[Key, ...]:
    """The slots a step writes."""
    return tuple(key for key in KEYS if key.step == step)


def put(cohort: "AnnData", name: str, value: Any) -> None:
    """Write a slot where the register lists it.

    Parameters
    ----------
    cohort
        Changed in place.
    name
        One of NAMES.
    value
        As the axis of the slot takes it.

    Raises
    ------
    KeyError
        For a slot that is not listed: a fault of the stage, not of a user.
    """
    getattr(cohort, _BY_NAME[name].axis)[name] = value


def put_input(cohort: "AnnData", name: str, value: Any) -> None:
    """Write a column that came with the input, whose name no register can list.

    Parameters
    ----------
    cohort
        Changed in place.
    name
        None of NAMES.
    value
        One value per cell.

    Raises
    ------
    KeyError
        For a slot that a step writes.
    """
    if name in NAMES:
        raise KeyError(name)
    cohort.obs[name] = value


def organism_of(cohort: "AnnData") -> str:
    """Human or mouse, as ingest wrote it; human where nothing is written.

    Parameters
    ----------
    cohort
        Cells x genes.
    """
    return str(cohort.uns.get("organism", "human"))
