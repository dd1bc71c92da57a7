"""A map over tasks gives the same, in order, in place, on threads, and on a Dask cluster."""

import pytest

from scresist.parallel import map_tasks


def square(value, offset):
    return value**2 + offset


TASKS = [(i, 10 * i) for i in range(12)]
EXPECTED = [square(*t) for t in TASKS]


@pytest.mark.parametrize("workers", [1, 2, 5])
def test_threads_change_nothing(workers):
    assert map_tasks(square, TASKS, workers=workers) == EXPECTED


@pytest.mark.filterwarnings("default")  # distributed closes its own sockets late
def test_a_cluster_changes_nothing():
    from dask.distributed import LocalCluster

    with LocalCluster(n_workers=1, threads_per_worker=2, processes=False, dashboard_address=None) as cluster:
        assert map_tasks(square, TASKS, scheduler=cluster.scheduler_address) == EXPECTED


def test_an_error_in_a_task_is_raised():
    with pytest.raises(TypeError):
        map_tasks(square, [("a", 1), ("b", 2)], workers=2)
