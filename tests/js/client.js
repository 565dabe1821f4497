// Node takes a bare .js file for CommonJS unless a package.json beside it says otherwise, and the
// static files of an app should not carry one. A data URL is always a module.
import { readFileSync } from "node:fs";

const path = new URL("../../tracking/static/tracking/tracking-client.js", import.meta.url);
const source = readFileSync(path).toString("base64");

export const { watchDriver, watchFleet, shareLocation, geolocationSource } = await import(
  `data:text/javascript;base64,${source}`
);
