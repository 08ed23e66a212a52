// What the plots share: classes shown, selection, search, colours, and the point under the pointer.

class Model {
  constructor(store) {
    this.store = store;
    this.visible = new Uint8Array(store.labels.length).fill(1);
    this.selected = new Uint8Array(store.n);
    this.nSelected = 0;
    this.query = "";
    this.matched = null; // flags, while there is a query
    this.nFound = 0; // shown points that match
    this.searchedLast = false;
    this.score = -1; // the score that colours, or -1 for the class
    this.hover = -1;
    this.host = null; // the view that shows the card of `hover`
    this.views = [];
    this.listeners = [];
    this.said = element("p", "hidden");
    this.said.setAttribute("aria-live", "polite");
    document.querySelector("main").append(this.said);
    this.panel = new Panel(this);
  }

  // `listener` hears of "classes", "selection", "search", "colour" and "hover".
  listen(listener) {
    this.listeners.push(listener);
  }

  tell(what) {
    for (const listener of this.listeners) listener(what);
  }

  say(text) {
    this.said.textContent = text;
  }

  isShown(i) {
    return this.visible[this.store.class[i]] === 1;
  }

  // Flags of the points that stay full while others are dimmed, or null: the last search or choice.
  emphasis() {
    if (this.nFound > 0 && (this.searchedLast || this.nSelected === 0)) return this.matched;
    return this.nSelected > 0 ? this.selected : null;
  }

  show(classes, on) {
    for (const number of classes) this.visible[number] = on ? 1 : 0;
    for (const view of this.views) if (view.pin !== -1 && !this.isShown(view.pin)) view.pin = -1;
    if (this.hover !== -1 && !this.isShown(this.hover)) this.hover = -1;
    this.nFound = this.found().length;
    this.tell("classes");
  }

  // Shows one class alone; once more shows all.
  only(number) {
    const alone = this.visible.every((on, i) => on === (i === number ? 1 : 0));
    this.visible.fill(alone ? 1 : 0);
    this.show([number], true);
  }

  // `way`: "replace", "add" or "remove".
  select(points, way) {
    if (way === "replace") this.selected.fill(0);
    for (const i of points) this.selected[i] = way === "remove" ? 0 : 1;
    this.nSelected = this.selected.reduce((sum, flag) => sum + flag, 0);
    this.searchedLast = false;
    this.say(`${count(this.nSelected)} selected`);
    this.tell("selection");
  }

  search(query) {
    this.query = query;
    const text = query.trim();
    this.matched = text ? this.store.matches(text) : null;
    this.searchedLast = true;
    this.nFound = this.found().length;
    this.tell("search");
  }

  // The shown points that match.
  found() {
    const points = [];
    if (this.matched) for (let i = 0; i < this.store.n; i++) if (this.matched[i] && this.isShown(i)) points.push(i);
    return points;
  }

  colourBy(score) {
    this.score = score;
    this.tell("colour");
  }

  point(i, host) {
    if (i === this.hover && host === this.host) return;
    this.hover = i;
    this.host = host;
    this.tell("hover");
  }

  release() {
    this.hover = -1;
    for (const view of this.views) view.pin = -1;
    this.tell("hover");
  }

  // Points that wear a ring in every plot.
  ringed() {
    const points = this.views.map((view) => view.pin).concat(this.hover);
    return [...new Set(points)].filter((i) => i !== -1);
  }
}
