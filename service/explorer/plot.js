// The one place that speaks to uPlot: plots in the colours of the page, as wide as their box, drawn anew with either.

import { onTheme, property } from "./dom.js";
import uPlot from "./uplot.js";

/**
 * Draws in `box` and gives {update(data), chart()}.
 *
 * `data` is uPlot's: the x values, then the values of each series. `series` is a list of {label, color: the name of a
 * custom property, ...uPlot's own options}. `options` are uPlot's own, over those that are set here; `height` is in
 * pixels. The box should have a text beside it that says what the plot shows: a canvas says nothing to a screen reader.
 */
export function draw(box, { series, data, height = 260, options = {} }) {
  let chart = null;
  let now = data;

  function make() {
    chart?.destroy();
    const width = Math.max(200, Math.floor(box.clientWidth));
    chart = new uPlot({
      width,
      height,
      legend: { show: true, live: true },
      ...options,
      axes: (options.axes ?? [{}, { size: 60 }]).map(axis),
      series: [{ label: "x" }, ...series.map(line)],
    }, now, box);
  }

  make();
  onTheme(make);
  new ResizeObserver(() => {
    const width = Math.floor(box.clientWidth);
    if (width >= 200 && width !== chart.width) chart.setSize({ width, height });
  }).observe(box);

  return {
    update(values) {
      now = values;
      chart.setData(values);
    },
    chart: () => chart,
  };
}

/** Options of a series that is drawn as bars. */
export const bars = { paths: uPlot.paths.bars({ size: [0.96, 100] }), points: { show: false }, fill: "#7d889155", width: 1 };

function axis(options) {
  const line = { stroke: property("--line"), width: 1 };
  return { stroke: property("--quiet"), font: "12px system-ui, sans-serif", grid: line, ticks: line, ...options };
}

function line({ color, ...options }) {
  return { stroke: property(color), width: 2, ...options };
}
