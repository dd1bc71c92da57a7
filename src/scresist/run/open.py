"""A finished run at hand: its cells, tables, network, figures and page."""

import html
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import InputError, counted, suggestion
from scresist.report.folder import Folder
from scresist.tables import TABLES

if TYPE_CHECKING:
    from anndata import AnnData

    from scresist.networks import Network


class Run:
    """A results folder.

    Parameters
    ----------
    path
        The folder that `scresist run` wrote.

    Raises
    ------
    InputError
        Where it is none.
    """

    def __init__(self, path: str | Path = "results") -> None:
        self._folder = Folder(Path(path))

    @property
    def path(self) -> Path:
        """The folder."""
        return self._folder.path

    @property
    def facts(self) -> dict[str, Any]:
        """What run.json has: settings, versions, seconds per step, refusals, steps that failed."""
        return self._folder.facts

    @property
    def cells(self) -> "AnnData":
        """The cohort: counts, log-normalised X, embeddings, labels. Read anew at each call."""
        import anndata

        return anndata.read_h5ad(self.path / "cohort.h5ad")

    @property
    def tables(self) -> list[str]:
        """Names of the tables that the run made."""
        return [name for name, table in TABLES.items() if (self.path / table.path).exists()]

    @property
    def claims(self) -> pd.DataFrame:
        """The register of claims."""
        return self.table("claims")

    @property
    def network(self) -> "Network | None":
        """The network; None where the run made none."""
        return self._folder.network

    @property
    def figures(self) -> list[Path]:
        """The figures, as files."""
        return sorted((self.path / "figures").glob("*.svg"))

    @property
    def page(self) -> Path:
        """The page."""
        return self.path / "report.html"

    def table(self, name: str) -> pd.DataFrame:
        """One table.

        Parameters
        ----------
        name
            One of `tables`; see docs/results.md for their columns.

        Raises
        ------
        InputError
            For a table that the run has not made.
        """
        if name not in TABLES:
            raise InputError(f"there is no table {name!r}; {suggestion(name, self.tables)}")
        if not (self.path / TABLES[name].path).exists():
            step = TABLES[name].step
            raise InputError(f"this run made no table {name!r} (step {step}); {self._why(step)}")
        return self._folder.table(name)

    def _why(self, step: str) -> str:
        failed = [f["reason"] for f in self.facts.get("failed", []) if f["step"] == step]
        refused = [f"{r['what']}: {r['reason']}" for r in self.facts["refusals"] if r["step"] == step]
        return "; ".join([*failed, *refused]) or "its settings did not ask for it"

    def _line(self) -> list[tuple[str, str]]:
        cells = self._folder.cells
        claims = self._folder.claims
        supported = int((claims["verdict"] == "supported").sum()) if len(claims) else 0
        missing = [f["step"] for f in self.facts.get("failed", [])]
        return [
            ("study", str(self.facts["settings"]["study"]["name"])),
            ("cells", f"{len(cells):,} of {counted(cells['patient'].nunique(), 'patient')}"),
            ("arms", ", ".join(self._folder.arms)),
            ("claims supported", str(supported)),
            ("tables", str(len(self.tables))),
            *([("steps missing", ", ".join(missing))] if missing else []),
        ]

    def __repr__(self) -> str:
        return f"Run({str(self.path)!r}: {'; '.join(f'{k} {v}' for k, v in self._line())})"

    def _repr_html_(self) -> str:
        rows = "".join(f"<tr><th>{html.escape(k)}</th><td>{html.escape(v)}</td></tr>" for k, v in self._line())
        page = html.escape(self.page.as_posix())
        return f'<table>{rows}<tr><th>page</th><td><a href="{page}">{page}</a></td></tr></table>'
