"""Other names for patients and samples on a page that leaves the hospital, and the proof that none is left."""

import re
from collections.abc import Iterable
from typing import Any

import numpy as np
import pandas as pd

from scresist.checks import InputError

SHORTEST = 3  # letters and digits of a name: a shorter one, or a number, cannot be found safely in other text


class Pseudonyms:
    """Another name for every patient and sample, in an order that does not follow their names.

    Parameters
    ----------
    patients, samples
        Their names.

    Raises
    ------
    InputError
        If a name is a number or too short to be found in sentences.
    """

    def __init__(self, patients: Iterable[str], samples: Iterable[str]) -> None:
        rng = np.random.default_rng(20_240_101)
        self.names: dict[str, str] = {}
        for word, given in (("Patient", patients), ("Sample", samples)):
            names = sorted(set(map(str, given)))
            for number, k in enumerate(rng.permutation(len(names)), 1):
                self.names.setdefault(names[k], f"{word}-{number:02d}")
        vague = [n for n in self.names if len(n) < SHORTEST or n.replace(".", "").isdigit()]
        if vague:
            raise InputError(
                f"the names {', '.join(vague[:5])} look like numbers or short words, so the page might keep "
                "them; give patients and samples names such as PT01 in the sheets, and run the study again"
            )
        longest = sorted(self.names, key=len, reverse=True)
        self._pattern = re.compile(rf"(?<![A-Za-z0-9])({'|'.join(map(re.escape, longest))})(?![A-Za-z0-9])")

    def text(self, words: str) -> str:
        """The words with every name replaced."""
        return self._pattern.sub(lambda found: self.names[found[1]], words)

    def table(self, table: pd.DataFrame) -> pd.DataFrame:
        """The table with every name in its columns of text replaced."""
        out = table.copy(deep=False)
        for column in out.columns:
            values = out[column]
            if isinstance(values.dtype, pd.CategoricalDtype):
                levels = [self.text(c) if isinstance(c, str) else c for c in values.cat.categories]
                out[column] = values.cat.rename_categories(dict(zip(values.cat.categories, levels, strict=True)))
            elif values.dtype == object or isinstance(values.dtype, pd.StringDtype):
                known = {v: self.text(v) for v in values.dropna().unique() if isinstance(v, str)}
                out[column] = values.map(lambda v, known=known: known.get(v, v))
        return out.rename(columns={c: self.text(c) for c in out.columns if isinstance(c, str)})

    def facts(self, value: Any) -> Any:
        """The same within the values of run.json."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, list):
            return [self.facts(v) for v in value]
        if isinstance(value, dict):
            return {self.text(str(k)): self.facts(v) for k, v in value.items()}
        return value

    def require_none_left(self, page: str) -> None:
        """Raise where a page has a name still.

        Raises
        ------
        InputError
            With the names.
        """
        words = re.sub(r"[A-Za-z0-9+/=]{80,}", "", page)  # packed numbers
        left = sorted(set(self._pattern.findall(words)) - set(self.names.values()))
        if left:
            raise InputError(f"the page has the names {', '.join(left[:5])} still and was not written")
