"""PDFs of figures in a process of their own, beside what draws the next one.

The process is started by the interpreter itself and not by `multiprocessing`, which runs the caller's script again: a
script without a guard around its main part would fail.
"""

import pickle
import subprocess
import sys
from concurrent.futures import Future, ThreadPoolExecutor

from matplotlib.figure import Figure

from scresist.plots.style import to_pdf


class PdfMaker:
    """One more process that turns figures into PDFs, in the order given; used as a context."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "scresist.plots.pdfs"], stdin=subprocess.PIPE, stdout=subprocess.PIPE
        )
        self._thread = ThreadPoolExecutor(1)  # waits for the process

    def __enter__(self) -> "PdfMaker":
        return self

    def __exit__(self, *_: object) -> None:
        self._thread.shutdown(cancel_futures=True)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait()

    def submit(self, figure: Figure) -> Future[bytes]:
        """The PDF of a figure, once it is made.

        Parameters
        ----------
        figure
            With its layout settled; a copy is drawn, so that it can be used further.

        Raises
        ------
        RuntimeError
            From the result, where the process ended.
        """
        return self._thread.submit(self._made, pickle.dumps(figure))

    def _made(self, packed: bytes) -> bytes:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        try:
            self._process.stdin.write(packed)
            self._process.stdin.flush()
            return bytes(pickle.load(self._process.stdout))
        except (BrokenPipeError, EOFError):
            message = "the process that makes PDFs ended; its messages are above"
            raise RuntimeError(message) from None


def main() -> None:
    """Read figures from the standard input until it ends, and write the PDF of each."""
    while True:
        try:
            figure = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(to_pdf(figure), sys.stdout.buffer)
        sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
