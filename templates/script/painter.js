// Paints the points of a view onto a layer, and the layer with axes and rings onto its canvas.

const FADE = 0.18; // what is left of dimmed points
const OPACITY = 0.82; // of a marker, as in the static plot
const PHASES = 2; // places within a pixel, each way, for which a marker is drawn

const dark = matchMedia("(prefers-color-scheme: dark)");

class Painter {
  constructor(view) {
    this.view = view;
    this.store = view.store;
    this.layer = document.createElement("canvas");
    this.painted = null; // the camera of the layer
  }

  resize(width, height) {
    const { view } = this;
    this.density = Math.min(window.devicePixelRatio || 1, 3);
    for (const canvas of [view.canvas, this.layer]) {
      canvas.width = Math.round(width * this.density);
      canvas.height = Math.round(height * this.density);
    }
    this.image = new ImageData(this.layer.width, this.layer.height);
    this.painted = null;
    const style = getComputedStyle(view.root);
    const color = (name) => style.getPropertyValue(name).trim();
    this.color = Object.fromEntries(["ink", "muted", "faint", "axis", "panel", "accent"].map((name) => [name, color(`--${name}`)]));
    this.fill = Array.from({ length: 8 }, (_, i) => color(`--k${i}`));
    this.edge = Array.from({ length: 8 }, (_, i) => color(`--e${i}`));
    const tick = view.plot.querySelector(".p-muted");
    const unit = width / view.plot.viewBox.baseVal.width;
    this.font = `${tick ? parseFloat(getComputedStyle(tick).fontSize) * unit : 12}px system-ui, sans-serif`;
    this.dress();
  }

  // Which marker each point wears: a shape for its class, a tone for its class or its score.
  dress() {
    const { class: classes, shapes, n } = this.store;
    const { score } = this.view.model;
    if (score === -1) {
      this.tones = this.fill.map((fill, i) => [fill, this.edge[i]]);
      this.stamp = Uint16Array.from(classes, (c) => (c % 8) * shapes.length + (c % shapes.length));
    } else {
      const ramp = dark.matches ? RAMPS.dark : RAMPS.light;
      const tone = (k, lift) => rampColour(ramp, (k + 0.5) / TONES, lift);
      this.tones = Array.from({ length: TONES }, (_, k) => [tone(k), tone(k, dark.matches ? 0.08 : -0.1)]);
      this.tones.push([this.color.axis, this.color.muted]);
      const values = this.store.values(score);
      const step = (v) => (v === v ? Math.min(Math.floor(this.store.share(score, v) * TONES), TONES - 1) : TONES);
      this.stamp = new Uint16Array(n);
      for (let i = 0; i < n; i++) this.stamp[i] = step(values[i]) * shapes.length + (classes[i] % shapes.length);
    }
    this.radius = 0;
  }

  // Draws every marker once, in each phase; painting copies their pixels. Markers grow a little
  // with the zoom.
  cut() {
    const { view, density: d } = this;
    const wanted = Math.max(view.frame.radius * view.scale, 1.6) * Math.min(view.camera.zoom ** 0.3, 2);
    const radius = Math.round(wanted * 4) / 4;
    if (radius === this.radius) return;
    this.radius = radius;
    const { shapes } = this.store;
    const size = Math.ceil((radius * 1.4 + 0.5) * d + 1) * 2;
    const sheet = document.createElement("canvas");
    sheet.width = size * shapes.length * PHASES * PHASES;
    sheet.height = size * this.tones.length;
    const pen = sheet.getContext("2d", { willReadFrequently: true });
    pen.lineWidth = Math.min(0.5, radius / 5);
    this.tones.forEach(([fill, edge], row) => {
      for (let column = 0; column < shapes.length * PHASES * PHASES; column++) {
        const corners = shapes[Math.floor(column / PHASES / PHASES)];
        const along = ((column % PHASES) + 0.5) / PHASES;
        const down = ((Math.floor(column / PHASES) % PHASES) + 0.5) / PHASES;
        pen.setTransform(d, 0, 0, d, (column + 0.5) * size + along, (row + 0.5) * size + down);
        pen.beginPath();
        if (!corners) pen.arc(0, 0, radius, 0, 2 * Math.PI);
        else for (const [x, y] of corners) pen.lineTo(x * radius, y * radius);
        pen.closePath();
        pen.globalAlpha = OPACITY;
        pen.fillStyle = fill;
        pen.fill();
        pen.globalAlpha = 1;
        pen.strokeStyle = edge;
        pen.stroke();
      }
    });
    this.size = size;
    this.sheet = pen.getImageData(0, 0, sheet.width, sheet.height);
  }

  // All drawn points in view: first those that are dimmed, then the others. Pixels are mixed here:
  // at 70,000 points five times as fast as drawing each with the canvas.
  paint() {
    this.cut();
    const { data } = this.image;
    data.fill(0);
    const emphasis = this.view.model.emphasis();
    if (emphasis) {
      this.stampAll(emphasis, 0);
      // Faded as a whole: many dimmed points on one place stay dim.
      for (let k = 3; k < data.length; k += 4) data[k] *= FADE;
    }
    this.stampAll(emphasis, 1);
    this.layer.getContext("2d").putImageData(this.image, 0, 0);
    this.painted = this.view.camera;
  }

  stampAll(emphasis, wanted) {
    const { view, size, stamp, density } = this;
    const { order, class: classes, shapes } = this.store;
    const { visible } = view.model;
    const k = view.camera.zoom * view.scale * density;
    const sx = view.camera.x * view.scale * density;
    const sy = view.camera.y * view.scale * density;
    const [left, top, right, bottom] = view.area().map((edge) => edge * density);
    for (const i of order) {
      if (visible[classes[i]] === 0 || (emphasis && emphasis[i] !== wanted)) continue;
      const x = view.x[i] * k + sx;
      const y = view.y[i] * k + sy;
      // Written so that NaN fails.
      if (!(x > left - size && x < right + size && y > top - size && y < bottom + size)) continue;
      const [across, down] = [Math.floor(x), Math.floor(y)];
      const phase = Math.floor((y - down) * PHASES) * PHASES + Math.floor((x - across) * PHASES);
      const shape = stamp[i] % shapes.length;
      this.mix(shape * PHASES * PHASES + phase, (stamp[i] - shape) / shapes.length, across - size / 2, down - size / 2);
    }
  }

  // Lays one marker over what is there.
  mix(column, row, x, y) {
    const { size } = this;
    const { data: from, width: fromWidth } = this.sheet;
    const { data: to, width, height } = this.image;
    const first = Math.max(0, -x);
    const last = Math.min(size, width - x);
    const end = Math.min(size, height - y);
    for (let v = Math.max(0, -y); v < end; v++) {
      let s = ((row * size + v) * fromWidth + column * size + first) * 4;
      let t = ((y + v) * width + x + first) * 4;
      for (let u = first; u < last; u++, s += 4, t += 4) {
        const over = from[s + 3];
        if (over === 0) continue;
        const below = to[t + 3] * (1 - over / 255);
        const alpha = over + below;
        to[t] = (from[s] * over + to[t] * below) / alpha;
        to[t + 1] = (from[s + 1] * over + to[t + 1] * below) / alpha;
        to[t + 2] = (from[s + 2] * over + to[t + 2] * below) / alpha;
        to[t + 3] = alpha;
      }
    }
  }

  // Axes, the layer, rings, and the outline of a selection.
  compose() {
    const { view, density: d } = this;
    const { camera, scale } = view;
    const pen = view.canvas.getContext("2d");
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, view.canvas.width, view.canvas.height);
    pen.setTransform(d, 0, 0, d, 0, 0);
    this.drawAxes(pen);
    const [left, top, right, bottom] = view.area();
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    if (this.painted) {
      const q = camera.zoom / this.painted.zoom;
      const shift = (axis) => (camera[axis] - this.painted[axis] * q) * scale;
      pen.drawImage(this.layer, shift("x"), shift("y"), (this.layer.width / d) * q, (this.layer.height / d) * q);
    }
    this.drawShape(pen);
    pen.restore();
    const ringed = view.model.ringed().filter((i) => view.isDrawn(i) && view.isInside(...view.at(i)));
    view.canvas.dataset.ringed = ringed.join(" ");
    for (const i of ringed) {
      for (const [width, color] of [[5, this.color.panel], [2, this.color.ink]]) {
        pen.lineWidth = width;
        pen.strokeStyle = color;
        pen.beginPath();
        pen.arc(...view.at(i), this.radius + 4, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
  }

  drawAxes(pen) {
    const { frame: f, camera, scale } = this.view;
    const [left, top, right, bottom] = this.view.area();
    const line = (x0, y0, x1, y1) => {
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
      pen.stroke();
    };
    pen.font = this.font;
    pen.lineWidth = scale;
    pen.strokeStyle = this.color.faint;
    pen.fillStyle = this.color.muted;
    pen.textBaseline = "middle";
    for (const [axis, low, high, n] of [
      ["x", f.left, f.right, 7],
      ["y", f.bottom, f.top, Math.max(3, Math.round((7 * (f.bottom - f.top)) / (f.right - f.left)))],
    ]) {
      const [min, max] = f[axis];
      const value = (pixel) => min + (((pixel - camera[axis]) / camera.zoom - low) / (high - low)) * (max - min);
      const [from, to] = [value(low), value(high)];
      const place = (v) => (low + ((v - from) / (to - from)) * (high - low)) * scale;
      let found = ticks(from, to, n);
      let texts = tickLabels(found);
      if (axis === "x") {
        // Long numbers, or a narrow window: fewer.
        const room = (right - left) / (Math.max(...texts.map((text) => pen.measureText(text).width)) + 10);
        if (found.length > room) {
          found = ticks(from, to, Math.max(2, Math.floor(room) - 1));
          texts = tickLabels(found);
        }
      }
      pen.textAlign = axis === "x" ? "center" : "right";
      found.forEach((tick, i) => {
        const p = place(tick);
        if (axis === "x") {
          line(p, top, p, bottom);
          pen.fillText(texts[i], p, bottom + 15 * scale);
        } else {
          line(left, p, right, p);
          pen.fillText(texts[i], left - 8 * scale, p);
        }
      });
    }
    pen.strokeStyle = this.color.axis;
    line(left, top, left, bottom);
    line(left, bottom, right, bottom);
  }

  drawShape(pen) {
    const { shape } = this.view;
    if (!shape) return;
    pen.beginPath();
    for (const [x, y] of shape) pen.lineTo(x, y);
    pen.closePath();
    pen.globalAlpha = 0.1;
    pen.fillStyle = this.color.accent;
    pen.fill();
    pen.globalAlpha = 1;
    pen.strokeStyle = this.color.accent;
    pen.lineWidth = 1.5;
    pen.stroke();
  }
}
