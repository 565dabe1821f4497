/** Web Mercator: the world is the square from 0 to 1, with y growing southwards. */

const MAX_LATITUDE = 85.05; // degrees north and south, the edge of the square

/** @returns {[number, number]} */
export function mercator(longitude, latitude) {
  const sine = Math.sin((Math.max(-MAX_LATITUDE, Math.min(MAX_LATITUDE, latitude)) * Math.PI) / 180);
  return [longitude / 360 + 0.5, 0.5 - Math.log((1 + sine) / (1 - sine)) / (4 * Math.PI)];
}
