"""Co-expression networks: modules of genes that move together, and how far they can be trusted."""

from scresist.networks.construct import build
from scresist.networks.network import Network, load
from scresist.networks.pooling import Pooling
from scresist.networks.power import PowerWarning
from scresist.networks.scores import cell_eigengenes, module_scores, wide_scores

__all__ = [
    "Network", "Pooling", "PowerWarning", "build", "cell_eigengenes", "load", "module_scores", "wide_scores",
]  # fmt: skip
