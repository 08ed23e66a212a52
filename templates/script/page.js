// The report reads without this script. It adds to the scatter plots: hover and pinned cards, pan
// and zoom, selection, search and colours; and the total time to the summary. It makes no request.

const element = (name, className, text) => {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
};

const button = (text, action, label) => {
  const made = element("button", "", text);
  made.type = "button";
  if (label) made.setAttribute("aria-label", label);
  made.addEventListener("click", action);
  return made;
};

// A key that breaks after its slashes and underscores.
const breakable = (key) => key.split(/(?<=[/_])/).flatMap((part, i) => (i === 0 ? [part] : [element("wbr"), part]));

// A property that is computed when it is first read.
const lazy = (owner, name, make) =>
  Object.defineProperty(owner, name, {
    configurable: true,
    get() {
      const value = make();
      Object.defineProperty(owner, name, { value });
      return value;
    },
  });

const total = document.querySelector("[data-total-time]");
if (total) document.querySelector("[data-total]").textContent = total.textContent;

// Paper shows what is folded.
addEventListener("beforeprint", () => {
  for (const folded of document.querySelectorAll("details")) folded.open = true;
});
