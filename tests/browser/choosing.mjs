// Classes, selection, search, colours.
import assert from "node:assert/strict";
import { alone, HOSTILE, Plot, points, score } from "./session.mjs";

const keys = (some) => some.map((point) => point.key).sort();
const panel = (page) => page.locator(".selection");

// The keys that "Copy keys" copies.
async function selected(page) {
  if ((await panel(page).count()) === 0) return [];
  const text = await page.evaluate(async () => {
    let copied = "";
    Object.defineProperty(navigator, "clipboard", { configurable: true, value: { writeText: async (text) => (copied = text) } });
    [...document.querySelectorAll(".picked button")].find((one) => one.textContent === "Copy keys").click();
    await new Promise((done) => setTimeout(done));
    delete navigator.clipboard;
    return copied;
  });
  return text.split("\n").sort();
}

// Whether a point is full, from the strength of its colour on white; dimmed ones are nearly grey.
async function isFull(plot, some) {
  await plot.centre();
  return (await plot.colours(some)).map((rgb) => Math.max(...rgb) - Math.min(...rgb) > 48);
}

export async function classesFilter(page) {
  const plot = await Plot.of(page, "pca");
  const label = points[0].label;
  const toggle = plot.figure.locator(".toggle").first();
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-pressed"), "false");
  const tsne = await Plot.of(page, "tsne");
  assert.equal(await tsne.figure.locator(".toggle").first().getAttribute("aria-pressed"), "false", "both plots share the classes");
  const [gone] = alone(tsne).filter((point) => point.label === label);
  await page.mouse.move(...tsne.at(gone));
  assert.ok(await tsne.card.isHidden(), "a hidden class is not under the pointer");
  const next = alone(tsne).filter((point) => point.label !== label);
  for (const point of next.slice(0, 5)) {
    await page.mouse.move(...tsne.at(point));
    assert.equal(await tsne.card.locator(".key").textContent(), point.key, "after filtering the card names the point under the pointer");
  }
  await tsne.button(`Only ${label}`).focus();
  await page.keyboard.press("Enter");
  const pressed = () => tsne.figure.locator(".toggle").evaluateAll((all) => all.map((one) => one.getAttribute("aria-pressed")));
  const labels = new Set(points.map((point) => point.label)).size;
  assert.deepEqual(await pressed(), ["true", ...Array(labels - 1).fill("false")], "only one class");
  await tsne.button("Hide all classes").click();
  assert.deepEqual(await pressed(), Array(labels).fill("false"));
  await tsne.figure.locator(".toggle").nth(1).dblclick();
  assert.deepEqual(await pressed(), ["false", "true", ...Array(labels - 2).fill("false")], "a double click shows one class");
  const second = points.filter((point) => point.label === [...new Set(points.map(({ label }) => label))].sort()[1]).length;
  assert.match(await tsne.figure.locator("figcaption").innerText(), new RegExp(`^Shown now: ${second} of ${points.length}, the classes switched on\\. Same`));
  await tsne.button("Show all classes").click();
  assert.deepEqual(await pressed(), Array(labels).fill("true"));
  assert.match(await tsne.figure.locator("figcaption").innerText(), / images shown\. Same/);
}

// Whether a point lies in a polygon, by the sum of the angles its sides are seen under; and how
// far from its border.
function enclosed([x, y], corners) {
  let turn = 0;
  let border = Infinity;
  corners.forEach(([ax, ay], k) => {
    const [bx, by] = corners[(k + 1) % corners.length];
    turn += Math.atan2((ax - x) * (by - y) - (ay - y) * (bx - x), (ax - x) * (bx - x) + (ay - y) * (by - y));
    const t = Math.max(0, Math.min(1, ((x - ax) * (bx - ax) + (y - ay) * (by - ay)) / ((bx - ax) ** 2 + (by - ay) ** 2)));
    border = Math.min(border, Math.hypot(ax + t * (bx - ax) - x, ay + t * (by - ay) - y));
  });
  return { inside: Math.abs(turn) > Math.PI, border };
}

async function draw(page, corners) {
  await page.mouse.move(...corners[0]);
  await page.mouse.down();
  for (const corner of corners.slice(1)) await page.mouse.move(...corner, { steps: 2 });
  await page.mouse.up();
}

export async function selectsWhatIsInside(page) {
  for (const zoomed of [false, true]) {
    for (const kind of ["pca", "tsne"]) {
      const plot = await Plot.of(page, kind);
      if (zoomed) await plot.button("Zoom in").click();
      await plot.centre();
      const compare = async (name, corners) => {
        const placed = points.filter((point) => plot.isInView(point)).map((point) => ({ point, ...enclosed(plot.at(point), corners) }));
        // Positions are rounded: what touches the border may fall on either side.
        const near = new Set(placed.filter(({ border }) => border < 0.7).map(({ point }) => point.key));
        const inside = keys(placed.filter(({ inside }) => inside).map(({ point }) => point)).filter((key) => !near.has(key));
        assert.ok(inside.length >= 3 && inside.length < placed.length, `the ${name} holds some points and not all (${inside.length})`);
        const got = (await selected(page)).filter((key) => !near.has(key));
        assert.deepEqual(got, inside, `the ${name} selects what is inside, ${kind}${zoomed ? ", zoomed" : ""}`);
      };
      // A star with arms: what lies between them is outside.
      const lasso = [[0.02, 0.02], [0.55, 0.15], [0.98, 0.05], [0.45, 0.42], [0.9, 0.95], [0.4, 0.75], [0.02, 0.97], [0.15, 0.5]].map(([x, y]) => plot.inside(x, y));
      await plot.button("Lasso").click();
      await draw(page, lasso);
      await compare("lasso", lasso);
      const [[left, top], [right, bottom]] = [plot.inside(0.03, 0.2), plot.inside(0.7, 0.8)];
      await plot.button("Box").click();
      await draw(page, [[left, top], [right, bottom]]);
      await compare("box", [[left, top], [right, top], [right, bottom], [left, bottom]]);
      const box = await selected(page);
      if (zoomed) continue;
      await plot.button("Lasso").click();
      await page.keyboard.down("Alt");
      await draw(page, lasso);
      await page.keyboard.up("Alt");
      const less = await selected(page);
      assert.ok(less.length < box.length && less.every((key) => box.includes(key)), "Alt takes away");
      await page.keyboard.down("Shift");
      await draw(page, lasso);
      await page.keyboard.up("Shift");
      const more = await selected(page);
      assert.ok(more.length > box.length && box.every((key) => more.includes(key)), "Shift adds");
    }
  }
  for (const kind of ["pca", "tsne"]) {
    const plot = await Plot.of(page, kind);
    await plot.button("Select all shown").click();
    assert.deepEqual(await selected(page), keys(points.filter((point) => plot.isInView(point))), "all shown are those in view");
    await plot.button("Reset zoom").click();
    await plot.button("Move").click();
    assert.equal(await plot.button("Box").getAttribute("aria-pressed"), "false");
  }
}

export async function selectionIsShared(page) {
  await page.getByRole("button", { name: "Clear selection" }).first().click();
  assert.equal(await panel(page).count(), 0, "nothing is selected");
  const pca = await Plot.of(page, "pca");
  await pca.button("Box").click();
  await draw(page, [pca.inside(0.01, 0.01), pca.inside(0.5, 0.6)]);
  const chosen = await selected(page);
  await pca.button("Move").click();
  await pca.button("Zoom to selection").click();
  await pca.centre();
  assert.ok(pca.camera.zoom > 1 && points.every((point) => !chosen.includes(point.key) || pca.isInView(point)), "the selection fills the plot");
  await pca.button("Reset zoom").click();
  for (const kind of ["pca", "tsne"]) {
    const plot = await Plot.of(page, kind);
    const some = alone(plot);
    const full = await isFull(plot, some);
    some.forEach((point, i) => assert.equal(full[i], chosen.includes(point.key), `${point.key} is ${full[i] ? "full" : "dimmed"} in ${kind}`));
    assert.ok(full.includes(true) && full.includes(false));
  }
  // The panel: counts, pages, and a thumbnail that pins.
  await page.getByRole("button", { name: "Clear selection" }).first().click();
  await pca.centre();
  await pca.button("Select all shown").click();
  assert.match(await panel(page).locator("strong").textContent(), new RegExp(`^${points.length} selected`));
  const counts = await panel(page).locator(".counts .n").allTextContents();
  assert.equal(counts.reduce((sum, n) => sum + Number(n), 0), points.length);
  assert.equal(await pca.figure.locator(".picked strong").textContent(), `${points.length} selected`, "the plot tells of its selection");
  assert.equal(await panel(page).locator(".grid li").count(), 48);
  const labels = new Set(points.map((point) => point.label));
  const first = (await panel(page).locator(".grid .name").allTextContents()).slice(0, labels.size);
  assert.deepEqual(new Set(first), labels, "classes come in turn");
  await panel(page).getByRole("button", { name: /^Show more/ }).click();
  assert.equal(await panel(page).locator(".grid li").count(), 96);
  const fifth = panel(page).locator(".grid button").nth(5);
  await fifth.click();
  const pinned = await pca.figure.locator(".card.pinned .key").textContent();
  assert.ok((await fifth.getAttribute("aria-label")).endsWith(`, ${pinned}`), "a thumbnail pins its point");
  await page.keyboard.press("Escape");
  assert.ok(await pca.card.isHidden());
  await page.keyboard.press("Escape");
  assert.equal(await panel(page).count(), 0, "with nothing pinned Escape clears the selection");
  await pca.button("Select all shown").click();
  // Without the clipboard the keys go through a text area.
  const copied = await page.evaluate(async () => {
    Object.defineProperty(navigator, "clipboard", { configurable: true, value: undefined });
    let text = "";
    document.addEventListener("copy", () => (text = document.activeElement.value), { once: true });
    [...document.querySelectorAll(".picked button")].find((one) => one.textContent === "Copy keys").click();
    await new Promise((done) => setTimeout(done, 50));
    delete navigator.clipboard;
    return text;
  });
  assert.equal(copied, points.map((point) => point.key).join("\n"));
  assert.match(await page.locator("main > [aria-live]").textContent(), new RegExp(`^Copied ${points.length} keys`));
  await page.getByRole("button", { name: "Clear selection" }).first().click();
}

export async function finds(page) {
  const plot = await Plot.of(page, "tsne");
  const pca = await Plot.of(page, "pca");
  const label = points[points.length - 1].label;
  const text = label.slice(1, -1).toUpperCase();
  const found = points.filter((point) => point.key.toUpperCase().includes(text) || point.label.toUpperCase().includes(text));
  const search = plot.figure.locator(".search input");
  await search.fill(text);
  assert.equal(await plot.figure.locator(".found").textContent(), `${found.length} found`);
  assert.equal(await pca.figure.locator(".search input").inputValue(), text, "both plots share the search");
  const some = alone(pca);
  let full = await isFull(pca, some);
  some.forEach((point, i) => assert.equal(full[i], found.includes(point), `${point.key} is ${full[i] ? "full" : "dimmed"}`));
  await search.press("Enter");
  assert.deepEqual(await selected(page), keys(found), "Enter selects what is found");
  await page.getByRole("button", { name: "Clear selection" }).first().click();
  await search.fill("nowhere to be found");
  assert.equal(await plot.figure.locator(".found").textContent(), "none found");
  full = await isFull(pca, some);
  assert.ok(full.every(Boolean), "a search that finds nothing dims nothing");
  await search.fill("");
  full = await isFull(pca, some);
  assert.ok(full.every(Boolean), "without a search all are full");
}

export async function colours(page) {
  const plot = await Plot.of(page, "tsne");
  const pca = await Plot.of(page, "pca");
  await plot.centre();
  const some = alone(plot).filter((point) => point !== points[0]);
  const before = await plot.colours(some);
  await plot.figure.locator("select").selectOption({ label: "Left to right" });
  await plot.centre();
  assert.equal(await pca.figure.locator("select").inputValue(), "0", "both plots share the colours");
  const light = (await plot.colours(some)).map(([r, g, b]) => 0.21 * r + 0.72 * g + 0.07 * b);
  const order = some.map((point, i) => ({ score: score[points.indexOf(point)], light: light[i] })).sort((a, b) => a.score - b.score);
  const wrong = order.filter(({ light }, i) => i > 0 && light > order[i - 1].light + 12).length;
  assert.ok(wrong === 0 && order[0].light - order[order.length - 1].light > 80, "the higher the score the darker the point");
  if (alone(plot).includes(points[0])) {
    const [grey] = await plot.colours([points[0]]);
    assert.ok(Math.max(...grey) - Math.min(...grey) < 30, "a point without a value is grey");
  }
  const scale = plot.figure.locator(".scale");
  assert.match(await scale.textContent(), /Left to right.*Where it lies\..*≤.*≥.*1 image/);
  await page.mouse.move(...plot.at(some[0]));
  assert.match(await plot.card.locator(".scores").textContent(), /Left to right/, "the card tells the score");
  await page.mouse.move(1, 1);
  // One value for all, and powers of ten from left to right.
  await plot.figure.locator("select").selectOption({ label: "Agreement" });
  assert.match(await scale.textContent(), /all images: 1\.00$/);
  await plot.figure.locator("select").selectOption({ label: "Powers" });
  const marks = (await scale.locator(".ramp-ticks span").allTextContents()).map((text) => Number(text.replace(/[≤≥]\u2009/, "")));
  assert.ok(marks[0] < 1.2 && Math.abs(marks[1] / 10 - 1) < 0.15 && marks[2] > 85, `a logarithmic scale has ${marks}`);
  await plot.figure.locator("select").selectOption({ label: "Class" });
  await plot.centre();
  assert.deepEqual(await plot.colours(some), before, "classes colour again");
  assert.ok(await scale.isHidden());
  // What comes next sees both colours and a selection.
  await plot.figure.locator("select").selectOption({ label: "Left to right" });
  await plot.button("Select all shown").click();
}

// Names that look like markup stay text wherever the script writes them.
export async function namesAreText(page) {
  const plot = await Plot.of(page, "tsne");
  const title = await page.title();
  const images = await page.locator("img").count();
  await plot.figure.locator("select").selectOption({ label: HOSTILE });
  await plot.figure.locator(".search input").fill("onerror");
  await plot.button("Select all shown").click();
  await plot.centre();
  await page.mouse.click(...plot.at(alone(plot)[0]));
  for (const part of [".card .label", ".card .key", ".card .scores", ".scale h3", ".scale p", ".counts bdi"]) {
    assert.ok((await plot.figure.locator(part).first().textContent()).includes(HOSTILE), `${part} shows the name as it is`);
  }
  assert.equal(await page.locator("img").count(), images, "a name became an element");
  assert.equal(await page.title(), title, "a name became a script");
}
