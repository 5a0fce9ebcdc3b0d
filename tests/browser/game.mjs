// The game in headless Chromium: what one page does, the other shows. Usage: node game.mjs http://127.0.0.1:PORT (see
// driver.mjs). Pictures go to target/browser; with WHIMBREL_BLESS=1 the one in docs is taken again.

import assert from "node:assert/strict";
import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";

import { DESK, PHONE, ask, fits, holds, open, run, stateIs, step } from "./driver.mjs";

const SIDE = 18;
const pictures = fileURLToPath(new URL("../../target/browser/", import.meta.url));
const shown = fileURLToPath(new URL("../../docs/game.png", import.meta.url));

await run(async () => {
  await mkdir(pictures, { recursive: true });
  const ann = await visit("cove", "Ann", DESK);
  const ben = await visit("cove", "Ben", PHONE, { hasTouch: true, colorScheme: "dark" });
  await step("both pages show both birds", () => birdsAre([ann, ben], ["Ann", "Ben"]));
  await step("a step on one page shows on the other", () => aStepShows(ann, ben));
  await step("a held key goes on, and stops", () => aHeldKeyGoesOn(ann, ben));
  await step("buttons and a finger steer too", () => buttonsAndAFinger(ben, ann));
  await step("what is drawn is the birds' colours", () => somethingIsDrawn([ann, ben]));
  await step("another room has another flat", () => anotherRoom(ann));
  await step("a full table of names fits a phone", () => fitsAPhone(ben));
  await step("who leaves is gone from the other page", () => whoLeavesIsGone(ann));
  await step("a page whose connection breaks comes back", () => comesBack());
  await step("pages follow a restart of the host", () => pagesFollowARestart([ann, ben]));
  if (process.env.WHIMBREL_BLESS === "1") await step("a picture for the documentation", takePicture);
});

async function aStepShows(ann, ben) {
  const before = await birdOf(ann, "Ann");
  const [key, by] = before.cell % SIDE < SIDE / 2 ? ["ArrowRight", 1] : ["ArrowLeft", -1];
  await ann.keyboard.press(key);
  await birdIsIn([ann, ben], "Ann", before.cell + by);
  // On one page with a key of letters, on the other it is told in words.
  await ann.keyboard.press(by > 0 ? "a" : "d");
  await birdIsIn([ann, ben], "Ann", before.cell);
  const label = await ann.locator("#flat").getAttribute("aria-label");
  assert.match(label, new RegExp(`column ${(before.cell % SIDE) + 1}, row ${Math.floor(before.cell / SIDE) + 1},`));
}

async function aHeldKeyGoesOn(ann, ben) {
  await ann.keyboard.down("ArrowUp");
  await holds(ben, "Ann at the upper edge", ([side]) => {
    const birds = JSON.parse(document.getElementById("flat").dataset.birds);
    return birds.find((bird) => bird.name === "Ann").cell < side;
  }, [SIDE]);
  await ann.keyboard.up("ArrowUp");
  const { cell, prints } = await birdOf(ann, "Ann");
  assert.ok(prints > 1, `Ann has ${prints} prints`);
  await ann.keyboard.press("ArrowDown");
  await birdIsIn([ben], "Ann", cell + SIDE);
}

async function buttonsAndAFinger(ben, ann) {
  const before = await birdOf(ben, "Ben");
  const isLeft = before.cell % SIDE < SIDE / 2;
  await ben.locator(`#pad [data-to="${isLeft ? "right" : "left"}"]`).tap();
  await birdIsIn([ben, ann], "Ben", before.cell + (isLeft ? 1 : -1));

  const isHigh = before.cell < (SIDE * SIDE) / 2;
  const box = await ben.locator("#flat").boundingBox();
  const [x, y] = [box.x + box.width / 2, box.y + box.height / 2];
  const session = await ben.context().newCDPSession(ben);
  const touch = (type, ...points) => session.send("Input.dispatchTouchEvent", { type, touchPoints: points });
  await touch("touchStart", { x, y });
  await touch("touchMove", { x, y: y + (isHigh ? 30 : -30) });
  const wanted = isHigh ? "below" : "above";
  await holds(ann, `Ben ${wanted}`, ([start, isBelow, side]) => {
    const { cell } = JSON.parse(document.getElementById("flat").dataset.birds).find((bird) => bird.name === "Ben");
    return isBelow ? cell >= start + 2 * side : cell <= start - 2 * side;
  }, [before.cell + (isLeft ? 1 : -1), isHigh, SIDE]);
  await touch("touchEnd");
}

/** Many pixels of the canvas have the colours of prints: a blank or one-coloured canvas has not. */
async function somethingIsDrawn(pages) {
  for (const page of pages) {
    const colours = await page.evaluate(() => {
      const flat = document.getElementById("flat");
      const { data } = flat.getContext("2d").getImageData(0, 0, flat.width, flat.height);
      const seen = new Set();
      for (let at = 0; at < data.length; at += 4) seen.add((data[at] << 16) | (data[at + 1] << 8) | data[at + 2]);
      return seen.size;
    });
    assert.ok(colours > 20, `${colours} colours`);
  }
  await pages[0].screenshot({ path: `${pictures}desk.png` });
  await pages[1].screenshot({ path: `${pictures}phone-dark.png` });
}

async function anotherRoom(ann) {
  const cleo = await visit("dune", "Cleo", DESK, { colorScheme: "dark" });
  await birdsAre([cleo, ann], ["Cleo"], ["Ann", "Ben"]);
  await cleo.context().close();
}

async function fitsAPhone(ben) {
  assert.ok(await fits(ben), "the page is wider than a phone");
  const card = await open("#full", PHONE, { hasTouch: true });
  await stateIs(card, "connected");
  await card.screenshot({ path: `${pictures}phone-join.png` });
  assert.ok(await fits(card), "the page is wider than a phone");
  const [form, flat] = await Promise.all(["#join", "#flat"].map((it) => card.locator(it).boundingBox()));
  assert.ok(form.y >= flat.y && form.y + form.height <= flat.y + flat.height, "the form is higher than the flat");
  await card.context().close();
}

async function whoLeavesIsGone(ann) {
  const dora = await visit("cove", "Dora", DESK);
  await birdsAre([ann], ["Ann", "Ben", "Dora"]);
  await dora.context().close();
  await birdsAre([ann], ["Ann", "Ben"]);
}

async function comesBack() {
  const eve = await visit("reef", "Eve", DESK, { keepsSockets: true });
  await eve.evaluate(() => window.sockets.at(-1).close());
  await stateIs(eve, "offline");
  await birdsAre([eve], ["Eve"]);
  await stateIs(eve, "connected");

  // Ten messages that are no part of the game: the host says 1008, and the page does not come back by itself.
  await eve.evaluate(() => Array.from({ length: 10 }, () => window.sockets.at(-1).send("?")));
  await stateIs(eve, "ended");
  assert.match(await eve.locator("#problem").textContent(), /no part of the game/);
  await eve.press("#name", "Enter");
  await birdsAre([eve], ["Eve"]);
  await eve.locator("#join").waitFor({ state: "hidden" });
  await eve.context().close();
}

async function pagesFollowARestart(pages) {
  await ask("stop-host", "stopped");
  await Promise.all(pages.map((page) => stateIs(page, "offline")));
  await ask("start-host", "started");
  await Promise.all(pages.map((page) => stateIs(page, "connected")));
  await birdsAre(pages, ["Ann", "Ben"]);
  const { cell } = await birdOf(pages[0], "Ann");
  const isLeft = cell % SIDE < SIDE / 2;
  await pages[0].keyboard.press(isLeft ? "ArrowRight" : "ArrowLeft");
  await holds(pages[1], "Ann elsewhere", (start) => {
    return JSON.parse(document.getElementById("flat").dataset.birds).find((bird) => bird.name === "Ann").cell !== start;
  }, cell);
}

/** Four birds that have walked for a while. */
async function takePicture() {
  const names = ["Ann", "Ben", "Cleo", "Dora"];
  const pages = [];
  for (const name of names) pages.push(await visit("harbour", name, { width: 1000, height: 680 }));
  await Promise.all(pages.map((page, index) => walk(page, names[index])));
  await pages[0].waitForFunction(() => document.getElementById("news").textContent === "");
  await pages[0].screenshot({ path: shown });
  await pages[0].emulateMedia({ colorScheme: "dark" });
  await pages[0].screenshot({ path: `${pictures}desk-dark.png` });
}

/** Goes up and down in a part of the flat of its own. */
async function walk(page, name) {
  const keys = ["ArrowUp", "ArrowRight", "ArrowDown", "ArrowRight", "ArrowDown", "ArrowLeft", "ArrowUp", "ArrowLeft"];
  for (let turn = 0; turn < 14; turn += 1) {
    const key = keys[(turn * 3 + name.length + name.charCodeAt(0)) % keys.length];
    await page.keyboard.down(key);
    await page.waitForTimeout(240 + ((turn * 97) % 300));
    await page.keyboard.up(key);
  }
}

async function visit(room, name, viewport, options) {
  const page = await open(`#${room}`, viewport, options);
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await stateIs(page, "connected");
  await page.locator("#join").waitFor({ state: "hidden" });
  return page;
}

/** A bird as a page shows it: `{name, cell, prints}`. */
async function birdOf(page, name) {
  const birds = JSON.parse(await page.locator("#flat").getAttribute("data-birds"));
  return birds.find((bird) => bird.name === name);
}

/** The names on each page; the last names are for all pages that are left. */
async function birdsAre(pages, ...expected) {
  await Promise.all(pages.map((page, index) => {
    const names = expected[Math.min(index, expected.length - 1)];
    return holds(page, `the birds ${names}`, (wanted) => {
      const birds = JSON.parse(document.getElementById("flat").dataset.birds ?? "[]");
      const listed = [...document.querySelectorAll(".who")].map((element) => element.textContent);
      const isSame = (names) => JSON.stringify([...names].sort()) === JSON.stringify(wanted);
      return isSame(birds.map((bird) => bird.name)) && isSame(listed);
    }, names);
  }));
}

async function birdIsIn(pages, name, cell) {
  await Promise.all(pages.map((page) => holds(page, `${name} in cell ${cell}`, ([who, where]) => {
    const birds = JSON.parse(document.getElementById("flat").dataset.birds);
    return birds.find((bird) => bird.name === who).cell === where;
  }, [name, cell])));
}
