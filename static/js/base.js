// What every page shares. Each part works without it; this makes them pleasanter.

/** Show a short notice that goes away by itself. Screen readers hear it. */
export function toast(sentence) {
  document.querySelector(".toast")?.remove();
  const note = document.createElement("div");
  note.className = "toast";
  note.setAttribute("role", "status");
  note.textContent = sentence;
  document.body.append(note);
  setTimeout(() => note.remove(), 4000);
}

/** Show a lasting problem above the page; an empty sentence takes it away. */
export function problem(sentence) {
  const place = document.getElementById("problem");
  if (!place) return;
  place.querySelector("p").textContent = sentence;
  place.hidden = !sentence;
}

function closeMenus(except) {
  for (const menu of document.querySelectorAll("details.menu[open]")) if (menu !== except) menu.open = false;
}

document.addEventListener("click", (event) => {
  closeMenus(event.target.closest?.("details.menu"));
  const theme = event.target.closest?.("[data-theme-choice]");
  if (theme) chooseTheme(theme.dataset.themeChoice);
});

document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const menu = document.querySelector("details.menu[open]");
  if (!menu) return;
  menu.open = false;
  menu.querySelector("summary").focus();
  event.stopPropagation();
}, true);

function chooseTheme(choice) {
  const root = document.documentElement;
  if (choice === "auto") delete root.dataset.theme;
  else root.dataset.theme = choice;
  try {
    if (choice === "auto") localStorage.removeItem("theme");
    else localStorage.setItem("theme", choice);
  } catch {
    // Not kept for the next page; still chosen for this one.
  }
  markTheme();
}

function markTheme() {
  const now = document.documentElement.dataset.theme ?? "auto";
  for (const button of document.querySelectorAll("[data-theme-choice]"))
    button.setAttribute("aria-pressed", String(button.dataset.themeChoice === now));
}
markTheme();

// A form that filters a list submits itself when a choice changes.
document.addEventListener("change", (event) => {
  const form = event.target.closest?.("form[data-submits]");
  if (form) form.requestSubmit();
});

const OFFLINE = "You are offline. What is on this page stays; nothing new can be loaded until the connection is back.";
addEventListener("offline", () => problem(OFFLINE));
addEventListener("online", () => problem(""));

document.addEventListener("htmx:sendError", () => problem(navigator.onLine
  ? "The server could not be reached. Check the connection and try again." : OFFLINE));
document.addEventListener("htmx:responseError", (event) => {
  const status = event.detail.xhr.status;
  problem(status === 404 ? "This is no longer available to you." : status === 401
    ? "Your session has ended. Reload the page to sign in again."
    : status === 403 ? "The page has expired. Reload it and try again."
    : "That did not work. Nothing was changed; try again in a moment.");
});
document.addEventListener("htmx:afterOnLoad", (event) => { if (event.detail.successful !== false) problem(""); });

// A view says a short word of thanks with the header HX-Trigger: {"footnote:toast": {"value": "…"}}.
document.addEventListener("footnote:toast", (event) => toast(event.detail.value));
