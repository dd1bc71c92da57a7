"""scresist: what makes tumours resist a drug, from single-cell RNA sequencing, with the patient as the unit."""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

# No room may carry the name of a function here: importing the room would put it in the function's place.
_FUNCTIONS = {
    "read_study": ("study", "read_study"),
    "ingest": ("reading", "ingest"),
    "embed": ("embedding", "embed"),
    "candidates": ("evidence", "rank"),
    "run_study": ("run", "run_study"),
    "open": ("run", "Run"),
}
__all__ = [
    "__version__", "read_study", "ingest", "embed", "candidates", "run_study", "open",
    "study", "cells", "reading", "quality", "embedding", "annotate", "microenvironment", "networks", "communication",
    "contrasts", "usual_tools", "survival", "evidence", "validation", "simulate", "power", "run", "report", "plots",
    "resources", "kernels",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a stage on first use: scanpy and numba take seconds to import, and the command line should not wait."""
    if name in _FUNCTIONS:
        room, function = _FUNCTIONS[name]
        return getattr(import_module(f"{__name__}.{room}"), function)
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"scresist has no {name!r}; it has {', '.join(__all__)}")
