"use strict";
/* Comfort only: every page works without it. Copies texts, and opens the browser's own sheet for
   passing a page on. Its buttons stand hidden in the page until there is somebody to press them. */
(() => {
  const SHOWN = 2000;
  const all = (what) => document.querySelectorAll(what);

  // One polite voice for the whole page; it must be there, empty, before it says anything.
  const voice = document.createElement("p");
  voice.className = "unseen";
  voice.setAttribute("role", "status");
  document.body.append(voice);

  const select = (element) => {
    if (element.select) {
      element.focus();
      element.select();
    } else {
      getSelection().selectAllChildren(element);
    }
  };

  // Without the clipboard (plain http, old browsers) the text is left selected, ready for Ctrl+C.
  const copy = async (element) => {
    const text = "value" in element ? element.value : element.textContent.trim();
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      select(element);
      return document.execCommand("copy");
    }
  };

  const tell = (button) => {
    const before = [...button.childNodes];
    button.style.minInlineSize = `${button.offsetWidth}px`;
    button.replaceChildren(button.dataset.done);
    voice.textContent = button.dataset.done;
    setTimeout(() => {
      button.replaceChildren(...before);
      voice.textContent = "";
    }, SHOWN);
  };

  for (const button of all("button[data-copy]")) {
    const element = document.querySelector(button.dataset.copy);
    if (!element) continue;
    let isTelling = false;
    button.hidden = false;
    button.addEventListener("click", async () => {
      if (isTelling || !(await copy(element))) return;
      isTelling = true;
      tell(button);
      setTimeout(() => { isTelling = false; }, SHOWN);
    });
  }

  if (navigator.share) {
    for (const button of all("button[data-share]")) {
      const { title, text, url } = button.dataset;
      button.hidden = false;
      // Refused or thought better of: nothing to say.
      button.addEventListener("click", () => navigator.share({ title, text, url }).catch(() => {}));
    }
  }
})();
