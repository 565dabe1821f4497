/** Web Mercator, as every web map has it: the world is the square from 0 to 1, north on top. */

const MOST = 85.05; // degrees north and south, where the square ends

/** @returns {[number, number]} */
export function mercator(longitude, latitude) {
  const sine = Math.sin((Math.max(-MOST, Math.min(MOST, latitude)) * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}
