"""The section on methods: a paragraph to paste, its references, settings, versions and inputs."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from scresist.checks import counted
from scresist.report.blocks import Column, Section, bullets, heading, plain_table, text
from scresist.report.folder import Folder
from scresist.tables import TABLES

REFERENCES: Mapping[str, str] = {
    "scanpy": "Wolf FA, Angerer P, Theis FJ (2018) Genome Biol 19:15",
    "scrublet": "Wolock SL, Lopez R, Klein AM (2019) Cell Syst 8:281",
    "harmony": "Korsunsky I et al. (2019) Nat Methods 16:1289",
    "leiden": "Traag VA, Waltman L, van Eck NJ (2019) Sci Rep 9:5233",
    "umap": "McInnes L, Healy J, Melville J (2018) arXiv:1802.03426",
    "copy number": "Tirosh I et al. (2016) Science 352:189",
    "wgcna": "Langfelder P, Horvath S (2008) BMC Bioinformatics 9:559",
    "hdwgcna": "Morabito S et al. (2023) Cell Rep Methods 3:100498",
    "hotspot": "DeTomaso D, Yosef N (2021) Cell Syst 12:446",
    "preservation": "Langfelder P et al. (2011) PLoS Comput Biol 7:e1001057",
    "cellchat": "Jin S et al. (2021) Nat Commun 12:1088",
    "tmm": "Robinson MD, Oshlack A (2010) Genome Biol 11:R25",
    "voom": "Law CW et al. (2014) Genome Biol 15:R29",
    "limma": "Smyth GK (2004) Stat Appl Genet Mol Biol 3:3",
    "pseudobulk": "Squair JW et al. (2021) Nat Commun 12:5692",
    "bh": "Benjamini Y, Hochberg Y (1995) J R Stat Soc B 57:289",
    "families": "Benjamini Y, Bogomolov M (2014) J R Stat Soc B 76:297",
    "permutation": "Chung E, Romano JP (2013) Ann Stat 41:484",
    "sitc": "Kluger HM et al. (2020) J Immunother Cancer 8:e000398",
    "cox": "Cox DR (1972) J R Stat Soc B 34:187",
    "firth": "Heinze G, Schemper M (2001) Biometrics 57:114",
    "remark": "McShane LM et al. (2005) J Natl Cancer Inst 97:1180",
    "ihc": "McCarty KS et al. (1985) Arch Pathol Lab Med 109:716",
    "spatial": "Baddeley A, Rubak E, Turner R (2015) Spatial Point Patterns, CRC Press",
    "dose": "Ritz C et al. (2015) PLoS One 10:e0146021",
}


def methods(folder: Folder) -> Section:
    """How it was made: words for a paper, methods of every result, settings, versions, inputs."""
    known = {name: m for name, m in folder.facts["methods"].items() if m and TABLES[name].step != "report"}
    made = [f"{name}: {method}" for name, method in sorted(known.items())]
    versions = ", ".join(f"{k} {v}" for k, v in folder.facts["versions"].items())
    inputs = pd.DataFrame({"file": list(folder.facts["inputs"]), "sha256": list(folder.facts["inputs"].values())})
    settings = pd.json_normalize(folder.facts["settings"]).iloc[0]
    listed = pd.DataFrame({"setting": settings.index, "value": [str(v) for v in settings]})
    problems = [f"{p['severity']}: {p['file']}: {p['message']}" for p in folder.facts["problems"]]
    words, cited = paragraph(folder)
    references = [f"{i}. {REFERENCES[key]}" for i, key in enumerate(cited, start=1)]
    blocks: list[dict[str, Any]] = [
        {"kind": "paste", "text": words}, heading("References"), bullets(references),
        heading("The method of every table"), bullets(made), heading("Settings"),
        plain_table(listed, [Column("setting", "setting"), Column("value", "value")]),
        heading("Inputs"), plain_table(inputs, [Column("file", "file"), Column("sha256", "SHA-256")]),
        text(f"Versions: {versions}."),
    ]  # fmt: skip
    blocks += [heading("Notes on the sheets"), bullets(problems)] if problems else []
    return Section("methods", "Methods", "", blocks)


def paragraph(folder: Folder) -> tuple[str, list[str]]:
    """The methods of this run in words for a paper, with numbers of references, and the references in that order.

    Parameters
    ----------
    folder
        The results folder.
    """
    cited: list[str] = []

    def ref(*keys: str) -> str:
        cited.extend(key for key in keys if key not in cited)
        return f" [{', '.join(str(cited.index(key) + 1) for key in keys)}]"

    ran = {entry["step"] for entry in folder.facts["steps"]} - {f["step"] for f in folder.facts.get("failed", [])}
    sentences = []
    for step, write in _STEPS:
        if step in ran and (found := write(folder, ref)):
            sentences.append(found)
    facts = folder.facts
    sentences.append(
        f"Analyses were run with scresist {facts['scresist']} (mode {facts['mode']}, seed {facts['seed']}) under "
        "Python "
        f"{facts['versions'].get('python', '')}."
    )
    return " ".join(sentences), cited


Ref = Callable[..., str]


def _version(folder: Folder, name: str) -> str:
    return f"{name} {folder.facts['versions'].get(name, '')}".strip()


def _ingest(folder: Folder, ref: Ref) -> str:
    cells = folder.cells
    own = folder.facts["settings"]["quality"]
    samples = counted(cells["sample"].nunique(), "sample")
    patients = counted(cells["patient"].nunique(), "patient")
    if not own["filter"]:
        return f"{len(cells):,} cells of {samples} from {patients} were taken as given, without filter."
    doublets = f"; doublets were scored per sample with Scrublet{ref('scrublet')}" if own["doublets"] else ""
    return (
        f"Barcodes with fewer than {own['min_counts']:,} counts or {own['min_genes']:,} genes, or more than "
        f"{own['n_mads']:g} median absolute deviations from the median of their sample, or above the limit of "
        f"mitochondrial counts of their lineage were removed{doublets}. {len(cells):,} cells of {samples} from "
        f"{patients} were kept."
    )


def _embed(folder: Folder, ref: Ref) -> str:
    own = folder.facts["settings"]["embed"]
    scanpy = f"With {_version(folder, 'scanpy')}{ref('scanpy')}"
    joined = f", integrated over samples with Harmony ({_version(folder, 'harmonypy')}){ref('harmony')}" if own[
        "integrate"] else ""  # fmt: skip
    return (
        f"{scanpy}, {own['n_components']} principal components of "
        f"{own['n_genes']:,} variable genes were computed{joined}, clustered by the Leiden "
        f"algorithm{ref('leiden')} and "
        f"laid out by UMAP{ref('umap')}; these served for names and pictures only."
    )


def _annotate(folder: Folder, _: Ref) -> str:
    own = folder.facts["settings"]["annotate"]
    source = "labels of the authors" if own["labels"] else "given markers" if own["markers"] else "shipped markers"
    return f"Cell types were named by {source}, on the pooled counts of each cluster."


def _malignancy(folder: Folder, ref: Ref) -> str:
    if folder.facts["settings"]["annotate"]["malignancy"] != "copy_number" or not len(folder.table("malignancy")):
        return ""
    return (
        "Malignant cells were called per patient from copy number inferred from expression over neighbouring "
        f"genes{ref('copy number')}, with immune and stromal cells of the same patient as the reference."
    )


def _networks(folder: Folder, ref: Ref) -> str:
    members = folder.table("modules")
    if not len(members):
        return ""
    found = members["module"].nunique()
    many = counted(found, "module")
    were = "was" if found == 1 else "were"
    if folder.facts["mode"] == "parity":
        return (f"{many} of co-expressed genes {were} found over metacells with the recipe of hdWGCNA"
                f"{ref('wgcna', 'hdwgcna')}.")  # fmt: skip
    return (
        f"{many} of co-expressed genes {were} found from local correlation over neighbouring cells{ref('hotspot')}, "
        f"topological overlap and average linkage{ref('wgcna')}; a module was kept where it is coherent in "
        "patients that "
        "did not form it. Its score per sample is from summed counts."
    )


def _communication(folder: Folder, ref: Ref) -> str:
    if not len(folder.table("communication_samples")):
        return ""
    source = folder.facts["settings"]["communication"]["resource"]
    return f"Probabilities of communication were computed in every sample by itself{ref('cellchat')} with {source}."


def _contrasts(folder: Folder, ref: Ref) -> str:
    names = ", ".join(
        f"{c['test']} against {c['reference']}" for c in folder.facts["settings"]["design"]["contrasts"].values()
        if c.get("test") and c.get("reference")
    )  # fmt: skip
    if not len(folder.table("expression_contrasts")) and not len(folder.table("composition_contrasts")):
        return ""
    return (
        f"Arms were compared ({names}) with the patient as the unit{ref('pseudobulk')}: counts were summed per "
        "sample and "
        f"population, scaled by TMM{ref('tmm')} and tested in precision-weighted linear models{ref('voom')} with "
        "moderated "
        f"variances{ref('limma')}, samples of one patient as a block; scores and shares by moderated t, beside "
        "studentised "
        f"permutation of patients{ref('permutation')}. False discovery was held within families{ref('bh')} and over "
        f"them{ref('families')}; a finding that rests on one patient was not called."
    )


def _bench(folder: Folder, ref: Ref) -> str:
    parts = []
    if len(folder.table("validation_ihc")):
        parts.append(f"H-scores{ref('ihc')} were averaged over readers and cores")
    if len(folder.table("validation_mif")):
        parts.append("densities and spatial statistics of multiplex immunofluorescence were compared with phenotypes "
                     f"shuffled within compartments{ref('spatial')}")  # fmt: skip
    if len(folder.table("validation_dose_response")):
        parts.append(f"dose-response curves were four-parameter logistic fits{ref('dose')} per biological replicate")
    if len(folder.table("validation_kinetics")):
        parts.append("kinetics were fitted by least squares, the model by AICc")
    return f"{'; '.join(parts)[:1].upper()}{'; '.join(parts)[1:]}." if parts else ""


def _survival(folder: Folder, ref: Ref) -> str:
    if not len(folder.table("survival")):
        return ""
    return (
        f"Survival was modelled by Cox regression per SD{ref('cox')} with Efron's ties (summed over their order where "
        f"times are rounded to scans) and profile likelihood, Firth's penalty{ref('firth')} where events are "
        f"few, and permutation; it is described by REMARK{ref('remark')}."
    )


_STEPS: tuple[tuple[str, Callable[[Folder, Ref], str]], ...] = (
    ("ingest", _ingest), ("embed", _embed), ("annotate", _annotate), ("malignancy", _malignancy),
    ("networks", _networks), ("communication", _communication), ("contrasts", _contrasts), ("bench", _bench),
    ("survival", _survival),
)  # fmt: skip
