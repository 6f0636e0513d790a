// The pictures of the last hour, so that each minute can be read. The server has drawn them; where this does not run, those
// stay.
"use strict";

const charts = new Map();
const hourAndMinute = new Intl.DateTimeFormat(undefined, { timeStyle: "short" });

function colourOf(chart) {
  return getComputedStyle(chart).getPropertyValue("bad" in chart.dataset ? "--bad" : "--main").trim();
}

function inWords(value, unit) {
  if (unit === "count") return `${value.toLocaleString()} a minute`;
  if (value < 1000) return `${value} ms`;
  return value < 60000 ? `${Math.round(value / 1000)} s` : `${Math.round(value / 60000)} min`;
}

function dataOf(chart) {
  const values = chart.dataset.values.split(",").map(Number);
  const from = Number(chart.dataset.from);
  return [values.map((_, at) => from + at * 60), values];
}

function draw(chart) {
  const known = charts.get(chart);
  if (known) {
    known.setData(dataOf(chart));
    return;
  }
  const note = chart.parentElement.querySelector(".now");
  const colour = colourOf(chart);
  chart.replaceChildren();
  const plot = new uPlot({
    width: chart.clientWidth,
    height: chart.clientHeight,
    padding: [2, 0, 0, 0],
    legend: { show: false },
    cursor: { y: false, drag: { x: false, y: false, setScale: false }, points: { show: false } },
    axes: [{ show: false }, { show: false }],
    scales: { x: { time: true }, y: { range: (_, low, high) => [0, Math.max(high, 1)] } },
    series: [{}, { stroke: colour, fill: colour, width: 0, points: { show: false }, paths: uPlot.paths.bars({ size: [0.75] }) }],
    hooks: {
      setCursor: [(u) => {
        const at = u.cursor.idx;
        const isOver = at !== null && at !== undefined && u.cursor.left >= 0;
        note.textContent = isOver ? `${hourAndMinute.format(new Date(u.data[0][at] * 1000))}: ${inWords(u.data[1][at], chart.dataset.unit)}` : "";
      }],
    },
  }, dataOf(chart), chart);
  charts.set(chart, plot);
}

function drawAll() {
  for (const [chart, plot] of charts) {
    if (chart.isConnected) continue;
    plot.destroy();
    charts.delete(chart);
  }
  for (const chart of document.querySelectorAll("[data-values]")) draw(chart);
}

function drawAnew() {
  for (const plot of charts.values()) plot.destroy();
  charts.clear();
  drawAll();
}

document.addEventListener("rialto:shown", drawAll);
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAnew);
addEventListener("resize", () => {
  for (const [chart, plot] of charts) plot.setSize({ width: chart.clientWidth, height: chart.clientHeight });
});
drawAll();
