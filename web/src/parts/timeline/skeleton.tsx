// The shape of messages before they come.
import { texts } from "../../texts";
import { Skeleton } from "../ui/controls";
import styles from "./skeleton.module.css";

const WIDTHS = [["62%", "38%"], ["44%"], ["71%", "54%"], ["30%"], ["58%"], ["66%", "24%"]];

export function TimelineSkeleton() {
  return (
    <div className={styles.list} role="status" aria-label={texts.app.loading}>
      {WIDTHS.map((lines, at) => (
        <div key={at} className={styles.one}>
          <Skeleton width="2.25rem" height="2.25rem" />
          <div className={styles.lines}>
            <Skeleton width="8rem" />
            {lines.map((width) => (
              <Skeleton key={width} width={width} />
            ))}
          </div>
        </div>
      ))}
    </div>
  );
}
