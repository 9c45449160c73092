// @ts-check
// The connection to the server: a WebSocket, whether it is still alive, and the pauses between
// attempts to connect. What goes over it is described in types.d.ts.

/** @typedef {import("./types.js").ServerMessage} ServerMessage */
/** @typedef {import("./types.js").ClientMessage} ClientMessage */

// Pauses between attempts to connect again, in seconds. For the first minute they are short, so
// that after a restart of the server everybody is back within 5 seconds.
const PAUSES = [0.5, 1, 2, 3, ...Array(15).fill(4), 10, 20, 30];

/** @type {WebSocket | null} */
let socket = null;
/** @type {() => void} */
let whenClosed = () => {};
// When the server was heard last, or was asked something.
let heardAt = 0;
// Attempts to connect since the last success.
let attempts = 0;
let timer = 0;
/** How many messages were sent. Others read it. */
export let sentCount = 0;
// What we say has a key that nobody else has, so that it can be sent again and is said once.
const keyStart = crypto.getRandomValues(new Uint32Array(4)).join("-");
let keys = 0;

/**
 * Opens a connection. One that is still there is closed first; what it says then is not for us.
 * @param {(message: ServerMessage) => void} onMessage
 * @param {() => void} onClose
 */
export function connect(onMessage, onClose) {
  clearTimeout(timer);
  const old = socket;
  socket = null;
  old?.close();
  const opened = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
  socket = opened;
  whenClosed = onClose;
  awaitAnswer();
  opened.onmessage = (message) => {
    if (socket !== opened) return;
    heardAt = Date.now();
    onMessage(JSON.parse(message.data));
  };
  opened.onclose = () => {
    if (socket === opened) drop();
  };
}

/** Gives the connection up. A dead one may take minutes to say that it is closed. */
export function drop() {
  const old = socket;
  socket = null;
  old?.close();
  whenClosed();
}

/** Counts how long the server is quiet from now on. */
export function awaitAnswer() {
  heardAt = Date.now();
}

/** For how long nothing has been heard, in milliseconds. */
export function quietFor() {
  return Date.now() - heardAt;
}

/** Whether there is a connection, or will be one soon. */
export function isConnected() {
  return socket !== null;
}

/**
 * Returns whether the message could be sent.
 * @param {ClientMessage} message
 */
export function send(message) {
  if (socket?.readyState !== WebSocket.OPEN) return false;
  socket.send(JSON.stringify(message));
  sentCount += 1;
  return true;
}

/**
 * What is stored is only a convenience, and storage may be forbidden.
 * @template T
 * @param {() => T} use
 */
export function stored(use) {
  try {
    return use();
  } catch {
    return null;
  }
}

/** A key that was not there before. */
export function newKey() {
  keys += 1;
  return `${keyStart}-${keys}`;
}

/**
 * Calls `reconnect` after a pause that grows with each attempt. Returns its seconds.
 * @param {() => void} reconnect
 */
export function reconnectLater(reconnect) {
  const pause = PAUSES[Math.min(attempts, PAUSES.length - 1)];
  attempts += 1;
  // Not all at once, when a server comes back.
  later(pause * 1000 * (0.6 + Math.random() / 2), reconnect);
  return Math.ceil(pause);
}

/** The next pause is the shortest again. */
export function resetPauses() {
  attempts = 0;
}

/**
 * The next attempt at something. A later call, or a new connection, replaces it.
 * @param {number} milliseconds
 * @param {() => void} attempt
 */
export function later(milliseconds, attempt) {
  clearTimeout(timer);
  timer = setTimeout(attempt, milliseconds);
}
