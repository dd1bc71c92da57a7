"""Every situation of people's data is read with its true counts, or refused in the words that name its cause."""

import warnings
from importlib.util import find_spec

import pytest

from situations import SITUATIONS
from situations.register import try_out

# One form of a kind is enough for the quick tests where the same situation comes in several.
SLOW = {("gene names", "h5"), ("gene names", "h5ad"), ("gene names", "csv"), ("identity", "h5")}


def marked(case):
    again = case.name.endswith("for every gene") or (case.form == "h5" and case.name.endswith("beside the genes"))
    marks = [pytest.mark.slow] if (case.kind, case.form) in SLOW or again else []
    return pytest.param(case, id=f"{case.kind}: {case.form}: {case.name}", marks=marks)


@pytest.mark.parametrize("case", [marked(case) for case in SITUATIONS])
def test_a_situation_is_read_or_refused_rightly(tmp_path, case):
    if case.needs and find_spec(case.needs) is None:
        pytest.skip(f"needs {case.needs}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata's about the files that the generator writes
        found = try_out(case, tmp_path)
    assert found.right, f"{found.happened}: {found.words}"


def test_there_are_as_many_situations_as_were_reported():
    assert len(SITUATIONS) > 300
    assert len({(c.kind, c.form, c.name) for c in SITUATIONS}) == len(SITUATIONS)
