// The map of cells: colour by a column, hide a name, zoom, move.
"use strict";

(function cellMap() {
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

  function draw() {
    asked = false;
    context.setTransform(ratio, 0, 0, ratio, 0, 0);
    context.clearRect(0, 0, width, height);
    const [code, colours, off, size] = [codes[by], data.by[by].colours, hidden[by] || {}, base * Math.sqrt(zoom)];
    const groups = colours.map(() => []);
    for (let i = 0; i < n; i += 1) {
      if (off[code[i]]) continue;
      const x = (xy[2 * i] / 65535 * (width - 20) + 10) * zoom + left;
      const y = (xy[2 * i + 1] / 65535 * (height - 20) + 10) * zoom + top;
      if (x < -4 || y < -4 || x > width + 4 || y > height + 4) continue;
      groups[code[i]].push(x, y);
    }
    groups.forEach((points, k) => {
      context.fillStyle = colours[k];
      for (let i = 0; i < points.length; i += 2) context.fillRect(points[i] - size / 2, points[i + 1] - size / 2, size, size);
    });
  }

  function later() {
    if (!asked) requestAnimationFrame(draw);
    asked = true;
  }

  function legend() {
    const box = document.getElementById("legend");
    const [names, off] = [data.by[by], hidden[by] = hidden[by] || {}];
    box.textContent = "";
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

  pick.onchange = () => { by = pick.value; legend(); later(); };
  const scale = () => width / canvas.getBoundingClientRect().width;
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    const wanted = Math.min(40, Math.max(1, zoom * Math.exp(-event.deltaY / 400)));
    const [q, x, y] = [wanted / zoom, event.offsetX * scale(), event.offsetY * scale()];
    left = x - q * (x - left);
    top = y - q * (y - top);
    zoom = wanted;
    if (zoom === 1) left = top = 0;
    later();
  }, { passive: false });
  let drag = null;
  canvas.onpointerdown = (e) => { drag = [e.clientX * scale() - left, e.clientY * scale() - top]; canvas.setPointerCapture(e.pointerId); };
  canvas.onpointermove = (e) => { if (drag) { left = e.clientX * scale() - drag[0]; top = e.clientY * scale() - drag[1]; later(); } };
  canvas.onpointerup = () => { drag = null; };
  canvas.ondblclick = () => { zoom = 1; left = top = 0; later(); };
  legend();
  draw();
})();
