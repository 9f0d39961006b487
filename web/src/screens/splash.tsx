// The first moment: the sign, and a word when the server does not answer.
import { texts } from "../texts";
import { Sign } from "./sign-in/wordmark";
import styles from "./splash.module.css";

export function Splash({ unreachable }: { unreachable: boolean }) {
  return (
    <main className={styles.splash} role="status" aria-label={texts.app.loading}>
      <Sign size={44} />
      {unreachable && <p>{texts.problems.no_answer}</p>}
    </main>
  );
}
