"""Paths in a sheet: relative or absolute, any slashes, a selector after `#`, or a prefix."""

import os
import re
from dataclasses import dataclass
from pathlib import Path

from scresist.checks import nearest

DRIVE = re.compile(r"^[A-Za-z]:[\\/]")


@dataclass(frozen=True, slots=True)
class Located:
    """What a cell of the column `path` names: a file, a folder or the beginning of file names, and some of its cells.

    `selector` is what follows `#` ("" for all cells); `exists` is false where nothing is there.
    """

    path: Path
    selector: str
    exists: bool

    @property
    def identity(self) -> tuple[str, str]:
        """Equal for equal cells of one file, whatever the spelling of its path (relative, absolute, through links)."""
        return os.path.realpath(self.path), self.selector


def locate(folder: Path, given: str) -> Located:
    """The file or folder that a path of a sheet names, and the selector behind it.

    A `#` belongs to the path where a file or folder of that name exists; else what follows the last one is the
    selector.

    Parameters
    ----------
    folder
        What relative paths are relative to.
    given
        As in the sheet.
    """
    text = given.strip().strip("\"'").strip()
    found = _existing(folder, text)
    if found is not None:
        return Located(found, "", exists=True)
    for at in [i for i, letter in enumerate(text) if letter == "#"][::-1]:
        found = _existing(folder, text[:at])
        if found is not None:
            return Located(found, text[at + 1 :].strip(), exists=True)
    path, _, selector = text.partition("#")
    return Located(folder / _slashes(path), selector, exists=False)


def _existing(folder: Path, text: str) -> Path | None:
    """The path where it exists, as written or with the other slashes; also where files begin with its last part."""
    if not text.strip():
        return None
    for spelling in dict.fromkeys((text, _slashes(text))):
        path = folder / Path(spelling).expanduser()
        try:
            if path.exists() or companions(path):
                return path
        except (OSError, ValueError, RuntimeError):  # a name that the file system refuses
            continue
    return None


def _slashes(text: str) -> str:
    return text if os.sep == "\\" else text.replace("\\", "/")


def companions(path: Path) -> list[Path]:
    """Files that begin with a path's last part, where one of them is a matrix: `GSM1_` of `GSM1_matrix.mtx.gz`."""
    if path.exists() or not path.name or not path.parent.is_dir():
        return []
    files = sorted(f for f in path.parent.iterdir() if f.name.startswith(path.name) and f.is_file())
    rests = [f.name[len(path.name) :] for f in files]
    whole = path.name[-1:] in "_.-" or all(r[:1] in {"_", ".", "-"} for r in rests)
    return files if whole and any(r.removesuffix(".gz").endswith(".mtx") for r in rests) else []


def remedy_for_missing(folder: Path, given: str) -> str:
    """What to do about a path at which nothing is: a near name, or the first part that does not exist."""
    if DRIVE.match(given.strip()) and os.sep != "\\":
        return "this is a path of a Windows computer: give the path as this computer has it, relative to study.toml"
    if re.match(r"^\w{2,9}://", given.strip()):
        return "this is an address: download the file and give its path"
    path = locate(folder, given).path
    parts = [path, *path.parents]
    above = next((p for p in parts[1:] if p.is_dir()), None)
    if above is None:
        return "correct it; it is relative to study.toml"
    missing = parts[parts.index(above) - 1].name
    try:
        names = [p.name for p in above.iterdir()]
    except OSError:
        names = []
    same = next((n for n in names if n.strip().casefold() == missing.strip().casefold()), None)
    near = same or nearest(missing, names)
    hint = f"; {above} has {near!r}" if near else f"; there is no {missing!r} in {above}"
    return f"correct it; it is relative to study.toml{hint}"
