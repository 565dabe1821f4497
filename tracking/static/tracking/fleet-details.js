/** The popup of the fleet map: a driver's name, contact, status and the location's age. */

/**
 * @param {import("./words.js").Words} words
 * @param {string} rowUrl the URL of driver 0 in the admin; empty without an admin
 * @param {number} staleAfter the milliseconds after which a location is stale
 */
export function createDetails(words, rowUrl, staleAfter) {
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
  const facts = add("span", "tracking-popup-facts");
  const link = add("a", "tracking-popup-link");
  link.textContent = words.say("open_row");

  return {
    element,

    /** Update the elements in place, so that the link keeps its focus. @param {any} location */
    show({ userId, name: called, email, status, recordedAt, receivedAt, heardAt, speed }) {
      name.textContent = called || words.say("driver", { id: userId });
      contact.textContent = email ?? "";
      contact.hidden = !email;
      chip.className = `tracking-chip tracking-chip-${status ?? "live"}`;
      chip.textContent = words.say(status ?? "live");
      const measuredAt = recordedAt ?? receivedAt;
      const ago = measuredAt ? words.ago(Date.now() - measuredAt) : "";
      // The location is stale, but the phone has sent something since.
      const isHeard = status === "stale" && heardAt - measuredAt >= staleAfter;
      const seen = isHeard ? words.say("phone_online", { ago }) : ago;
      const moves = status === "live" && Number.isFinite(speed);
      const pace = moves ? words.say("kmh", { count: Math.round(speed * 3.6) }) : "";
      facts.textContent = [seen, pace].filter(Boolean).join(" · ");
      link.href = rowUrl.replace("/0/", `/${userId}/`);
      link.hidden = !rowUrl;
    },
  };
}
