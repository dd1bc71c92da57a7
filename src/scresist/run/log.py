"""What a run tells while it works: lines for the reader, a line on how far it is, and everything in `run.log`."""

import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from scresist.progress import told_to

EVERY = 0.2  # seconds between two lines on how far a loop is
LOG = "run.log"


class Log:
    """The log of one run: `line` for the reader and the file, `note` for the file alone.

    Parameters
    ----------
    path
        The file; lines are added at its end.
    say
        Receives every line for the reader.
    progress
        Receives a line on how far the step at work is, again and again; "" when there is none any more.
    detail
        Receives the lines that are for the file alone too, such as warnings of other libraries.
    """

    def __init__(
        self,
        path: Path,
        say: Callable[[str], None],
        progress: Callable[[str], None] = lambda _: None,
        detail: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._path, self._say, self._progress, self._detail = path, say, progress, detail

    def line(self, text: str) -> None:
        """A line for the reader."""
        self._progress("")
        self._say(text)
        self._write(text)

    def note(self, text: str) -> None:
        """A line for the file."""
        self._detail(text)
        self._write(text)

    def error(self, step: str, error: BaseException) -> None:
        """The traceback of what a step raised, for the file."""
        self.note(f"{step} failed:\n{''.join(traceback.format_exception(error)).rstrip()}")

    @contextmanager
    def step(self, name: str, meaning: str) -> Iterator[None]:
        """Tell how far a step is while the block runs; warnings of libraries go to the file."""
        self._write(f"{name}: starts")
        self._progress(f"{name}: {meaning}")
        with warnings.catch_warnings(), told_to(_Loop(name, self._progress)):
            warnings.showwarning = self._warned
            yield
        self._progress("")

    def _warned(
        self, message: Warning | str, category: type[Warning], filename: str, lineno: int, file: object = None,
        line: str | None = None,
    ) -> None:  # fmt: skip
        del file, line
        self.note(f"{category.__name__}: {message} ({filename}, line {lineno})")

    def _write(self, text: str) -> None:
        with self._path.open("a", encoding="utf-8") as handle:
            handle.write(f"{time.strftime('%Y-%m-%d %H:%M:%S')}  {text}\n")


class _Loop:
    """How far the loops of a step are, with the time that is left of the one at work."""

    def __init__(self, step: str, progress: Callable[[str], None]) -> None:
        self._step, self._progress = step, progress
        self._what, self._started, self._told = "", 0.0, 0.0

    def __call__(self, what: str, done: int, total: int) -> None:
        now = time.monotonic()
        if what != self._what or done == 0:
            self._what, self._started = what, now
        elif done != total and now - self._told < EVERY:
            return
        self._told = now
        number = f"{done:,} of {total:,} {what}" if total else f"{done:,} {what}"
        self._progress(f"{self._step}: {number}{_left(now - self._started, done, total)}")


def _left(elapsed: float, done: int, total: int) -> str:
    if not 0 < done < total or elapsed < 1:
        return ""
    seconds = elapsed / done * (total - done)
    return f", about {seconds:.0f} s left" if seconds < 100 else f", about {seconds / 60:.0f} min left"
