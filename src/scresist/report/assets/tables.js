// Tables: sort by a heading, search, fold rows that are not supported, fold columns that do not fit, copy, CSV.
"use strict";

const FOLDED = ["not supported", "refused"];
const MISSING = ["", "–"];
const PRINTED = 8; // rows of a table on paper; all are on the screen and in the file

/** The number of a cell as it is written ("< 1e-16", "12.5 %", "1,200"), or NaN. */
function numberOf(text) {
  const plain = text.replace(/[<,%\s]/g, "").replace("∞", "Infinity").replace("−", "-");
  return plain === "" ? NaN : Number(plain);
}

/** -1, 0 or 1: numbers by size, words by the alphabet, missing values last. */
function compare(a, b) {
  const [x, y] = [numberOf(a), numberOf(b)];
  const none = [MISSING.includes(a), MISSING.includes(b)];
  if (none[0] || none[1]) return none[0] - none[1];
  if (!Number.isNaN(x) && !Number.isNaN(y)) return Math.sign(x - y);
  return a.localeCompare(b, undefined, { numeric: true });
}

/** A field of a CSV, quoted where it must be. */
function quoted(text) {
  return /[",\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

class Table {
  constructor(box) {
    this.box = box;
    this.table = box.querySelector("table");
    this.body = this.table.tBodies[0];
    this.heads = [...this.table.tHead.rows[0].cells];
    this.rows = [...this.body.rows];
    this.folding = true;
    this.hidden = new Set();
    this.words = "";
    this.verdict = this.heads.findIndex((h) => h.dataset.source === "verdict");
    this.against = this.verdict < 0 ? [] : this.rows.filter((r) => FOLDED.includes(r.cells[this.verdict].innerText.trim()));
    // A table in which nothing is supported is shown whole: folding it would leave an empty table.
    if (this.against.length === this.rows.length) this.folding = false;
    this.tools();
    this.heads.forEach((head, k) => this.sortable(head, k));
    this.fit();
    this.show();
  }

  tools() {
    const bar = document.createElement("div");
    bar.className = "tools";
    if (this.rows.length > 8) {
      const search = document.createElement("input");
      search.type = "search";
      search.placeholder = "Search this table";
      search.setAttribute("aria-label", "Search this table");
      search.oninput = () => { this.words = search.value.trim().toLowerCase(); this.show(); };
      bar.append(search);
    }
    if (this.against.length && this.against.length < this.rows.length) {
      this.fold = document.createElement("button");
      this.fold.onclick = () => { this.folding = !this.folding; this.show(); };
      bar.append(this.fold);
    }
    const copy = document.createElement("button");
    copy.textContent = "Copy";
    copy.onclick = () => navigator.clipboard?.writeText(this.text("\t")).then(() => { copy.textContent = "Copied"; });
    const save = document.createElement("button");
    save.textContent = "CSV";
    save.onclick = () => this.save();
    this.count = document.createElement("span");
    this.count.setAttribute("aria-live", "polite");
    bar.append(copy, save, this.count);
    this.box.prepend(bar);
  }

  sortable(head, k) {
    const button = document.createElement("button");
    button.append(...head.childNodes);
    head.append(button);
    button.onclick = () => {
      const down = head.getAttribute("aria-sort") === "ascending";
      this.heads.forEach((h) => h.removeAttribute("aria-sort"));
      head.setAttribute("aria-sort", down ? "descending" : "ascending");
      const value = (row) => row.cells[k].innerText.trim();
      const order = this.rows.map((row) => ({ row, text: value(row) }));
      order.sort((a, b) => {
        const missing = MISSING.includes(a.text) || MISSING.includes(b.text);
        return compare(a.text, b.text) * (down && !missing ? -1 : 1);
      });
      this.rows = order.map((o) => o.row);
      this.close();
      this.body.append(...this.rows);
    };
  }

  close() {
    this.body.querySelectorAll("tr.more").forEach((row) => row.remove());
    this.body.querySelectorAll(".open").forEach((b) => { b.textContent = "+"; b.setAttribute("aria-expanded", "false"); });
  }

  /** Hide columns from the right until the table fits; what is hidden opens under its row. */
  fit() {
    this.close();
    this.heads.forEach((h, k) => this.column(k, true));
    this.hidden.clear();
    const room = this.table.parentElement;
    for (let k = this.heads.length - 1; k > 1 && this.table.scrollWidth > room.clientWidth + 1; k -= 1) {
      if (k === this.verdict) continue;
      this.column(k, false);
      this.hidden.add(k);
    }
    this.rows.forEach((row) => this.opener(row));
  }

  column(k, shown) {
    this.heads[k].classList.toggle("gone", !shown);
    this.rows.forEach((row) => row.cells[k].classList.toggle("gone", !shown));
  }

  opener(row) {
    row.querySelector(".open")?.remove();
    if (!this.hidden.size) return;
    const button = document.createElement("button");
    button.className = "open";
    button.textContent = "+";
    button.setAttribute("aria-expanded", "false");
    button.setAttribute("aria-label", "Show the other columns of this row");
    button.onclick = () => this.open(row, button);
    row.cells[0].prepend(button);
  }

  open(row, button) {
    const next = row.nextElementSibling;
    if (next?.classList.contains("more")) {
      next.remove();
      button.textContent = "+";
      button.setAttribute("aria-expanded", "false");
      return;
    }
    const list = document.createElement("dl");
    [...this.hidden].sort((a, b) => a - b).forEach((k) => {
      const term = document.createElement("dt");
      term.textContent = this.heads[k].innerText || this.heads[k].textContent;
      term.title = this.heads[k].title;
      const value = document.createElement("dd");
      value.textContent = row.cells[k].textContent;
      list.append(term, value);
    });
    const more = document.createElement("tr");
    more.className = "more";
    const cell = document.createElement("td");
    cell.colSpan = this.heads.length;
    cell.append(list);
    more.append(cell);
    row.after(more);
    button.textContent = "–";
    button.setAttribute("aria-expanded", "true");
  }

  show() {
    const folded = new Set(this.folding && !this.words ? this.against : []);
    let shown = 0;
    this.close();
    this.rows.forEach((row) => {
      const found = !this.words || row.textContent.toLowerCase().includes(this.words);
      const visible = found && !folded.has(row);
      row.classList.toggle("folded", !visible);
      shown += visible;
      row.classList.toggle("unprinted", shown > PRINTED);
    });
    if (this.fold) {
      this.fold.textContent = this.folding ? `Show ${this.against.length} not supported` : "Fold what is not supported";
      this.fold.setAttribute("aria-pressed", String(!this.folding));
    }
    this.count.textContent = `${shown} of ${this.rows.length} rows`;
  }

  cells(row) {
    return [...row.cells].map((c) => [...c.childNodes].filter((n) => !n.classList?.contains("open")).map((n) => n.textContent)
      .join("").trim());
  }

  text(separator) {
    const head = this.heads.map((h) => h.textContent.trim());
    const clean = separator === "," ? quoted : (t) => t;
    return [head, ...this.rows.map((r) => this.cells(r))].map((r) => r.map(clean).join(separator)).join("\n");
  }

  save() {
    const link = document.createElement("a");
    link.href = `data:text/csv;charset=utf-8,${encodeURIComponent(this.text(","))}`;
    link.download = `${this.box.dataset.name || "table"}.csv`;
    link.click();
  }
}

if (typeof document !== "undefined") {
  const tables = [...document.querySelectorAll(".tablebox")].map((box) => new Table(box));
  let waiting = 0;
  window.addEventListener("resize", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => tables.forEach((t) => { t.fit(); t.show(); }), 150);
  });
}
if (typeof module !== "undefined") module.exports = { numberOf, compare, quoted };
