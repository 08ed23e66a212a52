// All controls are there from the start, so that nothing moves while one reads or jumps; points are
// decoded and painted when their plot nears the window.

const roots = document.querySelectorAll("[data-scatter]");
if (roots.length > 0) {
  const model = new Model(new Store(JSON.parse(document.getElementById("points").textContent)));
  const hands = [];
  for (const root of roots) {
    if (!(root.dataset.scatter in model.store.planes)) continue;
    const view = new View(root, model);
    new Controls(view);
    hands.push(new Hand(view));
  }
  // Escape ends what is being drawn, else lets go of a point, else of the selection.
  document.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || hands.filter((hand) => hand.drop()).length > 0) return;
    const isHeld = hands.some(({ view, walking }) => view.pin !== -1 || (walking && view.current() !== -1));
    if (isHeld || model.nSelected === 0 || event.target.matches("input")) model.release();
    else model.panel.clear();
  });
}
