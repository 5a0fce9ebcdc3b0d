// Draws the flat. Nothing here decides anything: it shows the world, and lets birds glide to where they are already.

const GLIDE_MS = 100;
const RING_MS = 450;
const WAVE_MS = 1400;
/** Twelve hues, neighbours far apart; a seat's colour is the same on every page. */
const HUES = [25, 205, 135, 315, 75, 260, 170, 350, 50, 230, 105, 290];

/** The colour of a seat, as CSS writes it; `part` is a key of the stylesheet's tones. */
export function colour(seat, part) {
  return `oklch(var(--${part}-light) var(--${part}-chroma) ${HUES[seat % HUES.length]})`;
}

export class Board {
  #canvas;
  #pen;
  #world;
  #tones = {};
  #cell = 0;
  /** By seat: when the bird began to glide, and which way it looks. */
  #glides = new Map();
  #rings = [];
  #waveAt = -WAVE_MS;
  #isAsked = false;
  #isStill = matchMedia("(prefers-reduced-motion: reduce)");

  constructor(canvas, world) {
    this.#canvas = canvas;
    this.#pen = canvas.getContext("2d");
    this.#world = world;
    new ResizeObserver(() => this.#fit()).observe(canvas);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.#fit());
  }

  /** After a message was applied: what moves because of it. */
  show(message) {
    const now = performance.now();
    if (message.type === "flat") this.#glides.clear();
    if (message.type === "step") {
      for (const [seat] of message.birds) this.#glide(seat, now);
      const [seat] = message.birds.at(-1);
      if (message.shells) this.#rings.push({ seat, cell: message.birds.at(-1)[1], at: now });
    }
    if (message.type === "tide") this.#waveAt = now;
    this.#ask();
  }

  #glide(seat, now) {
    const { from, cell } = this.#world.birds.get(seat);
    const turn = this.#world.place(cell).x - this.#world.place(from).x;
    this.#glides.set(seat, { at: now, looks: turn || (this.#glides.get(seat)?.looks ?? 1) });
  }

  #fit() {
    const style = getComputedStyle(this.#canvas);
    for (const name of ["sand", "sand-other", "water", "shell", "shell-line", "ink", "bill", "halo"]) {
      this.#tones[name] = style.getPropertyValue(`--${name}`).trim();
    }
    for (const part of ["print", "bird"]) {
      this.#tones[part] = ["light", "chroma"].map((it) => style.getPropertyValue(`--${part}-${it}`).trim()).join(" ");
    }
    const pixels = Math.round(this.#canvas.clientWidth * devicePixelRatio);
    this.#canvas.width = this.#canvas.height = pixels;
    this.#ask();
  }

  #ask() {
    if (this.#isAsked) return;
    this.#isAsked = true;
    requestAnimationFrame((now) => {
      this.#isAsked = false;
      if (this.#draw(now)) this.#ask();
    });
  }

  /** One picture; true while something moves. */
  #draw(now) {
    const { side, prints, shells, birds } = this.#world;
    if (!side) return false;
    this.#cell = this.#canvas.width / side;
    this.#drawSand(side);
    prints.forEach((seat, cell) => seat >= 0 && this.#drawPrint(cell, seat));
    for (const cell of shells) this.#drawShell(cell);
    this.#rings = this.#rings.filter((ring) => this.#drawRing(ring, now));
    // The own bird last: it is never under another's name.
    const order = [...birds.values()].sort((a, b) => (a.seat === this.#world.seat) - (b.seat === this.#world.seat));
    const spots = order.map((bird) => ({ bird, ...this.#spot(bird, now) }));
    for (const spot of spots) this.#drawBird(spot);
    for (const spot of spots) this.#drawName(spot);
    const isWave = this.#drawWave(now);
    return isWave || this.#rings.length > 0 || spots.some((spot) => spot.isMoving);
  }

  /** Where a bird is drawn: on its way from one cell to the next. */
  #spot({ seat, cell, from }, now) {
    const { at = -GLIDE_MS, looks = 1 } = this.#glides.get(seat) ?? {};
    const part = this.#isStill.matches ? 1 : Math.min(1, Math.max(0, (now - at) / GLIDE_MS));
    const [start, end] = [this.#world.place(from), this.#world.place(cell)];
    const between = (a, b) => (a + (b - a) * part + 0.5) * this.#cell;
    return { x: between(start.x, end.x), y: between(start.y, end.y), looks, isMoving: part < 1 };
  }

  #fill(part, seat) {
    this.#pen.fillStyle = `oklch(${this.#tones[part]} ${HUES[seat % HUES.length]})`;
  }

  #drawSand(side) {
    const [pen, size] = [this.#pen, this.#cell];
    pen.fillStyle = this.#tones.sand;
    pen.fillRect(0, 0, this.#canvas.width, this.#canvas.height);
    pen.fillStyle = this.#tones["sand-other"];
    for (let cell = 0; cell < side * side; cell += 1) {
      const { x, y } = this.#world.place(cell);
      if ((x + y) % 2) pen.fillRect(x * size, y * size, size, size);
    }
  }

  /** A patch in the bird's colour, with two three-toed feet in it. */
  #drawPrint(cell, seat) {
    const [pen, size] = [this.#pen, this.#cell];
    const { x, y } = this.#world.place(cell);
    this.#fill("print", seat);
    pen.beginPath();
    pen.roundRect((x + 0.03) * size, (y + 0.03) * size, size * 0.94, size * 0.94, size * 0.22);
    pen.fill();
    pen.save();
    pen.translate((x + 0.5) * size, (y + 0.5) * size);
    pen.scale(size, size);
    // Cells side by side are not all the same.
    pen.rotate((((x * 5 + y * 3) % 7) - 3) * 0.22);
    this.#fill("bird", seat);
    pen.strokeStyle = pen.fillStyle;
    pen.globalAlpha = 0.5;
    pen.lineWidth = 0.055;
    pen.lineCap = "round";
    pen.beginPath();
    for (const [left, top] of [[-0.19, 0.24], [0.19, -0.02]]) {
      for (const toe of [-0.8, 0, 0.8]) {
        pen.moveTo(left, top);
        pen.lineTo(left + Math.sin(toe) * 0.2, top - Math.cos(toe) * 0.22);
      }
    }
    pen.stroke();
    pen.restore();
  }

  /** A fan with ribs. */
  #drawShell(cell) {
    const [pen, size] = [this.#pen, this.#cell];
    const { x, y } = this.#world.place(cell);
    pen.save();
    pen.translate((x + 0.5) * size, (y + 0.74) * size);
    pen.fillStyle = this.#tones.shell;
    pen.strokeStyle = this.#tones["shell-line"];
    pen.lineWidth = size * 0.05;
    pen.lineJoin = "round";
    pen.beginPath();
    pen.moveTo(0, 0);
    pen.arc(0, 0, size * 0.5, Math.PI * 1.14, Math.PI * 1.86);
    pen.closePath();
    pen.fill();
    pen.stroke();
    pen.beginPath();
    for (const rib of [1.32, 1.5, 1.68]) {
      pen.moveTo(0, 0);
      pen.lineTo(Math.cos(rib * Math.PI) * size * 0.5, Math.sin(rib * Math.PI) * size * 0.5);
    }
    pen.stroke();
    pen.restore();
  }

  /** A whimbrel from the side: body, head, the long bill that bends down. */
  #drawBird({ bird, x, y, looks }) {
    const [pen, size] = [this.#pen, this.#cell];
    pen.save();
    pen.translate(x, y);
    pen.scale(looks < 0 ? -size : size, size);
    pen.lineCap = pen.lineJoin = "round";
    pen.strokeStyle = this.#tones.bill;
    pen.lineWidth = 0.09;
    pen.beginPath();
    pen.moveTo(-0.1, 0.2);
    pen.lineTo(-0.1, 0.46);
    pen.moveTo(0.08, 0.2);
    pen.lineTo(0.08, 0.46);
    pen.moveTo(0.34, -0.3);
    pen.quadraticCurveTo(0.62, -0.28, 0.66, 0.02);
    pen.stroke();
    this.#fill("bird", bird.seat);
    pen.strokeStyle = this.#tones.halo;
    pen.lineWidth = 0.07;
    pen.beginPath();
    pen.moveTo(-0.52, 0.08);
    pen.quadraticCurveTo(-0.3, 0.34, 0.04, 0.3);
    pen.quadraticCurveTo(0.34, 0.24, 0.36, -0.1);
    pen.arc(0.23, -0.27, 0.19, 0.5, Math.PI * 1.15, true);
    pen.quadraticCurveTo(-0.06, -0.14, -0.52, 0.08);
    pen.closePath();
    pen.stroke();
    pen.fill();
    pen.fillStyle = this.#tones.halo;
    pen.beginPath();
    pen.arc(0.27, -0.3, 0.055, 0, Math.PI * 2);
    pen.fill();
    pen.restore();
  }

  #drawName({ bird, x, y }) {
    const [pen, size] = [this.#pen, this.#cell];
    const height = Math.max(11 * devicePixelRatio, size * 0.42);
    pen.font = `${bird.seat === this.#world.seat ? 800 : 600} ${height}px system-ui, sans-serif`;
    pen.textAlign = "center";
    pen.textBaseline = "middle";
    const half = pen.measureText(bird.name).width / 2 + 3;
    // Within the flat, and below the bird where there is no room above.
    const left = Math.min(Math.max(x, half), this.#canvas.width - half);
    const top = y - size * 0.62 - height / 2 < 0 ? y + size * 0.6 + height / 2 : y - size * 0.62 - height * 0.2;
    pen.lineWidth = height * 0.28;
    pen.lineJoin = "round";
    pen.strokeStyle = this.#tones.halo;
    pen.strokeText(bird.name, left, top);
    pen.fillStyle = this.#tones.ink;
    pen.fillText(bird.name, left, top);
  }

  /** Where a shell was taken: a ring that grows and fades; false when it has. */
  #drawRing({ seat, cell, at }, now) {
    const part = (now - at) / RING_MS;
    if (part >= 1 || this.#isStill.matches) return false;
    const [pen, size] = [this.#pen, this.#cell];
    const { x, y } = this.#world.place(cell);
    this.#fill("bird", seat);
    pen.strokeStyle = pen.fillStyle;
    pen.globalAlpha = 1 - Math.max(0, part);
    pen.lineWidth = size * 0.16;
    pen.beginPath();
    pen.arc((x + 0.5) * size, (y + 0.5) * size, size * (0.5 + 1.3 * Math.max(0, part)), 0, Math.PI * 2);
    pen.stroke();
    pen.globalAlpha = 1;
    return true;
  }

  /** The tide comes up from below and goes back; false when it has gone. */
  #drawWave(now) {
    const part = (now - this.#waveAt) / WAVE_MS;
    if (part >= 1 || this.#isStill.matches) return false;
    const [pen, width] = [this.#pen, this.#canvas.width];
    const height = Math.sin(Math.max(0, part) * Math.PI) * width * 1.05;
    pen.globalAlpha = 0.82;
    pen.fillStyle = this.#tones.water;
    pen.beginPath();
    pen.moveTo(0, width);
    for (let step = 0; step <= 36; step += 1) {
      const x = (step / 36) * width;
      pen.lineTo(x, width - height + Math.sin(step * 0.7 + now / 160) * this.#cell * 0.3);
    }
    pen.lineTo(width, width);
    pen.fill();
    pen.globalAlpha = 1;
    return true;
  }
}
