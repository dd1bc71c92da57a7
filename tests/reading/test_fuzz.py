"""Sheets and matrices of any content: they are read, or refused by a named error; nothing else comes out."""

import gzip
import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from scresist.reading import read_matrix
from scresist.reading.identity import check_identity, print_cells
from scresist.reading.symbols import map_symbols
from scresist.study import examine_study
from scresist.study.problems import Problems, StudyError
from scresist.study.sheets import read_sheet
from situations import make
from tiny import PATIENTS, SAMPLES, TOML

QUICK, THOROUGH = 60, 2600  # examples of each test; eight tests: 20,800 in `make test-all`
CHECKS = list(HealthCheck)

WORDS = st.sampled_from([
    "", "S1", "S2", "P1", "p1", "P01", "baseline", "primary", "path", "m1", "m1#", "m1#suffix=1", "#", "NA", "nan",
    "61,5",
    "-1", "1e999", "=SUM(A1)", '"', "'", ",", ";", "\t", "\n", "\r", "\x00", "sep=;",
    "\ufeff", "\u00a0", "é", "日本", "../..",
    "/", "C:\\x", "0", "x" * 300, "before", "on", "C1D1", "2024-01-01", "best_response", "PR", "PD", "pfs_months",
    "pfs_event", "raw_path", "sample", "patient", "arm", "timepoint",
    "~", "~nobody/x", "a\\b", "*", "[", "CON", ".", "..",
])  # fmt: skip
CELLS = st.one_of(WORDS, st.text(max_size=6), st.integers().map(str), st.floats().map(str))
NAMES = st.one_of(
    st.sampled_from([
        "CD8A", "HLA-A", "HLA.A", "MT-CO1", "TRAC", "GRCh38_CD8A", "mm10___Cd8a", "ENSG00000153563", "1-Mar", "",
        "Cd8a",
        "ENSMUSG00000053977", "CD8A_ENSG00000153563", "cd8a", "NA", "nan", "0", "A|1", "ND1", "SEPT1", "x-1",
    ]),
    st.text(max_size=8),
)  # fmt: skip


def both(*strategies):
    """A test over values of the strategies, twice: a quick share, and the long one of `make test-all`."""

    def made(test):
        def over(n):
            kept = settings(
                max_examples=n, deadline=None, suppress_health_check=CHECKS, database=None, derandomize=True
            )
            return kept(given(*strategies)(test))

        of = {n: over(n) for n in (QUICK, THOROUGH)}

        @pytest.mark.parametrize("examples", [QUICK, pytest.param(THOROUGH, marks=pytest.mark.slow)])
        def run(examples):
            of[examples]()

        run.__name__, run.__doc__ = test.__name__, test.__doc__
        return run

    return made


@pytest.fixture(autouse=True)
def _quiet():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def read_or_refuse(path):
    """What the reader gives; a StudyError with a message is as good, and nothing else is."""
    refusal = None
    try:
        found = read_matrix(path)
    except StudyError as error:
        refusal = error
    if refusal is not None:
        assert [p.message and p.remedy for p in refusal.problems if p.severity == "error"]
        return None
    assert found.counts.shape == (len(found.barcodes), len(found.genes))
    if len(found.genes):
        assert len(set(map_symbols(found.genes, found.gene_ids, organism="human").symbols)) == len(found.genes)
    return found


@st.composite
def spoiled(draw, raw):
    """Bytes with a part cut out, doubled, overwritten or packed."""
    out = bytearray(raw)
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, max(0, len(out))))
        how = draw(st.integers(0, 3))
        if how == 0:
            out = out[:at]
        elif how == 1:
            out[at:at] = draw(st.binary(max_size=8))
        elif how == 2:
            out[at : at + draw(st.integers(1, 9))] = draw(st.binary(max_size=9))
        else:
            out[at:at] = out[max(0, at - 20) : at]
    packed = draw(st.integers(0, 5))
    return gzip.compress(bytes(out), 1) if packed == 0 else bytes(out)


@both(
    st.lists(st.lists(CELLS, max_size=7), max_size=7),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n", "\r"]),
)
def test_sheets_of_any_cells(rows, separator, end):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "samples.csv"
        path.write_bytes(end.join(separator.join(r) for r in rows).encode("utf-8", "surrogatepass"))
        problems = Problems()
        found = read_sheet(path, "samples.csv", problems, ("sample", "patient"))
        assert found is not None or problems.errors
        if found is not None:
            assert {"sample", "patient", "line"} <= set(found.columns)


@both(spoiled(SAMPLES.encode()), spoiled(PATIENTS.encode()), spoiled(TOML.encode()))
def test_studies_of_spoiled_sheets(samples, patients, toml):
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in (("samples.csv", samples), ("patients.csv", patients), ("study.toml", toml)):
            (Path(folder) / name).write_bytes(raw)
        study, problems = examine_study(Path(folder) / "study.toml")
        assert study is not None or any(p.severity == "error" for p in problems)


@both(
    st.lists(st.tuples(WORDS, WORDS, WORDS, WORDS, WORDS), min_size=1, max_size=6),
    st.lists(st.tuples(WORDS, WORDS), max_size=5),
)
def test_studies_of_any_values(rows, people):
    def quoted(values):
        return ",".join('"' + v.replace('"', '""').replace("\x00", "") + '"' for v in values)

    with tempfile.TemporaryDirectory() as folder:
        lines = ["sample,patient,arm,path,timepoint", *map(quoted, rows)]
        (Path(folder) / "samples.csv").write_text("\n".join(lines), encoding="utf-8")
        (Path(folder) / "patients.csv").write_text(
            "\n".join(["patient,best_response", *map(quoted, people)]), encoding="utf-8"
        )
        (Path(folder) / "study.toml").write_text(TOML, encoding="utf-8")
        study, problems = examine_study(Path(folder) / "study.toml")
        assert study is not None or any(p.severity == "error" for p in problems)


@both(st.lists(NAMES, max_size=6), st.lists(CELLS, max_size=6), st.lists(st.lists(CELLS, max_size=7), max_size=7),
       st.sampled_from([",", "\t", ";", " "]), st.sampled_from(["m.csv", "m.txt.gz", "m.h5ad", "m", "m.rds"]),
       st.booleans())  # fmt: skip
def test_tables_of_any_cells(names, header, rows, separator, file, packed):
    with tempfile.TemporaryDirectory() as folder:
        lines = [separator.join(["", *header])]
        lines += [separator.join([*(names[i : i + 1] or [""]), *r]) for i, r in enumerate(rows)]
        raw = "\n".join(lines).encode("utf-8", "surrogatepass")
        path = Path(folder) / file
        path.write_bytes(gzip.compress(raw, 1) if packed else raw)
        read_or_refuse(path)


@both(st.data())
def test_folders_of_spoiled_files(data):
    with tempfile.TemporaryDirectory() as folder:
        for name, raw in FOLDER.items():
            kept = data.draw(st.integers(0, 9))
            if kept:
                (Path(folder) / name).write_bytes(data.draw(spoiled(raw)) if kept < 5 else raw)
        read_or_refuse(folder)


@both(st.sampled_from(["h5", "h5ad", "loom", "rds"]), st.data())
def test_binary_files_that_are_spoiled(form, data):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"m.{form}"
        path.write_bytes(data.draw(spoiled(BINARY[form])))
        read_or_refuse(path)


@both(
    st.lists(NAMES, min_size=1, max_size=8),
    st.integers(0, 4),
    st.sampled_from([np.int64, np.float32, np.uint8]),
    st.data(),
)
def test_h5_of_any_names_and_values(names, n, dtype, data):
    """Files of the right structure with any names, kinds, genomes and values."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "m.h5"
        values = data.draw(st.lists(st.integers(0, 5), min_size=n * len(names), max_size=n * len(names)))
        counts = sparse.csc_array(np.array(values, dtype=dtype).reshape(len(names), n))
        texts = [x.replace("\x00", "") for x in names]
        kinds = data.draw(
            st.lists(
                st.sampled_from(["Gene Expression", "Antibody Capture", "", "x"]),
                min_size=len(names),
                max_size=len(names),
            )
        )
        genomes = data.draw(
            st.lists(st.sampled_from(["GRCh38", "mm10", "", "hpv"]), min_size=len(names), max_size=len(names))
        )
        short = data.draw(st.integers(0, 12)) == 0
        with h5py.File(path, "w") as file:
            group = file.create_group("matrix")
            group["data"], group["indices"], group["indptr"] = counts.data, counts.indices, counts.indptr
            group["shape"] = np.array(counts.shape)
            group["barcodes"] = np.array([f"b{i}" for i in range(n - short if n else 0)], dtype="S")
            for key, own in (("id", texts), ("name", texts), ("feature_type", kinds), ("genome", genomes)):
                given = np.array([x.encode("utf-8", "replace") for x in own], dtype=object)
                group.create_dataset(f"features/{key}", data=given, dtype=h5py.string_dtype("utf-8"))
        read_or_refuse(path)


@both(
    st.lists(st.lists(st.integers(0, 60), min_size=4, max_size=4), min_size=1, max_size=12),
    st.integers(0, 2**31),
    st.booleans(),
)
def test_a_sample_is_itself_in_any_order_and_no_other(rows, seed, renamed):
    """Cells in another order, with other barcodes, are the same cells; where every count differs, they are not."""
    counts = sparse.csr_array(np.array(rows))
    genes = np.array(["A", "B", "C", "D"], dtype=object)
    names = np.array(make.barcodes(1, len(rows)), dtype=object)
    order = np.random.default_rng(seed).permutation(len(rows))
    turned = np.random.default_rng(seed).permutation(4)
    one = print_cells("S1", counts, names, genes)
    two = print_cells("S2", sparse.csr_array(counts[order][:, turned]), names[order], genes[turned])
    problems = Problems()
    check_identity([one, two], {}, "samples.csv", problems)
    assert bool(problems.errors) == (len(one.prints) > 0)
    other = print_cells(
        "S3", sparse.csr_array(counts.toarray() + 61), np.array(make.barcodes(2, len(rows)), dtype=object), genes
    )
    problems = Problems()
    check_identity([one, other], {}, "samples.csv", problems)
    assert not problems.errors


def _folder():
    with tempfile.TemporaryDirectory() as folder:
        make.folder(Path(folder), make.truth(1, 4), end="", version=3)
        return {f.name: f.read_bytes() for f in Path(folder).iterdir()}


def _binary():
    t = make.truth(1, 5)
    with tempfile.TemporaryDirectory() as folder:
        at = Path(folder)
        make.tenx_h5(at / "m.h5", t)
        make.h5ad(at / "m.h5ad", t, {"sample": list("aabbb")})
        with h5py.File(at / "m.loom", "w") as file:
            file["matrix"] = t.counts.T
            file["row_attrs/Gene"], file["col_attrs/CellID"] = np.array(t.genes, "S"), np.array(t.barcodes, "S")
        rds = Path(__file__).resolve().parent.parent / "golden" / "rds" / "sce_plain.rds"
        return {**{form: (at / f"m.{form}").read_bytes() for form in ("h5", "h5ad", "loom")}, "rds": rds.read_bytes()}


with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    FOLDER, BINARY = _folder(), _binary()
