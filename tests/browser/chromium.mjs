// The browser, and pages in it that may neither ask for anything nor complain.
import assert from "node:assert/strict";
import { pathToFileURL } from "node:url";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM || "/usr/bin/chromium";
const args = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];
const browser = await chromium.launch({ executablePath, args });

export const close = () => browser.close();

// A page; `finish` fails if it made a request or a complaint.
export async function open(file, options) {
  const url = pathToFileURL(file).href;
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, reducedMotion: "reduce", ...options });
  const page = await context.newPage();
  // A machine that does other work, too, took more than ten seconds to load a page.
  page.setDefaultTimeout(60000);
  const requests = [];
  const complaints = [];
  page.on("request", (request) => request.url().startsWith("data:") || requests.push(request.url()));
  page.on("console", (message) => ["error", "warning"].includes(message.type()) && complaints.push(message.text()));
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(url, { waitUntil: "load" });
  const finish = async () => {
    assert.deepEqual(requests, [url], "the report requests nothing but itself");
    assert.deepEqual(complaints, [], "the browser complains");
    await context.close();
  };
  return { page, context, finish };
}
