// The page begins here. The theme comes first: it names the order of the layers.
import "./theme/index.css";
import { createRoot } from "react-dom/client";
import { App } from "./app";
import { Chat } from "./state/chat";
import { applyTheme, preferences } from "./state/preferences";

applyTheme(preferences.getState().theme);
const root = document.getElementById("root");
if (root) createRoot(root).render(<App chat={await Chat.create()} />);
