"""Situations that people's data were found in, each made on disk by a small generator that knows the counts."""

from situations import exchange, identity, layouts, names, sheets
from situations.register import SITUATIONS, Situation

__all__ = ["SITUATIONS", "Situation", "exchange", "identity", "layouts", "names", "sheets"]
