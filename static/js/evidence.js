// Evidence beside the text: the panel that a footnote opens, and its quote on hover and focus.
import { panel, smooth } from "./desk.js";

let openedFrom = null;

document.addEventListener("htmx:beforeRequest", (event) => {
  if (event.detail.elt.matches?.(".fn, .note")) openedFrom = event.detail.elt;
});

document.addEventListener("htmx:afterSwap", (event) => { if (event.detail.target.id === "panel") showPanel(); });

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

export function closePanel() {
  if (!panel()?.firstElementChild) return false;
  panel().replaceChildren();
  markOpen(null);
  if (openedFrom?.isConnected) openedFrom.focus();
  return true;
}

document.addEventListener("click", (event) => { if (event.target.closest?.("[data-closes-panel]")) closePanel(); });

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

export function hidePeek() {
  document.getElementById("peek")?.remove();
  document.querySelector(".fn[aria-describedby=peek]")?.removeAttribute("aria-describedby");
}

const footnote = (event) => event.target.closest?.(".fn[data-note]");
document.addEventListener("mouseover", (event) => { if (footnote(event)) showPeek(footnote(event)); });
document.addEventListener("mouseout", (event) => { if (footnote(event)) hidePeek(); });
document.addEventListener("focusin", (event) => { if (footnote(event)?.matches(":focus-visible")) showPeek(footnote(event)); });
document.addEventListener("focusout", (event) => { if (footnote(event)) hidePeek(); });
addEventListener("scroll", hidePeek, { passive: true });
