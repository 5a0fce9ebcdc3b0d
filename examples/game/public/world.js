// The flat as the guest tells it: a copy that each message changes. No DOM in this file.

const NOBODY = -1;

export class World {
  side = 0;
  /** Whose prints are in each cell: a seat, or -1. */
  prints = [];
  /** By seat: `{seat, name, cell, tides, from}`; `from` is the cell before its last step. */
  birds = new Map();
  shells = [];
  left = 0;
  /** Our own seat; null while we watch. */
  seat = null;

  /** Takes a message over; what it says of a bird is looked up before it is gone. */
  apply(message) {
    switch (message.type) {
      case "flat": return this.#begin(message);
      case "come": return this.#come(message);
      case "you": return void (this.seat = message.seat);
      case "step": return this.#step(message);
      case "tide": return this.#tide(message);
      case "gone": return this.#gone(message.seat);
    }
  }

  /** The birds with their prints counted, the most first. */
  ranking() {
    const counts = new Map();
    for (const seat of this.prints) counts.set(seat, (counts.get(seat) ?? 0) + 1);
    const birds = [...this.birds.values()].map((bird) => ({ ...bird, prints: counts.get(bird.seat) ?? 0 }));
    return birds.sort((a, b) => b.prints - a.prints || a.seat - b.seat);
  }

  place(cell) {
    return { x: cell % this.side, y: Math.floor(cell / this.side) };
  }

  #begin({ side, birds, prints, shells, left }) {
    this.side = side;
    this.prints = [...prints].map((letter) => (letter === "." ? NOBODY : letter.charCodeAt(0) - 97));
    this.birds = new Map(birds.map((bird) => [bird.seat, { ...bird, from: bird.cell }]));
    this.shells = shells;
    this.left = left;
    this.seat = null;
  }

  #come({ seat, name, cell, tides }) {
    this.birds.set(seat, { seat, name, cell, tides, from: cell });
    this.prints[cell] = seat;
  }

  #step({ birds, prints, shells, left }) {
    for (const [seat, cell] of birds) {
      const bird = this.birds.get(seat);
      bird.from = bird.cell;
      bird.cell = cell;
    }
    for (const [seat, cell] of prints) this.prints[cell] = seat;
    if (!shells) return;
    this.shells = shells;
    this.left = left;
  }

  #tide({ winners, shells, left }) {
    for (const seat of winners) this.birds.get(seat).tides += 1;
    this.prints.fill(NOBODY);
    this.shells = shells;
    this.left = left;
  }

  #gone(seat) {
    this.birds.delete(seat);
    this.prints = this.prints.map((print) => (print === seat ? NOBODY : print));
  }
}
