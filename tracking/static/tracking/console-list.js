/**
 * A listbox of any length: only the rows in view are elements. The focus stays on the list, whose
 * `aria-activedescendant` is the row that the arrow keys have reached.
 */

const SPARE = 4; // rows above and below those in view
const NEAR_END = 10; // rows

/**
 * @param {HTMLElement} element with role="listbox" and tabindex="0"
 * @param {object} options
 * @param {string} options.id the beginning of the rows' ids
 * @param {() => { element: HTMLElement, fill: (item: any) => void }} options.createRow
 * @param {(item: any) => void} options.onOpen Enter, Space or a click on a row
 * @param {() => void} [options.onNearEnd] the last loaded rows are in view
 */
export function createList(element, { id, createRow, onOpen, onNearEnd }) {
  const space = document.createElement("div");
  space.className = "console-space";
  space.setAttribute("role", "presentation");
  element.append(space);
  /** @type {Map<any, { element: HTMLElement, fill: Function, item?: any, index?: number }>} */
  const rows = new Map();
  let items = [];
  let total = 0;
  let active = null; // the id of an item
  let selected = null;
  let rowHeight = 0;
  let frame = 0;

  const indexOf = (key) => (key === null ? -1 : items.findIndex((item) => keyOf(item) === key));

  function measure() {
    if (!rowHeight && items.length && element.clientHeight) {
      const row = createRow();
      row.fill(items[0]);
      space.append(row.element);
      rowHeight = row.element.offsetHeight;
      row.element.remove();
    }
    return rowHeight;
  }

  function draw() {
    frame = 0;
    const height = measure();
    if (!height) return void (items.length || clear());
    space.style.height = `${items.length * height}px`;
    const first = Math.max(0, Math.floor(element.scrollTop / height) - SPARE);
    const last = Math.min(
      items.length - 1,
      Math.ceil((element.scrollTop + element.clientHeight) / height) + SPARE,
    );
    const wanted = new Set();
    for (let index = first; index <= last; index += 1) wanted.add(index);
    // The active row must exist for screen readers.
    const at = indexOf(active);
    if (at >= 0) wanted.add(at);
    const keys = new Set([...wanted].map((index) => keyOf(items[index])));
    const free = [];
    for (const [key, row] of rows) {
      if (keys.has(key)) continue;
      rows.delete(key);
      free.push(row);
    }
    for (const index of wanted) {
      const item = items[index];
      const key = keyOf(item);
      let row = rows.get(key);
      if (!row) {
        row = free.pop() ?? added(createRow());
        rows.set(key, row);
        row.element.id = `${id}-${key}`;
      }
      row.item = item;
      row.element.style.transform = `translateY(${index * height}px)`;
      row.element.setAttribute("aria-posinset", String(index + 1));
      row.element.setAttribute("aria-setsize", String(Math.max(total, items.length)));
      row.element.setAttribute("aria-selected", String(key === selected));
      row.element.toggleAttribute("data-active", key === active);
      row.fill(item);
    }
    for (const row of free) row.element.remove();
    if (at >= 0) element.setAttribute("aria-activedescendant", `${id}-${active}`);
    else element.removeAttribute("aria-activedescendant");
    if (last >= items.length - NEAR_END) onNearEnd?.();
  }

  function added(row) {
    row.element.setAttribute("role", "option");
    row.element.addEventListener("click", () => {
      active = keyOf(row.item);
      onOpen(row.item);
      refresh();
    });
    space.append(row.element);
    return row;
  }

  function clear() {
    for (const row of rows.values()) row.element.remove();
    rows.clear();
    space.style.height = "0";
    element.removeAttribute("aria-activedescendant");
  }

  function refresh() {
    frame ||= requestAnimationFrame(draw);
  }

  function show(index) {
    const height = measure();
    if (!height || index < 0) return;
    const top = index * height;
    if (top < element.scrollTop) element.scrollTop = top;
    else if (top + height > element.scrollTop + element.clientHeight) {
      element.scrollTop = top + height - element.clientHeight;
    }
  }

  function move(to) {
    if (!items.length) return;
    const index = Math.max(0, Math.min(items.length - 1, to));
    active = keyOf(items[index]);
    show(index);
    draw();
  }

  element.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const at = indexOf(active);
    const page = Math.max(1, Math.floor(element.clientHeight / (rowHeight || 1)) - 1);
    const keys = {
      ArrowDown: () => move(at + 1),
      ArrowUp: () => move(at < 0 ? 0 : at - 1),
      PageDown: () => move(at + page),
      PageUp: () => move(at - page),
      Home: () => move(0),
      End: () => move(items.length - 1),
      Enter: () => at >= 0 && onOpen(items[at]),
      " ": () => at >= 0 && onOpen(items[at]),
    };
    if (!keys[event.key]) return;
    event.preventDefault();
    keys[event.key]();
  });
  element.addEventListener("focus", () => {
    if (indexOf(active) < 0 && items.length) move(Math.floor(element.scrollTop / (measure() || 1)));
  });
  element.addEventListener("scroll", refresh, { passive: true });
  new ResizeObserver(() => {
    rowHeight = 0; // a larger text has higher rows
    refresh();
  }).observe(element);

  return {
    refresh,
    /** The number of rows from the first to the last in view. */
    get reached() {
      const height = measure();
      return height ? Math.ceil((element.scrollTop + element.clientHeight) / height) : 0;
    },
    /** @param {any[]} next @param {number} all how many there are, loaded or not */
    set(next, all = next.length) {
      const at = indexOf(active);
      items = next;
      // Its row is gone, as the order or a filter is another one: the arrow keys go on from there.
      if (at >= 0 && indexOf(active) < 0) {
        active = items.length ? keyOf(items[Math.min(at, items.length - 1)]) : null;
      }
      total = all;
      refresh();
    },
    /** Mark the row of the item that the panel shows, and show it. @param {any} key or null */
    select(key) {
      if (key === selected) return;
      selected = key;
      const index = indexOf(key);
      if (index >= 0) {
        active = key;
        show(index);
      }
      refresh();
    },
    toTop() {
      element.scrollTop = 0;
      active = null;
    },
  };
}

function keyOf(item) {
  return item.userId ?? item.id;
}
