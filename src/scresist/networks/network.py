"""A network: its modules, and everything that tables, figures and later tests of it need."""

import io
import json
import zipfile
from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError, suggestion
from scresist.networks.naming import UNASSIGNED
from scresist.results import Brief

FORMAT = 1


@dataclass(frozen=True, slots=True, repr=False)
class Network(Brief):
    """Modules of co-expressed genes.

    Attributes
    ----------
    modules
        One row per gene of the network: `gene`, `module` ("M3 MUC3A", or "unassigned"), `kme` (correlation with the
        eigengene of its module over metacells), `rank` (1 the hub), `colour`; NaN kme and rank where unassigned.
    catalogue
        One row per module, largest first: `module`, `id` (the same for the same genes), `hub`, `colour`, `n_genes`,
        `variance_explained`, and flags that later steps add.
    eigengenes
        Metacells x modules, columns in the order of the catalogue, each of unit length.
    kme
        Genes x modules: correlation of every gene with every eigengene.
    kme_low, kme_high
        Genes x modules: limits of `kme` over patients, where `with_kme_intervals` has computed them, else None.
    power_table
        `power`, `sft_r2`, `slope`, `truncated_r2`, `mean_k`, `median_k`, `max_k`.
    scores
        `sample`, `module`, `score`, `n_cells`: see `module_scores`; empty where obs has neither samples nor patients.
    metacells
        `metacell`, the columns within which cells were pooled, `group`, `n_cells`.
    metacell_report, gene_report
        The number of metacells of every group of cells; which genes were used, and why the others were not.
    expression
        Metacells x genes of the network: correlations are computed from it. Sums of residuals within samples, or
        log-normalised, by `settings["values"]`.
    linkage, neighbours, overlaps
        The tree (scipy's convention, genes in the order of `modules`), and for each gene the positions and overlaps
        of the genes with the highest topological overlap.
    settings, notes
        The settings it was built with, and notes for the reader, one sentence each.
    choices
        How well modules of two halves of the patients agree, by power and depth of the cut; None where both were given.
    candidates
        Every module that was found, and whether it was proved in patients that did not form it; None where modules are
        not proved.
    """

    modules: pd.DataFrame
    catalogue: pd.DataFrame
    eigengenes: pd.DataFrame
    kme: pd.DataFrame
    power_table: pd.DataFrame
    scores: pd.DataFrame
    metacells: pd.DataFrame
    metacell_report: pd.DataFrame
    gene_report: pd.DataFrame
    expression: pd.DataFrame
    linkage: np.ndarray
    neighbours: np.ndarray
    overlaps: np.ndarray
    settings: Mapping[str, Any]
    notes: tuple[str, ...] = ()
    kme_low: pd.DataFrame | None = None
    kme_high: pd.DataFrame | None = None
    choices: pd.DataFrame | None = None
    candidates: pd.DataFrame | None = None

    @property
    def scale(self) -> tuple[np.ndarray, np.ndarray]:
        """Mean and deviation of every gene's log-normalised expression over metacells, by which scores are in units."""
        if "deviation" in self.gene_report:
            report = self.gene_report.drop_duplicates("gene").set_index("gene").loc[self.genes]
            return report["mean"].to_numpy(dtype=float), report["deviation"].to_numpy(dtype=float)
        X = self.expression.to_numpy(dtype=np.float64)
        return X.mean(axis=0), X.std(axis=0, ddof=1)

    @property
    def power(self) -> float:
        """The soft-threshold power used."""
        return float(self.settings["power"])

    @property
    def genes(self) -> pd.Index:
        """Genes of the network, in the order of the tree's leaves by number."""
        return pd.Index(self.modules["gene"])

    @property
    def names(self) -> list[str]:
        """Modules, largest first."""
        return self.catalogue["module"].tolist()

    @property
    def labels(self) -> np.ndarray:
        """Module of each gene as a number: 0 unassigned, else its place in the catalogue, from 1."""
        number = {name: i + 1 for i, name in enumerate(self.names)} | {UNASSIGNED: 0}
        return self.modules["module"].map(number).to_numpy(dtype=np.int64)

    def members(self, module: str) -> pd.DataFrame:
        """Rows of `modules` of one module, hub first; `module` is its name, number ("M3"), id or colour."""
        return self.modules[self.modules["module"] == self.name_of(module)].sort_values("rank")

    def name_of(self, module: str) -> str:
        """The full name of a module, from its name, number, id or colour."""
        for _, row in self.catalogue.iterrows():
            if module in (row["module"], row["module"].split(" ")[0], row["id"], row["colour"]):
                return str(row["module"])
        raise InputError(f"there is no module {module!r}; {suggestion(module, self.names)}")

    def replace(self, **changes: Any) -> "Network":
        """The same network with some attributes changed."""
        return replace(self, **changes)

    def save(self, path: str | Path) -> None:
        """Write everything to one file, a zip of tables, arrays and json; an interrupted call leaves no file."""
        path = Path(path)
        if path.is_dir():
            raise InputError(f"{path} is a folder; give the name of a file, such as {path / 'network.zip'}")
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}.part")
        facts = {"format": FORMAT, "settings": dict(self.settings), "notes": list(self.notes)}
        with zipfile.ZipFile(part, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr(_entry("network.json"), json.dumps(facts, indent=1, sort_keys=True, default=_plain) + "\n")
            for field in fields(self):
                value = getattr(self, field.name)
                if isinstance(value, pd.DataFrame):
                    archive.writestr(_entry(f"{field.name}.parquet"), _parquet(value))
                elif isinstance(value, np.ndarray):
                    buffer = io.BytesIO()
                    np.save(buffer, value, allow_pickle=False)
                    archive.writestr(_entry(f"{field.name}.npy"), buffer.getvalue())
        part.replace(path)


def load(path: str | Path) -> Network:
    """Read a network written by `Network.save`.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    InputError
        If the file does not exist, is not a saved network, or has a later format.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"there is no file {path}; give the file that Network.save wrote")
    if not zipfile.is_zipfile(path):
        raise InputError(f"{path} is not a saved network; give the file that Network.save wrote")
    with zipfile.ZipFile(path) as archive:
        names = set(archive.namelist())
        if "network.json" not in names:
            raise InputError(f"{path} is not a saved network: it has no network.json")
        facts = json.loads(archive.read("network.json"))
        if facts["format"] > FORMAT:
            raise InputError(f"{path} has format {facts['format']}, and this scresist reads up to {FORMAT}: update it")
        content: dict[str, Any] = {}
        for field in fields(Network):
            if f"{field.name}.parquet" in names:
                content[field.name] = pd.read_parquet(io.BytesIO(archive.read(f"{field.name}.parquet")))
            elif f"{field.name}.npy" in names:
                content[field.name] = np.load(io.BytesIO(archive.read(f"{field.name}.npy")), allow_pickle=False)
    return Network(**content, settings=MappingProxyType(facts["settings"]), notes=tuple(facts["notes"]))


def _entry(name: str) -> zipfile.ZipInfo:
    """An entry without the time, so that the same network is written as the same file."""
    return zipfile.ZipInfo(name, date_time=(1980, 1, 1, 0, 0, 0))


def _parquet(table: pd.DataFrame) -> bytes:
    buffer = io.BytesIO()
    table.to_parquet(buffer)
    return buffer.getvalue()


def _plain(value: Any) -> Any:
    """Numpy scalars and tuples as types that json has."""
    if isinstance(value, np.generic):
        return value.item()
    return list(value) if isinstance(value, tuple | set | np.ndarray) else str(value)
