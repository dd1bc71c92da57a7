"""The commands: parse, call, report. No science, and the only place with progress and exit status."""

import json
import shutil
import sys
import time
import webbrowser
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from scresist import __version__
from scresist.checks import InputError, ScresistError, counted

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="Find what makes tumours resist a drug, from single-cell RNA sequencing, with the patient as the unit.",
)
Study = Annotated[Path, typer.Argument(help="study.toml", metavar="STUDY")]
Json = Annotated[bool, typer.Option("--json", help="print for a program to read")]
Quiet = Annotated[bool, typer.Option("--quiet", help="print nothing but errors and the result")]
# As in run.steps, which takes seconds to import.
STEP_NAMES = (
    "ingest", "quality", "embed", "annotate", "malignancy", "microenvironment", "networks", "communication", "power",
    "contrasts", "validation", "bench", "survival", "candidates", "usual_tools", "calibration", "report",
)  # fmt: skip
LINE_EVERY = 60  # seconds between two lines on how far a step is, where nothing can be written in place


def main() -> None:
    """Run a command; exit 0 when done, 1 when it failed, 2 when the inputs or the call are wrong."""
    try:
        app()
    except InputError as error:
        _stop(str(error), 2)
    except ScresistError as error:
        _stop(str(error), 1)
    except KeyboardInterrupt:
        _stop("stopped; the same command goes on where it stopped", 1)
    except BrokenPipeError:
        sys.stderr.close()
        raise SystemExit(1) from None


def _stop(message: str, status: int) -> NoReturn:
    say(message)
    raise SystemExit(status)


def say(message: str) -> None:
    """One line of progress, on standard error."""
    sys.stderr.write(message + "\n")
    sys.stderr.flush()


class Screen:
    """The lines of a run on standard error: what is done, and in place how far the step at work is.

    Parameters
    ----------
    quiet
        Print nothing but errors.
    verbose
        Print what goes to the log alone too.
    """

    def __init__(self, *, quiet: bool, verbose: bool) -> None:
        self._quiet, self._verbose = quiet, verbose
        self._in_place = sys.stderr.isatty() and not quiet
        self._told = time.monotonic()

    def say(self, text: str) -> None:
        """A line that stays."""
        if not self._quiet:
            say(text)

    def detail(self, text: str) -> None:
        """A line for those who want all of them."""
        if self._verbose:
            say(text)

    def progress(self, text: str) -> None:
        """How far the step at work is: in place on a terminal, else a line each minute; "" removes it."""
        if self._in_place:
            width = shutil.get_terminal_size().columns - 1
            sys.stderr.write(f"\r\x1b[K{text[:width]}")
            sys.stderr.flush()
        elif text and not self._quiet and time.monotonic() - self._told > LINE_EVERY:
            self._told = time.monotonic()
            say(text)


def show(text: str) -> None:
    """A result, on standard output."""
    sys.stdout.write(text + "\n")


def _version(wanted: bool) -> None:
    if wanted:
        show(f"scresist {__version__}")
        raise typer.Exit


@app.callback()
def _options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="print the version")
    ] = False,
) -> None:
    pass


@app.command()
def check(study: Study, as_json: Json = False) -> None:
    """Validate everything, compute nothing: every problem with file, row, column, value and remedy.

    Example: scresist check study.toml
    """
    from scresist.study import examine_study
    from scresist.study.problems import Problem

    found, problems = examine_study(study)
    facts: list[dict[str, Any]] = []
    if found is not None:
        from scresist.contrasts import estimable
        from scresist.reading import inspect
        from scresist.run.preflight import check_files
        from scresist.run.second import inspect_second

        inspection, own = inspect(found), check_files(found)
        problems = (*problems, *own, *inspection.problems)
        if not any(p.severity == "error" for p in own):
            problems = (*problems, *inspect_second(found, inspection.genes, inspection.prints))
        facts = inspection.table.to_dict("records")
        design = estimable(found.design).table.to_dict("records") if found.design.contrasts else []
    else:
        design = []
    errors = [p for p in problems if p.severity == "error"]
    if as_json:
        show(json.dumps({"ok": not errors, "problems": [p.as_dict() for p in problems], "samples": facts,
                         "design": design}, indent=1, default=str))  # fmt: skip
    else:
        order = {"error": 0, "warning": 1, "note": 2}
        problem: Problem
        for problem in sorted(problems, key=lambda p: order[p.severity]):
            show(str(problem))
        for row in design:
            show(f"design: {row['sentence']}")
        cells = sum(int(f["cells"]) for f in facts if f.get("cells", 0) > 0)  # NaN where a sample was not read
        show(f"{counted(len(errors), 'error')}, {counted(sum(p.severity == 'warning' for p in problems), 'warning')}; "
             f"{counted(len(facts), 'sample')}, {counted(cells, 'barcode')}")  # fmt: skip
    if errors:
        raise SystemExit(2)


@app.command()
def run(
    study: Study,
    out: Annotated[Path, typer.Option(help="results folder")] = Path("results"),
    until: Annotated[str | None, typer.Option(help=f"stop after this step: {', '.join(STEP_NAMES)}")] = None,
    start: Annotated[str | None, typer.Option("--from", help="do this step and all after it again")] = None,
    only: Annotated[str | None, typer.Option(help="do this step alone; those before it must be done")] = None,
    workers: Annotated[int, typer.Option(min=1, help="threads for work that is independent per sample")] = 1,
    scheduler: Annotated[str | None, typer.Option(help="address of a Dask cluster")] = None,
    mode: Annotated[
        str, typer.Option(help="sound: patients are the unit; parity: numbers of hdWGCNA and CellChat")
    ] = "sound",
    calibrate: Annotated[int, typer.Option(min=0, help="shuffles of the patients to measure the error rate with")] = 0,
    fresh: Annotated[bool, typer.Option("--fresh", help="do every step again")] = False,
    quiet: Quiet = False,
    verbose: Annotated[bool, typer.Option("--verbose", help="print what else goes to results/run.log")] = False,
    as_json: Json = False,
) -> None:
    """Run a study; killed and started again, it goes on at the first unfinished step.

    Example: scresist run study.toml --out results --workers 4

    A step that fails costs that step and those that need it: the page is still made, the status is 1, and the traceback
    is in results/run.log.
    """
    from scresist.run import run_study as run_pipeline
    from scresist.study import read_study

    read = read_study(study)
    screen = Screen(quiet=quiet, verbose=verbose)
    for problem in read.problems:
        screen.say(str(problem))
    _say_design(read, screen)
    folder = run_pipeline(
        read, out, until=until, start=start, only=only, workers=workers, scheduler=scheduler, mode=mode, fresh=fresh,
        calibrate=calibrate, say=screen.say, progress=screen.progress, detail=screen.detail,
    )  # fmt: skip
    _conclude(folder, screen, as_json=as_json)


def _say_design(study: Any, screen: Screen) -> None:
    """What the design can answer, before anything runs."""
    if study.design.contrasts:
        from scresist.contrasts import estimable

        for row in estimable(study.design).table.to_dict("records"):
            confounded = f" Confounded with: {row['confounded']}." if row["confounded"] else ""
            screen.say(f"design ({row['verdict']}): {row['sentence']}{confounded}")


def _conclude(folder: Path, screen: Screen, *, as_json: bool) -> None:
    facts = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if as_json:
        show(json.dumps(facts, indent=1))
    else:
        for refusal in facts["refusals"]:
            screen.say(f"refused: {refusal['step']}, {refusal['what']}: {refusal['reason']}")
        page = folder / "report.html"
        show(str(page if page.exists() else folder))
    _stop_where_steps_failed(folder, facts["failed"])


def _stop_where_steps_failed(folder: Path, failed: list[dict[str, Any]]) -> None:
    """Name the steps that are missing, and end with status 1, or 2 where an input is wrong."""
    if failed:
        names = ", ".join(f["step"] for f in failed)
        first = failed[0]
        say(
            f"{counted(len(failed), 'step')} missing: {names}. {first['step']}: {first['reason']}. The traceback is in "
            f"{folder / 'run.log'}; correct what it names and run the same command again: it goes on at {first['step']}"
        )
        raise SystemExit(2 if any(f["input"] for f in failed) else 1)


@app.command()
def validate(
    results: Annotated[Path, typer.Argument(help="results folder of a run")],
    study: Annotated[
        Path | None, typer.Option(help="its study.toml; default: where it was when the run was made")
    ] = None,
    ihc: Annotated[Path | None, typer.Option(help="readers' percentages per core")] = None,
    ihc_images: Annotated[Path | None, typer.Option(help="sheet of images: patient, sample, marker, image")] = None,
    her2: Annotated[Path | None, typer.Option(help="HER2 scores and in-situ hybridisation")] = None,
    mif_cells: Annotated[Path | None, typer.Option("--mif", help="cells of multiplex immunofluorescence")] = None,
    mif_images: Annotated[Path | None, typer.Option(help="patient and sample of each image")] = None,
    dose_response: Annotated[Path | None, typer.Option("--dose", help="dose-response of cell lines")] = None,
    kinetics: Annotated[Path | None, typer.Option(help="release of payload, or rates of an enzyme")] = None,
    combinations: Annotated[Path | None, typer.Option(help="two drugs together")] = None,
    readouts: Annotated[Path | None, typer.Option(help="growth, colonies, apoptosis, internalisation")] = None,
    qpcr: Annotated[Path | None, typer.Option(help="cycles of quantitative PCR")] = None,
    blot: Annotated[Path | None, typer.Option(help="signals of Western blots")] = None,
    bulk: Annotated[Path | None, typer.Option(help="expression of an external cohort, genes x samples")] = None,
    quiet: Quiet = False,
) -> None:
    """Add bench files or an external cohort that came after the run; what does not depend on them is not done again.

    Example: scresist validate results --ihc ihc.csv --dose dose_response.csv
    """
    from scresist.run import run_study as run_pipeline
    from scresist.run.later import with_files

    given = {"ihc": ihc, "ihc_images": ihc_images, "her2": her2, "mif_cells": mif_cells, "mif_images": mif_images,
             "kinetics": kinetics, "dose_response": dose_response, "combinations": combinations, "readouts": readouts,
             "qpcr": qpcr, "blot": blot, "bulk": bulk}  # fmt: skip
    read, mode, lines = with_files(results, {k: v for k, v in given.items() if v is not None}, study)
    screen = Screen(quiet=quiet, verbose=False)
    folder = run_pipeline(read, results, mode=mode, workers=2, say=screen.say, progress=screen.progress,
                          detail=screen.detail)  # fmt: skip
    screen.say(f"to keep them in the next run, add under [validation] of {read.path}:\n{lines}")
    _conclude(folder, screen, as_json=False)


@app.command()
def init(
    folder: Annotated[Path, typer.Argument(help="folder with the matrices, searched with its subfolders")],
    out: Annotated[Path | None, typer.Option(help="where the files are written; default: the folder")] = None,
    arms: Annotated[str, typer.Option(help="names of the arms, the reference first")] = "baseline,primary,acquired",
    organism: Annotated[str, typer.Option(help="human | mouse")] = "human",
) -> None:
    """Find matrices under a folder, and write samples.csv, patients.csv and study.toml to fill in.

    Example: scresist init data --arms baseline,resistant
    """
    from scresist.checks import require_choice
    from scresist.reading.begin import begin

    require_choice(organism, ("human", "mouse"), "--organism")
    names = tuple(dict.fromkeys(name.strip() for name in arms.split(",") if name.strip()))
    if len(names) < 2:
        raise InputError(f"--arms needs at least two names separated by commas; got {arms!r}")
    written = begin(folder, out=out, arms=names, organism=organism)
    for path in written:
        show(str(path))
    say(f"fill in what is empty in {written[0].name} and {written[1].name}, then: scresist check {written[2]}")


@app.command()
def report(
    results: Annotated[Path, typer.Argument(help="results folder")],
    anonymise: Annotated[
        bool, typer.Option("--anonymise", help="other names for patients and samples, in report_anonymous.html")
    ] = False,
) -> None:
    """Rebuild the page from the tables.

    Example: scresist report results --anonymise
    """
    from scresist.report import write

    show(str(write(results, anonymise=anonymise)))


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="folder for the cohort and its results")] = Path("scresist-demo"),
    seed: Annotated[int, typer.Option(min=0)] = 1,
    show_page: Annotated[bool, typer.Option("--open/--no-open", help="open the report in a browser")] = False,
    quiet: Quiet = False,
) -> None:
    """Simulate a small cohort with planted truth, run the study on it, and compare.

    Example: scresist demo --out demo --open
    """
    from scresist.results import write_table
    from scresist.run import run_study as run_pipeline
    from scresist.simulate import Plan, simulate, write_bench, write_cohort
    from scresist.simulate.recovery import compare
    from scresist.study import read_study

    cohort = out / "cohort"
    if not (cohort / "study.toml").exists():
        say("simulating 18 samples of 15 patients")
        laid = simulate(Plan(cells=220, n_genes=4000, seed=seed))
        write_cohort(laid, cohort)
        write_bench(laid, cohort)
    study = read_study(cohort / "study.toml")
    if study.seed != seed:
        raise InputError(
            f"{cohort} has the cohort of seed {study.seed}, not {seed}; name another folder: "
            f"scresist demo --seed {seed} --out {out}-{seed}"
        )
    screen = Screen(quiet=quiet, verbose=False)

    def write_planted(results: Path) -> None:
        write_table(compare(results, cohort), results / "tables" / "planted.csv")

    folder = run_pipeline(
        study, out / "results", workers=2, say=screen.say, progress=screen.progress, before_page=write_planted
    )
    show(compare(folder, cohort).to_string(index=False))
    page = (folder / "report.html").resolve()
    show(f"report: {page}")
    _stop_where_steps_failed(folder, json.loads((folder / "run.json").read_text(encoding="utf-8"))["failed"])
    if show_page:
        webbrowser.open(page.as_uri())


@app.command()
def simulate(
    out: Annotated[Path, typer.Option(help="a new folder")],
    patients: Annotated[
        str, typer.Option(help="per arm: baseline=6,primary=6,acquired=6")
    ] = "baseline=6,primary=6,acquired=6",
    pairs: Annotated[int, typer.Option(min=0, help="acquired patients with a baseline sample too")] = 3,
    cells: Annotated[int, typer.Option(min=30, help="cells per sample, on average")] = 250,
    genes: Annotated[int, typer.Option(min=2500)] = 6000,
    module_effect: Annotated[float, typer.Option(help="shift of the planted programmes, in SD between cells")] = 1.5,
    composition_effect: Annotated[float, typer.Option(help="log fold change of cell types")] = 1.0,
    signal_effect: Annotated[float, typer.Option(help="log fold change of single genes")] = 1.2,
    log_hazard: Annotated[float, typer.Option(help="of progression, per unit of the primary programme")] = 1.0,
    patient_sd: Annotated[float, typer.Option(min=0, help="SD of programmes between patients")] = 0.4,
    ambient: Annotated[float, typer.Option(min=0, max=0.5, help="share of ambient counts")] = 0.05,
    doublets: Annotated[float, typer.Option(min=0, max=0.5, help="share of doublets")] = 0.03,
    decoys: Annotated[bool, typer.Option("--decoys/--no-decoys")] = True,
    null: Annotated[bool, typer.Option("--null", help="every effect 0")] = False,
    bench: Annotated[bool, typer.Option("--bench", help="IHC, mIF, dose-response and release of payload too")] = False,
    source: Annotated[
        Path | None, typer.Option("--from", help="annotated h5ad whose cells give the parameters")
    ] = None,
    groupby: Annotated[str, typer.Option(help="with --from: column of the cell types")] = "cell_type",
    patient: Annotated[str, typer.Option(help="with --from: column of the patients")] = "patient",
    malignant: Annotated[str | None, typer.Option(help="with --from: the type that carries the programmes")] = None,
    add: Annotated[str, typer.Option(help="with --from: copy number,ambient,doublets, what the real cells lack")] = "",
    module_size: Annotated[int, typer.Option(min=5, help="genes of a programme")] = 60,
    like: Annotated[
        Path | None, typer.Option(help="folder of a simulated cohort: the same genes and programmes, new patients")
    ] = None,
    seed: Annotated[int, typer.Option(min=0)] = 1,
) -> None:
    """A cohort with planted truth, as 10x files and sheets; with --from, over parameters estimated from real cells.

    Example: scresist simulate --out cohort --patients baseline=8,primary=8,acquired=8
    """
    from scresist.simulate import Plan, write_bench, write_cohort
    from scresist.simulate import read_plan as plan_of
    from scresist.simulate import simulate as lay_out

    plan = Plan(
        patients=_counts(patients), pairs=pairs, cells=cells, n_genes=genes, module_effect=module_effect,
        composition_effect=composition_effect, signal_effect=signal_effect, log_hazard=log_hazard,
        patient_sd=patient_sd, ambient=ambient, doublets=doublets, decoys=decoys, seed=seed, module_size=module_size,
    )  # fmt: skip
    plan = plan.null() if null else plan
    if source is None:
        laid = lay_out(plan, like=None if like is None else plan_of(like))
        path = write_cohort(laid, out)
        if bench:
            write_bench(laid, out)
        show(str(path))
        return
    if bench:
        raise InputError("--bench and --from exclude each other: bench files follow the planted programmes")
    if like is not None:
        raise InputError("--like and --from exclude each other: give the folder of a simulated cohort, or real cells")
    from scresist.simulate import estimate_profiles, simulate_from

    fitted = estimate_profiles(_h5ad(source), groupby=groupby, patient=patient)
    for note in fitted.notes:
        say(note)
    wanted = [name.strip() for name in add.split(",") if name.strip()]
    show(str(write_cohort(simulate_from(fitted, plan, malignant=malignant, add=wanted), out)))


def _h5ad(path: Path) -> Any:
    import anndata

    if not path.exists():
        raise InputError(f"{path} does not exist; give an annotated h5ad with raw counts")
    return anndata.read_h5ad(path)


def _counts(text: str) -> dict[str, int]:
    pairs = [part.partition("=") for part in text.split(",")]
    if not all(name.strip() and number.strip().isdigit() for name, _, number in pairs):
        raise InputError(f"--patients needs arm=number pairs separated by commas; got {text!r}")
    return {name.strip(): int(number) for name, _, number in pairs}


@app.command()
def power(
    study: Annotated[
        Path | None, typer.Argument(help="study.toml; its contrasts are the designs", metavar="STUDY")
    ] = None,
    patients: Annotated[str | None, typer.Option(help="per arm, one design each: 4,6,8,12")] = None,
    pairs: Annotated[int, typer.Option(min=0, help="patients with a sample in both arms")] = 0,
    cells: Annotated[float | None, typer.Option(min=1, help="cells per sample")] = None,
    effect: Annotated[str, typer.Option(help="effect to find: module=1,gene=1,composition=1,hazard=2")] = "",
    patient_sd: Annotated[str, typer.Option(help="between patients: module=0.4,gene=0.6,composition=0.6")] = "",
    family: Annotated[
        str, typer.Option(help="tests that q is over: module=12,gene=5000,composition=14,hazard=12")
    ] = "",
    correlation: Annotated[float | None, typer.Option(help="of two samples of one patient")] = None,
    pilot: Annotated[Path | None, typer.Option(help="annotated h5ad from which the assumptions are estimated")] = None,
    groupby: Annotated[str, typer.Option(help="with --pilot: column of the cell types")] = "cell_type",
    malignant: Annotated[str, typer.Option(help="with --pilot: the malignant type")] = "malignant",
    simulations: Annotated[int, typer.Option("--simulate", min=0, help="cohorts to check the formulas with")] = 0,
    seed: Annotated[int, typer.Option(min=0)] = 1,
    as_json: Json = False,
) -> None:
    """What a design can and cannot find: chance to find an effect, and the smallest effect found 8 times in 10.

    Example: scresist power --patients 4,6,8,12
    """
    from scresist.power import Assumptions, pilot_assumptions
    from scresist.power.assumptions import change
    from scresist.power.detection import power as judge
    from scresist.power.detection import power_text
    from scresist.study import read_study

    if (study is None) == (patients is None):
        raise InputError("scresist power needs a study.toml or --patients 4,6,8,12, one of the two")
    start = Assumptions()
    if pilot is not None:
        start = pilot_assumptions(_h5ad(pilot), start, groupby=groupby, malignant=malignant)
    plan = change(
        start, effect=_numbers(effect, "--effect"), patient_sd=_numbers(patient_sd, "--patient-sd"),
        family=_numbers(family, "--family"), cells=cells, correlation=correlation,
    )  # fmt: skip
    sizes = [n.strip() for n in (patients or "").split(",")] if study is None else []
    if not all(n.isdigit() for n in sizes):
        raise InputError(f"--patients needs numbers per arm separated by commas (4,6,8,12); got {patients!r}")
    found = judge(
        plan, patients=[int(n) for n in sizes], pairs=pairs, study=None if study is None else read_study(study),
        simulations=simulations, rng=seed,
    )  # fmt: skip
    if as_json:
        rows = json.loads(found.table.to_json(orient="records", double_precision=10))
        show(json.dumps({"designs": rows, "settings": dict(found.settings), "notes": found.notes}, indent=1))
        return
    for note in found.notes:
        say(note)
    show(power_text(found.table))


def _numbers(text: str, option: str) -> dict[str, float]:
    """name=number pairs of an option."""
    found = {}
    for part in filter(None, text.split(",")):
        name, _, number = part.partition("=")
        try:
            found[name.strip()] = float(number)
        except ValueError:
            raise InputError(f"{option} needs name=number pairs separated by commas; got {part!r}") from None
    return found


@app.command()
def export(
    results: Annotated[Path, typer.Argument(help="results folder of a run")],
    to: Annotated[str, typer.Option(help="seurat | cellxgene | loom")],
    out: Annotated[Path | None, typer.Option(help="file or folder to write")] = None,
    term: Annotated[
        list[str] | None, typer.Option(help="with cellxgene: ontology term of all cells, tissue=UBERON:0000945")
    ] = None,
) -> None:
    """Write the cells of a run for another program: counts, labels and embeddings.

    Example: scresist export results --to cellxgene --out cells.h5ad --term tissue=UBERON:0000945
    """
    from scresist.exchange import export as write_for

    pairs = [part.partition("=") for part in term or []]
    if not all(name and value for name, _, value in pairs):
        raise InputError(f"--term needs name=TERM; got {', '.join(term or [])!r}")
    path, notes = write_for(results, to, out=out, terms={name: value for name, _, value in pairs})
    for note in notes:
        say(note)
    show(str(path))


@app.command()
def resources(
    name: Annotated[str | None, typer.Argument(help="one of them, to print it")] = None,
    as_json: Json = False,
) -> None:
    """List what is shipped, with source and licence; or print one of them.

    Example: scresist resources hallmark
    """
    from scresist import resources as shipped

    if name is None:
        table = shipped.sources()
        show(table.to_json(orient="records", indent=1) if as_json else table.to_string(index=False))
        return
    show(shipped.text(name).rstrip("\n"))
