// Names for ids: asks for each person once, a few at a time, and remembers who could not be found.
import type { Http } from "../client/http";
import type { User } from "../contract";

const AT_ONCE = 6;

export class Profiles {
  private readonly asked = new Set<string>();
  private readonly queue: string[] = [];
  private running = 0;

  constructor(
    private readonly http: Pick<Http, "ask">,
    private readonly found: (users: User[]) => void,
  ) {}

  /** Makes sure that these people's names will be known. */
  want(ids: Iterable<string>, known: Record<string, User>): void {
    for (const id of ids) {
      if (id in known || this.asked.has(id)) continue;
      this.asked.add(id);
      this.queue.push(id);
    }
    while (this.running < AT_ONCE && this.queue.length > 0) void this.work();
  }

  private async work(): Promise<void> {
    this.running += 1;
    for (let id = this.queue.shift(); id; id = this.queue.shift()) {
      try {
        this.found([await this.http.ask<User>("GET", `/v1/users/${id}`)]);
      } catch {
        // Deleted, or no network: the next time somebody wants the name it is asked for again.
        this.asked.delete(id);
      }
    }
    this.running -= 1;
  }
}
