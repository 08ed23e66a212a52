// The report in the browser, and where its points are on the screen.
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { close as closeBrowser } from "./chromium.mjs";

export { open } from "./chromium.mjs";

const [htmlFile, pointsFile, imagesFolder] = process.argv.slice(2);
export const html = htmlFile;
export const imagesDir = imagesFolder;
export const points = JSON.parse(readFileSync(pointsFile, "utf8"));
const scratch = mkdtempSync(join(tmpdir(), "fruits-report-"));

export async function close() {
  await closeBrowser();
  rmSync(scratch, { recursive: true });
}

function variant(name, change) {
  const file = join(scratch, name);
  writeFileSync(file, change(readFileSync(html, "utf8")));
  return file;
}

// A page whose script reads other data of the points.
const withData = (name, change) =>
  variant(name, (text) =>
    text.replace(/(<script type="application\/json" id="points">)(.*?)(<\/script>)/s, (_, open, json, end) => {
      const data = JSON.stringify({ ...JSON.parse(json), ...change(JSON.parse(json)) });
      return open + data.replaceAll("<", "\\u003c") + end;
    }),
  );

// Scores with known values: the t-SNE position from left to right; the first image has none.
export const score = points.map((point) => point.tsne[0]);
export function withScores() {
  const [min, max] = [Math.min(...score), Math.max(...score)];
  const steps = score.map((value, i) => (i === 0 ? 65535 : Math.round(((value - min) / (max - min)) * 65534)));
  const values = Buffer.from(Uint16Array.from(steps).buffer).toString("base64");
  const scores = [{ id: "trust", name: "Left to right", about: "Where it lies.", range: [min, max], values }];
  const ones = Buffer.alloc(2 * points.length).toString("base64");
  scores.push({ id: "label_agreement", name: "Agreement", about: "One value.", range: [1, 1], values: ones });
  // 1 to 100, as natural logarithms at even steps.
  const even = Uint16Array.from(points, (_, i) => Math.round((i / (points.length - 1)) * 65534));
  scores.push({ id: "outlier_score", name: "Powers", about: "Of ten.", scale: "log", range: [0, Math.log(100)], values: Buffer.from(even.buffer).toString("base64") });
  return withData("scores.html", () => ({ scores }));
}

export const HOSTILE = '<img src="x" onerror="document.title=1">';
export const withHostileNames = () =>
  withData("hostile.html", ({ n, labels }) => ({
    labels: labels.map((_, i) => HOSTILE + i),
    keys: Array.from({ length: n }, (_, i) => `0:${HOSTILE}${i}`).join("\n"),
    scores: [{ id: "trust", name: HOSTILE, about: HOSTILE, range: [0, 1], values: Buffer.alloc(2 * n).toString("base64") }],
  }));

export const withoutScript = () => variant("bare.html", (text) => text.replace(/<script>.*?<\/script>/s, ""));

// One plot of a page.
export class Plot {
  static async of(page, kind) {
    const plot = new Plot();
    plot.page = page;
    plot.kind = kind;
    plot.figure = page.locator(`[data-scatter="${kind}"]`);
    await plot.figure.scrollIntoViewIfNeeded();
    plot.canvas = plot.figure.locator("canvas.over");
    await plot.canvas.waitFor();
    plot.card = plot.figure.locator(".card");
    plot.frame = JSON.parse(await plot.figure.getAttribute("data-frame"));
    await plot.centre();
    return plot;
  }

  button(name) {
    return this.figure.getByRole("button", { name, exact: true });
  }

  // The plot in the middle of the window.
  async centre() {
    await this.canvas.evaluate((canvas) => canvas.scrollIntoView({ block: "center", behavior: "instant" }));
    await this.frames();
    this.box = await this.canvas.boundingBox();
    this.scale = this.box.width / this.frame.width;
    this.camera = JSON.parse((await this.canvas.getAttribute("data-camera")) ?? '{"zoom":1,"x":0,"y":0}');
  }

  // Waits until what changed is painted.
  async frames() {
    await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }

  // Where a point is in the window.
  at(point) {
    const { frame: f, camera, scale, box } = this;
    const [x, y] = this.kind === "pca" ? point.pc : point.tsne;
    const u = f.left + ((x - f.x[0]) / (f.x[1] - f.x[0])) * (f.right - f.left);
    const v = f.bottom - ((y - f.y[0]) / (f.y[1] - f.y[0])) * (f.bottom - f.top);
    return [box.x + (u * camera.zoom + camera.x) * scale, box.y + (v * camera.zoom + camera.y) * scale];
  }

  // A place in the axes' rectangle in the window, from shares of its width and height.
  inside(across, down) {
    const { frame: f, scale, box } = this;
    return [box.x + (f.left + across * (f.right - f.left)) * scale, box.y + (f.top + down * (f.bottom - f.top)) * scale];
  }

  isInView(point) {
    const [x, y] = this.at(point);
    const [[left, top], [right, bottom]] = [this.inside(0, 0), this.inside(1, 1)];
    return x >= left && x <= right && y >= top && y <= bottom;
  }

  // Red, green and blue on white where each point is.
  async colours(some) {
    const places = some.map((point) => this.at(point)).map(([x, y]) => [x - this.box.x, y - this.box.y]);
    return this.canvas.evaluate((canvas, places) => {
      // A copy is read: reading the canvas itself makes the browser complain, and slows it.
      const copy = document.createElement("canvas");
      copy.width = canvas.width;
      copy.height = canvas.height;
      const pen = copy.getContext("2d", { willReadFrequently: true });
      pen.drawImage(canvas, 0, 0);
      const d = canvas.width / canvas.clientWidth;
      return places.map(([x, y]) => {
        const [r, g, b, a] = pen.getImageData(Math.floor(x * d), Math.floor(y * d), 1, 1).data;
        return [r, g, b].map((value) => 255 + ((value - 255) * a) / 255);
      });
    }, places);
  }

  async ringed() {
    await this.frames();
    const text = await this.canvas.getAttribute("data-ringed");
    return text ? text.split(" ").map((i) => points[Number(i)].key) : [];
  }
}

// Points with no other within `room` pixels: what is on the screen there is theirs.
export const alone = (plot, room = 12) =>
  points.filter((p) => plot.isInView(p) && points.every((q) => q === p || Math.hypot(plot.at(p)[0] - plot.at(q)[0], plot.at(p)[1] - plot.at(q)[1]) > room));

// Numbers that are the same in every run.
export function seeded(seed) {
  let state = seed;
  return (n) => {
    state = (state * 48271) % 2147483647;
    return state % n;
  };
}
