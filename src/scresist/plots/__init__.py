"""Figures: a tidy table in, matplotlib Axes out; docs/gallery.md shows each with the call that draws it."""

from importlib import import_module
from typing import Any

__all__ = [
    "bench", "candidates", "cells", "communication", "composition", "contrasts", "effects", "levels", "networks",
    "power", "style", "survival", "swimmer", "tissue", "validation",
]  # fmt: skip


def __getattr__(name: str) -> Any:
    """Load a file of figures on first use."""
    if name in __all__:
        return import_module(f"{__name__}.{name}")
    raise AttributeError(f"scresist.plots has no {name!r}; it has {', '.join(__all__)}")
