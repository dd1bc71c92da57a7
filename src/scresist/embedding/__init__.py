"""From counts to clusters and a layout: for naming cells and looking at them; every test goes back to the counts."""

from scresist.embedding.space import embed, leiden, markers

__all__ = ["embed", "leiden", "markers"]
