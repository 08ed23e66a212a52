// The page as a document: what is there with and without the script, on paper, for a screen
// reader, and for the W3C's checker.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { html, Plot } from "./session.mjs";

const locate = createRequire(import.meta.url).resolve;
const axe = readFileSync(locate("axe-core/axe.min.js"), "utf8");

export async function plotsAndHeadingsAreThere(page) {
  for (const link of await page.locator(".toc a").all()) {
    const section = await link.getAttribute("href");
    assert.ok(await page.locator(`${section} h2`).isVisible(), `section ${section} has a heading`);
  }
  assert.ok((await page.locator(".toc a").count()) >= 10, "the sections are listed");
  const plots = page.locator('svg[role="img"]');
  assert.ok((await plots.count()) >= 4, "class counts, variance and two scatters are drawn");
  for (const plot of await plots.all()) {
    assert.ok(await plot.isVisible());
    assert.ok((await plot.locator("title").first().textContent()).length > 0, "a plot has a title");
    assert.ok((await plot.locator("desc").first().textContent()).length > 0, "a plot has a description");
  }
  assert.ok((await page.locator("table").count()) >= 5, "tables are there");
}

// Every link of a page just opened leads to the top of its section, unless the page ends before.
export async function linksLand(page) {
  const room = await page.evaluate(() => parseFloat(getComputedStyle(document.documentElement).scrollPaddingTop));
  for (const link of await page.locator(".toc a").all()) {
    await page.reload();
    const section = await link.getAttribute("href");
    await link.click();
    await page.waitForTimeout(50); // what a plot adds when it comes near would show by now
    const [top, left] = await page.evaluate((section) => [document.querySelector(section).getBoundingClientRect().top, document.documentElement.scrollHeight - innerHeight - scrollY], section);
    assert.ok(Math.abs(top - room) <= 2 || (left < 1 && top > room), `${section} lies ${top - room} pixels from its place`);
  }
}

export async function accessible(page, name) {
  await page.evaluate(axe);
  const { violations } = await page.evaluate(() => axe.run(document, { resultTypes: ["violations"] }));
  const told = violations.map(({ id, help, nodes }) => `${id}: ${help}\n${nodes.slice(0, 4).map((node) => `  ${node.html}\n  ${node.failureSummary}`).join("\n")}`);
  assert.equal(told.join("\n"), "", `axe finds fault with the page, ${name}`);
}

// The legend stands beside its plot on paper, whether the plot was ever on the screen or not.
async function legendBeside(figure) {
  const [stage, side] = [await figure.locator(".stage").boundingBox(), await figure.locator(".side").boundingBox()];
  assert.ok(side.x >= stage.x + stage.width && Math.abs(side.y - stage.y) < 2, "the legend is printed beside the plot");
}

export async function printsUnread(page) {
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: 794, height: 1123 });
  for (const kind of ["pca", "tsne"]) {
    const figure = page.locator(`[data-scatter="${kind}"]`);
    await legendBeside(figure);
    assert.match(await figure.locator("figcaption").innerText(), / images shown\. Same scale on both axes\.$/);
  }
}

export async function printsTheStaticPlots(page) {
  const plot = await Plot.of(page, "tsne");
  await page.emulateMedia({ media: "print" });
  await page.setViewportSize({ width: 794, height: 1123 }); // A4
  assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 794, "nothing is wider than the paper");
  for (const part of ["canvas.over", ".bar", ".tools", ".selection", ".help"]) {
    assert.ok(await plot.figure.locator(part).first().isHidden(), `${part} is not printed`);
  }
  assert.ok(await plot.figure.locator(".points > *").first().isVisible(), "the static plot is printed");
  await legendBeside(plot.figure);
  const fills = await plot.figure.locator(".legend .marker > *").evaluateAll((all) => all.map((one) => getComputedStyle(one).fill));
  assert.equal(new Set(fills).size, Math.min(8, fills.length), "the printed legend has the colours of the classes");
  await page.emulateMedia({ media: null });
}

// The Nu Html Checker, which needs Java.
export async function valid() {
  const run = (command, args) => new Promise((done) => execFile(command, args, { maxBuffer: 1 << 26 }, (error, stdout, stderr) => done({ error, stdout, stderr })));
  if ((await run("java", ["-version"])).error) {
    console.log("skipped: java: Java is not installed, so the HTML is not checked");
    return;
  }
  const { stdout, stderr } = await run("java", ["-jar", locate("vnu-jar/build/dist/vnu.jar"), "--stdout", "--format", "json", html]);
  assert.ok(stdout.includes('"messages"'), `the checker answers: ${stderr.slice(0, 500)}`);
  // The checker takes the policy's hashes and `data:` for missing; the browser enforces the policy
  // and must not complain of a single violation (`finish`).
  const faults = JSON.parse(stdout).messages.filter(({ message }) => !message.includes("violates Content Security Policy (meta tag)"));
  const told = faults.slice(0, 10).map(({ lastLine, message, extract }) => `line ${lastLine}: ${message}\n  ${(extract ?? "").slice(0, 200)}`);
  assert.equal(told.join("\n"), "", "the checker finds fault with the HTML");
}
