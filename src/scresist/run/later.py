"""Files that come after a run: the study of a results folder, with them named in its settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from scresist.checks import InputError
from scresist.run.preflight import require_files
from scresist.study import Study, StudyError, read_study
from scresist.study.problems import Problem

NAMED = {"mif_cells": "--mif", "dose_response": "--dose"}  # options that are not named as their setting


def with_files(results: Path, files: Mapping[str, Path], study: Path | None = None) -> tuple[Study, str, str]:
    """The study of a run with further files of `[validation]`, its mode, and the lines to add to study.toml.

    Files that earlier calls added stay; of one assay, the file that is given now replaces an earlier one.

    Parameters
    ----------
    results
        Folder of a finished run.
    files
        By setting of `[validation]`.
    study
        Its study.toml, where it is no longer where it was.

    Raises
    ------
    InputError
        If the folder is no run, the study is not found, no file is given, or one does not exist.
    StudyError
        If a file cannot be used.
    """
    facts = results / "run.json"
    if not facts.exists():
        raise InputError(f"{results} has no run.json; give the results folder of `scresist run`")
    if not files:
        raise InputError("no file is given; scresist validate --help lists what can be added, such as --ihc ihc.csv")
    for key, file in files.items():
        if not file.is_file():
            raise InputError(f"{file} ({_option(key)}) does not exist; correct the path")
    run = json.loads(facts.read_text(encoding="utf-8"))
    path = study or results / str(run.get("study", ""))
    if not path.is_file():
        raise InputError(f"the study of {results} is not at {path}; give it: scresist validate {results} --study FILE")
    read = read_study(path)
    earlier = {key: _found(results / name, read.folder / run["settings"]["validation"][key])
               for key, name in run.get("later", {}).items()}  # fmt: skip
    for key, file in earlier.items():
        if key not in files and not file.is_file():
            raise InputError(
                f"{results} has {file.name} ({_option(key)}) of an earlier scresist validate, and it is no longer at "
                f"{file}; give it again, or leave out what was added: scresist run {path} --out {results}"
            )
    named = {key: _from(file, read.folder) for key, file in (earlier | dict(files)).items()}
    later = {key: _sentence(key, name, earlier.get(key), getattr(read.settings.validation, key), given=key in files)
             for key, name in named.items()}  # fmt: skip
    section = read.settings.validation.model_copy(update=named)
    changed = replace(read, settings=read.settings.model_copy(update={"validation": section}), later=later)
    try:
        require_files(changed)
    except StudyError as error:
        raise StudyError([_at_its_file(p, files) for p in error.problems]) from error
    lines = "\n".join(f'{key} = "{value}"' for key, value in named.items())
    return changed, str(run.get("mode", "sound")), lines


def _at_its_file(problem: Problem, files: Mapping[str, Path]) -> Problem:
    """A problem of a file that is given now is in that file, not in study.toml, which does not name it."""
    key = (problem.column or "").removeprefix("validation.")
    if key not in files:
        return problem
    message = problem.message.removeprefix(f"{problem.column} cannot be used: ")
    return replace(problem, file=f"{files[key]} ({_option(key)})", message=message, column=None, value=None)


def _found(beside_results: Path, beside_study: Path) -> Path:
    """Where an earlier file is: as seen from the results, or, where those were moved, from the study."""
    return beside_study if not beside_results.is_file() and beside_study.is_file() else beside_results


def _option(key: str) -> str:
    return NAMED.get(key, f"--{key.replace('_', '-')}")


def _from(file: Path, folder: Path) -> str:
    return Path(os.path.relpath(file.resolve(), folder.resolve())).as_posix()


def _sentence(key: str, name: str, earlier: Path | None, own: str | list[str] | None, *, given: bool) -> str:
    """What becomes of a file: added, kept, or in the place of another."""
    if not given:
        return f"{key}: {name}, which was added earlier, is kept"
    if earlier is not None:
        return f"{key}: {name} replaces {earlier.name}, which was added earlier"
    if own is not None:
        return f"{key}: {name} replaces {own if isinstance(own, str) else ', '.join(own)} of study.toml"
    return f"{key}: {name} is added"
