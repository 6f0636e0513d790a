// Comfort, and nothing that a page needs: times in the visitor's zone, copy buttons, a question before something is
// lost, a summary of a choice, and the parts of a page that change by themselves.
"use strict";

const zoned = new Intl.DateTimeFormat(undefined, { dateStyle: "medium", timeStyle: "short" });

function localise(root) {
  for (const time of root.querySelectorAll("time:not([data-ago])")) {
    const date = new Date(time.dateTime);
    if (!Number.isNaN(date.getTime())) time.textContent = zoned.format(date);
  }
}

function copyButtons() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    if (!navigator.clipboard) continue;
    button.hidden = false;
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(button.previousElementSibling.textContent);
      button.textContent = "Copied";
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  }
}

function questions() {
  document.addEventListener("submit", (event) => {
    const question = event.target.dataset.ask;
    if (question && !window.confirm(question)) event.preventDefault();
  });
}

function summaries() {
  for (const form of document.querySelectorAll("form[data-summary]")) {
    const count = form.querySelector("[data-count]");
    const empty = count.textContent;
    form.addEventListener("change", () => {
      const events = form.querySelectorAll("input[name=event]:checked").length;
      const destinations = form.querySelectorAll("input[name=destination]:checked").length;
      const all = events * destinations;
      count.textContent = all === 0 ? empty : `${events} × ${destinations} = ${all} subscriptions`;
    });
  }
}

// What is live is asked for again while somebody looks, and only replaced when it has changed.
function live() {
  for (const part of document.querySelectorAll("[data-live]")) {
    let last = "";
    setInterval(async () => {
      if (document.hidden) return;
      try {
        const answer = await fetch(part.dataset.live, { headers: { accept: "text/html" }, redirect: "error" });
        if (!answer.ok) return;
        const text = await answer.text();
        if (text === last) return;
        last = text;
        const fresh = new DOMParser().parseFromString(text, "text/html").body;
        localise(fresh);
        part.replaceChildren(...fresh.childNodes);
      } catch {
        // The exchange is being started again: the next look finds it.
      }
    }, 2000);
  }
}

localise(document);
copyButtons();
questions();
summaries();
live();
