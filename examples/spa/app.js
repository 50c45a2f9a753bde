// A client on another origin of the same site, which is a loop over answers: it asks who is there, shows what can be
// done next, sends it, and looks at what comes back. Nothing secret is in its hands: the browser keeps the cookie.
//
//   OSTIARY_TRUSTED_ORIGINS=http://localhost:5173 make serve
//   python -m http.server --directory examples/spa 5173

import { Login, Refusal } from "http://localhost:8000/auth/static/ostiary.js";

const login = new Login();
const said = document.getElementById("said");
const shown = document.getElementById("shown");

// A step: where it leads, and what must be sent there. An answer names others of the same form in `next`.
const LOGIN = { step: "login", route: "/auth/login", needs: ["email", "password", "carrier"] };
const REGISTER = { step: "register", route: "/auth/register", needs: ["email", "password", "name", "carrier"] };

const KNOWN = ["carrier"]; // what no person types
const STEPS = { login: "Sign in", register: "Make an account", step_up: "Prove yourself again" };
const FIELDS = {
  email: ["E-mail address", { type: "email", autocomplete: "username" }],
  password: ["Password", { type: "password", autocomplete: "current-password" }],
  new: ["New password", { type: "password", autocomplete: "new-password" }],
  code: ["Code", { inputMode: "numeric", autocomplete: "one-time-code" }],
  name: ["Name", { autocomplete: "name", required: false }],
};

/** Say what went wrong in a sentence, and what is wrong with each field. */
function sentence(error) {
  if (!(error instanceof Refusal)) return `${login.at} cannot be reached from here.`;
  const fields = error.errors.map(({ field, detail }) => `${field}: ${detail}`);
  return [error.message, ...fields, error.retryAfter && `Try again in ${error.retryAfter} seconds.`].filter(Boolean).join(" ");
}

function make(name, properties, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children);
  return element;
}

/** Show a form for each step, and wait until one is sent. */
function choose(steps) {
  return new Promise((resolve) => {
    shown.replaceChildren(
      ...steps.map((step) => {
        const label = STEPS[step.step] ?? step.step.replaceAll("_", " ");
        const fields = step.needs.filter((need) => !KNOWN.includes(need)).map((need) => {
          const [words, properties] = FIELDS[need] ?? [need, {}];
          return make("label", {}, words, make("input", { name: need, required: true, ...properties }));
        });
        const form = make("form", { ariaLabel: label }, ...fields, make("button", {}, label));
        form.addEventListener("submit", (event) => {
          event.preventDefault();
          resolve({ step, values: Object.fromEntries(new FormData(form)) });
        });
        return form;
      }),
    );
  });
}

/** Go from step to step until one went well and leads nowhere else. */
async function follow(first) {
  for (let steps = first; ; ) {
    const { step, values } = await choose(steps);
    try {
      const { next = [] } = (await login.follow(step, values)) ?? {};
      said.textContent = "";
      if (next.length === 0) return;
      steps = next;
    } catch (error) {
      said.textContent = sentence(error);
      steps = [step, ...(error.next ?? []), ...first.filter((other) => other !== step)];
    }
  }
}

/** Send what needs a session. A refusal that names a step leads there, and then it is sent again. */
async function act(method, route) {
  for (;;) {
    const answer = await login.fetch(login.at + route, { method });
    if (answer.ok) return answer;
    const refusal = await Refusal.of(answer);
    if (answer.status !== 401) throw refusal;
    said.textContent = sentence(refusal);
    await follow(refusal.next.length ? refusal.next : [LOGIN]);
  }
}

/** Show who is in and on which devices, and do what is clicked. */
async function inside({ user }) {
  const { sessions } = await (await act("GET", "sessions")).json();
  let stop;
  const clicked = await new Promise((resolve) => {
    const devices = sessions.map(({ id, device, current }) =>
      make("li", {}, `${device}${current ? " (this one) " : " "}`,
        ...(current ? [] : [make("button", { onclick: () => resolve(() => act("DELETE", `sessions/${id}`)) }, "End")])),
    );
    stop = login.onSignedOut(() => resolve(() => {})); // in another tab, perhaps
    shown.replaceChildren(
      make("p", { id: "who" }, user.email),
      make("ul", {}, ...devices),
      make("button", { onclick: () => resolve(() => login.signOut()) }, "Sign out"),
    );
  });
  stop();
  await clicked();
}

for (;;) {
  try {
    await inside(await login.session());
    said.textContent = "";
  } catch (error) {
    if (!error.isOver) said.textContent = sentence(error);
    await follow([LOGIN, REGISTER]);
  }
}
