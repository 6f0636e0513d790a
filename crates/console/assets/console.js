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
    const question = event.submitter?.dataset.ask ?? event.target.dataset.ask;
    if (question && !window.confirm(question)) event.preventDefault();
  });
}

// The dialog that subscribes: what will be made, a search in each column, and a box for all that are shown there.
const pairsShown = 12;

function summaries() {
  for (const form of document.querySelectorAll("form[data-summary]")) {
    const count = form.querySelector("[data-count]");
    const list = form.querySelector("[data-pairs]");
    const empty = count.textContent;
    const chosen = (name) => [...form.querySelectorAll(`input[name=${name}]:checked`)].map((box) => box.nextElementSibling.firstChild.textContent);
    const sum = () => {
      const events = chosen("event");
      const destinations = chosen("destination");
      const all = events.length * destinations.length;
      count.textContent = all === 0 ? empty : `${events.length} × ${destinations.length} = ${all} subscriptions`;
      const pairs = events.flatMap((event) => destinations.map((destination) => `${event} → ${destination}`));
      const lines = pairs.slice(0, pairsShown).map((text) => Object.assign(document.createElement("li"), { textContent: text }));
      if (pairs.length > pairsShown) lines.push(Object.assign(document.createElement("li"), { textContent: `and ${pairs.length - pairsShown} more` }));
      list.replaceChildren(...lines);
      list.hidden = all === 0;
    };
    form.addEventListener("change", sum);
    for (const tools of form.querySelectorAll("[data-tools]")) columnTools(tools, sum);
    sum();
  }
}

function columnTools(tools, changed) {
  const [search, all] = tools.querySelectorAll("input");
  const choices = [...tools.parentElement.querySelectorAll(".choose .choice")];
  tools.hidden = false;
  search.addEventListener("input", () => {
    const wanted = search.value.toLowerCase();
    for (const choice of choices) choice.hidden = !choice.textContent.toLowerCase().includes(wanted);
    all.checked = false;
  });
  search.addEventListener("keydown", (event) => { if (event.key === "Enter") event.preventDefault(); });
  all.addEventListener("change", () => {
    for (const choice of choices) if (!choice.hidden) choice.querySelector("input").checked = all.checked;
    changed();
  });
}

// A box that ticks all boxes of a form.
function selections() {
  for (const all of document.querySelectorAll("[data-all]")) {
    all.closest("label").hidden = false;
    all.addEventListener("change", () => {
      for (const box of document.querySelectorAll(`input[type=checkbox][form="${all.dataset.all}"]`)) box.checked = all.checked;
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
  // What another script has filled is that script's.
  if (known.hasAttribute("data-kept")) return;
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

// Style sheets and scripts that only some pages need, in their order.
function further() {
  const wanted = document.querySelector("[data-further]");
  for (const address of wanted ? wanted.dataset.further.split(" ") : []) {
    const isStyle = address.endsWith(".css");
    const element = document.createElement(isStyle ? "link" : "script");
    if (isStyle) Object.assign(element, { rel: "stylesheet", href: address });
    else Object.assign(element, { src: address, async: false });
    document.head.append(element);
  }
}

// Columns of the source are dragged to their places at the destination, or picked up and put down with the keyboard. What
// is sent is what the lists say; each move is said to screen readers, too.
function mapping() {
  const form = document.querySelector("form[data-mapping]");
  if (!form) return;
  const chips = [...form.querySelectorAll("[data-chip]")];
  const rows = [...form.querySelectorAll("tr[data-column]")];
  const said = form.querySelector("[data-said]");
  let picked = null;

  const source = (row) => row.querySelector("td + td :is(select, input)");
  const goal = (row) => ("who" in row.dataset ? row.querySelector("select").value : row.dataset.column);
  const takes = (row, name) => source(row).list || [...source(row).options].some((option) => option.value === name);
  const puts = () => rows.map((row) => row.querySelector("[data-put]")).filter((button) => !button.hidden);

  function refresh() {
    const who = rows.find((row) => "who" in row.dataset);
    for (const row of rows) {
      // The identifier that says who it is has its own place.
      if (row !== who) {
        row.hidden = row.dataset.column === goal(who);
        source(row).disabled = row.hidden;
      }
      row.querySelector("[data-put]").hidden = row.hidden || !picked || !takes(row, picked.dataset.chip);
    }
    for (const chip of chips) {
      const used = rows.filter((row) => !row.hidden && source(row).value === chip.dataset.chip).map(goal);
      chip.setAttribute("aria-pressed", String(chip === picked));
      chip.classList.toggle("used", used.length > 0);
      chip.querySelector("[data-used]").textContent = used.length > 0 ? `→ ${used.join(", ")}` : "";
    }
  }

  function chosen(row) {
    row.querySelector("[data-why]").textContent = "chosen by you";
    // A column goes to one place, besides saying who it is.
    for (const other of rows) {
      const is_other = other !== row && !("who" in other.dataset) && !("who" in row.dataset);
      if (is_other && source(other).value && source(other).value === source(row).value) {
        source(other).value = "";
        other.querySelector("[data-why]").textContent = "";
      }
    }
    refresh();
  }

  function put(name, row) {
    picked = null;
    if (takes(row, name)) {
      source(row).value = name;
      chosen(row);
      said.textContent = `${name} goes to ${goal(row)}.`;
    } else {
      refresh();
      said.textContent = `${name} cannot go to ${goal(row)}.`;
    }
  }

  function pick(chip) {
    picked = chip === picked ? null : chip;
    refresh();
    said.textContent = picked
      ? `${chip.dataset.chip} is picked up. Choose its place with the arrow keys and press Enter; Escape puts it back.`
      : `${chip.dataset.chip} is put back.`;
    if (picked) puts()[0]?.focus();
  }

  for (const chip of chips) {
    chip.addEventListener("click", () => pick(chip));
    chip.addEventListener("dragstart", (event) => {
      event.dataTransfer.setData("text/plain", chip.dataset.chip);
      event.dataTransfer.effectAllowed = "link";
      form.classList.add("dragging");
    });
    chip.addEventListener("dragend", () => form.classList.remove("dragging"));
  }
  for (const row of rows) {
    row.addEventListener("change", () => chosen(row));
    row.addEventListener("dragover", (event) => {
      event.preventDefault();
      event.dataTransfer.dropEffect = "link";
      row.classList.add("over");
    });
    row.addEventListener("dragleave", () => row.classList.remove("over"));
    row.addEventListener("drop", (event) => {
      event.preventDefault();
      row.classList.remove("over");
      const name = event.dataTransfer.getData("text/plain");
      if (chips.some((chip) => chip.dataset.chip === name)) put(name, row);
    });
    row.querySelector("[data-put]").addEventListener("click", () => {
      const chip = picked;
      put(chip.dataset.chip, row);
      chip.focus();
    });
  }
  form.addEventListener("keydown", (event) => {
    if (!picked) return;
    const all = puts();
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (event.key === "Escape") {
      const chip = picked;
      pick(chip);
      chip.focus();
    } else if (step && all.length > 0) {
      event.preventDefault();
      const at = all.indexOf(document.activeElement);
      all[(Math.max(at, step < 0 ? 0 : at) + step + all.length) % all.length].focus();
    }
  });
  form.querySelector("[data-chips]").hidden = false;
  refresh();
}

// What a choice comes to, said by the server while it is made.
function previews() {
  for (const part of document.querySelectorAll("[data-preview]")) {
    const zone = part.querySelector("[data-zone]");
    if (zone) zone.value = Intl.DateTimeFormat().resolvedOptions().timeZone || zone.value;
    let timer;
    let asked = 0;
    part.addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(async () => {
        asked += 1;
        const mine = asked;
        const fields = [...part.querySelectorAll("input")].filter((input) => input.type !== "radio" || input.checked);
        const query = new URLSearchParams(fields.map((input) => [input.name, input.value]));
        const answer = await fetch(`${part.dataset.preview}?${query}`, { redirect: "error" });
        if (!answer.ok) return;
        const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").body;
        // An answer may be overtaken by that to a later question.
        if (mine !== asked) return;
        part.querySelector("[data-shown]").replaceChildren(...fresh.childNodes);
      }, 300);
    });
  }
}

localise(document);
// Where the places are one line that scrolls, the one that is open is seen.
document.querySelector(".places [aria-current]")?.scrollIntoView({ block: "nearest", inline: "center" });
further();
copyButtons();
questions();
summaries();
selections();
mapping();
previews();
for (const part of document.querySelectorAll("[data-live]")) follow(part);
