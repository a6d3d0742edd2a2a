// Copy buttons: the clipboard where the browser gives it to a page, else the text itself, selected, to be copied by hand.
"use strict";

const SHOWN_MS = 2000;

async function copied(area) {
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
    const done = await copied(area);
    area.hidden = area.hidden || done;
    if (done) button.focus();
    const said = done ? "Copied" : "Selected: press Ctrl+C";
    button.textContent = said;
    button.closest(".tools").querySelector("output").textContent = `${label}: ${said}`;
    setTimeout(() => (button.textContent = label), SHOWN_MS);
  });
}
