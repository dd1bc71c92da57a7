"""The order of the study: which step follows which, its seed, what it depends on, and where a killed run goes on."""

import json
import os
import platform
import resource
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

import numpy as np

from scresist import __version__
from scresist.checks import InputError, require_choice
from scresist.results import write_text
from scresist.run import bodies as steps
from scresist.run.store import Run, Store, fingerprint, hash_files, slot_names
from scresist.study import Study


@dataclass(frozen=True, slots=True)
class Step:
    """One step: its body, the steps it follows from, and the parts of the study that change its result."""

    name: str
    body: Callable[[Run, Study, "Context"], None]
    after: tuple[str, ...]
    reads: Callable[[Study], Any]
    whole: bool = False


@dataclass(frozen=True, slots=True)
class Context:
    """What a step may use beside the study: its seed, workers, the mode, and where results go."""

    seed: int
    workers: int
    scheduler: str | None
    mode: str
    out: Path
    calibrate: int = 0

    @property
    def rng(self) -> np.random.Generator:
        """A new generator of the step's own stream."""
        return np.random.default_rng(self.seed)


def _sheet(study: Study, *columns: str) -> Any:
    return study.samples.reindex(columns=columns).reset_index().astype(str).to_numpy().tolist()


STEPS = (
    Step("ingest", steps.ingest, (), lambda s: [
        s.settings.study.organism, _sheet(s, "patient", "arm", "path", "raw_path"), s.design.arms,
        s.settings.focus.keep_genes, s.settings.quality.min_cells,
    ], whole=True),
    Step("quality", steps.quality, ("ingest",), lambda s: s.settings.quality.model_dump(), whole=True),
    Step("embed", steps.embed, ("quality",), lambda s: s.settings.embed.model_dump()),
    Step("annotate", steps.annotate, ("embed",), lambda s: [
        s.settings.annotate.overrides, s.settings.annotate.lineages, steps.marker_hash(s), s.settings.study.organism]),
    Step("malignancy", steps.malignancy, ("annotate",), lambda s: s.settings.annotate.malignancy),
    Step("microenvironment", steps.microenvironment, ("malignancy",), lambda s: s.settings.focus.compartment),
    Step("networks", steps.networks, ("microenvironment",), lambda s: [
        s.settings.networks.model_dump(), s.settings.focus.model_dump()]),
    Step("communication", steps.communication, ("microenvironment",), lambda s: [
        s.settings.communication.model_dump(), s.design.contrasts, s.design.covariates, _sheet(s, *s.samples.columns)]),
    Step("contrasts", steps.contrasts, ("microenvironment", "networks", "communication"), lambda s: [
        s.design.contrasts, s.design.covariates, s.design.samples.reset_index().astype(str).to_numpy().tolist(),
        s.settings.focus.model_dump()]),
    Step("survival", steps.survival, ("contrasts",), lambda s: [
        s.settings.survival and s.settings.survival.model_dump(), s.settings.focus.model_dump(),
        s.patients.reset_index().astype(str).to_numpy().tolist()]),
    Step("candidates", steps.candidates, ("contrasts", "survival", "communication"), lambda s: (
        s.settings.focus.model_dump())),
    Step("report", steps.report, ("candidates", "communication"), lambda s: [s.name, s.settings.study.drug]),
)  # fmt: skip
NAMES = tuple(step.name for step in STEPS)


def run_study(
    study: Study,
    out: str | Path = "results",
    *,
    until: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    mode: str = "sound",
    fresh: bool = False,
    calibrate: int = 0,
    say: Callable[[str], None] = lambda _: None,
) -> Path:
    """Run a study into a results folder; steps that are done with the same inputs and settings are not done again.

    Parameters
    ----------
    study
        From `read_study`.
    out
        Results folder; made where it is not there.
    until
        The last step to run; None runs all.
    workers
        Threads for work that is independent per sample.
    scheduler
        Address of a Dask cluster for the same.
    mode
        sound | parity, see the documentation of networks and communication.
    fresh
        Do every step again.
    calibrate
        Shuffles of the patients with which the error rate of the contrasts is measured; 0 for none.
    say
        Receives one line of progress at a time.

    Returns
    -------
    The results folder.

    Raises
    ------
    InputError
        For an unknown step or mode, or an `out` that holds something else.
    """
    require_choice(mode, ("sound", "parity"), "mode")
    if until is not None:
        require_choice(until, NAMES, "until")
    out = Path(out)
    _check_folder(out)
    store = Store(out / ".state")
    state = Run()
    inputs = hash_files(steps.input_files(study))
    prints = _fingerprints(study, inputs, mode, calibrate)
    timings: list[dict[str, Any]] = []
    for step in STEPS:  # all first: what follows from other settings must not stay beside what is made now
        if fresh or not (store.is_done(step.name, prints[step.name]) and steps.outputs_exist(step.name, out)):
            store.forget(step.name)
            steps.remove_outputs(step.name, out)
    for step in STEPS:
        if store.is_done(step.name, prints[step.name]):
            store.load(step.name, state)
            timings.append(store.facts(step.name))
            say(f"{step.name}: done before")
        else:
            if step.name == "report":  # the page is built from the folder, which must be complete but for it
                _write_run(out, study, inputs, timings, state, mode)
            context = Context(_seed(study, step.name), workers, scheduler, mode, out, calibrate)
            timings.append(_do(step, state, study, context, store, prints[step.name]))
            say(f"{step.name}: {timings[-1]['seconds']:.1f} s, {timings[-1]['peak_gb']:.2f} GB")
        if step.name == until:
            break
    _write_run(out, study, inputs, timings, state, mode)
    return out


def _fingerprints(study: Study, inputs: dict[str, str], mode: str, calibrate: int) -> dict[str, str]:
    """What identifies the result of each step: inputs, the settings it reads, the version, and the steps above it."""
    prints: dict[str, str] = {}
    for step in STEPS:
        own = {"ingest": inputs, "contrasts": calibrate}.get(step.name)
        above = [prints[name] for name in step.after]
        prints[step.name] = fingerprint(step.name, __version__, mode, study.seed, own, step.reads(study), above)
    return prints


def _seed(study: Study, name: str) -> int:
    """A step's seed depends on the study's and its own name, so that adding a step moves no other."""
    return int(np.random.default_rng([study.seed, *name.encode()]).integers(2**31))


def _do(step: Step, state: Run, study: Study, context: Context, store: Store, print_: str) -> dict[str, Any]:
    before, had, refused = slot_names(state.cohort), dict(state.results), len(state.refusals)
    _reset_peak()
    started = time.perf_counter()
    step.body(state, study, context)
    seconds = time.perf_counter() - started
    made = {name for name, result in state.results.items() if had.get(name) is not result}
    facts = {
        "step": step.name,
        "fingerprint": print_,
        "seconds": round(seconds, 2),
        "peak_gb": round(_peak_gb(), 3),
        "refusals": state.refusals[refused:],
        "published": {name: file for name, file in state.published.items() if name in made},
    }
    store.save(step.name, state, facts, before, made, whole=step.whole)
    # Go on from what was kept: a run that was interrupted here and one that was not must see the same to the last bit.
    store.reload(step.name, state, before)
    return facts


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out names a folder")
    known = {".state", "report.html", "cohort.h5ad", "claims.csv", "run.json", "tables", "figures", "network.zip"}
    if out.exists() and not (out / ".state").exists():
        foreign = sorted(p.name for p in out.iterdir() if p.name not in known)
        if foreign:
            raise InputError(f"{out} holds other files ({', '.join(foreign[:5])}); name a new folder with --out")
    out.mkdir(parents=True, exist_ok=True)


def _reset_peak() -> None:
    peak = Path("/proc/self/clear_refs")
    if peak.exists() and os.access(peak, os.W_OK):
        peak.write_text("5")


def _peak_gb() -> float:
    """Peak memory since the last reset where the system can say (Linux), else of the whole process."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return float(lines["VmHWM"].split()[0]) / 1e6
    scale = 1e9 if sys.platform == "darwin" else 1e6
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def _write_run(
    out: Path, study: Study, inputs: dict[str, str], timings: list[dict[str, Any]], state: Run, mode: str
) -> None:
    packages = ("anndata", "harmonypy", "igraph", "illico", "numba", "numpy", "pandas", "scanpy", "scipy", "umap-learn")
    facts = {
        "scresist": __version__,
        "mode": mode,
        "seed": study.seed,
        "settings": study.settings.model_dump(),
        "inputs": {os.path.relpath(path, study.folder): digest for path, digest in inputs.items()},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in packages}},
        "steps": [{key: t[key] for key in ("step", "seconds", "peak_gb", "fingerprint")} for t in timings],
        "refusals": state.refusals,
        "notes": {name: list(result.notes) for name, result in sorted(state.results.items())},
        "methods": {name: result.method for name, result in sorted(state.results.items())},
        "problems": [p.as_dict() for p in study.problems],
    }
    write_text(json.dumps(facts, indent=1, default=str) + "\n", out / "run.json")
