// @ts-check
// Order: whether we have an account, what can be done to somebody, what is set for a room, and the
// key of one. All of it is asked of the server in the commands that one can also type.
import { newKey, send, sentCount, stored } from "./connection.js";
import { byId } from "./lines.js";
import * as rooms from "./rooms.js";
import { element, me } from "./text.js";
import { words } from "./words.js";

/** @typedef {import("./types.js").Settings} Settings */
/**
 * @template {import("./types.js").ServerType} T
 * @typedef {import("./types.js").ServerMessage<T>} ServerMessage
 */

// For how long the server takes the token of an account, in milliseconds.
const TOKEN_MAX = 30 * 24 * 60 * 60 * 1000;
// What can be on or off for a room, and the letter of each.
const FLAGS = { topic: "t", moderated: "m", invite: "i", secret: "s", members: "n" };

const self = byId("self", HTMLButtonElement);
const panel = byId("account", HTMLDialogElement);
const registering = byId("registering", HTMLFormElement);
const chosen = byId("chosen", HTMLInputElement);
const logout = byId("logout", HTMLButtonElement);
const menu = byId("menu", HTMLElement);
const settings = byId("settings", HTMLDialogElement);
const setting = byId("setting", HTMLFormElement);
const drop = byId("drop", HTMLButtonElement);
const keying = byId("keying", HTMLDialogElement);
const roomKey = byId("roomkey", HTMLInputElement);

/**
 * What was asked in a dialog, by its key, and where it is told why that is refused.
 * @type {Map<string, HTMLDialogElement>}
 */
const asked = new Map();

/**
 * @param {string} text
 * @param {string} room
 */
function say(text, room) {
  send({ type: "say", text, room: room || undefined });
}

/**
 * Has the server do something that was asked for in a dialog.
 * @param {HTMLDialogElement} dialog
 * @param {string} text
 * @param {string} room
 */
function ask(dialog, text, room) {
  const key = newKey();
  alertOf(dialog).textContent = "";
  if (send({ type: "say", text, room: room || undefined, key })) asked.set(key, dialog);
}

/** @param {HTMLDialogElement} dialog */
function alertOf(dialog) {
  return dialog.querySelector("[role=alert]") ?? dialog;
}

/**
 * Something was not done. Returns whether that is told in the dialog where it was asked for.
 * @param {string} text
 * @param {string} [key]
 */
export function refuse(text, key = "") {
  const dialog = asked.get(key);
  asked.delete(key);
  if (!dialog?.open) return false;
  alertOf(dialog).textContent = text;
  showSettings();
  return true;
}

/** @param {HTMLDialogElement} dialog */
function open(dialog) {
  asked.clear();
  alertOf(dialog).textContent = "";
  if (!dialog.open) dialog.showModal();
}

document.addEventListener("click", ({ target }) => {
  if (target instanceof Element && target.matches(".close")) target.closest("dialog")?.close();
});

/** The connection was lost, or we have left. */
export function lose() {
  asked.clear();
  closeMenu();
  [panel, settings, keying].forEach((dialog) => dialog.close());
}

// ── who we are ──

/** The account that we are logged in to, and whether we are an operator of the server. */
let standing = { account: /** @type {string | null} */ (null), isOperator: false };

/**
 * The token of this account, if one is kept that may still be good.
 * @param {string} name
 * @returns {string | null}
 */
export function tokenOf(name) {
  const kept = stored(() => JSON.parse(localStorage.getItem("account") ?? "null"));
  return kept?.name === name && kept.until > Date.now() ? kept.token : null;
}

export function forgetToken() {
  stored(() => localStorage.removeItem("account"));
}

export function whoWeAre() {
  return standing;
}

/**
 * We are this from now on; without anything, a guest.
 * @param {Partial<typeof standing>} [now]
 */
export function become(now = {}) {
  standing = { account: now.account ?? null, isOperator: now.isOperator ?? false };
  showSelf();
}

/**
 * Something is so of our account.
 * @param {ServerMessage<"account">} message
 */
export function account({ event, name, token }) {
  if (event === "operator") become({ ...standing, isOperator: true });
  if (event === "registered" || event === "logged_in") become({ ...standing, account: name });
  if (event === "logged_out" || event === "unregistered") become();
  if (token) {
    const kept = { name, token, until: Date.now() + TOKEN_MAX };
    stored(() => localStorage.setItem("account", JSON.stringify(kept)));
  } else if (["logged_out", "unregistered", "password_set"].includes(event)) {
    forgetToken();
  }
  panel.close();
}

export function showSelf() {
  const { account: ours, isOperator } = standing;
  self.textContent = ours === null ? words.guest : words.account;
  if (isOperator) self.textContent += ` · ${words.operator}`;
  const text = ours === null ? words.guestHint(me ?? "") : words.accountHint(ours);
  byId("standing", HTMLElement).textContent = text;
  registering.hidden = ours !== null;
  logout.hidden = ours === null;
  showSettings();
}

chosen.placeholder = words.newPassword;
self.addEventListener("click", () => {
  showSelf();
  open(panel);
});
registering.addEventListener("submit", (event) => {
  event.preventDefault();
  ask(panel, `/register ${chosen.value}`, rooms.active.name);
  chosen.value = "";
});
panel.addEventListener("close", () => chosen.value = "");
logout.addEventListener("click", () => ask(panel, "/logout", rooms.active.name));

// ── what can be done to somebody ──

/** Whom the menu is for, and in which room; nobody, if it is closed. */
let whom = "";
let where = rooms.active;
/** @type {Set<string>} */
let ignored = new Set();

/** @param {string[]} names */
export function ignore(names) {
  ignored = new Set(names);
}

/** @param {{ old: string, new: string }} names */
export function rename(names) {
  if (whom === names.old) whom = names.new;
  if (ignored.delete(names.old)) ignored.add(names.new);
  showSelf();
}

/** @param {rooms.Room} room */
function isInCharge({ people }) {
  return standing.isOperator || people.ranks.get(me ?? "") === "operator";
}

/**
 * What we may do to them, and how.
 * @returns {[string, () => void][]}
 */
function deeds() {
  const { name: room, people } = where;
  const tell = (/** @type {string} */ command) => () => {
    say(`${command} ${whom}`, room);
    closeMenu(true);
  };
  const isIgnored = ignored.has(whom);
  /** @type {[string, () => void][]} */
  const all = [
    [words.writeTo, () => {
      rooms.setTarget(whom);
      closeMenu();
    }],
    [words.mention, () => {
      rooms.insert(`@${whom} `);
      closeMenu();
    }],
    [isIgnored ? words.unignore : words.ignore, tell(isIgnored ? "/unignore" : "/ignore")],
    [words.whois, tell("/whois")],
  ];
  if (isInCharge(where)) {
    const rank = people.ranks.get(whom);
    if (rank !== "operator") {
      all.push(rank ? [words.devoice, tell("/devoice")] : [words.voice, tell("/voice")]);
    }
    all.push(rank === "operator" ? [words.deop, tell("/deop")] : [words.op, tell("/op")]);
    all.push([words.kick, () => askWhy(words.kick, "/kick", false)]);
    all.push([words.banHere, () => askWhy(words.banHere, `/ban ${room}`, true)]);
    all.push([words.unban, tell(`/unban ${room}`)]);
  }
  if (standing.isOperator) {
    all.push([words.mute, () => askWhy(words.mute, "/mute", true)]);
    all.push([words.unmute, tell("/unmute")]);
    all.push([words.ban, () => askWhy(words.ban, "/ban", true)]);
  }
  return all;
}

/** @param {HTMLButtonElement} button */
function openMenu(button) {
  whom = button.value;
  where = rooms.active;
  button.ariaExpanded = "true";
  const items = deeds().map(([text, deed]) => {
    const item = element("button", "", text);
    item.type = "button";
    item.role = "menuitem";
    item.addEventListener("click", deed);
    return item;
  });
  showMenu("menu", words.deeds(whom), items);
  const { bottom, left } = button.getBoundingClientRect();
  menu.style.left = `${Math.max(0, Math.min(left, innerWidth - menu.offsetWidth))}px`;
  menu.style.top = `${Math.max(0, Math.min(bottom, innerHeight - menu.offsetHeight))}px`;
}

/**
 * @param {"menu" | "dialog"} role
 * @param {string} label
 * @param {HTMLElement[]} content
 */
function showMenu(role, label, content) {
  menu.role = role;
  menu.ariaLabel = label;
  menu.replaceChildren(...content);
  menu.hidden = false;
  menu.querySelector(role === "menu" ? "button" : "input")?.focus();
}

/** @param {boolean} [isBack] the focus goes back to where the menu was opened */
function closeMenu(isBack = false) {
  const button = buttonOf(whom);
  whom = "";
  menu.hidden = true;
  if (button) button.ariaExpanded = "false";
  if (isBack) (button ?? byId("line", HTMLElement)).focus();
}

/**
 * The list may have been made anew since the menu was opened.
 * @param {string} name
 */
function buttonOf(name) {
  const all = /** @type {NodeListOf<HTMLButtonElement>} */ (document.querySelectorAll(".deeds"));
  return [...all].find(({ value }) => value === name);
}

/**
 * Asks for a reason, and if need be for how long, and then does it.
 * @param {string} label
 * @param {string} command
 * @param {boolean} hasSpan
 */
function askWhy(label, command, hasSpan) {
  const form = element("form");
  const why = element("input");
  why.placeholder = why.ariaLabel = words.why;
  why.maxLength = 250;
  why.autocomplete = "off";
  const span = element("select");
  span.ariaLabel = words.howLong;
  for (const [value, text] of Object.entries(words.spans)) {
    span.add(new Option(text, value, value === "1h", value === "1h"));
  }
  span.hidden = !hasSpan;
  const title = `${label}: ${whom}`;
  form.append(element("p", "", title), why, span, element("button", "", label));
  form.addEventListener("submit", (event) => {
    event.preventDefault();
    const parts = [command, whom, hasSpan ? span.value : "", why.value.trim()];
    say(parts.filter((part) => part !== "").join(" "), where.name);
    closeMenu(true);
  });
  showMenu("dialog", title, [form]);
}

byId("room", HTMLElement).addEventListener("click", ({ target }) => {
  const button = target instanceof Element && target.closest(".deeds, .from");
  if (!(button instanceof HTMLButtonElement) || button.value === me) return;
  const isOpen = whom === button.value;
  closeMenu(isOpen);
  if (!isOpen) openMenu(button);
});
menu.addEventListener("keydown", (event) => {
  const items = [...menu.querySelectorAll("button")];
  const place = items.findIndex((item) => item === document.activeElement);
  const steps = new Map([["ArrowDown", 1], ["ArrowUp", -1], ["Home", -place], ["End", -place - 1]]);
  const step = menu.role === "menu" ? steps.get(event.key) : undefined;
  if (event.key === "Escape") closeMenu(true);
  else if (step !== undefined) items.at((place + step) % items.length)?.focus();
  else return;
  event.preventDefault();
  // Escape would also close what is behind it.
  event.stopPropagation();
});
menu.addEventListener("focusout", ({ relatedTarget }) => {
  if (relatedTarget instanceof Node && !menu.contains(relatedTarget)) closeMenu();
});
document.addEventListener("pointerdown", ({ target }) => {
  if (!(target instanceof Element) || menu.hidden) return;
  if (!menu.contains(target) && !target.matches(".deeds, .from")) closeMenu();
});

// ── what the server wants to be sure of ──

/**
 * What it waits for, and how many messages we had sent then: anything else says no.
 * @type {{ answer: string, count: number } | null}
 */
let question = null;

/**
 * The server asks whether we mean it, and waits for this answer.
 * @param {HTMLElement} notice
 * @param {string} answer
 */
export function wantAnswer(notice, answer) {
  question = { answer, count: sentCount };
  const button = element("button", "", words.yes);
  button.type = "button";
  button.addEventListener("click", () => {
    button.remove();
    if (!confirm(answer)) rooms.active.log.addNotice(words.tooLate, true);
  });
  notice.classList.add("asking");
  notice.append(" ", button);
}

/**
 * Gives the answer that the server waits for. Returns whether the text is that: it is no line then.
 * @param {string} text
 */
export function confirm(text) {
  const isIt = question?.count === sentCount && text.trim().toLowerCase() === question.answer;
  question = null;
  if (isIt) say(text, rooms.active.name);
  return isIt;
}

// ── what is set for a room ──

/** The room that the dialog is about, and what is set for it. */
let of = rooms.active;
/** @type {Settings} */
let known = { flags: "", has_key: false, limit: null };

/**
 * The server has told what is set for a room. Returns whether that is shown in the dialog.
 * @param {ServerMessage<"settings">} message
 */
export function takeSettings(message) {
  if (!settings.open || message.room !== of.name) return false;
  known = message;
  showSettings();
  return true;
}

/**
 * Something was set for a room.
 * @param {ServerMessage<"set">} message
 */
export function takeSet({ room, what, value }) {
  if (room !== of.name) return;
  const letter = FLAGS[/** @type {keyof FLAGS} */ (what)] ?? "";
  if (letter) known.flags = known.flags.replace(letter, "") + (value === "on" ? letter : "");
  if (what === "key") known.has_key = value === "on";
  if (what === "limit") known.limit = Number(value) || null;
  showSettings();
}

/** @param {string} name */
function field(name) {
  return /** @type {HTMLInputElement} */ (setting.elements.namedItem(name));
}

/** What is set, or who may set it, is another now. */
export function showSettings() {
  if (!settings.open) return;
  const isOurs = isInCharge(of);
  byId("of", HTMLElement).textContent = words.settingsOf(of.name);
  byId("notmine", HTMLElement).hidden = isOurs;
  for (const [name, letter] of Object.entries(FLAGS)) {
    field(name).checked = known.flags.includes(letter);
    field(name).disabled = !isOurs;
  }
  field("key").placeholder = known.has_key ? words.hasKey : words.noKey;
  field("limit").value = known.limit === null ? "" : String(known.limit);
  field("key").disabled = field("limit").disabled = !isOurs;
  for (const button of setting.querySelectorAll("button")) button.hidden = !isOurs;
  drop.hidden ||= !known.has_key;
}

/** @param {string} what */
function set(what) {
  ask(settings, `/room ${what}`, of.name);
}

byId("configure", HTMLButtonElement).addEventListener("click", () => {
  of = rooms.active;
  known = { flags: "", has_key: false, limit: null };
  setting.reset();
  open(settings);
  showSettings();
  ask(settings, "/room", of.name);
});
setting.addEventListener("change", ({ target }) => {
  if (!(target instanceof HTMLInputElement) || target.type !== "checkbox") return;
  set(`${target.name} ${target.checked ? "on" : "off"}`);
});
setting.addEventListener("submit", (event) => {
  event.preventDefault();
  const [key, limit] = [field("key").value.trim(), field("limit").value];
  field("key").value = "";
  if (key) set(`key ${key}`);
  if (limit !== String(known.limit ?? "")) set(`limit ${limit || "off"}`);
});
drop.addEventListener("click", () => set("key off"));

// ── the key of a room ──

let locked = "";

/**
 * A room that we want to join has a key.
 * @param {string} room
 * @param {string} text what the server says to that
 */
export function askKey(room, text) {
  locked = room;
  open(keying);
  const [label] = roomKey.labels ?? [];
  label.textContent = words.keyOf(room);
  alertOf(keying).textContent = text;
  roomKey.focus();
}

keying.addEventListener("submit", (event) => {
  event.preventDefault();
  rooms.go(locked, roomKey.value.trim());
  keying.close();
});
keying.addEventListener("close", () => roomKey.value = "");
