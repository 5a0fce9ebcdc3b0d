// Functions that throw, now or by the promise that they return.

/** Runs a function that may throw, now or by the promise that it returns. */
export function settled(act, failed) {
  try {
    const returned = act();
    return typeof returned?.then === "function" ? returned.then(undefined, failed) : returned;
  } catch (error) {
    return failed(error);
  }
}
