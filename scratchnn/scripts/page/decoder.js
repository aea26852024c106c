"use strict";

// The decoder: from a point z of the latent space to an image, in plain loops over typed arrays.
//
// A dense layer is y_j = Σ_i x_i W_ij + b_j. The page does not hold W but whole numbers q, of 8 or 16 bits, and a scale
// for each unit j: W_ij is close to scale_j q_ij. So the scale can wait until the sum is done,
//
//     y_j = scale_j Σ_i x_i q_ij  +  b_j
//
// and the sum runs over small whole numbers. They lie in memory row by row, q_ij at i·n + j, so the outer loop is over
// the inputs i: the inner one then reads neighbours. Behind a ReLU most x_i are 0, and their rows are left out.
//
// How far the image may be from the one that the unrounded weights make is derived in explore_page.py. An input x_i that
// may be off by e_i, and weights that may be off by half a step, make an output that may be off by
//
//     scale_j (½ Σ_i |x_i|  +  Σ_i e_i (|q_ij| + ½))
//
// and behind a function that grows from left to right the ends x − e and x + e are the ends again.

const ARRAYS = { 8: Int8Array, 16: Int16Array, 32: Float32Array, 64: Float64Array };

// The functions between the layers, and from the last outputs to pixels, in forms that do not overflow.
const FUNCTIONS = {
  ReLU: (x) => Math.max(x, 0),
  Sigmoid: (x) => (x < 0 ? Math.exp(x) / (1 + Math.exp(x)) : 1 / (1 + Math.exp(-x))),
  Softplus: (x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))),
  Tanh: Math.tanh,
};
const PIXELS = {
  sigmoid: FUNCTIONS.Sigmoid,
  clipped: (x) => Math.min(Math.max(x, 0), 1),
  "mean of a continuous Bernoulli": (x) => {
    const a = Math.abs(x);
    if (a < 0.01) return 0.5 + x / 12; // 1/(1 − e^(−a)) − 1/a, as a series
    const mean = -1 / Math.expm1(-a) - 1 / a;
    return x < 0 ? 1 - mean : mean;
  },
};

// Numbers out of base64, which holds their bytes, the lowest first.
function numbers(base64, bits) {
  const letters = atob(base64);
  const bytes = new Uint8Array(letters.length);
  for (let k = 0; k < bytes.length; k++) bytes[k] = letters.charCodeAt(k);
  return new ARRAYS[bits](bytes.buffer);
}

// A decoder as the page's data has it, with its arrays unpacked.
function unpacked(model) {
  const layers = model.layers.map((layer) =>
    typeof layer === "string"
      ? layer
      : { half: layer.half, q: numbers(layer.q, model.bits), scale: numbers(layer.scale, 64), b: numbers(layer.b, 64) },
  );
  return { layers, pixels: PIXELS[model.pixels] };
}

// Inputs x, each of which may be off by e, and the same of the outputs.
function dense({ q, scale, b, half }, x, e) {
  const n = b.length;
  const y = new Float64Array(n);
  const off = new Float64Array(n);
  let spare = 0;
  for (let i = 0; i < x.length; i++) {
    const x_i = x[i];
    const e_i = e[i];
    spare += half * (Math.abs(x_i) + e_i);
    const row = i * n;
    if (x_i !== 0) for (let j = 0; j < n; j++) y[j] += x_i * q[row + j];
    if (e_i !== 0) for (let j = 0; j < n; j++) off[j] += e_i * Math.abs(q[row + j]);
  }
  for (let j = 0; j < n; j++) {
    y[j] = scale[j] * y[j] + b[j];
    off[j] = scale[j] * (off[j] + spare);
  }
  return [y, off];
}

// The image of z, pixels from 0 to 1, and what none of them differs by more than from the model's.
function decode(decoder, z) {
  let x = Float64Array.from(z);
  let e = new Float64Array(z.length);
  for (const layer of [...decoder.layers, decoder.pixels]) {
    if (layer.q) {
      [x, e] = dense(layer, x, e);
    } else {
      const f = FUNCTIONS[layer] ?? layer;
      e = e.map((e_i, i) => Math.max(f(x[i] + e_i) - f(x[i]), f(x[i]) - f(x[i] - e_i)));
      x = x.map(f);
    }
  }
  return { pixels: x, bound: e.reduce((largest, e_i) => Math.max(largest, e_i), 0) };
}

// The largest difference between images that Python has computed with the same weights and those of `decode`; NaN if
// there is no comparing them.
function difference(decoder, fixture) {
  const images = numbers(fixture.images, 32);
  let largest = 0;
  let at = 0;
  for (const z of fixture.z) {
    for (const pixel of decode(decoder, z).pixels) {
      const off = Math.abs(pixel - images[at++]);
      if (!(off <= largest)) largest = off; // also NaN
    }
  }
  return at === images.length ? largest : NaN;
}
