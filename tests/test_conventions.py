"""What machines keep of how scresist is written: signatures, docstrings, and the floors of the house."""

import ast
import importlib
import inspect
import pkgutil
import re
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
        if name not in {"cli.py", "__main__.py"}:
            assert "sys.stdout" not in text, name
            assert "print(" not in re.sub(r"[a-z_]+print\(", "", text), name
        assert "except Exception" not in text, name
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
