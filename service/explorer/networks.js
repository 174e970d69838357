// What the page has to know of a model before it can ask it something.

import { jsonRequest } from "./api.js";
import { PIXELS, SIDE } from "./picture.js";

const MOST = 20; // classes that are all shown, in their own order; of more there are
const BEST = 10; // the best ones
const DIGITS = "0123456789".split("").join();

/** How grey values from 0 to 1 become what a model was trained with, for models that do not say it themselves. */
export const SCALES = {
  unit: { text: "0 to 1", of: (value) => value },
  byte: { text: "0 to 255", of: (value) => Math.round(value * 255) },
  signed: { text: "−1 to 1", of: (value) => value * 2 - 1 },
  mnist: { text: "(value − 0.1307) / 0.3081", of: (value) => (value - 0.1307) / 0.3081 },
};

/** The shape of one picture in a model whose only input is 28×28 numbers, null for another model. */
export function pictureShape(model) {
  if (model.inputs.length !== 1 || !model.inputs[0].shape) return null;
  const { shape, datatype } = model.inputs[0];
  const [rows, ...row] = shape;
  const isNumeric = /^(FP|BF|U?INT)/.test(datatype);
  return isNumeric && (rows === -1 || rows === 1) && product(row) === PIXELS ? row : null;
}

function product(sizes) {
  return sizes.reduce((left, right) => (right > 0 ? left * right : NaN), 1);
}

/** Whether a model says itself how a picture becomes numbers. */
export function knowsPictures(model) {
  return model.image !== undefined;
}

/** The numbers that a model is given for a picture. */
export function numbers(model, values, scale) {
  const isWhole = model.inputs[0].datatype.includes("INT");
  const of = knowsPictures(model)
    ? (value) => (value * 255) / model.image.divisor
    : isWhole ? SCALES.byte.of : SCALES[scale].of;
  return Array.from(values, (value) => Number(of(value).toFixed(4)));
}

/** The request for a prediction of pictures, one row each. */
export function predictRequest(model, pictures, scale) {
  return jsonRequest(`/predict/${encodeURIComponent(model.name)}`, batch(model, pictures, scale));
}

/** The request for what the activations inside do with pictures; `byRow` asks for every value. */
export function diagnoseRequest(model, pictures, scale, byRow = false) {
  const path = `/diagnose/${encodeURIComponent(model.name)}${byRow ? "?by_row=true" : ""}`;
  return jsonRequest(path, batch(model, pictures, scale));
}

function batch(model, pictures, scale) {
  const rows = pictures.map((values) => numbers(model, values, scale));
  if (model.inputs[0].shape[0] === -1) return { instances: rows };
  return { inputs: rows.map((row) => shaped(row, pictureShape(model))) };
}

function shaped(flat, sizes) {
  if (sizes.length < 2) return flat;
  const step = flat.length / sizes[0];
  return Array.from({ length: sizes[0] }, (_, index) => shaped(flat.slice(index * step, (index + 1) * step), sizes.slice(1)));
}

/**
 * What a model said of one picture: {classes: [{label, value}], top: its index, isShare: whether the values add up to
 * one}; null where it is nothing that could be shown as bars.
 */
export function answerOf(model, body) {
  const found = rowOf(body);
  const values = Array.isArray(found) ? found.flat(Infinity).map(Number) : null;
  if (!values?.length || values.some(Number.isNaN)) return null;
  const sum = values.reduce((left, right) => left + right, 0);
  const isShare = values.every((value) => value >= -1e-6) && Math.abs(sum - 1) < 0.01;
  const all = values.map((value, index) => ({ label: model.labels?.[index] ?? String(index), value }));
  if (all.length > MOST) return { classes: all.sort((left, right) => right.value - left.value).slice(0, BEST), top: 0, isShare };
  return { classes: all, top: values.indexOf(Math.max(...values)), isShare };
}

function rowOf(body) {
  const first = body.predictions?.[0] ?? body.outputs;
  if (first === null || typeof first !== "object" || Array.isArray(first)) return Array.isArray(first) ? first : [first];
  if ("scores" in first) return first.scores;
  const names = Object.keys(first);
  return first[names.find((name) => /prob|softmax/i.test(name)) ?? names[0]];
}

/** Which of the page's test images suit a model by its labels; null where that cannot be said. */
export function sheetOf(model) {
  const labels = (model.labels ?? []).join();
  if (labels === DIGITS) return "digits";
  return labels.includes("Ankle boot") ? "fashion_mnist" : null;
}

/** Digits are centred by their mass, as those that such networks learn from. */
export function isCentred(model) {
  return sheetOf(model) !== "fashion_mnist";
}

/** Models that answer the same question of the same picture, as those do that differ by their activation alone. */
export function family(models, model) {
  const labels = (model.labels ?? []).join();
  return models.filter((other) => pictureShape(other) && labels !== "" && (other.labels ?? []).join() === labels);
}

/** What tells a member of a family from the others, in words. */
export function nickname(model) {
  return model.description?.match(/with (\w+) in its hidden layer/)?.[1] ?? model.name;
}

export const SIZE = `${SIDE}×${SIDE}`;
