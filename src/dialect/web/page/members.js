// @ts-check
// The people: who is in the room, their list beside the log, and whom the next lines are for.
import { send } from "./connection.js";
import { avatar, byId, element, hue, me, withNextLines } from "./lines.js";
import { collator, words } from "./words.js";

// As many names as the server tells at once.
const NAMES_MAX = 1000;

const people = byId("people", HTMLElement);
const toggle = byId("toggle", HTMLButtonElement);
const list = byId("members", HTMLUListElement);
const composer = byId("composer", HTMLFormElement);
const line = byId("line", HTMLTextAreaElement);
const targetNote = byId("target", HTMLElement);
const [targetText, everyone] = targetNote.children;

/** @type {Set<string>} */
let members = new Set();
let count = 0;
// A timer, while the names are fewer or more than they should be; also while the server is asked.
let correcting = 0;
/**
 * Whom the next lines are for; null is everyone. Others read it, `setTarget` changes it.
 * @type {string | null}
 */
export let target = null;

/** @param {import("./connection.js").Members} told */
export function setMembers(told) {
  members = new Set(told.members);
  setCount(told.count);
}

/**
 * Takes the server's answer to who is here. Returns whether it was this script that had asked.
 * @param {import("./connection.js").Members} told
 */
export function correctMembers(told) {
  const hadAsked = correcting !== 0;
  setMembers(told);
  if (hadAsked) correcting = 0;
  return hadAsked;
}

/** @param {{ names: string[], count: number }} told */
export function addMembers(told) {
  told.names.forEach((name) => members.add(name));
  setCount(told.count);
}

/** @param {{ names: string[], count: number }} told */
export function removeMembers(told) {
  told.names.forEach((name) => members.delete(name));
  setCount(told.count);
}

/** @param {{ old: string, new: string }} names */
export function renameMember(names) {
  members.delete(names.old);
  members.add(names.new);
  if (names.old === target) setTarget(names.new);
  withNextLines(showMembers);
}

/** @param {number} now */
function setCount(now) {
  count = now;
  withNextLines(showMembers);
  // Of very many who come or go together, not all are named.
  if (members.size !== count && count <= NAMES_MAX && !correcting) {
    correcting = setTimeout(() => {
      if (members.size === count || !send({ type: "who" })) correcting = 0;
    }, 500 + Math.random() * 2500);
  }
}

function showMembers() {
  byId("count", HTMLElement).textContent = String(count);
  byId("badge", HTMLElement).textContent = String(count);
  const names = [...members].sort(collator.compare);
  const items = names.map((name) => {
    const button = element("button");
    button.type = "button";
    button.style.setProperty("--hue", hue(name));
    button.append(avatar("span", name), element("span", "name", name));
    if (name === me) {
      button.append(element("span", "you", words.you));
      button.disabled = true;
    } else {
      button.title = words.message(name);
      button.addEventListener("click", () => setTarget(name));
    }
    const item = element("li");
    item.append(button);
    return item;
  });
  if (count > names.length) items.push(element("li", "more", words.more(count - names.length)));
  list.replaceChildren(...items);
}

/** @param {string | null} name */
function setTarget(name) {
  target = name;
  composer.classList.toggle("private", name !== null);
  targetNote.hidden = name === null;
  targetText.textContent = name === null ? "" : words.toTarget(name);
  showList(false);
  line.focus();
}

/**
 * Opens or closes the list where there is no room for it beside the log.
 * @param {boolean} open
 */
function showList(open) {
  people.classList.toggle("open", open);
  toggle.setAttribute("aria-expanded", String(open));
}

everyone.addEventListener("click", () => setTarget(null));
toggle.addEventListener("click", () => showList(!people.classList.contains("open")));
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  if (people.classList.contains("open")) showList(false);
  else if (target !== null) setTarget(null);
});
