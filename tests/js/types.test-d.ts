// Compiled, never run: code that a TypeScript page may contain, and code that must not compile.
import {
  geolocationSource,
  shareLocation,
  watchDriver,
  watchFleet,
  watchNearby,
  watchTrip,
  type Location,
  type State,
} from "../../tracking/static/tracking/tracking-client.js";
import type { FleetItem } from "../../tracking/static/tracking/frames.d.ts";

// The keys of a frame are those of the client's location, in camel case.
type Word<Key extends string> = Key extends `${infer First}_${infer Rest}`
  ? `${First}${Capitalize<Word<Rest>>}`
  : Key;
type Renamed = { location_lat: "latitude"; location_lon: "longitude" };
type Known<Key extends string> = Key extends keyof Renamed ? Renamed[Key] : Word<Key>;
const forgotten: Record<Exclude<Known<keyof FleetItem>, keyof Location>, never> = {};
const invented: Record<Exclude<keyof Location, Known<keyof FleetItem>>, never> = {};
void [forgotten, invented];

const getToken = async ({ refresh }: { refresh: boolean }) => (refresh ? "new" : null);

const watch = watchDriver({
  url: new URL("https://example.com/rides/"),
  driverId: 19,
  getToken,
  onLocation: (location: Location, frame) => [location.recordedAt?.toFixed(), frame.userId],
  onStatus: (status) => status === "live",
  onState: (state: State, reason, transport) =>
    state === "closed" ? reason?.retry : transport === "polling",
  httpUrl: "/live/19/",
  onError: ({ code, message }) => code + message,
});
watch.pause();
// Callers from before there were other transports.
watchDriver({ driverId: 19, getToken, onState: (_state, _reason) => {}, httpUrl: null });
// @ts-expect-error there is no such transport
void (watch.transport === "carrier-pigeon");
watch.resume();
// @ts-expect-error the state is read only
watch.state = "open" as const;
// @ts-expect-error a watcher needs a driver
watchDriver({ getToken });

const trip = watchTrip({
  tripId: 7,
  getToken,
  onTrip: ({ driver, waypoints }) => [driver?.vehicle.length, waypoints[0]?.lat.toFixed()],
  onLocation: ({ latitude }) => latitude.toFixed(),
  onEnd: (end) => {
    // @ts-expect-error a trip ends complete or canceled
    void (end === "new");
    return end === "canceled";
  },
});
trip.resume();
// @ts-expect-error a trip has an id
watchTrip({ getToken });

const nearby = watchNearby({
  lat: 0.5,
  lon: 102.4,
  getToken,
  onCars: (cars) => cars.map(({ id, longitude }) => id + longitude.toFixed()),
});
nearby.setPlace(0.6, 102.5);
// @ts-expect-error cars are near a place
watchNearby({ getToken });

const share = shareLocation({
  driverId: "19",
  getToken: () => "token",
  source: geolocationSource(navigator.geolocation, { timeout: 1000, quietAfter: 5000 }),
  onAcknowledged: ({ fixes, waiting }) => fixes.length + waiting,
});
share.waiting.toFixed();
share.setState("non_operational");
// @ts-expect-error a trip reserves a driver
share.setState("reserved");
share.close();
async function* drive() {
  yield { latitude: 0.5, longitude: 102.4 };
}
shareLocation({ driverId: 19, getToken, source: drive(), environment: { now: () => 0 } });
// @ts-expect-error a location has a longitude
shareLocation({ driverId: 19, getToken, source: (take) => take({ latitude: 0 }) });

const fleet = watchFleet({ getToken, bbox: [101, 0, 102, 1], onSnapshot: (all) => all.length });
fleet.setBbox(null);
// @ts-expect-error west, south, east, north
fleet.setBbox([1, 2, 3]);
