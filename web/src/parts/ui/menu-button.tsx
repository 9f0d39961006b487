// A button that opens a menu or another floating thing. What floats is fetched when it is first wanted, or when the
// pointer or the focus comes near; focus returns to the button when it closes.
import { type ComponentProps, type ComponentType, type ReactNode, Suspense, lazy, useRef, useState } from "react";

export interface SurfaceProps {
  /** The button; what opens stands beside it. */
  anchor: HTMLElement;
  onClose: () => void;
}

/** A lazily fetched surface, with a way to fetch it early. */
export function surface<P extends object>(load: () => Promise<{ default: ComponentType<P & SurfaceProps> }>) {
  return { View: lazy(load), load };
}

type Surface<P extends object> = ReturnType<typeof surface<P>>;

interface MenuButtonProps<P extends object> extends Omit<ComponentProps<"button">, "popover"> {
  opens: Surface<P>;
  with: P;
  kind?: "menu" | "dialog";
  open?: boolean;
  onOpen?: (open: boolean) => void;
  children: ReactNode;
}

export function MenuButton<P extends object>({ opens, with: given, kind = "menu", open, onOpen, children, ...rest }: MenuButtonProps<P>) {
  const [own, setOwn] = useState(false);
  const [anchor, setAnchor] = useState<HTMLElement | null>(null);
  const closedAt = useRef(0);
  const shown = open ?? own;
  const set = (next: boolean) => {
    if (!next) closedAt.current = performance.now();
    setOwn(next);
    onOpen?.(next);
  };
  const View = opens.View as unknown as ComponentType<object>;
  return (
    <>
      <button
        type="button"
        ref={setAnchor}
        aria-haspopup={kind}
        aria-expanded={shown}
        data-state={shown ? "open" : "closed"}
        onPointerEnter={() => void opens.load()}
        onFocus={() => void opens.load()}
        // The press that closes an open menu by its outside must not open it again.
        onClick={() => performance.now() - closedAt.current > 200 && set(!shown)}
        onKeyDown={(event) => {
          if (kind !== "menu" || event.key !== "ArrowDown") return;
          event.preventDefault();
          event.stopPropagation();
          set(true);
        }}
        {...rest}
      >
        {children}
      </button>
      {shown && anchor && (
        <Suspense fallback={null}>
          <View {...given} anchor={anchor} onClose={() => set(false)} />
        </Suspense>
      )}
    </>
  );
}
