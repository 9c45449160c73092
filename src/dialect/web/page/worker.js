// @ts-check
// What the browser shows instead of the page if the server cannot be reached. Everything else is
// fetched as without this: the page is always that of the server.

const TEXTS = {
  en: ["The server cannot be reached", "You may be offline. This page tries again by itself."],
  zh: ["无法连接到服务器", "您可能处于离线状态。本页会自动重试。"],
};
const lang = navigator.language.toLowerCase().startsWith("zh") ? "zh" : "en";
const [title, text] = TEXTS[lang];
const PAGE = `<!doctype html>
<html lang="${lang}">
<meta charset="utf-8">
<meta http-equiv="refresh" content="10">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>chinwag</title>
<h1>${title}</h1>
<p>${text}</p>`;

/** @typedef {Event & { request: Request, respondWith: (answer: Promise<Response>) => void }} Fetch */

self.addEventListener("fetch", (event) => {
  const fetching = /** @type {Fetch} */ (event);
  if (fetching.request.mode !== "navigate") return;
  const offline = () => new Response(PAGE, {
    headers: { "Content-Type": "text/html; charset=utf-8", "Content-Security-Policy": "default-src 'none'" },
  });
  fetching.respondWith(fetch(fetching.request).catch(offline));
});
