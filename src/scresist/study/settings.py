"""The settings of a study: what study.toml may contain, with types and defaults."""

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class StudySection(_Section):
    """`[study]`: what is studied and where the sheets are."""

    name: str
    organism: Literal["human", "mouse"] = "human"
    drug: str = ""
    seed: int = Field(default=1, ge=0)
    samples: str = "samples.csv"
    patients: str | None = None


class ContrastSection(_Section):
    """`[design.contrasts.NAME]`: two arms compared, or the course over `order`; the role is the resistance."""

    test: str
    reference: str
    pairing: Literal["auto", "paired", "unpaired"] = "auto"
    role: Literal["", "primary", "acquired", "none"] = ""
    order: list[str] = []

    @model_validator(mode="before")
    @classmethod
    def _ends(cls, given: Any) -> Any:
        """The first and last arm of a course are its reference and test arm."""
        if isinstance(given, dict) and isinstance(given.get("order"), list) and given["order"]:
            return {"reference": given["order"][0], "test": given["order"][-1], **given}
        return given


class DesignSection(_Section):
    """`[design]`: arms, covariates and contrasts; when the samples of an arm were taken; words for time points;
    the primary question.
    """

    arms: list[str] = Field(min_length=1)
    covariates: list[str] = []
    contrasts: dict[str, ContrastSection] = {}
    primary: str = ""
    progression_months: float = Field(default=6.0, gt=0)
    taken: dict[str, Literal["before", "on", "at progression"]] = {}
    timepoints: dict[str, Literal["before", "on", "at progression"]] = {}


class FocusSection(_Section):
    """`[focus]`: where networks and candidates are sought."""

    compartment: str = "malignant"
    keep_genes: list[str] = []


class SurvivalSection(_Section):
    """`[survival]`, or `[[survival]]` for several endpoints: columns of patients.csv and how they are modelled."""

    time: str
    event: str
    name: str = ""
    unit: Literal["days", "weeks", "months", "years"] = "months"
    covariates: list[str] = []
    strata: str | None = None
    landmark: float = Field(default=0.0, ge=0)
    measured_in: list[str] | None = None
    competing: str | None = None
    horizon: float | None = Field(default=None, gt=0)
    scan_interval: float | None = Field(default=None, gt=0)
    last_scan: str | None = None  # a column: time of the last scan without the event
    cut: Literal["median", "best"] | float = "median"
    permutations: int = Field(default=499, ge=19)

    @property
    def label(self) -> str:
        """The name of the endpoint; the column of its time where it has none."""
        return self.name or self.time

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of the patient sheet that the endpoint reads."""
        more = [c for c in (self.strata, self.competing, self.last_scan) if c]
        return (self.time, self.event, *self.covariates, *more)


BENCH_FILES = (
    "ihc", "ihc_images", "her2", "mif_cells", "mif_images", "dose_response", "kinetics", "combinations", "readouts",
    "qpcr", "blot",
)  # fmt: skip


class ValidationSection(_Section):
    """`[validation]`: a second cohort in which the modules are sought again, and files of bench assays."""

    cohort: str | None = None
    cohort_results: str | None = None
    consensus: bool = False
    permutations: int = Field(default=500, ge=100)

    bulk: str | list[str] | None = None

    ihc: str | None = None
    ihc_images: str | None = None
    ihc_um_per_pixel: float | None = Field(default=None, gt=0)
    ihc_cuts: tuple[float, float, float] = (0.2, 0.4, 0.6)
    her2: str | None = None
    her2_guideline: Literal["breast 2023", "gastric 2016"] = "breast 2023"
    mif_cells: str | None = None
    mif_images: str | None = None
    mif_phenotypes: dict[str, str] = {}
    mif_gates: dict[str, float] = {}
    mif_controls: dict[str, str] = {}
    mif_um_per_pixel: float | None = Field(default=None, gt=0)
    mif_radius_um: float = Field(default=30.0, gt=0)
    mif_shuffles: int = Field(default=200, ge=19)
    dose_response: str | None = None
    kinetics: str | None = None
    combinations: str | None = None
    readouts: str | None = None
    qpcr: str | None = None
    blot: str | None = None
    qpcr_reference_genes: list[str] = []
    blot_loading: list[str] = []
    reference: str | None = None
    perturbations: dict[str, str] = {}


class QualitySection(_Section):
    """`[quality]`: the fixed floors and the width of the adaptive thresholds."""

    min_counts: int = Field(default=500, ge=0)
    min_genes: int = Field(default=200, ge=0)
    min_cells: int = Field(default=20, ge=1)
    max_mito_percent: float = Field(default=25.0, gt=0, le=100)
    max_mito_percent_epithelial: float = Field(default=40.0, gt=0, le=100)
    n_mads: float = Field(default=5.0, gt=0)
    doublets: bool = True
    filter: bool = True


class EmbedSection(_Section):
    """`[embed]`: gene selection, dimensions and clusters; or an embedding and a layout that the input brings."""

    n_genes: int = Field(default=2000, ge=50)
    n_components: int = Field(default=30, ge=2, le=200)
    n_neighbors: int = Field(default=15, ge=2, le=200)
    resolution: float | None = Field(default=None, gt=0)
    integrate: bool = True
    use: str | None = None
    layout: str | None = None


class AnnotateSection(_Section):
    """`[annotate]`: own labels of cells, or own markers and cell types by cluster; which cells may be malignant."""

    labels: str | None = None  # a column of the input's obs
    lineages: dict[str, str] | str = {}  # lineage of own names; or a table with label, lineage and malignant
    malignant: str | None = None  # a column of the input's obs
    malignant_lineage: list[str] = ["epithelial"]
    markers: str | None = None
    overrides: dict[str, str] = {}
    malignancy: Literal["copy_number", "all", "none"] = "copy_number"


class NetworksSection(_Section):
    """`[networks]`: the settings of co-expression; what is not given is chosen by the data or is the mode's."""

    fraction: float = Field(default=0.05, ge=0, le=1)
    n_genes: int = Field(default=15_000, ge=100)  # bounds memory; programmes have genes that vary little
    values: Literal["residuals", "log"] | None = None
    space: str | None = None
    n_components: int | None = Field(default=None, ge=2, le=50)
    network: Literal["signed", "unsigned", "signed hybrid"] = "signed"
    correlation: Literal["pearson", "bicor", "latent"] = "pearson"
    start: Literal["tree", "components"] | None = None
    power: float | None = Field(default=None, ge=1, le=30)
    deep_split: int | None = Field(default=None, ge=0, le=4)
    merge_height: float = Field(default=0.2, ge=0, le=1)
    min_module_size: int | None = Field(default=None, ge=3)
    max_module_share: float = Field(default=1 / 3, gt=0, le=1)
    k: int | None = Field(default=None, ge=2)
    max_shared: int | None = Field(default=None, ge=0)
    min_patients: int | None = Field(default=None, ge=1)
    bootstraps: int = Field(default=20, ge=0)
    consensus: bool = False

    @model_validator(mode="after")
    def _of_a_tree(self) -> "NetworksSection":
        if self.start == "components" and (self.power, self.deep_split) != (None, None):
            raise ValueError('power and deep_split are settings of a tree; leave them out, or set start = "tree"')
        if self.start == "components" and self.values == "log":
            raise ValueError('start = "components" needs values = "residuals"')
        return self


class CommunicationSection(_Section):
    """`[communication]`: the settings of cell-cell communication."""

    resource: str = "cellchatdb"
    permutations: int = Field(default=100, ge=0)
    permutations_max: int | None = Field(default=None, ge=0)  # none: ten times permutations
    min_cells: int = Field(default=10, ge=1)
    average: Literal["trimean", "truncated", "thresholded", "median"] = "trimean"
    trim: float = Field(default=0.1, ge=0, le=0.5)
    population_size: bool = False


class SignaturesSection(_Section):
    """`[signatures]`: own gene sets, scored beside the shipped ones or in their place."""

    gmt: str | None = None
    shipped: bool = True


class CandidatesSection(_Section):
    """`[candidates]`: the mechanisms by which tumours are known to escape the drug, gene by gene."""

    panel: str | None = None


class Settings(_Section):
    """Everything that study.toml may contain."""

    study: StudySection
    design: DesignSection
    focus: FocusSection = FocusSection()
    survival: list[SurvivalSection] = []
    validation: ValidationSection = ValidationSection()
    quality: QualitySection = QualitySection()
    embed: EmbedSection = EmbedSection()
    annotate: AnnotateSection = AnnotateSection()
    networks: NetworksSection = NetworksSection()
    communication: CommunicationSection = CommunicationSection()
    signatures: SignaturesSection = SignaturesSection()
    candidates: CandidatesSection = CandidatesSection()

    @field_validator("survival", mode="before")
    @classmethod
    def _endpoints(cls, given: Any) -> Any:
        """One table is a list of one endpoint."""
        return [given] if isinstance(given, dict) else [] if given is None else given

    @model_validator(mode="after")
    def _names(self) -> "Settings":
        names = [endpoint.label for endpoint in self.survival]
        if len(set(names)) < len(names):
            raise ValueError("two endpoints of [[survival]] have one name; give each its own")
        return self

    @property
    def endpoint_columns(self) -> tuple[str, ...]:
        """Columns of the patient sheet that the endpoints read; none without `[survival]`."""
        return tuple(dict.fromkeys(c for endpoint in self.survival for c in endpoint.columns))
