"""Co-expression networks: modules of genes that move together, and how far they can be trusted."""

from scresist.networks.agreement import consensus, module_agreement
from scresist.networks.construct import build
from scresist.networks.export import edges, write_edges
from scresist.networks.gene_view import GeneView, gene_view, gene_views, settings_view
from scresist.networks.intervals import hub_genes, with_kme_intervals
from scresist.networks.layout import lay_out_genes
from scresist.networks.meaning import label_overlap, list_overlap, over_representation
from scresist.networks.network import Network, load
from scresist.networks.pooling import Pooling
from scresist.networks.power import PowerWarning
from scresist.networks.query import Query, in_other_cells
from scresist.networks.request import Measure, Search
from scresist.networks.robustness import Stability, stability, with_stability
from scresist.networks.scores import cell_eigengenes, module_scores, wide_scores
from scresist.networks.selection import GeneChoice
from scresist.networks.transfer import preservation, project
from scresist.networks.validation import preserved_modules, shared_modules

__all__ = [
    "build", "load", "Network", "GeneChoice", "Pooling", "Measure", "Search", "PowerWarning",
    "module_scores", "wide_scores", "cell_eigengenes",
    "stability", "with_stability", "Stability", "hub_genes", "with_kme_intervals", "consensus", "module_agreement",
    "preservation", "project", "in_other_cells", "Query", "preserved_modules", "shared_modules",
    "over_representation", "list_overlap", "label_overlap",
    "gene_view", "gene_views", "settings_view", "GeneView", "edges", "write_edges", "lay_out_genes",
]  # fmt: skip
