// Copy buttons: write to the clipboard; if the browser refuses, show the text selected, for copying by hand.
"use strict";

const SHOWN_MS = 2000;

// Whether the text was copied.
async function copy(area) {
  try {
    await navigator.clipboard.writeText(area.value);
    return true;
  } catch {
    area.hidden = false;
    area.select();
    return document.execCommand("copy");
  }
}

for (const button of document.querySelectorAll("[data-copies]")) {
  const area = button.closest(".block").querySelector(`textarea.${button.dataset.copies}`);
  const label = button.textContent;
  button.addEventListener("click", async () => {
    const done = await copy(area);
    area.hidden = area.hidden || done;
    if (done) button.focus();
    const message = done ? "Copied" : "Selected: press Ctrl+C";
    button.textContent = message;
    button.closest(".tools").querySelector("output").textContent = `${label}: ${message}`;
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  });
}
