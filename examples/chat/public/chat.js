// The page's entry: connects the forms, the room and what is shown.

import { Room } from "./room.js";
import * as view from "./view.js";

const MAX_NAME_CHARACTERS = 40;
const DEFAULT_ROOM = "lobby";
const NAME_KEY = "whimbrel-chat-name";

const join = document.getElementById("join");
const composer = document.getElementById("composer");
const text = document.getElementById("text");

let room = null;

function enter(name, roomName) {
  room?.leave();
  remember(name);
  location.hash = encodeURIComponent(roomName);
  join.elements.room.value = roomName;
  view.showRoom(roomName);
  room = new Room(roomName, name, {
    state: view.showState,
    members: view.showMembers,
    message: view.addMessage,
    problem: view.showProblem,
    joined: (who) => view.addNote(`${isolated(who)} joined`),
    left: (who) => view.addNote(`${isolated(who)} left`),
    welcome(isReturn, isKept) {
      view.showProblem("");
      const meanwhile = isKept ? "Of what was written meanwhile, the last follows." : "What was written meanwhile is not shown.";
      if (isReturn) view.addNote(`Connected again. ${meanwhile}`);
    },
    unsent(texts) {
      text.value = [...texts, text.value].filter(Boolean).join("\n");
      view.fitField();
      view.showProblem("The connection was lost: what may not have arrived is in the field again.");
    },
    refused: exit,
  });
}

function exit(problem) {
  room?.leave();
  room = null;
  view.showWelcome(problem);
}

function say() {
  const words = text.value.trim();
  if (!words || !room) return;
  if (!room.say(words)) {
    view.showProblem("Not connected: the text stays here until you send it again.");
    return;
  }
  text.value = "";
  view.showProblem("");
  view.fitField();
}

/** The room that the address names: `#room`, or `?room=`; null when it names none. */
function roomInAddress() {
  let named = location.hash.slice(1);
  try {
    named = decodeURIComponent(named);
  } catch {
    // A stray percent sign: the room is what is written.
  }
  return named || new URLSearchParams(location.search).get("room");
}

/** Says what is wrong with a room's name; empty when nothing is. The guest checks again. */
function problemWithRoom(name) {
  // A browser resolves `/chat/..` before it sends the request.
  if (name === "." || name === "..") return `A room cannot be called “${name}”.`;
  return problemWithLength("The room’s name", name);
}

function problemWithLength(what, name) {
  const length = [...name].length;
  if (length >= 1 && length <= MAX_NAME_CHARACTERS) return "";
  return `${what} needs 1 to ${MAX_NAME_CHARACTERS} characters.`;
}

/** The same name typed on two keyboards is the same name: composed, without stray spaces or control characters. */
function clean(name) {
  return name.normalize("NFC").replace(/\p{Cc}/gu, "").trim();
}

/** A name in the midst of a sentence: whatever its direction of writing, the sentence keeps its own. */
function isolated(name) {
  return `\u2068${name}\u2069`;
}

// A browser may be told to keep nothing; then the name is typed again next time.
function remember(name) {
  try {
    localStorage.setItem(NAME_KEY, name);
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
  const name = clean(join.elements.name.value);
  const roomName = clean(join.elements.room.value);
  const problem = problemWithLength("Your name", name) || problemWithRoom(roomName);
  if (problem) view.showWelcome(problem);
  else enter(name, roomName);
});

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  say();
  text.focus();
});

text.addEventListener("keydown", (event) => {
  // While a word is being composed (Japanese, Chinese …) Enter picks it.
  if (event.key !== "Enter" || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  say();
});

document.getElementById("leave").addEventListener("click", () => exit());

window.addEventListener("hashchange", () => {
  const named = clean(roomInAddress() ?? "");
  if (!named || problemWithRoom(named) || named === join.elements.room.value) return;
  join.elements.room.value = named;
  if (room) enter(clean(join.elements.name.value), named);
});

window.addEventListener("online", () => room?.hurry());
document.addEventListener("visibilitychange", () => document.hidden || room?.hurry());

view.prepare();
join.elements.name.value = remembered();
join.elements.room.value = clean(roomInAddress() ?? "") || DEFAULT_ROOM;
view.showWelcome();
