// A browser that watches itself: every error, every request to another origin, every violation of accessibility.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { mkdirSync, readFileSync } from "node:fs";

const { TOOLS, CHROMIUM = "/usr/bin/chromium", ARTEFACTS } = process.env;
const require = createRequire(`${TOOLS}/package.json`);
const { chromium } = require("playwright-core");
const AXE = readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");

/** Without a sandbox, because CI is root in a container; without everything that talks to others. */
const ARGUMENTS = ["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"];

export async function launch() {
  mkdirSync(ARTEFACTS, { recursive: true });
  return chromium.launch({ executablePath: CHROMIUM, args: ARGUMENTS });
}

/**
 * A page at an address, and what was wrong with it.
 *
 * @param {any} browser
 * @param {string} url
 * @param {{width?: number, height?: number, scheme?: string, refusals?: number[]}} [options] `refusals` are the statuses that
 *   the API is expected to answer with
 */
export async function open(browser, url, { width = 1440, height = 900, scheme = "light", refusals = [] } = {}) {
  const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, reducedMotion: "reduce" });
  const page = await context.newPage();
  page.setDefaultTimeout(30_000);
  const wrong = [];
  page.on("console", (message) => {
    // An order that is refused is answered with 409, and Chromium reports each such answer.
    const isRefusal = message.text().includes("status of 409") && message.location().url === `${url}/orders`;
    const isExpected = refusals.some((status) => message.text().includes(`status of ${status}`));
    if (message.type() === "error" && !isRefusal && !isExpected) wrong.push(`console: ${message.text()}`);
  });
  page.on("pageerror", (error) => wrong.push(`page: ${error.stack}`));
  page.on("request", (request) => {
    if (!request.url().startsWith(`${url}/`) && !request.url().startsWith("data:")) wrong.push(`another origin: ${request.url()}`);
  });
  const close = async () => {
    await context.close();
    assert.deepEqual(wrong, []);
  };
  return { page, close };
}

/** What axe finds that is serious. @param {any} page */
export async function axe(page) {
  // Playwright evaluates past the page's policy, which would refuse a script element.
  await page.evaluate(AXE);
  const { violations } = await page.evaluate(() => window.axe.run({ exclude: [["iframe"]] }, { resultTypes: ["violations"] }));
  const serious = violations.filter(({ impact }) => ["serious", "critical"].includes(impact));
  return serious.map(({ id, nodes }) => `${id}: ${nodes.map(({ target, failureSummary }) => `${target} ${failureSummary}`).join("; ")}`);
}

/** @param {any} page @param {string} name */
export async function picture(page, name) {
  await page.screenshot({ path: `${ARTEFACTS}/${name}.png`, fullPage: true });
}
