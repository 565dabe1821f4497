/** The texts that a rider reads about a trip. */

// The texts by status. Those before the ride name the driver, the others a place.
const BEFORE = {
  new: "assigned",
  enroute_to_pickup: "on_the_way",
  arrived_at_pickup: "here",
};
const RIDING = {
  enroute_to_intermediate_destination: ["stop", "to_place", "to_stop"],
  arrived_at_intermediate_destination: ["stop", "at_place", "at_stop"],
  enroute_to_dropoff: ["dropoff", "to_place", "to_destination"],
};

/** The kind of the waypoint that the car drives to, or waits at; "" once the trip has ended. */
export function nextKind(status) {
  return status in BEFORE ? "pickup" : (RIDING[status]?.[0] ?? "");
}

/** Return whether the riders are in the car. */
export function isRiding(status) {
  return status in RIDING;
}

/**
 * Return the headline of a trip, and below it the driver and the car by which riders find it.
 *
 * @param {import("./words.js").Words} words
 * @param {any} trip the content of a trip frame
 */
export function describeTrip(words, { status, driver, waypoints }) {
  if (!(status in BEFORE || status in RIDING)) return { headline: words.say(status), car: "" };
  if (!driver) return { headline: words.say("looking"), car: words.say("looking_hint") };
  const { name, vehicle } = driver;
  if (status in BEFORE) {
    const text = name ? BEFORE[status] : `${BEFORE[status]}_unnamed`;
    return { headline: words.say(text, { name }), car: vehicle };
  }
  const [kind, named, unnamed] = RIDING[status];
  const places = waypoints.filter((waypoint) => waypoint.kind === kind);
  // The trip does not say which of several stops comes next.
  const place = places.length === 1 ? places[0].name : null;
  return {
    headline: place ? words.say(named, { place }) : words.say(unnamed),
    car: [name, vehicle].filter(Boolean).join(" · "),
  };
}

/**
 * Return what a rider has to do, or waits for, as the line below the headline; "" if nothing.
 *
 * @param {import("./words.js").Words} words
 * @param {any} trip the content of a trip frame
 */
export function todoOf(words, { status, driver, waypoints }) {
  if (!(status in BEFORE)) return "";
  if (!driver) return words.say("looking_hint");
  const place = waypoints.find(({ kind }) => kind === "pickup");
  if (!place) return "";
  return place.name ? words.say("meet_at", { place: place.name }) : words.say("meet");
}
