// Makes the pages pleasant. Each of them works without it.

for (const field of document.querySelectorAll("input[type=password]")) {
  const button = field.parentElement.querySelector("[data-show]");
  if (!button) continue;
  button.hidden = false;
  button.addEventListener("click", () => {
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    button.setAttribute("aria-pressed", String(shown));
    button.textContent = shown ? button.dataset.hide : button.dataset.show;
    field.focus();
  });
}

for (const form of document.querySelectorAll("form")) {
  form.addEventListener("submit", (event) => {
    if (form.dataset.sent) event.preventDefault();
    form.dataset.sent = "yes";
    for (const button of form.querySelectorAll("button:not([data-show])")) button.setAttribute("aria-disabled", "true");
  });
}

// A page that the browser kept alive may show a session that is over: ask for it anew.
addEventListener("pageshow", (event) => {
  if (event.persisted) location.reload();
});
