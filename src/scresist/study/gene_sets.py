"""Gene sets as people bring them: a .gmt, one set per line."""

from pathlib import Path

from scresist import resources
from scresist.checks import nearest
from scresist.study.problems import Problems, StudyError
from scresist.study.sheets import read_text


def read_sets(path: Path, shown: str) -> dict[str, tuple[str, ...]]:
    """The sets of a .gmt: name, description, genes, separated by tabs.

    Parameters
    ----------
    path
        The file.
    shown
        Its name in messages.

    Raises
    ------
    StudyError
        Where a line has no genes or a name is there twice, or most genes are no symbols.
    """
    problems = Problems()
    text = read_text(path, shown, problems)
    sets: dict[str, tuple[str, ...]] = {}
    for line, row in enumerate((text or "").splitlines(), 1):
        if not row.strip() or row.startswith("#"):
            continue
        name, *rest = [part.strip() for part in row.split("\t")]
        genes = tuple(dict.fromkeys(g for g in rest[1:] if g))
        if not genes:
            problems.error(shown, f"the set {name!r} has no genes: a line has the name, a description and the genes, "
                           "separated by tabs", "separate them by tabs", row=line, value=row[:60])  # fmt: skip
        elif name in sets:
            problems.error(shown, f"the set {name!r} is there twice", "rename or remove one", row=line, value=name)
        else:
            sets[name] = genes
    if text is not None and not sets and not problems.errors:
        problems.error(shown, "the file has no gene set", "give a line per set: name, description, genes")
    every = {g for genes in sets.values() for g in genes}
    known = set(resources.genes().index) | set(resources.aliases())
    if every and len(every & known) < len(every) / 2 and not any(g[:1].isupper() and g[1:].islower() for g in every):
        some = sorted(every - known)[:5]
        near = nearest(some[0], known) if some else None
        problems.error(shown, f"{len(every - known)} of {len(every)} genes are no symbols ({', '.join(some)})",
                       f"give official symbols{f', such as {near}' if near else ''}", value=some[0])  # fmt: skip
    if problems.errors:
        raise StudyError(problems)
    return sets
