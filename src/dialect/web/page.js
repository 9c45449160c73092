// The page's side of the dialect `web`: JSON events come over a WebSocket and become elements, and
// what is typed goes back. Whatever anyone writes becomes text, never HTML.
"use strict";

(() => {
  // Lines that are kept on the page. A long session does not slow it down.
  const LINES_MAX = 1000;
  // As many names as the server tells at once.
  const NAMES_MAX = 1000;
  // What one has sent oneself can be had again so far back.
  const SENT_MAX = 100;
  // Links in one line, and times that our own name is marked in it. What is more stays text, so
  // that no line is made of thousands of elements.
  const LINKS_MAX = 16;
  const MARKS_MAX = 16;
  // Lines of one person within this time have one head.
  const TOGETHER_SECONDS = 300;
  // Pauses between attempts to connect again, in seconds.
  const PAUSES = [1, 2, 4, 8, 15, 30];
  // How often a name is asked for again that our own lost connection may still have.
  const TAKEN_MAX = 12;

  const WORDS = {
    en: {
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
      missed: "Some of what was said in between may be missing.",
    },
    zh: {
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
      missed: "其间的一些消息可能没有显示。",
    },
  };

  const lang = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
  const words = WORDS[lang];
  const $ = (id) => document.getElementById(id);
  const log = $("log");
  const line = $("line");

  // ── what is so now ──

  let socket = null;
  // The name that is wanted, and the one that we have; null while we are not in the room.
  let wanted = null;
  let me = null;
  // What finds our name in a text, and the name that it was made for.
  let ownName = { name: null, finder: null };
  // What the server told before it asked for a name.
  let motd = [];
  let lineBytesMax = 4096;
  // Attempts since we were last in the room: to connect, and to get our name back.
  let attempts = 0;
  let takenTimes = 0;
  let retry = 0;
  // We were in the room, so we come back by ourselves.
  let returning = false;
  let members = new Set();
  let count = 0;
  // Whom the next lines are for; null is everyone.
  let target = null;
  // Commands by which nobody but us and perhaps one other is told anything we wrote.
  const PRIVATE_COMMAND =
    /^\/(msg|tell|reply|r|nick|who|names|list|history|ignore|unignore|help|quit|exit)(\s|$)/i;
  let unread = 0;
  // Keys of the last lines said, by which the history is told from what is on the page.
  let seen = [];
  // The last line on the page, to see whether the next belongs to it.
  let last = null;
  let lastDay = "";
  // Elements that are to be shown with the next batch.
  let queue = [];
  let batch = 0;
  let peopleStale = false;
  // What was sent, for the arrow keys.
  const sent = [];
  let recalled = 0;

  // ── the connection ──

  function connect() {
    clearTimeout(retry);
    // One that is still there is given up first; what it says then is not for us.
    const old = socket;
    socket = null;
    old?.close();
    setStatus(words.connecting);
    const opened = new WebSocket(location.origin.replace(/^http/, "ws") + "/ws");
    socket = opened;
    opened.onmessage = (message) => {
      if (socket === opened) handle(JSON.parse(message.data));
    };
    opened.onclose = () => {
      if (socket === opened) disconnected();
    };
  }

  function send(message) {
    if (socket?.readyState !== WebSocket.OPEN) return false;
    socket.send(JSON.stringify(message));
    return true;
  }

  function disconnected() {
    socket = null;
    const wasJoining = wanted !== null && me === null;
    me = null;
    if (returning) {
      const pause = PAUSES[Math.min(attempts, PAUSES.length - 1)];
      attempts += 1;
      setStatus(words.again(pause));
      // Not all at once, when a server comes back.
      retry = setTimeout(connect, pause * 1000 * (0.75 + Math.random() / 2));
    } else {
      setStatus("");
      if (wasJoining && !$("error").textContent) askName(words.unreachable);
      wanted = null;
    }
  }

  // ── what the server tells ──

  function handle(event) {
    const known = handlers[event.type];
    if (known) known(event);
  }

  const handlers = {
    ask(event) {
      motd = event.motd;
      lineBytesMax = event.line_bytes_max;
      if (wanted !== null) send({ type: "nick", name: wanted });
    },
    welcome(event) {
      const first = !returning;
      me = wanted = event.name;
      attempts = takenTimes = 0;
      returning = true;
      remember(me);
      members = new Set(event.members);
      setCount(event.count);
      enterRoom();
      if (first) motd.forEach((text) => addNotice(text));
      showHistory(event.history);
    },
    say: (event) => heard(event, {}),
    me: (event) => heard(event, { emote: true }),
    msg: (event) => heard(event, { private: words.forYou }),
    sent: (event) => addLine({ ...event, from: me }, { private: words.to(event.to) }),
    join(event) {
      event.names.forEach((name) => members.add(name));
      setCount(event.count);
      addNotice(words.joined(listed(event.names), event.count));
    },
    leave(event) {
      event.names.forEach((name) => members.delete(name));
      setCount(event.count);
      const why = event.words ?? event.why?.[lang];
      addNotice(words.gone(listed(event.names), why, event.count));
    },
    nick(event) {
      members.delete(event.old);
      members.add(event.new);
      if (event.old === me) {
        me = wanted = event.new;
        remember(me);
        setStatus(words.here(me), true);
      }
      if (event.old === target) setTarget(event.new);
      peopleStale = true;
      addNotice(words.renamed(event.old, event.new));
    },
    who(event) {
      members = new Set(event.members);
      setCount(event.count);
      // Nobody asked for it but this script, if the answer is awaited.
      if (correcting) correcting = 0;
      else addNotice(words.members(event.members.join(", "), event.count));
    },
    ignoring: (event) => addNotice(event.text[lang]),
    notice: (event) => addNotice(event.text[lang]),
    help: (event) => addHelp(event.commands),
    refused: refused,
    goodbye() {
      returning = false;
      me = wanted = null;
      forget();
      askName(words.left);
    },
    stopping: () => addNotice(words.stopping),
  };

  function refused(event) {
    const isOfName = event.why === "taken" || event.why === "nickname";
    if (me !== null) {
      addNotice(event.text[lang], true);
    } else if (returning && event.why === "taken" && takenTimes < TAKEN_MAX) {
      takenTimes += 1;
      setStatus(words.taken);
      retry = setTimeout(() => send({ type: "nick", name: wanted }), 3000 + takenTimes * 1000);
    } else if (wanted !== null && (isOfName || !returning)) {
      returning = false;
      wanted = null;
      askName(event.text[lang]);
    }
  }

  // Shows of the history what is not on the page already.
  function showHistory(history) {
    const keys = history.map(key);
    let fresh = 0;
    for (let from = keys.length; from > 0 && seen.length > 0; from -= 1) {
      const common = Math.min(from, seen.length, 5);
      const end = keys.slice(from - common, from).join();
      if (end === seen.slice(-common).join()) {
        fresh = from;
        break;
      }
    }
    if (fresh === 0 && seen.length > 0 && history.length > 0) addNotice(words.missed);
    history.slice(fresh).forEach((event) => addLine(event, { emote: event.type === "me" }));
  }

  function key(event) {
    return JSON.stringify([event.type, event.from, event.text, event.at]);
  }

  // Something was said just now.
  function heard(event, how) {
    addLine(event, how);
    if (event.again || event.from === me) return;
    if (!document.hasFocus()) {
      unread += 1;
      setTitle();
      if (how.private || mentions(event.text)) notify(event);
    }
  }

  // ── the log ──

  function element(tag, className, text) {
    const made = document.createElement(tag);
    if (className) made.className = className;
    if (text !== undefined) made.textContent = text;
    return made;
  }

  function addLine(event, how) {
    if (!how.private && !event.again) {
      seen.push(key(event));
      if (seen.length > 100) seen = seen.slice(-50);
    }
    const at = new Date(event.at * 1000);
    addDay(at);
    const item = element("li", "line");
    item.style.setProperty("--hue", hue(event.from));
    const same = last && last.from === event.from && last.private === how.private;
    if (same && event.at - last.at < TOGETHER_SECONDS) item.classList.add("joined");
    last = { from: event.from, private: how.private, at: event.at };
    if (how.emote) item.classList.add("me");
    if (how.private) item.classList.add("private");
    else if (event.from !== me && mentions(event.text)) item.classList.add("mention");

    const head = element("div", "head");
    head.append(element("span", "from", event.from));
    if (how.private) head.append(element("span", "to", how.private));
    const time = element("time", "", clock.format(at));
    time.dateTime = at.toISOString();
    time.title = fullTime.format(at);
    head.append(time);
    const text = element("div", "text");
    if (how.emote) text.append(element("span", "", event.from + " "));
    addText(text, event.text);
    const avatar = element("div", "avatar", initial(event.from));
    avatar.setAttribute("aria-hidden", "true");
    item.append(avatar, head, text);
    add(item);
  }

  function addDay(at) {
    const day = days.format(at);
    if (day === lastDay) return;
    const isFirst = lastDay === "" && day === days.format(new Date());
    lastDay = day;
    last = null;
    if (!isFirst) add(element("li", "day", day));
  }

  function addNotice(text, isWrong) {
    last = null;
    const item = element("li", isWrong ? "notice wrong" : "notice");
    addText(item, text);
    add(item);
  }

  function addHelp(commands) {
    last = null;
    const item = element("li", "notice");
    const list = element("dl");
    for (const command of commands) {
      list.append(element("dt", "", command.form[lang]), element("dd", "", command.purpose[lang]));
    }
    item.append(list);
    add(item);
  }

  // Text with its links and our own name made visible. It takes time in proportion to its length,
  // whatever is in it.
  function addText(parent, text) {
    let [done, links, marks] = [0, 0, 0];
    const addPlain = (plain) => {
      let from = 0;
      for (const match of me === null ? [] : plain.matchAll(ownNameFinder())) {
        if (marks === MARKS_MAX) break;
        marks += 1;
        parent.append(plain.slice(from, match.index), element("mark", "", match[0]));
        from = match.index + match[0].length;
      }
      parent.append(plain.slice(from));
    };
    for (const match of text.matchAll(/\bhttps?:\/\/[^\s<>"“”「」（），。、；！？]+/gi)) {
      if (links === LINKS_MAX) break;
      const found = withoutStops(match[0]);
      const link = anchor(found);
      if (!link) continue;
      links += 1;
      addPlain(text.slice(done, match.index));
      parent.append(link);
      done = match.index + found.length;
    }
    addPlain(text.slice(done));
  }

  // What ends a sentence or a bracket is not part of a link. An expression for it would look at a
  // row of dots from each of them.
  function withoutStops(text) {
    let end = text.length;
    while (".,;:!?'\")]}*".includes(text[end - 1])) end -= 1;
    return text.slice(0, end);
  }

  function anchor(text) {
    if (!URL.canParse(text)) return null;
    const url = new URL(text);
    if (url.protocol !== "http:" && url.protocol !== "https:") return null;
    const link = element("a", "", text);
    link.href = url.href;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    return link;
  }

  // A name is a word of its own, or stands in a script that has no spaces between words. To make the
  // expression takes longer than to use it.
  function ownNameFinder() {
    if (ownName.name !== me) {
      const name = me.replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
      const spaceless = ["Han", "Hiragana", "Katakana", "Thai", "Lao", "Khmer", "Myanmar"];
      const other = spaceless.map((script) => `\\p{sc=${script}}`).join("");
      const letter = `(?![${other}])[\\p{L}\\p{N}_]`;
      const finder = new RegExp(`(?<!${letter})${name}(?!${letter})`, "giu");
      ownName = { name: me, finder };
    }
    return ownName.finder;
  }

  function mentions(text) {
    return me !== null && text.search(ownNameFinder()) >= 0;
  }

  // Puts an element at the end of the log, together with others that come at the same time.
  function add(item) {
    queue.push(item);
    if (queue.length > LINES_MAX) queue.splice(0, queue.length - LINES_MAX);
    schedule();
  }

  function schedule() {
    if (!batch) batch = setTimeout(showBatch, 16);
  }

  function showBatch() {
    batch = 0;
    const following = isAtEnd();
    log.append(...queue);
    queue = [];
    while (log.children.length > LINES_MAX) log.firstElementChild.remove();
    log.firstElementChild?.classList.remove("joined");
    if (following) log.scrollTop = log.scrollHeight;
    else $("down").hidden = false;
    if (peopleStale) showPeople();
  }

  let wasAtEnd = true;

  function isAtEnd() {
    return log.scrollHeight - log.scrollTop - log.clientHeight < 48;
  }

  // ── people ──

  let correcting = 0;

  function setCount(now) {
    count = now;
    peopleStale = true;
    schedule();
    // Of very many who come or go together, not all are named.
    if (members.size !== count && count <= NAMES_MAX && !correcting) {
      correcting = setTimeout(() => {
        if (members.size === count || !send({ type: "who" })) correcting = 0;
      }, 500 + Math.random() * 2500);
    }
  }

  function showPeople() {
    peopleStale = false;
    $("count").textContent = $("badge").textContent = String(count);
    const names = [...members].sort(collator.compare);
    const items = names.map((name) => {
      const button = element("button");
      button.type = "button";
      button.style.setProperty("--hue", hue(name));
      const avatar = element("span", "avatar", initial(name));
      avatar.setAttribute("aria-hidden", "true");
      button.append(avatar, element("span", "name", name));
      if (name === me) {
        button.append(element("span", "you", words.you));
        button.disabled = true;
      } else {
        button.title = words.message(name);
        button.onclick = () => setTarget(name);
      }
      const item = element("li");
      item.append(button);
      return item;
    });
    if (count > names.length) items.push(element("li", "more", words.more(count - names.length)));
    $("members").replaceChildren(...items);
  }

  function listed(names) {
    const shown = names.slice(0, 8).join(", ");
    return names.length > 8 ? `${shown} ${words.more(names.length - 8)}` : shown;
  }

  // ── writing ──

  function setTarget(name) {
    target = name;
    $("composer").classList.toggle("private", name !== null);
    $("target").hidden = name === null;
    $("target").firstElementChild.textContent = name === null ? "" : words.toTarget(name);
    showSidebar(false);
    line.focus();
  }

  function submit() {
    const text = line.value.toWellFormed?.() ?? line.value;
    const lines = text.split(/\r\n|\r|\n/).filter((one) => one.trim() !== "");
    const bytes = new TextEncoder();
    if (lines.some((one) => bytes.encode(one).length > lineBytesMax)) {
      return addNotice(words.tooLong(lineBytesMax), true);
    }
    for (const one of lines) {
      // What is written to one person must not be said to all, whatever it begins with.
      const message = target === null || PRIVATE_COMMAND.test(one)
        ? { type: "say", text: one }
        : { type: "msg", to: target, text: one.replace(/^\/\//, "/") };
      if (me === null || !send(message)) return;
    }
    if (lines.length > 0) sent.push(text);
    if (sent.length > SENT_MAX) sent.shift();
    recalled = sent.length;
    line.value = "";
    log.scrollTop = log.scrollHeight;
  }

  function recall(step) {
    const next = Math.min(Math.max(recalled + step, 0), sent.length);
    if (next === recalled) return;
    recalled = next;
    line.value = sent[recalled] ?? "";
  }

  // ── the rest of the page ──

  function setStatus(text, isHere = false) {
    $("status").textContent = text;
    $("status").classList.toggle("here", isHere);
  }

  function setTitle() {
    document.title = unread > 0 ? `(${unread}) chinwag` : "chinwag";
  }

  function enterRoom() {
    $("entry").hidden = true;
    $("room").hidden = $("toggle").hidden = false;
    const canAsk = "Notification" in window && window.isSecureContext;
    $("notify").hidden = !canAsk || Notification.permission !== "default";
    setStatus(words.here(me), true);
    line.focus();
  }

  function askName(error) {
    $("entry").hidden = false;
    $("room").hidden = $("toggle").hidden = $("notify").hidden = true;
    $("error").textContent = error;
    setStatus("");
    $("name").focus();
    $("name").select();
  }

  function showSidebar(open) {
    $("people").classList.toggle("open", open);
    $("toggle").setAttribute("aria-expanded", String(open));
  }

  function notify(event) {
    if (!("Notification" in window) || Notification.permission !== "granted") return;
    try {
      const shown = new Notification(event.from, { body: event.text, tag: "chinwag" });
      shown.onclick = () => window.focus();
    } catch {
      // Some phones have the permission and still cannot.
    }
  }

  // The name is only a convenience, and storage may be forbidden.
  function remember(name) {
    try {
      localStorage.setItem("name", name);
      sessionStorage.setItem("in", "yes");
    } catch {}
  }

  function forget() {
    try {
      sessionStorage.removeItem("in");
    } catch {}
  }

  function remembered() {
    try {
      const wasIn = sessionStorage.getItem("in") === "yes";
      return { name: localStorage.getItem("name") ?? "", in: wasIn };
    } catch {
      return { name: "", in: false };
    }
  }

  function hue(name) {
    let hash = 0x811c9dc5;
    for (const character of name) hash = Math.imul(hash ^ character.codePointAt(0), 0x01000193);
    return ((hash >>> 8) * 137) % 360;
  }

  function initial(name) {
    return [...name][0] ?? "?";
  }

  const clock = new Intl.DateTimeFormat(lang, { timeStyle: "short" });
  const fullTime = new Intl.DateTimeFormat(lang, { dateStyle: "full", timeStyle: "medium" });
  const days = new Intl.DateTimeFormat(lang, { dateStyle: "full" });
  const collator = new Intl.Collator(lang, { numeric: true });

  document.documentElement.lang = lang;
  for (const one of document.querySelectorAll("[data-text]")) {
    one.textContent = words[one.dataset.text];
  }
  for (const one of document.querySelectorAll("[data-label]")) {
    one.setAttribute("aria-label", words[one.dataset.label]);
    if (one.matches("button")) one.title = words[one.dataset.label];
  }
  line.placeholder = words.write;
  $("name").value = remembered().name;

  $("naming").onsubmit = (event) => {
    event.preventDefault();
    $("error").textContent = "";
    wanted = $("name").value.trim();
    if (!send({ type: "nick", name: wanted })) connect();
  };
  $("composer").onsubmit = (event) => {
    event.preventDefault();
    submit();
  };
  line.onkeydown = (event) => {
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
  };
  $("target").lastElementChild.onclick = () => setTarget(null);
  $("toggle").onclick = () => showSidebar(!$("people").classList.contains("open"));
  $("notify").onclick = async () => {
    await Notification.requestPermission();
    $("notify").hidden = true;
    line.focus();
  };
  $("down").onclick = () => {
    log.scrollTop = log.scrollHeight;
    $("down").hidden = true;
  };
  log.onscroll = () => {
    wasAtEnd = isAtEnd();
    if (wasAtEnd) $("down").hidden = true;
  };
  // A phone that is turned, or a keyboard that comes, does not hide the last lines.
  new ResizeObserver(() => {
    if (wasAtEnd) log.scrollTop = log.scrollHeight;
  }).observe(log);
  document.onkeydown = (event) => {
    if (event.key !== "Escape") return;
    if ($("people").classList.contains("open")) showSidebar(false);
    else if (target !== null) setTarget(null);
  };
  window.onfocus = () => {
    unread = 0;
    setTitle();
  };
  window.ononline = () => {
    if (returning && socket === null) connect();
  };

  // Whoever loads the page again was in the room a moment ago.
  if (remembered().in && remembered().name) {
    wanted = remembered().name;
    returning = true;
    connect();
  }
})();
