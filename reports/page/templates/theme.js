// Light or dark theme: the system's until the button is used, then the reader's choice. Runs before the first paint.
const dark = matchMedia("(prefers-color-scheme: dark)");

// A browser may refuse storage to a page that is opened from a file; the choice then ends with the page.
function remembered() {
  try {
    return localStorage.getItem("theme");
  } catch {
    return null;
  }
}

function remember(theme) {
  try {
    localStorage.setItem("theme", theme);
  } catch {
    return;
  }
}

function currentTheme() {
  return document.documentElement.dataset.theme ?? (dark.matches ? "dark" : "light");
}

function labelTheme() {
  document.getElementById("theme").textContent = currentTheme() === "dark" ? "Light" : "Dark";
}

if (["light", "dark"].includes(remembered())) document.documentElement.dataset.theme = remembered();

addEventListener("DOMContentLoaded", () => {
  labelTheme();
  dark.addEventListener("change", labelTheme);
  document.getElementById("theme").addEventListener("click", () => {
    document.documentElement.dataset.theme = currentTheme() === "dark" ? "light" : "dark";
    remember(currentTheme());
    labelTheme();
  });
});
