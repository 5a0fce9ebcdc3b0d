// The page's entry: connects the room, its world, the canvas and what stands around it.

import { Board, colour } from "./board.js";
import { listen } from "./keys.js";
import { Link } from "./link.js";
import { World } from "./world.js";

const STATE_WORDS = {
  connecting: "Connecting",
  connected: "Connected",
  offline: "Offline, trying again",
  ended: "Disconnected",
};
const DEFAULT_ROOM = "cove";
const NAME_KEY = "whimbrel-game-name";
const NEWS_MS = 4000;

const byId = (id) => document.getElementById(id);
const flat = byId("flat");
const join = byId("join");

const world = new World();
const board = new Board(flat, world);
const room = roomInAddress();
/** Under which name we play; none while we only watch. */
let name = null;
let newsTimer = null;

const link = new Link(room, {
  state: showState,
  message(message) {
    const news = newsOf(message);
    world.apply(message);
    board.show(message);
    showBirds();
    if (news) showNews(news);
    // After each connect the guest knows nothing of us.
    if (message.type === "flat" && name) link.send({ type: "join", name });
    if (message.type === "you") play();
    if (message.type === "error") refused(message.text);
  },
});

function play() {
  join.hidden = true;
  byId("problem").textContent = "";
  flat.focus();
}

/** The guest says no: to the name, or as all places are taken. */
function refused(text) {
  if (world.seat !== null) return showNews(text);
  name = null;
  join.hidden = false;
  byId("problem").textContent = text;
  byId("name").focus();
}

/** What is worth a line, said before the message changes the world. */
function newsOf({ type, winners, seat, name: comes }) {
  const isOwn = world.seat === null && comes === name;
  if (type === "come") return isOwn ? null : `${isolated(comes)} comes to the flat`;
  if (type === "gone") return `${isolated(world.birds.get(seat).name)} has left`;
  if (type !== "tide") return null;
  const prints = world.ranking()[0]?.prints ?? 0;
  const names = winners.map((winner) => isolated(world.birds.get(winner).name));
  return `The tide is yours, ${names.join(" and ")}: ${prints} prints`;
}

function showNews(text) {
  byId("news").textContent = text;
  clearTimeout(newsTimer);
  newsTimer = setTimeout(() => (byId("news").textContent = ""), NEWS_MS);
}

function showState(state, reason) {
  document.body.dataset.state = state;
  byId("status").dataset.state = state;
  byId("status").textContent = STATE_WORDS[state];
  if (state !== "ended") return;
  name = null;
  join.hidden = false;
  byId("problem").textContent = `The host ended the connection: ${reason || "a rule was broken"}.`;
}

function showBirds() {
  const birds = world.ranking();
  byId("left").textContent = world.left;
  byId("birds").replaceChildren(...birds.map(birdItem));
  // For tests and for those who look for it: the same as on the canvas.
  flat.dataset.birds = JSON.stringify(birds.map(({ name, cell, prints }) => ({ name, cell, prints })));
  const own = birds.find((bird) => bird.seat === world.seat);
  flat.setAttribute("aria-label", own ? `The tidal flat; ${placeOf(own)}` : "The tidal flat; you are watching");
}

function placeOf({ cell, prints }) {
  const { x, y } = world.place(cell);
  return `you are in column ${x + 1}, row ${y + 1}, with ${prints} prints`;
}

function birdItem({ seat, name: who, prints, tides }) {
  const item = element("li", "bird");
  item.classList.toggle("own", seat === world.seat);
  item.style.setProperty("--colour", colour(seat, "bird"));
  item.append(element("bdi", "who", who));
  if (tides) item.append(element("span", "tides", `${"★".repeat(Math.min(tides, 3))}${tides > 3 ? tides : ""}`));
  item.append(element("span", "count", prints));
  return item;
}

function element(tag, className, content = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.textContent = content;
  return made;
}

/** A name in the midst of a sentence: whatever its direction of writing, the sentence keeps its own. */
function isolated(who) {
  return `\u2068${who}\u2069`;
}

/** The room that the address names, as in `#cove`. */
function roomInAddress() {
  let named = location.hash.slice(1);
  try {
    named = decodeURIComponent(named);
  } catch {
    // A stray percent sign: the room is what is written.
  }
  named = named.replace(/\p{Cc}/gu, "").trim();
  // A browser resolves `/game/..` before it sends the request.
  return named && named !== "." && named !== ".." ? named : DEFAULT_ROOM;
}

// A browser may be told to keep nothing; then the name is typed again next time.
function remember(who) {
  try {
    localStorage.setItem(NAME_KEY, who);
  } catch {}
}

function remembered() {
  try {
    return localStorage.getItem(NAME_KEY) ?? "";
  } catch {
    return "";
  }
}

join.addEventListener("submit", (event) => {
  event.preventDefault();
  name = join.elements.name.value.normalize("NFC").trim();
  remember(name);
  link.restart();
  // Else it goes out when the flat comes.
  if (document.body.dataset.state === "connected") link.send({ type: "join", name });
});
window.addEventListener("hashchange", () => location.reload());

listen(flat, byId("pad"), () => world.seat !== null && join.hidden, (to) => link.send({ type: "step", to }));
byId("room").textContent = room;
document.title = `${room} · Tideline`;
join.elements.name.value = remembered();
