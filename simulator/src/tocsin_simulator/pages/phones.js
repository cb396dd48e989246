"use strict";
const by = (id) => document.getElementById(id);
const words = JSON.parse(by("words").textContent);
const say = (text) => words[text] || text;
const language = document.documentElement.lang;
const SHOWN = 12;
const THREAD = 40;
const phones = new Map();
const numbers = new Map();
let drift = 0;
let reloading = false;
let waiting = 0;
let searching = 0;

const ICONS = {
  file: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M6 2h8l5 5v13a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm7 1.5V8h4.5z"/></svg>',
  play: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-2 6 6.5 4L10 16z"/></svg>',
  pin: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 2a7 7 0 0 0-7 7c0 5 7 13 7 13s7-8 7-13a7 7 0 0 0-7-7zm0 9.5A2.5 2.5 0 1 1 12 6.500a2.500 2.500 0 0 1 0 5z"/></svg>',
  person: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zm0 2c-5 0-9 2.500-9 6v2h18v-2c0-3.500-4-6-9-6z"/></svg>',
  one: '<svg viewBox="0 0 18 11" aria-hidden="true"><path d="m5 6 3.500 3.500L16 1.500" fill="none" stroke="currentColor" stroke-width="1.700"/></svg>',
  two: '<svg viewBox="0 0 18 11" aria-hidden="true"><path d="m1 6 3.500 3.500L12 1.500M7.500 8.500l1 1L16.500 1.500" fill="none" stroke="currentColor" stroke-width="1.600"/></svg>',
};

function icon(name) {
  return new DOMParser().parseFromString(ICONS[name].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'), "image/svg+xml").documentElement;
}

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/* WhatsApp's *bold*, _italic_, ~struck~ and `code`, and addresses; never markup of the message itself. */
function dressed(text, element) {
  const mark = /(\*[^*\n]+\*|_[^_\n]+_|~[^~\n]+~|`[^`\n]+`|https?:\/\/[^\s]+)/g;
  const tags = { "*": "strong", _: "em", "~": "s", "`": "code" };
  for (const part of text.split(mark)) {
    if (!part) continue;
    const tag = tags[part[0]];
    if (tag && part.length > 2 && part[0] === part[part.length - 1]) element.append(made(tag, "", part.slice(1, -1)));
    else if (/^https?:\/\//.test(part)) {
      const link = made("a", "", part);
      link.href = part;
      link.rel = "noreferrer noopener";
      link.target = "_blank";
      element.append(link);
    } else element.append(part);
  }
  return element;
}

const clock = (at) => new Date(at * 1000).toLocaleTimeString(language, { hour: "2-digit", minute: "2-digit" });
const day = (at) => new Date(at * 1000).toLocaleDateString(language, { weekday: "short", day: "numeric", month: "short" });

function post(name, body) {
  return fetch(`/_simulator/${name}`, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
}

function header(drawn) {
  if (drawn.kind === "text") return made("div", "head", drawn.text);
  if (drawn.source) {
    const picture = made("img", "picture");
    picture.src = drawn.source;
    picture.alt = drawn.text || say("picture");
    picture.addEventListener("load", () => { const thread = picture.closest(".thread"); if (thread) thread.scrollTop = thread.scrollHeight; });
    return picture;
  }
  if (drawn.kind === "location") {
    const map = made("div", "map");
    map.title = drawn.text || say("location");
    map.append(icon("pin"));
    return map;
  }
  const names = { image: "picture", voice: "voice message", audio: "voice message", video: "video", document: "document", sticker: "sticker" };
  const file = made("div", "file");
  const shown = { audio: "play", voice: "play", video: "play", contact: "person" }[drawn.kind] || "file";
  file.append(icon(shown), made("span", "", drawn.text || say(names[drawn.kind] || "document")));
  return file;
}

function ticks(state) {
  const element = made("span", `ticks ${state}`);
  element.append(icon(state === "sent" || state === "accepted" ? "one" : "two"));
  element.title = { accepted: "✓", sent: say("Sent"), delivered: say("Delivered"), read: say("Read") }[state] || "";
  return element;
}

function dress(item, message) {
  const lost = !message.inbound && !["delivered", "read"].includes(message.state);
  item.classList.toggle("lost", lost);
  item.classList.toggle("failed", message.state === "failed");
  const end = item.querySelector(".end");
  if (end.querySelector(".ticks.read") && message.state !== "failed") return;
  end.querySelector(".ticks")?.remove();
  end.querySelector(".why")?.remove();
  if (message.state === "failed") end.append(made("span", "why", say("Not delivered")));
  else end.append(ticks(message.state));
}

function bubble(message) {
  const item = made("li", message.inbound ? "bubble out" : "bubble");
  item.dataset.id = message.id;
  const paper = made("div", "paper");
  if (message.header) paper.append(header(message.header));
  const alone = message.type === "reaction" || (message.type === "sticker" && !message.header?.source);
  if (message.body) paper.append(dressed(message.body, made("div", "text")));
  else if (!message.header && !alone) paper.append(made("div", "text", `(${say(message.type)})`));
  if (message.footer) paper.append(made("div", "small", message.footer));
  const end = made("div", "end");
  if (message.template) end.append(made("span", "name", message.template));
  end.append(made("time", "", clock(message.at)));
  paper.append(end);
  item.append(paper);
  dress(item, message);
  if (message.buttons?.length) item.append(buttons(message));
  if (message.rows?.length) item.append(rows(message));
  if (message.cards?.length) item.append(cards(message));
  return item;
}

function cards(message) {
  const box = made("div", "cards");
  box.tabIndex = 0;
  for (const each of message.cards) {
    const card = made("div", "card");
    if (each.header) card.append(header(each.header));
    if (each.body) card.append(dressed(each.body, made("div", "text")));
    for (const drawn of each.buttons || []) card.append(made("div", "go", drawn.text));
    box.append(card);
  }
  return box;
}

function buttons(message) {
  const box = made("div", "buttons");
  message.buttons.forEach((drawn, place) => {
    const button = made("button", "", ({ url: "↗ ", phone: "☎ ", copy: "⧉ ", list: "☰ ", reply: "↩ " }[drawn.kind] || "") + drawn.text);
    button.type = "button";
    button.title = drawn.more || "";
    if (drawn.kind === "reply") button.addEventListener("click", () => tap(message, place, drawn.text));
    else if (drawn.kind === "list") button.addEventListener("click", () => { const list = box.nextElementSibling; if (list) list.hidden = !list.hidden; });
    else button.disabled = true;
    box.append(button);
  });
  return box;
}

function rows(message) {
  const box = made("div", "rows");
  box.hidden = true;
  message.rows.forEach((row, place) => {
    const button = made("button", "", row.text);
    button.type = "button";
    if (row.more) button.append(made("small", "", row.more));
    button.addEventListener("click", () => { box.hidden = true; post("answer", { id: message.id, row: place }); });
    box.append(button);
  });
  return box;
}

function tap(message, place, text) {
  if (message.type === "template") post("answer", { id: message.id, message: { type: "button", button: { text, payload: text } } });
  else post("answer", { id: message.id, button: place });
}

function react(phone, message) {
  const target = phone.thread.querySelector(`[data-id="${CSS.escape(message.answers || "")}"]`);
  if (!target) return;
  target.querySelector(".reaction")?.remove();
  if (message.reaction) target.querySelector(".paper").after(made("span", "reaction", message.reaction));
  if (target === phone.thread.lastElementChild) phone.thread.scrollTop = phone.thread.scrollHeight;
}

function add(phone, message) {
  if (message.type === "reaction") return react(phone, message);
  const known = phone.thread.querySelector(`[data-id="${CSS.escape(message.id)}"]`);
  if (known) return dress(known, message);
  const today = day(message.at);
  if (today !== phone.day) {
    phone.day = today;
    phone.thread.append(made("li", "day", today === day(Date.now() / 1000 + drift) ? say("Today") : today));
  }
  phone.thread.append(bubble(message));
  if (!message.inbound) writing(phone, 0);
  while (phone.thread.children.length > THREAD * 2) phone.thread.firstChild.remove();
  phone.thread.scrollTop = phone.thread.scrollHeight;
}

function mark(phone, blocked) {
  phone.blocked = blocked;
  phone.element.classList.toggle("blocked", blocked);
  phone.block.textContent = say(blocked ? "Unblock" : "Block");
}

/* The company writes: shown until its message comes, or as long as Meta shows it. */
function writing(phone, seconds) {
  clearTimeout(phone.written);
  phone.typing.hidden = seconds <= 0;
  phone.element.classList.toggle("writing", seconds > 0);
  if (seconds > 0) {
    phone.written = setTimeout(() => writing(phone, 0), seconds * 1000);
    phone.thread.scrollTop = phone.thread.scrollHeight;
  }
}

/* A phone shows the conversation with the number of ours that was last heard. */
function partner(phone, id) {
  phone.number = id;
  const number = numbers.get(id);
  phone.element.querySelector("h3").textContent = number ? number.name : id;
  phone.element.querySelector(".who p").textContent = number ? number.display : "";
}

function phoneOf(told) {
  const known = phones.get(told.phone);
  if (known) return known;
  const element = by("phone").content.firstElementChild.cloneNode(true);
  const phone = {
    element, told, day: "", thread: element.querySelector(".thread"), typing: element.querySelector(".typing"),
    block: element.querySelector(".block"),
  };
  element.querySelector("h2").textContent = told.name;
  element.querySelector("header p").textContent = `+${told.phone}`;
  element.querySelector("header p").title = told.user_id;
  element.setAttribute("aria-label", told.name);
  const face = element.querySelector(".face");
  face.textContent = told.name.split(/\s+/).map((part) => part[0]).slice(0, 2).join("");
  face.classList.add(`c${Number(told.phone.slice(-3)) % 6}`);
  element.querySelector(".write").addEventListener("submit", (event) => {
    event.preventDefault();
    const field = event.target.elements.text;
    if (!field.value.trim()) return;
    post("say", { from: told.phone, text: field.value, ...(phone.number ? { phone: phone.number } : {}) });
    field.value = "";
  });
  phone.block.addEventListener("click", () => {
    post(phone.blocked ? "unblock" : "block", { from: told.phone, ...(phone.number ? { phone: phone.number } : {}) }).then(() => mark(phone, !phone.blocked));
  });
  phone.thread.addEventListener("click", () => {
    for (const item of phone.thread.querySelectorAll(".bubble:not(.out) .ticks.delivered")) post("read", { id: item.closest(".bubble").dataset.id });
  });
  mark(phone, told.blocked.length > 0);
  phones.set(told.phone, phone);
  return phone;
}

function ring(told, message) {
  const fresh = !phones.has(told.phone);
  if (fresh && by("find").value.trim()) return;
  const phone = phoneOf(told);
  partner(phone, message.number);
  if (fresh) {
    by("phones").prepend(phone.element);
    while (by("phones").children.length > SHOWN) {
      const last = by("phones").lastElementChild;
      for (const [key, each] of phones) if (each.element === last) forget(key, each);
    }
  }
  add(phone, message);
  phone.element.classList.remove("rang");
  if (!message.inbound) requestAnimationFrame(() => phone.element.classList.add("rang"));
  by("none").hidden = true;
}

function counts(count) {
  for (const [name, value] of Object.entries(count)) by(name).textContent = value.toLocaleString(language);
}

function forget(key, phone) {
  phone.element.remove();
  phones.delete(key);
}

async function load() {
  if (reloading) return;
  reloading = true;
  try {
    const query = new URLSearchParams({ limit: SHOWN, q: by("find").value });
    const told = await (await fetch(`/_simulator/threads?${query}`)).json();
    drift = told.now - Date.now() / 1000;
    for (const number of told.numbers) numbers.set(number.id, number);
    const wanted = new Set(told.phones.map((each) => each.phone));
    for (const [key, phone] of phones) if (!wanted.has(key) && !phone.element.contains(document.activeElement)) forget(key, phone);
    for (const each of told.phones) {
      const phone = phoneOf(each);
      if (!phone.element.isConnected) by("phones").append(phone.element);
      for (const message of each.messages) { partner(phone, message.number); add(phone, message); }
      writing(phone, each.typing);
    }
    by("none").hidden = told.phones.length > 0;
    counts(told.count);
    tick();
  } finally {
    reloading = false;
  }
}

const acts = {
  count: (event) => counts(event.count),
  message: (event) => ring(event.phone, event.message),
  reload: () => { waiting ||= setTimeout(() => { waiting = 0; load(); }, 900); },
  reset: () => { for (const [key, phone] of phones) forget(key, phone); setTimeout(load, 300); },
  typing: (event) => { const phone = phones.get(event.to); if (phone) writing(phone, event.seconds); },
  blocked: (event) => { const phone = phones.get(event.person); if (phone) mark(phone, true); },
  status: (event) => {
    const item = document.querySelector(`[data-id="${CSS.escape(event.id)}"]`);
    const order = ["accepted", "sent", "delivered", "read"];
    if (!item && event.status === "failed") acts.reload();
    if (!item) return;
    const now = item.querySelector(".ticks")?.classList[1] || "accepted";
    if (event.status === "failed" || order.indexOf(event.status) > order.indexOf(now)) dress(item, { inbound: item.classList.contains("out"), state: event.status });
  },
};

function follow() {
  const events = new EventSource("/_simulator/events");
  events.onopen = () => { by("cut").hidden = true; };
  events.onerror = () => { by("cut").hidden = false; };
  events.onmessage = (event) => { const told = JSON.parse(event.data); acts[told.kind]?.(told); };
}

function tick() {
  const now = clock(Date.now() / 1000 + drift);
  for (const phone of phones.values()) phone.element.querySelector(".status time").textContent = now;
}

by("find").addEventListener("input", () => { clearTimeout(searching); searching = setTimeout(load, 200); });
by("new").addEventListener("submit", (event) => {
  event.preventDefault();
  const { phone, text } = event.target.elements;
  post("say", { from: phone.value.replace(/[^\d+]/g, ""), text: text.value });
  text.value = "";
});
setInterval(tick, 5000);
load().then(follow);
