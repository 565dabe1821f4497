/** The driver of a trip on the panel: initials, name, vehicle and number plate. */

const MAX_PLATE = 14; // characters

/**
 * Return the vehicle and its number plate. The plate is what follows the last comma, if it is short
 * and has a digit: "white Prius, AB 123". Any other text is the vehicle as a whole.
 * @param {string | null | undefined} text
 */
export function splitVehicle(text) {
  const whole = (text ?? "").trim();
  const comma = whole.lastIndexOf(",");
  const plate = whole.slice(comma + 1).trim();
  const isPlate = comma > 0 && plate.length <= MAX_PLATE && /\p{Nd}/u.test(plate);
  return isPlate ? { vehicle: whole.slice(0, comma).trim(), plate } : { vehicle: whole, plate: "" };
}

/** Return the first letters of the first and the last name; "" without a letter. */
export function initials(name) {
  const names = (name ?? "").match(/[\p{L}\p{M}]+/gu) ?? [];
  const chosen = names.length > 1 ? [names[0], names[names.length - 1]] : names;
  return chosen.map((each) => [...each][0].toLocaleUpperCase()).join("");
}

/**
 * @param {(name: string) => HTMLElement | null} part a host's own template may have none of these
 * @param {import("./words.js").Words} words
 */
export function createDriverCard(part, words) {
  return {
    /** Show a driver, or none. @param {{ name: string | null, vehicle: string } | null} driver */
    show(driver) {
      const card = part("driver");
      if (!card) return;
      card.hidden = !driver;
      if (!driver) return;
      const { vehicle, plate } = splitVehicle(driver.vehicle);
      const letters = initials(driver.name);
      part("avatar").textContent = letters;
      part("avatar").toggleAttribute("data-empty", !letters);
      part("name").textContent = driver.name || words.say("your_driver");
      part("car").textContent = vehicle;
      part("plate").textContent = plate;
      part("plate").hidden = !plate;
      part("plate").setAttribute("aria-label", words.say("plate", { plate }));
    },
  };
}
