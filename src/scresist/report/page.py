"""The page: sections in the order of the study, filled from the results folder, written whole or not at all."""

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

import jinja2
from markupsafe import Markup

from scresist.plots.printer import many_objects
from scresist.report import sections
from scresist.report.blocks import Section, on_page
from scresist.report.figure_files import FigureFiles
from scresist.report.folder import Folder
from scresist.results import write_text

STYLES = ("page.css", "first.css")
SCRIPTS = ("tables.js", "map.js", "genes.js")


def write(results: Path, *, anonymise: bool = False) -> Path:
    """Build `report.html` (and figures/) from the tables of a results folder; returns its path.

    Parameters
    ----------
    results
        The results folder.
    anonymise
        Give patients and samples other names; the page is then `report_anonymous.html`, and no figure is written.

    Raises
    ------
    InputError
        Where the folder has no run, or a name cannot be replaced with certainty.
    """
    with many_objects():
        return _written(Folder(results, anonymise=anonymise), results, anonymise=anonymise)


def _written(folder: Folder, results: Path, *, anonymise: bool) -> Path:
    """The page of a folder whose tables are read as they are needed."""
    if anonymise:
        shown = list(sections.built(folder))
    else:
        shown = []
        with FigureFiles(results / "figures") as files_of_figures:
            for section in sections.built(folder):
                files_of_figures.add(section)
                shown.append(section)
    study = folder.facts["settings"]["study"]
    page = render(
        shown, title=study["name"],
        subtitle=f"resistance to {study['drug']}" if study["drug"] else "single-cell study", facts=_facts(folder),
        footer=f"scresist {folder.facts['scresist']}, seed {folder.facts['seed']}, mode {folder.facts['mode']}. Every "
        "comparison has the patient as its unit. This page is research, not a medical device.",
    )  # fmt: skip
    if folder.pseudonyms is not None:
        folder.pseudonyms.require_none_left(page)
    path = results / ("report_anonymous.html" if anonymise else "report.html")
    write_text(page, path)
    return path


def render(
    shown: Sequence[Section], *, title: str, subtitle: str = "", facts: Sequence[tuple[str, str]] = (), footer: str = ""
) -> str:
    """The page as HTML: everything from tables and sheets is escaped, and nothing is loaded from elsewhere.

    Parameters
    ----------
    shown
        Sections, in order.
    title, subtitle, footer
        Words.
    facts
        Numbers at the top, each with what it counts.
    """
    template = jinja2.Environment(autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True).from_string(
        files("scresist.report").joinpath("page.html").read_text(encoding="utf-8")
    )
    scripts = [_asset(name) for name in SCRIPTS]
    return template.render(
        title=title, subtitle=subtitle, facts=facts, sections=shown, footer=footer,
        style=Markup("\n".join(_asset(name) for name in STYLES)),
        scripts=[Markup(s) for s in scripts], policy=_policy(scripts), on_page=on_page,
    )  # fmt: skip


def _asset(name: str) -> str:
    return files("scresist.report").joinpath("assets", name).read_text(encoding="utf-8")


def _policy(scripts: list[str]) -> str:
    """What the page may load: nothing but its own scripts, known by their hash, its styles and its pictures."""
    known = " ".join(
        f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'" for script in scripts
    )
    return f"default-src 'none'; script-src {known}; style-src 'unsafe-inline'; img-src data:; base-uri 'none'"


def _facts(folder: Folder) -> list[tuple[str, str]]:
    cells, genes = folder.cells, folder.facts.get("genes", 0)
    out = [
        (f"{cells['patient'].nunique()}", "patients"),
        (f"{cells['sample'].nunique()}", "samples"),
        (f"{len(cells):,}", "cells kept"),
        *([(f"{genes:,}", "genes")] if genes else []),
    ]
    for arm in folder.arms:
        n = cells.loc[cells["arm"].astype(str) == arm, "patient"].nunique()
        out.append((str(n), f"patients: {arm}"))
    claims = folder.claims
    if len(claims):
        made = claims[claims["p_value"].notna()]
        out.append((str(int((made["verdict"] == "supported").sum())), "claims supported"))
    return out
