"""scresist: what makes tumours resist a drug, from single-cell RNA sequencing, with the patient as the unit."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_FUNCTIONS = {
    "read_study": "study",
    "ingest": "ingest.cohort",
    "embed": "embed",
    "run": "pipeline",
}
__all__ = [
    "__version__", "read_study", "ingest", "embed", "run",
    "quality", "annotate", "microenvironment", "networks", "communication", "contrasts", "survival", "candidates",
    "simulate", "report", "plots", "resources", "kernels",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a stage on first use: scanpy and numba take seconds to import, and the command line should not wait."""
    if name in _FUNCTIONS:
        module = import_module(f"{__name__}.{_FUNCTIONS[name]}")
        return getattr(module, name)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"scresist has no {name!r}; it has {', '.join(__all__)}")
