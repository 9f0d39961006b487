// Stands in for the package `react-style-singleton` (see vite.config.ts), which the dialogs use to hold the page still.
// The original writes <style> elements, which a strict content policy forbids; constructed sheets are allowed.
import { useEffect, useState } from "react";

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
    // The first text holds for as long as it is mounted, unless it was said to change.
    const [first] = useState(styles);
    const wanted = dynamic ? styles : first;
    useEffect(() => {
      sheet.add(wanted);
      return () => sheet.remove();
    }, [wanted]);
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
