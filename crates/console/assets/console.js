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

// Makes `old` like `fresh`, changing what differs and nothing else: what has the focus keeps it, what is unfolded stays so,
// what somebody types stays, and nothing moves that need not. Rows that may change places say who they are in `data-key`.
function become(old, fresh) {
  const keyed = new Map();
  for (const child of old.children) if (child.dataset.key) keyed.set(child.dataset.key, child);
  let at = old.firstChild;
  for (const wanted of [...fresh.childNodes]) {
    const key = wanted.dataset?.key ?? "";
    const known = key ? keyed.get(key) : at;
    const isSame = known && known.nodeName === wanted.nodeName && (known.dataset?.key ?? "") === key;
    if (!isSame) {
      old.insertBefore(wanted, at);
      continue;
    }
    if (known === at) at = at.nextSibling;
    else old.insertBefore(known, at);
    if (known.nodeType === Node.TEXT_NODE) {
      if (known.data !== wanted.data) known.data = wanted.data;
    } else if (known.nodeType === Node.ELEMENT_NODE) {
      becomeElement(known, wanted);
    }
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

function becomeElement(known, wanted) {
  for (const { name, value } of [...wanted.attributes]) {
    if (name !== "open" && known.getAttribute(name) !== value) known.setAttribute(name, value);
  }
  for (const { name } of [...known.attributes]) {
    if (name !== "open" && !wanted.hasAttribute(name)) known.removeAttribute(name);
  }
  if (!known.matches("input, select, textarea")) become(known, wanted);
}

// What is live follows the exchange while somebody looks: by a stream, or by asking now and then where there can be none.
function follow(part) {
  const address = part.dataset.live;
  let source = null;
  let timer = 0;
  let asked = 0;
  let isOver = false;
  const show = (html) => {
    const focused = document.activeElement;
    const fresh = new DOMParser().parseFromString(html, "text/html").body;
    localise(fresh);
    become(part, fresh);
    if (focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });
    part.dispatchEvent(new CustomEvent("rialto:shown", { bubbles: true }));
  };
  const pause = () => {
    if (source) source.close();
    source = null;
    clearInterval(timer);
  };
  const end = (isAllowed) => {
    if (isOver) return;
    isOver = true;
    pause();
    if (isAllowed) return;
    const note = document.createElement("p");
    note.className = "said bad";
    note.setAttribute("role", "status");
    note.textContent = "This page does not follow any more what happens: you have been signed out, or your role has changed. Load it again to go on.";
    part.before(note);
  };
  const ask = async () => {
    asked += 1;
    if (asked % 12 === 0) return listen();
    try {
      const answer = await fetch(address, { headers: { accept: "text/html" }, redirect: "manual" });
      if (answer.ok) show(await answer.text());
      else if (answer.status < 500) end(false);
    } catch {
      // The exchange is being started again: the next look finds it.
    }
  };
  const listen = () => {
    pause();
    source = new EventSource(address);
    source.addEventListener("message", (event) => show(event.data));
    source.addEventListener("last", (event) => { show(event.data); end(true); });
    source.addEventListener("end", () => end(false));
    source.addEventListener("error", () => {
      if (isOver || !source || source.readyState !== EventSource.CLOSED) return;
      pause();
      timer = setInterval(ask, 5000);
    });
  };
  const look = () => {
    if (isOver) return;
    if (document.hidden) pause();
    else listen();
  };
  document.addEventListener("visibilitychange", look);
  addEventListener("pagehide", pause);
  addEventListener("pageshow", (event) => { if (event.persisted) look(); });
  look();
}

localise(document);
copyButtons();
questions();
summaries();
for (const part of document.querySelectorAll("[data-live]")) follow(part);
