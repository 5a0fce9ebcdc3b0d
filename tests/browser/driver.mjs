// What the scripts here have in common: headless Chromium, its pages with their faults, steps, waits with deadlines.
//
// tests/suite/browser.rs drives a script over stdin and stdout: at `stop-host` it stops the host and answers `stopped`, at
// `start-host` it starts one on the same port and answers `started`. Each step that holds prints `ok` and its name,
// the last line is `done`. Exit code 1 with the reason on stderr when one does not hold.

import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { createInterface } from "node:readline";

// Installed by tests/setup; no package.json lies above this file.
const { chromium } = createRequire(new URL("../../target/tools/", import.meta.url))("playwright-core");

export const DEADLINE_MS = 30_000;
export const PHONE = { width: 360, height: 740 };
export const DESK = { width: 1280, height: 800 };
/** The host's address, `http://127.0.0.1:PORT`. */
export const base = process.argv[2];

/** What a page logged as an error, or threw. */
const faults = [];
/** Requests to anywhere but the host. */
const strayRequests = [];
let browser;
let answers;

/** Runs a script's steps in a browser. At the end its pages must have had no fault, and asked nobody but the host. */
export async function run(steps) {
  answers = createInterface({ input: process.stdin })[Symbol.asyncIterator]();
  browser = await chromium.launch({
    executablePath: "/usr/bin/chromium",
    args: ["--headless", "--no-sandbox", "--disable-gpu", "--disable-background-networking"],
  });
  try {
    await steps();
    await step("the pages asked nobody else", () => assert.deepEqual(strayRequests, []));
    await step("the pages had no fault", () => assert.deepEqual(faults, []));
    console.log("done");
  } catch (error) {
    console.error(error.stack);
    for (const fault of faults) console.error(`page: ${fault}`);
    process.exitCode = 1;
  } finally {
    await browser.close();
    process.stdin.destroy();
  }
}

export async function step(name, run) {
  try {
    await run();
  } catch (error) {
    error.message = `${name}: ${error.message}`;
    throw error;
  }
  console.log(`ok ${name}`);
}

/** A page of its own visitor; `options` are those of playwright's contexts. With `keepsSockets` a step reaches the page's
 * connections as `window.sockets`. */
export async function open(hash, viewport, { keepsSockets = false, ...options } = {}) {
  const context = await browser.newContext({ viewport, locale: "en-GB", ...options });
  context.setDefaultTimeout(DEADLINE_MS);
  if (keepsSockets) await context.addInitScript(keepSockets);
  const page = await context.newPage();
  page.on("pageerror", (error) => faults.push(String(error)));
  page.on("console", (message) => {
    // That the host cannot be reached while it restarts is no fault of the page.
    const isExpected = /WebSocket connection to .* failed/.test(message.text());
    if (message.type() === "error" && !isExpected) faults.push(message.text());
  });
  page.on("request", (request) => {
    if (new URL(request.url()).origin !== base) strayRequests.push(request.url());
  });
  await page.goto(`${base}/${hash}`);
  return page;
}

function keepSockets() {
  window.sockets = [];
  window.WebSocket = class extends WebSocket {
    constructor(...address) {
      super(...address);
      window.sockets.push(this);
    }
  };
}

export async function stateIs(page, state) {
  await holds(page, `the state ${state}`, (wanted) => {
    const shown = document.getElementById("status").dataset.state;
    // While the host is down the page is at times trying.
    return shown === wanted || (wanted === "offline" && shown === "connecting");
  }, state);
}

/** Waits until a condition holds in a page. */
export async function holds(page, what, condition, argument) {
  try {
    await page.waitForFunction(condition, argument, { timeout: DEADLINE_MS });
  } catch {
    const shown = await page.evaluate(() => document.body.innerText);
    throw new Error(`${what} did not come; the page shows:\n${shown}`);
  }
}

export function fits(page) {
  return page.evaluate(() => document.documentElement.scrollWidth <= window.innerWidth);
}

/** Asks the Rust side for something and waits for its word. */
export async function ask(request, answer) {
  console.log(request);
  const { value } = await answers.next();
  assert.equal(value, answer);
}
