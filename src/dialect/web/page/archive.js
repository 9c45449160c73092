// @ts-check
// What the server has kept: older lines, which come when one scrolls up to them; those that were
// missed, where the page knows that some are; and the search.
import { send } from "./connection.js";
import { byId, scrollTo, whenAtTop, withNextLines } from "./lines.js";
import * as rooms from "./rooms.js";
import { element } from "./text.js";
import { clock, days, words } from "./words.js";

/** @typedef {import("./types.js").Hit} Hit */
/** @typedef {import("./lines.js").Gap} Gap */
/**
 * @template {import("./types.js").ServerType} T
 * @typedef {import("./types.js").ServerMessage<T>} ServerMessage
 */
/** @typedef {ServerMessage<"history" | "found">} Answer */
/**
 * @typedef {{ type: "history", room: string, before: number, count: number }
 *   | { type: "search", text: string }} Question
 */

// Lines that are asked for at once.
const COUNT = 100;
// Times that is done by itself for one gap.
const FILLS_MAX = 20;

const panel = byId("search", HTMLDialogElement);
const form = byId("searching", HTMLFormElement);
const field = byId("sought", HTMLInputElement);
const hits = byId("hits", HTMLOListElement);
const more = byId("more", HTMLButtonElement);
const note = byId("found", HTMLElement);

/**
 * What the server was asked and has not answered, by its key.
 * @type {Map<string, (answer: Answer | string) => void>}
 */
const asked = new Map();
let keys = 0;

/**
 * Asks the server, and has `then` do something with the answer, or with the words that say why
 * there is none.
 * @param {Question} what
 * @param {(answer: Answer | string) => void} then
 */
function ask(what, then) {
  keys += 1;
  const key = `archive-${keys}`;
  if (send({ ...what, key })) asked.set(key, then);
  else then("");
}

/**
 * Takes an answer of the server's. Returns whether it was to what was asked here.
 * @param {Answer | string} answer
 * @param {string} [key]
 */
export function take(answer, key = "") {
  const then = asked.get(key);
  asked.delete(key);
  then?.(answer);
  return then !== undefined;
}

/** The connection is lost, and what was asked is not answered any more. */
export function lose() {
  [...asked.keys()].forEach((key) => take("", key));
}

// ── older lines ──

/** @type {Set<import("./lines.js").Log>} */
const loading = new Set();

whenAtTop((log) => {
  const room = rooms.all().find((one) => one.log === log);
  const before = log.firstId;
  if (!room || !log.hasOlder || before === 0 || loading.has(log)) return;
  loading.add(log);
  ask({ type: "history", room: room.name, before, count: COUNT }, (told) => {
    loading.delete(log);
    if (typeof told !== "string" && told.type === "history") log.showOlder(told.lines, told.more);
  });
});

/**
 * We have come into a room, or back: if what is said there is kept, asks for what is missing, as far
 * as the page knows where that is.
 * @param {rooms.Room} room
 * @param {boolean} [isKept]
 */
export function enter(room, isKept = false) {
  room.log.isKept = room.log.hasOlder = isKept;
  if (!isKept) return;
  room.log.gaps.forEach((gap) => fill(room, gap, FILLS_MAX));
  withNextLines(() => room.log.askIfShort());
  const hit = bound;
  if (hit?.room !== room.name) return;
  bound = null;
  open(hit);
}

byId("talk", HTMLElement).addEventListener("click", ({ target }) => {
  const { log } = rooms.active;
  const gap = log.gaps.find(({ rule }) => target instanceof Node && rule.contains(target));
  if (gap) fill(rooms.active, gap, 1);
});

/**
 * @param {rooms.Room} room
 * @param {Gap} gap
 * @param {number} times
 */
function fill(room, gap, times) {
  const { after, before } = gap;
  if (after === 0 || before === 0 || times === 0) return;
  ask({ type: "history", room: room.name, before, count: COUNT }, (told) => {
    if (typeof told === "string" || told.type !== "history" || told.lines.length === 0) return;
    if (room.log.fill(gap, told.lines, told.more)) fill(room, gap, times - 1);
  });
}

// ── the search ──

/**
 * A line that we have gone to another room for.
 * @type {Hit | null}
 */
let bound = null;

/** @param {string} text */
function search(text) {
  ask({ type: "search", text }, (told) => {
    const isFound = typeof told !== "string" && told.type === "found";
    if (isFound) hits.append(...told.lines.map(hitItem));
    more.hidden = !isFound || !told.more;
    const isEmpty = hits.children.length === 0;
    note.textContent = isFound ? (isEmpty ? words.nothingFound : "") : String(told);
  });
}

/** @param {string} text */
function textElement(text) {
  const made = element("span", "text", text);
  made.dir = "auto";
  return made;
}

/** @param {Hit} hit */
function hitItem(hit) {
  const at = new Date(hit.at * 1000);
  const button = element("button");
  button.type = "button";
  const head = `${days.format(at)}, ${clock.format(at)}, ${hit.room}`;
  const text = hit.from + (hit.me ? " " : ": ") + hit.text;
  button.append(element("span", "head", head), textElement(text));
  button.addEventListener("click", () => open(hit));
  const item = element("li", "old");
  item.append(button);
  return item;
}

/**
 * Shows a line at its place in the log of its room. If we are not there, we go there first.
 * @param {Hit} hit
 */
function open(hit) {
  panel.close();
  if (rooms.active.name !== hit.room) rooms.go(hit.room);
  const room = rooms.get(hit.room);
  if (!room) {
    bound = hit;
    return;
  }
  const found = room.log.find(hit.id);
  if (found) return scrollTo(found);
  ask({ type: "history", room: hit.room, before: hit.id + 1, count: COUNT }, (told) => {
    if (typeof told === "string" || told.type !== "history") return;
    room.log.showApart(told.lines, told.more);
    const item = room.log.find(hit.id);
    if (item) scrollTo(item);
  });
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  const text = field.value.trim();
  hits.replaceChildren();
  note.textContent = "";
  more.hidden = true;
  if (text) search(text);
});
more.addEventListener("click", () => search("more"));
document.addEventListener("keydown", (event) => {
  const isIt = event.ctrlKey && event.shiftKey && event.key.toLowerCase() === "f";
  if (!isIt || rooms.active.name === "") return;
  event.preventDefault();
  openSearch();
});

export function openSearch() {
  if (!panel.open) panel.showModal();
  field.focus();
  field.select();
}
