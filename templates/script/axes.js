// Ticks at round numbers as the static plots have them, and the colours of scores.

function ticks(min, max, n) {
  const span = max - min;
  const power = 10 ** Math.floor(Math.log10(span / n));
  const off = (step) => Math.abs(span / step - n);
  const step = [1, 2, 2.5, 5, 10].map((m) => m * power).reduce((best, s) => (off(s) < off(best) ? s : best));
  const found = [];
  for (let i = Math.ceil(min / step - 1e-9); i <= Math.floor(max / step + 1e-9); i++) found.push(i * step);
  return found;
}

// As many decimals as tell the ticks apart, a true minus sign.
function tickLabels(values) {
  const plain = (d) => values.every((v) => Math.abs(Math.round(v * 10 ** d) - v * 10 ** d) < 1e-6 * 10 ** d);
  const decimals = [0, 1, 2, 3, 4, 5].find(plain) ?? 6;
  const form = { minimumFractionDigits: decimals, maximumFractionDigits: decimals, signDisplay: "negative" };
  return values.map((value) => value.toLocaleString("en", form).replace("-", "\u2212"));
}

const TONES = 32; // colours of a score; more cannot be told apart on a marker
// Lightness, chroma and hue (OKLCH) at even steps: equal steps look equal. High values stand out
// most: dark on a light page, light on a dark one.
const RAMPS = {
  light: [[0.8, 0.13, 88], [0.69, 0.17, 50], [0.56, 0.19, 12], [0.43, 0.17, 335], [0.31, 0.13, 295]],
  dark: [[0.46, 0.15, 295], [0.57, 0.19, 335], [0.68, 0.18, 12], [0.79, 0.14, 55], [0.92, 0.13, 98]],
};

// The colour at `t` in 0..=1, `lift` lighter.
function rampColour(ramp, t, lift = 0) {
  const at = t * (ramp.length - 1);
  const i = Math.min(Math.floor(at), ramp.length - 2);
  const mix = (k) => ramp[i][k] + (at - i) * (ramp[i + 1][k] - ramp[i][k]);
  // The short way round the circle of hues.
  const turn = ((ramp[i + 1][2] - ramp[i][2] + 540) % 360) - 180;
  const hue = ramp[i][2] + (at - i) * turn;
  return `oklch(${(mix(0) + lift).toFixed(3)} ${mix(1).toFixed(3)} ${hue.toFixed(1)})`;
}
