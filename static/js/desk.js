// What the parts of the Ask desk share.
export const desk = () => document.getElementById("desk");
export const panel = () => document.getElementById("panel");
export const smooth = matchMedia("(prefers-reduced-motion: reduce)").matches ? "auto" : "smooth";

export function reveal(element) {
  const overlap = document.getElementById("box")?.offsetHeight ?? 0;
  const { top, bottom } = element.getBoundingClientRect();
  if (bottom > innerHeight - overlap || top < 60) scrollBy({ top: top - 76, behavior: smooth });
}
