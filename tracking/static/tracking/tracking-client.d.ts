/** Live driver locations over WebSockets or HTTP. Times are milliseconds since 1970, degrees WGS 84. */

import type * as frames from "./frames.d.ts";

/** `closed` is final unless `resume()` is called; from the others, the client reconnects itself. */
export type State = "connecting" | "open" | "reconnecting" | "closed";

/**
 * The way to the server: over HTTP if a proxy blocks WebSockets, and by polling if a proxy also
 * collects streams. `shareLocation` uses requests ("polling") in place of a stream.
 */
export type Transport = "websocket" | "event-stream" | "polling";

/** `live`, `stale` or `offline` by the age of the location; `unknown` if there is none yet. */
export type Status = frames.Details["status"] | frames.Unknown["status"];

/** The reason why a connection is not open. */
export interface Reason {
  /** The WebSocket close code; 1000 for `close()` and `pause()`, 1006 for a lost connection. */
  code: number;
  /** The code of the server's last error frame, such as `forbidden`; `offline` without a network. */
  error: string | null;
  message: string;
  /** True if the client reconnects by itself. */
  retry: boolean;
}

/** An error frame of the server, or an error of the client. */
export interface TrackingError {
  /**
   * A code of the protocol, or `invalid_frame`, `token_unavailable`, `source_failed`,
   * `permission_denied`, `position_unavailable`, `timeout`.
   */
  code: string;
  message: string;
  cause?: unknown;
}

/**
 * A driver's location from a frame. Values that the server did not send are null: without details,
 * only latitude and longitude are set.
 */
export interface Location {
  latitude: number;
  longitude: number;
  userId: frames.FleetItem["userId"] | null;
  name: frames.FleetItem["name"];
  /** When the device measured it. */
  recordedAt: number | null;
  receivedAt: number | null;
  /** When the phone last sent anything; `receivedAt` if the server does not send this. */
  heardAt: number | null;
  /** Seconds by which the device's clock was slow. `recordedAt` is corrected by it. */
  clockOffset: frames.FleetItem["clock_offset"];
  /** Degrees clockwise from true north. */
  heading: frames.FleetItem["heading"];
  /** Metres per second. */
  speed: frames.FleetItem["speed"];
  /** Metres. */
  accuracy: frames.FleetItem["accuracy"];
  status: Status | null;
  /** On the fleet's stream, the driver's state; null if it has none. */
  state: NonNullable<frames.FleetItem["state"]> | null;
  /** On the fleet's stream, the id of the trip that the driver has now. */
  trip: number | null;
}

/** A fix from a source. The default of `recordedAt` is now. */
export interface SourceFix {
  latitude: number;
  longitude: number;
  recordedAt?: number;
  heading?: number | null;
  speed?: number | null;
  accuracy?: number | null;
}

export interface Fix extends SourceFix {
  recordedAt: number;
}

export interface Acknowledgement {
  /** The location that the server stored. */
  latitude: number;
  longitude: number;
  /** The fixes that are now stored or superseded, oldest first. */
  fixes: Fix[];
  /** The number of fixes that are not acknowledged yet. */
  waiting: number;
}

/**
 * Called only when a token is needed. With `refresh`, return a newly issued token, because the last
 * one expires soon or was refused. Resolve to null if there is none: the connection closes. Reject
 * if there may be one later: the client calls again, as it does after 10 s without a result. A
 * token that arrives after that is used by the next attempt.
 */
export type GetToken = (request: {
  refresh: boolean;
}) => string | null | undefined | Promise<string | null | undefined>;

/** The parts of the browser that the client uses; tests and other runtimes replace some of them. */
export interface Environment {
  WebSocket: new (url: string) => WebSocket;
  /** Without it there are WebSockets only. */
  fetch: ((url: string, init: RequestInit) => Promise<Response>) | null | undefined;
  now: () => number;
  random: () => number;
  /** True if the device may have a network: `navigator.onLine`. */
  isOnline: () => boolean;
  setTimeout: (action: () => void, milliseconds: number) => unknown;
  clearTimeout: (timer: any) => void;
  /** The base of relative URLs. */
  base: string | undefined;
  /** The target of the events `online`, `offline` and `pageshow`. */
  target: Partial<EventTarget>;
  document: (EventTarget & { readonly visibilityState: string }) | undefined;
}

export interface ConnectionOptions {
  getToken: GetToken;
  /**
   * `reason` comes with `reconnecting` and `closed`. `transport` is the one in use, or the one that
   * is tried next. A change of it comes as `open` again.
   */
  onState?: (state: State, reason: Reason | null, transport: Transport) => void;
  onError?: (error: TrackingError) => void;
  environment?: Partial<Environment>;
  /**
   * The address of the stream over HTTP, such as `/driver/19/location/stream/`; for `shareLocation`
   * that of the driver, `/driver/19/`. Default: below `url`, as in this project. Null: WebSockets
   * only.
   */
  httpUrl?: string | URL | null;
}

interface CommonOptions extends ConnectionOptions {
  /** The server's root, http(s) or ws(s), absolute or relative to the page. Default: `/`. */
  url?: string | URL;
}

/** A location frame as received; a server of another version may send additional keys. */
export type LocationFrame = frames.Location & Partial<frames.Details> & Record<string, unknown>;

export interface WatchOptions extends CommonOptions {
  driverId: frames.FleetItem["userId"];
  /** Ask for status, times, heading, speed and accuracy. Default: true. */
  details?: boolean;
  /**
   * `frame` is the server's message as received. After a new status, a renewed token or a
   * reconnect, the last location is repeated, with an unchanged `receivedAt`.
   */
  onLocation?: (location: Location, frame: LocationFrame) => void;
  /** Called when the status changes. */
  onStatus?: (status: Status) => void;
}

/** The end of a trip. */
export type TripEnd = "complete" | "canceled";

export interface TripOptions extends CommonOptions {
  tripId: frames.TripContent["id"] | string;
  /**
   * Called with the first frame and when something about the trip changes. With another driver, or
   * none, the former one is not shown any more: no location of that driver follows.
   */
  onTrip?: (trip: frames.TripContent) => void;
  /** Called with the locations of the trip's driver, as `watchDriver` does. */
  onLocation?: (location: Location, frame: LocationFrame) => void;
  /** Called when the status of the driver's location changes, and first for each driver. */
  onStatus?: (status: Status) => void;
  /**
   * Called once, when the trip has ended. Then the connection closes for good, with the reason's
   * `error` `trip_ended`. That is not reported to `onError`.
   */
  onEnd?: (end: TripEnd) => void;
}

/** A free car. The `id` belongs to one rider's stream, and changes every hour. */
export interface Car {
  id: frames.NearbyCar["id"];
  latitude: number;
  longitude: number;
}

export interface NearbyOptions extends CommonOptions {
  /** The place around which to look for cars. */
  lat: number;
  lon: number;
  /** Called every 2 s with all cars nearby, 20 at most. They replace those of the call before. */
  onCars?: (cars: Car[]) => void;
}

/** West, south, east, north. */
export type Bbox = [number, number, number, number];

export interface FleetOptions extends CommonOptions {
  /** The area to stream. Default: all drivers. */
  bbox?: Bbox | null;
  /**
   * Replaces all known drivers. Called first, after `setBbox()` and after every reconnect. For a
   * large fleet this is the first part of the snapshot, and updates follow with the rest.
   */
  onSnapshot?: (locations: Location[]) => void;
  /**
   * Called when the snapshot is complete: remove drivers that came neither with it nor since. Not
   * called for a snapshot that another one replaces before that.
   */
  onSnapshotEnd?: () => void;
  /** The drivers that changed or appeared. */
  onUpdate?: (locations: Location[]) => void;
  /** The drivers that left the bbox or were removed. */
  onRemove?: (userIds: frames.FleetItem["userId"][]) => void;
  /**
   * The numbers of drivers by status in the whole fleet, not only in the bbox. Called before the
   * snapshot and after every change.
   */
  onCounts?: (counts: frames.Counts) => void;
}

/** Calls `take` with every fix and `fail` with every error; returns a function that ends it. */
export type Subscribe = (
  take: (fix: SourceFix) => void,
  fail: (error: unknown) => void,
) => (() => void) | void;

/** The states that drivers may set. On duty with a trip is `available`, too. */
export type Duty = "available" | "non_operational";

export interface ShareOptions extends CommonOptions {
  driverId: frames.FleetItem["userId"];
  source: Subscribe | AsyncIterable<SourceFix>;
  /** Milliseconds between sends. Each sends the newest fix. Default: 5000. */
  interval?: number;
  /** Send all fixes that were measured while offline, not only the newest. Default: true. */
  batch?: boolean;
  /** The `pending` of an earlier page's handle, sent first. */
  pending?: Fix[];
  onSent?: (fixes: Fix[]) => void;
  onAcknowledged?: (acknowledgement: Acknowledgement) => void;
  /**
   * Called when the server has confirmed a new state, and when it shows one that was set elsewhere
   * by refusing or accepting locations. Off duty, fixes of the source are ignored.
   */
  onDriverState?: (state: Duty) => void;
}

export interface Handle {
  readonly state: State;
  /** The transport in use, or the one that is tried next. */
  readonly transport: Transport;
  /** Close permanently. */
  close(): void;
}

export interface WatchHandle extends Handle {
  /** Disconnect until `resume()`. */
  pause(): void;
  /** Connect again after `pause()`, or after the server closed the connection permanently. */
  resume(): void;
}

export interface FleetHandle extends WatchHandle {
  /** A new snapshot follows. */
  setBbox(bbox: Bbox | null): void;
}

export interface NearbyHandle extends WatchHandle {
  /** Look around another place. */
  setPlace(lat: number, lon: number): void;
}

export interface ShareHandle extends Handle {
  /** The number of fixes that are not acknowledged yet. */
  readonly waiting: number;
  /** The fixes that are not acknowledged yet, oldest first. A page can store them for a reload. */
  readonly pending: Fix[];
  /**
   * Go on or off duty; `onDriverState` tells when it is confirmed. Connects if necessary, and
   * repeats the request after a reconnect. If the driver has a trip, the server refuses it:
   * `onError` gets `state_conflict`.
   */
  setState(state: Duty): void;
}

export function watchDriver(options: WatchOptions): WatchHandle;
export function watchTrip(options: TripOptions): WatchHandle;
export function watchNearby(options: NearbyOptions): NearbyHandle;
export function watchFleet(options: FleetOptions): FleetHandle;
/** Connects with the first fix. */
export function shareLocation(options: ShareOptions): ShareHandle;

/** A source from `navigator.geolocation`; asks again after `quietAfter` ms (10000) of silence. */
export function geolocationSource(
  geolocation: Geolocation,
  options?: PositionOptions & { quietAfter?: number; environment?: Partial<Environment> },
): Subscribe;
