// Pointer and keys on a plot.

const CLICK = 4; // pixels a click may wander
const FINGER = 22; // reach of a fingertip
const STEP = 1.5; // zoom of a button or key
const WHEEL = 0.0022; // of a pixel of the wheel, as a power of e
const GRAIN = 2; // pixels between two corners of a lasso at least

class Hand {
  constructor(view) {
    this.view = view;
    this.model = view.model;
    this.canvas = view.canvas;
    this.pointers = new Map();
    this.drag = null; // where the pointer went down, until it goes up
    this.walking = false; // the point under the pointer was chosen by keys
    const on = (name, action) => this.canvas.addEventListener(name, action);
    on("pointerdown", (event) => this.down(event));
    on("pointermove", (event) => this.move(event));
    on("pointerup", (event) => this.up(event));
    on("pointercancel", (event) => this.forget(event));
    on("pointerleave", () => this.leave());
    on("blur", () => this.walking && this.leave(true));
    on("keydown", (event) => this.key(event));
    this.canvas.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    // Two fingers zoom the plot, not the page.
    this.canvas.addEventListener("touchmove", (event) => event.touches.length > 1 && event.preventDefault(), { passive: false });
  }

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  }

  down(event) {
    if (event.button !== 0) return;
    this.canvas.setPointerCapture(event.pointerId);
    this.pointers.set(event.pointerId, this.place(event));
    this.walking = false;
    this.drop();
    if (this.pointers.size > 1) return;
    const at = this.place(event);
    this.drag = { from: at, last: at, moved: false, touch: event.pointerType === "touch" };
  }

  move(event) {
    const { view, drag } = this;
    const at = this.place(event);
    if (!this.pointers.has(event.pointerId)) {
      if (event.pointerType === "mouse") this.hover(at);
      return;
    }
    if (this.pointers.size === 2) return this.pinch(event, at);
    this.pointers.set(event.pointerId, at);
    if (!drag) return;
    drag.moved ||= Math.hypot(at[0] - drag.from[0], at[1] - drag.from[1]) > CLICK;
    if (!drag.moved) return;
    if (this.model.hover !== -1) this.model.point(-1, null);
    if (view.tool === "Move") {
      // One finger scrolls the page.
      if (!drag.touch) view.moveBy(at[0] - drag.last[0], at[1] - drag.last[1]);
      this.canvas.classList.add("moving");
    } else if (view.tool === "Box") {
      const [[x0, y0], [x1, y1]] = [drag.from, at];
      view.shape = [[x0, y0], [x1, y0], [x1, y1], [x0, y1]];
      view.request(false);
    } else {
      view.shape ??= [drag.from];
      const [x, y] = view.shape[view.shape.length - 1];
      if (Math.hypot(at[0] - x, at[1] - y) >= GRAIN) view.shape.push(at);
      view.request(false);
    }
    drag.last = at;
  }

  pinch(event, at) {
    const { view } = this;
    const before = [...this.pointers.values()];
    this.pointers.set(event.pointerId, at);
    const after = [...this.pointers.values()];
    const middle = ([a, b]) => [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2];
    const width = ([a, b]) => Math.max(1, Math.hypot(a[0] - b[0], a[1] - b[1]));
    const [from, to] = [middle(before), middle(after)];
    view.moveBy(to[0] - from[0], to[1] - from[1]);
    view.zoomBy(width(after) / width(before), ...to);
  }

  up(event) {
    const { view, drag } = this;
    const shape = view.shape;
    this.forget(event);
    if (!drag) return;
    if (shape) {
      const way = event.shiftKey ? "add" : event.altKey ? "remove" : "replace";
      this.model.select(within(view, shape), way);
      this.model.panel.moveTo(view);
    } else if (!drag.moved) this.click(event);
  }

  click(event) {
    const { view } = this;
    const i = view.nearest(...this.place(event), event.pointerType === "touch" ? FINGER : REACH);
    if (i !== -1 && (event.shiftKey || event.altKey)) {
      this.model.select([i], event.altKey ? "remove" : "add");
      this.model.panel.moveTo(view);
      return;
    }
    view.pin = i;
    this.model.hover = -1;
    this.model.tell("hover");
  }

  forget(event) {
    this.pointers.delete(event.pointerId);
    this.drop();
  }

  // Ends a drag; true if it was drawing the outline of a selection.
  drop() {
    this.drag = null;
    this.canvas.classList.remove("moving");
    if (!this.view.shape) return false;
    this.view.shape = null;
    this.view.request(false);
    return true;
  }

  hover(at) {
    const { view } = this;
    const i = view.nearest(...at);
    this.canvas.classList.toggle("on-point", i !== -1);
    if (view.pin === -1 && !(this.walking && i === -1)) {
      this.walking = false;
      this.model.point(i, view);
    }
  }

  leave(always) {
    if (this.model.host !== this.view || (this.walking && !always)) return;
    this.walking = false;
    this.model.point(-1, null);
  }

  wheel(event) {
    // A plain wheel scrolls the page; pinching a trackpad arrives with Ctrl.
    if (!event.ctrlKey && !event.metaKey) return;
    event.preventDefault();
    const pixels = event.deltaY * (event.deltaMode === 1 ? 33 : 1);
    const fine = Math.abs(pixels) < 20 ? 4 : 1; // a trackpad's steps are small
    this.view.zoomBy(Math.exp(-pixels * WHEEL * fine), ...this.place(event));
  }

  key(event) {
    const { view, model } = this;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const current = view.current();
    const way = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] }[event.key];
    const zoom = { "+": STEP, "=": STEP, "-": 1 / STEP }[event.key];
    if (way) this.walk(current, way);
    else if (zoom) view.zoomByKey(zoom);
    else if (event.key === "0") view.home();
    else if (event.key === "Enter" && current !== -1) {
      view.pin = view.pin === -1 ? current : -1;
      model.tell("hover");
      model.say(view.pin === -1 ? "Let go" : "Pinned");
    } else if (event.key === " " && current !== -1) {
      model.select([current], model.selected[current] ? "remove" : "add");
      model.panel.moveTo(view);
    } else return;
    event.preventDefault();
  }

  walk(current, way) {
    const { view, model } = this;
    const next = view.neighbour(current, way);
    if (next === -1) return;
    view.pin = -1;
    this.walking = true;
    view.show(next);
    model.point(next, view);
    const { store } = model;
    const state = model.selected[next] ? ["selected"] : [];
    model.say([store.label(next), store.key(next), ...store.facts(next), ...state].join(", "));
  }
}

// The drawn points of a view inside an outline, by the rule of even and odd crossings.
function within(view, outline) {
  const xs = outline.map(([x]) => x);
  const ys = outline.map(([, y]) => y);
  const [left, right, top, bottom] = [Math.min(...xs), Math.max(...xs), Math.min(...ys), Math.max(...ys)];
  return view.inView().filter((i) => {
    const [px, py] = view.at(i);
    if (px < left || px > right || py < top || py > bottom) return false;
    let inside = false;
    let [x0, y0] = outline[outline.length - 1];
    for (const [x1, y1] of outline) {
      if (y1 > py !== y0 > py && px < ((x0 - x1) * (py - y1)) / (y0 - y1) + x1) inside = !inside;
      [x0, y0] = [x1, y1];
    }
    return inside;
  });
}
