"use strict";
/* How one message is drawn on a phone. Nothing of a message is ever markup. */
const by = (id) => document.getElementById(id);
const words = JSON.parse(by("words").textContent);
const say = (text) => words[text] || text;
const language = document.documentElement.lang;
const EMOJI = ["👍", "❤️", "😂", "😮", "😢", "🙏"];

const ICONS = {
  file: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M6 2h8l5 5v13a2 2 0 0 1-2 2H6a2 2 0 0 1-2-2V4a2 2 0 0 1 2-2zm7 1.5V8h4.5z"/></svg>',
  play: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 2a10 10 0 1 0 0 20 10 10 0 0 0 0-20zm-2 6 6.5 4L10 16z"/></svg>',
  pin: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 2a7 7 0 0 0-7 7c0 5 7 13 7 13s7-8 7-13a7 7 0 0 0-7-7zm0 9.5A2.5 2.5 0 1 1 12 6.500a2.500 2.500 0 0 1 0 5z"/></svg>',
  person: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M12 12a5 5 0 1 0 0-10 5 5 0 0 0 0 10zm0 2c-5 0-9 2.500-9 6v2h18v-2c0-3.500-4-6-9-6z"/></svg>',
  picture: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M4 4h16a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H4a2 2 0 0 1-2-2V6a2 2 0 0 1 2-2zm1 13h14l-4.500-6-3.500 4.500-2.500-3zM8 8.500a1.500 1.500 0 1 0 0 .01z"/></svg>',
  reply: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M10 8V3L2 11l8 8v-5c6 0 9.500 2 12 6-.500-7-4.500-12-12-12z"/></svg>',
  url: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M14 3h7v7h-2V6.400l-8.300 8.300-1.400-1.400L17.600 5H14zM5 5h6v2H5v12h12v-6h2v6a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V7a2 2 0 0 1 2-2z"/></svg>',
  phone: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M6.600 10.800a15 15 0 0 0 6.600 6.600l2.200-2.200a1 1 0 0 1 1-.25 11.400 11.400 0 0 0 3.600.570 1 1 0 0 1 1 1V20a1 1 0 0 1-1 1A17 17 0 0 1 3 4a1 1 0 0 1 1-1h3.500a1 1 0 0 1 1 1c0 1.250.2 2.450.570 3.570a1 1 0 0 1-.25 1z"/></svg>',
  copy: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M8 2h11a2 2 0 0 1 2 2v13h-2V4H8zM5 6h9a2 2 0 0 1 2 2v12a2 2 0 0 1-2 2H5a2 2 0 0 1-2-2V8a2 2 0 0 1 2-2z"/></svg>',
  list: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="currentColor" d="M3 5h3v3H3zm5 .500h13v2H8zM3 10.500h3v3H3zm5 .500h13v2H8zM3 16h3v3H3zm5 .500h13v2H8z"/></svg>',
  smile: '<svg viewBox="0 0 24 24" aria-hidden="true"><path fill="none" stroke="currentColor" stroke-width="2" d="M12 3a9 9 0 1 0 0 18 9 9 0 0 0 0-18zM8 14c1 2 2.500 2.500 4 2.500s3-.500 4-2.500M9 9v1m6-1v1"/></svg>',
  one: '<svg viewBox="0 0 18 11" aria-hidden="true"><path d="m5 6 3.500 3.500L16 1.500" fill="none" stroke="currentColor" stroke-width="1.700"/></svg>',
  two: '<svg viewBox="0 0 18 11" aria-hidden="true"><path d="m1 6 3.500 3.500L12 1.500M7.500 8.500l1 1L16.500 1.500" fill="none" stroke="currentColor" stroke-width="1.600"/></svg>',
};
const KINDS = { image: "picture", voice: "voice message", audio: "voice message", video: "video", document: "document", sticker: "sticker", contact: "contact", location: "location" };
const STATES = { accepted: "Accepted by the simulator", sent: "Sent", delivered: "Delivered", read: "Read", played: "Played", failed: "Not delivered" };

function icon(name) {
  return new DOMParser().parseFromString(ICONS[name].replace("<svg", '<svg xmlns="http://www.w3.org/2000/svg"'), "image/svg+xml").documentElement;
}

function made(tag, name, text) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  if (text !== undefined) element.textContent = text;
  return element;
}

/* WhatsApp's *bold*, _italic_, ~struck~ and `code`, and addresses. */
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
  const named = say(KINDS[drawn.kind] || "document");
  if (drawn.kind === "voice" || drawn.kind === "audio") {
    const voice = made("div", "file voice");
    const wave = made("span", "wave");
    wave.setAttribute("role", "img");
    wave.setAttribute("aria-label", named);
    for (const bar of "0012354213045243102351420010") wave.append(made("i", `h${bar}`));
    voice.append(icon("play"), wave);
    voice.title = drawn.text || named;
    return voice;
  }
  if (["image", "video", "sticker"].includes(drawn.kind)) {
    const film = made("div", `poster ${drawn.kind}`);
    film.append(icon(drawn.kind === "video" ? "play" : "picture"), made("span", "", drawn.text || named));
    return film;
  }
  const file = made("div", "file");
  file.append(icon(drawn.kind === "contact" ? "person" : "file"), made("span", "", drawn.text || named));
  return file;
}

/* One tick: sent. Two: delivered. Blue: read. The times stand in the tick's own words. */
function ticks(message) {
  const state = message.state;
  const element = made("span", `ticks ${state}`);
  element.append(icon(state === "sent" || state === "accepted" ? "one" : "two"));
  const times = Object.entries(message.times || {}).map(([name, at]) => `${say(STATES[name] || name)} ${clock(at)}`);
  element.title = times.join(" · ") || say(STATES[state] || state);
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", element.title);
  return element;
}

function dress(item, message) {
  const lost = !message.inbound && !["delivered", "read"].includes(message.state);
  const end = item.querySelector(".end");
  if (end.querySelector(".ticks.read") && message.state !== "failed") return;
  item.classList.toggle("lost", lost);
  item.classList.toggle("failed", message.state === "failed");
  end.querySelector(".ticks")?.remove();
  if (message.state !== "failed") end.append(ticks(message));
  else if (!item.querySelector(".why")) {
    const why = made("div", "why");
    why.append(made("strong", "", say("Not delivered")));
    if (message.why) why.append(made("span", "", message.why));
    item.querySelector(".paper").append(why);
  }
}

function quote(told) {
  const box = made("div", told.inbound ? "quote own" : "quote");
  box.textContent = told.text || `(${say(KINDS[told.type] || told.type)})`;
  return box;
}

function bubble(message) {
  const item = made("li", message.inbound ? "bubble out" : "bubble");
  item.dataset.id = message.id;
  const paper = made("div", "paper");
  if (message.quote) paper.append(quote(message.quote));
  if (message.header) paper.append(header(message.header));
  const alone = message.type === "reaction" || (message.type === "sticker" && !message.header?.source);
  if (message.body) paper.append(dressed(message.body, made("div", "text")));
  else if (!message.header && !alone) paper.append(made("div", "text", `(${say(KINDS[message.type] || message.type)})`));
  if (message.footer) paper.append(made("div", "small", message.footer));
  const end = made("div", "end");
  if (message.template) end.append(made("span", "name", message.template));
  end.append(made("time", "", clock(message.at)));
  paper.append(end);
  item.append(paper);
  if (message.buttons?.length) paper.append(buttons(message));
  if (message.rows?.length) paper.append(rows(message));
  if (message.cards?.length) item.append(cards(message));
  if (!message.inbound) item.append(reactions(message));
  item.told = message;
  dress(item, message);
  return item;
}

function cards(message) {
  const box = made("div", "cards");
  box.tabIndex = 0;
  for (const each of message.cards) {
    const card = made("div", "card");
    if (each.header) card.append(header(each.header));
    if (each.body) card.append(dressed(each.body, made("div", "text")));
    for (const drawn of each.buttons || []) {
      const go = made("div", "go");
      go.append(icon(ICONS[drawn.kind] ? drawn.kind : "reply"), drawn.text);
      card.append(go);
    }
    box.append(card);
  }
  return box;
}

function buttons(message) {
  const box = made("div", "buttons");
  message.buttons.forEach((drawn, place) => {
    const button = made("button");
    button.type = "button";
    if (ICONS[drawn.kind]) button.append(icon(drawn.kind));
    button.append(made("span", "", drawn.text));
    button.title = drawn.more || "";
    if (drawn.kind === "reply") button.addEventListener("click", () => tap(message, place, drawn.text));
    else if (drawn.kind === "list") {
      button.setAttribute("aria-expanded", "false");
      button.addEventListener("click", () => {
        const list = box.nextElementSibling;
        if (!list) return;
        list.hidden = !list.hidden;
        button.setAttribute("aria-expanded", String(!list.hidden));
      });
    } else button.disabled = true;
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

/* What the person may put under a message of ours. */
function reactions(message) {
  const box = made("details", "react");
  const open = made("summary");
  open.append(icon("smile"));
  open.setAttribute("aria-label", say("React"));
  open.title = say("React");
  const choice = made("div", "choice");
  for (const emoji of EMOJI) {
    const button = made("button", "", emoji);
    button.type = "button";
    button.addEventListener("click", () => { box.open = false; post("react", { id: message.id, emoji }); });
    choice.append(button);
  }
  box.append(open, choice);
  return box;
}
