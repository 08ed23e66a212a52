// A plot comes alive when it nears the window; the data are read for the first one.

let model = null;
const NEAR = "600px";

function revive(root) {
  model ??= new Model(new Store(JSON.parse(document.getElementById("points").textContent)));
  if (!model.store.planes[root.dataset.scatter]) return;
  if (!model.panel) {
    model.panel = new Panel(model);
    model.store.warm();
  }
  const view = new View(root, model);
  new Controls(view);
  new Hand(view);
}

const near = new IntersectionObserver(
  (entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      near.unobserve(target);
      revive(target);
    }
  },
  { rootMargin: NEAR },
);
for (const root of document.querySelectorAll("[data-scatter]")) near.observe(root);
