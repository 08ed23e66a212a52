// The controls of one plot: tools, zoom, search, colours above it; classes beside it.

const MANY_CLASSES = 12; // from here on the legend has a filter
const QUIET_MS = 500; // typing pauses, then the number of matches is said

let nControls = 0;

class Controls {
  constructor(view) {
    this.view = view;
    this.model = view.model;
    this.id = `controls-${nControls++}`;
    this.bar();
    this.legend();
    this.words();
    this.model.listen((what) => this.changed(what));
    for (const what of ["classes", "selection", "search", "colour"]) this.changed(what);
  }

  bar() {
    const { view, model } = this;
    const bar = element("div", "bar");
    const group = (name, ...buttons) => {
      const made = element("div", "group");
      made.setAttribute("role", "group");
      made.setAttribute("aria-label", `${name}, ${view.name} plot`);
      made.append(...buttons);
      return made;
    };
    const tools = ["Move", "Box", "Lasso"].map((name) => button(name, () => pick(name)));
    const pick = (name) => {
      view.tool = name;
      view.canvas.dataset.tool = name;
      for (const tool of tools) tool.setAttribute("aria-pressed", String(tool.textContent === name));
    };
    pick("Move");
    const zoom = [
      button("\u2212", () => view.zoomByKey(1 / STEP), "Zoom out"),
      button("+", () => view.zoomByKey(STEP), "Zoom in"),
      button("Reset", () => view.home(), "Reset zoom"),
    ];
    const all = button("Select all shown", () => {
      model.select(view.inView(), "replace");
      model.panel.moveTo(view);
    });
    bar.append(group("Tool", ...tools), group("Zoom", ...zoom), group("Select", all));
    if (model.store.scores.length > 0) bar.append(this.colours());
    bar.append(this.searchBox());
    view.root.prepend(bar);
  }

  colours() {
    const label = element("label", "field", "Colour by ");
    this.select = element("select");
    for (const [i, name] of ["Class", ...this.model.store.scores.map((score) => score.name)].entries()) {
      const option = element("option", "", name);
      option.value = i - 1;
      this.select.append(option);
    }
    this.select.addEventListener("change", () => this.model.colourBy(Number(this.select.value)));
    label.append(this.select);
    return label;
  }

  searchBox() {
    const { model } = this;
    const field = element("div", "field search");
    this.input = element("input");
    this.input.type = "search";
    this.input.placeholder = "Search key or class";
    this.input.spellcheck = false;
    this.input.autocomplete = "off";
    this.input.setAttribute("aria-label", `Search key or class, ${this.view.name} plot. Enter selects what is found.`);
    this.found = element("span", "found");
    this.input.addEventListener("input", () => {
      model.search(this.input.value);
      clearTimeout(this.quiet);
      this.quiet = setTimeout(() => model.matched && model.say(this.found.textContent), QUIET_MS);
    });
    this.input.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || model.nFound === 0) return;
      model.select(model.found(), event.shiftKey ? "add" : event.altKey ? "remove" : "replace");
      model.panel.moveTo(this.view);
    });
    field.append(this.input, this.found);
    return field;
  }

  legend() {
    const { model, view } = this;
    const list = view.root.querySelector(".legend");
    const heading = view.root.querySelector(".side h3");
    this.rows = [...list.children].map((item, i) => {
      const toggle = button("", () => model.show([i], !model.visible[i]));
      toggle.className = "toggle";
      toggle.append(...item.childNodes);
      // The two clicks of a double click have cancelled each other.
      toggle.addEventListener("dblclick", () => model.only(i));
      const only = button("only", () => model.only(i), `Only ${model.store.labels[i]}`);
      only.className = "only";
      item.append(toggle, only);
      return { item, toggle, name: model.store.labels[i].toLowerCase() };
    });
    list.removeAttribute("tabindex"); // its buttons take the focus now
    const listed = () => this.rows.flatMap(({ item }, i) => (item.hidden ? [] : [i]));
    const tools = element("div", "tools");
    tools.append(
      button("Show all", () => model.show(listed(), true), "Show all classes"),
      button("Hide all", () => model.show(listed(), false), "Hide all classes"),
    );
    this.scale = element("div", "scale");
    heading.before(this.picked(), this.scale);
    list.before(tools);
    if (this.rows.length <= MANY_CLASSES) return;
    const filter = element("input", "filter");
    filter.type = "search";
    filter.placeholder = "Filter classes";
    filter.setAttribute("aria-label", `Filter classes, ${view.name} plot`);
    filter.addEventListener("input", () => {
      const part = filter.value.trim().toLowerCase();
      for (const { item, name } of this.rows) item.hidden = !name.includes(part);
    });
    list.before(filter);
  }

  // What is selected and what can be done with it, beside the plot.
  picked() {
    const { model, view } = this;
    this.chosen = element("div", "picked");
    this.chosen.setAttribute("role", "group");
    this.chosen.setAttribute("aria-label", `Selection, ${view.name} plot`);
    this.nChosen = element("strong");
    this.copied = element("span", "note");
    const copy = async () => {
      this.copied.textContent = await model.panel.copy();
    };
    const tools = element("div", "tools");
    tools.append(
      button("Zoom", () => view.fit(model.panel.points), "Zoom to selection"),
      button("Copy keys", copy),
      button("Clear", () => model.panel.clear(view), "Clear selection"),
    );
    this.chosen.append(this.nChosen, tools, this.copied);
    return this.chosen;
  }

  words() {
    const help = element("p", "note help");
    help.append(
      element("span", "with-mouse", "Hover or tap a point for its image; a click pins it. Ctrl or \u2318 with the wheel, or two fingers, zoom. Box and Lasso select: Shift adds, Alt takes away. Keys: arrows walk, Enter pins, Space selects, Escape lets go, + \u2212 0 zoom."),
      element("span", "with-finger", "Tap a point for its image. Two fingers zoom. Box and Lasso select."),
    );
    this.view.root.querySelector("figcaption").after(help);
  }

  changed(what) {
    const { model } = this;
    if (what === "classes") {
      this.rows.forEach(({ toggle }, i) => toggle.setAttribute("aria-pressed", String(model.visible[i] === 1)));
    }
    if (what === "classes" || what === "selection") {
      this.chosen.hidden = model.nSelected === 0;
      this.nChosen.textContent = model.panel.told();
      if (what === "selection") this.copied.textContent = "";
    }
    if (what === "classes" || what === "search") {
      if (this.input.value !== model.query) this.input.value = model.query;
      this.found.textContent = model.matched ? `${model.nFound === 0 ? "none" : count(model.nFound)} found` : "";
    }
    if (what === "colour") {
      if (this.select) this.select.value = model.score;
      this.view.root.classList.toggle("scored", model.score !== -1);
      this.drawScale();
    }
  }

  // The colour bar: its ends stand for all beyond them.
  drawScale() {
    const { model } = this;
    this.scale.replaceChildren();
    this.scale.hidden = model.score === -1;
    if (this.scale.hidden) return;
    const { store, score } = model;
    const { name, about } = store.scores[score];
    const { low, high, min, max, n } = store.spread(score);
    const text = (value) => store.scoreText(score, value);
    this.scale.append(element("h3", "", name), element("p", "note", about));
    const notes = [];
    if (min === max) {
      this.scale.append(this.swatch(store.share(score, min), `${n < store.n ? "all with a value" : "all images"}: ${text(min)}`));
    } else if (n > 0) {
      const bar = element("div", "ramp");
      ramps(bar, (ramp) => Array.from({ length: 17 }, (_, k) => rampColour(ramp, k / 16)).join(", "));
      const axis = element("div", "ramp-ticks");
      const mark = (value, sign) => element("span", "", sign + text(value));
      axis.append(mark(low, low > min ? "\u2264\u2009" : ""), mark(store.middle(score), ""), mark(high, high < max ? "\u2265\u2009" : ""));
      this.scale.append(bar, axis);
      if (low > min || high < max) notes.push("The lowest and the highest 1 % share the end colours.");
      if (store.scores[score].scale === "log") notes.push("Logarithmic.");
    }
    const missing = store.n - n;
    if (missing > 0) notes.push(`Grey: no value, ${count(missing)} ${missing === 1 ? "image" : "images"}.`);
    if (notes.length > 0) this.scale.append(element("p", "note", notes.join(" ")));
  }

  // One colour and what it stands for.
  swatch(share, text) {
    const row = element("div", "swatch");
    const colour = element("span", "ramp");
    // A gradient needs two colours.
    ramps(colour, (ramp) => `${rampColour(ramp, share)}, ${rampColour(ramp, share)}`);
    row.append(colour, element("span", "", text));
    return row;
  }
}

// A bar's colours on a light and on a dark page.
function ramps(bar, colours) {
  bar.style.setProperty("--ramp-light", colours(RAMPS.light));
  bar.style.setProperty("--ramp-dark", colours(RAMPS.dark));
}
