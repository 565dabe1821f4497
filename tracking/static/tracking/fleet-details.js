/** The popup of the fleet map: a driver's name, contact, status, state, trip, and the location's age. */

/**
 * Return the text of a driver's state, or "" if it has none.
 * @param {import("./words.js").Words} words @param {any} location
 */
export function stateText(words, { state, trip }) {
  const hasTrip = trip !== null && trip !== undefined;
  if (state === "reserved" && hasTrip) return words.say("state_reserved_for", { trip });
  return state ? words.say(`state_${state}`) : "";
}

/**
 * @param {import("./words.js").Words} words
 * @param {{ rowUrl?: string, tripUrl?: string }} urls of driver 0 and of trip 0 in the admin; empty
 * without an admin, or if the user may not see trips
 * @param {number} staleAfter the milliseconds after which a location is stale
 */
export function createDetails(words, { rowUrl, tripUrl }, staleAfter) {
  const element = document.createElement("div");
  const add = (tag, className) => {
    const node = document.createElement(tag);
    node.className = className;
    element.append(node);
    return node;
  };
  const name = add("strong", "tracking-popup-name");
  name.dir = "auto";
  const contact = add("span", "tracking-popup-contact");
  const chip = add("span", "");
  const duty = add("span", "tracking-popup-state");
  const facts = add("span", "tracking-popup-facts");
  const tripLink = add("a", "tracking-popup-link");
  const link = add("a", "tracking-popup-link");
  link.textContent = words.say("open_row");

  return {
    element,

    /** Update the elements in place, so that the link keeps its focus. @param {any} location */
    show(location) {
      const { userId, name: called, email, status, trip } = location;
      const { recordedAt, receivedAt, heardAt, speed } = location;
      name.textContent = called || words.say("driver", { id: userId });
      contact.textContent = email ?? "";
      contact.hidden = !email;
      chip.className = `tracking-chip tracking-chip-${status ?? "live"}`;
      chip.textContent = words.say(status ?? "live");
      duty.textContent = stateText(words, location);
      duty.hidden = !duty.textContent;
      const measuredAt = recordedAt ?? receivedAt;
      const ago = measuredAt ? words.ago(Date.now() - measuredAt) : "";
      // The location is stale, but the phone has sent something since.
      const isHeard = status === "stale" && heardAt - measuredAt >= staleAfter;
      const seen = isHeard ? words.say("phone_online", { ago }) : ago;
      const moves = status === "live" && Number.isFinite(speed);
      const pace = moves ? words.speed(speed) : "";
      facts.textContent = [seen, pace].filter(Boolean).join(" · ");
      const hasTrip = trip !== null && trip !== undefined;
      tripLink.hidden = !tripUrl || !hasTrip;
      if (!tripLink.hidden) {
        tripLink.href = tripUrl.replace("/0/", `/${trip}/`);
        tripLink.textContent = words.say("open_trip", { trip });
      }
      link.href = rowUrl.replace("/0/", `/${userId}/`);
      link.hidden = !rowUrl;
    },
  };
}
