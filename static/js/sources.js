// The Sources desk. Everything here works without it; this makes choosing people and dropping files pleasanter.

/** Tell how many files are chosen, and let them be dropped on the whole box. */
function dropping(box) {
  const input = box.querySelector("input[type=file]");
  if (!input) return;
  const stop = (event) => event.preventDefault();
  for (const kind of ["dragenter", "dragover"])
    box.addEventListener(kind, (event) => { stop(event); box.classList.add("over"); });
  for (const kind of ["dragleave", "dragend", "drop"])
    box.addEventListener(kind, (event) => { stop(event); box.classList.remove("over"); });
  box.addEventListener("drop", (event) => {
    if (!event.dataTransfer?.files.length) return;
    input.files = event.dataTransfer.files;
    input.dispatchEvent(new Event("change", { bubbles: true }));
  });
}

/** Put a field above long lists of groups that leaves only those whose name holds what is typed. */
function filtering(list) {
  const labels = [...list.querySelectorAll("label")];
  if (labels.length < 12) return;
  const input = document.createElement("input");
  input.type = "search";
  input.placeholder = "Find a group";
  input.setAttribute("aria-label", "Find a group");
  input.addEventListener("input", () => {
    const words = input.value.trim().toLowerCase();
    for (const label of labels)
      label.hidden = !label.textContent.toLowerCase().includes(words) && !label.querySelector("input").checked;
  });
  // Enter in a filter must not send the form.
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  list.before(input);
}

/** Put a field above a box of addresses that suggests people by name and adds whom one chooses. */
function suggesting(box) {
  const known = document.getElementById("people-known");
  if (!known?.options.length) return;
  const addresses = new Set([...known.options].map((option) => option.value.toLowerCase()));
  const input = document.createElement("input");
  input.type = "text";
  input.className = "adder";
  input.setAttribute("list", known.id);
  input.autocomplete = "off";
  input.placeholder = "Type a name to add somebody";
  input.setAttribute("aria-label", "Type a name to add somebody");
  const add = () => {
    const address = input.value.trim().toLowerCase();
    if (!addresses.has(address)) return;
    const listed = box.value.split(/[\n,;]/).map((word) => word.trim()).filter(Boolean);
    if (!listed.some((word) => word.toLowerCase() === address)) listed.push(address);
    box.value = listed.join("\n");
    input.value = "";
  };
  input.addEventListener("input", add);
  input.addEventListener("keydown", (event) => { if (event.key === "Enter") { event.preventDefault(); add(); } });
  box.before(input);
}

for (const box of document.querySelectorAll(".access textarea")) suggesting(box);
for (const box of document.querySelectorAll("[data-drop]")) dropping(box);
for (const list of document.querySelectorAll(".pick")) filtering(list);
