// What the page shows. Whatever another person wrote enters the page as text, never as markup.

const STATE_WORDS = { connecting: "Connecting", connected: "Connected", offline: "Offline, trying again" };
/** Within this time the messages of one person stand under one name. */
const GROUP_MS = 5 * 60_000;
const MAX_ENTRIES = 500;
/** So near the end counts as reading along. */
const NEAR_END_PX = 60;

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });
const byId = (id) => document.getElementById(id);

const chat = byId("chat");
const messages = byId("messages");
const newest = byId("newest");
const text = byId("text");
const people = byId("people");
const peopleToggle = byId("people-toggle");

let last = null;
let isAtEnd = true;
let unread = 0;

/** Shows the room, empty, with the cursor where one writes. */
export function showRoom(room) {
  byId("welcome").hidden = true;
  chat.hidden = false;
  byId("room-title").textContent = room;
  messages.replaceChildren();
  showMembers([]);
  last = null;
  isAtEnd = true;
  showProblem("");
  countUnread(0);
  text.focus();
}

/** Shows the form that picks a name and a room, with a problem to mend if there is one. */
export function showWelcome(problem = "") {
  byId("welcome").hidden = false;
  chat.hidden = true;
  byId("join-error").textContent = problem;
  togglePeople(false);
  countUnread(0);
  byId("name").focus();
}

export function showState(state) {
  chat.dataset.state = state;
  byId("status").dataset.state = state;
  byId("status").textContent = STATE_WORDS[state];
}

export function showProblem(problem) {
  byId("problem").textContent = problem;
}

export function showMembers(members) {
  byId("people-count").textContent = members.length;
  peopleToggle.setAttribute("aria-label", `${members.length} in this room`);
  byId("members").replaceChildren(...members.map(memberItem));
}

/** Adds a message at the end; `at` is when it was written, if the room remembers. */
export function addMessage({ id, name, text, at, isOwn }) {
  const written = at ? new Date(at) : new Date();
  const isContinued = last !== null && last.id === id && written - last.at < GROUP_MS;
  last = { id, at: written };

  const time = element("time", "", clock.format(written));
  time.dateTime = written.toISOString();
  const author = element("bdi", "author", isOwn ? `${name} (you)` : name);
  author.style.setProperty("--hue", hue(name));
  const byline = element("div", "byline");
  byline.append(author, time);
  const words = element("div", "words", text);
  words.dir = "auto";

  const entry = element("div", "message");
  entry.classList.toggle("own", isOwn);
  entry.classList.toggle("continued", isContinued);
  entry.append(byline, words);
  append(entry, isOwn);
  if (document.hidden) countUnread(unread + 1);
}

/** Adds a line about the room itself. */
export function addNote(words) {
  last = null;
  append(element("p", "note", words));
}

/** Opens or closes the list of members where it is not always in view. */
export function togglePeople(isOpen = !people.classList.contains("open")) {
  people.classList.toggle("open", isOpen);
  peopleToggle.setAttribute("aria-expanded", isOpen);
}

/** Makes the field as high as its text. */
export function fitField() {
  text.style.height = "auto";
  text.style.height = `${text.scrollHeight + text.offsetHeight - text.clientHeight}px`;
}

/** Wires what needs nothing but the page: scrolling, the members button, the count of unread messages. */
export function prepare() {
  messages.addEventListener("scroll", () => {
    isAtEnd = messages.scrollHeight - messages.scrollTop - messages.clientHeight < NEAR_END_PX;
    if (isAtEnd) newest.hidden = true;
  });
  // A phone's keyboard takes half of the height: who read the end goes on reading it.
  new ResizeObserver(() => isAtEnd && scrollToEnd()).observe(messages);
  newest.addEventListener("click", () => {
    scrollToEnd();
    text.focus();
  });
  text.addEventListener("input", fitField);
  peopleToggle.addEventListener("click", () => togglePeople());
  chat.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || !people.classList.contains("open")) return;
    togglePeople(false);
    peopleToggle.focus();
  });
  document.addEventListener("click", (event) => {
    if (!people.contains(event.target) && !peopleToggle.contains(event.target)) togglePeople(false);
  });
  document.addEventListener("visibilitychange", () => document.hidden || countUnread(0));
}

function append(entry, isOwn = false) {
  const follow = isAtEnd || isOwn;
  messages.append(entry);
  while (messages.childElementCount > MAX_ENTRIES) messages.firstElementChild.remove();
  if (follow) scrollToEnd();
  else newest.hidden = false;
}

function scrollToEnd() {
  messages.scrollTop = messages.scrollHeight;
  isAtEnd = true;
  newest.hidden = true;
}

function memberItem({ name, isSelf }) {
  const item = element("li", "member");
  item.style.setProperty("--hue", hue(name));
  item.append(element("bdi", "member-name", name));
  if (isSelf) item.append(element("span", "member-self", "you"));
  return item;
}

function countUnread(count) {
  unread = count;
  const room = chat.hidden ? "" : `${byId("room-title").textContent} · `;
  document.title = `${count ? `(${count}) ` : ""}${room}Whimbrel chat`;
}

/** The same colour for the same name, on every page. */
function hue(name) {
  let sum = 0;
  for (const character of name) sum = (sum * 31 + character.codePointAt(0)) % 360;
  return sum;
}

function element(tag, className, content = "") {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.textContent = content;
  return made;
}
