// @ts-check
// The page's side of the dialect `web` begins here: how one comes in, is there, is cut off and
// comes back, writes and leaves. The modules in page/ have the rest: the connection, the logs, the
// rooms, the words.
import * as alerts from "./page/alerts.js";
import * as archive from "./page/archive.js";
import * as complete from "./page/complete.js";
import * as connection from "./page/connection.js";
import { stored } from "./page/connection.js";
import * as lines from "./page/lines.js";
import { byId } from "./page/lines.js";
import * as order from "./page/order.js";
import * as rooms from "./page/rooms.js";
import { me, setMe } from "./page/text.js";
import { fillWords, fullTime, lang, words } from "./page/words.js";

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
// In milliseconds: how long one waits to be let in; how long a line may be unconfirmed, and the
// server quiet, before it is asked something, and how long it may take to answer that. A proxy can go
// silent without closing anything; with the second that `watch` may be late twice, it is noticed
// within 10 seconds of a line.
const ENTRY_MAX = 10_000;
const UNCONFIRMED_MAX = 3_000;
const ANSWER_MAX = 5_000;
const QUIET_MAX = 60_000;
// Lines that one message may have, and how often as long as a line it may be, as JSON.
const LINES_MAX = 50;
const MESSAGE_LINES = 3;
// Commands that come back into the box if they were not understood, and how many are remembered.
const MISTAKES = ["usage", "unknown_command", "nobody"];
const COMMANDS_MAX = 20;
// Commands by which nobody but us and perhaps one other is told anything we wrote.
const PRIVATE_COMMAND = new RegExp(
  "^/(msg|tell|reply|r|nick|who|names|list|history|search|forget|ignore|unignore|help|quit|exit|" +
    "join|j|part|rooms|invite|whois|register|login|password|logout|unregister|oper|bans|audit)" +
    "(\\s|$)",
  "i",
);
// What is before a text for one person; the lines that follow are for them as well.
const FOR_ONE = /^\/(?:(?:msg|tell)\s+\S+|reply|r)\s(?=.*\S)/i;
// A private line for whoever wrote last, of which only the server knows who that is.
const REPLY = /^\/(?:reply|r)\s+(.*\S)\s*$/i;
// Commands with a password in them, which stays nowhere.
const SECRET_COMMAND = /^\/(register|login|password|unregister|oper)\s/im;
// Why one cannot come in under a name, whenever one tries.
const NAME_REFUSALS = ["taken", "nickname", "locked", "registered", "account_needed"];

const entry = byId("entry", HTMLElement);
const naming = byId("naming", HTMLFormElement);
const nameField = byId("name", HTMLInputElement);
const secret = byId("secret", HTMLElement);
const passwordField = byId("password", HTMLInputElement);
const otherButton = byId("other", HTMLButtonElement);
const error = byId("error", HTMLElement);
const status = byId("status", HTMLElement);
const bound = byId("bound", HTMLElement);
const roomPart = byId("room", HTMLElement);
const toggles = ["switch", "toggle", "self"].map((id) => byId(id, HTMLButtonElement));
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
/**
 * The account whose password the server waits for, or has waited for.
 * @type {string | null}
 */
let account = null;
// Its password, until it is sent; and what was sent to show that the account is ours.
let accountPassword = "";
let proof = /** @type {"" | "token" | "password"} */ ("");
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
// It is told that the server has not answered yet.
let isWaiting = false;
// The server was asked for a topic, and when, only to see whether it is there.
let isAsked = false;
let askedAt = 0;
/**
 * Commands that were sent, by their keys.
 * @type {Map<string, string>}
 */
const commands = new Map();
/**
 * The keys of what waits until we are in the room to which one went before it was written, and those
 * of what was asked for then.
 * @type {Map<string, string>}
 */
const waiting = new Map();
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
  isAsked = isPasswordAsked = isWaiting = false;
  commands.forEach(doubtReply);
  commands.clear();
  rooms.lose();
  stopWaiting();
  archive.lose();
  order.lose();
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
    account = null;
    proof = "";
    motd = message.motd;
    lineBytesMax = message.line_bytes_max;
    // Whoever resumes is still who they were.
    if (token === null) order.become();
    if (wanted === null) return;
    if (token === null) connection.send({ type: "nick", name: wanted });
    else giveToken(token);
  },
  login: ({ name }) => proveAccount(name),
  account(message) {
    order.account(message);
    // That may come before we are in a room.
    if (me === null) motd.push(message.text[lang]);
    else addNotice(message.text[lang]);
  },
  welcome,
  resumed,
  say: (message) => heard(message, {}),
  me: (message) => heard(message, { emote: true }),
  msg: (message) => heard(message, { private: words.forYou }),
  sent(message) {
    rooms.all().forEach(({ log }) => log.confirmPrivate(message));
    const isReply = (/** @type {[string, string]} */ [, text]) =>
      REPLY.exec(text)?.[1] === message.text;
    commands.delete([...commands].find(isReply)?.[0] ?? "");
    const how = { private: words.to(message.to) };
    rooms.active.log.addLine({ ...message, from: me ?? "" }, how);
  },
  history(message) {
    if (archive.take(message, message.key)) return;
    if (message.lines.length === 0) addNotice(words.nothingFound);
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
    where?.log.addPresence(message);
  },
  leave(message) {
    const where = roomOf(message);
    const why = message.words ?? message.why?.[lang] ?? "";
    where?.people.remove(message);
    where?.log.addPresence(message, why);
  },
  removed(message) {
    const where = roomOf(message);
    where?.people.remove({ names: [message.name], count: message.count });
    where?.log.addNotice(message.text[lang]);
  },
  out(message) {
    const text = message.text[lang];
    if (message.room === undefined) return leave(text);
    rooms.remove(message.room);
    store();
    addNotice(text, true);
    if (rooms.note(rooms.active, text, true)) alert({ from: message.room, text });
  },
  rank(message) {
    const where = roomOf(message);
    where?.people.rank(message.name, message.rank);
    where?.log.addNotice(message.text[lang]);
    order.showSettings();
  },
  set(message) {
    order.takeSet(message);
    (roomOf(message) ?? rooms.active).log.addNotice(message.text[lang]);
  },
  settings(message) {
    if (!order.takeSettings(message)) addNotice(message.text[lang]);
  },
  nick(message) {
    order.rename(message);
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
    // Who was put out knows.
    if (!rooms.get(name)) return;
    rooms.remove(name);
    store();
    addNotice(words.parted(name));
  },
  invite({ from, room: name }) {
    const notice = addNotice(words.invited(from, name) + " ");
    notice.append(rooms.doorTo(name, words.joinThis(name)));
    const text = words.invited(from, name);
    if (rooms.note(rooms.active, text, true)) alert({ from, text });
  },
  ignoring(message) {
    order.ignore(message.names);
    addNotice(message.text[lang]);
  },
  notice({ text, answer }) {
    const notice = addNotice(text[lang]);
    if (answer !== undefined) order.wantAnswer(notice, answer);
  },
  help({ commands: told }) {
    // What only terminals understand, the page would say aloud.
    /** @type {[string, string][]} */
    const entries = told.map(({ form, purpose }) =>
      [form[lang], words.purposes[form.en.split(" ")[0]] ?? purpose[lang]]);
    rooms.active.log.addList(told.length > 1 ? [...entries, ...words.keys] : entries);
  },
  refused,
  goodbye: () => leave(words.left),
  stopping: () => addNotice(words.stopping),
  relay: ({ back }) => addNotice(back ? words.relayBack : words.relayAway),
};

/**
 * @template {Type} T
 * @param {ServerMessage<T>} message
 */
function handle(message) {
  if (isWaiting) {
    isWaiting = false;
    if (me !== null) setStatus(words.here(me), true);
  }
  handlers[message.type]?.(message);
}

/**
 * We are not on the server any more, and do not come back by ourselves.
 * @param {string} why
 */
function leave(why) {
  returning = false;
  setMe(null);
  wanted = token = account = null;
  // A name that is given now is not for a connection that is about to be closed.
  connection.drop();
  order.become();
  rooms.all().forEach((one) => rooms.remove(one.name));
  take("rooms");
  askName(why);
}

/**
 * The name is an account. If the page has nothing to show that it is ours, it asks.
 * @param {string} name
 */
function proveAccount(name) {
  account = name;
  const known = proof === "" ? order.tokenOf(name) : null;
  if (accountPassword) {
    proof = "password";
    connection.send({ type: "password", text: accountPassword });
    accountPassword = "";
  } else if (known !== null) {
    proof = "token";
    connection.send({ type: "login", name, token: known });
  } else {
    nameField.value = name;
    askSecret(words.login(name), error.textContent ?? "");
  }
}

/** @param {ServerMessage<"refused">} message */
function refused(message) {
  const text = message.text[lang];
  if (archive.take(text, message.key) || order.refuse(text, message.key)) return;
  if (message.key !== undefined) giveBack(message.key, message.why);
  const ofJoin = rooms.refuse(message);
  if (ofJoin !== undefined) stopWaiting(ofJoin);
  const isOfName = NAME_REFUSALS.includes(message.why);
  const name = wanted;
  if (message.why === "password" || message.why === "wrong_passwords") {
    password = "";
    askSecret(words.password, text);
  } else if (me === null && account !== null) {
    // A token that is too old is no mistake of whoever sits here.
    const isOldToken = proof === "token" && message.why === "wrong_password";
    if (isOldToken) order.forgetToken();
    returning = false;
    wanted = account = null;
    askName(isOldToken ? "" : text);
  } else if (me !== null && message.why === "room_key" && message.room) {
    order.askKey(message.room, text);
  } else if (me !== null) {
    const about = ofJoin === undefined ? roomOf(message) : undefined;
    (about ?? rooms.active).log.addNotice(text, true);
  } else if (name !== null && token !== null) {
    // It is too late to resume; but the name may be free.
    token = null;
    order.become();
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
    // What was written while there was no connection nobody has heard.
    entered.log.pending.forEach((unsaid) => sendPending(entered, unsaid));
    archive.enter(entered, message.kept);
    if (entered.askedBy !== undefined) sayWaiting(entered.askedBy);
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
  else if (wanted !== null) askSecret(words.password, "");
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
  account = null;
  accountPassword = error.textContent = "";
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
  if (isDoubtful && me !== null && !isWaiting) {
    isWaiting = true;
    setStatus(words.waiting);
  }
  if (isAsked ? quiet > ANSWER_MAX : quiet > ENTRY_MAX && wanted !== null && me === null) {
    connection.drop();
  } else if (quiet > QUIET_MAX || (isDoubtful && now - askedAt > UNCONFIRMED_MAX)) ask();
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
  if (rooms.note(where, said.text, how.private !== undefined)) alert(said, where);
}

/**
 * @param {{ from: string, text: string }} said
 * @param {rooms.Room} [where]
 */
function alert(said, where) {
  alerts.alert(said, () => where && rooms.get(where.name) && rooms.show(where));
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
  order.showSelf();
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
  for (const one of [roomPart, ...toggles]) one.hidden = false;
  alerts.offer();
  setStatus(words.here(name), true);
  line.focus();
}

/**
 * @param {string} why
 * @param {string} [question] what is asked besides, if that is a password
 */
function askName(why, question = "") {
  entry.hidden = false;
  for (const one of [roomPart, ...toggles]) one.hidden = true;
  alerts.hide();
  secret.hidden = !question;
  passwordField.required = question !== "";
  passwordField.value = "";
  const [label] = passwordField.labels ?? [];
  label.textContent = question;
  nameField.readOnly = account !== null;
  otherButton.hidden = account === null;
  error.textContent = why;
  setStatus("");
  nameField.focus();
  nameField.select();
}

/**
 * @param {string} question
 * @param {string} why
 */
function askSecret(question, why) {
  returning = false;
  wanted = null;
  askName(why, question);
  passwordField.focus();
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

// ── what stays when the page is loaded again ──

/** Remembers who we are, and our rooms. */
function store() {
  stored(() => {
    localStorage.setItem("name", wanted ?? "");
    // Another tab may have another.
    sessionStorage.setItem("name", wanted ?? "");
    const names = rooms.all().map((one) => one.name);
    sessionStorage.setItem("rooms", JSON.stringify(names));
  });
}

/** Remembers what only the page that comes next in this tab may know: a copy of the tab may not. */
function leaveToken() {
  stopWaiting();
  if (me !== null || returning) stored(() => sessionStorage.setItem("drafts", drafts()));
  if (!returning || token === null) return;
  const lost = rooms.all().flatMap(({ name, log }) =>
    log.pending.map((unsaid) => ({ ...unsaid, name, item: undefined })));
  const left = { ...order.whoWeAre(), token, lost };
  stored(() => sessionStorage.setItem("resume", JSON.stringify(left)));
}

/** What is written and not sent, in each room. */
function drafts() {
  if (!isSecret(line.value)) [rooms.active.draft, rooms.active.target] = [line.value, rooms.target];
  return JSON.stringify(rooms.all().map(({ name, draft, target }) => ({ name, draft, target })));
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
  line.value = "";
  const left = write(text);
  if (left) {
    line.value = left;
    return;
  }
  if (text.trim() && !isSecret(text)) sent.push(text);
  if (sent.length > SENT_MAX) sent.shift();
  recalled = sent.length;
  hideSecret();
  complete.close();
  lines.scrollToEnd();
}

/**
 * Sends what was written, or keeps it until we are in the room that it is for. Returns what of it
 * could not be sent.
 * @param {string} text
 */
function write(text) {
  const typed = text.split(/\r\n|\r|\n/).map((one) => one.trim() && one);
  while (typed[0] === "") typed.shift();
  while (typed.at(-1) === "") typed.pop();
  const bytes = (/** @type {string} */ one) => new TextEncoder().encode(one).length;
  const isLong = typed.some((one) => bytes(one) > lineBytesMax) ||
    bytes(JSON.stringify(typed)) > lineBytesMax * MESSAGE_LINES;
  if (isLong || typed.length > LINES_MAX) {
    addNotice(isLong ? words.tooLong(lineBytesMax) : words.linesMax(LINES_MAX), true);
    return text;
  }
  // What was sent of it is not sent again.
  while (typed.length > 0 && !mustWait(typed[0]) && send(typed)) continue;
  if (typed.length === 0 || !mustWait(typed[0])) return typed.join("\n");
  wait(typed.join("\n"));
  return "";
}

/**
 * Whether this is for a room in which we are not yet: it would be said in the one before. What is
 * for one person needs no room, and a password is not to be seen.
 * @param {string} text
 */
function mustWait(text) {
  return rooms.goingBy() !== undefined && rooms.target === null && !isSecret(text);
}

/** @param {string} text */
function wait(text) {
  const key = connection.newKey();
  waiting.set(key, rooms.goingBy() ?? "");
  const how = { emote: false, isTyped: true, after: Infinity };
  rooms.active.log.addPending({ ...how, key, text, from: me ?? "" });
}

/**
 * We are in the room that was asked for with this key, and it is shown.
 * @param {string} asked
 */
function sayWaiting(asked) {
  for (const [key, by] of [...waiting]) {
    if (by !== asked) continue;
    waiting.delete(key);
    for (const { log } of rooms.places()) {
      const left = write(log.takeBack(key)?.text ?? "");
      if (line.value === "") line.value = left;
    }
  }
}

/**
 * What waits for the room that was asked for with this key, or for any, is not for another.
 * @param {string} [asked]
 */
function stopWaiting(asked) {
  for (const [key, by] of [...waiting]) {
    if (asked !== undefined && by !== asked) continue;
    waiting.delete(key);
    giveBack(key, "");
  }
}

/**
 * Sends of these lines as many as go together, and takes them away. What is written to one person
 * must not be said to all, whatever it begins with.
 * @param {string[]} typed
 */
function send(typed) {
  const [first] = typed;
  const isOne = typed.length === 1 || rooms.target !== null || /^\/(?!\/)/.test(first);
  const text = isOne ? first : typed.join("\n");
  const isSent = rooms.target !== null && !PRIVATE_COMMAND.test(first)
    ? text === "" || tell(rooms.target, text.replace(/^\/\//, "/")) : say(text);
  if (isSent) typed.splice(0, isOne ? 1 : typed.length);
  while (typed[0] === "") typed.shift();
  const [toOne] = FOR_ONE.exec(first) ?? [];
  if (isSent && toOne && typed.length > 0) typed[0] = toOne + typed[0];
  return isSent;
}

/**
 * Says lines in the room that is shown, or has the server do what one says.
 * @param {string} text
 */
function say(text) {
  const emote = /^\/me\s+(\S.*)$/.exec(text);
  const alone = /^\/(?:msg|tell)\s+(\S+)(?: +|\s)(.*\S.*)$/i.exec(text);
  if (alone) return tell(alone[1], alone[2]);
  if (!emote && /^\/(?!\/)/.test(text)) return command(text);
  if (rooms.target === null && order.confirm(text)) return true;
  return sayPending({ text: emote?.[1] ?? text.replace(/^\/\//, "/"), emote: emote !== null });
}

/**
 * @param {string} to
 * @param {string} text
 */
function tell(to, text) {
  return me !== null && sayPending({ text, to, emote: false });
}

/** @param {string} text */
function command(text) {
  if (me === null) return false;
  if (/^\/history\b/i.test(text)) rooms.active.log.recalls = true;
  if (/^\/(help|h)\s*$/i.test(text)) return connection.send({ type: "help" });
  const [, room, opener] = /^\/(?:join|j)\s+(\S+)\s*(.*)$/i.exec(text) ?? [];
  if (room) return rooms.go(room, opener || undefined);
  const key = connection.newKey();
  if (!isSecret(text)) commands.set(key, text);
  const [oldest] = commands.keys();
  if (commands.size > COMMANDS_MAX) commands.delete(oldest);
  return connection.send({ type: "say", text, room: rooms.active.name || undefined, key });
}

/**
 * Sends what the server is to confirm, and shows it in grey until then.
 * @param {{ text: string, emote: boolean, to?: string }} what
 */
function sayPending(what) {
  const here = rooms.active;
  const key = connection.newKey();
  const mine = { ...what, key, from: wanted ?? "", after: here.log.lastId };
  if (here.name === "" && !what.to) {
    addNotice(words.nowhere, true);
    return false;
  }
  const isSent = me !== null && sendPending(here, mine);
  // Cut off, we say it when we are back.
  if (!isSent && token === null) return false;
  here.log.addPending(mine);
  return true;
}

/**
 * @param {rooms.Room} where
 * @param {Sent} unsaid
 */
function sendPending({ name: room }, unsaid) {
  const { key, text, emote, to } = unsaid;
  const isSent = connection.send(
    to ? { type: "msg", to, text, key }
      : text.includes("\n") ? { type: "say", lines: text.split("\n"), room, key }
        : emote ? { type: "me", text, room, key }
          : { type: "say", text: text.replace(/^\//, "//"), room, key });
  unsaid.wasSent ||= isSent;
  return isSent;
}

/**
 * What the server has not done comes back to where it was written, if nothing else is there.
 * @param {string} key
 * @param {string} why
 */
function giveBack(key, why) {
  const typed = commands.get(key);
  commands.delete(key);
  if (typed && MISTAKES.includes(why) && line.value === "") line.value = typed;
  for (const where of rooms.places()) {
    const unsaid = where.log.takeBack(key);
    if (!unsaid) continue;
    const isHere = where === rooms.active;
    if (isHere ? line.value !== "" : where.draft !== "") return where.log.giveUp(unsaid);
    const isTo = (isHere ? rooms.target : where.target) === (unsaid.to ?? null);
    const text = isTo && unsaid.to ? writtenTo(unsaid.text) : lines.writtenAs(unsaid);
    if (isHere) line.value = text;
    else where.draft = text;
  }
}

/**
 * How one writes this to the person whom all one writes is for, so that it is not a command.
 * @param {string} text
 */
function writtenTo(text) {
  return text.startsWith("//") || PRIVATE_COMMAND.test(text) ? "/" + text : text;
}

/**
 * There is no connection any more, and nobody knows whether this was done: a reply is left to
 * whoever wrote it.
 * @param {string} typed
 */
function doubtReply(typed) {
  if (REPLY.test(typed)) addNotice(`${typed} `, true).append(lines.unsureNote(typed));
}

/** @param {string} text */
function isSecret(text) {
  return SECRET_COMMAND.test(text);
}

/** Nobody who looks on needs to read a password. */
function hideSecret() {
  line.classList.toggle("secret", isSecret(line.value));
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
line.addEventListener("input", hideSecret);
line.addEventListener("keydown", (event) => {
  if (event.altKey) return;
  if (!event.isComposing && complete.press(event)) {
    event.preventDefault();
    // Escape would also write to everybody again.
    event.stopPropagation();
    return;
  }
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
  const given = passwordField.value;
  passwordField.value = "";
  if (account !== null) {
    accountPassword = given;
    if (connection.isConnected()) proveAccount(account);
    else connect();
    return;
  }
  password = given || password;
  if (isPasswordAsked) givePassword();
  else if (!connection.send({ type: "nick", name: wanted })) connect();
});
otherButton.addEventListener("click", () => {
  account = null;
  askName("");
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
// Offline it says so, and can be installed. Only over https, or on the machine itself.
navigator.serviceWorker?.register("/worker.js").catch(() => undefined);

/** Whoever follows a link to a room is told where it leads. */
function showBound() {
  const name = rooms.addressed();
  bound.textContent = name === null ? "" : words.bound(name);
}

fillWords();
line.placeholder = words.write;
takePassword();
const nameHere = stored(() => sessionStorage.getItem("name"));
nameField.value = nameHere ?? stored(() => localStorage.getItem("name")) ?? "";
showBound();
rooms.show(rooms.active);
const before = take("rooms");
// Whoever loads the page again was in its rooms a moment ago.
if (before && nameField.value) {
  wanted = nameField.value;
  returning = true;
  for (const name of before) rooms.add(name);
  for (const { name, draft, target } of take("drafts") ?? []) {
    const room = rooms.get(name);
    if (room) [room.draft, room.target] = [draft, target];
  }
  store();
  const resume = take("resume");
  token = resume?.token ?? null;
  order.become(resume ?? {});
  for (const { name, ...unsaid } of resume?.lost ?? []) {
    rooms.get(name)?.log.addPending(unsaid);
  }
  connect();
}
