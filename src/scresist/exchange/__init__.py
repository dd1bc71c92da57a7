"""The cells of a finished run for other programs: Seurat and SingleCellExperiment, CELLxGENE, loom."""

from scresist.exchange.export import TARGETS, export

__all__ = ["TARGETS", "export"]
