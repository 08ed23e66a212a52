// What is known of every image; long lists are decoded when first asked for.

const MISSING = 65535; // a position or a score that is not there
const NO_CELL = 0xffffffff; // an image without a thumbnail
const DOMAINS = { label_agreement: [0, 1] }; // of scores whose ends mean something
const TAIL = 0.01; // share of the values at each end that a colour bar does not spread out

function bytes(text) {
  const raw = atob(text);
  const made = new Uint8Array(raw.length);
  for (let i = 0; i < raw.length; i++) made[i] = raw.charCodeAt(i);
  return made;
}
const u16 = (text) => new Uint16Array(bytes(text).buffer);
const u32 = (text) => new Uint32Array(bytes(text).buffer);
function decoded(text, [min, max]) {
  const steps = u16(text);
  const values = new Float32Array(steps.length);
  for (let i = 0; i < steps.length; i++) values[i] = steps[i] === MISSING ? NaN : min + ((max - min) * steps[i]) / (MISSING - 1);
  return values;
}

const figure = (value) => {
  const size = Math.abs(value);
  const text = size !== 0 && (size < 0.01 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(3);
  return text.replace("-", "\u2212");
};
const count = (n) => n.toLocaleString("en");

// Sorted keys, each without what it shares with the one before.
function keysOf(text) {
  const keys = [];
  let last = "";
  for (const line of text.split("\n")) {
    const colon = line.indexOf(":");
    last = last.slice(0, parseInt(line.slice(0, colon), 36)) + line.slice(colon + 1);
    keys.push(last);
  }
  return keys;
}

class Store {
  constructor(data) {
    this.data = data;
    this.n = data.n;
    this.labels = data.labels;
    this.shapes = data.shapes;
    this.scores = data.scores ?? [];
    lazy(this, "class", () => u16(data.class));
    this.planes = {};
    const plane = (kind, q) => lazy(this.planes, kind, () => ({ x: decoded(q.x, q.rx), y: decoded(q.y, q.ry) }));
    if (data.pca) plane("pca", data.pca);
    for (const projection of data.projections) plane(projection.id, projection);
    // The order of the static plot: no class lies over all others.
    lazy(this, "order", () => {
      const mixed = new Uint32Array(this.n).map((_, i) => Math.imul(i, 2654435769));
      return new Uint32Array(this.n).map((_, i) => i).sort((a, b) => mixed[a] - mixed[b]);
    });
    this.sheets = new Map();
    this.decodedScores = new Map();
    this.spreads = new Map();
  }

  key(i) {
    this.keys ??= keysOf(this.data.keys);
    return this.keys[i];
  }

  label(i) {
    return this.labels[this.class[i]];
  }

  // One flag an image: whether its key or its label holds `text`.
  matches(text) {
    const part = text.toLowerCase();
    this.key(0);
    this.lowKeys ??= this.keys.map((key) => key.toLowerCase());
    const labels = this.labels.map((label) => label.toLowerCase().includes(part));
    return Uint8Array.from(this.lowKeys, (key, i) => (labels[this.class[i]] || key.includes(part) ? 1 : 0));
  }

  // The values of a score; those of a logarithmic one are stored as natural logarithms.
  values(number) {
    if (!this.decodedScores.has(number)) {
      const { values, range, scale } = this.scores[number];
      const stored = decoded(values, range);
      this.decodedScores.set(number, scale === "log" ? stored.map(Math.exp) : stored);
    }
    return this.decodedScores.get(number);
  }

  // How many values a score has, their ends, and the range its colours span.
  spread(number) {
    if (!this.spreads.has(number)) {
      const { id } = this.scores[number];
      const sorted = this.values(number).filter((value) => value === value).sort();
      const n = sorted.length;
      const [min, max] = n > 0 ? [sorted[0], sorted[n - 1]] : [NaN, NaN];
      const at = (share) => sorted[Math.round(share * (n - 1))];
      let [low, high] = DOMAINS[id] ?? [at(TAIL), at(1 - TAIL)];
      // Nearly all the same: the few others tell the range.
      if (low === high) [low, high] = [min, max];
      this.spreads.set(number, { n, min, max, low, high });
    }
    return this.spreads.get(number);
  }

  // Where on the colour bar a value is, 0 to 1; in the middle if there is one value only.
  share(number, value) {
    const { low, high } = this.spread(number);
    if (low === high) return 0.5;
    const on = this.scores[number].scale === "log" ? Math.log : (v) => v;
    return Math.max(0, Math.min((on(value) - on(low)) / (on(high) - on(low)), 1));
  }

  // The value in the middle of the colour bar.
  middle(number) {
    const { low, high } = this.spread(number);
    return this.scores[number].scale === "log" ? Math.sqrt(low * high) : (low + high) / 2;
  }

  // A value with as many decimals as tell the ends of the colour bar and its middle apart.
  scoreText(number, value) {
    const { low, high } = this.spread(number);
    const span = high - low;
    if (this.scores[number].scale === "log" || span >= 10) return figure(value);
    const decimals = span > 0 ? Math.max(2, Math.min(Math.ceil(-Math.log10(span)) + 1, 6)) : 2;
    return value.toFixed(decimals).replace("-", "\u2212");
  }

  // Decodes ahead what the first card needs, a piece at a time.
  warm() {
    if (this.isWarm) return;
    this.isWarm = true;
    const pieces = [() => this.key(0), ...this.scores.map((_, number) => () => this.spread(number))];
    const next = () => {
      pieces.shift()();
      if (pieces.length > 0) setTimeout(next);
    };
    setTimeout(next);
  }

  // What a card says below label and key, a line each.
  facts(i) {
    const lines = [];
    const { pca } = this.planes;
    if (pca) lines.push(`PC1 ${figure(pca.x[i])}, PC2 ${figure(pca.y[i])}`);
    for (const { id, title } of this.data.projections) {
      const { x, y } = this.planes[id];
      lines.push(`${title.replaceAll("-", "\u2011")} ${figure(x[i])}, ${figure(y[i])}`);
    }
    this.scores.forEach((score, number) => {
      const value = this.values(number)[i];
      lines.push(`${score.name} ${value === value ? this.scoreText(number, value) : "none"}`);
    });
    return lines;
  }

  // Draws the thumbnail of image i as soon as its sheet is decoded.
  thumbnail(i, canvas) {
    const { edge, columns, cells, n_sheets } = this.data.thumbs;
    this.cells ??= cells ? u32(cells) : null;
    const cell = this.cells ? this.cells[i] : i;
    canvas.hidden = n_sheets === 0 || cell === NO_CELL;
    canvas.dataset.image = i;
    if (canvas.hidden) return;
    const perSheet = columns * columns;
    const number = Math.floor(cell / perSheet);
    let sheet = this.sheets.get(number);
    if (!sheet) {
      sheet = new Image();
      sheet.src = "data:image/jpeg;base64," + document.getElementById(`sheet-${number}`).textContent;
      this.sheets.set(number, sheet);
    }
    const place = cell % perSheet;
    const x = (place % columns) * edge;
    const y = Math.floor(place / columns) * edge;
    sheet.decode().then(() => {
      if (canvas.dataset.image !== String(i)) return;
      canvas.width = canvas.height = edge;
      canvas.getContext("2d").drawImage(sheet, x, y, edge, edge, 0, 0, edge, edge);
      canvas.dataset.drawn = i;
    });
  }
}
