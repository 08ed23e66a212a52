// The report reads without this script. It adds: hover, pinned card, keyboard walk and class
// toggles on the scatter plots, and the total time in the summary. It makes no request.
"use strict";
(() => {
  const REACH = 14; // CSS pixels between pointer and point at most
  const MISSING = 65535; // a position that is not drawn
  const NO_CELL = 0xffffffff; // an image without a thumbnail
  const dark = matchMedia("(prefers-color-scheme: dark)");

  const bytes = (text) => Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
  const u16 = (text) => new Uint16Array(bytes(text).buffer);
  const u32 = (text) => new Uint32Array(bytes(text).buffer);
  const element = (name, className, text) => {
    const made = document.createElement(name);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  };
  const figure = (value) => {
    const size = Math.abs(value);
    const text = size !== 0 && (size < 0.01 || size >= 1e5) ? value.toExponential(2) : value.toPrecision(3);
    return text.replace("-", "\u2212");
  };

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

  // What is known of every image; long lists are decoded when first asked for.
  class Store {
    constructor(data) {
      this.data = data;
      this.n = data.n;
      this.labels = data.labels;
      this.shapes = data.shapes;
      this.class = u16(data.class);
      this.planes = {};
      for (const kind of ["pca", "tsne"]) {
        const q = data[kind];
        if (!q) continue;
        const scale = (steps, [min, max]) =>
          Float32Array.from(steps, (s) => (s === MISSING ? NaN : min + ((max - min) * s) / (MISSING - 1)));
        this.planes[kind] = { x: scale(u16(q.x), q.rx), y: scale(u16(q.y), q.ry) };
      }
      // The order of the static plot: no class lies over all others.
      const mixed = Uint32Array.from({ length: this.n }, (_, i) => Math.imul(i, 2654435769));
      this.order = Uint32Array.from({ length: this.n }, (_, i) => i).sort((a, b) => mixed[a] - mixed[b]);
      this.sheets = new Map();
    }
    key(i) {
      this.keys ??= keysOf(this.data.keys);
      return this.keys[i];
    }
    scores(i) {
      const parts = [];
      const { pca, tsne } = this.planes;
      if (pca) parts.push(`PC1 ${figure(pca.x[i])}, PC2 ${figure(pca.y[i])}`);
      if (tsne) parts.push(`t\u2011SNE ${figure(tsne.x[i])}, ${figure(tsne.y[i])}`);
      return parts;
    }
    // Draws the thumbnail of image i as soon as its sheet is decoded.
    thumbnail(i, canvas) {
      const { edge, columns, cells, n_sheets } = this.data.thumbs;
      this.cells ??= cells ? u32(cells) : null;
      const cell = this.cells ? this.cells[i] : i;
      canvas.hidden = n_sheets === 0 || cell === NO_CELL;
      canvas.dataset.image = i;
      if (canvas.hidden) return;
      const per_sheet = columns * columns;
      const number = Math.floor(cell / per_sheet);
      let sheet = this.sheets.get(number);
      if (!sheet) {
        sheet = new Image();
        sheet.src = "data:image/jpeg;base64," + document.getElementById(`sheet-${number}`).textContent;
        this.sheets.set(number, sheet);
      }
      const place = cell % per_sheet;
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

  // A static plot with a canvas over it.
  class ScatterView {
    constructor(root, store) {
      this.root = root;
      this.store = store;
      this.kind = root.dataset.scatter;
      this.name = root.dataset.name;
      this.frame = JSON.parse(root.dataset.frame);
      this.plane = store.planes[this.kind];
      this.stage = root.querySelector(".stage");
      this.visible = new Uint8Array(store.labels.length).fill(1);
      this.x = new Float32Array(store.n);
      this.y = new Float32Array(store.n);
      this.current = -1;
      this.pinned = false;
      this.build();
      this.legend();
      this.listen();
      new ResizeObserver(() => this.resize()).observe(this.stage);
    }

    build() {
      this.canvas = element("canvas", "over");
      this.canvas.tabIndex = 0;
      this.canvas.setAttribute("role", "application");
      this.canvas.setAttribute(
        "aria-label",
        `${this.name} plot, interactive. Arrow keys go from point to point, Enter pins, Escape lets go.`,
      );
      this.layer = document.createElement("canvas");
      this.card = element("div", "card");
      this.card.hidden = true;
      this.picture = element("canvas");
      this.picture.setAttribute("aria-hidden", "true");
      const words = element("div");
      this.label = element("bdi", "label");
      this.key = element("bdi", "key");
      this.scores = element("span", "scores");
      words.append(this.label, this.key, this.scores);
      this.pin = element("span", "pin");
      this.card.append(this.picture, words, this.pin);
      this.said = element("p", "hidden");
      this.said.setAttribute("aria-live", "polite");
      this.stage.append(this.canvas, this.card, this.said);
      this.stage.classList.add("live");
      const help = "Hover or tap a point for its image; click pins it, a click beside it or Escape lets go. Arrow keys walk. Classes in the legend switch on and off.";
      this.chosen = element("span", "chosen");
      this.root.querySelector("figcaption").append(this.chosen);
      this.root.append(element("p", "note help", help));
    }

    legend() {
      const list = this.root.querySelector(".legend");
      this.toggles = [...list.children].map((item, i) => {
        const button = element("button");
        button.type = "button";
        button.append(...item.childNodes);
        button.setAttribute("aria-pressed", "true");
        button.addEventListener("click", () => this.show(i, !this.visible[i]));
        item.append(button);
        return button;
      });
      const tools = element("div", "tools");
      for (const [text, on] of [["Show all", 1], ["Hide all", 0]]) {
        const button = element("button", "", text);
        button.type = "button";
        button.addEventListener("click", () => this.show(-1, on));
        tools.append(button);
      }
      list.before(tools);
    }

    show(number, on) {
      this.toggles.forEach((button, i) => {
        if (number !== -1 && number !== i) return;
        this.visible[i] = on ? 1 : 0;
        button.setAttribute("aria-pressed", String(Boolean(on)));
      });
      if (this.current !== -1 && !this.drawn(this.current)) this.release();
      let n = 0;
      for (let i = 0; i < this.store.n; i++) if (this.drawn(i)) n += 1;
      const all = this.visible.every((v) => v === 1);
      this.chosen.textContent = all ? "" : ` Drawn now: ${n.toLocaleString("en")}, the classes switched on.`;
      this.paint();
    }

    drawn(i) {
      return this.visible[this.store.class[i]] === 1 && this.plane.x[i] === this.plane.x[i];
    }

    listen() {
      const { canvas } = this;
      canvas.addEventListener("pointermove", (event) => {
        if (event.pointerType === "mouse" && !this.pinned) this.choose(this.nearest(event));
      });
      canvas.addEventListener("pointerleave", () => {
        if (!this.pinned && document.activeElement !== canvas) this.choose(-1);
      });
      canvas.addEventListener("click", (event) => {
        const i = this.nearest(event);
        this.pinned = false;
        this.choose(i);
        if (i !== -1) this.fix();
      });
      canvas.addEventListener("blur", () => {
        if (!this.pinned) this.choose(-1);
      });
      canvas.addEventListener("keydown", (event) => this.keydown(event));
      document.addEventListener("keydown", (event) => {
        if (event.key === "Escape" && this.current !== -1) this.release();
      });
      dark.addEventListener("change", () => this.resize());
    }

    keydown(event) {
      const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
      if (way) {
        event.preventDefault();
        const next = this.neighbour(way);
        if (next === -1) return;
        this.pinned = false;
        this.choose(next);
        this.said.textContent = [this.label.textContent, this.key.textContent, ...this.store.scores(next)].join(", ");
      } else if ((event.key === "Enter" || event.key === " ") && this.current !== -1) {
        event.preventDefault();
        if (this.pinned) this.release();
        else this.fix();
      }
    }

    // The visible point nearest to the pointer, within reach.
    nearest(event) {
      const box = this.canvas.getBoundingClientRect();
      const [px, py] = [event.clientX - box.left, event.clientY - box.top];
      let best = -1;
      let least = REACH * REACH;
      for (let i = 0; i < this.store.n; i++) {
        const dx = this.x[i] - px;
        const dy = this.y[i] - py;
        const d = dx * dx + dy * dy;
        if (d <= least && this.drawn(i)) {
          least = d;
          best = i;
        }
      }
      return best;
    }

    // The next visible point in a direction: near, and more along than aside. Without a current
    // point, the one nearest to the middle.
    neighbour([wx, wy]) {
      const first = this.current === -1;
      const cx = first ? this.canvas.clientWidth / 2 : this.x[this.current];
      const cy = first ? this.canvas.clientHeight / 2 : this.y[this.current];
      let best = -1;
      let least = Infinity;
      for (let i = 0; i < this.store.n; i++) {
        if (i === this.current || !this.drawn(i)) continue;
        const dx = this.x[i] - cx;
        const dy = this.y[i] - cy;
        const along = dx * wx + dy * wy;
        const aside = Math.abs(dx * wy - dy * wx);
        if (!first && (along <= 0 || aside > 2 * along)) continue;
        const cost = first ? dx * dx + dy * dy : along + 2 * aside;
        if (cost < least) {
          least = cost;
          best = i;
        }
      }
      return best;
    }

    choose(i) {
      if (i === this.current) return;
      this.current = i;
      this.card.hidden = i === -1;
      this.card.classList.remove("pinned");
      if (i !== -1) {
        this.label.textContent = this.store.labels[this.store.class[i]];
        this.key.textContent = this.store.key(i);
        this.scores.textContent = this.store.scores(i).join("\n");
        this.pin.textContent = "";
        this.store.thumbnail(i, this.picture);
        this.place();
      }
      this.compose();
    }

    fix() {
      this.pinned = true;
      this.card.classList.add("pinned");
      this.pin.textContent = "Pinned. A click beside it or Escape lets go.";
      this.place();
    }

    release() {
      this.pinned = false;
      this.choose(-1);
    }

    // Above the point, below it where there is no room.
    place() {
      const [px, py] = [this.x[this.current], this.y[this.current]];
      const { offsetWidth: width, offsetHeight: height } = this.card;
      const left = Math.max(0, Math.min(px - width / 2, this.stage.clientWidth - width));
      const above = py - height - 14;
      const top = above + this.stage.getBoundingClientRect().top < 0 ? py + 14 : above;
      this.card.style.left = `${left}px`;
      this.card.style.top = `${top}px`;
    }

    resize() {
      const width = this.stage.clientWidth;
      const height = this.stage.querySelector(".plot").clientHeight;
      if (!width || !height) return;
      this.density = Math.min(window.devicePixelRatio || 1, 3);
      this.scale = width / this.frame.width;
      for (const canvas of [this.canvas, this.layer]) {
        canvas.width = Math.round(width * this.density);
        canvas.height = Math.round(height * this.density);
      }
      const f = this.frame;
      const kx = ((f.right - f.left) / (f.x[1] - f.x[0])) * this.scale;
      const ky = ((f.bottom - f.top) / (f.y[1] - f.y[0])) * this.scale;
      for (let i = 0; i < this.store.n; i++) {
        this.x[i] = f.left * this.scale + (this.plane.x[i] - f.x[0]) * kx;
        this.y[i] = f.bottom * this.scale - (this.plane.y[i] - f.y[0]) * ky;
      }
      this.radius = Math.max(f.radius * this.scale, 1.6);
      this.colors();
      this.paint();
      if (this.current !== -1) this.place();
    }

    colors() {
      const style = getComputedStyle(document.documentElement);
      const color = (name) => style.getPropertyValue(name).trim();
      this.fill = Array.from({ length: 8 }, (_, i) => color(`--k${i}`));
      this.edge = Array.from({ length: 8 }, (_, i) => color(`--e${i}`));
      this.ink = color("--ink");
      this.page = color("--panel");
      this.marks = this.store.shapes.map((corners) => {
        const path = new Path2D();
        if (!corners) path.arc(0, 0, this.radius, 0, 2 * Math.PI);
        else {
          for (const [x, y] of corners) path.lineTo(x * this.radius, y * this.radius);
          path.closePath();
        }
        return path;
      });
    }

    // All visible points, onto a layer that hovering only copies.
    paint() {
      const pen = this.layer.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, this.layer.width, this.layer.height);
      pen.lineWidth = Math.min(0.5, this.radius / 5);
      const d = this.density;
      for (const i of this.store.order) {
        if (!this.drawn(i)) continue;
        const number = this.store.class[i];
        const mark = this.marks[number % this.marks.length];
        pen.setTransform(d, 0, 0, d, this.x[i] * d, this.y[i] * d);
        pen.globalAlpha = 0.82;
        pen.fillStyle = this.fill[number % 8];
        pen.fill(mark);
        pen.globalAlpha = 1;
        pen.strokeStyle = this.edge[number % 8];
        pen.stroke(mark);
      }
      this.compose();
    }

    compose() {
      const pen = this.canvas.getContext("2d");
      pen.setTransform(1, 0, 0, 1, 0, 0);
      pen.clearRect(0, 0, this.canvas.width, this.canvas.height);
      pen.drawImage(this.layer, 0, 0);
      if (this.current === -1) return;
      const d = this.density;
      pen.setTransform(d, 0, 0, d, this.x[this.current] * d, this.y[this.current] * d);
      for (const [width, color] of [[5, this.page], [2, this.ink]]) {
        pen.lineWidth = width;
        pen.strokeStyle = color;
        pen.beginPath();
        pen.arc(0, 0, this.radius + 4, 0, 2 * Math.PI);
        pen.stroke();
      }
    }
  }

  const total = document.querySelector("[data-total-time]");
  if (total) document.querySelector("[data-total]").textContent = total.textContent;
  // Paper shows what is folded.
  addEventListener("beforeprint", () => {
    for (const folded of document.querySelectorAll("details")) folded.open = true;
  });
  const figures = document.querySelectorAll("[data-scatter]");
  if (figures.length > 0) {
    const store = new Store(JSON.parse(document.getElementById("points").textContent));
    for (const root of figures) if (store.planes[root.dataset.scatter]) new ScatterView(root, store);
  }
})();
