"""One self-contained page from a results folder: it reads the tables, and states nothing that is not in them."""

from scresist.report.page import write

__all__ = ["write"]
