"""Run a study: each step in its order, with its own seed, resumed where an earlier run stopped."""

import json
import os
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from scresist import __version__
from scresist.checks import InputError, RefusedError, ScresistError, require_choice
from scresist.results import write_text
from scresist.run.bodies.report import write_page
from scresist.run.execute import do_step, fingerprints, seed_of
from scresist.run.log import LOG, Log
from scresist.run.preflight import require_files
from scresist.run.step import Context, State, Step
from scresist.run.steps import STEPS
from scresist.run.store import Store, hash_files, locked, slot_names
from scresist.study import Study

NAMES = tuple(step.name for step in STEPS)
MODES = ("sound", "parity")
OWN = frozenset({
    ".state", "report.html", "report_anonymous.html", "cohort.h5ad", "claims.csv", "run.json", "tables", "figures",
    "overlays", "network.zip", "second_cohort", LOG,
})  # fmt: skip
PACKAGES = ("anndata", "harmonypy", "igraph", "numba", "numpy", "pandas", "scanpy", "scikit-learn", "scipy",
            "umap-learn")  # fmt: skip


def run_study(
    study: Study,
    out: str | Path = "results",
    *,
    until: str | None = None,
    start: str | None = None,
    only: str | None = None,
    workers: int = 1,
    scheduler: str | None = None,
    mode: str = "sound",
    fresh: bool = False,
    calibrate: int = 0,
    say: Callable[[str], None] = lambda _: None,
    progress: Callable[[str], None] = lambda _: None,
    detail: Callable[[str], None] = lambda _: None,
    before_page: Callable[[Path], None] | None = None,
) -> Path:
    """Run a study into a results folder; steps that are done with the same inputs and settings are not done again.

    A step that fails costs that step and those that need its result: the others are done, and the page is made. Which
    are missing, and why, is in `run.json` (`failed`); the traceback is in `run.log`.

    Parameters
    ----------
    study
        From `read_study`.
    out
        Results folder; it is made if it does not exist.
    until
        The last step to run; None runs all. The folder then has the page and the cohort as far as they go.
    start
        The step from which on every step is done again; those before it are done where they are not.
    only
        The one step to do, again where it is done; those before it must be done.
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
        Receives one line at a time: a step that is done, or failed.
    progress
        Receives a line on how far the step at work is, again and again; "" when there is none any more.
    detail
        Receives what else goes to `run.log`: warnings of other libraries, tracebacks.
    before_page
        Is given the folder when all its tables are there: what it adds to them is on the page.

    Returns
    -------
    The results folder.

    Raises
    ------
    InputError
        For an unknown step or mode, a marker or ligand-receptor table that cannot be used, an `out` that contains other
        files, or a folder into which another run is writing.
    ScresistError
        If the matrices cannot be read.
    """
    require_choice(mode, MODES, "mode")
    for name, value in (("until", until), ("start", start), ("only", only)):
        if value is not None:
            require_choice(value, NAMES, name)
    if only is not None and (until or start or fresh):
        raise InputError("only one step is done with `only`; leave out until, start (--from) and fresh")
    require_files(study)
    out = Path(out)
    _check_folder(out)
    with locked(out / ".state"):
        context = Context(0, workers, scheduler, mode, {"calibrate": calibrate}, before_page)
        which = _Which(until, start, only, fresh)
        return _run_locked(study, out, which, context, Log(out / LOG, say, progress, detail))


@dataclass(frozen=True, slots=True)
class Failure:
    """Why a step is missing; `input` is whether the inputs or the settings are wrong."""

    reason: str
    input: bool = False


@dataclass(frozen=True, slots=True)
class _Which:
    """The steps that are wanted."""

    until: str | None
    start: str | None
    only: str | None
    fresh: bool

    def again(self, name: str) -> bool:
        """Whether a step is done again although it is done."""
        after_start = self.start is not None and NAMES.index(name) >= NAMES.index(self.start)
        return self.fresh or after_start or name == self.only

    @property
    def last(self) -> str:
        """The last step of the run."""
        return self.until or NAMES[-1]


def _run_locked(study: Study, out: Path, which: _Which, options: Context, log: Log) -> Path:
    store, state, failed = Store(out / ".state"), State(out), dict[str, Failure]()
    inputs = {step.name: hash_files(step.files(study)) for step in STEPS}
    option_values = {step.name: _option(step, store, options, fresh=which.fresh) for step in STEPS}
    prints = fingerprints(STEPS, study, inputs, options.mode, option_values)
    done = {step.name for step in STEPS if store.is_done(step, prints[step.name]) and not which.again(step.name)}
    _require_before(which.only, done)
    for step in STEPS:  # first of all, so that no result of other settings lies beside one that is made now
        if step.name not in done:
            store.forget(step)
    for sentence in study.later.values():
        log.line(sentence)
    timings: list[dict[str, Any]] = []
    for step in STEPS:
        _write_run(
            out, study, inputs, timings, state, options.mode, failed
        )  # the page reads it; a killed run leaves it
        state.step = step.name
        if step.name in done and store.is_done(step, prints[step.name]):
            store.load(step, state)
            if step.restore is not None and state.cohort is not None:
                step.restore(state)
            timings.append(store.facts(step))
            log.line(f"{step.name}: done before")
        elif which.only in (None, step.name):
            given = {step.option: option_values[step.name]} if step.option else {}
            context = Context(
                seed_of(study, step.name), options.workers, options.scheduler, options.mode, given, options.before_page
            )
            facts = _attempt(step, state, study, context, store, prints[step.name], failed, log)
            if facts is None:
                prints = fingerprints(STEPS, study, inputs, options.mode, option_values, failed)
            else:
                timings.append(facts)
                log.line(f"{step.name}: {facts['seconds']:.1f} s, {facts['peak_gb']:.2f} GB")
        if step.tells is not None and step.name not in failed:
            for sentence in step.tells(state, study):
                log.line(f"warning: {sentence}")
        if step.name == which.last:
            break
    _write_run(out, study, inputs, timings, state, options.mode, failed)
    if which.last != NAMES[-1] or which.only not in (None, NAMES[-1]):
        write_page(state, study, options)
    return out


def _require_before(only: str | None, done: Collection[str]) -> None:
    """The steps before the one that is to be done alone must be done."""
    before = NAMES[: NAMES.index(only)] if only is not None else ()
    missing = [name for name in before if name not in done]
    if missing:
        raise InputError(
            f"the step {only} needs the steps before it, and {', '.join(missing)} "
            f"{'is' if len(missing) == 1 else 'are'} not done with these inputs and settings; run: "
            f"scresist run STUDY --until {only}"
        )


def _attempt(
    step: Step, state: State, study: Study, context: Context, store: Store, print_: str, failed: dict[str, Failure],
    log: Log,
) -> dict[str, Any] | None:  # fmt: skip
    """Do a step; where it fails, or needs one that did, what it left is removed and the reason is added to `failed`.

    This is the one place that catches whatever a step raises.
    """
    store.forget(step)
    needed = [name for name in step.needed if name in failed]
    if needed:
        failed[step.name] = Failure(f"it needs the result of {needed[0]}")
    else:
        before, results, refused = slot_names(state.cohort), dict(state.results), len(state.refusals)
        try:
            with log.step(step.name, step.meaning):
                return do_step(step, state, study, context, store, print_)
        except Exception as error:
            log.error(step.name, error)
            if state.cohort is None:  # the matrices: without them there is no page
                if isinstance(error, ScresistError):
                    raise
                raise ScresistError(
                    f"{step.name} failed ({_words(error)}); the traceback is in {state.out / LOG}"
                ) from error
            wrong = isinstance(error, InputError) and not isinstance(error, RefusedError)
            failed[step.name] = Failure(_words(error), wrong)
            state.undo(before, results, refused)
            store.forget(step)
    log.line(f"{step.name}: FAILED, {failed[step.name].reason}")
    return None


def _words(error: Exception) -> str:
    """What a step raised, in one line; the kind of an exception that is not one of scresist's belongs to it."""
    text = " ".join(str(error).split()) or "no message"
    return text if isinstance(error, ScresistError) else f"{type(error).__name__}: {text}"


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
    mode: str, failed: Mapping[str, Failure],
) -> None:  # fmt: skip
    read = {path: digest for files in inputs.values() for path, digest in files.items()}
    facts = {
        "scresist": __version__,
        "mode": mode,
        "seed": study.seed,
        "settings": study.settings.model_dump(),
        "study": _shown(str(study.path.resolve()), out.resolve()),
        "later": {key: _later(study, key, out) for key in study.later},
        "inputs": {_shown(path, study.folder): digest for path, digest in read.items()},
        "versions": {"python": platform.python_version(), **{name: metadata.version(name) for name in PACKAGES}},
        "steps": [{key: t[key] for key in ("step", "seconds", "peak_gb", "fingerprint")} for t in timings],
        "genes": 0 if state.cohort is None else int(state.cohort.n_vars),
        "refusals": state.refusals,
        "failed": [{"step": name, "reason": f.reason, "input": f.input} for name, f in failed.items()],
        "notes": {name: list(result.notes) for name, result in sorted(state.results.items())},
        "methods": {name: result.method for name, result in sorted(state.results.items())},
        "problems": [p.as_dict() for p in study.problems],
    }
    write_text(json.dumps(facts, indent=1, default=str) + "\n", out / "run.json")


def _later(study: Study, key: str, out: Path) -> str:
    """Where a file of the bench that came after the run is, from the results folder."""
    return _shown(str((study.folder / getattr(study.settings.validation, key)).resolve()), out.resolve())


def _shown(path: str, folder: Path) -> str:
    """A path relative to the study, where there is one (not across drives)."""
    try:
        return os.path.relpath(path, folder)
    except ValueError:
        return path
