"""Figures as SVG and PDF at the size of a journal, drawn by a second process beside what makes the next ones.

The process is started by the interpreter itself and not by `multiprocessing`, which runs the caller's script again: a
script without a guard around its main part would fail.
"""

import gc
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

from matplotlib.figure import Figure

from scresist.plots.style import for_print, to_pdf, to_svg

PARALLEL_FROM = 8  # figures; a second process needs two seconds to start
_RARELY = (200_000, 20, 20)  # new objects between two searches for unused ones, and how often older ones are looked at


@contextmanager
def many_objects() -> Iterator[None]:
    """Search less often for unused objects: figures have many small ones, and the search costs a fifth of the time."""
    before = gc.get_threshold()
    gc.set_threshold(*_RARELY)
    try:
        yield
    finally:
        gc.set_threshold(*before)


class Printed:
    """A figure at its printed size: drawn when its SVG or PDF is first read, or before that by a `Printer`.

    Parameters
    ----------
    figure
        As it was made; it is brought to the size of print when it is drawn.
    """

    def __init__(self, figure: Figure) -> None:
        self.figure = figure
        self._sized = False
        self._svg: str | None = None
        self._pdf: bytes | None = None

    @property
    def svg(self) -> str:
        """The figure as SVG."""
        if self._svg is None:
            if not self._sized:
                for_print(self.figure)
            self._sized = True
            self._svg = to_svg(self.figure)
        return self._svg

    @property
    def pdf(self) -> bytes:
        """The figure as PDF."""
        if self._pdf is None:
            _ = self.svg  # which settles the layout
            self._pdf = to_pdf(self.figure)
        return self._pdf

    def fill(self, svg: str, pdf: bytes) -> None:
        """Keep what was drawn elsewhere.

        Parameters
        ----------
        svg, pdf
            The figure in both forms.
        """
        self._svg, self._pdf = svg, pdf


class Printer:
    """Draws many figures in two processes, this one and one more; used as a context.

    A few figures, or those of a computer with one core, are drawn by this process alone.
    """

    def __init__(self) -> None:
        self._waiting: list[tuple[Printed, Future[tuple[str, bytes]] | None]] = []
        self._process: subprocess.Popen[bytes] | None = None
        self._thread = ThreadPoolExecutor(1)  # waits for the process

    def __enter__(self) -> "Printer":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        if self._process is not None:
            assert self._process.stdin is not None
            assert self._process.stdout is not None
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.wait()

    def add(self, figure: Printed) -> None:
        """Set the drawing of a figure going, once there are enough of them.

        Parameters
        ----------
        figure
            Not changed by anyone from here on.
        """
        self._waiting.append((figure, None))
        if self._process is None and len(self._waiting) >= PARALLEL_FROM and (os.cpu_count() or 1) > 1:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "scresist.plots.printer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        if self._process is not None:
            self._waiting = [(f, future or self._sent(f)) for f, future in self._waiting]

    def finish(self) -> None:
        """Draw what the other process has not begun, from the last figure on, and collect what it drew.

        Raises
        ------
        RuntimeError
            Where that process ended.
        """
        for figure, future in reversed(self._waiting):
            if future is None or future.cancel():
                _ = figure.pdf
        for figure, future in self._waiting:
            if future is not None and not future.cancelled():
                figure.fill(*future.result())
        self._waiting = []

    def _sent(self, figure: Printed) -> Future[tuple[str, bytes]]:
        return self._thread.submit(self._drawn, pickle.dumps(figure.figure))

    def _drawn(self, packed: bytes) -> tuple[str, bytes]:
        assert self._process is not None
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(packed)
            self._process.stdin.flush()
            svg, pdf = pickle.load(self._process.stdout)
        except (BrokenPipeError, EOFError):
            message = "the process that draws figures ended; its messages are above"
            raise RuntimeError(message) from None
        return str(svg), bytes(pdf)


def main() -> None:
    """Read figures from the standard input until it ends, and write the SVG and the PDF of each."""
    with many_objects():
        while True:
            try:
                drawn = Printed(pickle.load(sys.stdin.buffer))
            except EOFError:
                return
            pickle.dump((drawn.svg, drawn.pdf), sys.stdout.buffer)
            sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
