// The drawing area: strokes by mouse, touch and pen, and by keyboard cell by cell.

import { element, onTheme, property, uniqueId } from "./dom.js";
import { SIDE, trace } from "./picture.js";

const FINE = 12; // points of the canvas for each cell
const WIDTH = 2; // cells: the pen on the paper
const NEAR = 1.5; // cells: a dab so near to the last one is joined to it
const MOVES = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/**
 * Gives {box, strokes(), clear(), undo(), show(values)}. `onChange(strokes)` is called with every change by a person;
 * `show` puts a picture there, which the next stroke takes the place of.
 */
export function createPad({ onChange }) {
  const help = uniqueId("pad-help");
  const canvas = element("canvas", {
    class: "pad", width: SIDE * FINE, height: SIDE * FINE, tabindex: "0", role: "application",
    "aria-label": "Drawing area, 28 by 28 cells", "aria-describedby": help,
  });
  const box = element("div", { class: "pad-box" }, canvas, element("p", { id: help, class: "quiet pad-help" },
    "By keyboard: arrows move, ", element("kbd", {}, "Space"), " paints, ", element("kbd", {}, "Shift"),
    " + arrow draws, ", element("kbd", {}, "Backspace"), " takes back, ", element("kbd", {}, "Delete"), " clears."));
  let strokes = [];
  let picture = null;
  let pen = null; // the id of the pointer that draws
  let cell = [SIDE / 2, SIDE / 2];
  let isSpaceDown = false;

  function changed() {
    repaint();
    onChange(strokes);
  }

  function begin(point) {
    picture = null;
    strokes = [...strokes, [point]];
  }

  function extend(points) {
    strokes = [...strokes.slice(0, -1), [...strokes.at(-1), ...points]];
  }

  function place(event) {
    const { left, top, width, height } = canvas.getBoundingClientRect();
    const within = (value) => Math.min(SIDE - 0.5, Math.max(0.5, value));
    return [within(((event.clientX - left) / width) * SIDE), within(((event.clientY - top) / height) * SIDE)];
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || pen !== null) return;
    event.preventDefault();
    canvas.focus({ focusVisible: false });
    canvas.setPointerCapture(event.pointerId);
    pen = event.pointerId;
    begin(place(event));
    changed();
  });
  canvas.addEventListener("pointermove", (event) => {
    if (event.pointerId !== pen) return;
    const moves = event.getCoalescedEvents?.() ?? [];
    extend((moves.length ? moves : [event]).map(place));
    changed();
  });
  for (const end of ["pointerup", "pointercancel", "lostpointercapture"]) {
    canvas.addEventListener(end, (event) => {
      if (event.pointerId === pen) pen = null;
    });
  }

  function dab() {
    const point = cell.map((place) => place + 0.5);
    const last = strokes.at(-1)?.at(-1);
    const isNear = last && Math.max(Math.abs(last[0] - point[0]), Math.abs(last[1] - point[1])) <= NEAR;
    if (isNear && picture === null) extend([point]);
    else begin(point);
    changed();
  }

  canvas.addEventListener("keydown", (event) => {
    const move = MOVES[event.key];
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (move) {
      cell = cell.map((place, axis) => Math.min(SIDE - 1, Math.max(0, place + move[axis])));
      if (event.shiftKey || isSpaceDown) dab();
      else repaint();
    } else if (event.key === " ") {
      if (!event.repeat) dab();
      isSpaceDown = true;
    } else if (event.key === "Backspace") undo();
    else if (event.key === "Delete") clear();
    else return;
    event.preventDefault();
  });
  canvas.addEventListener("keyup", (event) => {
    if (event.key === " ") isSpaceDown = false;
  });
  canvas.addEventListener("focus", repaint);
  canvas.addEventListener("blur", () => {
    isSpaceDown = false;
    repaint();
  });
  onTheme(repaint);

  function clear() {
    strokes = [];
    picture = null;
    changed();
  }

  function undo() {
    if (picture) clear();
    else {
      strokes = strokes.slice(0, -1);
      changed();
    }
  }

  function repaint() {
    const paper = canvas.getContext("2d");
    paper.setTransform(FINE, 0, 0, FINE, 0, 0);
    paper.fillStyle = property("--raised");
    paper.fillRect(0, 0, SIDE, SIDE);
    const ink = property("--ink");
    if (picture) {
      paper.fillStyle = ink;
      picture.forEach((value, index) => {
        paper.globalAlpha = value;
        paper.fillRect(index % SIDE, Math.floor(index / SIDE), 1.02, 1.02);
      });
      paper.globalAlpha = 1;
    }
    paper.strokeStyle = ink;
    trace(paper, strokes, WIDTH);
    if (canvas.matches(":focus-visible")) {
      paper.strokeStyle = property("--accent");
      paper.lineWidth = 0.3;
      paper.strokeRect(cell[0], cell[1], 1, 1);
    }
  }

  repaint();
  return {
    box,
    canvas,
    strokes: () => strokes,
    clear,
    undo,
    show(values) {
      strokes = [];
      picture = values;
      repaint();
    },
  };
}
