"""A map over independent tasks: in this thread, in threads of this machine, or on a Dask cluster."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from scresist.progress import track


def map_tasks(
    function: Callable[..., Any],
    tasks: Sequence[tuple[Any, ...]],
    *,
    workers: int = 1,
    scheduler: str | None = None,
    what: str | None = "tasks",
) -> list[Any]:
    """`[function(*task) for task in tasks]`, in order; the result does not depend on `workers` or `scheduler`.

    Parameters
    ----------
    function
        Without side effects; a module-level function for a cluster.
    tasks
        Arguments of each call.
    workers
        Threads on this machine; 1 runs in place.
    scheduler
        Address of a Dask cluster (`tcp://...`); each task is retried twice when a worker is lost.
    what
        What the tasks are, such as "samples", for the line on how far they are; None where it is not told.
    """
    if scheduler is not None:
        from dask.distributed import Client

        with Client(scheduler) as client:
            futures = [client.submit(function, *task, pure=False, retries=2) for task in tasks]
            return list(client.gather(futures))
    if workers <= 1 or len(tasks) <= 1:
        return [function(*task) for task in (tasks if what is None else track(tasks, what))]
    with ThreadPoolExecutor(workers) as pool:
        made = pool.map(lambda task: function(*task), tasks)
        return list(made if what is None else track(made, what, len(tasks)))
