// Stands in for the package `react-style-singleton` (see vite.config.ts), which the dialogs use to hold the page still.
// The original writes <style> elements, which a strict content policy forbids; constructed sheets are allowed.
import { useEffect } from "react";

export const stylesheetSingleton = makeSheet;

/** A component that applies its `styles` while at least one of it is mounted. */
export function styleSingleton() {
  const useSheet = makeSheetHook();
  return function Sheet({ styles, dynamic }: { styles: string; dynamic?: boolean }): null {
    useSheet(styles, dynamic);
    return null;
  };
}

export function styleHookSingleton() {
  return makeSheetHook();
}

function makeSheetHook() {
  const sheet = makeSheet();
  return (styles: string, dynamic = false): void => {
    const key = dynamic ? styles : "once";
    // The first text holds for all, unless it was said to change.
    // eslint-disable-next-line react-hooks/exhaustive-deps
    useEffect(() => {
      sheet.add(styles);
      return () => sheet.remove();
    }, [key]);
  };
}

function makeSheet() {
  let users = 0;
  let sheet: CSSStyleSheet | null = null;
  return {
    add(styles: string): void {
      if (users++ > 0) return;
      sheet = new CSSStyleSheet();
      sheet.replaceSync(styles);
      document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
    },
    remove(): void {
      if (--users > 0) return;
      document.adoptedStyleSheets = document.adoptedStyleSheets.filter((one) => one !== sheet);
      sheet = null;
    },
  };
}
