// The gene box: type a gene, see its expression per arm, patient and population, contrasts, module, survival, bench.
"use strict";

const SVG = "http://www.w3.org/2000/svg";

function element(name, text, attributes = {}) {
  const made = document.createElement(name);
  if (text !== undefined) made.textContent = text;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  return made;
}

function drawn(name, attributes, text) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text !== undefined) made.textContent = text;
  return made;
}

/** p and q as they are read: 0.012, 1.2e-5, or a dash. */
function written(value) {
  if (value === null || value === undefined) return "–";
  return value >= 0.001 ? String(Number(value.toPrecision(2))) : value.toExponential(1);
}

/** Genes that begin with the text come first, then those that contain it. */
function matches(names, text, most) {
  const wanted = text.trim().toUpperCase();
  if (!wanted) return [];
  const first = names.filter((g) => g.toUpperCase().startsWith(wanted));
  const rest = names.filter((g) => !g.toUpperCase().startsWith(wanted) && g.toUpperCase().includes(wanted));
  return [...first, ...rest].slice(0, most);
}

const FEW = 4; // columns that a phone shows side by side; a row of more is written line by line
const FIRST = 6; // rows that are not folded

function tableOf(heads, rows) {
  const table = element("table", undefined, heads.length > FEW ? { class: "stack" } : {});
  const head = element("tr");
  heads.forEach((h) => head.append(element("th", h, { scope: "col" })));
  table.append(head);
  rows.forEach((cells) => {
    const row = element("tr");
    cells.forEach((c, i) => {
      const cell = typeof c === "string" || typeof c === "number" ? element("td", String(c)) : c;
      cell.dataset.head = heads[i];
      row.append(cell);
    });
    table.append(row);
  });
  return table;
}

/** The first rows as a table, the others in a fold that counts them. */
function longTable(heads, rows, what) {
  const made = element("div");
  made.append(tableOf(heads, rows.slice(0, FIRST)));
  if (rows.length > FIRST) {
    const fold = element("details");
    fold.append(element("summary", `${rows.length - FIRST} more ${what}`), tableOf(heads, rows.slice(FIRST)));
    made.append(fold);
  }
  return made;
}

function startGenes(data) {
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const [levels, byType] = [bytes(data.levels), bytes(data.byType)];
  const place = new Map(data.genes.map((g, i) => [g, i]));
  const box = document.getElementById("genename");
  const list = document.getElementById("genelist");
  const card = document.getElementById("genecard");
  const value = (byte) => (byte === 255 ? null : byte * data.step);

  function strip(k) {
    const n = data.samples.length;
    const own = data.samples.map((_, s) => value(levels[k * n + s]));
    const known = own.filter((v) => v !== null);
    if (!known.length) return element("p", `No cell in focus (${data.focus}) has counts of it.`);
    const [low, high] = [Math.min(...known), Math.max(...known)];
    const [width, height, foot, side] = [430, 210, 30, 42];
    const y = (v) => 12 + (height - foot - 20) * (1 - (v - low) / Math.max(high - low, 0.5));
    const x = (arm) => side + (width - side - 10) * (arm + 0.5) / data.arms.length;
    const svg = drawn("svg", { viewBox: `0 0 ${width} ${height}`, class: "strip", role: "img",
      "aria-label": `Expression of ${data.genes[k]} by arm` });
    [low, (low + high) / 2, high].forEach((v) => svg.append(drawn("text",
      { x: side - 8, y: y(v) + 4, "text-anchor": "end", "font-size": 11, fill: "#475569" }, v.toFixed(1))));
    const pairs = new Map();
    own.forEach((v, s) => {
      if (v === null || data.sampleArm[s] < 0) return;
      const [px, py] = [x(data.sampleArm[s]) + ((s * 7) % 11 - 5) * 3, y(v)];
      const before = pairs.get(data.patients[s]);
      if (before) svg.append(drawn("line", { x1: before[0], y1: before[1], x2: px, y2: py, stroke: "#94a3b8" }));
      pairs.set(data.patients[s], [px, py]);
    });
    own.forEach((v, s) => {
      if (v === null || data.sampleArm[s] < 0) return;
      const dot = drawn("circle", { cx: x(data.sampleArm[s]) + ((s * 7) % 11 - 5) * 3, cy: y(v), r: 4.5,
        fill: data.colours[data.sampleArm[s]] });
      dot.append(drawn("title", {}, `${data.samples[s]}: ${v.toFixed(1)}`));
      svg.append(dot);
    });
    data.arms.forEach((arm, a) => {
      const inside = own.filter((v, s) => v !== null && data.sampleArm[s] === a);
      if (!inside.length) return;
      const middle = inside.reduce((t, v) => t + v, 0) / inside.length;
      svg.append(drawn("line", { x1: x(a) - 26, x2: x(a) + 26, y1: y(middle), y2: y(middle), stroke: data.colours[a], "stroke-width": 2 }));
      svg.append(drawn("text", { x: x(a), y: height - 10, "text-anchor": "middle", "font-size": 12, fill: "#111827" },
        `${arm} (n ${new Set(data.patients.filter((_, s) => data.sampleArm[s] === a && own[s] !== null)).size})`));
    });
    return svg;
  }

  function populations(k) {
    const [arms, types] = [data.arms.length, data.types.length];
    const rows = data.types.map((type, t) => {
      const cells = data.arms.map((_, a) => value(byType[k * arms * types + t * arms + a]));
      return { type, cells, top: Math.max(...cells.map((v) => v ?? -1)) };
    }).filter((r) => r.top >= 0).sort((a, b) => (b.type === data.focus) - (a.type === data.focus) || b.top - a.top);
    const shown = rows.map((r) => [r.type, ...r.cells.map((v) => (v === null ? "–" : v.toFixed(1)))]);
    return longTable(["population", ...data.arms], shown, "populations, where it is lower");
  }

  function block(title, ...parts) {
    const made = element("div");
    made.append(element("h3", title), ...parts);
    return made;
  }

  function show(gene) {
    const k = place.get(gene);
    card.textContent = "";
    if (k === undefined) {
      const near = matches(data.genes, gene, 6);
      const text = near.length ? `Not tested under this name. Did you mean ${near.join(", ")}?`
        : `${gene} was not tested: it has too few counts, or another name here.`;
      card.append(element("p", text));
      return;
    }
    const pill = (verdict) => {
      const cell = element("td");
      if (verdict) cell.append(element("span", verdict, { class: `pill ${verdict.split(" ")[0]}` }));
      return cell;
    };
    const tests = data.contrasts.filter((c) => c.p[k] !== null).map((c) => [
      c.name, c.effect[k].toFixed(2), `${c.low[k]?.toFixed(2) ?? "–"} to ${c.high[k]?.toFixed(2) ?? "–"}`, written(c.p[k]),
      written(c.q[k]), `${c.n[0]} against ${c.n[1]}`, pill(c.verdict[k])]);
    const module = data.modules[k];
    card.append(block(`${gene} in ${data.focus} cells`, strip(k)));
    card.append(block("Between arms", tests.length
      ? tableOf(["contrast", "log2 change", "95 % interval", "p", "q", "patients", ""], tests)
      : element("p", "Not tested between arms in the focus.")));
    card.append(block("Module", element("p", module ? `${module[0]}${module[1] === null ? "" : `, kME ${module[1]}`}`
      : "Not among the genes of the network.")));
    const survival = data.survival[k] || [];
    card.append(block("Survival", survival.length
      ? tableOf(["endpoint", "hazard ratio per SD", "95 % interval", "p", "q", "patients, events"], survival.map((r) => [
        r[0], r[1], `${r[2] ?? "–"} to ${r[3] ?? "–"}`, written(r[4]), written(r[5]), `${r[6]}, ${r[7]}`]))
      : element("p", "No hazard ratio.")));
    const bench = data.bench[k] || [];
    if (bench.length) {
      const items = element("ul", undefined, { class: "plain" });
      bench.forEach((sentence) => items.append(element("li", sentence)));
      card.append(block("At the bench", items));
    }
    const others = data.others[k] || [];
    if (others.length) {
      const rows = [...others].sort((a, b) => a[3] - b[3]).map((r) => [r[0], r[1], r[2].toFixed(2), written(r[3]), written(r[4])]);
      card.append(block("Other populations, p < 0.05",
        longTable(["population", "contrast", "log2 change", "p", "q"], rows, "changes")));
    }
    card.append(block("Mean of each population, log2 counts per million, the highest first", populations(k)));
  }

  function suggest() {
    list.textContent = "";
    matches(data.genes, box.value, 12).forEach((g) => list.append(element("option", undefined, { value: g })));
    if (place.has(box.value.trim().toUpperCase())) show(box.value.trim().toUpperCase());
    else if (place.has(box.value.trim())) show(box.value.trim());
  }

  box.oninput = suggest;
  box.onchange = () => show(place.has(box.value.trim()) ? box.value.trim() : box.value.trim().toUpperCase());
  if (box.value) show(box.value);
}

if (typeof document !== "undefined" && document.getElementById("genedata")) {
  startGenes(JSON.parse(document.getElementById("genedata").textContent));
}
if (typeof module !== "undefined") module.exports = { matches, written };
