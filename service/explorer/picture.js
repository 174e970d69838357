// Pictures as the networks take them: 28×28 grey values from 0 (black) to 1, made of strokes, files and test images.

export const SIDE = 28;
export const PIXELS = SIDE * SIDE;
// As MNIST was made: into a box of 20×20, and that by its centre of mass into 28×28 (LeCun et al. 1998).
const BOX = 20;
const BRUSH = 2.8; // pixels: how wide a pen is in the training data, whatever the size of a drawing before
const FINE = 8; // strokes are drawn so much finer, and averaged
const SMALLEST = 5; // pixels: a dot is not blown up beyond what so large a drawing would be
const DARK = 0.1; // of 1: up to here it is ground and no ink

/** Strokes, lists of points [x, y] in pixels of 28×28, as a picture; scaled and centred as MNIST is where `centred`. */
export function fromStrokes(strokes, { centred }) {
  if (!strokes.length) return new Float32Array(PIXELS);
  if (!centred) return rendered(strokes);
  const fitted = boxed(strokes);
  const [dx, dy] = shift(rendered(fitted));
  return rendered(fitted.map((stroke) => stroke.map(([x, y]) => [x + dx, y + dy])));
}

function boxed(strokes) {
  const points = strokes.flat();
  const [left, right] = range(points.map(([x]) => x));
  const [top, bottom] = range(points.map(([, y]) => y));
  const scale = (BOX - BRUSH) / Math.max(right - left, bottom - top, SMALLEST);
  const [middleX, middleY] = [(left + right) / 2, (top + bottom) / 2];
  return strokes.map((stroke) => stroke.map(([x, y]) => [(x - middleX) * scale + SIDE / 2, (y - middleY) * scale + SIDE / 2]));
}

function range(numbers) {
  return [Math.min(...numbers), Math.max(...numbers)];
}

/** By how many whole pixels a picture is moved so that its centre of mass is in the middle. */
function shift(values) {
  let [sum, sumX, sumY] = [0, 0, 0];
  values.forEach((value, index) => {
    sum += value;
    sumX += value * ((index % SIDE) + 0.5);
    sumY += value * (Math.floor(index / SIDE) + 0.5);
  });
  return sum ? [Math.round(SIDE / 2 - sumX / sum), Math.round(SIDE / 2 - sumY / sum)] : [0, 0];
}

function rendered(strokes) {
  const size = SIDE * FINE;
  const paper = new OffscreenCanvas(size, size).getContext("2d", { willReadFrequently: true });
  paper.scale(FINE, FINE);
  paper.strokeStyle = "#fff";
  trace(paper, strokes, BRUSH);
  const found = paper.getImageData(0, 0, size, size).data;
  const alpha = Float32Array.from({ length: size * size }, (_, index) => found[index * 4 + 3] / 255);
  return stepped(resampled(alpha, size, [0, 0, size, size], SIDE, SIDE));
}

/** Draws strokes with a round pen of a width, in whatever colour and scale the paper has. */
export function trace(paper, strokes, width) {
  paper.lineWidth = width;
  paper.lineCap = paper.lineJoin = "round";
  for (const [first, ...others] of strokes) {
    paper.beginPath();
    paper.moveTo(...first);
    for (const point of others.length ? others : [[first[0] + 0.01, first[1]]]) paper.lineTo(...point);
    paper.stroke();
  }
}

/** In steps of 1/255, which is what a picture file can hold. */
function stepped(values) {
  return values.map((value) => Math.round(Math.min(1, Math.max(0, value)) * 255) / 255);
}

/** Mean values of a rectangle [x, y, width, height] of an image `stride` wide, in `columns`×`rows` equal parts. */
function resampled(values, stride, [left, top, width, height], columns, rows) {
  const across = shares(left, width, columns);
  const down = shares(top, height, rows);
  const found = new Float32Array(columns * rows);
  down.forEach((rowShares, row) => across.forEach((columnShares, column) => {
    let sum = 0;
    for (const [y, shareY] of rowShares) for (const [x, shareX] of columnShares) sum += values[y * stride + x] * shareX * shareY;
    found[row * columns + column] = sum;
  }));
  return found;
}

/** For each of `count` equal parts of a length, the whole places that it covers, and its share of each. */
function shares(start, length, count) {
  const step = length / count;
  return Array.from({ length: count }, (_, part) => {
    const [from, to] = [start + part * step, start + (part + 1) * step];
    const places = [];
    for (let place = Math.floor(from); place < to - 1e-9; place += 1) {
      places.push([place, (Math.min(to, place + 1) - Math.max(from, place)) / step]);
    }
    return places;
  });
}

/**
 * A picture file as 28×28 pixels: light on dark, turned over where its edge is light; fitted whole, or scaled and
 * centred as MNIST is where `centred`. Throws an Error that says what is wrong.
 */
export async function fromFile(file, { centred }) {
  let bitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new Error(`“${file.name}” is not a picture that this browser can read. Try a PNG or a JPEG.`);
  }
  const { width, height, grey } = greyOf(bitmap);
  const ink = edgeOf(grey, width, height) > 0.5 ? grey.map((value) => 1 - value) : grey;
  return centred ? centredRaster(ink, width, height) : stepped(fittedRaster(ink, width, height));
}

function greyOf(bitmap) {
  const shrink = Math.min(1, 560 / Math.max(bitmap.width, bitmap.height));
  const [width, height] = [bitmap.width, bitmap.height].map((size) => Math.max(1, Math.round(size * shrink)));
  const paper = new OffscreenCanvas(width, height).getContext("2d");
  paper.imageSmoothingQuality = "high";
  paper.drawImage(bitmap, 0, 0, width, height);
  const data = paper.getImageData(0, 0, width, height).data;
  const count = width * height;
  const luma = (at) => (0.299 * data[at] + 0.587 * data[at + 1] + 0.114 * data[at + 2]) / 255;
  // What shines through is the opposite of what is drawn on it.
  let [opaque, light] = [0, 0];
  for (let at = 0; at < data.length; at += 4) {
    opaque += data[at + 3];
    light += data[at + 3] * luma(at);
  }
  const ground = opaque && light / opaque < 0.5 && opaque < count * 255 ? 1 : 0;
  const grey = Float32Array.from({ length: count }, (_, index) => {
    const alpha = data[index * 4 + 3] / 255;
    return luma(index * 4) * alpha + ground * (1 - alpha);
  });
  return { width, height, grey };
}

function edgeOf(values, width, height) {
  let sum = 0;
  for (let x = 0; x < width; x += 1) sum += values[x] + values[(height - 1) * width + x];
  for (let y = 0; y < height; y += 1) sum += values[y * width] + values[y * width + width - 1];
  return sum / (2 * (width + height));
}

function fittedRaster(values, width, height) {
  const scale = SIDE / Math.max(width, height);
  return placed(values, width, [0, 0, width, height], Math.max(1, Math.round(width * scale)), Math.max(1, Math.round(height * scale)));
}

function centredRaster(values, width, height) {
  const inked = [...values.keys()].filter((index) => values[index] > DARK);
  if (!inked.length) return new Float32Array(PIXELS);
  const [left, right] = spread(inked, (index) => index % width);
  const [top, bottom] = spread(inked, (index) => Math.floor(index / width));
  const [wide, high] = [right - left + 1, bottom - top + 1];
  const scale = BOX / Math.max(wide, high);
  const [columns, rows] = [wide, high].map((size) => Math.max(1, Math.round(size * scale)));
  const found = placed(values, width, [left, top, wide, high], columns, rows);
  return stepped(moved(found, ...shift(found)));
}

function spread(indices, of) {
  let [low, high] = [Infinity, -Infinity];
  for (const index of indices) {
    low = Math.min(low, of(index));
    high = Math.max(high, of(index));
  }
  return [low, high];
}

/** A rectangle of an image in the middle of 28×28 pixels, `columns`×`rows` large there. */
function placed(values, stride, rectangle, columns, rows) {
  const small = resampled(values, stride, rectangle, columns, rows);
  const found = new Float32Array(PIXELS);
  const [left, top] = [Math.floor((SIDE - columns) / 2), Math.floor((SIDE - rows) / 2)];
  small.forEach((value, index) => {
    found[(top + Math.floor(index / columns)) * SIDE + left + (index % columns)] = value;
  });
  return found;
}

function moved(values, dx, dy) {
  return values.map((_, index) => {
    const [x, y] = [(index % SIDE) - dx, Math.floor(index / SIDE) - dy];
    return x >= 0 && x < SIDE && y >= 0 && y < SIDE ? values[y * SIDE + x] : 0;
  });
}

/** Where a file of the page is. */
function beside(name) {
  return new URL(name, import.meta.url).href;
}

/** The test images of a data set: {url, labels, source, numbers: [class][10], picture(class, column)}. */
export async function sheet(name) {
  const [told, bitmap] = await Promise.all([
    fetch(beside("sheets.json")).then((answer) => answer.json()),
    fetch(beside(`${name}.png`)).then((answer) => answer.blob()).then((blob) => createImageBitmap(blob)),
  ]);
  const paper = new OffscreenCanvas(bitmap.width, bitmap.height).getContext("2d", { willReadFrequently: true });
  paper.drawImage(bitmap, 0, 0);
  const { labels, source, images } = told[name];
  return {
    name,
    url: beside(`${name}.png`),
    labels,
    source,
    numbers: images,
    picture(row, column) {
      const data = paper.getImageData(column * SIDE, row * SIDE, SIDE, SIDE).data;
      return Float32Array.from({ length: PIXELS }, (_, index) => data[index * 4] / 255);
    },
  };
}

/** Paints grey values on a canvas of 28×28, light on dark as the network has them. */
export function paint(canvas, values) {
  const paper = canvas.getContext("2d");
  const image = paper.createImageData(SIDE, SIDE);
  values.forEach((value, index) => image.data.set([value * 255, value * 255, value * 255, 255], index * 4));
  paper.putImageData(image, 0, 0);
}
