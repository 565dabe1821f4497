/** Google's encoded polylines, with the six decimals that routing engines use. */

const E6 = 1_000_000;

/**
 * Return the places of a polyline, latitude and longitude in degrees; [] if the text is none.
 * @param {string | null | undefined} text @returns {[number, number][]}
 */
export function decodePolyline(text) {
  /** @type {[number, number][]} */
  const places = [];
  const sums = [0, 0];
  let axis = 0;
  let value = 0;
  let shift = 0;
  for (const letter of text ?? "") {
    const bits = letter.charCodeAt(0) - 63;
    // Numbers have at most 30 bits: 360 degrees in millionths, with the sign.
    if (bits < 0 || bits > 63 || shift > 25) return [];
    value |= (bits & 31) << shift;
    shift += 5;
    if (bits >= 32) continue;
    sums[axis] += value & 1 ? ~(value >> 1) : value >> 1;
    if (axis) places.push([sums[0] / E6, sums[1] / E6]);
    axis = 1 - axis;
    value = shift = 0;
  }
  const isWhole = !axis && !shift;
  const isOnEarth = places.every(([lat, lon]) => Math.abs(lat) <= 90 && Math.abs(lon) <= 360);
  return isWhole && isOnEarth ? places : [];
}
