/** The console's tabs, as the ARIA Authoring Practices have them: arrow keys move and activate. */

/**
 * @param {HTMLElement} element the widget's
 * @param {(name: string) => void} onShow
 */
export function createTabs(element, onShow) {
  const tabs = [...element.querySelectorAll('[role="tab"]')];
  const pageOf = (tab) => element.querySelector(`[data-page="${tab.dataset.tab}"]`);
  for (const tab of tabs) {
    const page = pageOf(tab);
    tab.id = `tracking-console-tab-${tab.dataset.tab}`;
    page.id = `tracking-console-page-${tab.dataset.tab}`;
    tab.setAttribute("aria-controls", page.id);
    page.setAttribute("aria-labelledby", tab.id);
    tab.addEventListener("click", () => show(tab.dataset.tab));
  }

  function show(name) {
    for (const tab of tabs) {
      const isShown = tab.dataset.tab === name;
      tab.setAttribute("aria-selected", String(isShown));
      tab.tabIndex = isShown ? 0 : -1;
      pageOf(tab).hidden = !isShown;
    }
    onShow(name);
  }

  element.querySelector('[role="tablist"]').addEventListener("keydown", (event) => {
    const at = tabs.indexOf(document.activeElement);
    const forward = getComputedStyle(element).direction === "rtl" ? "ArrowLeft" : "ArrowRight";
    const back = forward === "ArrowLeft" ? "ArrowRight" : "ArrowLeft";
    const to = { [forward]: at + 1, [back]: at - 1, Home: 0, End: tabs.length - 1 }[event.key];
    if (at < 0 || to === undefined) return;
    event.preventDefault();
    const next = tabs[(to + tabs.length) % tabs.length];
    next.focus();
    show(next.dataset.tab);
  });

  return { show, names: tabs.map(({ dataset }) => dataset.tab) };
}
