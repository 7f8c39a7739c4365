// Draws an answer while it is made. What streams is a preview; the finished answer is always fetched from the server, which decides
// again what may be shown.
import { problem } from "./base.js";
import { refreshConversations } from "./conversations.js";
import { reveal } from "./desk.js";

export function listen(root) {
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
  // What was read aloud while it streamed is not read again; what did not stream (a refusal, a caution) is.
  const unsaid = fresh.querySelector(streamed ? ".verdicts" : ".refusal, .clarify, .notice, .answer");
  if (unsaid || !streamed) announce(unsaid);
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

function announce(said) {
  const live = document.createElement("div");
  live.className = "unseen";
  live.setAttribute("role", "status");
  document.body.append(live);
  setTimeout(() => { live.textContent = said?.innerText ?? "The answer is there."; }, 50);
  setTimeout(() => live.remove(), 5000);
}
