// @ts-check
// The page's side of the dialect `web` begins here: how one comes in, is in the room, writes and
// leaves. The modules in page/ have the rest: the connection, the log, the people, the words.
import * as connection from "./page/connection.js";
import * as lines from "./page/lines.js";
import { addNotice, byId, me, setMe } from "./page/lines.js";
import * as people from "./page/members.js";
import { fillWords, lang, listed, words } from "./page/words.js";

/** @typedef {import("./page/connection.js").Line & { type: string }} Line */
/**
 * @template {keyof import("./page/connection.js").ServerMessages} T
 * @typedef {import("./page/connection.js").ServerMessage<T>} ServerMessage
 */
/** @typedef {keyof import("./page/connection.js").ServerMessages} Type */

// What one has sent oneself can be had again so far back.
const SENT_MAX = 100;
// How often a name is asked for again that our own lost connection may still have.
const TAKEN_MAX = 12;
// Commands by which nobody but us and perhaps one other is told anything we wrote.
const PRIVATE_COMMAND =
  /^\/(msg|tell|reply|r|nick|who|names|list|history|ignore|unignore|help|quit|exit)(\s|$)/i;

const entry = byId("entry", HTMLElement);
const naming = byId("naming", HTMLFormElement);
const nameField = byId("name", HTMLInputElement);
const error = byId("error", HTMLElement);
const status = byId("status", HTMLElement);
const room = byId("room", HTMLElement);
const toggle = byId("toggle", HTMLButtonElement);
const notifyButton = byId("notify", HTMLButtonElement);
const composer = byId("composer", HTMLFormElement);
const line = byId("line", HTMLTextAreaElement);

/**
 * The name that is wanted; the one that we have is `me`.
 * @type {string | null}
 */
let wanted = null;
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
// Lines that were said while nobody looked.
let unread = 0;
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
  ask(message) {
    motd = message.motd;
    lineBytesMax = message.line_bytes_max;
    if (wanted !== null) connection.send({ type: "nick", name: wanted });
  },
  welcome(message) {
    const first = !returning;
    setName(message.name);
    connection.resetPauses();
    takenTimes = 0;
    returning = true;
    people.setMembers(message);
    enterRoom(message.name);
    if (first) motd.forEach((text) => addNotice(text));
    lines.showHistory(message.history);
  },
  say: (message) => heard(message, {}),
  me: (message) => heard(message, { emote: true }),
  msg: (message) => heard(message, { private: words.forYou }),
  sent: (message) =>
    lines.addLine({ ...message, from: me ?? "" }, { private: words.to(message.to) }),
  join(message) {
    people.addMembers(message);
    addNotice(words.joined(listed(message.names), message.count));
  },
  leave(message) {
    people.removeMembers(message);
    const why = message.words ?? message.why?.[lang];
    addNotice(words.gone(listed(message.names), why, message.count));
  },
  nick(message) {
    if (message.old === me) {
      setName(message.new);
      setStatus(words.here(message.new), true);
    }
    people.renameMember(message);
    addNotice(words.renamed(message.old, message.new));
  },
  who(message) {
    const isOurs = people.correctMembers(message);
    if (!isOurs) addNotice(words.members(message.members.join(", "), message.count));
  },
  ignoring: (message) => addNotice(message.text[lang]),
  notice: (message) => addNotice(message.text[lang]),
  help: (message) => lines.addHelp(message.commands),
  refused,
  goodbye() {
    returning = false;
    setMe(null);
    wanted = null;
    forget();
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
  const isOfName = message.why === "taken" || message.why === "nickname";
  const name = wanted;
  if (me !== null) {
    addNotice(message.text[lang], true);
  } else if (name !== null && returning && message.why === "taken" && takenTimes < TAKEN_MAX) {
    takenTimes += 1;
    setStatus(words.taken);
    const again = () => connection.send({ type: "nick", name });
    connection.later(3000 + takenTimes * 1000, again);
  } else if (name !== null && (isOfName || !returning)) {
    returning = false;
    wanted = null;
    askName(message.text[lang]);
  }
}

/**
 * Something was said just now.
 * @param {Line} said
 * @param {{ emote?: boolean, private?: string }} how
 */
function heard(said, how) {
  lines.addLine(said, how);
  if (said.again || said.from === me || document.hasFocus()) return;
  unread += 1;
  setTitle();
  if (how.private || lines.mentionsMe(said.text)) notify(said);
}

/**
 * We have this name now.
 * @param {string} name
 */
function setName(name) {
  wanted = name;
  setMe(name);
  remember(name);
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

function setTitle() {
  document.title = unread > 0 ? `(${unread}) chinwag` : "chinwag";
}

/** @param {string} name */
function enterRoom(name) {
  entry.hidden = true;
  room.hidden = toggle.hidden = false;
  const canAsk = "Notification" in window && window.isSecureContext;
  notifyButton.hidden = !canAsk || Notification.permission !== "default";
  setStatus(words.here(name), true);
  line.focus();
}

/** @param {string} why */
function askName(why) {
  entry.hidden = false;
  room.hidden = toggle.hidden = notifyButton.hidden = true;
  error.textContent = why;
  setStatus("");
  nameField.focus();
  nameField.select();
}

/** @param {Line} said */
function notify(said) {
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const shown = new Notification(said.from, { body: said.text, tag: "chinwag" });
    shown.addEventListener("click", () => window.focus());
  } catch {
    // Some phones have the permission and still cannot.
  }
}

// ── what stays when the page is loaded again ──

/** @param {string} name */
function remember(name) {
  try {
    localStorage.setItem("name", name);
    sessionStorage.setItem("in", "yes");
  } catch {
    // The name is only a convenience, and storage may be forbidden.
  }
}

function forget() {
  try {
    sessionStorage.removeItem("in");
  } catch {
    // There was nothing to forget.
  }
}

function remembered() {
  try {
    const wasIn = sessionStorage.getItem("in") === "yes";
    return { name: localStorage.getItem("name") ?? "", in: wasIn };
  } catch {
    return { name: "", in: false };
  }
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
    if (me === null || !connection.send(messageOf(one))) return;
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
 * @returns {import("./page/connection.js").ClientMessage}
 */
function messageOf(text) {
  if (people.target === null || PRIVATE_COMMAND.test(text)) return { type: "say", text };
  return { type: "msg", to: people.target, text: text.replace(/^\/\//, "/") };
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
  if (!connection.send({ type: "nick", name: wanted })) connect();
});
notifyButton.addEventListener("click", async () => {
  await Notification.requestPermission();
  notifyButton.hidden = true;
  line.focus();
});
window.addEventListener("focus", () => {
  unread = 0;
  setTitle();
});
window.addEventListener("online", () => {
  if (returning && !connection.isConnected()) connect();
});

fillWords();
line.placeholder = words.write;
const before = remembered();
nameField.value = before.name;
// Whoever loads the page again was in the room a moment ago.
if (before.in && before.name) {
  wanted = before.name;
  returning = true;
  connect();
}
