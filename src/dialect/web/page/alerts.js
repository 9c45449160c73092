// @ts-check
// Alerts: how one learns of what came while one looked elsewhere. A count in the title and on the
// icon and a sound are there everywhere; notifications only over https, as browsers want it.
import { stored } from "./connection.js";
import { byId } from "./lines.js";
import { words } from "./words.js";

// The tone: how high, in hertz, and how long, in seconds.
const TONE_HERTZ = 660;
const TONE_SECONDS = 0.18;

const icon = /** @type {HTMLLinkElement} */ (document.querySelector("link[rel=icon]"));
const plainIcon = icon.href;
const markedIcon = plainIcon.replace(
  "%3C/svg%3E",
  "%3Ccircle cx='25' cy='7' r='7' fill='%23d3302f'/%3E%3C/svg%3E",
);
const soundButton = byId("sound", HTMLButtonElement);
const notifyButton = byId("notify", HTMLButtonElement);

let hasSound = stored(() => localStorage.getItem("sound")) === "on";
/** @type {AudioContext | null} */
let audio = null;

/**
 * So much is new; it is told in the title, and on the icon.
 * @param {string} name of the room that is shown
 * @param {number} unread
 */
export function count(name, unread) {
  const room = name && `${name} · `;
  document.title = `${unread > 0 ? `(${unread}) ` : ""}${room}chinwag`;
  const now = unread > 0 ? markedIcon : plainIcon;
  if (icon.href !== now) icon.href = now;
}

/**
 * Somebody means us, and we do not look.
 * @param {{ from: string, text: string }} said
 * @param {() => void} show
 */
export function alert({ from, text }, show) {
  if (hasSound) play();
  if (!("Notification" in window) || Notification.permission !== "granted") return;
  try {
    const shown = new Notification(from, { body: text, tag: "chinwag" });
    shown.addEventListener("click", () => {
      window.focus();
      show();
    });
  } catch {
    // Some phones have the permission and still cannot.
  }
}

function play() {
  audio ??= new AudioContext();
  const tone = audio.createOscillator();
  const volume = audio.createGain();
  const end = audio.currentTime + TONE_SECONDS;
  tone.frequency.value = TONE_HERTZ;
  volume.gain.setValueAtTime(0.15, audio.currentTime);
  volume.gain.exponentialRampToValueAtTime(0.001, end);
  tone.connect(volume).connect(audio.destination);
  tone.start();
  tone.stop(end);
}

/** We are in a room: what can be switched on is shown. */
export function offer() {
  const canAsk = "Notification" in window && window.isSecureContext;
  notifyButton.hidden = !canAsk || Notification.permission !== "default";
  soundButton.hidden = false;
  soundButton.ariaPressed = String(hasSound);
  soundButton.ariaLabel = soundButton.title = words.sound;
}

export function hide() {
  notifyButton.hidden = soundButton.hidden = true;
}

soundButton.addEventListener("click", () => {
  hasSound = !hasSound;
  stored(() => localStorage.setItem("sound", hasSound ? "on" : "off"));
  soundButton.ariaPressed = String(hasSound);
  if (hasSound) play();
});
notifyButton.addEventListener("click", async () => {
  await Notification.requestPermission();
  notifyButton.hidden = true;
});
