// The Ask desk: asks, walks footnotes by key, copies an answer.
import { toast } from "./base.js";
import { desk, panel, reveal, smooth } from "./desk.js";
import { closePanel, hidePeek } from "./evidence.js";
import { drawPicks } from "./narrow.js";
import { listen } from "./stream.js";

// --- Asking ---------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || event.shiftKey || event.isComposing || event.target.id !== "text") return;
  event.preventDefault();
  if (event.target.value.trim()) event.target.form.requestSubmit();
});

// The whole box is where one types.
document.addEventListener("click", (event) => {
  if (event.target.matches?.(".box form, .narrowing")) event.target.closest("form").querySelector("textarea").focus();
});

/** Show the question at once, before the server has said anything. */
document.addEventListener("htmx:beforeRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches?.("[data-asks]")) return;
  const typed = form.querySelector("textarea")?.value ?? event.detail.requestConfig.triggeringEvent?.submitter?.value ?? "";
  const turn = document.createElement("article");
  turn.className = "turn";
  turn.id = "pending";
  const heading = document.createElement("h2");
  heading.className = "question";
  heading.textContent = typed.trim();
  const line = document.createElement("p");
  line.className = "working-line";
  line.setAttribute("role", "status");
  line.innerHTML = '<span class="spin" aria-hidden="true"></span> <span>Working out what to look for</span>';
  turn.append(heading, line);
  document.getElementById("pending")?.remove();
  document.getElementById("turns").append(turn);
  desk().classList.add("asking");
  reveal(turn);
});

document.addEventListener("htmx:beforeSwap", (event) => {
  if (event.detail.requestConfig.elt.matches?.("[data-asks]")) document.getElementById("pending")?.remove();
});

document.addEventListener("htmx:afterRequest", (event) => {
  const form = event.detail.elt;
  if (!form.matches?.("[data-asks]")) return;
  document.getElementById("pending")?.remove();
  desk()?.classList.remove("asking");
  // The words stay in the box unless the question was taken; what was picked stays until it is taken out.
  const typed = form.querySelector("textarea");
  if (event.detail.successful && form.isConnected && typed) typed.value = "";
  if (event.detail.successful) for (const old of document.querySelectorAll(".follow")) if (old.closest(".turn:not(:last-child)")) old.remove();
});

// A limit is told before it is met; the server has the last word.
document.addEventListener("input", (event) => {
  if (event.target.id !== "text") return;
  const limit = Number(event.target.dataset.limit);
  const under = document.querySelector(".box .under");
  let count = under.querySelector(".count");
  if (event.target.value.length < limit * 0.8) return void count?.remove();
  if (!count) {
    count = document.createElement("span");
    under.append(count);
  }
  count.className = event.target.value.length > limit ? "count num bad" : "count num";
  count.textContent = `${event.target.value.length} of ${limit} characters`;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "turns") reveal(event.detail.target.lastElementChild);
  if (event.detail.target.id === "dialog") {
    const dialog = event.detail.target;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("input[type=text]")?.select();
  }
});

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  if (hit("[data-closes-dialog]")) document.getElementById("dialog").close();
  const copies = hit("[data-copies]");
  if (copies) copy(copies.dataset.copies);
});

// --- Keys -----------------------------------------------------------------------------------------------------------

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog:popover-open, dialog[open]")) return;
  if (event.key === "Escape") {
    if (document.getElementById("peek")) hidePeek();
    const narrow = document.querySelector("[data-narrow][open]");
    if (narrow) {
      narrow.open = false;
      narrow.querySelector("summary").focus();
      return event.preventDefault();
    }
    if (closePanel()) event.preventDefault();
    else if (event.target.id === "text") event.target.blur();
    return;
  }
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  if (event.key === "/") {
    event.preventDefault();
    document.getElementById("text")?.focus();
  } else if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    walk(event.key === "j" ? 1 : -1);
  }
});

/** Go to the next or previous footnote; while the evidence is open, it follows. */
function walk(step) {
  const all = [...document.querySelectorAll(".turn .fn[data-note]")];
  if (!all.length) return;
  const here = all.findIndex((link) => link === document.activeElement);
  const marked = here >= 0 ? here : all.findIndex((link) => link.hasAttribute("aria-current"));
  const next = marked < 0 ? (step > 0 ? 0 : all.length - 1) : Math.min(Math.max(marked + step, 0), all.length - 1);
  all[next].focus();
  all[next].scrollIntoView({ block: "nearest", behavior: smooth });
  if (panel().firstElementChild) all[next].click();
}

// --- Copy -----------------------------------------------------------------------------------------------------------

async function copy(question) {
  const turn = document.getElementById(`q-${question}`);
  const paragraphs = [...turn.querySelectorAll(".answer > p, .claim.block")].map((stretch) =>
    (stretch.matches(".claim") ? [stretch] : [...stretch.querySelectorAll(".claim:not(.gone)")]).filter((claim) => claim.dataset.support !== "struck").map((claim) =>
      claim.querySelector(".words").innerText + [...claim.querySelectorAll(".fn")].map((link) => `[${link.textContent}]`).join("")
    ).join(" "));
  const notes = [...turn.querySelectorAll("a.note")].map((note) =>
    `[${note.dataset.note}] ${note.querySelector("b").textContent} (${note.querySelector(".where").textContent}) ${note.href}`);
  const cautions = [...turn.querySelectorAll(".verdict")].map((caution) => caution.innerText.trim());
  try {
    await navigator.clipboard.writeText([...paragraphs, ...cautions, "", ...notes].join("\n"));
    toast("Copied with its footnotes");
  } catch {
    toast("The browser did not allow copying; select the text instead");
  }
}

// --- Start ----------------------------------------------------------------------------------------------------------

document.addEventListener("htmx:load", (event) => listen(event.detail.elt));
// Modules run after the page is read, so the answer asked for on the page before is already being waited for.
listen(document.body);
drawPicks();
