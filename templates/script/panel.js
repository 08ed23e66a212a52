// The selected images, below the plot in which the selection was last changed.

const PAGE = 48; // thumbnails at a time
const LISTED = 8; // classes counted in the panel at most

class Panel {
  constructor(model) {
    this.model = model;
    this.store = model.store;
    this.root = element("div", "selection");
    this.root.setAttribute("role", "region");
    this.root.setAttribute("aria-label", "Selection");
    this.title = element("strong");
    this.classes = element("ul", "counts");
    this.grid = element("ul", "grid");
    const more = element("div", "tools");
    this.more = button("Show more", () => this.showMore());
    more.append(this.more);
    this.points = []; // in the order of their keys
    this.root.append(this.title, this.classes, this.grid, more);
    model.listen((what) => {
      if (what === "selection") this.fill();
      if (what === "classes") this.title.textContent = this.told();
    });
  }

  // Under the plot of `view`; without a selection nowhere.
  moveTo(view) {
    if (this.model.nSelected === 0) return;
    if (this.view !== view || !this.root.isConnected) view.root.append(this.root);
    this.view = view;
  }

  fill() {
    const { model, store } = this;
    this.points = [];
    if (model.nSelected === 0) {
      this.root.remove();
      this.view = null;
      return;
    }
    const ofClass = store.labels.map(() => []);
    for (let i = 0; i < store.n; i++) {
      if (!model.selected[i]) continue;
      this.points.push(i);
      ofClass[store.class[i]].push(i);
    }
    this.title.textContent = this.told();
    const ranked = [...ofClass.keys()].filter((c) => ofClass[c].length > 0).sort((a, b) => ofClass[b].length - ofClass[a].length);
    this.listed = inTurn(ranked.map((c) => ofClass[c]));
    this.grid.classList.toggle("named", ranked.length > 1);
    const markers = document.querySelector("[data-scatter] .legend").querySelectorAll(".marker");
    this.classes.replaceChildren(
      ...ranked.slice(0, LISTED).map((c) => {
        const item = element("li");
        item.append(markers[c].cloneNode(true), element("bdi", "", store.labels[c]), element("span", "n", count(ofClass[c].length)));
        return item;
      }),
    );
    if (ranked.length > LISTED) {
      const rest = ranked.slice(LISTED).reduce((sum, c) => sum + ofClass[c].length, 0);
      this.classes.append(element("li", "note", `${ranked.length - LISTED} more classes: ${count(rest)}`));
    }
    this.nListed = 0;
    this.grid.replaceChildren();
    this.showMore();
  }

  // How many are selected, in words.
  told() {
    const { model } = this;
    const hidden = this.points.filter((i) => !model.isShown(i)).length;
    return `${count(model.nSelected)} selected${hidden > 0 ? `, ${count(hidden)} of them in hidden classes` : ""}`;
  }

  showMore() {
    const next = this.listed.slice(this.nListed, this.nListed + PAGE);
    const first = this.grid.children.length;
    this.grid.append(...next.map((i) => this.thumbnail(i)));
    this.nListed += next.length;
    const rest = this.points.length - this.nListed;
    this.more.hidden = rest === 0;
    this.more.textContent = `Show more (${count(rest)} left)`;
    // The button that was pressed may be gone.
    if (first > 0) this.grid.children[first].firstChild.focus({ preventScroll: true });
  }

  thumbnail(i) {
    const { store, model } = this;
    const item = element("li");
    const picture = element("canvas");
    const words = `${store.label(i)}, ${store.key(i)}`;
    const pin = button("", () => this.pin(i), words);
    pin.title = `${store.label(i)}\n${store.key(i)}`;
    store.thumbnail(i, picture);
    pin.append(picture.hidden ? element("span", "blank", "no picture") : picture);
    pin.append(element("bdi", "name", store.label(i)));
    pin.addEventListener("pointerenter", () => model.point(i, null));
    pin.addEventListener("pointerleave", () => model.point(-1, null));
    item.append(pin);
    return item;
  }

  pin(i) {
    const { view, model } = this;
    if (view.x[i] !== view.x[i]) return model.say("This image has no place in this plot");
    if (!model.isShown(i)) model.show([this.store.class[i]], true);
    view.show(i);
    view.fix(i);
    view.stage.scrollIntoView({ block: "nearest" });
    model.say("Pinned");
  }

  clear(view) {
    // The button that was pressed goes.
    const isGoing = document.activeElement.closest(".picked, .selection");
    if (isGoing) (view ?? this.view).canvas.focus({ preventScroll: true });
    this.model.select([], "replace");
  }

  // Copies the selected keys, a line each; returns what to say of it.
  async copy() {
    const text = this.points.map((i) => this.store.key(i)).join("\n");
    const done = `Copied ${count(this.points.length)} keys`;
    const failed = "The browser does not let this page copy";
    let copied = true;
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      // No clipboard for local files in some browsers.
      const back = document.activeElement;
      const area = element("textarea", "hidden");
      area.value = text;
      document.body.append(area);
      area.select();
      copied = document.execCommand("copy");
      area.remove();
      back?.focus({ preventScroll: true });
    }
    const told = copied ? done : failed;
    this.model.say(told);
    return told;
  }
}

// The members of several lists: the first of each, then the second of each.
function inTurn(lists) {
  const all = [];
  for (let turn = 0; lists.length > 0; turn++) {
    lists = lists.filter((list) => list.length > turn);
    for (const list of lists) all.push(list[turn]);
  }
  return all;
}
