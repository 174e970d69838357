// How far FP32 numbers are from exact ones, in units in the last place, and formulas as one would first write them.

const round = Math.fround;

/** The distance from one FP32 number to the next at `exact`. */
export function spacing(exact) {
  if (!Number.isFinite(exact)) return NaN;
  const size = Math.abs(exact);
  if (size < 2 ** -126) return 2 ** -149;
  // log2 may be rounded up to the next whole number just below a power of two.
  let exponent = Math.floor(Math.log2(size));
  if (2 ** exponent > size) exponent -= 1;
  return 2 ** (exponent - 23);
}

/** By how many units in the last place `value` is too large; 0 where both are the same, infinite ones too. */
export function errorInUlp(value, exact) {
  if (Object.is(value, exact) || value === exact) return 0;
  return (value - exact) / spacing(exact);
}

const exp = (x) => round(Math.exp(x));
const log = (x) => round(Math.log(x));
const plus = (a, b) => round(a + b);
const times = (a, b) => round(a * b);
const over = (a, b) => round(a / b);

const sigmoid = (x) => over(1, plus(1, exp(-x)));
const tanh = (x) => over(plus(exp(x), -exp(-x)), plus(exp(x), exp(-x)));
const softplus = (x, { beta = 1, threshold = 20 } = {}) => (beta * x > threshold ? x : over(log(plus(1, exp(times(beta, x)))), beta));

/** Formulas as they stand in a book, every step rounded to FP32: what a straightforward implementation gives. */
export const NAIVE = {
  sigmoid,
  tanh,
  softplus,
  silu: (x) => times(x, sigmoid(x)),
  swish: (x, { alpha }) => times(x, sigmoid(times(alpha, x))),
  mish: (x) => times(x, tanh(softplus(x))),
  logsigmoid: (x) => log(sigmoid(x)),
  tanhshrink: (x) => plus(x, -tanh(x)),
  elu: (x, { alpha }) => (x > 0 ? x : times(alpha, plus(exp(x), -1))),
  celu: (x, { alpha }) => (x > 0 ? x : times(alpha, plus(exp(over(x, alpha)), -1))),
  selu: (x) => times(round(1.0507009873554805), x > 0 ? x : times(round(1.6732632423543772), plus(exp(x), -1))),
  softsign: (x) => over(x, plus(1, Math.abs(x))),
};
