// What keeps people from using the page, as far as a script can tell, as a list of sentences: text
// that is hard to read, things that the keyboard does not reach, regions that are not told of. Names
// are asked of the browser's own tree in audit.rs. `window.reached` is the set of what had the focus.
(() => {
  // WCAG 2.2, AA, for text of any size; what is larger may have less, but has no need to.
  const CONTRAST_MIN = 4.5;
  const faults = [];
  const about = (one) => one.outerHTML.replace(/\s+/g, " ").slice(0, 140);
  const canvas = document.createElement("canvas").getContext("2d", { willReadFrequently: true });

  /** Any colour of CSS, as red, green, blue (0 to 255) and how much it covers (0 to 1). */
  function colorOf(css) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = css;
    canvas.fillRect(0, 0, 1, 1);
    const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
    return [red, green, blue, alpha / 255];
  }

  /** What is seen of a colour over another that covers all. */
  function over(above, below, opacity = 1) {
    const part = above[3] * opacity;
    return [0, 1, 2].map((i) => above[i] * part + below[i] * (1 - part)).concat(1);
  }

  /** From the root to an element. */
  function pathTo(one) {
    const path = [];
    for (let at = one; at; at = at.parentElement) path.unshift(at);
    return path;
  }

  /** The colours of a text in an element and of what is behind it. */
  function colorsAt(one, css) {
    let ground = [255, 255, 255, 1];
    let opacity = 1;
    for (const at of pathTo(one)) {
      const style = getComputedStyle(at);
      opacity *= Number(style.opacity);
      // What is in the top layer has nothing of its parents behind it that could be told.
      ground = over(colorOf(style.backgroundColor), ground, opacity);
    }
    return [over(colorOf(css), ground, opacity), ground];
  }

  function luminance(color) {
    const [red, green, blue] = color.slice(0, 3).map((part) => {
      const share = part / 255;
      return share <= 0.04045 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
    });
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
  }

  function isSeen(one) {
    const { width, height } = one.getBoundingClientRect();
    const seen = { opacityProperty: true, visibilityProperty: true };
    const isClipped = pathTo(one).some((at) => getComputedStyle(at).clipPath !== "none");
    return one.checkVisibility(seen) && width > 0 && height > 0 && !isClipped;
  }

  function checkContrast(one, css, what) {
    // What cannot be used now may be pale.
    if (one.closest(":disabled")) return;
    const [front, back] = colorsAt(one, css).map(luminance);
    const contrast = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    if (contrast >= CONTRAST_MIN) return;
    faults.push(`contrast ${contrast.toFixed(2)} of ${what}: ${about(one)}`);
  }

  /** Nothing hides a text, and still there is no place for it. */
  function isSqueezed(one) {
    const seen = { opacityProperty: true, visibilityProperty: true };
    const isClipped = pathTo(one).some((at) => getComputedStyle(at).clipPath !== "none");
    return one.checkVisibility(seen) && !isClipped && one.getBoundingClientRect().width < 1;
  }

  let looked = 0;
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (texts.nextNode()) {
    const one = texts.currentNode.parentElement;
    if (!texts.currentNode.data.trim() || one.closest("noscript, option")) continue;
    if (isSqueezed(one)) faults.push(`no place for the text of ${about(one)}`);
    if (!isSeen(one)) continue;
    looked += 1;
    checkContrast(one, getComputedStyle(one).color, `“${texts.currentNode.data.trim().slice(0, 20)}”`);
  }
  const isSeenField = (one) => isSeen(one) && one.type !== "checkbox";
  for (const one of [...document.querySelectorAll("input, textarea, select")].filter(isSeenField)) {
    checkContrast(one, getComputedStyle(one).color, "what is written");
    const hint = getComputedStyle(one, "::placeholder");
    if (one.placeholder) checkContrast(one, hint.color, "the placeholder");
  }
  if (looked === 0) faults.push("no text is seen");

  for (const image of document.querySelectorAll("img, svg, canvas")) {
    const isDecoration = image.closest("[aria-hidden=true]") || image.getAttribute("alt") === "";
    if (!isDecoration && !image.getAttribute("alt") && !image.ariaLabel) {
      faults.push(`an image without a text: ${about(image)}`);
    }
  }
  if (!document.documentElement.lang) faults.push("the page has no language");
  for (const one of document.querySelectorAll("[id]")) {
    if (document.querySelectorAll(`[id="${CSS.escape(one.id)}"]`).length > 1) {
      faults.push(`an id twice: ${about(one)}`);
    }
  }
  const refers = ["aria-labelledby", "aria-describedby", "aria-controls", "aria-activedescendant"];
  for (const name of refers) {
    for (const one of document.querySelectorAll(`[${name}]`)) {
      const ids = one.getAttribute(name).split(" ").filter((id) => !document.getElementById(id));
      if (ids.join("")) faults.push(`${name} of nothing: ${about(one)}`);
    }
  }
  const log = document.querySelector("#log");
  if (log.checkVisibility() && (log.role !== "log" || log.ariaLive !== "polite")) {
    faults.push(`what is said is not told: ${about(log).slice(0, 60)}`);
  }

  // Only what is in a dialog can be used while that is open.
  const within = document.querySelector("dialog:modal") ?? document;
  const usable = "button, input, textarea, select, a[href], [tabindex='0']";
  for (const one of [...within.querySelectorAll(usable)].filter(isSeen)) {
    // A name in the log leads to what the list of people leads to; a menu has the arrow keys.
    if (one.disabled || one.matches(".from, [role=menuitem]") || window.reached.has(one)) continue;
    faults.push(`Tab does not lead there: ${about(one)}`);
  }
  return faults;
})()
