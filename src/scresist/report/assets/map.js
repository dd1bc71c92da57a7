// The map of cells: colour by a column or by a gene, hide a name, zoom, move.
"use strict";

// Levels of a gene, two cells to a byte, the first in the high half.
function unpacked(bytes, n) {
  const out = new Uint8Array(n);
  for (let i = 0; i < n; i += 1) out[i] = i % 2 ? bytes[i >> 1] & 15 : bytes[i >> 1] >> 4;
  return out;
}

// Light grey for no count, then from yellow to dark red.
function shade(level, top) {
  if (!level) return "#dfe3e8";
  const [t, mix] = [(level - 1) / (top - 1), (a, b, s) => Math.round(a + (b - a) * s)];
  const [from, to, s] = t < 0.5 ? [[254, 217, 118], [240, 59, 32], t * 2] : [[240, 59, 32], [103, 0, 13], t * 2 - 1];
  return `rgb(${from.map((v, k) => mix(v, to[k], s)).join(",")})`;
}

// A colour as the number of a pixel: alpha, blue, green, red.
function pixelOf(colour) {
  const hex = colour.match(/^#(..)(..)(..)$/);
  const [red, green, blue] = hex ? hex.slice(1).map((part) => parseInt(part, 16)) : colour.match(/[0-9]+/g).map(Number);
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

if (typeof module !== "undefined") module.exports = { unpacked, shade, pixelOf };

if (typeof document !== "undefined") (function cellMap() {
  const source = document.getElementById("mapdata");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const canvas = document.getElementById("cellmap");
  const context = canvas.getContext("2d");
  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const xy = new Uint16Array(bytes(data.xy).buffer);
  const n = xy.length / 2;
  const codes = {};
  for (const name of Object.keys(data.by)) codes[name] = new Uint16Array(bytes(data.by[name].codes).buffer);
  const [width, height, ratio] = [canvas.width, canvas.height, window.devicePixelRatio || 1];
  canvas.style.aspectRatio = `${width} / ${height}`;
  canvas.width = width * ratio;
  canvas.height = height * ratio;
  canvas.style.width = `${width}px`;
  const pick = document.getElementById("by");
  const hidden = {};
  let [by, zoom, left, top] = [pick.value, 1, 0, 0];
  const base = n > 60000 ? 1.2 : n > 15000 ? 1.8 : n > 3000 ? 2.6 : 3.6;
  let asked = false;
  let [image, pixels] = [null, null];
  const highest = data.genes ? data.genes.levels : 15;
  const shades = Array.from({ length: highest + 1 }, (_, level) => shade(level, highest));
  let gene = null; // the name, the level of every step-th cell, and that of the darkest colour

  function groupsOf() {
    if (!gene) return { colours: data.by[by].colours, of: codes[by], off: hidden[by] || {}, step: 1 };
    return { colours: shades, of: gene.levels, off: {}, step: data.genes.step };
  }

  // Points are written into the pixels themselves: ten times as fast as a rectangle each.
  function draw() {
    asked = false;
    const { colours, of, off, step } = groupsOf();
    const [across, down] = [canvas.width, canvas.height];
    if (!image || image.width !== across) {
      image = context.createImageData(across, down);
      pixels = new Uint32Array(image.data.buffer);
    }
    pixels.fill(0xffffffff);
    const tints = colours.map(pixelOf);
    const side = Math.max(1, Math.round(base * Math.sqrt(zoom) * ratio));
    const [sx, sy] = [(width - 20) / 65535 * zoom * ratio, (height - 20) / 65535 * zoom * ratio];
    const [ox, oy] = [(10 * zoom + left) * ratio - side / 2, (10 * zoom + top) * ratio - side / 2];
    for (let i = 0; i < n; i += step) {
      const group = of[i / step];
      if (off[group]) continue;
      const x = Math.round(xy[2 * i] * sx + ox);
      const y = Math.round(xy[2 * i + 1] * sy + oy);
      if (x < 0 || y < 0 || x + side > across || y + side > down) continue;
      const tint = tints[group];
      for (let row = y * across + x, k = 0; k < side; k += 1, row += across) {
        for (let at = row; at < row + side; at += 1) pixels[at] = tint;
      }
    }
    context.putImageData(image, 0, 0);
  }

  function later() {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  }

  function legend() {
    const box = document.getElementById("legend");
    const [names, off] = [data.by[by], hidden[by] = hidden[by] || {}];
    box.textContent = "";
    if (gene) {
      const [title, note] = [document.createElement("b"), document.createElement("p")];
      title.textContent = gene.name;
      const some = data.genes.step > 1 ? ` Every ${data.genes.step}th of the cells shown.` : "";
      const found = gene.levels.reduce((sum, level) => sum + (level > 0), 0);
      note.textContent = `${found} of ${gene.levels.length} cells have a count; the darkest have ln(1 + counts per 10,000) ` +
        `of ${gene.top} or more.${some}`;
      const bar = document.createElement("div");
      shades.forEach((colour) => { const part = document.createElement("i"); part.style.background = colour; bar.append(part); });
      box.append(title, bar, note);
      return;
    }
    names.names.forEach((name, j) => {
      const [entry, mark] = [document.createElement("button"), document.createElement("i")];
      mark.style.background = names.colours[j];
      entry.append(mark, `${name} (${names.sizes[j]})`);
      entry.setAttribute("aria-pressed", String(!off[j]));
      if (off[j]) entry.className = "off";
      entry.onclick = () => { off[j] = !off[j]; legend(); later(); };
      box.append(entry);
    });
  }

  pick.onchange = () => { by = pick.value; gene = null; if (typed) typed.value = ""; legend(); later(); };

  async function colourBy(name) {
    const at = data.genes.names.indexOf(name);
    if (at < 0) return;
    const packed = new Blob([bytes(data.genes.packed[at])]).stream().pipeThrough(new DecompressionStream("deflate"));
    const raw = new Uint8Array(await new Response(packed).arrayBuffer());
    gene = { name, levels: unpacked(raw, data.genes.n), top: data.genes.top[at] };
    legend();
    later();
  }

  const typed = document.getElementById("mapgene");
  if (typed) {
    const upper = new Map(data.genes.names.map((name) => [name.toUpperCase(), name]));
    typed.oninput = () => {
      const start = typed.value.trim().toUpperCase();
      const list = document.getElementById("mapgenes");
      list.textContent = "";
      for (const name of data.genes.names.filter((g) => start && g.toUpperCase().startsWith(start)).slice(0, 20)) {
        const option = document.createElement("option");
        option.value = name;
        list.append(option);
      }
      if (!start) { gene = null; legend(); later(); }
      if (upper.has(start)) colourBy(upper.get(start));
    };
  }
  const scale = () => width / canvas.getBoundingClientRect().width;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    zoomed(Math.exp(-event.deltaY / 400), event.offsetX * scale(), event.offsetY * scale());
  }, { passive: false });
  let drag = null;
  canvas.onpointerdown = (e) => { drag = [e.clientX * scale() - left, e.clientY * scale() - top]; canvas.setPointerCapture(e.pointerId); };
  canvas.onpointermove = (e) => { if (drag) { left = e.clientX * scale() - drag[0]; top = e.clientY * scale() - drag[1]; later(); } };
  canvas.onpointerup = () => { drag = null; };
  canvas.ondblclick = () => { zoom = 1; left = top = 0; later(); };

  function zoomed(factor, x, y) {
    const wanted = Math.min(40, Math.max(1, zoom * factor));
    left = x - wanted / zoom * (x - left);
    top = y - wanted / zoom * (y - top);
    zoom = wanted;
    if (zoom === 1) left = top = 0;
    later();
  }

  canvas.onkeydown = (event) => {
    const moves = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    if (event.key === "+" || event.key === "=") zoomed(1.25, width / 2, height / 2);
    else if (event.key === "-") zoomed(0.8, width / 2, height / 2);
    else if (event.key === "0") canvas.ondblclick();
    else if (moves[event.key]) { left += moves[event.key][0]; top += moves[event.key][1]; later(); }
    else return;
    event.preventDefault();
  };
  legend();
  draw();
})();
