// Which way the player wants to go: keys, buttons, or a finger on the flat. While one is held, the steps go on.

/** The guest lets a bird make a step each 100 ms; a little more, or the network's jitter costs steps. */
const STEP_MS = 112;
/** A finger that moved so far has a direction. */
const DRAG_PX = 16;

const WAYS = new Map(Object.entries({
  ArrowUp: "up", ArrowRight: "right", ArrowDown: "down", ArrowLeft: "left",
  KeyW: "up", KeyD: "right", KeyS: "down", KeyA: "left",
}));

/** Turns what is pressed into steps, none faster than a bird may go. */
class Stepper {
  /** The ways that are held, by what holds them; the newest, which decides, is the last. */
  #held = new Map();
  /** Pressed since the last step: a tap makes one step, however short it is. */
  #tapped = null;
  #timer = null;
  #step;

  constructor(step) {
    this.#step = step;
  }

  press(key, way) {
    if (this.#held.get(key) === way) return;
    this.#held.delete(key);
    this.#held.set(key, way);
    this.#tapped = way;
    if (this.#timer === null) this.#go();
  }

  release(key) {
    this.#held.delete(key);
  }

  releaseAll() {
    this.#held.clear();
    this.#tapped = null;
  }

  #go() {
    this.#timer = null;
    const way = this.#tapped ?? [...this.#held.values()].at(-1);
    this.#tapped = null;
    if (!way) return;
    this.#step(way);
    this.#timer = setTimeout(() => this.#go(), STEP_MS);
  }
}

/** Calls `step(way)` for each step that is wanted while `isPlaying()`. */
export function listen(flat, pad, isPlaying, step) {
  const stepper = new Stepper((way) => isPlaying() && step(way));
  listenToKeys(stepper, isPlaying);
  for (const button of pad.querySelectorAll("button")) listenToButton(stepper, button);
  listenToFinger(stepper, flat);
}

function listenToKeys(stepper, isPlaying) {
  window.addEventListener("keydown", (event) => {
    const way = WAYS.get(event.code);
    if (!way || !isPlaying() || event.ctrlKey || event.metaKey || event.altKey) return;
    // Or the page would scroll.
    event.preventDefault();
    stepper.press(event.code, way);
  });
  window.addEventListener("keyup", (event) => stepper.release(event.code));
  window.addEventListener("blur", () => stepper.releaseAll());
}

function listenToButton(stepper, button) {
  button.addEventListener("pointerdown", (event) => {
    button.setPointerCapture(event.pointerId);
    stepper.press(button, button.dataset.to);
  });
  whenLifted(button, () => stepper.release(button));
  button.addEventListener("contextmenu", (event) => event.preventDefault());
  button.addEventListener("click", (event) => {
    // By keyboard, without a pointer.
    if (event.detail !== 0) return;
    stepper.press(button, button.dataset.to);
    stepper.release(button);
  });
}

function listenToFinger(stepper, flat) {
  /** Where it last turned: a drag from there is a direction. */
  let origin = null;
  flat.addEventListener("pointerdown", (event) => {
    origin = { x: event.clientX, y: event.clientY };
    flat.setPointerCapture(event.pointerId);
  });
  flat.addEventListener("pointermove", (event) => {
    if (!origin) return;
    const [x, y] = [event.clientX - origin.x, event.clientY - origin.y];
    if (Math.hypot(x, y) < DRAG_PX) return;
    origin = { x: event.clientX, y: event.clientY };
    const across = x > 0 ? "right" : "left";
    const along = y > 0 ? "down" : "up";
    stepper.press(flat, Math.abs(x) > Math.abs(y) ? across : along);
  });
  whenLifted(flat, () => {
    origin = null;
    stepper.release(flat);
  });
}

function whenLifted(element, run) {
  for (const end of ["pointerup", "pointercancel"]) element.addEventListener(end, run);
}
