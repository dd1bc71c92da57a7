"""A stage that is both a room and its main verb: `sr.ingest(study)` and `sr.ingest.read_matrix(path)`."""

import sys
from collections.abc import Callable
from types import ModuleType
from typing import Any


class CallableModule(ModuleType):
    """A module whose call is a call of its `_main`."""

    _main: Callable[..., Any]

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the stage's main function."""
        return self._main(*args, **kwargs)


def make_callable(name: str, main: Callable[..., Any]) -> None:
    """Let the module called `name` be called as `main`, with its signature and its docstring's first line."""
    module = sys.modules[name]
    module.__class__ = CallableModule
    module.__dict__["_main"] = main
    module.__dict__["__wrapped__"] = main
