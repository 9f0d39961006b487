// Looks at every screen and state in a real browser, light and dark, wide and narrow: `npm run build && npm run shots -- OUT [name…]`.
// The built client is served with the strict content policy of the real server, in front of the stand-in server.
import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { createServer, request } from "node:http";
import { join, extname } from "node:path";
import { chromium } from "playwright-core";
import { addMember, append, say, startFake } from "./fake-server.mjs";
import { SCENES } from "./scenes.mjs";
import { demoWorld } from "./world.mjs";

const CSP = "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'";
const DIST = new URL("../dist/", import.meta.url).pathname;
const TYPES = { ".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".woff2": "font/woff2", ".webmanifest": "application/manifest+json" };

/** Serves dist and passes the rest on to the stand-in, WebSockets included. */
export function serveDist(fake) {
  const server = createServer(async (incoming, response) => {
    const path = incoming.url.split("?")[0];
    if (path.startsWith("/v1") || path.startsWith("/socket.io")) {
      const onward = request({ port: fake.port, host: "127.0.0.1", path: incoming.url, method: incoming.method, headers: incoming.headers }, (reply) => {
        response.writeHead(reply.statusCode, reply.headers);
        reply.pipe(response);
      });
      onward.on("error", () => response.destroy());
      incoming.pipe(onward);
      return;
    }
    const file = path === "/" ? "index.html" : path.slice(1);
    const body = await readFile(join(DIST, file)).catch(() => null);
    response.writeHead(body ? 200 : 404, { "content-type": TYPES[extname(file)] ?? "text/plain", "content-security-policy": CSP });
    response.end(body ?? "not found");
  });
  server.on("upgrade", (incoming, socket, head) => {
    const onward = request({ port: fake.port, host: "127.0.0.1", path: incoming.url, headers: incoming.headers });
    onward.on("upgrade", (reply, far, farHead) => {
      socket.write(`HTTP/1.1 101 Switching Protocols\r\n${Object.entries(reply.headers).map(([k, v]) => `${k}: ${v}`).join("\r\n")}\r\n\r\n`);
      if (farHead.length > 0) socket.write(farHead);
      if (head.length > 0) far.write(head);
      far.pipe(socket).pipe(far);
      far.on("error", () => socket.destroy());
      socket.on("error", () => far.destroy());
    });
    onward.on("response", () => socket.destroy());
    onward.on("error", () => socket.destroy());
    onward.end();
  });
  return new Promise((resolve) => server.listen(0, "127.0.0.1", () => resolve(server)));
}

export async function openBrowser() {
  return chromium.launch({
    executablePath: execFileSync("which", ["chromium"], { encoding: "utf8" }).trim(),
    args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync", "--force-color-profile=srgb"],
  });
}

const SIZES = { wide: { width: 1280, height: 800 }, narrow: { width: 390, height: 844, touch: true } };

if (process.argv[1] === new URL(import.meta.url).pathname) {
  const [out = "shots", ...names] = process.argv.slice(2);
  mkdirSync(out, { recursive: true });
  const browser = await openBrowser();
  const chosen = SCENES.filter((scene) => names.length === 0 || names.includes(scene.name));
  for (const theme of (process.env.THEMES ?? "light,dark").split(",")) {
    for (const size of (process.env.SIZES ?? "wide,narrow").split(",")) {
      for (const scene of chosen) {
        const { world, people, rooms } = demoWorld();
        const fake = await startFake({ world });
        const server = await serveDist(fake);
        const url = `http://127.0.0.1:${server.address().port}/`;
        const { touch = false, ...viewport } = SIZES[size];
        const context = await browser.newContext({ viewport, colorScheme: theme, hasTouch: touch, isMobile: touch, locale: "en-GB", reducedMotion: "reduce" });
        const page = await context.newPage();
        const faults = [];
        page.on("console", (line) => line.type() === "error" && !/status of 40|status of 429|ERR_|WebSocket/.test(line.text()) && faults.push(line.text()));
        page.on("pageerror", (error) => faults.push(error.message));
        const signIn = async () => {
          fake.cookies.set("demo", people.maya);
          await context.addCookies([{ name: "chatify_refresh", value: "demo", domain: "127.0.0.1", path: "/v1/auth", httpOnly: true, sameSite: "Strict" }]);
          await context.addInitScript(() => localStorage.setItem("chatify.signed-in", "1"));
        };
        const open = async (room) => {
          await signIn();
          await page.goto(url + (room ? `#/${room.id}` : ""));
          await page.getByRole("navigation").or(page.getByRole("log")).first().waitFor({ state: "attached" });
          if (room) await page.getByRole("log").waitFor();
          await page.waitForTimeout(250);
        };
        try {
          await scene.run({ page, context, fake, world, people, rooms, url, open, signIn, narrow: size === "narrow", say, append, addMember });
          await page.waitForTimeout(150);
          await page.screenshot({ path: join(out, `${scene.name}-${size}-${theme}.png`) });
          const sideways = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth);
          if (sideways) faults.push("scrolls sideways");
          // AXE=1: the rules of WCAG 2.2 A and AA as far as a machine can check them.
          if (process.env.AXE) {
            await page.evaluate(await readFile(new URL("../node_modules/axe-core/axe.min.js", import.meta.url), "utf8"));
            const { violations } = await page.evaluate(() => globalThis.axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa"] }));
            for (const one of violations) faults.push(`${one.id}: ${one.help}\n      ${one.nodes.slice(0, 3).map((node) => node.html.slice(0, 160)).join("\n      ")}`);
          }
        } catch (error) {
          faults.push(String(error).split("\n")[0]);
          await page.screenshot({ path: join(out, `FAILED-${scene.name}-${size}-${theme}.png`) });
        }
        process.stdout.write(`${scene.name} ${size} ${theme}${faults.length > 0 ? `\n  ! ${faults.join("\n  ! ")}` : ""}\n`);
        await context.close();
        server.closeAllConnections();
        server.close();
        await fake.close();
      }
    }
  }
  await browser.close();
}
