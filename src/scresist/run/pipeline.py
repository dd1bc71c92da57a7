"""Run a study: each step in its order, with its own seed, resumed where an earlier run stopped."""

import json
import os
import platform
from collections.abc import Callable, Mapping
from importlib import metadata
from pathlib import Path
from typing import Any

from scresist import __version__
from scresist.checks import InputError, require_choice
from scresist.results import write_text
from scresist.run.bodies.report import write_page
from scresist.run.execute import do_step, fingerprints, seed_of
from scresist.run.preflight import require_files
from scresist.run.step import Context, State, Step
from scresist.run.steps import STEPS
from scresist.run.store import Store, hash_files, locked
from scresist.study import Study

NAMES = tuple(step.name for step in STEPS)
MODES = ("sound", "parity")
OWN = frozenset({".state", "report.html", "cohort.h5ad", "claims.csv", "run.json", "tables", "figures", "network.zip",
                 "second_cohort"})  # fmt: skip
PACKAGES = ("anndata", "harmonypy", "igraph", "numba", "numpy", "pandas", "scanpy", "scikit-learn", "scipy",
            "umap-learn")  # fmt: skip


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
        Results folder; it is made if it does not exist.
    until
        The last step to run; None runs all. The folder then has the page and the cohort as far as they go.
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
        For an unknown step or mode, a marker or ligand-receptor table that cannot be used, an `out` that contains other
        files, or a folder into which another run is writing.
    """
    require_choice(mode, MODES, "mode")
    if until is not None:
        require_choice(until, NAMES, "until")
    require_files(study)
    out = Path(out)
    _check_folder(out)
    with locked(out / ".state"):
        context = Context(0, workers, scheduler, mode, {"calibrate": calibrate})
        return _run_locked(study, out, until, context, say, fresh=fresh)


def _run_locked(
    study: Study, out: Path, until: str | None, options: Context, say: Callable[[str], None], *, fresh: bool
) -> Path:
    store, state = Store(out / ".state"), State(out)
    inputs = {step.name: hash_files(step.files(study)) for step in STEPS}
    option_values = {step.name: _option(step, store, options, fresh=fresh) for step in STEPS}
    prints = fingerprints(STEPS, study, inputs, options.mode, option_values)
    for step in STEPS:  # first of all, so that no result of other settings lies beside one that is made now
        if fresh or not store.is_done(step, prints[step.name]):
            store.forget(step)
    timings: list[dict[str, Any]] = []
    for step in STEPS:
        _write_run(out, study, inputs, timings, state, options.mode)  # the page reads it, and a killed run leaves it
        state.step = step.name
        if store.is_done(step, prints[step.name]):
            store.load(step, state)
            if step.restore is not None and state.cohort is not None:
                step.restore(state)
            timings.append(store.facts(step))
            say(f"{step.name}: done before")
        else:
            given = {step.option: option_values[step.name]} if step.option else {}
            context = Context(seed_of(study, step.name), options.workers, options.scheduler, options.mode, given)
            timings.append(do_step(step, state, study, context, store, prints[step.name]))
            say(f"{step.name}: {timings[-1]['seconds']:.1f} s, {timings[-1]['peak_gb']:.2f} GB")
        if step.name == until:
            break
    _write_run(out, study, inputs, timings, state, options.mode)
    if until not in (None, NAMES[-1]):
        write_page(state, study)
    return out


def _option(step: Step, store: Store, options: Context, *, fresh: bool) -> int:
    """The value of the step's option: as option_values now, else as of the result that is kept."""
    if not step.option:
        return 0
    now = options.options.get(step.option, 0)
    return now if now or fresh else int(store.facts(step).get("options", {}).get(step.option, 0))


def _check_folder(out: Path) -> None:
    if out.exists() and not out.is_dir():
        raise InputError(f"{out} is a file; --out needs the name of a folder")
    if out.exists() and not (out / ".state").exists():
        foreign = sorted(p.name for p in out.iterdir() if p.name not in OWN)
        if foreign:
            raise InputError(f"{out} contains other files ({', '.join(foreign[:5])}); name a new folder with --out")
    out.mkdir(parents=True, exist_ok=True)


def _write_run(
    out: Path, study: Study, inputs: Mapping[str, dict[str, str]], timings: list[dict[str, Any]], state: State,
    mode: str,
) -> None:  # fmt: skip
    read = {path: digest for files in inputs.values() for path, digest in files.items()}
    facts = {
        "scresist": __version__,
        "mode": mode,
        "seed": study.seed,
        "settings": study.settings.model_dump(),
        "inputs": {_shown(path, study.folder): digest for path, digest in read.items()},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "steps": [{key: t[key] for key in ("step", "seconds", "peak_gb", "fingerprint")} for t in timings],
        "genes": 0 if state.cohort is None else int(state.cohort.n_vars),
        "refusals": state.refusals,
        "notes": {name: list(result.notes) for name, result in sorted(state.results.items())},
        "methods": {name: result.method for name, result in sorted(state.results.items())},
        "problems": [p.as_dict() for p in study.problems],
    }
    write_text(json.dumps(facts, indent=1, default=str) + "\n", out / "run.json")


def _shown(path: str, folder: Path) -> str:
    """A path relative to the study, where there is one (not across drives)."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return path
