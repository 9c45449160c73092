// @ts-check
// The rooms one is in: what the page knows of each, who is there, whom the next lines are for, and
// which room is shown.
import * as alerts from "./alerts.js";
import { newKey, send } from "./connection.js";
import { avatar, byId, drawer, hue, Log, showLog, showWayUp, withNextLines } from "./lines.js";
import { element, me, mentionsMe } from "./text.js";
import { collator, words } from "./words.js";

/** @typedef {import("./types.js").Entered} Entered */
/** @typedef {import("./types.js").Members} Members */
/** @typedef {import("./types.js").Rank} Rank */
/** @typedef {import("./types.js").ServerMessage<"refused">} Refused */
/** @typedef {import("./types.js").Topic} Topic */

// By which those who have a rank are known.
const MARKS = { operator: "@", voice: "+" };
// As many names as the server tells at once.
const NAMES_MAX = 1000;

const list = byId("list", HTMLUListElement);
const joining = byId("joining", HTMLFormElement);
const joined = byId("joined", HTMLInputElement);
const where = byId("where", HTMLAnchorElement);
const topic = byId("topic", HTMLElement);
const leave = byId("leave", HTMLButtonElement);
const configure = byId("configure", HTMLButtonElement);
const line = byId("line", HTMLTextAreaElement);
const elsewhere = byId("elsewhere", HTMLElement);
const openList = drawer(byId("rooms", HTMLElement), byId("switch", HTMLButtonElement));
const memberList = byId("members", HTMLUListElement);
const composer = byId("composer", HTMLFormElement);
const targetNote = byId("target", HTMLElement);
const [targetText, everyone] = targetNote.children;
const openPeople = drawer(byId("people", HTMLElement), byId("toggle", HTMLButtonElement));

// ── who is in a room ──

/** Those who are in one room, as far as they are known. */
export class People {
  /** @type {Set<string>} */
  names = new Set();
  /** @type {Map<string, Rank>} */
  ranks = new Map();
  count = 0;
  // A timer, while the names are fewer or more than they should be; also while the server is asked.
  #correcting = 0;

  /** @param {string} room */
  constructor(room) {
    this.room = room;
  }

  /** @param {Members} told */
  set(told) {
    this.names = new Set(told.members);
    this.ranks.clear();
    told.operators?.forEach((name) => this.ranks.set(name, "operator"));
    told.voiced?.forEach((name) => this.ranks.set(name, "voice"));
    this.#setCount(told.count);
  }

  /**
   * Takes the server's answer to who is here. Returns whether it was this script that had asked.
   * @param {Members} told
   */
  correct(told) {
    const hadAsked = this.#correcting !== 0;
    this.set(told);
    if (hadAsked) this.#correcting = 0;
    return hadAsked;
  }

  /** @param {{ names: string[], count: number }} told */
  add(told) {
    told.names.forEach((name) => this.names.add(name));
    this.#setCount(told.count);
  }

  /** @param {{ names: string[], count: number }} told */
  remove(told) {
    told.names.forEach((name) => this.names.delete(name) && this.ranks.delete(name));
    this.#setCount(told.count);
  }

  /**
   * Returns whether it was somebody here.
   * @param {{ old: string, new: string }} names
   */
  rename(names) {
    const wasHere = this.names.delete(names.old);
    if (wasHere) this.names.add(names.new);
    this.rank(names.new, this.ranks.get(names.old) ?? null);
    this.ranks.delete(names.old);
    return wasHere;
  }

  /**
   * Somebody has this rank now, or none.
   * @param {string} name
   * @param {Rank | null} rank
   */
  rank(name, rank) {
    if (rank) this.ranks.set(name, rank);
    else this.ranks.delete(name);
    withNextLines(showMembers);
  }

  /** @param {number} now */
  #setCount(now) {
    this.count = now;
    withNextLines(showMembers);
    // Of very many who come or go together, not all are named.
    if (this.names.size === now || now > NAMES_MAX || this.#correcting) return;
    this.#correcting = setTimeout(() => {
      const isRight = this.names.size === this.count;
      if (isRight || !send({ type: "who", room: this.room })) this.#correcting = 0;
    }, 500 + Math.random() * 2500);
  }
}

let shown = new People("");
/**
 * Whom the next lines are for; null is everyone. Others read it, `setTarget` changes it.
 * @type {string | null}
 */
export let target = null;

/** @param {People} people */
export function showPeople(people) {
  shown = people;
  showMembers();
}

function showMembers() {
  const { count, names: members, ranks } = shown;
  byId("count", HTMLElement).textContent = String(count);
  byId("badge", HTMLElement).textContent = String(count);
  const names = [...members].sort(collator.compare);
  const items = names.map((name) => {
    const button = element("button");
    button.type = "button";
    button.style.setProperty("--hue", hue(name));
    button.append(avatar("span", name));
    const rank = ranks.get(name);
    if (rank) {
      const mark = element("span", "rank", MARKS[rank]);
      mark.title = rank === "operator" ? words.operator : words.voiced;
      button.append(mark);
    }
    const called = element("span", "name", name);
    called.dir = "auto";
    button.append(called);
    const item = element("li");
    item.append(button);
    if (name === me) {
      button.append(element("span", "you", words.you));
      button.disabled = true;
    } else {
      button.title = words.message(name);
      button.addEventListener("click", () => setTarget(name));
      const deeds = element("button", "deeds", "⋯");
      deeds.type = "button";
      deeds.value = name;
      deeds.ariaHasPopup = "menu";
      deeds.ariaLabel = deeds.title = words.deeds(name);
      item.append(deeds);
    }
    return item;
  });
  const focused = document.activeElement;
  const had = memberList.contains(focused) && focused?.closest("li")?.querySelector(".name");
  const isOfDeeds = focused?.matches(".deeds");
  if (count > names.length) items.push(element("li", "more", words.more(count - names.length)));
  memberList.replaceChildren(...items);
  // Whoever is at somebody in the list, with the keyboard, stays there.
  if (!had) return;
  const name = had.textContent ?? "";
  const place = names.indexOf(name);
  // Whoever was at somebody who has gone is at who comes next.
  const next = names.findIndex((other) => other !== me && collator.compare(other, name) > 0);
  const [button, deeds] = items[place < 0 ? next : place]?.querySelectorAll("button") ?? [];
  ((isOfDeeds ? deeds : button) ?? line).focus();
}

/**
 * Puts something where the cursor is in what is written.
 * @param {string} text
 */
export function insert(text) {
  const isAlone = /(^|\s)$/.test(line.value.slice(0, line.selectionStart));
  line.setRangeText((isAlone ? "" : " ") + text, line.selectionStart, line.selectionEnd, "end");
  openPeople(false);
  line.focus();
}

/** @param {string | null} name */
export function setTarget(name) {
  target = name;
  composer.classList.toggle("private", name !== null);
  targetNote.hidden = name === null;
  targetText.textContent = name === null ? "" : words.toTarget(name);
  openPeople(false);
  line.focus();
}

everyone.addEventListener("click", () => setTarget(null));
document.addEventListener("keydown", (event) => {
  if (event.key === "Escape" && target !== null) setTarget(null);
});

// ── rooms ──

export class Room {
  log = new Log();
  topic = /** @type {Topic | undefined} */ (undefined);
  /** The server knows that we are in it, since we are connected. */
  isIn = false;
  // Lines that were said while it was not looked at, and those of them that mention us.
  unread = 0;
  mentions = 0;
  // What is written and not sent, and whom it is for.
  draft = "";
  target = /** @type {string | null} */ (null);
  /** The key under which we have asked to join it. */
  askedBy = /** @type {string | undefined} */ (undefined);
  item = element("li");
  #button = element("button");
  #badge = element("b", "badge");

  /** @param {string} name */
  constructor(name) {
    this.name = name;
    this.people = new People(name);
    this.#button.type = "button";
    const called = element("span", "name", name);
    called.dir = "auto";
    this.#button.append(called, this.#badge);
    this.#button.addEventListener("click", () => show(this));
    this.item.append(this.#button);
  }

  /** Shows in the list what is new in it. */
  update() {
    const { name, unread, mentions } = this;
    this.#button.ariaCurrent = this === active ? "true" : null;
    this.#button.ariaLabel = unread > 0 ? words.unread(name, unread, mentions) : null;
    this.#badge.textContent = unread > 0 ? String(unread) : "";
    this.#badge.classList.toggle("mentioned", mentions > 0);
  }
}

/**
 * By their names, in the order in which we came.
 * @type {Map<string, Room>}
 */
const rooms = new Map();
/** Where one is who is in no room. */
const nowhere = new Room("");
/** The room that is shown. Others read it, `show` changes it. */
export let active = nowhere;
/**
 * What we have asked to join, and the server has not answered.
 * @type {{ name: string, key: string }[]}
 */
let asked = [];
/**
 * The last that was asked for to be shown, where one was then, and whether nothing was written there.
 * @type {{ key: string, from: Room, isBlank: boolean } | null}
 */
let going = null;
/**
 * The keys of rooms that have one, as we have given them, by the rooms' names in small letters.
 * @type {Map<string, string>}
 */
const keys = new Map();

export function all() {
  return [...rooms.values()];
}

/** Also where one is who is in no room. */
export function places() {
  return [...rooms.values(), nowhere];
}

/** @param {string} name */
export function get(name) {
  return rooms.get(name);
}

/** @param {string} name */
export function add(name) {
  const room = new Room(name);
  rooms.set(name, room);
  list.append(room.item);
  return room;
}

/**
 * We are in this room now, or again.
 * @param {Entered} told
 */
export function enter(told) {
  const room = get(told.room) ?? add(told.room);
  const at = asked.findIndex(({ name }) => isSame(name, told.room));
  // A name that looks like another leads to that one's room. Answers have the order of questions.
  const [answered] = asked.splice(Math.max(at, 0), 1);
  room.askedBy = answered?.key;
  room.isIn = true;
  room.people.set(told);
  setTopic(room, told.topic);
  return room;
}

/** @param {string} name */
export function remove(name) {
  const room = get(name);
  if (!room) return;
  const place = all().indexOf(room);
  rooms.delete(name);
  room.item.remove();
  if (room === active) show(all()[Math.max(place - 1, 0)] ?? nowhere);
}

/**
 * @param {Room} room
 * @param {Topic | undefined} now
 */
export function setTopic(room, now) {
  room.topic = now?.text ? now : undefined;
  withNextLines(showHead);
}

/**
 * Something was said in a room just now. Returns whether it is worth a notification: it means us,
 * and we do not look.
 * @param {Room} room
 * @param {string} text
 * @param {boolean} isForMe
 */
export function note(room, text, isForMe) {
  if (room === active && document.hasFocus()) return false;
  if (room.unread === 0) room.log.divide();
  const isMention = isForMe || mentionsMe(text);
  room.unread += 1;
  room.mentions += Number(isMention);
  withNextLines(showUnread);
  return isMention;
}

/** @param {Room} room */
export function show(room) {
  const [typed, isSecret] = [line.value, line.matches(".secret")];
  const hasCome = going !== null && room.askedBy === going.key;
  // What is half written since one went there is for that room.
  const isForIt = hasCome && going?.from === active && going.isBlank && target === null;
  if (hasCome) going = null;
  [active.draft, active.target] = [isSecret || isForIt ? "" : typed, target];
  const old = active;
  active = room;
  line.value = isForIt ? typed : room.draft;
  line.classList.toggle("secret", isForIt && isSecret);
  setTarget(room.target);
  showLog(room.log);
  showPeople(room.people);
  old.update();
  openList(false);
  read();
  if (room !== nowhere) history.replaceState(null, "", addressOf(room.name));
}

/** What is shown is looked at. */
export function read() {
  active.unread = active.mentions = 0;
  showHead();
  showUnread();
  withNextLines(showWayUp);
}

/**
 * Shows the room so many places further in the list.
 * @param {number} step
 */
export function move(step) {
  const here = all();
  const place = here.indexOf(active) + step;
  if (here.length > 1) show(here[(place + here.length) % here.length]);
}

/**
 * Shows a room, which is joined if need be. Returns whether that could be asked for.
 * @param {string} named
 * @param {string} [secret] the room's key
 */
export function go(named, secret) {
  const name = named.startsWith("#") ? named : "#" + named;
  const room = all().find((one) => isSame(one.name, name));
  if (room === active) line.focus();
  else if (room) show(room);
  if (room) return true;
  const key = join(name, secret);
  if (key !== null) going = { key, from: active, isBlank: line.value === "" };
  return key !== null;
}

/**
 * Returns the key under which that was asked for, if it was.
 * @param {string} name
 * @param {string} [secret] the room's key
 */
export function join(name, secret = keys.get(name.toLowerCase())) {
  if (secret) keys.set(name.toLowerCase(), secret);
  const key = newKey();
  if (!send({ type: "join", room: name, text: secret, key })) return null;
  asked.push({ name, key });
  return key;
}

/** The key of what was asked for last, if one has gone on from the room that is shown. */
export function goingBy() {
  return going?.from === active ? going.key : undefined;
}

/**
 * Something was not done. Returns the key of that, if it was to join a room. One that we were in
 * before a cut is then no longer ours.
 * @param {Refused} told
 */
export function refuse({ key, room: named = "" }) {
  const at = asked.findIndex((one) => key ? one.key === key : isSame(one.name, named));
  if (at < 0) return undefined;
  const [refused] = asked.splice(at, 1);
  if (refused.key === going?.key) going = null;
  const room = rooms.get(refused.name);
  if (room && !room.isIn) remove(room.name);
  return refused.key;
}

/**
 * @param {string} one
 * @param {string} other
 */
function isSame(one, other) {
  return one.toLowerCase() === other.toLowerCase();
}

/** The connection was lost. */
export function lose() {
  asked = [];
  going = null;
  for (const room of all()) room.isIn = room.log.recalls = false;
}

/** The room that the page's address names, if it does. */
export function addressed() {
  try {
    const name = decodeURIComponent(location.hash);
    return name.length > 1 ? name : null;
  } catch {
    return null;
  }
}

/** @param {string} name */
function addressOf(name) {
  return "/#" + encodeURIComponent(name.slice(1));
}

/**
 * A button that leads to a room.
 * @param {string} name
 * @param {string} text
 */
export function doorTo(name, text) {
  const button = element("button", "door", text);
  button.type = "button";
  button.value = name;
  return button;
}

// ── what is to be seen ──

function showHead() {
  where.textContent = active.name;
  where.href = addressOf(active.name);
  topic.textContent = active === nowhere ? words.nowhere : (active.topic?.text ?? "");
  topic.title = active.topic?.by ?? "";
  leave.hidden = configure.hidden = active === nowhere;
  leave.title = leave.ariaLabel = words.leaveThis(active.name);
}

function showUnread() {
  let [unread, mentions] = [0, 0];
  for (const room of places()) {
    room.update();
    unread += room.unread;
    mentions += room.mentions;
  }
  elsewhere.textContent = unread > 0 ? String(unread) : "";
  elsewhere.classList.toggle("mentioned", mentions > 0);
  alerts.count(active.name, unread);
}

joined.placeholder = words.joinRoom;
leave.addEventListener("click", () => send({ type: "part", room: active.name }));
byId("all", HTMLButtonElement).addEventListener("click", () => {
  send({ type: "rooms" });
  openList(false);
});
joining.addEventListener("submit", (event) => {
  event.preventDefault();
  const name = joined.value.trim();
  if (name !== "") go(name);
  joined.value = "";
});
document.addEventListener("keydown", (event) => {
  if (!event.altKey || event.ctrlKey || event.metaKey || event.shiftKey) return;
  if (event.key !== "ArrowUp" && event.key !== "ArrowDown") return;
  event.preventDefault();
  move(event.key === "ArrowUp" ? -1 : 1);
});
