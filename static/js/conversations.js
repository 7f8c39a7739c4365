// The list of conversations: refreshed after an answer, without taking a click or the focus away.
export function refreshConversations() {
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
