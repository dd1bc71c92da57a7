"""People's data in the states they come in: each is made on disk, tried, and written to docs/inputs.md as a table.

Usage: python benchmarks/inputs.py [--write]. Without --write the counts are printed and the document stays as it is.
"""

import re
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from situations import SITUATIONS  # noqa: E402 - the generator is the tests' own
from situations.register import try_out  # noqa: E402

PAGE = ROOT / "docs" / "inputs.md"
MARK = "<!-- made by benchmarks/inputs.py -->"


def tried():
    """Every situation with what happened."""
    rows = []
    for case in SITUATIONS:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of anndata about the files that are made here
            rows.append((case, try_out(case, Path(folder))))
    return rows


def shortened(text, folder=""):
    text = re.sub(r"(/tmp|\.\.\.)/[\w./-]*?/?(?=[\w#.-]+)", "", text).replace(folder, "")
    first = re.split(r" \| ", text)[0]
    first = re.sub(r"^error: [^:]*?: ", "", first)
    return (first[:217] + "...") if len(first) > 220 else first


def table(rows):
    out = ["| kind | format | situation | what is done | words |", "|---|---|---|---|---|"]
    for case, found in rows:
        done = found.happened if found.right else f"WRONG ({found.happened})"
        words = shortened(found.words).replace("|", "\\|").replace("\n", " ").replace("<", "&lt;")
        at = "`check`" if case.study else "reader"
        out.append(f"| {case.kind} | {case.form} | {case.name.replace('|', chr(92) + '|')} | {done} ({at}) | {words} |")
    return out


def counts(rows):
    kinds = Counter((case.kind, found.happened, found.right) for case, found in rows)
    out = ["| kind | tried | read as it should be | refused as it should be | wrong |", "|---|---|---|---|---|"]
    for kind in dict.fromkeys(case.kind for case, _ in rows):
        read, refused = kinds[kind, "read", True], kinds[kind, "refused", True]
        total = sum(n for (k, _, _), n in kinds.items() if k == kind)
        out.append(f"| {kind} | {total} | {read} | {refused} | {total - read - refused} |")
    read = sum(f.right and f.happened == "read" for _, f in rows)
    refused = sum(f.right and f.happened == "refused" for _, f in rows)
    out.append(f"| all | {len(rows)} | {read} | {refused} | {len(rows) - read - refused} |")
    return out


def main():
    rows = tried()
    summary = counts(rows)
    print("\n".join(summary))
    for case, found in rows:
        if not found.right:
            print(f"WRONG: {case.kind}, {case.form}, {case.name}: {found.happened}: {found.words}")
    if "--write" in sys.argv:
        above = PAGE.read_text(encoding="utf-8").partition(MARK)[0]
        PAGE.write_text("\n".join([above + MARK, "", *summary, "", *table(rows), ""]), encoding="utf-8")
    return all(found.right for _, found in rows)


if __name__ == "__main__":
    raise SystemExit(0 if main() else 1)
