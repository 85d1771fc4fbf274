// Building and updating elements. Text is always set as text: names and reasons come from elsewhere.

/** An element with a class and children, which are elements or texts. */
export function make(tag, className = "", ...children) {
  const element = document.createElement(tag);
  if (className) element.className = className;
  element.append(...children);
  return element;
}

/** Set a text, and touch nothing where it is the same already. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Show an element with a text, or hide it where there is none. */
export function sayOrHide(element, text) {
  say(element, text || "");
  element.hidden = !text;
}

/** A button that does something. */
export function button(text, act, className = "") {
  const element = make("button", className, text);
  element.type = "button";
  element.addEventListener("click", act);
  return element;
}

/**
 * Bring the children of `parent` in step with `items`. An element stays the same as long as its item is
 * there, so that focus and open questions survive the next look at the adapter.
 */
export function keyed(parent, items, keyOf, create, update) {
  const old = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let previous = null;
  for (const item of items) {
    const key = keyOf(item);
    let child = old.get(key);
    if (child) {
      old.delete(key);
    } else {
      child = create(item);
      child.dataset.key = key;
    }
    update(child, item);
    const next = previous ? previous.nextElementSibling : parent.firstElementChild;
    if (child !== next) parent.insertBefore(child, next);
    previous = child;
  }
  for (const gone of old.values()) gone.remove();
}
