// Predict: a drawing, a test image or a file, and what the chosen model makes of it while it is made.

import { createAnswer } from "./answer.js";
import { createComparison } from "./comparison.js";
import { element, fill, problem, uniqueId } from "./dom.js";
import { createForm } from "./form.js";
import { createHidden } from "./hidden.js";
import { isCentred, knowsPictures, pictureShape, SCALES, sheetOf } from "./networks.js";
import { createPad } from "./pad.js";
import { attempt, createPicker } from "./picker.js";
import { fromFile, fromStrokes } from "./picture.js";
import { createSamples } from "./samples.js";

const TASKS = [["digits", "Digits"], ["fashion_mnist", "Garments"]];
const TITLES = {
  digits: "Draw a digit, and the network reads it",
  fashion_mnist: "Pick a garment, and the network names it",
};
const LEADS = {
  digits: "From 0 to 9, with finger, pen or mouse. Its guess follows while you draw.",
  fashion_mnist: "From the test images below, or draw one. Its guess follows at once.",
};

export function mount(section, context) {
  const { state } = context;
  const title = element("h2", {}, TITLES.digits);
  const lead = element("p", { class: "quiet" }, LEADS.digits);
  const trouble = element("div", {});
  const pad = createPad({ onChange: drawn });
  const picture = inputCard(pad, context, trouble);
  const parts = [createHidden(context), createAnswer(context)];
  const [samples, comparison, form] = [createSamples(context), createComparison(context), createForm(context)];
  const forPictures = [
    element("div", { class: "flow" }, picture.box, parts.map((part) => part.box)),
    comparison.box,
    samples.box,
  ];
  fill(section, element("div", { class: "opening" }, element("div", {}, title, lead), controls(context, trouble)),
    trouble, forPictures, form.box);

  function drawn(strokes) {
    const model = state.get("model");
    const values = fromStrokes(strokes, { centred: model ? isCentred(model) : true });
    state.set("input", { values, kind: "drawing", name: "your drawing", strokes });
  }

  state.on("model", (model) => {
    const takes = pictureShape(model) !== null;
    const sheet = sheetOf(model);
    title.textContent = takes ? TITLES[sheet] ?? `Give ${model.name} a picture` : `Ask ${model.name}`;
    lead.textContent = takes ? LEADS[sheet] ?? "Draw one, pick one below, or drop a file." :
      "It takes no 28×28 picture. This example is made from its graph: change the numbers and send it.";
    for (const box of forPictures) box.hidden = !takes;
    form.box.hidden = takes;
    const input = state.get("input");
    if (takes && input?.kind === "drawing") drawn(input.strokes); // centred or not, as this model wants it
  });
  state.on("input", (input) => {
    if (input.kind !== "drawing") pad.show(input.values);
  });
  state.on("trouble", (error) => {
    fill(trouble, error && problem(error));
    if (error && !state.get("model")) for (const box of forPictures) box.hidden = true;
  });
  acceptDrops(section, context, trouble);
}

/** The drawing area with what belongs to it. */
function inputCard(pad, context, trouble) {
  const chooser = element("input", { type: "file", accept: "image/*", class: "unseen", "aria-label": "A picture file", tabindex: "-1" });
  chooser.addEventListener("change", () => take(chooser.files[0], context, trouble));
  // On a narrow screen the answer is below the drawing: in short it stands above it as well.
  const glance = element("p", { class: "glance", "aria-hidden": "true" });
  context.state.on("verdict", ({ name, share }) => fill(glance, element("strong", {}, name), ` ${share}`));
  const box = element("div", { class: "card input-card" },
    element("div", { class: "line" }, element("h3", {}, "Your picture"), glance),
    pad.box,
    element("div", { class: "tools" },
      element("button", { type: "button", onclick: pad.clear }, "Clear"),
      element("button", { type: "button", onclick: pad.undo }, "Undo"),
      element("button", { type: "button", onclick: () => chooser.click() }, "Open file…"),
      chooser),
    element("p", { class: "quiet drop-hint" }, "Or drop a picture anywhere on this page."));
  return { box };
}

/** What is chosen above all: the task, the network, and where a model does not say it how pixels are told to it. */
function controls(context, trouble) {
  const { state, choice } = context;
  const tasks = TASKS.map(([name, text]) => ({ name, button: element("button", {
    type: "button", "aria-pressed": "false", onclick: () => attempt(choice.startWith(name), trouble),
  }, text) }));
  const scale = element("select", { id: uniqueId("scale") },
    Object.entries(SCALES).map(([name, { text }]) => element("option", { value: name }, text)));
  scale.addEventListener("change", () => state.set("scale", scale.value));
  const scaleBox = element("div", { class: "field", hidden: true }, element("label", { for: scale.id }, "Pixels as"), scale);

  state.on("models", ({ models }) => {
    for (const { name, button } of tasks) button.hidden = !models.some((one) => one.name === name && one.versions.length);
  });
  state.on("model", (model) => {
    scaleBox.hidden = !pictureShape(model) || knowsPictures(model) || model.inputs[0].datatype.includes("INT");
    for (const { name, button } of tasks) button.setAttribute("aria-pressed", String(sheetOf(model) === name));
  });
  return element("div", { class: "controls" },
    element("div", { class: "segments", role: "group", "aria-label": "What to recognise" }, tasks.map(({ button }) => button)),
    createPicker(context, trouble), scaleBox);
}

async function take(file, { state }, trouble) {
  if (!file) return;
  await attempt((async () => {
    const values = await fromFile(file, { centred: isCentred(state.get("model")) });
    state.set("input", { values, kind: "file", name: file.name });
  })(), trouble);
}

/** A picture may be dropped anywhere on the panel. */
function acceptDrops(section, context, trouble) {
  const isPicture = () => context.state.get("model") && pictureShape(context.state.get("model"));
  section.addEventListener("dragover", (event) => {
    if (!isPicture() || !event.dataTransfer.types.includes("Files")) return;
    event.preventDefault();
    section.classList.add("dropping");
  });
  section.addEventListener("dragleave", () => section.classList.remove("dropping"));
  section.addEventListener("drop", (event) => {
    section.classList.remove("dropping");
    if (!isPicture() || !event.dataTransfer.files.length) return;
    event.preventDefault();
    take(event.dataTransfer.files[0], context, trouble);
  });
}
