// Where to look: what is picked beside the box, drawn as chips, and sent with every question.
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

export function drawPicks() {
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
