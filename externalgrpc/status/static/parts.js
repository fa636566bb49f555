// Small parts of a page that are filled with text and never with markup.

/** Make an element; `text` is shown as characters, whoever wrote it. */
export function make(tag, classes = "", text = null) {
  const made = document.createElement(tag);
  if (classes) made.className = classes;
  if (text !== null) made.textContent = text;
  return made;
}

/** Say a text where it is another than before: a screen reader hears what changes, and no more. */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function choose(element, classes) {
  if (element.className !== classes) element.className = classes;
}

/** Hold the children of `parent` to `items`, each by its key: what stays keeps its element. */
export function keep(parent, items, key, create, update) {
  const held = parent.heldByKey ?? (parent.heldByKey = new Map());
  const wanted = new Map();
  for (const item of items) {
    let name = key(item);
    while (wanted.has(name)) name += " again";
    wanted.set(name, item);
  }
  for (const [name, element] of held) {
    if (wanted.has(name)) continue;
    element.remove();
    held.delete(name);
  }
  let place = parent.firstElementChild;
  for (const [name, item] of wanted) {
    let element = held.get(name);
    if (element === undefined) {
      element = create(item);
      held.set(name, element);
    }
    update(element, item);
    if (element === place) place = place.nextElementSibling;
    else parent.insertBefore(element, place);
  }
}

/** Find what a card was made of, by the names that it was given with `named`. */
export function named(element, parts) {
  element.parts = parts;
  element.append(...Object.values(parts));
  return element;
}

export function seconds(age) {
  const whole = Math.max(0, Math.round(age));
  if (whole < 100) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  if (minutes < 100) return `${minutes} min`;
  if (minutes < 48 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
  return `${Math.floor(minutes / 1440)} days`;
}

/** Write how long a step took, which may be less than a second. */
export function took(age) {
  return age < 9.95 ? `${Math.max(0, age).toFixed(1)} s` : seconds(age);
}

export function clock(at) {
  return new Date(at * 1000).toLocaleTimeString("en-GB");
}

export function day(at) {
  return new Date(at * 1000).toLocaleString("en-GB");
}

export function money(amount, currency, digits) {
  if (amount === null) return "price unknown";
  const number = Number(amount);
  const small = number !== 0 && number < 0.001 ? 6 : digits;
  return `${number.toFixed(small)} ${currency}`;
}

export function many(count, one, several) {
  return `${count} ${count === 1 ? one : several}`;
}

// Ages run on by themselves. The server's clock may be another than ours: `skew` is the difference.
const ages = new Map();
let skew = 0;

export function setClock(now) {
  skew = now - Date.now() / 1000;
}

export function serverNow() {
  return Date.now() / 1000 + skew;
}

/** Let an element say an age that runs on: `write` gets the seconds since an instant. */
export function age(element, since, write = seconds) {
  ages.set(element, () => say(element, write(serverNow() - since)));
  ages.get(element)();
}

export function ageless(element, text) {
  ages.delete(element);
  say(element, text);
}

export function tick() {
  for (const [element, write] of ages) {
    if (element.isConnected) write();
    else ages.delete(element);
  }
}
