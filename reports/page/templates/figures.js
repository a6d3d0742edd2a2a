// The dialog of an enlarged figure: buttons, wheel, plus and minus zoom; dragging, scrolling and arrow keys move it.
"use strict";

const LARGEST = 12;

class Zoom {
  constructor(dialog) {
    this.dialog = dialog;
    this.stage = dialog.querySelector(".stage");
    this.image = dialog.querySelector("img");
    for (const button of dialog.querySelectorAll("[data-zooms]")) {
      button.addEventListener("click", () => this.by(Number(button.dataset.zooms)));
    }
    dialog.addEventListener("keydown", (event) => {
      const factor = { "+": 1.25, "=": 1.25, "-": 0.8, 0: 0 }[event.key];
      if (factor !== undefined && !event.ctrlKey && !event.metaKey) this.by(factor);
    });
    this.stage.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.by(event.deltaY < 0 ? 1.25 : 0.8, event.clientX, event.clientY);
    }, { passive: false });
    this.stage.addEventListener("pointermove", (event) => {
      if (event.pointerType === "mouse" && event.buttons & 1) this.stage.scrollBy(-event.movementX, -event.movementY);
    });
    this.image.addEventListener("dragstart", (event) => event.preventDefault());
  }

  open(figure) {
    const image = figure.querySelector("img");
    const title = figure.querySelector("figcaption strong").textContent;
    this.image.src = image.src;
    this.image.alt = image.alt;
    this.dialog.querySelector("h2").textContent = title;
    const save = this.dialog.querySelector("a");
    save.href = image.src;
    save.download = `${title.replaceAll(/[^\p{L}\p{N}]+/gu, "-")}.svg`;
    this.dialog.showModal();
    this.by(0);
  }

  // Scales by `factor` about the point (x, y) of the window, by default the stage's middle; 0 fits the whole figure.
  by(factor, x, y) {
    const box = this.stage.getBoundingClientRect();
    const before = this.image.getBoundingClientRect();
    const [px, py] = [x ?? box.left + box.width / 2, y ?? box.top + box.height / 2];
    const share = [(px - before.left) / before.width, (py - before.top) / before.height];
    this.scale = factor ? Math.min(LARGEST, Math.max(0.5, this.scale * factor)) : 1;
    this.image.style.width = `${this.scale * this.fitting(box)}px`;
    const after = this.image.getBoundingClientRect();
    this.stage.scrollBy(after.left + share[0] * after.width - px, after.top + share[1] * after.height - py);
  }

  // The width at which the whole figure fits.
  fitting(box) {
    const ratio = this.image.naturalWidth / this.image.naturalHeight || 1;
    return Math.min(box.width, box.height * ratio);
  }
}

const zoom = new Zoom(document.getElementById("zoom"));
for (const picture of document.querySelectorAll("figure .picture")) {
  picture.addEventListener("click", () => zoom.open(picture.closest("figure")));
}
