// A static plot with a canvas over it: camera, painting, and which point lies where.
//
// Points are kept in the pixels of the static plot ("plot pixels"); the camera turns `u` into
// `u * zoom + shift`, and `scale` plot pixels into pixels of the page.

const REACH = 14; // pixels between pointer and point at most
const ROOM = 4; // points in a cell of the grid, about
const MAX_ZOOM = 64; // a step of the quantised positions is then about half a pixel
const MANY = 10000; // points that take more than a frame to paint
const PAUSE_MS = 120; // then what moved is painted sharp
const FADE = 0.13; // what is left of dimmed points

const dark = matchMedia("(prefers-color-scheme: dark)");

class View {
  constructor(root, model) {
    this.root = root;
    this.model = model;
    this.store = model.store;
    this.name = root.dataset.name;
    this.frame = JSON.parse(root.dataset.frame);
    this.stage = root.querySelector(".stage");
    this.plot = root.querySelector(".plot");
    this.camera = { zoom: 1, x: 0, y: 0 };
    this.pin = -1;
    this.shape = null; // the outline of a selection while it is drawn, in pixels
    this.locate();
    this.build();
    model.views.push(this);
    model.listen((what) => this.changed(what));
    new ResizeObserver(() => this.resize()).observe(this.stage);
    dark.addEventListener("change", () => this.resize());
  }

  // Where each point lies, and a grid of cells to find it by.
  locate() {
    const f = this.frame;
    const n = this.store.n;
    const plane = this.store.planes[this.root.dataset.scatter];
    const kx = (f.right - f.left) / (f.x[1] - f.x[0]);
    const ky = (f.bottom - f.top) / (f.y[1] - f.y[0]);
    this.x = plane.x.map((x) => f.left + (x - f.x[0]) * kx);
    this.y = plane.y.map((y) => f.bottom - (y - f.y[0]) * ky);
    this.cell = Math.max(2, Math.sqrt(((f.right - f.left) * (f.bottom - f.top) * ROOM) / n));
    this.columns = Math.ceil(f.width / this.cell);
    this.rows = Math.ceil(f.height / this.cell);
    const cellOf = new Int32Array(n).fill(-1);
    this.starts = new Uint32Array(this.columns * this.rows + 1);
    for (let i = 0; i < n; i++) {
      if (this.x[i] !== this.x[i]) continue;
      cellOf[i] = Math.floor(this.y[i] / this.cell) * this.columns + Math.floor(this.x[i] / this.cell);
      this.starts[cellOf[i] + 1] += 1;
    }
    for (let c = 1; c < this.starts.length; c++) this.starts[c] += this.starts[c - 1];
    const next = this.starts.slice();
    this.cells = new Uint32Array(next[next.length - 1]);
    for (let i = 0; i < n; i++) if (cellOf[i] !== -1) this.cells[next[cellOf[i]]++] = i;
  }

  build() {
    this.canvas = element("canvas", "over");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute(
      "aria-label",
      `${this.name} plot, interactive. Arrow keys go from point to point, Enter pins, Space selects, plus and minus zoom, Escape lets go.`,
    );
    this.layer = document.createElement("canvas");
    this.card = element("div", "card");
    this.card.hidden = true;
    this.picture = element("canvas");
    this.picture.setAttribute("aria-hidden", "true");
    const words = element("div");
    this.label = element("bdi", "label");
    this.key = element("bdi", "key");
    this.facts = element("span", "scores");
    words.append(this.label, this.key, this.facts);
    this.hint = element("span", "pin");
    this.card.append(this.picture, words, this.hint);
    this.stage.append(this.canvas, this.card);
    this.root.classList.add("live");
    this.chosen = element("span", "chosen");
    this.root.querySelector("figcaption").append(this.chosen);
  }

  changed(what) {
    if (what === "hover" || what === "classes") this.fillCard();
    if (what === "classes") this.tellDrawn();
    if (what === "colour") this.dress();
    this.request(what !== "hover");
  }

  tellDrawn() {
    let n = 0;
    for (let i = 0; i < this.store.n; i++) if (this.isDrawn(i)) n += 1;
    const all = this.model.visible.every((on) => on === 1);
    this.chosen.textContent = all ? "" : ` Drawn now: ${count(n)}, the classes switched on.`;
  }

  isDrawn(i) {
    return this.model.isShown(i) && this.x[i] === this.x[i];
  }

  // Where point i is on the canvas, in pixels of the page.
  at(i) {
    const { zoom, x, y } = this.camera;
    return [(this.x[i] * zoom + x) * this.scale, (this.y[i] * zoom + y) * this.scale];
  }

  // The axes' rectangle in pixels of the page.
  area() {
    const { left, top, right, bottom } = this.frame;
    return [left, top, right, bottom].map((edge) => edge * this.scale);
  }

  isInside(px, py) {
    const [left, top, right, bottom] = this.area();
    return px >= left && px <= right && py >= top && py <= bottom;
  }

  // The drawn points inside the axes now.
  inView() {
    const points = [];
    for (let i = 0; i < this.store.n; i++) if (this.isDrawn(i) && this.isInside(...this.at(i))) points.push(i);
    return points;
  }

  // The drawn point nearest to a place, within reach.
  nearest(px, py, reach = REACH) {
    if (!this.isInside(px, py)) return -1;
    const { zoom, x, y } = this.camera;
    const u = (px / this.scale - x) / zoom;
    const v = (py / this.scale - y) / zoom;
    const far = reach / this.scale / zoom;
    const cell = (value, last) => Math.max(0, Math.min(Math.floor(value / this.cell), last));
    const [from, to] = [cell(u - far, this.columns - 1), cell(u + far, this.columns - 1)];
    let best = -1;
    let least = far * far;
    for (let row = cell(v - far, this.rows - 1); row <= cell(v + far, this.rows - 1); row++) {
      const end = this.starts[row * this.columns + to + 1];
      for (let k = this.starts[row * this.columns + from]; k < end; k++) {
        const i = this.cells[k];
        const d = (this.x[i] - u) ** 2 + (this.y[i] - v) ** 2;
        if (d <= least && this.model.isShown(i) && this.isInside(...this.at(i))) {
          least = d;
          best = i;
        }
      }
    }
    return best;
  }

  // The next drawn point in a direction: near, and more along than aside. From nowhere, the one
  // nearest to the middle of what is in view.
  neighbour(from, [wx, wy]) {
    const { left, top, right, bottom } = this.frame;
    const { zoom, x, y } = this.camera;
    const cx = from === -1 ? ((left + right) / 2 - x) / zoom : this.x[from];
    const cy = from === -1 ? ((top + bottom) / 2 - y) / zoom : this.y[from];
    let best = -1;
    let least = Infinity;
    for (let i = 0; i < this.store.n; i++) {
      if (i === from || !this.isDrawn(i)) continue;
      const dx = this.x[i] - cx;
      const dy = this.y[i] - cy;
      const along = dx * wx + dy * wy;
      const aside = Math.abs(dx * wy - dy * wx);
      if (from !== -1 && (along <= 0 || aside > 2 * along)) continue;
      const cost = from === -1 ? dx * dx + dy * dy : along + 2 * aside;
      if (cost < least) {
        least = cost;
        best = i;
      }
    }
    return best;
  }

  zoomBy(factor, px, py) {
    const { zoom, x, y } = this.camera;
    const [cx, cy] = [px / this.scale, py / this.scale];
    const next = Math.max(1, Math.min(zoom * factor, MAX_ZOOM));
    this.look(next, cx - ((cx - x) / zoom) * next, cy - ((cy - y) / zoom) * next);
  }

  moveBy(dx, dy) {
    this.look(this.camera.zoom, this.camera.x + dx / this.scale, this.camera.y + dy / this.scale);
  }

  zoomByKey(factor) {
    const [left, top, right, bottom] = this.area();
    this.zoomBy(factor, (left + right) / 2, (top + bottom) / 2);
  }

  home() {
    this.look(1, 0, 0);
  }

  // Sets the camera; half of the axes' rectangle may be empty at most.
  look(zoom, x, y) {
    const held = (shift, low, high) => {
      const slack = (high - low) / 2;
      return Math.max(high - high * zoom - slack, Math.min(shift, low - low * zoom + slack));
    };
    const { left, top, right, bottom } = this.frame;
    this.camera = { zoom, x: held(x, left, right), y: held(y, top, bottom) };
    this.canvas.dataset.camera = JSON.stringify(this.camera);
    this.root.classList.toggle("zoomed", zoom !== 1 || this.camera.x !== 0 || this.camera.y !== 0);
    clearTimeout(this.pause);
    const many = this.store.n > MANY;
    if (many) this.pause = setTimeout(() => this.request(true), PAUSE_MS);
    this.request(!many);
  }

  // Brings point i into view.
  show(i) {
    if (this.isInside(...this.at(i))) return;
    const { left, top, right, bottom } = this.frame;
    const { zoom } = this.camera;
    this.look(zoom, (left + right) / 2 - this.x[i] * zoom, (top + bottom) / 2 - this.y[i] * zoom);
  }

  fix(i) {
    this.pin = i;
    this.model.tell("hover");
  }

  // The point whose card this view shows: the pinned one, else the one under the pointer.
  current() {
    if (this.pin !== -1) return this.pin;
    return this.model.host === this ? this.model.hover : -1;
  }

  fillCard() {
    const i = this.current();
    if (i !== -1 && i !== this.told) {
      this.label.textContent = this.store.label(i);
      this.key.textContent = this.store.key(i);
      this.facts.textContent = this.store.facts(i).join("\n");
      this.store.thumbnail(i, this.picture);
    }
    this.told = i;
    const pinned = i !== -1 && i === this.pin;
    this.card.classList.toggle("pinned", pinned);
    this.hint.textContent = pinned ? "Pinned. A click beside it or Escape lets go." : "";
    this.placeCard();
  }

  // Above the point, below it where there is no room.
  placeCard() {
    const i = this.told ?? -1;
    this.card.hidden = i === -1 || !this.isInside(...this.at(i));
    if (this.card.hidden) return;
    const [px, py] = this.at(i);
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const left = Math.max(0, Math.min(px - width / 2, this.stage.clientWidth - width));
    const above = py - height - REACH;
    const top = above + this.stage.getBoundingClientRect().top < 0 ? py + REACH : above;
    this.card.style.left = `${left}px`;
    this.card.style.top = `${top}px`;
  }

  resize() {
    const width = this.stage.clientWidth;
    const height = this.plot.clientHeight;
    if (!width || !height) return;
    this.density = Math.min(window.devicePixelRatio || 1, 3);
    this.scale = width / this.frame.width;
    for (const canvas of [this.canvas, this.layer]) {
      canvas.width = Math.round(width * this.density);
      canvas.height = Math.round(height * this.density);
    }
    const style = getComputedStyle(this.root);
    const color = (name) => style.getPropertyValue(name).trim();
    this.color = Object.fromEntries(["ink", "muted", "faint", "axis", "panel", "accent"].map((name) => [name, color(`--${name}`)]));
    this.fill = Array.from({ length: 8 }, (_, i) => color(`--k${i}`));
    this.edge = Array.from({ length: 8 }, (_, i) => color(`--e${i}`));
    const tick = this.plot.querySelector(".p-muted");
    const unit = width / this.plot.viewBox.baseVal.width;
    this.font = `${tick ? parseFloat(getComputedStyle(tick).fontSize) * unit : 12}px system-ui, sans-serif`;
    this.dress();
    this.request(true);
  }

  // Which stamp each point wears: shapes are columns, colours rows.
  dress() {
    const { class: classes, shapes, n } = this.store;
    const ramp = dark.matches ? RAMPS.dark : RAMPS.light;
    if (this.model.score === -1) {
      this.tones = this.fill.map((fill, i) => [fill, this.edge[i]]);
      this.stamp = Uint16Array.from(classes, (c) => (c % 8) * shapes.length + (c % shapes.length));
    } else {
      const tone = (k) => rampColour(ramp, (k + 0.5) / TONES);
      const rim = (k) => rampColour(ramp, (k + 0.5) / TONES, dark.matches ? 0.08 : -0.1);
      this.tones = Array.from({ length: TONES }, (_, k) => [tone(k), rim(k)]);
      this.tones.push([this.color.axis, this.color.muted]);
      const { values, low, high } = this.model.store.score(this.model.score);
      const step = (v) => (v === v ? Math.max(0, Math.min(Math.floor(((v - low) / (high - low || 1)) * TONES), TONES - 1)) : TONES);
      this.stamp = new Uint16Array(n);
      for (let i = 0; i < n; i++) this.stamp[i] = step(values[i]) * shapes.length + (classes[i] % shapes.length);
    }
    this.radius = 0;
  }

  // Draws every marker once; painting copies it. Markers grow a little with the zoom.
  cut() {
    const wanted = Math.max(this.frame.radius * this.scale, 1.6) * Math.min(this.camera.zoom ** 0.3, 2);
    const radius = Math.round(wanted * 8) / 8;
    if (radius === this.radius) return;
    this.radius = radius;
    const d = this.density;
    const { shapes } = this.store;
    this.size = Math.ceil((radius * 1.4 + 1) * d) * 2;
    this.atlas = document.createElement("canvas");
    this.atlas.width = this.size * shapes.length;
    this.atlas.height = this.size * this.tones.length;
    const pen = this.atlas.getContext("2d");
    pen.lineWidth = Math.min(0.5, radius / 5);
    this.tones.forEach(([fill, edge], row) => {
      shapes.forEach((corners, column) => {
        pen.setTransform(d, 0, 0, d, (column + 0.5) * this.size, (row + 0.5) * this.size);
        pen.beginPath();
        if (!corners) pen.arc(0, 0, radius, 0, 2 * Math.PI);
        else for (const [x, y] of corners) pen.lineTo(x * radius, y * radius);
        pen.closePath();
        pen.globalAlpha = 0.82;
        pen.fillStyle = fill;
        pen.fill();
        pen.globalAlpha = 1;
        pen.strokeStyle = edge;
        pen.stroke();
      });
    });
  }

  // At most once a frame; `sharp` paints the points anew, else their layer is copied.
  request(sharp) {
    this.stale ||= sharp;
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (!this.density) return;
      if (this.stale) this.paint();
      this.stale = false;
      this.compose();
      this.placeCard();
    });
  }

  // All drawn points in view, onto a layer: first those that are dimmed, then the others.
  paint() {
    this.cut();
    const pen = this.layer.getContext("2d");
    pen.clearRect(0, 0, this.layer.width, this.layer.height);
    const emphasis = this.model.emphasis();
    if (emphasis) {
      this.stampAll(pen, emphasis, 0);
      // Faded as a whole: many dimmed points on one place stay dim.
      pen.globalCompositeOperation = "destination-in";
      pen.globalAlpha = FADE;
      pen.fillRect(0, 0, this.layer.width, this.layer.height);
      pen.globalCompositeOperation = "source-over";
      pen.globalAlpha = 1;
    }
    this.stampAll(pen, emphasis, 1);
    this.painted = this.camera;
  }

  stampAll(pen, emphasis, wanted) {
    const { order, class: classes, shapes } = this.store;
    const { visible } = this.model;
    const { size, atlas, stamp, radius } = this;
    const k = this.camera.zoom * this.scale * this.density;
    const sx = this.camera.x * this.scale * this.density - size / 2;
    const sy = this.camera.y * this.scale * this.density - size / 2;
    const room = size / 2 + radius * this.density;
    const [left, top, right, bottom] = this.area().map((edge) => edge * this.density - size / 2);
    const columns = shapes.length;
    for (const i of order) {
      if (visible[classes[i]] === 0 || (emphasis && emphasis[i] !== wanted)) continue;
      const x = this.x[i] * k + sx;
      const y = this.y[i] * k + sy;
      // Written so that NaN fails.
      if (!(x > left - room && x < right + room && y > top - room && y < bottom + room)) continue;
      const column = stamp[i] % columns;
      pen.drawImage(atlas, column * size, ((stamp[i] - column) / columns) * size, size, size, x, y, size, size);
    }
  }

  // Axes, the layer, rings, and the outline of a selection.
  compose() {
    const pen = this.canvas.getContext("2d");
    const d = this.density;
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
    pen.setTransform(d, 0, 0, d, 0, 0);
    this.drawAxes(pen);
    const [left, top, right, bottom] = this.area();
    pen.save();
    pen.beginPath();
    pen.rect(left, top, right - left, bottom - top);
    pen.clip();
    const q = this.camera.zoom / this.painted.zoom;
    const shift = (axis) => (this.camera[axis] - this.painted[axis] * q) * this.scale;
    pen.drawImage(this.layer, shift("x"), shift("y"), (this.layer.width / d) * q, (this.layer.height / d) * q);
    this.drawShape(pen);
    pen.restore();
    const ringed = this.model.ringed().filter((i) => this.isDrawn(i) && this.isInside(...this.at(i)));
    this.canvas.dataset.ringed = ringed.join(" ");
    for (const i of ringed) {
      for (const [width, color] of [[5, this.color.panel], [2, this.color.ink]]) {
        pen.lineWidth = width;
        pen.strokeStyle = color;
        pen.beginPath();
        pen.arc(...this.at(i), this.radius + 4, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
  }

  drawAxes(pen) {
    const f = this.frame;
    const [left, top, right, bottom] = this.area();
    const line = (x0, y0, x1, y1) => {
      pen.beginPath();
      pen.moveTo(x0, y0);
      pen.lineTo(x1, y1);
      pen.stroke();
    };
    pen.font = this.font;
    pen.lineWidth = this.scale;
    pen.strokeStyle = this.color.faint;
    pen.fillStyle = this.color.muted;
    pen.textBaseline = "middle";
    for (const [axis, low, high, n] of [
      ["x", f.left, f.right, 7],
      ["y", f.bottom, f.top, Math.max(3, Math.round((7 * (f.bottom - f.top)) / (f.right - f.left)))],
    ]) {
      const { zoom } = this.camera;
      const shift = this.camera[axis];
      const [min, max] = f[axis];
      const value = (pixel) => min + (((pixel - shift) / zoom - low) / (high - low)) * (max - min);
      const [from, to] = [value(low), value(high)];
      const place = (v) => (low + ((v - from) / (to - from)) * (high - low)) * this.scale;
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
          pen.fillText(texts[i], p, bottom + 15 * this.scale);
        } else {
          line(left, p, right, p);
          pen.fillText(texts[i], left - 8 * this.scale, p);
        }
      });
    }
    pen.strokeStyle = this.color.axis;
    line(left, top, left, bottom);
    line(left, bottom, right, bottom);
  }

  drawShape(pen) {
    if (!this.shape) return;
    pen.beginPath();
    for (const [x, y] of this.shape) pen.lineTo(x, y);
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
