// Hover, pins, keys, touch.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { alone, imagesDir, Plot, points, seeded } from "./session.mjs";

// The mean difference of two pictures, 0 to 255, both drawn at 16 x 16.
async function difference(file, canvas) {
  const original = `data:image/jpeg;base64,${readFileSync(file).toString("base64")}`;
  return canvas.evaluate(async (shown, original) => {
    const image = new Image();
    image.src = original;
    await image.decode();
    const pixels = (source) => {
      const small = document.createElement("canvas");
      small.width = small.height = 16;
      const pen = small.getContext("2d");
      pen.fillStyle = "white";
      pen.fillRect(0, 0, 16, 16);
      pen.drawImage(source, 0, 0, 16, 16);
      return pen.getImageData(0, 0, 16, 16).data;
    };
    const [a, b] = [pixels(shown), pixels(image)];
    return a.reduce((sum, value, i) => sum + Math.abs(value - b[i]), 0) / a.length;
  }, original);
}

const three = (value) => Number(Number(value.replace("\u2212", "-")).toPrecision(3));

// The pointer goes to a point: the card tells of it, and shows its image.
async function check(plot, target) {
  const { page, card } = plot;
  await page.mouse.move(1, 1);
  const [px, py] = plot.at(target);
  await page.mouse.move(px, py);
  await card.waitFor({ state: "visible" });
  const key = await card.locator(".key").textContent();
  // Another point may lie on the same pixel; then the card tells of that one, and tells the truth.
  const shown = points.find((p) => p.key === key);
  assert.ok(shown, `the card names ${key}, which is no image of the run`);
  const [sx, sy] = plot.at(shown);
  const off = Math.hypot(sx - px, sy - py);
  assert.ok(off <= 1.5, `the pointer is on ${target.key}, the card shows ${key}, ${off} pixels away`);
  assert.equal(await card.locator(".label").textContent(), shown.label);
  const scores = await card.locator(".scores").textContent();
  const numbers = scores.match(/PC1 (\S+), PC2 (\S+)\s+t.SNE (\S+), (\S+)/).slice(1).map(three);
  for (const [i, value] of [...shown.pc, ...shown.tsne].entries()) {
    const step = Math.max(0.006 * Math.abs(value), 0.02);
    assert.ok(Math.abs(numbers[i] - value) <= step, `${key}: the card says ${numbers[i]}, the data ${value}`);
  }
  const picture = card.locator("canvas");
  await page.waitForFunction((c) => c.dataset.drawn === c.dataset.image, await picture.elementHandle());
  const same = await difference(join(imagesDir, key), picture);
  const other = points.find((p) => p.label !== shown.label);
  const different = await difference(join(imagesDir, other.key), picture);
  assert.ok(same < 12 && same < different, `${key}: its thumbnail differs by ${same}, that of ${other.key} by ${different}`);
}

export async function hoverShowsTheRightImage(page, kind, n) {
  const plot = await Plot.of(page, kind);
  const next = seeded(7);
  for (let k = 0; k < n; k++) await check(plot, points[next(points.length)]);
}

export async function hoverFollowsTheZoom(page) {
  const plot = await Plot.of(page, "tsne");
  await page.mouse.move(...plot.at(points[3]));
  await page.keyboard.down("Control");
  for (let k = 0; k < 4; k++) await page.mouse.wheel(0, -150);
  await page.keyboard.up("Control");
  await plot.centre();
  assert.ok(plot.camera.zoom > 2, "Ctrl and the wheel zoom");
  // What was under the pointer still is, and the rest is where the camera says.
  await check(plot, points[3]);
  for (const point of points.filter((p) => plot.isInView(p)).slice(0, 4)) await check(plot, point);
  const before = plot.camera;
  await page.mouse.move(...plot.inside(0.5, 0.5));
  await page.mouse.down();
  await page.mouse.move(...plot.inside(0.4, 0.6), { steps: 3 });
  await page.mouse.up();
  await plot.centre();
  assert.ok(plot.camera.x < before.x && plot.camera.y > before.y, "dragging moves the plot");
  const top = await page.evaluate(() => scrollY);
  await page.mouse.wheel(0, 40);
  await page.waitForFunction((top) => scrollY !== top, top);
  // Far in a corner there is nothing, and a way back.
  for (let k = 0; k < 9; k++) await plot.button("Zoom in").click();
  const nothing = plot.figure.locator(".nothing");
  for (let k = 0; k < 12 && (await nothing.isHidden()); k++) {
    await page.mouse.move(...plot.inside(0.1, 0.1));
    await page.mouse.down();
    await page.mouse.move(...plot.inside(0.9, 0.9));
    await page.mouse.up();
    await plot.frames();
  }
  await nothing.getByRole("button").click();
  await plot.centre();
  assert.deepEqual(plot.camera, { zoom: 1, x: 0, y: 0 });
}

export async function pinStays(page) {
  const plot = await Plot.of(page, "tsne");
  const [target, elsewhere] = alone(plot);
  await page.mouse.click(...plot.at(target));
  assert.ok(await plot.figure.locator(".card.pinned").isVisible(), "a click pins");
  await page.mouse.move(...plot.at(elsewhere));
  assert.equal(await plot.card.locator(".key").textContent(), target.key, "a pinned card stays");
  const pca = await Plot.of(page, "pca");
  assert.deepEqual(await pca.ringed(), [target.key], "the other plot rings the pinned point");
  const [other] = alone(pca);
  await page.mouse.move(...pca.at(other));
  assert.equal(await pca.card.locator(".key").textContent(), other.key, "hover goes on in the other plot");
  assert.ok((await plot.ringed()).includes(other.key), "and is ringed in the first");
  await plot.centre();
  await page.mouse.click(...plot.inside(0.99, 0.99));
  assert.ok(await plot.card.isHidden(), "a click beside it lets go");
  await page.mouse.click(...plot.at(target));
  await plot.button("Let go of the point").click();
  assert.ok(await plot.card.isHidden(), "the card has a button that closes it");
  // At every edge the card stays within the plot, so it is never over the tools.
  for (const order of [(p) => plot.at(p)[1], (p) => -plot.at(p)[1], (p) => plot.at(p)[0], (p) => -plot.at(p)[0]]) {
    const [extreme] = points.filter((p) => plot.isInView(p)).sort((a, b) => order(a) - order(b));
    await page.mouse.move(...plot.at(extreme));
    const card = await plot.card.boundingBox();
    assert.ok(card.y >= plot.box.y - 1 && card.y + card.height <= plot.box.y + plot.box.height + 1, "the card is within the plot");
    assert.ok(card.x >= plot.box.x - 1 && card.x + card.width <= plot.box.x + plot.box.width + 1, "the card is within the plot");
  }
  await page.mouse.click(...plot.at(target));
  await page.keyboard.press("Escape");
  assert.ok(await plot.card.isHidden(), "Escape lets go");
  assert.deepEqual(await pca.ringed(), []);
}

export async function keyboardWalks(page) {
  const plot = await Plot.of(page, "tsne");
  await page.mouse.move(1, 1);
  await plot.canvas.focus();
  await page.keyboard.press("ArrowRight");
  const first = await plot.card.locator(".key").textContent();
  await page.keyboard.press("ArrowRight");
  const second = await plot.card.locator(".key").textContent();
  assert.notEqual(first, second, "an arrow key goes to another point");
  assert.ok((await page.locator("main > [aria-live]").textContent()).includes(second), "the point is said");
  await page.keyboard.press("Enter");
  assert.ok(await plot.figure.locator(".card.pinned").isVisible(), "Enter pins");
  await page.keyboard.press("Escape");
  assert.ok(await plot.card.isHidden(), "Escape lets go");
  await page.keyboard.press("ArrowLeft");
  const third = await plot.card.locator(".key").textContent();
  await page.keyboard.press(" ");
  const panel = plot.figure.locator(".selection");
  assert.match(await panel.locator("strong").textContent(), /^1 selected/, "Space selects");
  assert.ok((await panel.locator(".grid button").getAttribute("aria-label")).endsWith(third));
  await page.keyboard.press(" ");
  assert.equal(await panel.count(), 0, "Space again takes it away");
  await page.keyboard.press("+");
  await plot.centre();
  assert.ok(plot.camera.zoom > 1, "+ zooms");
  await page.keyboard.press("0");
  await plot.centre();
  assert.equal(plot.camera.zoom, 1, "0 resets");
}

// Tab goes through every control of a plot in the order of the page, shows where it is, and leaves.
export async function reachableByTab(page) {
  const plot = await Plot.of(page, "tsne");
  const wanted = await plot.figure.evaluate((figure) => {
    const all = [...figure.querySelectorAll("button, input, select, canvas[tabindex]")].filter((one) => one.checkVisibility());
    all.forEach((one, i) => (one.dataset.stop = i));
    all[0].focus();
    return all.length;
  });
  assert.ok(wanted > 20, `${wanted} controls`);
  await page.keyboard.press("Shift+Tab");
  for (let stop = 0; stop < wanted; stop++) {
    await page.keyboard.press("Tab");
    const [reached, outline] = await page.evaluate(() => [document.activeElement.dataset.stop, getComputedStyle(document.activeElement).outlineStyle]);
    assert.equal(reached, String(stop), `Tab reaches control ${stop} of ${wanted}`);
    assert.notEqual(outline, "none", `focus is seen on control ${stop}`);
  }
  await page.keyboard.press("Tab");
  assert.ok(await page.evaluate(() => !document.activeElement.closest("[data-scatter]")), "Tab leaves the plot");
}

export async function touched(page, context) {
  const plot = await Plot.of(page, "tsne");
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360, "nothing is wider than the window");
  const [target] = alone(plot, 6);
  await page.touchscreen.tap(...plot.at(target));
  assert.ok(await plot.figure.locator(".card.pinned").isVisible(), "a tap pins");
  assert.equal(await plot.card.locator(".key").textContent(), target.key);
  await plot.button("Select all shown").tap();
  await plot.button("Let go of the point").tap();
  assert.ok(await plot.card.isHidden(), "the card is closed");
  await plot.button("Clear selection").tap();
  await plot.centre();
  const session = await context.newCDPSession(page);
  const touch = (type, ...places) => session.send("Input.dispatchTouchEvent", { type, touchPoints: places.map(([x, y], id) => ({ x, y, id })) });
  const swipe = async (from, to) => {
    await touch("touchStart", from);
    for (let k = 1; k <= 8; k++) await touch("touchMove", [0, 1].map((axis) => from[axis] + ((to[axis] - from[axis]) * k) / 8));
    await touch("touchEnd");
  };
  await touch("touchStart", plot.inside(0.4, 0.5), plot.inside(0.6, 0.5));
  for (let k = 1; k <= 6; k++) await touch("touchMove", plot.inside(0.4 - 0.04 * k, 0.5), plot.inside(0.6 + 0.04 * k, 0.5));
  await touch("touchEnd");
  await plot.centre();
  assert.ok(plot.camera.zoom > 1.8, "two fingers zoom");
  const top = () => page.evaluate(() => scrollY);
  const before = await top();
  await swipe(plot.inside(0.5, 0.8), plot.inside(0.5, 0.2));
  await page.waitForFunction((before) => scrollY > before + 20, before);
  await plot.button("Box").tap();
  await plot.centre();
  const still = async () => Math.round((await plot.canvas.boundingBox()).y);
  const place = await still();
  const inside = points.filter((point) => plot.isInView(point)).length;
  await swipe(plot.inside(0.001, 0.001), plot.inside(0.999, 0.999));
  assert.equal(await still(), place, "a finger that selects does not scroll");
  assert.match(await plot.figure.locator(".selection strong").textContent(), new RegExp(`^${inside} selected`));
}
