"""The page: sections in the order of the study, filled from the results folder, written whole or not at all."""

import json
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from scresist.checks import InputError
from scresist.report import sections
from scresist.report.blocks import Section
from scresist.results import read_table, write_text

if TYPE_CHECKING:
    from scresist.networks import Network


@dataclass(frozen=True, slots=True)
class Folder:
    """A results folder, read as the sections need it."""

    path: Path
    facts: dict[str, Any]

    def table(self, name: str) -> pd.DataFrame:
        """A table by its name; empty where the run made none."""
        for suffix in (".csv", ".parquet"):
            path = self.path / "tables" / f"{name}{suffix}"
            if path.exists():
                return read_table(path)
        return pd.DataFrame()

    @property
    def claims(self) -> pd.DataFrame:
        """The register of claims."""
        path = self.path / "claims.csv"
        return read_table(path) if path.exists() else pd.DataFrame()

    def stated(self, name: str) -> pd.DataFrame:
        """The rows of a table that are claims, with their verdicts, in the register's order; no other is shown."""
        register, whole = self.claims, self.table(name)
        if register.empty or whole.empty:
            return whole.iloc[:0]
        own = register[(register["table"] == name) & register["row"].notna()]
        rows = whole.iloc[own["row"].astype(int)].reset_index(drop=True)
        return rows.assign(verdict=own["verdict"].to_numpy(), why=own["why"].to_numpy())

    def sentences(self, kind: str) -> list[str]:
        """Statements of the register that are counts and not tests."""
        register = self.claims
        return [] if register.empty else list(register.loc[register["kind"] == kind, "statement"])

    @property
    def network(self) -> "Network | None":
        """The network; None where the run made none."""
        from scresist.networks import load

        path = self.path / "network.zip"
        return load(path) if path.exists() else None

    @property
    def arms(self) -> list[str]:
        """Arms in the order of the study."""
        return list(self.facts["settings"]["design"]["arms"])

    def notes(self, name: str) -> list[str]:
        """What the run noted about a result."""
        return list(self.facts.get("notes", {}).get(name, []))


def rebuild(results: Path) -> Path:
    """Build `report.html` (and figures/) from a results folder; returns its path.

    Raises
    ------
    InputError
        Where the folder holds no finished run.
    """
    if not (results / "run.json").exists() or not (results / "cohort.h5ad").exists():
        raise InputError(f"{results} holds no finished run (run.json, cohort.h5ad); make one with: scresist run STUDY")
    import anndata
    import jinja2

    folder = Folder(results, json.loads((results / "run.json").read_text(encoding="utf-8")))
    cells = anndata.read_h5ad(results / "cohort.h5ad")
    parts = [build(folder, cells) for build in sections.ORDER]
    shown = [s for s in parts if s is not None]
    _write_figures(results / "figures", shown)
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        files("scresist.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    study = folder.facts["settings"]["study"]
    page = template.render(
        title=study["name"],
        subtitle=f"resistance to {study['drug']}" if study["drug"] else "single-cell study",
        facts=_facts(folder, cells),
        sections=shown,
        footer=f"scresist {folder.facts['scresist']}, seed {folder.facts['seed']}, mode {folder.facts['mode']}. Every "
        "comparison has the patient as its unit. This page is research, not a medical device.",
    )
    write_text(page, results / "report.html")
    return results / "report.html"


def _facts(folder: Folder, cells: Any) -> list[tuple[str, str]]:
    out = [
        (f"{cells.obs['patient'].nunique()}", "patients"),
        (f"{cells.obs['sample'].nunique()}", "samples"),
        (f"{cells.n_obs:,}", "cells kept"),
        (f"{cells.n_vars:,}", "genes"),
    ]
    for arm in folder.arms:
        n = cells.obs.loc[cells.obs["arm"].astype(str) == arm, "patient"].nunique()
        out.append((str(n), f"patients: {arm}"))
    claims = folder.claims
    if len(claims):
        made = claims[claims["p_value"].notna()]
        out.append((str(int((made["verdict"] == "supported").sum())), "claims supported"))
    return out


def _write_figures(folder: Path, shown: list[Section]) -> None:
    """Each figure of the page as a file of its own."""
    folder.mkdir(exist_ok=True)
    for old in folder.glob("*.svg"):
        old.unlink()
    for section in shown:
        number = 0
        for block in section.blocks:
            for figure in block["entries"] if block["kind"] == "figures" else []:
                number += 1
                write_text(str(figure["svg"]), folder / f"{section.id}_{number:02d}.svg")
