"""Files that come after a run: the study of a results folder, with them named in its settings."""

import json
import os
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from scresist.checks import InputError
from scresist.run.preflight import require_files
from scresist.study import Study, read_study


def with_files(results: Path, files: Mapping[str, Path], study: Path | None = None) -> tuple[Study, str, str]:
    """The study of a run with further files of `[validation]`, its mode, and the lines to add to study.toml.

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
        if not file.exists():
            raise InputError(f"{file} (--{key.replace('_', '-')}) does not exist; correct the path")
    run = json.loads(facts.read_text(encoding="utf-8"))
    path = study or results / str(run.get("study", ""))
    if not path.is_file():
        raise InputError(f"the study of {results} is not at {path}; give it: scresist validate {results} --study FILE")
    read = read_study(path)
    named = {
        key: Path(os.path.relpath(file.resolve(), read.folder.resolve())).as_posix() for key, file in files.items()
    }
    section = read.settings.validation.model_copy(update=named)
    changed = replace(read, settings=read.settings.model_copy(update={"validation": section}))
    require_files(changed)
    lines = "\n".join(f'{key} = "{value}"' for key, value in named.items())
    return changed, str(run.get("mode", "sound")), lines
