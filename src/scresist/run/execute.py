"""One step at work: its fingerprint, its seed, its body, and what is kept of it."""

import os
import sys
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from scresist import __version__
from scresist.run.step import Context, State, Step
from scresist.run.store import Store, fingerprint, slot_names
from scresist.study import Study


def fingerprints(
    steps: Sequence[Step],
    study: Study,
    inputs: Mapping[str, dict[str, str]],
    mode: str,
    option_values: Mapping[str, int],
    missing: Collection[str] = (),
) -> dict[str, str]:
    """What identifies the result of each step: all that its record names, and the steps it follows.

    Parameters
    ----------
    steps
        In their order, with every step that one of them follows.
    study
        Its settings and sheets.
    inputs
        Digest of every file that a step reads, by step.
    mode
        sound | parity.
    option_values
        Value of the option of each step.
    missing
        Steps that failed: what is made without them is not what is made with them.
    """
    prints: dict[str, str] = {}
    for step in steps:
        above = [f"without {name}" if name in missing else prints[name] for name in step.after]
        prints[step.name] = fingerprint(
            step.name, __version__, mode if step.mode else "", study.seed, sorted(inputs[step.name].values()),
            option_values[step.name], step.reads(study), above,
        )  # fmt: skip
    return prints


def seed_of(study: Study, name: str) -> int:
    """A step's seed depends on the study's and its own name, so that adding a step moves no other."""
    return int(np.random.default_rng([study.seed, *name.encode()]).integers(2**31))


def do_step(
    step: Step, state: State, study: Study, context: Context, store: Store, print_: str, *, within: bool = False
) -> dict[str, Any]:
    """Run the body of a step, keep what it made, and return the facts that are kept with it.

    `within` is for a step that is done within another one, whose peak of memory goes on.
    """
    before, earlier, refused = slot_names(state.cohort), dict(state.results), len(state.refusals)
    if not within:
        _reset_peak()
    started = time.perf_counter()
    step.body(state, study, context)
    facts = {
        "step": step.name,
        "fingerprint": print_,
        "seconds": round(time.perf_counter() - started, 2),
        "peak_gb": round(_peak_gb(), 3),
        "refusals": state.refusals[refused:],
        "tables": sorted(name for name, result in state.results.items() if earlier.get(name) is not result),
        "options": dict(context.options),
    }
    store.save(step, state, facts, before)
    # Go on from what was kept: a run that was interrupted here and one that was not must agree to the last bit.
    store.reload(step, state)
    return facts


def _reset_peak() -> None:
    peak = Path("/proc/self/clear_refs")
    if peak.exists() and os.access(peak, os.W_OK):
        peak.write_text("5")


def _peak_gb() -> float:
    """Peak memory since the last reset where the system reports it (Linux), else of the whole process."""
    status = Path("/proc/self/status")
    if status.exists():
        lines = dict(line.split(":", 1) for line in status.read_text().splitlines() if ":" in line)
        if "VmHWM" in lines:
            return float(lines["VmHWM"].split()[0]) / 1e6
    if sys.platform == "win32":
        import psutil

        return float(psutil.Process().memory_info().peak_wset) / 1e9
    import resource

    scale = 1e9 if sys.platform == "darwin" else 1e6
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss) / scale
