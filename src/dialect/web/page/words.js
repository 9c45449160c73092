// @ts-check
// What the page itself says, in the browser's language, and how it writes times and sorts names.

/** @typedef {import("./types.js").Words} Words */

/** @type {Words} */
const en = {
  password: "What is the password of this server?",
  question: "What is your nickname?",
  hint: "Letters and digits of any script; - _ . inside. Everyone in the room sees it.",
  join: "Join",
  people: "People",
  notify: "Notify me when I am mentioned",
  talk: "Conversation",
  write: "Write a message",
  send: "Send",
  down: "↓ New messages",
  everyone: "Write to everyone",
  rooms: "Rooms",
  allRooms: "All rooms",
  joinRoom: "Join a room",
  leave: "Leave",
  nowhere: "You are in no room. Join one, or type /rooms to see which there are.",
  resend: "Send again",
  you: "you",
  connecting: "Connecting…",
  here: (name) => `You are ${name}`,
  again: (seconds) => `Connection lost. Trying again in ${seconds} s…`,
  taken: "Your old connection still has your name. Trying again…",
  unreachable: "The server cannot be reached.",
  left: "You have left.",
  stopping: "The server is stopping.",
  to: (name) => `only for ${name}`,
  forYou: "only for you",
  toTarget: (name) => `Only ${name} will see this`,
  message: (name) => `Write to ${name} alone`,
  joined: (names, count) => `${names} joined (${count} here)`,
  gone: (names, why, count) => `${names} left${why ? ": " + why : ""} (${count} here)`,
  renamed: (old, name) => `${old} is now ${name}`,
  members: (names, count) => `${count} here: ${names}`,
  more: (count) => `and ${count} more`,
  tooLong: (bytes) => `A line has at most ${bytes} bytes. Nothing was sent.`,
  missed: "Some lines are missing",
  search: "Search",
  searchHint: "words, from:NAME, in:#ROOM, before:2026-01-31, after:2026-01-01",
  nothingFound: "Nothing was found.",
  moreFound: "Older lines",
  close: "Close",
  unsure: "perhaps not sent",
  bound: (room) => `You will join ${room}.`,
  joinThis: (room) => `Join ${room}`,
  leaveThis: (room) => `Leave ${room}`,
  parted: (room) => `You have left ${room}.`,
  invited: (from, room) => `${from} invites you to ${room}.`,
  topic: (text, by) => `The topic${by ? `, by ${by}` : ""}: ${text}`,
  noTopic: "There is no topic.",
  count: (count) => `${count} here`,
  unread: (room, unread, mentions) =>
    `${room}, ${unread} new${mentions ? `, ${mentions} for you` : ""}`,
};

/** @type {Words} */
const zh = {
  password: "请输入服务器密码",
  question: "请输入您的昵称",
  hint: "任何文字的字母和数字，中间可以有 - _ .。房间里的每个人都会看到它。",
  join: "进入",
  people: "在线",
  notify: "有人提到我时通知我",
  talk: "聊天",
  write: "输入消息",
  send: "发送",
  down: "↓ 新消息",
  everyone: "发给所有人",
  rooms: "房间",
  allRooms: "所有房间",
  joinRoom: "进入房间",
  leave: "离开",
  nowhere: "您不在任何房间。请进入一个，或输入 /rooms 查看所有房间。",
  resend: "重新发送",
  you: "你",
  connecting: "正在连接…",
  here: (name) => `您是 ${name}`,
  again: (seconds) => `连接已断开，${seconds} 秒后重试…`,
  taken: "您的昵称还被旧连接占用，正在重试…",
  unreachable: "无法连接到服务器。",
  left: "您已离开。",
  stopping: "服务器即将停止。",
  to: (name) => `只发给 ${name}`,
  forYou: "只发给你",
  toTarget: (name) => `只有 ${name} 能看到`,
  message: (name) => `只发给 ${name}`,
  joined: (names, count) => `${names} 加入了聊天 (在线 ${count} 人)`,
  gone: (names, why, count) => `${names} 离开了聊天${why ? ": " + why : ""} (在线 ${count} 人)`,
  renamed: (old, name) => `${old} 改名为 ${name}`,
  members: (names, count) => `在线 ${count} 人: ${names}`,
  more: (count) => `另外 ${count} 人`,
  tooLong: (bytes) => `一行最多 ${bytes} 字节，没有发送。`,
  missed: "有些消息没有显示",
  search: "搜索",
  searchHint: "词，from:昵称，in:#房间，before:2026-01-31，after:2026-01-01",
  nothingFound: "没有找到。",
  moreFound: "更早的记录",
  close: "关闭",
  unsure: "可能没有发出",
  bound: (room) => `您将进入 ${room}。`,
  joinThis: (room) => `进入 ${room}`,
  leaveThis: (room) => `离开 ${room}`,
  parted: (room) => `您已离开 ${room}。`,
  invited: (from, room) => `${from} 邀请您进入 ${room}。`,
  topic: (text, by) => `话题${by ? ` (${by})` : ""}: ${text}`,
  noTopic: "没有话题。",
  count: (count) => `在线 ${count} 人`,
  unread: (room, unread, mentions) =>
    `${room}，${unread} 条新消息${mentions ? `，${mentions} 条提到你` : ""}`,
};

/** The page's language; the server tells its sentences in each. */
export const lang = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
export const words = { en, zh }[lang];

export const clock = new Intl.DateTimeFormat(lang, { timeStyle: "short" });
export const fullTime = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });
export const days = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
export const collator = new Intl.Collator(lang, { numeric: true });

/** Fills the page with its words: `data-text` asks for a text, `data-label` for a name. */
export function fillWords() {
  document.documentElement.lang = lang;
  for (const [key, word] of Object.entries(words)) {
    if (typeof word !== "string") continue;
    for (const one of document.querySelectorAll(`[data-text=${key}]`)) one.textContent = word;
    for (const one of document.querySelectorAll(`[data-label=${key}]`)) {
      one.setAttribute("aria-label", word);
      if (one instanceof HTMLButtonElement) one.title = word;
    }
  }
}

/**
 * Names as a list that stays short.
 * @param {string[]} names
 */
export function listed(names) {
  const shown = names.slice(0, 8).join(", ");
  return names.length > 8 ? `${shown} ${words.more(names.length - 8)}` : shown;
}
