// Build of the web client: static files under /, no inline script, no data: URLs, and a budget for the first load.
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import type { Plugin } from "vite";
import { defineConfig } from "vitest/config";

/** Compressed script that a first visit may cost, in bytes: what a slow phone line carries in about a second. */
const FIRST_LOAD_BYTES_MAX = 150 * 1024;
const SERVER = process.env.CHATIFY_DEV_SERVER ?? "http://127.0.0.1:8080";

/** Prints the compressed size of what `index.html` loads at once, and fails the build above the budget. */
function firstLoadBudget(): Plugin {
  return {
    name: "first-load-budget",
    apply: "build",
    generateBundle(_, bundle) {
      const chunks = Object.values(bundle).filter((item) => item.type === "chunk");
      const wanted = chunks.filter((chunk) => chunk.isEntry).map((chunk) => chunk.fileName);
      for (const name of wanted) {
        const chunk = chunks.find((one) => one.fileName === name);
        for (const next of chunk?.imports ?? []) if (!wanted.includes(next)) wanted.push(next);
      }
      let total = 0;
      for (const name of wanted) {
        const chunk = chunks.find((one) => one.fileName === name);
        if (chunk) total += gzipSync(chunk.code, { level: 9 }).length;
      }
      const size = `${(total / 1024).toFixed(1)} KiB of ${FIRST_LOAD_BYTES_MAX / 1024} KiB compressed`;
      if (total > FIRST_LOAD_BYTES_MAX) this.error(`first load: ${size}`);
      this.info(`first load: ${size}`);
    },
  };
}

export default defineConfig({
  plugins: [react(), firstLoadBudget()],
  resolve: {
    // The original writes <style> elements, which our content policy forbids.
    alias: { "react-style-singleton": new URL("src/parts/ui/style-singleton.ts", import.meta.url).pathname },
  },
  build: {
    target: "es2023",
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
  },
  server: {
    proxy: {
      "/v1": SERVER,
      "/dev": SERVER,
      "/socket.io": { target: SERVER, ws: true },
    },
  },
  test: {
    environment: "jsdom",
    setupFiles: ["src/test-setup.ts"],
    include: ["src/**/*.test.{ts,tsx}"],
    css: { modules: { classNameStrategy: "non-scoped" } },
  },
});
