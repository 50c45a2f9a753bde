// A client on another origin of the same site, which is a loop over answers: it asks who is there, shows what can be
// done next, sends it, and looks at what comes back. Nothing secret is in its hands: the browser keeps the cookie.
//
//   OSTIARY_TRUSTED_ORIGINS=http://localhost:5173 make serve
//   python -m http.server --directory examples/spa 5173

const ISSUER = document.querySelector("meta[name=issuer]").content;
const said = document.getElementById("said");
const shown = document.getElementById("shown");

// A step: where it leads, and what must be sent there. An answer names others of the same form in `next`.
const LOGIN = { step: "login", route: "/auth/login", needs: ["email", "password", "carrier"] };
const REGISTER = { step: "register", route: "/auth/register", needs: ["email", "password", "name", "carrier"] };

const KNOWN = { carrier: "cookie" };
const STEPS = { login: "Sign in", register: "Make an account", step_up: "Prove yourself again" };
const FIELDS = {
  email: ["E-mail address", { type: "email", autocomplete: "username" }],
  password: ["Password", { type: "password", autocomplete: "current-password" }],
  new: ["New password", { type: "password", autocomplete: "new-password" }],
  code: ["Code", { inputMode: "numeric", autocomplete: "one-time-code" }],
  name: ["Name", { autocomplete: "name", required: false }],
};

/** Send a request, and return its answer: whether it went well, what it says, and how many seconds to wait. */
async function ask(method, route, body) {
  try {
    const answer = await fetch(ISSUER + route, {
      method,
      credentials: "include",
      headers: body && { "content-type": "application/json" },
      body: body && JSON.stringify(body),
    });
    const out = answer.status === 204 ? {} : await answer.json();
    return { ok: answer.ok, status: answer.status, out, wait: answer.headers.get("retry-after") };
  } catch {
    return { ok: false, status: 0, out: { detail: `${ISSUER} cannot be reached from here.` } };
  }
}

/** Say a refusal in a sentence, and what is wrong with each field. */
function sentence({ out, wait }) {
  const fields = (out.errors ?? []).map(({ field, detail }) => `${field}: ${detail}`);
  return [out.detail, ...fields, wait && `Try again in ${wait} seconds.`].filter(Boolean).join(" ");
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
        const fields = step.needs.filter((need) => !(need in KNOWN)).map((need) => {
          const [words, properties] = FIELDS[need] ?? [need, {}];
          return make("label", {}, words, make("input", { name: need, required: true, ...properties }));
        });
        const form = make("form", { ariaLabel: label }, ...fields, make("button", {}, label));
        form.addEventListener("submit", (event) => {
          event.preventDefault();
          resolve({ step, body: { ...Object.fromEntries(new FormData(form)), ...pick(KNOWN, step.needs) } });
        });
        return form;
      }),
    );
  });
}

function pick(values, names) {
  return Object.fromEntries(Object.entries(values).filter(([name]) => names.includes(name)));
}

/** Go from step to step until one went well and leads nowhere else. */
async function follow(first) {
  for (let steps = first; ; ) {
    const { step, body } = await choose(steps);
    const answer = await ask("POST", step.route, body);
    const next = answer.out.next ?? [];
    said.textContent = answer.ok ? "" : sentence(answer);
    if (answer.ok && next.length === 0) return;
    steps = answer.ok ? next : [step, ...next, ...first.filter((other) => other !== step)];
  }
}

/** Send what needs a session. A refusal that names a step leads there, and then it is sent again. */
async function act(method, route) {
  for (;;) {
    const answer = await ask(method, route);
    if (answer.ok || answer.status !== 401) return answer;
    said.textContent = sentence(answer);
    await follow(answer.out.next?.length ? answer.out.next : [LOGIN]);
  }
}

/** Show who is in and on which devices, and do what is clicked. */
async function inside({ user }) {
  const { out } = await act("GET", "/auth/sessions");
  const clicked = await new Promise((resolve) => {
    const devices = (out.sessions ?? []).map(({ id, device, current }) =>
      make("li", {}, `${device}${current ? " (this one) " : " "}`,
        ...(current ? [] : [make("button", { onclick: () => resolve(["DELETE", `/auth/sessions/${id}`]) }, "End")])),
    );
    shown.replaceChildren(
      make("p", { id: "who" }, user.email),
      make("ul", {}, ...devices),
      make("button", { onclick: () => resolve(["POST", "/auth/logout"]) }, "Sign out"),
    );
  });
  const answer = await act(...clicked);
  said.textContent = answer.ok ? "" : sentence(answer);
}

for (;;) {
  const answer = await ask("GET", "/auth/session");
  if (answer.ok) {
    await inside(answer.out);
  } else {
    if (answer.status !== 401) said.textContent = sentence(answer);
    await follow([LOGIN, REGISTER]);
  }
}
