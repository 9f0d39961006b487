// Waiting for facts, never for time. The bound only turns "never" into a failure that says what was missing.

/** Asks until the answer is truthy and returns it. An error of `ask` ends the wait. */
export async function until(ask, what, bound = 20_000) {
  const end = Date.now() + bound;
  for (;;) {
    const answer = await ask();
    if (answer) return answer;
    if (Date.now() > end) throw new Error(`waited ${bound} ms in vain for ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** A promise, or an error that says what did not come. */
export async function within(promise, what, bound = 20_000) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`waited ${bound} ms in vain for ${what}`)), bound);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}
