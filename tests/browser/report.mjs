// Opens a report in Chromium as a reviewer would and fails on the first thing that is wrong.
// Usage: node report.mjs REPORT.html POINTS.json IMAGES_DIR
// POINTS.json: [{"key", "label", "pc": [x, y], "tsne": [x, y]}, ...], written by the test from embeddings.parquet.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const [html, pointsFile, imagesDir] = process.argv.slice(2);
const points = JSON.parse(readFileSync(pointsFile, "utf8"));
const url = pathToFileURL(html).href;
const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const N_HOVERS = 10; // on each plot; seeded below
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });

// A page that collects every request and every complaint.
async function open(options) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const requests = [];
  const complaints = [];
  page.on("request", (request) => request.url().startsWith("data:") || requests.push(request.url()));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url, { waitUntil: "load" });
  return { page, requests, complaints, context };
}

// The mean difference of two pictures, 0 to 255, both drawn at 16 x 16.
async function difference(page, file, canvas) {
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

async function hoverShowsTheRightImage(page, kind) {
  const figure = page.locator(`[data-scatter="${kind}"]`);
  await figure.scrollIntoViewIfNeeded();
  const canvas = figure.locator("canvas.over");
  await canvas.waitFor();
  const frame = JSON.parse(await figure.getAttribute("data-frame"));
  let seed = 7;
  for (let k = 0; k < N_HOVERS; k++) {
    seed = (seed * 48271) % 2147483647;
    const target = points[seed % points.length];
    const [x, y] = kind === "pca" ? target.pc : target.tsne;
    // Where the point lies on the page; it is then scrolled to the middle of the window.
    const place = async () => {
      const box = await canvas.boundingBox();
      const scale = box.width / frame.width;
      return [
        box.x + scale * (frame.left + ((x - frame.x[0]) / (frame.x[1] - frame.x[0])) * (frame.right - frame.left)),
        box.y + scale * (frame.bottom - ((y - frame.y[0]) / (frame.y[1] - frame.y[0])) * (frame.bottom - frame.top)),
        scale,
      ];
    };
    await page.mouse.move(1, 1);
    await page.evaluate((dy) => scrollBy({ top: dy, behavior: "instant" }), (await place())[1] - 450);
    const [px, py, scale] = await place();
    await page.mouse.move(px, py);
    const card = figure.locator(".card");
    await card.waitFor({ state: "visible" });
    const key = await card.locator(".key").textContent();
    // Another point may lie on the same pixel; then the card tells of that one, and tells the truth.
    const shown = points.find((p) => p.key === key);
    assert.ok(shown, `the card names ${key}, which is no image of the run`);
    const [sx, sy] = kind === "pca" ? shown.pc : shown.tsne;
    const off = Math.hypot(((sx - x) / (frame.x[1] - frame.x[0])) * (frame.right - frame.left), ((sy - y) / (frame.y[1] - frame.y[0])) * (frame.bottom - frame.top)) * scale;
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
    const same = await difference(page, join(imagesDir, key), picture);
    const other = points.find((p) => p.label !== shown.label);
    const different = await difference(page, join(imagesDir, other.key), picture);
    assert.ok(same < 12 && same < different, `${key}: its thumbnail differs by ${same}, that of ${other.key} by ${different}`);
  }
}

async function keyboardWalks(page) {
  const figure = page.locator('[data-scatter="tsne"]');
  const canvas = figure.locator("canvas.over");
  await canvas.focus();
  await page.keyboard.press("ArrowRight");
  const first = await figure.locator(".card .key").textContent();
  await page.keyboard.press("ArrowRight");
  const second = await figure.locator(".card .key").textContent();
  assert.notEqual(first, second, "an arrow key goes to another point");
  assert.match(await figure.locator("[aria-live]").textContent(), new RegExp(second.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")));
  await page.keyboard.press("Enter");
  assert.ok(await figure.locator(".card.pinned").isVisible(), "Enter pins");
  await page.keyboard.press("Escape");
  assert.ok(await figure.locator(".card").isHidden(), "Escape lets go");
}

async function legendFilters(page) {
  const figure = page.locator('[data-scatter="pca"]');
  const toggle = figure.locator(".legend button").first();
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-pressed"), "false");
  await toggle.click();
  assert.equal(await toggle.getAttribute("aria-pressed"), "true");
}

async function plotsAndHeadingsAreThere(page) {
  const ids = ["summary", "parameters", "dataset", "files", "features", "variance", "pca", "tsne", "timing", "provenance"];
  for (const id of ids) {
    assert.ok(await page.locator(`#${id} h2`).isVisible(), `section ${id} has a heading`);
  }
  const plots = page.locator('svg[role="img"]');
  assert.ok((await plots.count()) >= 4, "class counts, variance and two scatters are drawn");
  for (const plot of await plots.all()) {
    assert.ok((await plot.locator("title").first().textContent()).length > 0, "a plot has a title");
    assert.ok((await plot.locator("desc").first().textContent()).length > 0, "a plot has a description");
  }
  assert.ok((await page.locator("table").count()) >= 5, "tables are there");
}

try {
  for (const colorScheme of ["light", "dark"]) {
    const { page, requests, complaints, context } = await open({ colorScheme });
    await plotsAndHeadingsAreThere(page);
    if (colorScheme === "light") {
      await hoverShowsTheRightImage(page, "pca");
      await hoverShowsTheRightImage(page, "tsne");
      await keyboardWalks(page);
      await legendFilters(page);
    }
    assert.deepEqual(requests, [url], "the report requests nothing but itself");
    assert.deepEqual(complaints, [], "the browser complains");
    await context.close();
  }
  const { page, requests, context } = await open({ javaScriptEnabled: false });
  await plotsAndHeadingsAreThere(page);
  assert.deepEqual(requests, [url]);
  await context.close();
  console.log("1 report, nothing wrong");
} finally {
  await browser.close();
}
