"""The mathematics: arrays in, arrays out. No AnnData, no files, no printing, no defaults that decide science."""

from importlib import import_module
from typing import Any

_HOME = {
    "average_linkage": "linkage",
    "correlation": "pairwise",
    "adjacency": "similarity",
    "soft_threshold": "similarity",
    "topological_overlap": "overlap",
    "cut_tree_hybrid": "tree_cut",
    "merge_modules": "modules",
    "eigengenes": "modules",
    "signed_kme": "modules",
    "module_preservation": "preservation",
    "group_average": "averages",
    "exact_permutation_test": "permutation",
}
__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    """Load a kernel on first use: numba takes seconds to import."""
    if name not in _HOME:
        raise AttributeError(f"scresist.kernels has no {name!r}; it has {', '.join(sorted(_HOME))}")
    # No module here may carry a kernel's name: importing it would put the module in the function's place.
    function = getattr(import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = function
    return function
