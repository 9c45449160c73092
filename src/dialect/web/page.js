// @ts-check
// The page's side of the dialect `web` begins here: how one comes in, is there, is cut off and
// comes back, writes and leaves. The modules in page/ have the rest: the connection, the logs, the
// rooms, the words.
import * as archive from "./page/archive.js";
import * as connection from "./page/connection.js";
import * as lines from "./page/lines.js";
import { byId, me, setMe } from "./page/lines.js";
import * as rooms from "./page/rooms.js";
import { fillWords, fullTime, lang, listed, words } from "./page/words.js";

/** @typedef {import("./page/types.js").Line & { type: string }} Line */
/** @typedef {import("./page/types.js").Sent} Sent */
/** @typedef {import("./page/types.js").ServerType} Type */
/**
 * @template {Type} T
 * @typedef {import("./page/types.js").ServerMessage<T>} ServerMessage
 */

// What one has sent oneself can be had again so far back.
const SENT_MAX = 100;
// How often a name is asked for again that our own lost connection may still have.
const TAKEN_MAX = 14;
// In milliseconds: how long an answer may take; how long a line may be unconfirmed, and the server
// quiet, before it is asked something. A proxy can go silent without closing anything.
const ANSWER_MAX = 10_000;
const UNCONFIRMED_MAX = 5_000;
const QUIET_MAX = 60_000;
// Commands by which nobody but us and perhaps one other is told anything we wrote.
const PRIVATE_COMMAND = new RegExp(
  "^/(msg|tell|reply|r|nick|who|names|list|history|search|forget|ignore|unignore|help|quit|exit|" +
    "join|part|rooms|invite)(\\s|$)",
  "i",
);

const entry = byId("entry", HTMLElement);
const naming = byId("naming", HTMLFormElement);
const nameField = byId("name", HTMLInputElement);
const secret = byId("secret", HTMLElement);
const passwordField = byId("password", HTMLInputElement);
const error = byId("error", HTMLElement);
const status = byId("status", HTMLElement);
const bound = byId("bound", HTMLElement);
const room = byId("room", HTMLElement);
const toggles = [byId("switch", HTMLButtonElement), byId("toggle", HTMLButtonElement)];
const notifyButton = byId("notify", HTMLButtonElement);
const composer = byId("composer", HTMLFormElement);
const line = byId("line", HTMLTextAreaElement);

/**
 * The name that is wanted; the one that we have is `me`.
 * @type {string | null}
 */
let wanted = null;
// The server's password, as far as we know it, and whether the server waits for it.
let password = "";
let isPasswordAsked = false;
// We were in the room, so we come back by ourselves.
let returning = false;
// How often our name was taken since we were last in the room.
let takenTimes = 0;
/**
 * What the server told before it asked for a name.
 * @type {string[]}
 */
let motd = [];
let lineBytesMax = 4096;
/**
 * By what we are known after a cut.
 * @type {string | null}
 */
let token = null;
// The server was asked for a topic, and when, only to see whether it is there.
let isAsked = false;
let askedAt = 0;
// What we say has a key that nobody else has, so that it can be sent again and is said once.
const keyStart = crypto.getRandomValues(new Uint32Array(4)).join("-");
let keys = 0;
/**
 * What was sent, for the arrow keys, and which of it is in the field.
 * @type {string[]}
 */
const sent = [];
let recalled = 0;

// ── coming, being there, leaving ──

function connect() {
  setStatus(words.connecting);
  connection.connect(handle, disconnected);
}

function disconnected() {
  const wasJoining = wanted !== null && me === null;
  setMe(null);
  isAsked = isPasswordAsked = false;
  rooms.lose();
  archive.lose();
  if (returning) {
    setStatus(words.again(connection.reconnectLater(connect)));
  } else {
    setStatus("");
    if (wasJoining && !error.textContent) askName(words.unreachable);
    wanted = null;
  }
}

/**
 * What to do with each type of message. A type that is not known is passed over.
 * @type {{ [T in Type]: (message: ServerMessage<T>) => void }}
 */
const handlers = {
  password() {
    isPasswordAsked = true;
    // A token shows as well that we were let in.
    if (wanted !== null && token !== null) giveToken(token);
    else givePassword();
  },
  ask(message) {
    isPasswordAsked = false;
    motd = message.motd;
    lineBytesMax = message.line_bytes_max;
    if (wanted === null) return;
    if (token === null) connection.send({ type: "nick", name: wanted });
    else giveToken(token);
  },
  welcome,
  resumed,
  say: (message) => heard(message, {}),
  me: (message) => heard(message, { emote: true }),
  msg: (message) => heard(message, { private: words.forYou }),
  sent: (message) =>
    rooms.active.log.addLine({ ...message, from: me ?? "" }, { private: words.to(message.to) }),
  history(message) {
    if (archive.take(message, message.key)) return;
    (roomOf(message) ?? rooms.active).log.recall(message.lines);
  },
  found(message) {
    if (archive.take(message, message.key)) return;
    if (message.lines.length === 0) addNotice(words.nothingFound);
    rooms.active.log.addList(message.lines.map(({ room: name, from, text, at }) =>
      [`${fullTime.format(new Date(at * 1000))}, ${name}`, `${from}: ${text}`]));
  },
  ack: ({ key, id }) => rooms.all().forEach(({ log }) => log.acknowledge(key, id)),
  join(message) {
    const where = roomOf(message);
    where?.people.add(message);
    where?.log.addNotice(words.joined(listed(message.names), message.count));
  },
  leave(message) {
    const where = roomOf(message);
    const why = message.words ?? message.why?.[lang];
    where?.people.remove(message);
    where?.log.addNotice(words.gone(listed(message.names), why, message.count));
  },
  nick(message) {
    if (message.old === me) {
      setName(message.new);
      setStatus(words.here(message.new), true);
    }
    if (message.old === rooms.target) rooms.setTarget(message.new);
    for (const one of rooms.all()) {
      if (one.target === message.old) one.target = message.new;
      if (one.people.rename(message)) one.log.addNotice(words.renamed(message.old, message.new));
    }
  },
  who(message) {
    if (roomOf(message)?.people.correct(message)) return;
    addNotice(words.members(message.members.join(", "), message.count));
  },
  rooms({ rooms: told, more }) {
    const { log } = rooms.active;
    log.addList(told.map(({ room: name, count, topic: about }) =>
      [rooms.doorTo(name, name), words.count(count) + (about ? ` · ${about}` : "")]));
    if (more) addNotice(words.more(more));
  },
  topic,
  part({ room: name }) {
    rooms.remove(name);
    store();
    addNotice(words.parted(name));
  },
  invite({ from, room: name }) {
    const notice = addNotice(words.invited(from, name) + " ");
    notice.append(rooms.doorTo(name, words.joinThis(name)));
    const text = words.invited(from, name);
    if (rooms.note(rooms.active, text, true)) notify({ from, text });
  },
  ignoring: (message) => addNotice(message.text[lang]),
  notice: (message) => addNotice(message.text[lang]),
  help: ({ commands }) =>
    rooms.active.log.addList(commands.map(({ form, purpose }) => [form[lang], purpose[lang]])),
  refused,
  goodbye() {
    returning = false;
    setMe(null);
    wanted = token = null;
    rooms.all().forEach((one) => rooms.remove(one.name));
    take("rooms");
    askName(words.left);
  },
  stopping: () => addNotice(words.stopping),
};

/**
 * @template {Type} T
 * @param {ServerMessage<T>} message
 */
function handle(message) {
  handlers[message.type]?.(message);
}

/** @param {ServerMessage<"refused">} message */
function refused(message) {
  const text = message.text[lang];
  if (archive.take(text, message.key)) return;
  const isOfName = message.why === "taken" || message.why === "nickname";
  const name = wanted;
  if (message.why === "password" || message.why === "wrong_passwords") {
    password = "";
    askPassword(text);
  } else if (me !== null) {
    const about = rooms.refuse(message.why) ? undefined : roomOf(message);
    (about ?? rooms.active).log.addNotice(text, true);
  } else if (name !== null && token !== null) {
    // It is too late to resume; but the name may be free.
    token = null;
    if (isPasswordAsked) givePassword();
    else connection.send({ type: "nick", name });
  } else if (name !== null && returning && message.why === "taken" && takenTimes < TAKEN_MAX) {
    takenTimes += 1;
    setStatus(words.taken);
    const again = () => connection.send({ type: "nick", name });
    connection.later(Math.min(2000 + takenTimes * 1000, 9000), again);
  } else if (name !== null && (isOfName || !returning)) {
    returning = false;
    wanted = null;
    askName(text);
  }
}

/**
 * We have come into a room.
 * @param {ServerMessage<"welcome">} message
 */
function welcome(message) {
  const isFirst = me === null;
  const name = message.room;
  const before = rooms.all();
  const isNewPage = rooms.active.name === "";
  const address = rooms.addressed();
  if (isFirst) {
    token = message.token ?? null;
    comeIn(message.name);
  }
  const isBack = rooms.get(name) !== undefined;
  const hadLeft = isFirst && before.length > 0 && !isBack;
  if (!hadLeft) {
    const entered = rooms.enter(message);
    if (!isBack || isNewPage) rooms.show(entered);
    if (isFirst && !isBack) motd.forEach((text) => addNotice(text));
    entered.log.showHistory(message);
    archive.enter(entered, message.kept);
  }
  if (isFirst) {
    before.forEach((one) => one.isIn || rooms.join(one.name));
    if (hadLeft) connection.send({ type: "part", room: name });
    if (isNewPage && address) rooms.go(address);
  }
  store();
}

/**
 * The server has found who we are, and tells what we have missed. What it has not confirmed is sent
 * again; it knows by the key what it has said already.
 * @param {ServerMessage<"resumed">} message
 */
function resumed(message) {
  const isNewPage = rooms.active.name === "";
  const address = rooms.addressed();
  isPasswordAsked = false;
  token = message.token;
  comeIn(message.name);
  for (const told of message.rooms) {
    const entered = rooms.enter(told);
    const isNew = entered.log.lastId === 0;
    for (const said of entered.log.resume(told)) {
      if (!isNew && said.from !== me) rooms.note(entered, said.text, false);
    }
    archive.enter(entered, told.kept);
  }
  for (const one of rooms.all()) {
    if (!one.isIn) rooms.remove(one.name);
    else one.log.pending.forEach((unsaid) => sendPending(one, unsaid));
  }
  if (isNewPage && rooms.all()[0]) rooms.show(rooms.all()[0]);
  if (isNewPage && address) rooms.go(address);
  store();
}

/** @param {string} known */
function giveToken(known) {
  connection.send({ type: "resume", token: known, rooms: lastIds() });
}

/** Gives the password that the server waits for, or asks for it. */
function givePassword() {
  if (wanted !== null && password) connection.send({ type: "password", text: password });
  else if (wanted !== null) askPassword("");
}

function lastIds() {
  return Object.fromEntries(rooms.all().map(({ name, log }) => [name, log.lastId]));
}

/** @param {string} name */
function comeIn(name) {
  setName(name);
  connection.resetPauses();
  takenTimes = 0;
  returning = true;
  enterRoom(name);
}

/** @param {ServerMessage<"topic">} message */
function topic(message) {
  const where = rooms.get(message.room);
  const { text, by } = message;
  const isKnown = where && text === (where.topic?.text ?? "") && by === where.topic?.by;
  if (isKnown && isAsked) {
    isAsked = false;
    rooms.all().forEach(({ log }) => log.doubtPending());
    return;
  }
  if (where) rooms.setTopic(where, message);
  (where ?? rooms.active).log.addNotice(text ? words.topic(text, by) : words.noTopic);
}

/** Asks the server whether it is still there, and gives the connection up if it is not. */
function watch() {
  if (!connection.isConnected()) return;
  const now = Date.now();
  const quiet = connection.quietFor();
  const unconfirmed = rooms.all().flatMap(({ log }) => log.pending).map(({ at }) => at * 1000);
  const isDoubtful = now - Math.min(...unconfirmed, now) > UNCONFIRMED_MAX;
  if (quiet > ANSWER_MAX && wanted !== null && (me === null || isAsked)) connection.drop();
  else if (quiet > QUIET_MAX || (isDoubtful && now - askedAt > UNCONFIRMED_MAX)) ask();
}

function ask() {
  const [any] = rooms.all();
  if (me === null || isAsked || !any) return;
  if (!connection.send({ type: "topic", room: any.name })) return;
  isAsked = true;
  askedAt = Date.now();
  connection.awaitAnswer();
}

/**
 * Something was said just now.
 * @param {Line} said
 * @param {{ emote?: boolean, private?: string }} how
 */
function heard(said, how) {
  const where = how.private ? rooms.active : roomOf(said);
  if (!where?.log.addLine(said, how) || said.again || said.from === me) return;
  if (rooms.note(where, said.text, how.private !== undefined)) notify(said, where);
}

/** @param {{ room?: string }} message */
function roomOf(message) {
  return rooms.get(message.room ?? "");
}

/**
 * @param {string} text
 * @param {boolean} [isWrong]
 */
function addNotice(text, isWrong) {
  return rooms.active.log.addNotice(text, isWrong);
}

/**
 * We have this name now.
 * @param {string} name
 */
function setName(name) {
  wanted = name;
  setMe(name);
  store();
}

// ── what is to be seen besides the log and the people ──

/**
 * @param {string} text
 * @param {boolean} [isHere]
 */
function setStatus(text, isHere = false) {
  status.textContent = text;
  status.classList.toggle("here", isHere);
}

/** @param {string} name */
function enterRoom(name) {
  entry.hidden = true;
  for (const one of [room, ...toggles]) one.hidden = false;
  const canAsk = "Notification" in window && window.isSecureContext;
  notifyButton.hidden = !canAsk || Notification.permission !== "default";
  setStatus(words.here(name), true);
  line.focus();
}

/** @param {string} why */
function askName(why) {
  entry.hidden = false;
  for (const one of [room, notifyButton, ...toggles]) one.hidden = true;
  error.textContent = why;
  setStatus("");
  nameField.focus();
  nameField.select();
}

/** @param {string} why */
function askPassword(why) {
  returning = false;
  wanted = null;
  secret.hidden = false;
  passwordField.required = true;
  askName(why);
  passwordField.focus();
  passwordField.select();
}

/** Takes the password out of the address, where nobody who looks on needs to see it. */
function takePassword() {
  const found = /^#(?:(.*)&)?pw=(.*)$/.exec(location.hash);
  if (!found) return;
  try {
    password = decodeURIComponent(found[2]);
  } catch {
    password = found[2];
  }
  history.replaceState(null, "", "/" + (found[1] ? "#" + found[1] : ""));
}

/**
 * @param {{ from: string, text: string }} said
 * @param {rooms.Room} [where]
 */
function notify(said, where) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const shown = new Notification(said.from, { body: said.text, tag: "chinwag" });
    shown.addEventListener("click", () => {
      window.focus();
      if (where && rooms.get(where.name)) rooms.show(where);
    });
  } catch {
    // Some phones have the permission and still cannot.
  }
}

// ── what stays when the page is loaded again ──

/**
 * What is stored is only a convenience, and storage may be forbidden.
 * @template T
 * @param {() => T} use
 */
function stored(use) {
  try {
    return use();
  } catch {
    return null;
  }
}

/** Remembers who we are, and our rooms. */
function store() {
  stored(() => {
    localStorage.setItem("name", wanted ?? "");
    const names = rooms.all().map((one) => one.name);
    sessionStorage.setItem("rooms", JSON.stringify(names));
  });
}

/** Remembers what only the page that comes next in this tab may know: a copy of the tab may not. */
function leaveToken() {
  if (!returning || token === null) return;
  const lost = rooms.all().flatMap(({ name, log }) =>
    log.pending.map((unsaid) => ({ ...unsaid, name, item: undefined })));
  stored(() => sessionStorage.setItem("resume", JSON.stringify({ token, lost })));
}

/** @param {string} key */
function take(key) {
  const text = stored(() => sessionStorage.getItem(key));
  stored(() => sessionStorage.removeItem(key));
  return JSON.parse(text ?? "null");
}

// ── writing ──

function submit() {
  const text = line.value.toWellFormed?.() ?? line.value;
  const typed = text.split(/\r\n|\r|\n/).filter((one) => one.trim() !== "");
  const bytes = new TextEncoder();
  if (typed.some((one) => bytes.encode(one).length > lineBytesMax)) {
    addNotice(words.tooLong(lineBytesMax), true);
    return;
  }
  for (const one of typed) {
    if (!send(one)) return;
  }
  if (typed.length > 0) sent.push(text);
  if (sent.length > SENT_MAX) sent.shift();
  recalled = sent.length;
  line.value = "";
  lines.scrollToEnd();
}

/**
 * What is written to one person must not be said to all, whatever it begins with.
 * @param {string} text
 */
function send(text) {
  if (rooms.target === null || PRIVATE_COMMAND.test(text)) return say(text);
  if (me === null) return false;
  return connection.send({ type: "msg", to: rooms.target, text: text.replace(/^\/\//, "/") });
}

/**
 * Says a line in the room that is shown, or has the server do what it says.
 * @param {string} text
 */
function say(text) {
  const emote = /^\/me\s+(\S.*)$/.exec(text);
  if (!emote && /^\/(?!\/)/.test(text)) {
    if (me === null) return false;
    if (/^\/history\b/i.test(text)) rooms.active.log.recalls = true;
    return connection.send({ type: "say", text, room: rooms.active.name || undefined });
  }
  keys += 1;
  const said = emote?.[1] ?? text.replace(/^\/\//, "/");
  const here = rooms.active;
  const key = `${keyStart}-${keys}`;
  const after = here.log.lastId;
  const mine = { key, from: wanted ?? "", text: said, emote: emote !== null, after };
  const isSent = me !== null && sendPending(here, mine);
  // In no room, the server says why it is not said.
  if (here.name === "") return isSent;
  // Cut off, we say it when we are back.
  if (!isSent && token === null) return false;
  here.log.addPending(mine);
  return true;
}

/**
 * Sends what is to be confirmed.
 * @param {rooms.Room} where
 * @param {Sent} line
 */
function sendPending({ name }, { key, text, emote }) {
  const type = emote ? "me" : "say";
  const told = emote ? text : text.replace(/^\//, "//");
  return connection.send({ type, text: told, room: name || undefined, key });
}

/** @param {number} step */
function recall(step) {
  const next = Math.min(Math.max(recalled + step, 0), sent.length);
  if (next === recalled) return;
  recalled = next;
  line.value = sent[recalled] ?? "";
}

composer.addEventListener("submit", (event) => {
  event.preventDefault();
  submit();
});
line.addEventListener("keydown", (event) => {
  if (event.altKey) return;
  const isPlain = !event.shiftKey && !event.isComposing && event.keyCode !== 229;
  if (event.key === "Enter" && isPlain) {
    event.preventDefault();
    submit();
  } else if (event.key === "ArrowUp" && (line.value === "" || line.value === sent[recalled])) {
    event.preventDefault();
    recall(-1);
  } else if (event.key === "ArrowDown" && line.value === sent[recalled]) {
    event.preventDefault();
    recall(1);
  }
});

// ── the rest of the page ──

naming.addEventListener("submit", (event) => {
  event.preventDefault();
  error.textContent = "";
  wanted = nameField.value.trim();
  password = passwordField.value || password;
  if (isPasswordAsked) givePassword();
  else if (!connection.send({ type: "nick", name: wanted })) connect();
});
notifyButton.addEventListener("click", async () => {
  await Notification.requestPermission();
  notifyButton.hidden = true;
  line.focus();
});
byId("seek", HTMLButtonElement).addEventListener("click", archive.openSearch);
byId("talk", HTMLElement).addEventListener("click", ({ target: clicked }) => {
  if (!(clicked instanceof HTMLButtonElement)) return;
  if (clicked.matches(".door")) rooms.go(clicked.value);
  // It was written to all, whoever the next lines are for.
  if (clicked.matches(".resend") && say(clicked.value)) {
    clicked.closest("li")?.remove();
  }
});
window.addEventListener("focus", rooms.read);
window.addEventListener("online", () => {
  if (returning && !connection.isConnected()) connect();
  else ask();
});
document.addEventListener("visibilitychange", () => {
  if (!document.hidden && connection.quietFor() > ANSWER_MAX) ask();
});
window.addEventListener("hashchange", () => {
  takePassword();
  showBound();
  const name = rooms.addressed();
  if (me !== null && name) rooms.go(name);
});
window.addEventListener("pagehide", leaveToken);
// The page was kept and is shown again: it has the token itself.
window.addEventListener("pageshow", (event) => event.persisted && take("resume"));
setInterval(watch, 1000);

/** Whoever follows a link to a room is told where it leads. */
function showBound() {
  const name = rooms.addressed();
  bound.textContent = name === null ? "" : words.bound(name);
}

fillWords();
line.placeholder = words.write;
takePassword();
nameField.value = stored(() => localStorage.getItem("name")) ?? "";
showBound();
rooms.show(rooms.active);
const before = take("rooms");
// Whoever loads the page again was in its rooms a moment ago.
if (before && nameField.value) {
  wanted = nameField.value;
  returning = true;
  for (const name of before) rooms.add(name);
  store();
  const resume = take("resume");
  token = resume?.token ?? null;
  for (const { name, ...unsaid } of resume?.lost ?? []) {
    rooms.get(name)?.log.addPending(unsaid);
  }
  connect();
}
