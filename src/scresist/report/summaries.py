"""The answer of a section in sentences: the best supported claims of some kinds, or that there is none."""

from collections.abc import Callable, Sequence

import pandas as pd

from scresist.checks import counted
from scresist.report.answers import clipped, numbers_of, plain, tested_claims
from scresist.report.folder import Folder

Answered = Callable[[Folder], Sequence[tuple[str, str]]]
NAMED = 3  # supported claims that are named


def from_claims(*kinds: str) -> Answered:
    """An answer from the register: the first supported claims of some kinds with n and q, and how many there are.

    Parameters
    ----------
    kinds
        Of claims, in the order of the answer.
    """

    def answer(folder: Folder) -> list[tuple[str, str]]:
        claims = tested_claims(folder, kinds)
        if not len(claims):
            return []
        found = claims[claims["verdict"] == "supported"]
        if not len(found):
            best = claims.iloc[0]
            return [
                ("not supported", f"None of {counted(len(claims), 'claim')} is supported."),
                (str(best["verdict"]), f"Strongest lead, not a finding: {_numbered(best)}"),
            ]
        # One of each contrast first: two sentences on one contrast say less than one on each.
        first = found.drop_duplicates(["kind", "contrast"]).head(NAMED)
        out = [("supported", _numbered(row)) for _, row in first.iterrows()]
        of = "is" if len(found) == 1 else "are"
        return [*out, ("", f"In all, {len(found)} of {counted(len(claims), 'claim')} {of} supported.")]

    return answer


def _numbered(row: pd.Series) -> str:
    """A claim in words with n and q."""
    return f"{clipped(plain(str(row['statement']))).rstrip('.')} ({'; '.join(numbers_of(row))})."
