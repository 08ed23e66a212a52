// A static plot with a canvas over it: which point lies where, the camera, and the card.
//
// Points are kept in the pixels of the static plot ("plot pixels"); the camera turns `u` into
// `u * zoom + shift`, and `scale` plot pixels into pixels of the page.

const REACH = 14; // pixels between pointer and point at most
const ROOM = 4; // points in a cell of the grid, about
const MAX_ZOOM = 64; // a step of the quantised positions is then about half a pixel
const MANY = 20000; // points that take more than a frame to paint
const PAUSE_MS = 120; // then what moved is painted sharp
const NARROW = 480; // a plot less wide has its card below
const NEAR = "600px"; // from here on a plot is painted

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
    this.painter = null; // before the plot first comes near
    lazy(this, "grid", () => this.locate());
    lazy(this, "x", () => this.grid.x);
    lazy(this, "y", () => this.grid.y);
    this.build();
    model.views.push(this);
    model.listen((what) => this.changed(what));
    new ResizeObserver(() => this.resize()).observe(this.stage);
    dark.addEventListener("change", () => this.resize());
    const seen = (entries) => {
      this.isNear = entries[entries.length - 1].isIntersecting;
      if (!this.isNear) return;
      if (!this.painter) {
        this.painter = new Painter(this);
        this.resize();
        this.store.warm();
      }
      this.request(false);
    };
    new IntersectionObserver(seen, { rootMargin: NEAR }).observe(this.stage);
  }

  // Where each point lies, and a grid of cells to find it by.
  locate() {
    const f = this.frame;
    const n = this.store.n;
    const plane = this.store.planes[this.root.dataset.scatter];
    const kx = (f.right - f.left) / (f.x[1] - f.x[0]);
    const ky = (f.bottom - f.top) / (f.y[1] - f.y[0]);
    const x = plane.x.map((value) => f.left + (value - f.x[0]) * kx);
    const y = plane.y.map((value) => f.bottom - (value - f.y[0]) * ky);
    const cell = Math.max(2, Math.sqrt(((f.right - f.left) * (f.bottom - f.top) * ROOM) / n));
    const columns = Math.ceil(f.width / cell);
    const rows = Math.ceil(f.height / cell);
    const cellOf = new Int32Array(n).fill(-1);
    const starts = new Uint32Array(columns * rows + 1);
    for (let i = 0; i < n; i++) {
      if (x[i] !== x[i]) continue;
      cellOf[i] = Math.floor(y[i] / cell) * columns + Math.floor(x[i] / cell);
      starts[cellOf[i] + 1] += 1;
    }
    for (let c = 1; c < starts.length; c++) starts[c] += starts[c - 1];
    const next = starts.slice();
    const points = new Uint32Array(next[next.length - 1]);
    for (let i = 0; i < n; i++) if (cellOf[i] !== -1) points[next[cellOf[i]]++] = i;
    return { x, y, cell, columns, rows, starts, points };
  }

  build() {
    this.canvas = element("canvas", "over");
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute("role", "application");
    this.canvas.setAttribute(
      "aria-label",
      `${this.name} plot, interactive. Arrow keys go from point to point, Enter pins, Space selects, plus and minus zoom, Escape lets go.`,
    );
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
    const close = button("\u00d7", () => this.close(), "Let go of the point");
    close.className = "close";
    this.card.append(this.picture, words, this.hint, close);
    this.nothing = element("div", "nothing");
    this.nothing.hidden = true;
    this.stage.append(this.canvas, this.nothing, this.card);
    this.root.classList.add("live");
    this.chosen = element("span", "chosen");
    this.root.querySelector(".shown").after(this.chosen);
  }

  changed(what) {
    if (what === "hover" || what === "classes") this.fillCard();
    if (what === "classes") this.tellDrawn();
    if (what === "colour" && this.painter && this.scale) this.painter.dress();
    this.request(what !== "hover");
  }

  tellDrawn() {
    const all = this.model.visible.every((on) => on === 1);
    this.root.classList.toggle("filtered", !all);
    if (all) return;
    let n = 0;
    for (let i = 0; i < this.store.n; i++) if (this.isDrawn(i)) n += 1;
    this.chosen.textContent = `Shown now: ${count(n)} of ${count(this.store.n)}, the classes switched on.`;
  }

  isDrawn(i) {
    return this.model.isShown(i) && this.x[i] === this.x[i];
  }

  // Says so where there is no point to see.
  tellNothing() {
    const { n } = this.store;
    let i = 0;
    while (i < n && !(this.isDrawn(i) && this.isInside(...this.at(i)))) i += 1;
    this.nothing.hidden = i < n;
    if (i < n) return;
    const isAway = this.root.classList.contains("zoomed");
    this.nothing.replaceChildren(isAway ? "Nothing here. " : "No class is switched on.");
    if (isAway) this.nothing.append(button("Reset", () => this.home(), "Reset zoom"));
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
    const { cell, columns, rows, starts, points } = this.grid;
    const held = (value, last) => Math.max(0, Math.min(Math.floor(value / cell), last));
    const [from, to] = [held(u - far, columns - 1), held(u + far, columns - 1)];
    let best = -1;
    let least = far * far;
    for (let row = held(v - far, rows - 1); row <= held(v + far, rows - 1); row++) {
      const end = starts[row * columns + to + 1];
      for (let k = starts[row * columns + from]; k < end; k++) {
        const i = points[k];
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
    this.model.say(`Zoom ${figure(this.camera.zoom)}`);
  }

  home() {
    this.look(1, 0, 0);
    this.model.say("Zoom 1");
  }

  // Looks at some points, with a tenth of room on each side.
  fit(points) {
    const placed = points.filter((i) => this.isDrawn(i));
    if (placed.length === 0) return;
    const range = (values) => placed.reduce(([min, max], i) => [Math.min(min, values[i]), Math.max(max, values[i])], [Infinity, -Infinity]);
    const [[x0, x1], [y0, y1]] = [range(this.x), range(this.y)];
    const { left, top, right, bottom } = this.frame;
    const zoom = Math.max(1, 0.8 * Math.min((right - left) / (x1 - x0), (bottom - top) / (y1 - y0), MAX_ZOOM));
    this.look(zoom, (left + right) / 2 - ((x0 + x1) / 2) * zoom, (top + bottom) / 2 - ((y0 + y1) / 2) * zoom);
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
      this.key.replaceChildren(...breakable(this.store.key(i)));
      this.facts.textContent = this.store.facts(i).join("\n");
      this.store.thumbnail(i, this.picture);
    }
    this.told = i;
    const pinned = i !== -1 && i === this.pin;
    this.card.classList.toggle("pinned", pinned);
    this.hint.textContent = pinned ? "Pinned. Escape lets go." : "";
    this.placeCard();
  }

  close() {
    this.fix(-1);
    this.canvas.focus({ preventScroll: true });
  }

  // Within the plot: above the point, else below it, else beside it. Under a narrow plot, or along
  // the edge of it that is farther from the point.
  placeCard() {
    const i = this.told ?? -1;
    this.card.hidden = i === -1 || !this.isInside(...this.at(i));
    if (this.card.hidden) return;
    const { clientWidth: across, clientHeight: down } = this.stage;
    const top = this.stage.getBoundingClientRect().top;
    this.card.classList.toggle("docked", across < NARROW);
    const { offsetWidth: width, offsetHeight: height } = this.card;
    const [px, py] = this.at(i);
    const held = (value, last) => Math.max(0, Math.min(value, last));
    const place = (x, y) => {
      this.card.style.left = `${x}px`;
      this.card.style.top = `${y}px`;
    };
    if (across < NARROW) {
      const isSeen = top + down + height <= innerHeight;
      return place(0, isSeen ? down : py < down / 2 ? down - height : 0);
    }
    const fits = (y) => y >= 0 && y + height <= down;
    const isSeen = (y) => y + top >= 0 && y + top + height <= innerHeight;
    const ways = [py - height - REACH, py + REACH].filter(fits);
    const way = ways.find(isSeen) ?? ways[0];
    if (way !== undefined) return place(held(px - width / 2, across - width), way);
    const right = px + REACH;
    place(right + width <= across ? right : Math.max(0, px - REACH - width), held(py - height / 2, down - height));
  }

  resize() {
    const width = this.stage.clientWidth;
    const height = this.plot.clientHeight;
    if (!width || !height) return;
    this.scale = width / this.frame.width;
    if (!this.painter) return;
    this.painter.resize(width, height);
    this.request(true);
  }

  // At most once a frame; `sharp` paints the points anew, else their layer is copied.
  request(sharp) {
    this.stale ||= sharp;
    this.waiting ??= requestAnimationFrame(() => {
      this.waiting = null;
      if (!this.painter || !this.scale) return;
      if (this.stale && this.isNear) {
        this.painter.paint();
        this.root.classList.add("painted");
        this.stale = false;
        this.tellNothing();
      }
      this.painter.compose();
      this.placeCard();
    });
  }
}
