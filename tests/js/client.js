// Node treats a .js file as CommonJS unless there is a package.json beside it, which the static
// files of an app should not contain. A data URL is always a module.
import { readFileSync } from "node:fs";

const path = new URL("../../tracking/static/tracking/tracking-client.js", import.meta.url);
const source = readFileSync(path).toString("base64");

export const {
  watchDriver,
  watchTrip,
  watchNearby,
  watchFleet,
  shareLocation,
  geolocationSource,
} = await import(`data:text/javascript;base64,${source}`);
