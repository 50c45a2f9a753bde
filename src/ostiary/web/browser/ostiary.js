// Signs a person in from a page, and keeps its requests signed in.
//
//   import { Login } from "/auth/static/ostiary.js";
//
//   const login = new Login({ reaches: ["https://orders.example"] });
//   login.onSignedOut(() => location.assign("/"));
//   await login.signIn("ada@example.com", password);
//   await login.fetch("/me");                             // carried by the cookie
//   await login.fetch("https://orders.example/orders");   // carried by an access token
//
// Where a request goes says how it is carried:
//
//   | to                        | carried by                                                               |
//   |---------------------------|--------------------------------------------------------------------------|
//   | the service's own origin  | the cookie, which no script can read                                     |
//   | an origin in `reaches`    | a short access token, for which the cookie is traded; in memory and      |
//   |                           | nowhere else                                                             |
//   | any other                 | nothing: the request is sent as it is                                    |
//
// The tabs of one origin share one access token. Whoever gets it holds a lock for as long as it is good, and tells it to
// the others; when that tab is closed the lock passes on, and the next one that waits for it gets a new token.

const SOON = 30; // seconds: an access token that ends so soon is not sent any more
const PATIENCE = 10_000; // milliseconds: a tab that holds the lock and says nothing for so long is frozen

/** A refusal of the service. `code` is stable, `message` is a sentence for a person, `next` are the steps that lead on. */
export class Refusal extends Error {
  constructor(status, { code = "unknown", detail = `The service answered ${status}.`, next = [], errors = [] }, wait) {
    super(detail);
    this.name = "Refusal";
    this.status = status;
    this.code = code;
    this.next = next;
    this.errors = errors;
    this.retryAfter = wait;
  }

  /** Read an answer that is not `ok`. Its body can still be read after that. */
  static async of(answer) {
    const said = await answer.clone().json().catch(() => ({}));
    return new Refusal(answer.status, said ?? {}, Number(answer.headers.get("retry-after")) || undefined);
  }

  /** Whether it says that nobody is signed in. */
  get isOver() {
    return this.code === "invalid_token" || this.code === "unauthenticated";
  }
}

export class Login {
  #reaches;
  #name; // of the lock, and of the channel between the tabs
  #channel;
  #callbacks = new Set();
  #isIn; // whether somebody is; undefined until we have asked
  #token; // { value, until }: until when by `Date.now()`, for that counts sleep and is the same in every tab
  #getting; // the one promise of a token that all requests of this tab wait for
  #refused; // the value of a token that is good no more
  #heard = () => {}; // wakes whoever waits for a token
  #release = () => {}; // gives the lock back, if this tab holds it

  constructor({ at = new URL("..", import.meta.url), reaches = [] } = {}) {
    /** Where the routes of the service are, with a final slash. */
    this.at = new URL(at).href.replace(/\/*$/, "/");
    for (const origin of reaches) {
      if (new URL(origin).origin !== origin) throw new TypeError(`${origin} is no origin: scheme://host[:port]`);
    }
    this.#reaches = new Set(reaches);
    this.#name = `ostiary ${this.at}`;
    this.#channel = new BroadcastChannel(this.#name);
    this.#channel.onmessage = ({ data }) => this.#take(data);
    this.fetch = this.fetch.bind(this); // so that it can be given to whoever asks for a `fetch`
  }

  /** Log in by password. Returns who is in: `{ user, session }`. */
  async signIn(email, password) {
    return this.#enter(await this.#post("login", { email, password, carrier: "cookie" }));
  }

  /** Make an account, and log in. Returns who is in, or `{ next }` if the address must be proved first. */
  async signUp({ email, password, name = "" }) {
    return this.#enter(await this.#post("register", { email, password, name, carrier: "cookie" }));
  }

  /** End the session: it is dead everywhere, and every tab hears of it. */
  async signOut() {
    try {
      await this.#post("logout");
    } catch (refusal) {
      if (!refusal.isOver) throw refusal;
    }
    this.#end();
  }

  /** Say who is in: `{ user, session }`. */
  async session() {
    const out = await this.#ask("session");
    this.#isIn = true;
    return out;
  }

  /** Take a step that an answer or a refusal names in `next`. What it needs is in `values`; the carrier is known. */
  async follow({ route, needs }, values = {}) {
    const known = { carrier: "cookie", ...values };
    const body = Object.fromEntries(needs.filter((need) => need in known).map((need) => [need, known[need]]));
    const served = [route, route.replace(/^\/auth\//, "")].map((path) => new URL(path, this.at).href);
    const to = served.find((url) => url.startsWith(this.at)); // as it stands, or under the prefix that the service has
    if (!to) throw new TypeError(`${route} is no route of ${this.at}`); // there may be a password in the body
    const out = await this.#post(to, body);
    return needs.includes("carrier") ? this.#enter(out) : out;
  }

  /** Call back when the session is over, whichever tab ends it or finds out. Returns what takes the callback away. */
  onSignedOut(callback) {
    this.#callbacks.add(callback);
    return () => this.#callbacks.delete(callback);
  }

  /** Send a request as `fetch` does, carried as the table above says. A token that is refused is replaced, once. */
  async fetch(input, init) {
    const request = new Request(input, init);
    const to = new URL(request.url).origin;
    if (to === new URL(this.at).origin) return this.#notice(await fetch(request, { credentials: "include" }));
    if (!this.#reaches.has(to)) return fetch(request);
    const again = request.clone(); // a body can be sent only once
    const token = await this.#fresh();
    const answer = await fetch(carrying(request, token));
    if (answer.status !== 401 || (await Refusal.of(answer)).code === "insufficient_user_authentication") return answer;
    return fetch(carrying(again, await this.#fresh(token)));
  }

  // ------------------------------------------------------------------------------------------ the service

  #post(route, body) {
    const headers = body && { "content-type": "application/json" };
    return this.#ask(route, { method: "POST", headers, body: body && JSON.stringify(body) });
  }

  /** Ask the service, and return what it says. */
  async #ask(route, init) {
    const answer = await this.#notice(await fetch(new URL(route, this.at), { ...init, credentials: "include" }));
    if (!answer.ok) throw await Refusal.of(answer);
    return answer.status === 204 ? undefined : answer.json();
  }

  /** Notice when an answer says that the session is over. One that was never known to be there cannot end. */
  async #notice(answer) {
    if (answer.status === 401 && (await Refusal.of(answer)).isOver) {
      if (this.#isIn) this.#end();
      this.#isIn = false;
    }
    return answer;
  }

  #enter(out) {
    if (!out.session) return { next: out.next ?? [] };
    this.#tell({ entered: true });
    this.#drop();
    this.#isIn = true;
    return { user: out.user, session: out.session };
  }

  // ------------------------------------------------------------------------------------------ the tabs

  /** Forget the session, here and in every tab. */
  #end() {
    this.#tell({ ended: true });
    this.#ended();
  }

  #ended() {
    const wasIn = this.#isIn !== false;
    this.#isIn = false;
    this.#drop();
    if (wasIn) this.#callbacks.forEach((callback) => queueMicrotask(callback)); // one that fails spares the others
  }

  #tell(message) {
    this.#channel.postMessage(message);
  }

  #take({ ended, entered, token, asks, refused }) {
    if (ended || (entered && this.#isIn)) this.#ended(); // whoever was in before is not any more
    if (entered) this.#isIn = undefined;
    if (token) this.#keep(token);
    if (asks && this.#has(refused)) this.#tell({ token: this.#token });
  }

  // ------------------------------------------------------------------------------------------ the access token

  /** Return an access token other than the one that was refused. However many ask, one is got. */
  async #fresh(refused) {
    if (!this.#has(refused)) {
      this.#getting ??= this.#get(refused).finally(() => (this.#getting = undefined));
      await this.#getting;
    }
    return this.#token?.value;
  }

  /** Tell whether we have a token that can be sent. One that cannot is dropped, and the lock with it. */
  #has(refused) {
    this.#refused = refused ?? this.#refused;
    if (this.#token && this.#token.value !== this.#refused && Date.now() < this.#token.until) return true;
    this.#drop();
    return false;
  }

  #keep(token) {
    if (token.value === this.#refused) return; // from a tab that has not heard of that yet
    this.#token = token;
    this.#isIn = true;
    this.#heard();
  }

  #drop() {
    this.#token = undefined;
    this.#release();
  }

  /** Get a token from a tab that has one; or be the tab that gets it for all. */
  #get(refused) {
    return new Promise((resolve, reject) => {
      const waiting = new AbortController();
      const hold = async () => {
        if (waiting.signal.aborted) return;
        clearTimeout(frozen);
        try {
          const token = await this.#mint();
          this.#tell({ token });
          this.#keep(token);
        } catch (error) {
          waiting.abort();
          reject(error);
          return;
        }
        await new Promise((release) => (this.#release = release));
      };
      const wait = (options) => navigator.locks.request(this.#name, options, hold).catch(() => {}); // or it was stolen
      const frozen = setTimeout(() => wait({ steal: true }), PATIENCE);
      this.#heard = () => {
        waiting.abort();
        clearTimeout(frozen);
        resolve();
      };
      wait({ signal: waiting.signal });
      this.#tell({ asks: true, refused });
    });
  }

  /** Trade the cookie for an access token. An answer that is lost costs nothing: ask again. */
  async #mint() {
    const trade = () => fetch(new URL("token", this.at), { method: "POST", credentials: "include" });
    let answer = await trade().catch(trade);
    if (answer.status === 401) {
      await this.session(); // throws if it is over; if not, what it may do has changed just now: ask again
      answer = await trade();
    }
    if (!answer.ok) throw await Refusal.of(answer);
    const out = await answer.json();
    const life = Math.max(out.expires_in - SOON, out.expires_in / 2);
    return { value: out.access_token, until: Date.now() + life * 1000 };
  }
}

function carrying(request, token) {
  request.headers.set("authorization", `Bearer ${token}`);
  return request;
}
