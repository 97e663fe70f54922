// What is wrong with the page that is shown, by kind: structure, contrast, width, targets. Each as a sentence.
() => {
  const words = (text) => (text || "").trim().replace(/\s+/g, " ").slice(0, 40);
  const nameOf = (element) =>
    words(element.getAttribute("aria-label") || element.innerText || element.value || element.querySelector("title")?.textContent);
  const told = (element) => `<${element.localName}> “${nameOf(element)}”`;
  const once = (make, known = new Map()) => (element) => known.get(element) ?? known.set(element, make(element)).get(element);
  const all = (selector) => [...document.querySelectorAll(selector)];
  const shown = (element) => element.checkVisibility({ opacityProperty: true, visibilityProperty: true });
  const unseen = (element) => Boolean(element.closest(".unseen"));
  const problems = { structure: [], contrast: [], width: [], targets: [] };
  const check = (kind, good, sentence) => { if (!good) problems[kind].push(sentence); };

  // Structure: what a screen reader goes by.

  check("structure", /^[a-z]{2}/.test(document.documentElement.lang), "the page has no language");
  check("structure", words(document.title).length > 3, "the page has no title");
  check("structure", all("h1").filter(shown).length === 1, `${all("h1").length} headings of the first level`);
  check("structure", all("main").length === 1, `${all("main").length} main landmarks`);
  check("structure", all("body > header").length === 1, `${all("body > header").length} headers`);
  check("structure", all("body > footer").length <= 1, "more than one footer");
  for (const nav of all("nav")) check("structure", nav.getAttribute("aria-label"), "a navigation without a name");
  let last = 0;
  for (const heading of all("h1, h2, h3, h4, h5, h6").filter(shown)) {
    const level = Number(heading.localName[1]);
    check("structure", nameOf(heading) && level <= last + 1, `${told(heading)} after level ${last}`);
    last = level;
  }
  for (const child of document.body.children)
    check("structure", /^(header|nav|main|footer)$/.test(child.localName) || child.matches("a.skip"), `${told(child)} is in no landmark`);
  for (const field of all("input:not([type=hidden]), select, textarea"))
    check("structure", [...(field.labels || [])].some(nameOf) || field.getAttribute("aria-label"), `${told(field)} #${field.id} has no label`);
  for (const press of all("a[href], button, summary")) check("structure", nameOf(press), `${press.outerHTML} has no name`);
  for (const image of all("img")) check("structure", image.hasAttribute("alt"), `${image.src} has no alternative text`);
  for (const picture of all("svg"))
    check("structure", picture.closest("[aria-hidden=true]") || picture.getAttribute("aria-label"), "a drawing is neither hidden nor named");
  const ids = all("[id]").map((element) => element.id);
  check("structure", new Set(ids).size === ids.length, `an id is there twice: ${ids}`);
  for (const attribute of ["aria-describedby", "aria-labelledby", "for"])
    for (const element of all(`[${attribute}]`))
      for (const id of element.getAttribute(attribute).split(/\s+/))
        check("structure", document.getElementById(id), `${told(element)}: nothing is #${id}`);
  check("structure", !all("[tabindex]").some((element) => element.tabIndex > 0), "a tabindex above 0");
  check("structure", !/user-scalable|maximum-scale/.test(document.querySelector("meta[name=viewport]")?.content || ""), "the page cannot be zoomed");
  for (const list of all("ul, ol"))
    check("structure", [...list.children].every((child) => child.localName === "li"), `${told(list)} holds more than items`);
  for (const list of all("dl"))
    check("structure", [...list.children].every((child) => /^(dt|dd|div)$/.test(child.localName)), `${told(list)} holds more than terms`);
  for (const cell of all("th")) check("structure", cell.scope, `${told(cell)} is the head of nothing`);
  for (const box of all("*"))
    if (/auto|scroll/.test(getComputedStyle(box).overflowX) && box.localName !== "textarea" && box.scrollWidth > box.clientWidth)
      check("structure", box.tabIndex === 0 && nameOf(box), `${told(box)} scrolls and no key reaches it`);

  // Contrast: WCAG 2.2, 1.4.3, for every size of text.

  const parse = (color) => {
    const found = color.match(/^rgba?\(([\d.]+), ([\d.]+), ([\d.]+)(?:, ([\d.]+))?\)$/);
    if (!found) problems.contrast.push(`the color ${color} cannot be read`);
    return found ? [...found.slice(1, 4).map(Number), found[4] === undefined ? 1 : Number(found[4])] : [0, 0, 0, 1];
  };
  const over = (above, below) => [0, 1, 2].map((i) => above[i] * above[3] + below[i] * (1 - above[3])).concat(1);
  const ground = once((element) => {
    if (!element) return matchMedia("(prefers-color-scheme: dark)").matches ? [18, 18, 18, 1] : [255, 255, 255, 1];
    const color = parse(getComputedStyle(element).backgroundColor);
    return color[3] === 1 ? color : over(color, ground(element.parentElement));
  });
  const light = (color) => {
    const [r, g, b] = color.slice(0, 3).map((part) => part / 255).map((part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const faded = once((element) => (element ? Number(getComputedStyle(element).opacity) * faded(element.parentElement) : 1));
  const compare = (element, style, behind, what) => {
    const color = parse(style.color);
    color[3] *= faded(element);
    const [low, high] = [light(over(color, behind)), light(behind)].sort((a, b) => a - b);
    const ratio = (high + 0.05) / (low + 0.05);
    check("contrast", ratio >= 4.5, `${what} has a contrast of ${ratio.toFixed(2)}`);
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let texts = 0;
  for (let text = walker.nextNode(); text; text = walker.nextNode()) {
    const element = text.parentElement;
    if (!words(text.data) || !shown(element) || unseen(element) || element.closest("script, style, svg, :disabled")) continue;
    texts += 1;
    compare(element, getComputedStyle(element), ground(element), `${told(element)}: “${words(text.data)}”`);
  }
  check("contrast", texts > 5, "there is hardly any text");
  for (const field of all("input, select, textarea").filter(shown)) {
    compare(field, getComputedStyle(field), ground(field), told(field));
    if (field.placeholder) compare(field, getComputedStyle(field, "::placeholder"), ground(field), `the placeholder of ${told(field)}`);
  }
  for (const element of all("*").filter(shown))
    for (const where of ["::before", "::after"]) {
      const style = getComputedStyle(element, where);
      if (/^(none|normal|"")$/.test(style.content)) continue;
      const own = parse(style.backgroundColor);
      compare(element, style, own[3] === 1 ? own : over(own, ground(element)), `${where} of ${told(element)}`);
    }

  // Width: nothing but boxes that scroll by themselves is wider than the window.

  const scrolls = once((element) => Boolean(element) && (/auto|scroll|hidden/.test(getComputedStyle(element).overflowX) || scrolls(element.parentElement)));
  check("width", document.documentElement.scrollWidth <= innerWidth, `the page is ${document.documentElement.scrollWidth} wide, the window ${innerWidth}`);
  for (const element of all("body *").filter(shown)) {
    const box = element.getBoundingClientRect();
    if (box.width && !unseen(element) && !scrolls(element.parentElement))
      check("width", box.right <= innerWidth + 0.5 && box.left >= -0.5, `${told(element)} reaches from ${box.left} to ${box.right}`);
  }

  // Targets: WCAG 2.2, 2.5.8, 24 by 24 pixels, but for links within a sentence.

  const inSentence = (element) =>
    getComputedStyle(element).display === "inline" && [...element.parentElement.childNodes].some((node) => node !== element && words(node.textContent));
  for (const element of all("a[href], button, input:not([type=hidden]), select, textarea, summary").filter(shown)) {
    if (unseen(element) || inSentence(element) || element.matches(".skip:not(:focus)")) continue;
    const label = element.matches("[type=checkbox], [type=radio]") ? element.labels[0] : null;
    const box = (label || element).getBoundingClientRect();
    check("targets", box.width >= 24 && box.height >= 24, `${told(element)} is ${box.width.toFixed(1)} by ${box.height.toFixed(1)}`);
  }
  return problems;
}
