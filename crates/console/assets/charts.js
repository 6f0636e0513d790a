// Draws figures over time by uPlot, over the pictures that the server drew of them: with the minute and the value under the
// pointer. Loaded by pages that have some. It says nothing that the page does not say in words.
"use strict";

const MINUTE_S = 60;
const clock = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });
const plots = new Map();

function said(value, unit) {
  if (unit !== "ms") return `${value.toLocaleString()} ${unit}`;
  return value < 1000 ? `${value} ms` : `${(value / 1000).toFixed(1)} s`;
}

function options(figure, over, label) {
  const colour = getComputedStyle(figure).fill;
  return {
    width: over.clientWidth,
    height: over.clientHeight,
    padding: [0, 0, 0, 0],
    legend: { show: false },
    axes: [{ show: false }, { show: false }],
    cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
    scales: {
      x: { range: (_, first, last) => [first, last + MINUTE_S] },
      y: { range: (_, __, most) => [0, Math.max(most, 1)] },
    },
    series: [{}, { fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.8], align: 1 }) }],
    hooks: {
      setCursor: [(plot) => {
        const at = plot.cursor.idx;
        const [times, values] = plot.data;
        label.hidden = at == null;
        if (at != null) label.textContent = `${clock.format(times[at] * 1000)}: ${said(values[at], figure.dataset.unit)}`;
      }],
    },
  };
}

function draw(figure) {
  const over = figure.querySelector(".over");
  const values = figure.dataset.values.split(" ").map(Number);
  const first = Number(figure.dataset.from);
  const data = [values.map((_, at) => first + at * MINUTE_S), values];
  let plot = plots.get(over);
  if (plot) {
    plot.setData(data);
  } else {
    const label = document.createElement("span");
    label.className = "read";
    label.hidden = true;
    plot = new uPlot(options(figure, over, label), data, over);
    over.append(label);
    plots.set(over, plot);
  }
  figure.classList.add("drawn");
}

function drawAll() {
  for (const over of plots.keys()) if (!over.isConnected) plots.delete(over);
  for (const figure of document.querySelectorAll(".trend[data-values]")) draw(figure);
}

function again() {
  for (const [over, plot] of plots) {
    plot.destroy();
    over.replaceChildren();
  }
  plots.clear();
  drawAll();
}

drawAll();
document.addEventListener("rialto:shown", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", again);
let resized = 0;
addEventListener("resize", () => {
  clearTimeout(resized);
  resized = setTimeout(again, 150);
});
