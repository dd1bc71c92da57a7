"""A results folder as the page needs it: every table read once, and the verdicts joined by the key of their row."""

import json
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import InputError
from scresist.plots.style import colours
from scresist.report.anonymous import Pseudonyms
from scresist.results import read_table
from scresist.tables import TABLES, row_keys

if TYPE_CHECKING:
    from scresist.networks import Network


class Folder:
    """The tables and facts of a results folder.

    Parameters
    ----------
    path
        The results folder.
    anonymise
        Give patients and samples other names.

    Raises
    ------
    InputError
        Where the folder has no run, or names cannot be replaced with certainty.
    """

    def __init__(self, path: Path, *, anonymise: bool = False) -> None:
        if not (path / "run.json").exists() or not (path / TABLES["cells"].path).exists():
            raise InputError(
                f"{path} is no results folder (it lacks run.json or tables/cells.parquet); make one: scresist run STUDY"
            )
        self.path = path
        self.facts: dict[str, Any] = json.loads((path / "run.json").read_text(encoding="utf-8"))
        self._read: dict[str, pd.DataFrame] = {}
        self.pseudonyms: Pseudonyms | None = None
        if anonymise:
            sheet = self.table("samples")
            if not {"patient", "sample"} <= set(sheet.columns):
                raise InputError(f"{path} has no sheet of samples, whose names are replaced; run the study again")
            self.pseudonyms = Pseudonyms(sheet["patient"].astype(str), sheet["sample"].astype(str))
            self.facts = self.pseudonyms.facts(self.facts)
            self._read = {}

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name; empty where the run made none."""
        if name not in self._read:
            path = self.path / TABLES[name].path
            found = read_table(path) if path.exists() else pd.DataFrame()
            self._read[name] = found if self.pseudonyms is None else self.pseudonyms.table(found)
        return self._read[name].copy(deep=False)

    @property
    def cells(self) -> pd.DataFrame:
        """One row per cell, with the coordinates of the layout."""
        return self.table("cells")

    @property
    def claims(self) -> pd.DataFrame:
        """The register of claims."""
        return self.table("claims")

    def claimed(self, name: str) -> pd.DataFrame:
        """The rows of a table that are claims, with their verdicts, in the register's order; no other is shown."""
        register, whole = self.claims, self.table(name)
        if register.empty or whole.empty:
            return whole.iloc[:0]
        own = register[(register["table"] == name) & register["row"].notna()]
        place = pd.Index(row_keys(name, whole)).get_indexer(own["row"])
        rows = whole.iloc[place[place >= 0]].reset_index(drop=True)
        known = own[place >= 0]
        return rows.assign(verdict=known["verdict"].to_numpy(), why=known["why"].to_numpy())

    def sentences(self, kind: str) -> list[str]:
        """Statements of the register that are counts and not tests."""
        register = self.claims
        return [] if register.empty else list(register.loc[register["kind"] == kind, "statement"])

    @cached_property
    def network(self) -> "Network | None":
        """The network; None where the run made none."""
        from scresist.networks import load

        path = self.path / "network.zip"
        return load(path) if path.exists() else None

    @property
    def arms(self) -> list[str]:
        """Arms in the order of the study."""
        return list(self.facts["settings"]["design"]["arms"])

    @cached_property
    def palette(self) -> dict[str, str]:
        """A colour per population and lineage, the same in every figure of the study."""
        types = set(self.cells["cell_type"].astype(str).unique()) if "cell_type" in self.cells else set()
        types |= {str(name) for name in self.table("composition").columns} - {"sample"}
        lineages = sorted(self.cells["lineage"].astype(str).unique()) if "lineage" in self.cells else []
        return colours(lineages) | colours(sorted(types))

    @property
    def contrasts(self) -> list[str]:
        """Contrasts in the order of the study."""
        return list(self.facts["settings"]["design"]["contrasts"])

    @property
    def sheet(self) -> pd.DataFrame:
        """Patient and arm by sample, as words."""
        return self.table("samples").set_index("sample")[["patient", "arm"]].astype(str)

    def notes(self, name: str) -> list[str]:
        """What the run noted about a result."""
        return list(self.facts.get("notes", {}).get(name, []))
