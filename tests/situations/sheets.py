"""How sheets of samples are saved: separators, blank columns and rows, workbooks, encodings."""

import gzip

from situations.make import four, study
from situations.register import situation

KIND = "sheet"
ROWS = [["sample", "patient", "arm", "path"], *([f"S{i}", f"P{i}", "baseline" if i < 3 else "primary", f"m{i}"]
                                                for i in range(1, 5))]  # fmt: skip
WIDE = [["name", "x"]]


def text(separator=",", end="\n", rows=ROWS):
    return end.join(separator.join(r) for r in rows) + end


def saved(at, raw):
    path = study(at, four(at))
    (at / "samples.csv").write_bytes(raw if isinstance(raw, bytes) else raw.encode("utf-8"))
    return path


GOOD = {
    "semicolons": text(";"), "tabs": text("\t"), "Windows line ends": text(end="\r\n"),
    "old Mac line ends": text(end="\r"),
    "a byte-order mark": b"\xef\xbb\xbf" + text().encode(),
    "sep=; in the first line": "sep=;\n" + text(";"),
    "sep=, in the first line, Windows line ends": "sep=,\r\n" + text(end="\r\n"),
    "a byte-order mark and sep=;": b"\xef\xbb\xbf" + ("sep=;\n" + text(";")).encode(),
    "blank columns behind": "\n".join(",".join([*r, "", ""]) for r in ROWS) + "\n",
    "a blank column between": "\n".join(",".join([*r[:2], "", *r[2:]]) for r in ROWS) + "\n",
    "blank rows between and behind": text().replace("S3,", "\n,,,\nS3,") + ",,,\n\n\n",
    "blank rows above the header": ",,,\n\n" + text(),
    "spaces around the values": text(" , "),
    "quotation marks around every value": "\n".join(",".join(f'"{c}"' for c in r) for r in ROWS) + "\n",
    "no line end at the end": text().rstrip("\n"),
    "separators behind some rows": text().replace("m2\n", "m2,,\n"),
    "UTF-16 (Unicode text of Excel)": text().encode("utf-16"),
    "UTF-16 with tabs": text("\t").encode("utf-16"),
    "packed by gzip": gzip.compress(text().encode()),
}  # fmt: skip
for _name, _raw in GOOD.items():

    @situation(KIND, "csv", _name, study=True)
    def good(at, raw=_raw):
        return saved(at, raw)


BAD = {
    "UTF-16 cut short": (text().encode("utf-16")[:-1], "UTF-16 text and is damaged"),
    "Latin-1 with a letter beyond ASCII": (text().replace("S3", "Sä").encode("latin-1"), "not UTF-8"),
    "values under a column without a name": (
        "\n".join(",".join([*r, "" if i == 0 else "x"]) for i, r in enumerate(ROWS)), "has values but no name"),
    "an old workbook (.xls)": (b"\xd0\xcf\x11\xe0" + b"0" * 99, "old Excel file"),
    "a column twice": (text().replace("arm,path", "arm,arm,path").replace("baseline,", "baseline,baseline,")
                       .replace("primary,", "primary,primary,"), "is there twice"),
    "a row with a field too many": (text().replace("m2\n", "m2,more\n"), "the row has 5 fields"),
    "a row with a field too few": (text().replace(",m2\n", "\n"), "the row has 3 fields"),
    "a quotation mark that stays open": (text().replace("S2,", 'S2,"'), "quotation mark|fields"),
    "a header and no rows": (",".join(ROWS[0]) + "\n", "has a header but no rows"),
    "an empty file": (b"", "empty"),
    "another name of a column": (text().replace("patient,", "Patient,"), "rename 'Patient' to 'patient'"),
    "one column": ("sample\nS1\n", "has no separator"),
    "gzip cut short": (gzip.compress(text().encode() * 99)[:60], "truncated or damaged"),
    "a web page": ("<!DOCTYPE html>\n<html><body>404, not found</body></html>\n", "no column|no separator"),
}  # fmt: skip
for _name, (_raw, _words) in BAD.items():

    @situation(KIND, "csv", _name, refused=_words, study=True)
    def bad(at, raw=_raw):
        return saved(at, raw)


def workbook(at, sheets):
    import openpyxl

    path = study(at, four(at))
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    book.save(at / "samples.xlsx")
    path.write_text(path.read_text(encoding="utf-8").replace("samples.csv", "samples.xlsx"), encoding="utf-8")
    return path


EXCEL = {
    "one worksheet": ({"Sheet1": ROWS}, ""),
    "the right one of two worksheets": ({"Notes": [["hello", "world"]], "Samples": ROWS}, ""),
    "blank columns and rows": ({"Sheet1": [[*r, None] for r in ROWS] + [[None] * 5]}, ""),
    "numbers and dates": (
        {"Sheet1": [[*r, c] for r, c in zip(ROWS, ["age", 61, 58.5, 70, 49], strict=True)]}, ""),
    "two worksheets that fit": ({"A": ROWS, "B": ROWS}, "2 worksheets have the columns"),
    "none that fits": ({"A": [["a", "b"], ["1", "2"]], "B": [["c", "d"], ["1", "2"]]}, "no worksheet has the columns"),
    "empty": ({"A": []}, "empty or not a table"),
}  # fmt: skip
for _name, (_sheets, _words) in EXCEL.items():

    @situation(KIND, "xlsx", _name, refused=_words, study=True, needs="openpyxl")
    def excel(at, sheets=_sheets):
        return workbook(at, sheets)
