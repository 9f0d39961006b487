// People in front of the real page, in Debian's Chromium: what they type, what they see, what the console says.
import { readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { chromium } from "playwright-core";
import { OUT, afterwards } from "./server.mjs";
import { until } from "./wait.mjs";

const EXECUTABLE = process.env.CHROMIUM ?? "/usr/bin/chromium";
// No sandbox for root; without the others Chromium asks hosts of its own for news.
const FLAGS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"];
const AXE = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
/** What the network itself writes into the console while a server is away, or a request is rightly refused. */
const NETWORK = /net::ERR_|Failed to load resource|WebSocket connection to/;

export async function openBrowser() {
  return chromium.launch({ executablePath: EXECUTABLE, args: FLAGS });
}

export class Person {
  /** Errors of the console and of scripts; a right page has none. */
  faults = [];

  /** A person with a browser profile of their own. */
  static async arrive(t, browser, server, { scheme = "light", width = 1280, height = 800 } = {}) {
    const context = await browser.newContext({ viewport: { width, height }, colorScheme: scheme, locale: "en-GB", timezoneId: "UTC", reducedMotion: "reduce" });
    afterwards(t, () => context.close());
    const person = new Person();
    person.context = context;
    person.server = server;
    person.page = await context.newPage();
    person.page.setDefaultTimeout(30_000);
    person.page.on("console", (line) => line.type() === "error" && !NETWORK.test(line.text()) && person.faults.push(line.text()));
    person.page.on("pageerror", (error) => person.faults.push(error.message));
    await person.page.goto(server.url);
    return person;
  }

  /** From the address to the workspace, with the code from the mailbox. */
  async signUp(email, name) {
    const { page } = this;
    await this.askForCode(email);
    await page.getByLabel("8-digit code").fill(await this.server.codeFor(email));
    const field = page.getByLabel("Your name");
    const rooms = page.getByRole("navigation", { name: "Conversations" });
    // A new account is asked for its name, and one that is some seconds old counts as new.
    await field.or(rooms).first().waitFor();
    if (await field.isVisible()) {
      if (name) await field.fill(name);
      await page.getByRole("button", { name: "Start chatting" }).click();
    }
    await rooms.waitFor();
  }

  async askForCode(email) {
    await this.page.getByLabel("Email address").fill(email);
    await this.page.getByRole("button", { name: "Continue" }).click();
    await this.page.getByLabel("8-digit code").waitFor();
  }

  async makeRoom(name) {
    const { page } = this;
    await page.getByRole("button", { name: "New conversation" }).first().click();
    await page.getByRole("tab", { name: "Room" }).click();
    await page.getByLabel("Name").fill(name);
    await page.getByRole("button", { name: "Create room" }).click();
    await this.composer().waitFor();
  }

  async joinRoom(name) {
    const { page } = this;
    await page.getByRole("button", { name: "Browse rooms" }).first().click();
    await page.getByRole("button", { name: `Join ${name}` }).click();
    await this.composer().waitFor();
  }

  composer() {
    return this.page.getByRole("textbox", { name: /^Message / });
  }

  async say(text) {
    await this.composer().fill(text);
    await this.composer().press("Enter");
  }

  message(text) {
    return this.page.getByRole("article").filter({ hasText: text });
  }

  async sees(text) {
    await this.message(text).first().waitFor();
  }

  /** One action of the bar that a message shows to the mouse. */
  async act(text, action) {
    await this.message(text).hover();
    await this.message(text).getByRole("toolbar").getByRole("button", { name: action, exact: true }).click();
  }

  /** What stands in the timeline: acknowledged messages in their order, and how many still wait. */
  timeline() {
    return this.page.getByRole("log").evaluate((log) => ({
      messages: [...log.querySelectorAll("article[data-message]")]
        .map((one) => ({ seq: Number(one.dataset.seq), id: one.dataset.message, text: one.querySelector("[dir=auto], p")?.textContent ?? "" }))
        .sort((a, b) => a.seq - b.seq),
      pending: log.querySelectorAll("article[data-pending]").length,
    }));
  }

  /** The whole of a short conversation: a window so high that all of it is drawn. */
  async wholeTimeline(count) {
    const was = this.page.viewportSize();
    await this.page.setViewportSize({ width: was.width, height: 9_000 });
    const whole = await until(async () => {
      const now = await this.timeline();
      return now.pending === 0 && now.messages.length >= count && now;
    }, `${count} messages without anything pending`, 30_000);
    await this.page.setViewportSize(was);
    return whole.messages;
  }

  /** Waits until the banner is silent and nothing waits to be sent. */
  async isLive() {
    await this.page.getByText(/Reconnecting|Connection lost|You’re offline|Connecting…|Catching up/).first().waitFor({ state: "detached" });
  }

  async shot(name) {
    await this.page.screenshot({ path: join(OUT, `${name}.png`) });
  }

  async dress(scheme) {
    await this.page.emulateMedia({ colorScheme: scheme, reducedMotion: "reduce" });
    // The new colours are on the screen two frames later.
    await this.page.evaluate(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done))));
  }

  /** Serious and critical violations that axe finds, as readable lines. */
  async violations() {
    // By the debugging protocol: the page's own policy rightly forbids an injected script.
    await this.page.evaluate(AXE);
    const { violations } = await this.page.evaluate(() => globalThis.axe.run(document, { resultTypes: ["violations"] }));
    return violations
      .filter((one) => ["serious", "critical"].includes(one.impact))
      .flatMap((one) => one.nodes.map((node) => `${one.id} (${one.impact}): ${node.target.join(" ")}: ${node.failureSummary?.replaceAll("\n", " ")}`));
  }

  /** How far the page could be scrolled sideways; 0 is right. */
  overflow() {
    return this.page.evaluate(() => document.scrollingElement.scrollWidth - document.scrollingElement.clientWidth);
  }
}

/** A report beside the screenshots. */
export function note(name, lines) {
  writeFileSync(join(OUT, name), lines.join("\n") + "\n");
}
