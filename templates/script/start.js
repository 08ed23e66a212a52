// All controls are there from the start, so that nothing moves while one reads or jumps; points are
// decoded and painted when their plot nears the window.

const roots = document.querySelectorAll("[data-scatter]");
if (roots.length > 0) {
  const model = new Model(new Store(JSON.parse(document.getElementById("points").textContent)));
  for (const root of roots) {
    if (!(root.dataset.scatter in model.store.planes)) continue;
    const view = new View(root, model);
    new Controls(view);
    new Hand(view);
  }
}
