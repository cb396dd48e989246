"use strict";
const by = (id) => document.getElementById(id);
const words = JSON.parse(by("words").textContent);
const say = (text) => words[text] || text;
const shown = new Map();
let picked = "";

function time(at) {
  return new Date(at).toLocaleTimeString(document.documentElement.lang, { hour: "2-digit", minute: "2-digit", second: "2-digit" });
}

function line(mail) {
  const item = document.createElement("li");
  const button = document.createElement("button");
  for (const name of ["who", "when", "what"]) {
    const part = document.createElement("span");
    part.className = name;
    button.append(part);
  }
  const [who, when, what] = button.children;
  who.textContent = mail.to.join(", ");
  when.textContent = time(mail.at);
  what.textContent = mail.subject || say("No subject");
  if (mail.answered !== "250") {
    const badge = document.createElement("span");
    badge.className = "badge";
    badge.textContent = say(mail.answered);
    what.append(badge);
  }
  button.addEventListener("click", () => pick(mail.id));
  item.append(button);
  item.dataset.words = [mail.subject, mail.from, ...mail.to].join(" ").toLowerCase();
  return item;
}

function add(mail, first) {
  if (shown.has(mail.id)) return;
  const item = line(mail);
  shown.set(mail.id, item);
  if (first) by("mails").prepend(item);
  else by("mails").append(item);
  sift(item);
  by("none").hidden = true;
}

function sift(item) {
  item.hidden = !item.dataset.words.includes(by("find").value.trim().toLowerCase());
}

function counts(count) {
  for (const [name, value] of Object.entries(count)) by(name).textContent = value.toLocaleString(document.documentElement.lang);
  if (count.received === 0) {
    shown.clear();
    by("mails").replaceChildren();
    by("none").hidden = false;
  }
}

async function pick(id) {
  const answer = await fetch(`/_simulator/mails/${id}`);
  if (!answer.ok) return;
  const mail = await answer.json();
  picked = id;
  for (const [each, item] of shown) item.firstChild.setAttribute("aria-current", String(each === id));
  by("unpicked").hidden = true;
  by("picked").hidden = false;
  by("subject").textContent = mail.subject || say("No subject");
  by("from").textContent = mail.header_from || mail.from;
  by("to").textContent = mail.header_to || mail.to.join(", ");
  by("envelope").textContent = `${mail.from || "<>"} → ${mail.to.join(", ")} · ${mail.answered}${mail.tls ? " · TLS" : ""}${mail.login ? ` · AUTH ${mail.login}` : ""}`;
  by("text").textContent = mail.text || say("No text in this mail.");
  by("frame").src = mail.html ? `/_simulator/mails/${id}/html` : "about:blank";
  by("headers").querySelector("tbody").replaceChildren(...mail.headers.map(([name, value]) => {
    const row = document.createElement("tr");
    const head = document.createElement("th");
    const cell = document.createElement("td");
    head.scope = "row";
    head.textContent = name;
    cell.textContent = value;
    row.append(head, cell);
    return row;
  }));
  by("attachments").replaceChildren(...mail.attachments.map((part, number) => {
    const item = document.createElement("li");
    const link = document.createElement("a");
    link.href = `/_simulator/mails/${id}/attachments/${number}`;
    link.download = part.name || part.type.replace("/", ".");
    link.textContent = part.name || part.type;
    item.append(link);
    return item;
  }));
  by("source").textContent = await (await fetch(`/_simulator/mails/${id}/source`)).text();
  turn(mail.html ? "looks" : "text");
}

function turn(name) {
  for (const each of ["looks", "text", "headers", "source"]) {
    by(each).hidden = each !== name;
    by(`tab-${each}`).setAttribute("aria-selected", String(each === name));
  }
}

function width(name) {
  by("looks").classList.toggle("phone", name === "phone");
  for (const each of ["desk", "phone"]) by(`width-${each}`).setAttribute("aria-pressed", String(each === name));
}

for (const each of ["looks", "text", "headers", "source"]) by(`tab-${each}`).addEventListener("click", () => turn(each));
for (const each of ["desk", "phone"]) by(`width-${each}`).addEventListener("click", () => width(each));
by("find").addEventListener("input", () => { for (const item of shown.values()) sift(item); });

async function begin() {
  const list = await (await fetch("/_simulator/mails?limit=500")).json();
  for (const mail of list.mails) add(mail, false);
  const events = new EventSource("/_simulator/events");
  events.onopen = () => { by("cut").hidden = true; };
  events.onerror = () => { by("cut").hidden = false; };
  events.onmessage = (event) => {
    const told = JSON.parse(event.data);
    counts(told.count);
    if (told.mail) add(told.mail, true);
  };
  const wanted = location.hash.slice(1);
  if (wanted || list.mails.length) pick(wanted || list.mails[0].id);
}
begin();
