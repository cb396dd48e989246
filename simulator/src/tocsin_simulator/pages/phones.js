"use strict";
/* The phones: whose they are, what they hear while the page is open, and what is done on them. */
const SHOWN = 12;
const THREAD = 40;
const AWAY_SECONDS = 3600;
const phones = new Map();
const numbers = new Map();
let drift = 0;
let reloading = false;
let again = false;
let waiting = 0;
let searching = 0;

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
  if (known) return dress(known, Object.assign(known.told, { state: message.state, times: message.times, why: message.why }));
  const today = day(message.at);
  if (today !== phone.day) {
    phone.day = today;
    phone.thread.append(made("li", "day", today === day(Date.now() / 1000 + drift) ? say("Today") : today));
  }
  let before = phone.thread.lastElementChild;
  while (before?.told && before.told.at > message.at) before = before.previousElementSibling;
  if (before) before.after(bubble(message));
  else phone.thread.prepend(bubble(message));
  if (!message.inbound) writing(phone, 0);
  while (phone.thread.children.length > THREAD * 2) phone.thread.firstChild.remove();
  phone.thread.scrollTop = phone.thread.scrollHeight;
}

function mark(phone, blocked) {
  phone.blocked = blocked;
  phone.element.classList.toggle("blocked", blocked);
  phone.block.textContent = say(blocked ? "Unblock" : "Block");
}

/* What is true of the person besides what they say: may we write freely, do they want offers, is their phone on. */
function describe(phone, told) {
  phone.told = told;
  const left = told.windows[phone.number] || 0;
  phone.shutAt = Date.now() + left * 1000;
  phone.element.querySelector(".stop").textContent = say(told.stopped ? "Wants offers again" : "Wants no more offers");
  phone.element.querySelector(".off").textContent = say(told.away > 0 ? "Phone on again" : "Phone off for an hour");
  const chips = phone.element.querySelector(".chips");
  chips.replaceChildren(told.on_whatsapp ? made("span", "window") : made("span", "bad", say("Not on WhatsApp")));
  if (told.withheld) chips.append(made("span", "", say("Number withheld")));
  if (told.stopped) chips.append(made("span", "bad", say("No offers")));
  if (told.away > 0) chips.append(made("span", "bad", say("Phone off")));
  shown(phone);
}

function shown(phone) {
  const minutes = Math.round((phone.shutAt - Date.now()) / 60000);
  const chip = phone.element.querySelector(".window");
  if (!chip) return;
  chip.classList.toggle("open", minutes > 0);
  chip.textContent = minutes > 0 ? `${Math.floor(minutes / 60)} h ${String(minutes % 60).padStart(2, "0")}` : say("Templates only");
  chip.title = say(minutes > 0 ? "So long the company may answer with anything" : "This person did not write within 24 hours");
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
  phone.element.querySelector(".who .line").textContent = number ? number.display : "";
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
  const menu = element.querySelector(".more");
  const ask = (name, body) => {
    menu.open = false;
    post(name, { from: told.phone, ...(phone.number ? { phone: phone.number } : {}), ...body }).then(load);
  };
  element.querySelector(".stop").addEventListener("click", () => ask("prefer", { value: phone.told.stopped ? "resume" : "stop" }));
  element.querySelector(".off").addEventListener("click", () => ask("away", { seconds: phone.told.away > 0 ? 0 : AWAY_SECONDS }));
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
  phone.thread.addEventListener("click", (event) => {
    if (event.target.closest(".react")) return;
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
  describe(phone, told);
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

function counts(count, why) {
  for (const [name, value] of Object.entries(count)) by(name).textContent = value.toLocaleString(language);
  for (const [name, codes] of Object.entries(why)) by(name).parentElement.title = codes;
}

function forget(key, phone) {
  phone.element.remove();
  phones.delete(key);
}

async function load() {
  if (reloading) { again = true; return; }
  reloading = true;
  again = false;
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
      describe(phone, each);
      writing(phone, each.typing);
    }
    by("none").hidden = told.phones.length > 0;
    counts(told.count, told.why);
    by("where").textContent = `${told.address}/v24.0/${told.numbers[0].id}/messages`;
    tick();
  } finally {
    reloading = false;
  }
  if (again) load();
}

const acts = {
  count: (event) => counts(event.count, event.why),
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
    item.told.times = { ...item.told.times, [event.status]: event.at };
    if (event.status === "failed" || order.indexOf(event.status) > order.indexOf(now)) dress(item, Object.assign(item.told, { state: event.status, why: event.why }));
  },
};

function follow() {
  const events = new EventSource("/_simulator/events");
  /* What happened before the line stood is fetched: nothing falls in between. */
  events.onopen = () => { by("cut").hidden = true; load(); };
  events.onerror = () => { by("cut").hidden = false; };
  events.onmessage = (event) => { const told = JSON.parse(event.data); acts[told.kind]?.(told); };
}

function tick() {
  const now = clock(Date.now() / 1000 + drift);
  for (const phone of phones.values()) {
    phone.element.querySelector(".status time").textContent = now;
    shown(phone);
  }
}

by("find").addEventListener("input", () => { clearTimeout(searching); searching = setTimeout(load, 200); });
by("new").addEventListener("submit", (event) => {
  event.preventDefault();
  const { phone, text } = event.target.elements;
  post("say", { from: phone.value.replace(/[^\d+]/g, ""), text: text.value });
  text.value = "";
});
/* A menu shuts when something else is clicked. */
document.addEventListener("click", (event) => {
  for (const menu of document.querySelectorAll("details[open]")) if (!menu.contains(event.target)) menu.open = false;
});
setInterval(tick, 5000);
follow();
load();
