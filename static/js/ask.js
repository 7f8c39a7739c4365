// The Ask desk: streams a running answer, opens evidence beside the text, walks footnotes by key.
// What streams is a preview; the finished answer is always fetched from the server, which decides again what may be shown.
import { problem, toast } from "./base.js";

const desk = () => document.getElementById("desk");
const panel = () => document.getElementById("panel");
const smooth = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";

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

// --- Where to look ----------------------------------------------------------------------------------------------------

const PICKS = ["source", "type", "author", "since", "until"];
const CROSS = '<svg width="13" height="13" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.25" stroke-linecap="round" aria-hidden="true"><path d="M18 6 6 18M6 6l12 12"/></svg>';
const boxForm = () => document.querySelector(".box form");

/** Return what is picked: each field with the words that say it, such as "since 1 Jan 2024". */
function picks() {
  const found = [];
  const day = (value) => new Date(`${value}T12:00`).toLocaleDateString("en-GB", { day: "numeric", month: "short", year: "numeric" });
  for (const field of boxForm()?.querySelectorAll(PICKS.map((name) => `[name=${name}]`).join()) ?? []) {
    if (field.type === "checkbox" ? !field.checked : !field.value.trim()) continue;
    const says = { author: `by ${field.value.trim()}`, since: `since ${day(field.value)}`, until: `until ${day(field.value)}` };
    found.push({ field, words: field.dataset.says ?? says[field.name] });
  }
  return found;
}

function drawPicks() {
  const list = document.querySelector("[data-picked]");
  if (!list) return;
  list.replaceChildren(...picks().map(({ field, words }) => {
    const item = document.createElement("li");
    const chip = document.createElement("button");
    chip.type = "button";
    chip.className = "chip";
    chip.setAttribute("aria-label", `Do not narrow to: ${words}`);
    const name = document.createElement("span");
    name.textContent = words;
    chip.append(name);
    chip.insertAdjacentHTML("beforeend", CROSS);
    chip.addEventListener("click", () => {
      if (field.type === "checkbox") field.checked = false;
      else field.value = "";
      drawPicks();
      (list.querySelector("button") ?? document.getElementById("text"))?.focus();
    });
    item.append(chip);
    return item;
  }));
}

document.addEventListener("input", (event) => { if (event.target.closest?.("[data-narrow]")) drawPicks(); });
// Enter in one of its fields is done with narrowing, not with the question.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Enter" || !event.target.matches?.("[data-narrow] input")) return;
  event.preventDefault();
  event.target.closest("[data-narrow]").open = false;
  document.getElementById("text").focus();
});
document.addEventListener("htmx:load", (event) => { if (event.detail.elt.querySelector?.("[data-picked]")) drawPicks(); });

// A click beside the panel closes it, as Escape does; what is picked stays.
document.addEventListener("click", (event) => {
  const open = document.querySelector("[data-narrow][open]");
  if (open && !open.contains(event.target) && !event.target.closest?.("[data-picked]")) open.open = false;
});
document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches?.("[data-asks]")) document.querySelector("[data-narrow][open]")?.removeAttribute("open");
});

// A suggested question or follow-up is looked for where the box says, as a typed one is.
document.addEventListener("htmx:configRequest", (event) => {
  if (!event.detail.elt.matches?.("[data-asks]") || event.detail.elt === boxForm()) return;
  const data = event.detail.formData;
  for (const name of PICKS) data.delete(name);
  for (const { field } of picks()) data.append(field.name, field.value);
});

function reveal(element) {
  const overlap = document.getElementById("box")?.offsetHeight ?? 0;
  const { top, bottom } = element.getBoundingClientRect();
  if (bottom > innerHeight - overlap || top < 60) scrollBy({ top: top - 76, behavior: smooth });
}

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

// --- Streaming ------------------------------------------------------------------------------------------------------

function listen(root) {
  const found = root.matches?.("[data-events]") ? [root] : root.querySelectorAll?.("[data-events]") ?? [];
  for (const working of found) if (!working.dataset.listens) stream(working);
}

function stream(working) {
  working.dataset.listens = "yes";
  const events = new EventSource(working.dataset.events);
  const say = (sentence) => { working.querySelector("[data-working] span:last-child").textContent = sentence; };
  const on = (name, act) => events.addEventListener(name, (event) => {
    if (!working.isConnected) return events.close();
    act(JSON.parse(event.data));
  });
  on("plan", (data) => {
    drawPlan(working, data.sub_queries);
    say("Searching");
  });
  on("found", (data) => {
    tick(working, data.sub_queries);
    say("Reading what was found");
  });
  on("sentence", (data) => {
    working.querySelector("[data-working]").hidden = true;
    drawSentence(working, data);
  });
  on("done", () => {
    events.close();
    finish(working);
  });
  events.onerror = () => {
    if (!working.isConnected) return events.close();
    // The browser reconnects by itself after a broken line; it gives up only when the server refuses.
    if (events.readyState === EventSource.CLOSED) refused(working);
    else say(navigator.onLine ? "Connecting again" : "Offline; this goes on when the connection is back");
  };
  addEventListener("pagehide", () => events.close(), { once: true });
}

function drawPlan(working, searches) {
  const list = working.querySelector("[data-plan]");
  if (list.children.length) return;
  list.setAttribute("aria-label", "What is looked for");
  list.classList.add("fresh");
  for (const search of searches) {
    const item = document.createElement("li");
    item.dataset.number = search.number;
    item.innerHTML = '<span class="state"><span class="spin"></span></span><span></span><span class="found"></span>';
    item.children[1].textContent = search.text;
    list.append(item);
  }
  list.hidden = false;
}

const CHECK = '<svg width="14" height="14" viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2.5" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="M20 6 9 17l-5-5"/></svg>';
const DASH = CHECK.replace("M20 6 9 17l-5-5", "M5 12h14");

function tick(working, searches) {
  for (const search of searches) {
    const item = working.querySelector(`[data-plan] [data-number="${search.number}"]`);
    if (!item) continue;
    item.classList.toggle("nothing", !search.passages);
    item.children[0].innerHTML = search.passages ? CHECK : DASH;
    item.children[2].textContent = search.found;
  }
}

function drawSentence(working, data) {
  const answer = working.querySelector("[data-answer]");
  let paragraph = answer.lastElementChild;
  if (!paragraph || (data.paragraph ?? 0) !== Number(paragraph.dataset.paragraph)) {
    paragraph = document.createElement("p");
    paragraph.dataset.paragraph = data.paragraph ?? 0;
    answer.append(paragraph);
  }
  const claim = document.createElement("span");
  claim.className = "claim";
  claim.dataset.support = data.support;
  const words = document.createElement("span");
  words.className = "words";
  words.textContent = data.text;
  claim.append(words);
  for (const number of data.numbers) {
    const note = document.createElement("a");
    note.className = "fn";
    note.href = working.dataset.footnotes.replace(/0\/$/, `${number}/`);
    note.textContent = number;
    note.setAttribute("aria-label", `Footnote ${number}`);
    // A word joiner keeps the number on the line of its last word.
    claim.append("\u2060", note);
  }
  paragraph.append(claim, " ");
}

async function finish(working) {
  const turn = working.closest(".turn");
  const held = turn.contains(document.activeElement);
  const isLast = !turn.nextElementSibling;
  const response = await load(working.dataset.fragment);
  if (!response) return;
  const streamed = working.querySelector("[data-answer]").childElementCount > 0;
  const template = document.createElement("template");
  template.innerHTML = response;
  const fresh = template.content.querySelector(".turn");
  // What was read aloud while it streamed is not read again; what did not stream (a refusal) is.
  if (!streamed) announce(fresh);
  turn.replaceWith(fresh);
  htmx.process(fresh);
  if (held) fresh.focus({ preventScroll: true });
  if (isLast) reveal(fresh);
  refreshConversations();
}

/** Fetch a fragment; show why it is not there otherwise. Returns its text or null. */
async function load(url) {
  try {
    const response = await fetch(url, { headers: { "HX-Request": "true" } });
    if (response.headers.get("HX-Redirect") || response.status === 401) return void ended();
    if (response.ok) return await response.text();
    problem(response.status === 404 ? "This is no longer available to you." : "The answer could not be loaded. Reload the page to see it.");
  } catch {
    problem("The connection was lost. Your question is kept; reload the page to see its answer.");
  }
  return null;
}

async function refused(working) {
  try {
    const response = await fetch(working.dataset.events, { headers: { Accept: "text/event-stream" }, redirect: "manual" });
    if (response.status === 401 || response.type === "opaqueredirect") return ended(working);
    response.body?.cancel();
  } catch {
    // Falls through: the sentence below holds for an unreachable server as well.
  }
  replaceWorking(working, "The connection to the server was lost.", "Reload", location.href);
}

function ended(working) {
  const to = `/sign-in/?next=${encodeURIComponent(location.pathname)}`;
  for (const place of working ? [working] : document.querySelectorAll("[data-events]"))
    replaceWorking(place, "Your session has ended. Sign in again; your question is kept.", "Sign in", to);
}

function replaceWorking(working, sentence, action, href) {
  const note = document.createElement("div");
  note.className = "notice warn";
  note.setAttribute("role", "alert");
  const words = document.createElement("p");
  words.textContent = sentence;
  const link = document.createElement("a");
  link.className = "btn small";
  link.href = href;
  link.textContent = action;
  note.append(words, link);
  working.replaceChildren(note);
  working.removeAttribute("aria-busy");
}

function announce(turn) {
  const live = document.createElement("div");
  live.className = "unseen";
  live.setAttribute("role", "status");
  document.body.append(live);
  const said = turn.querySelector(".refusal, .clarify, .notice, .answer");
  setTimeout(() => { live.textContent = said?.innerText ?? "The answer is there."; }, 50);
  setTimeout(() => live.remove(), 5000);
}

function refreshConversations() {
  const list = document.getElementById("conversations");
  const search = document.querySelector(".side [name=q]");
  if (list && !search?.value) htmx.ajax("GET", `/conversations/?current=${list.dataset.current ?? ""}`, { target: list });
}

const listed = (root) => JSON.stringify([...root.querySelectorAll("h2, .none, a.clip")].map((entry) =>
  [entry.textContent, entry.getAttribute("href"), entry.getAttribute("aria-current")]));

// A link that is replaced while it is pressed is never clicked, and one that has the focus loses it.
document.addEventListener("htmx:beforeSwap", (event) => {
  const { target, xhr, serverResponse, pathInfo } = event.detail;
  if (target.id !== "conversations" || xhr.status !== 200) return;
  const fresh = document.createElement("template");
  fresh.innerHTML = serverResponse;
  const pressed = target.matches(":active");
  if (pressed) addEventListener("pointerup", () => htmx.ajax("GET", pathInfo.finalRequestPath, { target }), { once: true });
  if (pressed || listed(fresh.content) === listed(target)) return void (event.detail.shouldSwap = false);
  const held = target.contains(document.activeElement) && document.activeElement;
  if (!held) return;
  const place = `${held.matches(".more") ? ".more" : ".clip"}[href="${held.getAttribute("href")}"]`;
  target.addEventListener("htmx:afterSwap", () => target.querySelector(place)?.focus({ preventScroll: true }), { once: true });
});

// --- Evidence -------------------------------------------------------------------------------------------------------

let openedFrom = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches?.(".fn, .note")) openedFrom = event.detail.elt;
});

document.addEventListener("htmx:afterSwap", (event) => {
  if (event.detail.target.id === "panel") showPanel();
  if (event.detail.target.id === "turns") reveal(event.detail.target.lastElementChild);
  if (event.detail.target.id === "dialog") {
    const dialog = event.detail.target;
    if (!dialog.open) dialog.showModal();
    dialog.querySelector("input[type=text]")?.select();
  }
});

function showPanel() {
  const shown = panel().firstElementChild;
  markOpen(shown);
  hidePeek();
  shown.scrollTop = 0;
  const lit = shown.querySelector("#quote, mark");
  if (lit) {
    const down = lit.getBoundingClientRect().top - shown.getBoundingClientRect().top;
    if (down > shown.clientHeight * 0.7) shown.scrollTop = down - shown.clientHeight * 0.4;
  }
  if (getComputedStyle(shown).position === "fixed") shown.focus();
  const claim = document.querySelector(".fn[aria-current]")?.closest(".claim");
  if (claim && getComputedStyle(shown).position !== "fixed") {
    const { top, bottom } = claim.getBoundingClientRect();
    if (top < 70 || bottom > innerHeight - 120) claim.scrollIntoView({ block: "center", behavior: smooth });
  }
}

function markOpen(shown) {
  for (const link of document.querySelectorAll(".fn[aria-current], .note[aria-current]")) link.removeAttribute("aria-current");
  if (!shown) return;
  const turn = document.getElementById(`q-${shown.dataset.question}`);
  for (const link of turn?.querySelectorAll(`[data-note="${shown.dataset.note}"]`) ?? []) link.setAttribute("aria-current", "true");
}

function closePanel() {
  if (!panel()?.firstElementChild) return false;
  panel().replaceChildren();
  markOpen(null);
  if (openedFrom?.isConnected) openedFrom.focus();
  return true;
}

document.addEventListener("click", (event) => {
  const hit = (selector) => event.target.closest?.(selector);
  if (hit("[data-closes-panel]")) closePanel();
  if (hit("[data-closes-dialog]")) document.getElementById("dialog").close();
  const copies = hit("[data-copies]");
  if (copies) copy(copies.dataset.copies);
});

// --- The quote on hover and focus -----------------------------------------------------------------------------------

function showPeek(link) {
  hidePeek();
  const note = link.closest(".turn")?.querySelector(`.note[data-note="${link.dataset.note}"]`);
  const quote = note?.querySelector("[data-quote]")?.textContent;
  if (!quote) return;
  const card = document.createElement("div");
  card.id = "peek";
  card.setAttribute("role", "tooltip");
  const words = document.createElement("blockquote");
  words.textContent = quote;
  const where = document.createElement("p");
  where.textContent = `${note.querySelector("b").textContent} · ${note.querySelector(".where").textContent}`;
  card.append(words, where);
  document.body.append(card);
  link.setAttribute("aria-describedby", "peek");
  const at = link.getBoundingClientRect();
  const left = Math.min(Math.max(12, at.left - 60), innerWidth - card.offsetWidth - 12);
  const above = at.top - card.offsetHeight - 10;
  card.style.left = `${left}px`;
  card.style.top = `${above > 60 ? above : at.bottom + 10}px`;
}

function hidePeek() {
  document.getElementById("peek")?.remove();
  document.querySelector(".fn[aria-describedby=peek]")?.removeAttribute("aria-describedby");
}

const footnote = (event) => event.target.closest?.(".fn[data-note]");
document.addEventListener("mouseover", (event) => { if (footnote(event)) showPeek(footnote(event)); });
document.addEventListener("mouseout", (event) => { if (footnote(event)) hidePeek(); });
document.addEventListener("focusin", (event) => { if (footnote(event)?.matches(":focus-visible")) showPeek(footnote(event)); });
document.addEventListener("focusout", (event) => { if (footnote(event)) hidePeek(); });
addEventListener("scroll", hidePeek, { passive: true });

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
  try {
    await navigator.clipboard.writeText([...paragraphs, "", ...notes].join("\n"));
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
