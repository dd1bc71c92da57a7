"""How far a long loop is, told to whoever listens; nobody does unless a run has named a listener."""

from collections.abc import Callable, Iterable, Iterator, Sized
from contextlib import contextmanager
from contextvars import ContextVar
from typing import TypeVar

T = TypeVar("T")

Listener = Callable[[str, int, int], None]  # what is counted, how many are done, of how many (0: not known)
_LISTENER: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def told_to(listener: Listener | None) -> Iterator[None]:
    """Tell the progress of every loop in the block to a listener.

    Parameters
    ----------
    listener
        Receives what is counted, how many are done, and of how many; None for nobody.
    """
    before = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(before)


def tell(what: str, done: int, total: int = 0) -> None:
    """Tell that some of a loop is done.

    Parameters
    ----------
    what
        What is counted, such as "samples".
    done, total
        How many, of how many (0 where that is not known).
    """
    listener = _LISTENER.get()
    if listener is not None:
        listener(what, done, total)


def track(items: Iterable[T], what: str, total: int | None = None) -> Iterator[T]:
    """The items, one after the other, while the listener is told how many are done.

    Parameters
    ----------
    items
        Of the loop.
    what
        What they are, such as "samples".
    total
        How many there are, where `items` has no length.
    """
    of = total if total is not None else len(items) if isinstance(items, Sized) else 0
    tell(what, 0, of)
    for done, item in enumerate(items, 1):
        yield item
        tell(what, done, of)
