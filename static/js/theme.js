// Runs before the first paint, so that a chosen theme never flashes. Without a choice the system's theme holds.
{
  const root = document.documentElement;
  root.classList.add("script");
  try {
    const theme = localStorage.getItem("theme");
    if (theme === "light" || theme === "dark") root.dataset.theme = theme;
  } catch {
    // Storage is closed to this page; the system's theme holds.
  }
}
