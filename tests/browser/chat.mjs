// The chat page in headless Chromium, step by step. Usage: node chat.mjs http://127.0.0.1:PORT [room] (see driver.mjs)
//
// With `room` the host's guest is the one that remembers.

import assert from "node:assert/strict";

import { DESK, PHONE, ask, fits, holds, open, run, stateIs, step } from "./driver.mjs";

const HOSTILE = `<img src="x" onerror="document.title='owned'">`;

await run(async () => {
  const ann = await visit("harbour", "Ann", DESK);
  const ben = await visit("harbour", "Ben", DESK);
  const carol = await visit("meadow", "Carol", DESK);
  await step("members of a room see each other", () => membersAre([ann, ben], [["Ann", "Ben"], ["Ben", "Ann"]]));
  await step("another room has its own members", () => membersAre([carol], [["Carol"]]));
  await step("messages reach the room", () => messagesReachTheRoom(ann, ben));
  await step("messages are text, never markup", () => messagesAreText(ann, ben));
  await step("a name cannot turn a sentence around", () => aNameCannotTurnASentence(ann));
  await step("another room hears nothing", () => anotherRoomHearsNothing(carol));
  await step("the keyboard is enough", () => theKeyboardIsEnough(ann));
  if (process.argv[3] === "room") await step("a room tells what it remembers, once", () => aRoomRemembers(ann));
  await step("a page follows a restart of the host", () => pagesFollowARestart([ann, ben, carol]));
});

async function messagesReachTheRoom(ann, ben) {
  await say(ann, "Is the tide out?");
  await shows(ben, "Is the tide out?");
  await say(ben, "Until four.");
  await shows(ann, "Until four.");
  const ownOf = (page) => page.locator(".message.own .words").allTextContents();
  assert.deepEqual(await ownOf(ann), ["Is the tide out?"]);
  assert.deepEqual(await ownOf(ben), ["Until four."]);
  const author = await ann.locator(".message", { hasText: "Until four." }).locator(".author").textContent();
  assert.equal(author, "Ben");
}

async function messagesAreText(ann, ben) {
  await say(ann, HOSTILE);
  await shows(ben, HOSTILE);
  assert.equal(await ben.locator("#messages img").count(), 0);
  assert.match(await ben.title(), /harbour/);
}

/** The override of writing direction in Eve's name ends with her name. */
async function aNameCannotTurnASentence(ann) {
  const eve = await visit("harbour", "\u202eEve", DESK);
  await holds(ann, "a note with an isolated name", (wanted) => {
    return [...document.querySelectorAll(".note")].some((note) => note.textContent === wanted);
  }, "\u2068\u202eEve\u2069 joined");
  await eve.context().close();
  await membersAre([ann], [["Ann", "Ben"]]);
}

/** What Carol says comes back to her after anything that was published before. */
async function anotherRoomHearsNothing(carol) {
  await say(carol, "Hello?");
  await shows(carol, "Hello?");
  assert.deepEqual(await carol.locator(".message .words").allTextContents(), ["Hello?"]);
}

async function theKeyboardIsEnough(ann) {
  const page = await open("", PHONE);
  const keys = page.keyboard;
  await focusIs(page, "name");
  await keys.type("Dora");
  await keys.press("Tab");
  await focusIs(page, "room");
  await keys.press("Control+A");
  await keys.type("harbour");
  await keys.press("Enter");
  await isConnected(page);
  await focusIs(page, "text");

  await keys.type("No mouse");
  await keys.press("Shift+Enter");
  await keys.type("in this house");
  await keys.press("Enter");
  await shows(ann, "No mouse\nin this house");
  await focusIs(page, "text");

  const order = [];
  for (let press = 0; press < 3; press += 1) {
    await keys.press("Shift+Tab");
    order.push(await focused(page));
  }
  assert.deepEqual(order, ["messages", "leave", "people-toggle"]);
  await keys.press("Enter");
  await page.locator("#people").waitFor({ state: "visible" });
  await membersAre([page], [["Dora", "Ann", "Ben"]]);
  await keys.press("Escape");
  await page.locator("#people").waitFor({ state: "hidden" });
  await focusIs(page, "people-toggle");
  assert.ok(await fits(page), "the page is wider than a phone");

  await keys.press("Tab");
  await keys.press("Enter");
  await focusIs(page, "name");
  await membersAre([ann], [["Ann", "Ben"]]);
  await page.context().close();
}

async function aRoomRemembers(ann) {
  const finn = await visit("harbour", "Finn", DESK, { keepsSockets: true });
  await shows(finn, "Is the tide out?");
  const before = await finn.locator(".message .words").allTextContents();
  assert.deepEqual(before, await ann.locator(".message .words").allTextContents());

  await say(finn, "I read it all.");
  await shows(finn, "I read it all.");
  await finn.evaluate(() => window.sockets.at(-1).close());
  await holds(finn, "a note of the return", () => document.querySelector(".note")?.textContent.startsWith("Connected again"));
  await say(finn, "Back.");
  await shows(finn, "Back.");
  assert.deepEqual(await finn.locator(".message .words").allTextContents(), [...before, "I read it all.", "Back."]);
  // Under another number, but still one's own.
  assert.deepEqual(await finn.locator(".own .words").allTextContents(), ["I read it all.", "Back."]);
  await membersAre([finn], [["Finn", "Ann", "Ben"]]);
  await finn.context().close();
  await membersAre([ann], [["Ann", "Ben"]]);
}

async function pagesFollowARestart(pages) {
  const [ann, ben, carol] = pages;
  await ask("stop-host", "stopped");
  await Promise.all(pages.map((page) => stateIs(page, "offline")));
  await say(ann, "Anybody still here?");
  await ann.locator("#problem:not(:empty)").waitFor();
  assert.equal(await ann.locator("#text").inputValue(), "Anybody still here?");

  await ask("start-host", "started");
  await Promise.all(pages.map(isConnected));
  await membersAre([ann, ben, carol], [["Ann", "Ben"], ["Ben", "Ann"], ["Carol"]]);
  await ann.locator("#text").press("Enter");
  await shows(ben, "Anybody still here?");
  await say(ben, "Never left.");
  await shows(ann, "Never left.");
  await say(carol, "Hello again?");
  await shows(carol, "Hello again?");
  assert.deepEqual(await carol.locator(".message .words").allTextContents(), ["Hello?", "Hello again?"]);
}

/** Opens the page and joins a room that its address names. */
async function visit(room, name, viewport, options) {
  const page = await open(`#${room}`, viewport, options);
  await page.fill("#name", name);
  await page.press("#name", "Enter");
  await isConnected(page);
  return page;
}

async function say(page, words) {
  await page.fill("#text", words);
  await page.press("#text", "Enter");
}

async function shows(page, words) {
  await holds(page, `a message ${JSON.stringify(words)}`, (wanted) => {
    const shown = [...document.querySelectorAll(".message .words")];
    return shown.some((element) => element.textContent === wanted);
  }, words);
}

async function membersAre(pages, expected) {
  await Promise.all(pages.map((page, index) => holds(page, `the members ${expected[index]}`, (wanted) => {
    const names = [...document.querySelectorAll(".member-name")].map((element) => element.textContent);
    return JSON.stringify(names) === JSON.stringify(wanted);
  }, expected[index])));
}

async function isConnected(page) {
  await stateIs(page, "connected");
}

async function focusIs(page, id) {
  await holds(page, `the focus on #${id}`, (wanted) => document.activeElement?.id === wanted, id);
  const isVisible = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle !== "none");
  assert.ok(isVisible, `the focus on #${id} cannot be seen`);
}

function focused(page) {
  return page.evaluate(() => document.activeElement?.id);
}
