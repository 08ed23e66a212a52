// Opens a report in Chromium as a reviewer would and fails on the first thing that is wrong.
// Usage: node report.mjs REPORT.html POINTS.json IMAGES_DIR
// POINTS.json: [{"key", "label", "pc": [x, y], "tsne": [x, y]}, ...], written by the test from embeddings.parquet.
import assert from "node:assert/strict";
import { cpus } from "node:os";
import { accessible, linksLand, plotsAndHeadingsAreThere, printsTheStaticPlots, printsUnread, valid } from "./reading.mjs";
import { hoverFollowsTheZoom, hoverShowsTheRightImage, keyboardWalks, pinStays, reachableByTab, touched } from "./pointing.mjs";
import { classesFilter, colours, finds, namesAreText, selectsWhatIsInside, selectionIsShared } from "./choosing.mjs";
import { close, html, open, withHostileNames, withScores, withoutScript } from "./session.mjs";

// Pages that are checked side by side: one a processor, or the clock of one check starves another.
const LANES = Math.min(2, cpus().length);

async function interactive() {
  const { page, finish } = await open(html);
  await plotsAndHeadingsAreThere(page);
  await hoverShowsTheRightImage(page, "pca", 25);
  await hoverShowsTheRightImage(page, "tsne", 25);
  await classesFilter(page);
  await hoverFollowsTheZoom(page);
  await pinStays(page);
  await keyboardWalks(page);
  await finish();
}

async function choosing() {
  const { page, finish } = await open(withScores());
  await selectsWhatIsInside(page);
  await selectionIsShared(page);
  await finds(page);
  await colours(page);
  await reachableByTab(page);
  await accessible(page, "light, with scores and a selection");
  await printsTheStaticPlots(page);
  await finish();
}

async function hostileNames() {
  const { page, finish } = await open(withHostileNames());
  await namesAreText(page);
  await finish();
}

async function jumps() {
  for (const viewport of [{ width: 1280, height: 900 }, { width: 390, height: 844 }]) {
    // Reloading asks for the page again: no `finish`.
    const { page, context } = await open(html, { viewport });
    await linksLand(page);
    await context.close();
  }
}

async function paper() {
  const { page, finish } = await open(html);
  await printsUnread(page);
  await finish();
}

async function darkPage() {
  const { page, finish } = await open(html, { colorScheme: "dark" });
  await plotsAndHeadingsAreThere(page);
  await accessible(page, "dark");
  await finish();
}

async function withoutJavaScript() {
  const { page, finish } = await open(html, { javaScriptEnabled: false });
  await plotsAndHeadingsAreThere(page);
  assert.equal(await page.locator("button, input, select, canvas").count(), 0, "no control without its script");
  await finish();
  // axe is a script: the page without its own stands for one where scripts are off.
  const bare = await open(withoutScript());
  await accessible(bare.page, "without the script");
  await bare.finish();
}

async function phone() {
  const { page, context, finish } = await open(html, { viewport: { width: 360, height: 780 }, hasTouch: true, isMobile: true });
  await touched(page, context);
  await finish();
}

const checks = [choosing, interactive, darkPage, hostileNames, jumps, paper, phone, withoutJavaScript, valid];
try {
  const lane = async () => {
    for (let check = checks.shift(); check; check = checks.shift()) {
      const start = performance.now();
      await check();
      console.log(`${check.name}: ${((performance.now() - start) / 1000).toFixed(1)} s`);
    }
  };
  await Promise.all(Array.from({ length: LANES }, lane));
  console.log("1 report, nothing wrong");
} finally {
  await close();
}
