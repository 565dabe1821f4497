/** One tab of a browser shares a driver's location, so that no fix is sent twice. */

const RELOAD_TIMEOUT = 1_500; // ms until the tab that is reloaded has let go

/**
 * Call `begin` once no other tab shares, or `refuse` if one does. With `steal`, the other tab ends:
 * its `lose` is called. Return a function that lets other tabs share.
 *
 * Browsers without Web Locks (Safari before 15.4) share in each tab; the server sorts the fixes.
 *
 * @param {string} name
 * @param {{ begin: () => void, refuse: () => void, lose: () => void, steal?: boolean }} actions
 */
export function holdTab(name, { begin, refuse, lose, steal = false }) {
  const { locks } = navigator;
  let release = () => {};
  let isOver = false;
  let isHeld = false;
  if (!locks) {
    begin();
    return release;
  }
  const controller = new AbortController();
  const timer = setTimeout(() => controller.abort(), RELOAD_TIMEOUT);
  const hold = () => {
    clearTimeout(timer);
    if (isOver) return;
    isHeld = true;
    const held = new Promise((resolve) => (release = () => resolve(undefined)));
    begin();
    return held;
  };
  // The specification allows no signal together with `steal`.
  const options = steal ? { steal } : { signal: controller.signal };
  locks.request(name, options, hold).catch(() => {
    if (isOver) return;
    isOver = true;
    if (isHeld) lose();
    else refuse();
  });
  return () => {
    isOver = true;
    clearTimeout(timer);
    if (!isHeld) controller.abort();
    release();
  };
}
