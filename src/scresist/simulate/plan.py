"""What a cohort contains: arms, sizes, effects, noise, decoys; checked before anything is drawn."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scresist.checks import InputError, require_positive


@dataclass(frozen=True, slots=True)
class Plan:
    """What to simulate; every effect has a size, and 0 everywhere is a null cohort (`Plan().null()`).

    `patients` is the number per arm; `pairs` of the acquired patients have a baseline sample too. `module_effect` is
    the shift of a planted programme's activity in its arm, in standard deviations between cells; `patient_sd` that
    between patients of one arm. `composition_effect` is the log fold change of the types that change; `signal_effect`
    that of single genes (PD-1, antigen presentation, TGF-beta) in acquired resistance; `log_hazard` that of progression
    per unit of the primary programme at baseline.

    `decoys` adds what must not be called: a programme of one patient, one of a batch, cycling malignant cells whose
    share differs between patients (log odds, SD `cycle_sd`) and batches, and three that differ between arms without any
    change in a malignant cell: genes of the ambient soup alone, more of them in acquired (log, `soup_effect`), genes of
    macrophages alone, changed there in primary (log, `macrophage_effect`), and primary samples sequenced deeper (log,
    `depth_effect`).
    """

    patients: Mapping[str, int] = field(default_factory=lambda: {"baseline": 6, "primary": 6, "acquired": 6})
    pairs: int = 3
    cells: int = 250
    n_genes: int = 5000
    malignant_share: float = 0.4
    module_size: int = 60
    module_effect: float = 1.5
    patient_sd: float = 0.4
    composition_effect: float = 1.0
    signal_effect: float = 1.2
    log_hazard: float = 1.0
    ambient: float = 0.05
    doublets: float = 0.03
    low_quality: float = 0.04
    depth: float = 4000.0
    batches: int = 2
    batch_sd: float = 0.15
    decoys: bool = True
    cycle_sd: float = 0.8
    soup_effect: float = 1.2
    macrophage_effect: float = 1.2
    depth_effect: float = 0.4
    seed: int = 1

    def null(self) -> "Plan":
        """The same cohort with every effect 0; decoys that do not differ between arms stay."""
        return replace(
            self, module_effect=0.0, composition_effect=0.0, signal_effect=0.0, log_hazard=0.0, soup_effect=0.0,
            macrophage_effect=0.0, depth_effect=0.0,
        )  # fmt: skip


def check_plan(plan: Plan) -> None:
    """Raise InputError for a plan that cannot be."""
    for name in ("cells", "module_size", "depth", "batches"):
        require_positive(getattr(plan, name), name)
    for name in ("patient_sd", "batch_sd", "cycle_sd"):
        require_positive(getattr(plan, name), name, allow_zero=True)
    for name in ("ambient", "doublets", "low_quality"):
        if not 0 <= getattr(plan, name) <= 0.5:
            raise InputError(f"{name} is a share and must lie in [0, 0.5]; got {getattr(plan, name)!r}")
    if not 0 < plan.malignant_share < 1:
        raise InputError(f"malignant_share must lie between 0 and 1; got {plan.malignant_share!r}")
    if not plan.patients or any(n < 1 for n in plan.patients.values()):
        raise InputError(f"patients must name at least one arm with at least one patient; got {dict(plan.patients)}")
    if plan.n_genes < 2500:
        raise InputError(f"n_genes must be at least 2500, for the markers and their background; got {plan.n_genes}")
    limit = min(plan.patients.get("acquired", 0), plan.patients.get("baseline", 0))
    if not 0 <= plan.pairs <= limit:
        raise InputError(f"pairs must be at most {limit}, the smaller of acquired and baseline; got {plan.pairs}")
