"""A study: the settings, the sheets and the design, read once, checked whole, and then frozen."""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from pydantic import ValidationError

from scresist.checks import suggestion
from scresist.results import Brief
from scresist.study.arms import derive_arms
from scresist.study.cell_names import check_cell_names
from scresist.study.design import Contrast, Design
from scresist.study.problems import Problem, Problems, StudyError
from scresist.study.settings import BENCH_FILES, ContrastSection, Settings
from scresist.study.sheet_checks import check_design, check_patients, check_roles, check_samples
from scresist.study.sheets import LINE, read_sheet, read_text
from scresist.study.timing import fill_by_arm, when_taken
from scresist.study.values import blank_missing, check_values
from scresist.tables import TABLES

BATCHES = ("batch", "site", "chemistry")
# Columns whose values name something, also where they are numbered: batch 3 is not three times batch 1.
WORDS = frozenset({
    "patient", "arm", "path", "raw_path", "protein_path", "sample", "taken", "timepoint", *BATCHES, "plate", "run",
    "lane", "pool", "library", "centre", "center", "cohort", "sex", "operator", "flowcell", "chip",
})  # fmt: skip

# Columns of patients that are checked one by one, with words of their own.
_CHECKED = frozenset({"best_response", "pfs_months", "pfs_event", "os_months", "os_event"})


@dataclass(frozen=True, slots=True, repr=False)
class Study(Brief):
    """Everything a run needs to know, checked.

    `samples` is indexed by sample (patient, arm, path, `taken`, and the other columns of the sheet; patient columns are
    joined on where the names do not clash); `patients` by patient. `problems` are the warnings and notes of the
    reading, in order. `later` has, by setting of `[validation]`, a sentence on each file that is not of study.toml but
    was given after the run.
    """

    path: Path
    settings: Settings
    design: Design
    samples: pd.DataFrame
    patients: pd.DataFrame
    problems: tuple[Problem, ...] = ()
    later: Mapping[str, str] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the study."""
        return self.settings.study.name

    @property
    def seed(self) -> int:
        """The seed every step derives its own from."""
        return self.settings.study.seed

    @property
    def folder(self) -> Path:
        """The folder that paths in the study are relative to."""
        return self.path.parent


def read_study(path: str | Path) -> Study:
    """Read and check a study file and its sheets; the matrices are read by `ingest`.

    Parameters
    ----------
    path
        study.toml.

    Raises
    ------
    StudyError
        With every problem found, each with file, row, column, value and remedy.
    """
    study, problems = examine_study(Path(path))
    if study is None:
        raise StudyError(problems)
    return study


def examine_study(path: Path) -> tuple[Study | None, tuple[Problem, ...]]:
    """The study where it has no errors, and every problem of the settings and the sheets in one pass.

    Parameters
    ----------
    path
        study.toml.
    """
    problems = Problems()
    settings = _read_settings(path, problems)
    if settings is None:
        return None, tuple(problems)
    samples_file, patients_file = settings.study.samples, settings.study.patients
    samples = read_sheet(path.parent / samples_file, samples_file, problems, ("sample", "patient", "arm", "path"))
    patients = None
    if patients_file is not None:
        patients = read_sheet(path.parent / patients_file, patients_file, problems, ("patient",))
    _check_contrast_arms(settings, path.name, problems)
    _check_primary(settings, path.name, problems)
    if samples is None or (patients_file is not None and patients is None):
        return None, tuple(problems)
    used = frozenset(settings.design.covariates)
    samples = blank_missing(samples, samples_file, problems)
    check_values(samples, samples_file, used, WORDS, problems)
    if patients is not None:
        patients = blank_missing(patients, patients_file or "", problems)
        check_values(patients, patients_file or "", used, WORDS | _CHECKED | set(settings.endpoint_columns), problems)
        check_patients(patients, patients_file or "", settings, problems)
    samples = samples.assign(taken=when_taken(samples, patients, settings, problems))
    samples = derive_arms(samples, patients, settings, problems)
    samples = samples.assign(taken=fill_by_arm(samples, settings, problems))
    check_samples(samples, patients, settings, problems, folder=path.parent)
    joined, table = _join(samples, patients)
    if not problems.errors:
        check_design(joined, settings, path.name, problems)
        check_roles(joined, settings, path.name, problems)
    _check_focus(settings, path, problems)
    check_cell_names(settings, path.parent, path.name, problems)
    if problems.errors:
        return None, tuple(problems)
    contrasts = tuple(
        Contrast(n, c.test, c.reference, c.pairing, c.role, tuple(c.order))
        for n, c in settings.design.contrasts.items()
    )
    batches = tuple(c for c in BATCHES if c in joined and c not in settings.design.covariates)
    design = Design(
        tuple(settings.design.arms), contrasts, joined, tuple(settings.design.covariates), batches,
        settings.design.primary,
    )  # fmt: skip
    return Study(path.absolute(), settings, design, joined, table, tuple(problems)), tuple(problems)


def _read_settings(path: Path, problems: Problems) -> Settings | None:
    text = read_text(path, path.name, problems)
    if text is None:
        return None
    try:
        raw = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        line = re.search(r"at line (\d+)", str(error))
        problems.error(
            path.name,
            f"this is not TOML: {error}",
            "compare with the example in the README",
            row=int(line.group(1)) if line else None,
        )
        return None
    try:
        return Settings.model_validate(raw)
    except ValidationError as error:
        for detail in error.errors():
            _add_setting(detail, text, path.name, problems)
        return None


def _add_setting(detail: object, text: str, file: str, problems: Problems) -> None:
    assert isinstance(detail, dict)
    location = [str(part) for part in detail["loc"] if not isinstance(part, int)]
    where, key = ".".join(location[:-1]) or "the file", location[-1]
    row = _line_of(text, location)
    if detail["type"] == "extra_forbidden":
        known = _known_keys(location[:-1])
        problems.error(file, f"unknown key {key!r} in [{where}]", suggestion(key, known), row=row, column=key)
    elif detail["type"] == "missing":
        problems.error(file, f"[{where}] lacks {key!r}", f"add {key} = ...", row=row, column=key)
    elif detail["type"] == "value_error":  # settings of one section that exclude each other
        problems.error(
            file,
            f"[{'.'.join(location)}]: {detail['ctx']['error']}",
            f"correct the section {'.'.join(location)}",
            row=row,
        )
    else:
        problems.error(
            file,
            f"{key}: {detail['msg'].lower()}",
            f"correct {'.'.join(location)}",
            row=row,
            column=key,
            value=detail["input"],
        )


def _known_keys(location: list[str]) -> list[str]:
    model: object = Settings
    for part in location:
        fields = getattr(model, "model_fields", {})
        if part not in fields:  # a contrast's own name
            continue
        annotation = fields[part].annotation
        inner = [a for a in getattr(annotation, "__args__", ()) if hasattr(a, "model_fields")]
        model = inner[0] if inner else annotation
    return list(getattr(model, "model_fields", {}))


def _line_of(text: str, location: list[str]) -> int | None:
    """The line that a key is on, searched below the header of its table; the header's own line where it is absent."""
    lines = text.splitlines()
    header = ".".join(location[:-1])
    start = next((i for i, line in enumerate(lines) if line.split("#")[0].strip() == f"[{header}]"), None)
    for i in range(0 if start is None else start + 1, len(lines)):
        if re.match(rf"\s*(\[.*\b)?\"?{re.escape(location[-1])}\"?\s*(=|\])", lines[i]):
            return i + 1
        if start is not None and lines[i].lstrip().startswith("["):
            break
    return None if start is None else start + 1


def _check_contrast_arms(settings: Settings, file: str, problems: Problems) -> None:
    arms = settings.design.arms
    for arm in sorted({a for a in arms if arms.count(a) > 1}):
        problems.error(file, f"the arm {arm!r} is twice in arms", "name each arm once", column="arms", value=arm)
    for name, contrast in settings.design.contrasts.items():
        for role in ("test", "reference"):
            arm = getattr(contrast, role)
            if arm not in arms:
                problems.error(
                    file,
                    f"contrast {name!r} names an arm that is not in arms",
                    suggestion(arm, arms),
                    column=role,
                    value=arm,
                )
        _check_course(name, contrast, arms, file, problems)
        if contrast.test == contrast.reference:
            problems.error(
                file,
                f"contrast {name!r} compares an arm with itself",
                "name two different arms",
                column="reference",
                value=contrast.reference,
            )


def _check_course(name: str, contrast: ContrastSection, arms: list[str], file: str, problems: Problems) -> None:
    """A course has at least three arms that there are, each once, and its ends are the two arms."""
    for arm in contrast.order:
        if arm not in arms:
            problems.error(
                file, f"contrast {name!r} names an arm that is not in arms", suggestion(arm, arms), column="order",
                value=arm,
            )  # fmt: skip
    if contrast.order and (len(set(contrast.order)) < len(contrast.order) or len(contrast.order) < 3):
        problems.error(
            file, f"the order of contrast {name!r} needs at least three arms, each once",
            "give the arms from the first to the last; two arms are compared with test and reference",
            column="order", value=", ".join(contrast.order),
        )  # fmt: skip
    elif contrast.order and (contrast.order[0], contrast.order[-1]) != (contrast.reference, contrast.test):
        problems.error(
            file, f"test and reference of contrast {name!r} are not the last and first arm of its order",
            "drop test and reference: the order gives them", column="order", value=", ".join(contrast.order),
        )  # fmt: skip


def _check_primary(settings: Settings, file: str, problems: Problems) -> None:
    """The primary question names kinds of claim or contrasts that there are."""
    kinds = sorted({table.kind for table in TABLES.values() if table.kind})
    parts = [part.strip() for part in settings.design.primary.split(":")] if settings.design.primary else []
    known = [*kinds, *settings.design.contrasts]
    for part in parts:
        if part not in known:
            problems.error(
                file,
                "the primary question is neither a kind of claim nor a contrast",
                f'{suggestion(part, known)}; kinds are {", ".join(kinds)}; both together: "modules: CONTRAST"',
                column="primary",
                value=settings.design.primary,
            )
    if len(parts) > 2 or (len(parts) == 2 and sum(part in kinds for part in parts) != 1):
        problems.error(
            file,
            "the primary question has more than a kind of claim and a contrast",
            'give one kind, one contrast, or both as "modules: CONTRAST"',
            column="primary",
            value=settings.design.primary,
        )
    if "survival" in parts and not settings.survival:
        problems.error(
            file, "the primary question is survival but there is no [survival]",
            "add the section with time and event", column="primary", value=settings.design.primary,
        )  # fmt: skip


def _check_focus(settings: Settings, path: Path, problems: Problems) -> None:
    if settings.annotate.markers is not None and not (path.parent / settings.annotate.markers).exists():
        problems.error(
            path.name,
            "the marker table does not exist",
            "correct the path, relative to study.toml",
            column="annotate.markers",
            value=settings.annotate.markers,
        )
    if settings.networks.correlation == "latent" and settings.networks.values == "log":
        problems.error(
            path.name, 'networks.correlation = "latent" is of counts of cells, and values = "log" are of metacells',
            'set values = "residuals", or another correlation', column="correlation", value="latent",
        )  # fmt: skip
    for key in ("cohort", "bulk", *BENCH_FILES):
        given = getattr(settings.validation, key)
        for file in [] if given is None else given if isinstance(given, list) else [given]:
            if not (path.parent / file).exists():
                problems.error(
                    path.name, f"the file of validation.{key} does not exist", "correct the path", column=key,
                    value=file,
                )  # fmt: skip


def _join(samples: pd.DataFrame, patients: pd.DataFrame | None) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Samples with the columns of their patient, and patients; both typed and indexed by their name."""
    table = samples.drop(columns=LINE).drop_duplicates("sample").set_index("sample")
    if patients is None:
        people = pd.DataFrame(index=pd.Index(sorted(table["patient"].unique()), name="patient"))
        return _typed(table), people
    people = patients.drop(columns=LINE).drop_duplicates("patient").set_index("patient")
    extra = people[[c for c in people.columns if c not in table.columns]]
    return _typed(table.join(extra, on="patient")), _typed(people)


def _typed(table: pd.DataFrame) -> pd.DataFrame:
    """Columns whose every given value is a number become floats, but for those that name things; "" becomes missing."""
    out = {}
    for name in table.columns:
        values = table[name].replace("", None)
        number = pd.to_numeric(values, errors="coerce")
        is_number = name not in WORDS and values.notna().any() and (number.notna() == values.notna()).all()
        out[name] = number.astype(float) if is_number else values.astype(object)
    return pd.DataFrame(out, index=table.index)
