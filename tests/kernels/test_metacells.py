"""Metacells against a plain reading of the rule, and against hdWGCNA 0.4 replayed from its draws and from its seed."""

import numpy as np
import pytest
from scipy import sparse
from scipy.spatial.distance import cdist

import wgcna_oracle as golden
from oracle import needs_shared
from scresist.checks import InputError
from scresist.kernels.metacells import aggregate_members, choose_metacells, nearest_cells, overlap_summary
from scresist.kernels.r_random import RStream


def plain_choice(points, k, max_shared, target, max_iterations, positions):
    order = np.argsort(cdist(points, points), axis=1, kind="stable")
    sets = [[*[j for j in row if j != i][: k - 1], i] for i, row in enumerate(order)]
    left = list(range(len(points)))
    chosen = [left.pop(positions[0])]
    iteration = 0
    while left and len(chosen) < target and iteration < max_iterations:
        iteration += 1
        candidate = left.pop(positions[iteration])
        if max(2 * k - len({*sets[candidate], *sets[c]}) for c in chosen) <= max_shared:
            chosen.append(candidate)
    return np.array([sets[c] for c in chosen])


@pytest.mark.parametrize(("k", "max_shared", "target", "iterations"), [(5, 2, 40, 500), (10, 0, 20, 60), (4, 4, 9, 3)])
def test_choice_matches_a_plain_reading(k, max_shared, target, iterations):
    rng = np.random.default_rng(0)
    points = rng.normal(size=(300, 4))
    positions = np.array([rng.integers(m) for m in range(300, 0, -1)])
    found = choose_metacells(points, k, max_shared, target, iterations, positions)
    np.testing.assert_array_equal(found, plain_choice(points, k, max_shared, target, iterations, positions))
    if len(found) > 1:
        assert overlap_summary(found)["max_shared"] <= max_shared


def test_a_generator_is_repeatable_and_fills_its_target():
    points = np.random.default_rng(1).normal(size=(500, 5))
    once, again = (choose_metacells(points, 10, 5, 20, 500, np.random.default_rng(3)) for _ in range(2))
    np.testing.assert_array_equal(once, again)
    assert len(once) == 20


def test_repeated_coordinates_never_list_a_cell_twice():
    points = np.repeat(np.random.default_rng(2).normal(size=(20, 3)), 3, axis=0)
    sets = nearest_cells(points, np.arange(60), 6)
    assert all(len(set(row)) == 6 for row in sets)
    np.testing.assert_array_equal(sets[:, -1], np.arange(60))


def test_bad_input_is_named():
    points = np.random.default_rng(3).normal(size=(8, 2))
    with pytest.raises(InputError, match="k is 9 for a group of 8 cells"):
        nearest_cells(points, np.arange(8), 9)
    with pytest.raises(InputError, match="NaN"):
        nearest_cells(np.where(points > 1, np.nan, points), np.arange(8), 3)
    with pytest.raises(InputError, match="outside"):
        choose_metacells(points, 3, 1, 4, 5, np.array([8, 0]))


@pytest.mark.parametrize("stored_as", [np.asarray, sparse.csr_array, sparse.csc_matrix])
def test_aggregates_count_distinct_members_once(stored_as):
    counts = np.random.default_rng(4).poisson(1.0, size=(6, 4))
    members = np.array([[0, 1, 2], [3, 3, 5]])
    expected = np.array([counts[[0, 1, 2]].sum(axis=0), counts[[3, 5]].sum(axis=0)])
    np.testing.assert_array_equal(aggregate_members(stored_as(counts), members, average=False), expected)
    np.testing.assert_allclose(aggregate_members(stored_as(counts), members, average=True), expected / 3)


def test_r_stream_gives_what_set_seed_gives():
    stream = RStream(12345)
    assert [stream.index(100) + 1 for _ in range(5)] == [14, 51, 80, 90, 92]
    assert (RStream(12345).permutation(10) + 1).tolist() == [3, 8, 2, 5, 10, 9, 7, 6, 4, 1]


# MetacellsByGroups draws from the stream of set.seed(1), whatever seed its caller had set: so both golden runs show.
GROUPED = {"A_opc500": ("Sample", 20, 8, 50), "B_oligo1500": ("patient", 10, 7, 30)}


@needs_shared
@pytest.mark.parametrize("dataset", golden.SETS)
@pytest.mark.parametrize("source", ["draws", "seed"])
def test_r_metacells(dataset, source):
    column, k, max_shared, min_cells = GROUPED[dataset]
    stored, metadata = golden.arrays(f"{dataset}/in.npz"), golden.table(f"{dataset}/in_metadata.csv.gz")
    metadata = metadata.set_index("cell").loc[stored["in_reduction.rows"]]
    draws = golden.table(f"{dataset}/metacell_draws.csv.gz")["position"].to_numpy() - 1
    stream, used, members = RStream(1), 0, []
    group = metadata["cell_type"] + "#" + metadata[column].astype(str)
    for name in sorted(group.unique()):
        cells = np.flatnonzero(group == name)
        if len(cells) < min_cells:
            continue
        source_of_draws = stream if source == "seed" else draws[used:]
        found = choose_metacells(stored["in_reduction"][cells], k, max_shared, 1000, 5000, source_of_draws)
        members += [(f"{name}_{i + 1}", cells[row]) for i, row in enumerate(found)]
        used += len(cells)
    expected = golden.table(f"{dataset}/metacell_members.csv.gz")
    names = metadata.index.to_numpy()
    assert [name for name, _ in members] == expected["metacell"].tolist()
    for (_, cells), listed in zip(members, expected["cells"], strict=True):
        assert names[cells].tolist() == listed.split(",")
    counts = sparse.csc_array(
        (stored["in_counts.data"].astype(float), stored["in_counts.indices"], stored["in_counts.indptr"]),
        shape=tuple(stored["in_counts.shape"]),
    ).T
    average = golden.arrays(f"{dataset}/metacell.npz")
    wanted = sparse.csc_array(
        tuple(average[f"metacell_counts_avg.{part}"] for part in ("data", "indices", "indptr")),
        shape=tuple(average["metacell_counts_avg.shape"]),
    ).T
    found = aggregate_members(counts, np.array([cells for _, cells in members]), average=True)
    np.testing.assert_allclose(found, wanted.toarray(), rtol=1e-14)


@needs_shared
@pytest.mark.parametrize(("dataset", "k", "seed"), [("A_opc500", 20, 12346), ("B_oligo1500", None, 778)])
def test_r_metacells_over_all_cells(dataset, k, seed):
    stored = golden.arrays(f"{dataset}/in.npz")
    expected = golden.table(f"{dataset}/metacell_all_members.csv.gz")
    listed = expected["cells"].str.split(",")
    k = k or len(listed[0])
    found = choose_metacells(stored["in_reduction"][:, :10], k, 5, 60, 800, RStream(seed))
    names = stored["in_reduction.rows"]
    assert [names[row].tolist() for row in found] == listed.tolist()
    summary = golden.table(f"{dataset}/metacell_all_stats.csv.gz").iloc[0]
    for name, value in overlap_summary(found).items():
        np.testing.assert_allclose(value, float(summary[name]))
