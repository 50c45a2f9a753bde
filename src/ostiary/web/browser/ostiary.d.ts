// The types of ostiary.js.

/** An account, as its own user sees it. Times are in ISO 8601. */
export interface User {
  readonly id: string;
  readonly email: string | null;
  readonly email_verified: boolean;
  readonly name: string;
  readonly language: string;
  readonly roles: readonly string[];
  readonly created_at: string;
}

/** A login, as its own user sees it. */
export interface Session {
  readonly id: string;
  readonly carrier: "cookie" | "bearer";
  readonly device: string;
  readonly ip: string;
  readonly created_at: string;
  readonly last_seen_at: string;
  readonly expires_at: string;
  readonly auth_time: string;
  readonly amr: readonly string[];
  readonly acr: string;
  readonly current: boolean;
}

/** Who is in, and through which session. */
export interface Caller {
  readonly user: User;
  readonly session: Session;
}

/** What can be done next: `follow` sends what it `needs` to its route. */
export interface Step {
  readonly step: string;
  readonly route: string;
  readonly needs: readonly string[];
}

/** What comes next is in a letter. */
export interface Letter {
  readonly next: readonly Step[];
}

export interface FieldError {
  readonly field: string;
  readonly detail: string;
}

/** A refusal of the service. `code` is stable, `message` is a sentence for a person. */
export class Refusal extends Error {
  constructor(
    status: number,
    problem: { code?: string; detail?: string; next?: readonly Step[]; errors?: readonly FieldError[] },
    retryAfter?: number,
  );

  /** Read an answer that is not `ok`. */
  static of(answer: Response): Promise<Refusal>;

  readonly status: number;
  readonly code: string;
  /** The steps that lead on from here: any one of them. */
  readonly next: readonly Step[];
  readonly errors: readonly FieldError[];
  /** In seconds, if the service says so. */
  readonly retryAfter: number | undefined;
  /** Whether it says that nobody is signed in. */
  get isOver(): boolean;
}

export interface Options {
  /** Where the routes of the service are, if not where the module came from: `https://id.example/auth`. */
  at?: string | URL;
  /** The origins whose requests carry an access token: `https://orders.example`. */
  reaches?: Iterable<string>;
}

export class Login {
  constructor(options?: Options);

  /** Where the routes of the service are, with a final slash. */
  readonly at: string;

  /** Log in by password. */
  signIn(email: string, password: string): Promise<Caller>;

  /** Make an account, and log in; unless the address must be proved first. */
  signUp(account: { email: string; password: string; name?: string }): Promise<Caller | Letter>;

  /** End the session, everywhere. */
  signOut(): Promise<void>;

  /** Say who is in. */
  session(): Promise<Caller>;

  /** Take a step that an answer or a refusal names. */
  follow(step: Step, values?: Readonly<Record<string, unknown>>): Promise<unknown>;

  /** Call back when the session is over, whichever tab ends it or finds out. Returns what takes the callback away. */
  onSignedOut(callback: () => void): () => void;

  /** Send a request as `fetch` does, carried by the cookie, by an access token, or by nothing. */
  readonly fetch: typeof globalThis.fetch;
}
