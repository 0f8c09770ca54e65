"use strict";
for (const button of document.querySelectorAll("[data-copy]")) {
  if (!navigator.clipboard) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    navigator.clipboard.writeText(document.getElementById(button.dataset.copy).textContent)
      .then(() => { button.textContent = "Copied"; });
  });
}
// Values of the curves under the pointer: the path has the points, the axes say
// what they stand for.
for (const box of document.querySelectorAll(".hover")) {
  const [x0, x1, xlo, xhi, y0, y1, ylo, yhi] = box.dataset.axes.split(" ").map(Number);
  const [xlog, ylog] = box.dataset.log.split(" ").map((s) => s === "true");
  const value = (v, a, b, lo, hi, log) => {
    const f = (v - a) / (b - a);
    return log ? lo * Math.pow(hi / lo, f) : lo + f * (hi - lo);
  };
  const show = (v) => String(Number(v.toPrecision(4)));
  const lines = Array.from(box.querySelectorAll("path[data-name]"), (path) => ({
    name: path.dataset.name,
    points: (path.getAttribute("d").match(/-?[\d.]+ -?[\d.]+/g) || []).map((p) => p.split(" ").map(Number)),
  })).filter((l) => l.points.length > 0);
  const svg = box.querySelector("svg");
  const tip = document.createElement("p");
  tip.className = "tip";
  tip.hidden = true;
  box.append(tip);
  const mark = document.createElementNS("http://www.w3.org/2000/svg", "path");
  mark.setAttribute("class", "mark");
  svg.append(mark);
  const hide = () => { tip.hidden = true; mark.removeAttribute("d"); };
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("pointermove", (event) => {
    const at = new DOMPoint(event.clientX, event.clientY).matrixTransform(svg.getScreenCTM().inverse());
    if (at.x < Math.min(x0, x1) || at.x > Math.max(x0, x1)) return hide();
    let px = 0;
    let best = Infinity;
    for (const l of lines) for (const p of l.points) {
      if (Math.abs(p[0] - at.x) < best) { best = Math.abs(p[0] - at.x); px = p[0]; }
    }
    const near = lines.map((l) => l.points.reduce((a, b) => Math.abs(b[0] - px) < Math.abs(a[0] - px) ? b : a));
    tip.textContent = show(value(px, x0, x1, xlo, xhi, xlog)) + ": " + lines.map((l, i) =>
      Math.abs(near[i][0] - px) > 12 ? "" : l.name + " " + show(value(near[i][1], y0, y1, ylo, yhi, ylog))).filter(Boolean).join(", ");
    mark.setAttribute("d", "M" + px + " " + y1 + "L" + px + " " + y0);
    tip.hidden = false;
  });
}
