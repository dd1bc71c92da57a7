"""What machines keep of how scresist is written: signatures, docstrings, and the floors of the house."""

import ast
import importlib
import inspect
import pkgutil
import re
import textwrap
from pathlib import Path

import pytest

import scresist

ROOT = Path(scresist.__file__).parent
FILES = sorted(ROOT.rglob("*.py"))
MODULES = sorted(m.name for m in pkgutil.walk_packages([str(ROOT)], "scresist.") if not m.name.endswith("__main__"))
FIRST = {"cohort", "adata", "cells", "study", "net", "network", "values", "counts", "table", "design", "path", "plan"}
WORDS = re.compile(r"\b(donor|donors|subject|subjects)\b", re.IGNORECASE)


def public_functions():
    for name in MODULES:
        if ".kernels." in name or any(part.startswith("_") for part in name.split(".")):
            continue
        module = importlib.import_module(name)
        for label, item in vars(module).items():
            own = inspect.isfunction(item) and item.__module__ == name and not label.startswith("_")
            if own:
                yield f"{name}.{label}", item


@pytest.mark.parametrize("path", [p for p in FILES if p.parent.name == "kernels"], ids=lambda p: p.name)
def test_kernels_know_arrays_only(path):
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        names = (
            [a.name for a in node.names] if isinstance(node, ast.Import)
            else [node.module or ""] if isinstance(node, ast.ImportFrom) else []
        )  # fmt: skip
        for name in names:
            top = name.split(".")[0]
            assert top not in {"anndata", "pandas", "scanpy", "matplotlib", "sklearn", "statsmodels"}, name
            if top == "scresist":
                assert name.startswith(("scresist.kernels", "scresist.checks")), f"{path.name} imports {name}"
    assert not any(isinstance(n, ast.Call) and getattr(n.func, "id", "") in {"print", "open"} for n in ast.walk(tree))


def test_only_the_pipeline_knows_the_order_and_only_the_command_line_speaks():
    for path in FILES:
        text = path.read_text()
        name = str(path.relative_to(ROOT))
        if name not in {"cli.py", "__main__.py", "plots/printer.py"}:  # whose output is a pipe to what started it
            assert "sys.stdout" not in text, name
            assert "print(" not in re.sub(r"[a-z_]+print\(", "", text), name
        # Whatever a step raises costs that step; the runner is the one place that catches it.
        assert text.count("except Exception") == (name == "run/pipeline.py"), name
        assert "assert isinstance" not in text or name == "study/study.py", name


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_concept_one_word(path):
    assert not WORDS.search(path.read_text()), "the word is patient"


def exported_functions():
    for name in MODULES:
        module = importlib.import_module(name)
        if name.count(".") == 1 and ".kernels" not in name:
            for label in getattr(module, "__all__", ()):
                if inspect.isfunction(getattr(module, label)):
                    yield f"{name}.{label}", getattr(module, label)


def test_every_public_function_takes_its_options_by_name():
    wrong = []
    for name, function in exported_functions():
        positional = [
            p for p in inspect.signature(function).parameters.values()
            if p.kind in {p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD}
        ]  # fmt: skip
        if len(positional) > 4:
            wrong.append(f"{name}: {len(positional)} positional parameters")
    assert wrong == []


def test_rng_is_keyword_only_and_there_is_no_copy_or_inplace():
    for name, function in exported_functions():
        for parameter in inspect.signature(function).parameters.values():
            assert parameter.name not in {"copy", "inplace", "return_df", "verbose"}, name
            if parameter.name == "rng" and ".simulate" not in name:
                assert parameter.kind is parameter.KEYWORD_ONLY, f"{name}: rng must be given by name"


# Constructions that a newcomer stumbles over, in docstrings, messages, headings and comments' neighbours.
BANNED = re.compile(
    r"settled openly|asked for|asked of|cannot be told|told apart|take[s]? (?:\d|two|three|no part|part\b)|"
    r"\bsays? (?:so|which|that|what|where|how|who|why|of)|\bsaid\b|laid beside|"
    r"stands? (?:alone|once|twice|already|more than|for the)|"
    r"speaks? (?:for|against)|\bit takes\b|(?:table|matrix|folder|file|column|group|layer)s? holds?\b|"
    r"results will describe|is theirs\b|must know\b",
    re.IGNORECASE,
)
NAMES = re.compile(r"_?(said|told|stated|judged|elsewhere|least|most|LEAST\w*|MOST\w*|LONE|HALF)$")


def words_of(path):
    """Every string of a file with its line."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_plain_words(path):
    found = [(line, m.group(0)) for line, text in words_of(path) for m in BANNED.finditer(text)]
    assert found == [], "plain words: reports, needs, contains, is, at least 10 are needed"
    names = {n.id for n in ast.walk(ast.parse(path.read_text())) if isinstance(n, ast.Name) and NAMES.match(n.id)}
    assert names == set()


def described(function):
    """The names in the Parameters section of a docstring."""
    section = (inspect.getdoc(function) or "").partition("Parameters\n----------\n")[2]
    section = re.split(r"\n\n(?=\w+\n---)", section)[0]
    return {name.strip(" *") for line in re.findall(r"^\S.*$", section, flags=re.M) for name in line.split(",")}


def test_every_public_function_describes_its_parameters():
    lacking = {}
    for name, function in exported_functions():
        missing = [p for p in inspect.signature(function).parameters if p not in described(function)]
        if missing:
            lacking[name] = missing
    assert lacking == {}


def test_every_public_function_lists_the_errors_it_raises():
    lacking = []
    for name, function in exported_functions():
        tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
        raised = [n for n in ast.walk(tree) if isinstance(n, ast.Raise) and n.exc is not None]
        if raised and "Raises\n------" not in (inspect.getdoc(function) or ""):
            lacking.append(name)
    assert lacking == []


def test_the_same_parameter_has_the_same_first_line():
    """What every comparison is given: the reader learns it once."""
    first = {"design": set(), "alpha": set()}
    for _, function in exported_functions():
        doc = inspect.getdoc(function) or ""
        for parameter, lines in first.items():
            found = re.search(rf"^{parameter}\n    (.*)$", doc, flags=re.M)
            if found:
                lines.add(found.group(1))
    for parameter, lines in first.items():
        assert len(lines) == 1, (parameter, lines)


ONE_DOOR = ("cells", "reading", "simulate", "power")  # they make matrices, or read those that are not a cohort's
ON_AN_ANNDATA = {"communication/inputs.py"}  # X as the user gives it to `infer`


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_one_door_to_the_matrix(path):
    """Stages ask `cells` for counts and normalised values, so that these can lie on disk one day."""
    name = path.relative_to(ROOT).as_posix()
    if name.split("/")[0] in ONE_DOOR or name in ON_AN_ANNDATA:
        return
    reached = [
        node.lineno for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Subscript) and isinstance(node.value, ast.Attribute) and node.value.attr == "layers")
        or (isinstance(node, ast.Attribute) and node.attr == "X" and isinstance(node.ctx, ast.Load)
        and isinstance(node.value, ast.Name) and node.value.id in {"adata", "cohort", "cells", "sub"})
    ]  # fmt: skip
    assert reached == []


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(ROOT)))
def test_slots_are_written_by_their_register(path):
    """A slot of the cohort is written by `keys.put`, which checks that it is listed and knows its axis."""
    name = path.relative_to(ROOT).as_posix()
    if name == "keys.py" or name.startswith(("simulate/", "run/store.py")):
        return
    axes = {"obs", "var", "obsm", "varm", "uns", "layers"}
    written = [
        target.lineno for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Subscript) and isinstance(target.value, ast.Attribute) and target.value.attr in axes
        and isinstance(target.value.value, ast.Name) and target.value.value.id in {"cohort", "cells", "adata"}
    ]  # fmt: skip
    assert written == []


def test_no_two_rooms_need_each_other():
    """Imports between the rooms make no circle."""
    needs = {}
    for path in FILES:
        room = path.relative_to(ROOT).parts[0].removesuffix(".py")
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("scresist."):
                other = node.module.split(".")[1]
                if other != room:
                    needs.setdefault(room, set()).add(other)

    def reaches(room, seen):
        for other in needs.get(room, ()):
            if other not in seen:
                seen.add(other)
                reaches(other, seen)
        return seen

    assert [room for room in needs if room in reaches(room, set())] == []


def test_every_public_function_says_what_it_gives():
    for name, function in public_functions():
        doc = inspect.getdoc(function) or ""
        assert doc, f"{name} has no docstring"
        assert len(doc.splitlines()[0]) <= 120, name


@pytest.mark.parametrize(
    "call",
    [
        "read_study", "ingest", "embed", "run_study", "quality.filter", "annotate.cell_types", "annotate.malignancy",
        "networks.build", "networks.load", "contrasts.modules", "candidates", "survival.cox", "simulate.simulate",
    ],
)  # fmt: skip
def test_the_public_names_are_there(call):
    item = scresist
    for part in call.split("."):
        item = getattr(item, part)
    assert callable(item)


@pytest.mark.parametrize("name", scresist.kernels.__all__)
def test_the_public_kernels_are_there(name):
    function = getattr(scresist.kernels, name)
    assert callable(function)
    assert inspect.getdoc(function)


def test_stages_stay_callable_whatever_is_imported_first():
    importlib.import_module("scresist.embedding")
    importlib.import_module("scresist.reading.formats")
    assert callable(scresist.embed)
    assert callable(scresist.ingest)
    assert callable(scresist.candidates)


def test_an_unknown_name_is_said():
    with pytest.raises(AttributeError, match="scresist has no 'embd'"):
        scresist.embd  # noqa: B018
