// The page begins here.
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Chat } from "./state/chat";
import { applyTheme, preferences } from "./state/preferences";
import "./theme/index.css";

applyTheme(preferences.getState().theme);
const root = document.getElementById("root");
if (root) createRoot(root).render(<App chat={await Chat.create()} />);
