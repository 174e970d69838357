// The units of a layer as a picture: one cell each, lit by its value.

import { property } from "./dom.js";

const CELL = 12; // points of the canvas

/** How many columns show so many units as a calm rectangle: 16 for the 128 of the shipped networks. */
export function columnsFor(count) {
  return Math.min(count, 2 ** Math.ceil(Math.log2(Math.max(1, Math.sqrt(count * 1.2)))));
}

/** What gives the colour of a value from -1 to 1, between the ground and the colour of its sign, in the theme of now. */
export function shades() {
  const [lit, below, ground] = ["--lit", "--below", "--unlit"].map((name) => rgb(property(name)));
  return (value) => {
    const goal = value < 0 ? below : lit;
    const share = Math.min(1, Math.abs(value)) ** 0.7; // small values are seen too
    return `rgb(${ground.map((from, index) => Math.round(from + (goal[index] - from) * share)).join(" ")})`;
  };
}

function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** Paints values on a canvas, the largest of them (or `most`) fully lit. */
export function paintUnits(canvas, values, most = largest(values)) {
  const columns = columnsFor(values.length);
  const rows = Math.ceil(values.length / columns);
  Object.assign(canvas, { width: columns * CELL, height: rows * CELL });
  canvas.style.setProperty("max-width", `${columns * 1.75}rem`);
  const paper = canvas.getContext("2d");
  const shade = shades();
  values.forEach((value, index) => {
    paper.fillStyle = shade(value / most);
    paper.fillRect((index % columns) * CELL + 1, Math.floor(index / columns) * CELL + 1, CELL - 2, CELL - 2);
  });
}

export function largest(values) {
  return values.reduce((most, value) => Math.max(most, Math.abs(value) || 0), 0) || 1;
}

/** What a layer does, in words: how many of its units are lit, and which one most. */
export function inWords(values) {
  const lit = values.filter((value) => value > 0).length;
  const top = values.indexOf(Math.max(...values));
  return `${lit} of ${values.length} units are above zero; unit ${top} most.`;
}
