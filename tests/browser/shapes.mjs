// Opens reports of several shapes, some as a phone, too, and fails on the first thing that is wrong.
// Usage: node shapes.mjs REPORT.html ...
import assert from "node:assert/strict";
import { basename } from "node:path";
import { close, open } from "./chromium.mjs";

// Those with the longest names, the most classes and the emptiest sections.
const NARROW = ["hostile.html", "all-classes.html", "classes-2000.html", "without-pca.html"];
const N_LOOKS = 56; // eight colours by seven shapes

async function reads(file, viewport) {
  const { page, finish } = await open(file, { viewport });
  page.on("dialog", () => assert.fail("a name became a script"));
  for (const link of await page.locator(".toc a").all()) {
    const section = page.locator(await link.getAttribute("href"));
    assert.ok(await section.locator("h2").isVisible());
    assert.ok((await section.innerText()).length > 25, "a section says something, or why it is empty");
  }
  const { scrollWidth, innerWidth } = await page.evaluate(() => ({ scrollWidth: document.documentElement.scrollWidth, innerWidth }));
  assert.ok(scrollWidth <= innerWidth, `the page is ${scrollWidth} pixels wide in a window of ${innerWidth}`);
  const kinds = { "without-tsne.html": ["pca"], "without-pca.html": [] }[basename(file)] ?? ["pca", "tsne"];
  assert.deepEqual(await page.locator("[data-scatter]").evaluateAll((all) => all.map((one) => one.dataset.scatter)), kinds);
  if (kinds.length < 2) {
    assert.match(await page.locator("#summary").innerText(), /partial.*stopped at/s);
    assert.match(await page.locator("#tsne .missing").innerText(), /There is no t-SNE embedding: the run stopped at/);
  }
  for (const kind of kinds) await pointsAt(page, kind);
  for (const kind of kinds) await looks(page, kind);
  await finish();
}

// The card of a point says the name of its class as the legend has it.
async function pointsAt(page, kind) {
  const figure = page.locator(`[data-scatter="${kind}"]`);
  await figure.scrollIntoViewIfNeeded();
  await figure.locator("canvas.over").focus();
  await page.keyboard.press("ArrowRight");
  const card = figure.locator(".card");
  await card.waitFor({ state: "visible" });
  const label = await card.locator(".label").textContent();
  const names = await figure.locator(".legend bdi").allTextContents();
  assert.ok(names.includes(label), `${label} is a class of the legend`);
  assert.ok((await card.locator(".key").textContent()).startsWith(label), "the key begins with the name of the class");
  await page.keyboard.press("Escape");
}

// Where classes look the same the page says so, and each can be seen alone.
async function looks(page, kind) {
  const figure = page.locator(`[data-scatter="${kind}"]`);
  const names = await figure.locator(".legend bdi").allTextContents();
  const markers = await figure.locator(".legend .marker").evaluateAll((all) => all.map((one) => one.innerHTML));
  const caption = await figure.locator("figcaption").innerText();
  if (names.length <= N_LOOKS) {
    assert.equal(new Set(markers).size, names.length, "each class has a look of its own");
    assert.doesNotMatch(caption, /looks/);
    return;
  }
  assert.equal(markers[0], markers[N_LOOKS]);
  assert.ok(caption.includes(`${names.length.toLocaleString("en")} classes share ${N_LOOKS} looks`), caption);
  const alike = Math.ceil(names.length / N_LOOKS);
  assert.ok(caption.includes(`up to ${alike} of them look the same`) && caption.includes("Point at an image for its class"), caption);
  for (const name of [names[0], names[N_LOOKS], names.at(-1)]) {
    await figure.locator(".filter").fill(name);
    const rows = figure.locator(".legend li:visible");
    assert.deepEqual(await rows.locator("bdi").allTextContents(), [name]);
    await rows.locator(".only").click();
    const n = await rows.locator(".n").innerText();
    assert.match(await figure.locator(".chosen").innerText(), new RegExp(`Shown now: ${n} of`));
    await rows.locator(".only").click();
  }
  await figure.locator(".filter").fill("");
}

try {
  for (const file of process.argv.slice(2)) {
    const phone = NARROW.includes(basename(file)) ? [{ width: 360, height: 780 }] : [];
    for (const viewport of [{ width: 1280, height: 900 }, ...phone]) {
      try {
        await reads(file, viewport);
      } catch (error) {
        console.error(`${basename(file)} at ${viewport.width} pixels:`);
        throw error;
      }
    }
  }
} finally {
  await close();
}
