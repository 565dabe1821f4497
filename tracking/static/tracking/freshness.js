/**
 * The freshness of a driver's location: the worse of the server's status and the status by the time
 * since the last fix, because this device's clock may be wrong, and the connection silent.
 */

const ORDER = ["live", "stale", "offline"];

export class Freshness {
  /** True if the phone sent something after its location had become stale. */
  isPhoneHeard = false;

  #place = "";
  #seenAt = null;
  // When the last message arrived, and the minimum time since the driver's last fix by then, derived
  // from the status.
  #heardAt = 0;
  #silence = 0;
  #receivedAt = null;
  #serverStatus = null;

  /** @param {{ staleAfter: string, offlineAfter: string }} data seconds, as in the widget's data */
  constructor({ staleAfter, offlineAfter }, now = () => Date.now()) {
    this.limits = { stale: Number(staleAfter) * 1000, offline: Number(offlineAfter) * 1000 };
    this.now = now;
  }

  /**
   * Take over a location of the client; return whether it is a new fix. A new status, a renewed
   * token, a probe of the connection and a reconnect repeat the last one.
   */
  push(location) {
    const { latitude, longitude, status, recordedAt, receivedAt, heardAt } = location;
    const isSame = this.#place === `${latitude},${longitude}`;
    this.#place = `${latitude},${longitude}`;
    const isRepeat = receivedAt !== null && receivedAt === this.#receivedAt;
    const isLive = status === "live";
    const now = this.now();
    if (status) {
      // The server's status "live" means a recent fix, whatever this device's clock says.
      if (!isLive) this.#seenAt = recordedAt ?? receivedAt ?? this.#seenAt ?? now;
      else if (!isRepeat || this.#seenAt === null) this.#seenAt = now;
    } else if (!isSame || this.status === "live") {
      // Without details, a repeated location may be the answer to this page's own probe, so it does
      // not make an old location live again.
      this.#seenAt = now;
    }
    this.#serverStatus = status;
    this.#heardAt = status ? now : this.#seenAt;
    this.#silence = isLive ? Math.max(0, this.#heardAt - this.#seenAt) : (this.limits[status] ?? 0);
    this.isPhoneHeard = heardAt !== null && heardAt - recordedAt >= this.limits.stale;
    this.#receivedAt = receivedAt;
    return !isRepeat;
  }

  /** Take over the status that the server sent; `unknown`: there is no location any more. */
  setStatus(status) {
    const isUnknown = status === "unknown";
    this.#serverStatus = isUnknown ? null : status;
    if (!isUnknown) return;
    this.#place = "";
    this.#seenAt = this.#receivedAt = null;
    this.isPhoneHeard = false;
  }

  /** Milliseconds since the last fix; null without one. */
  get age() {
    return this.#seenAt === null ? null : this.now() - this.#seenAt;
  }

  /** `live`, `stale` or `offline`; `unknown` without a location. */
  get status() {
    if (this.#seenAt === null) return "unknown";
    const { stale, offline } = this.limits;
    const age = this.#silence + this.now() - this.#heardAt;
    const bySilence = age < stale ? "live" : age < offline ? "stale" : "offline";
    return ORDER[Math.max(ORDER.indexOf(bySilence), ORDER.indexOf(this.#serverStatus))];
  }
}
