/** Live driver locations over WebSockets. Times are milliseconds since 1970, degrees WGS 84. */

import type * as frames from "./frames.d.ts";

/** `closed` is final unless `resume()` is called; the others lead to `open` by themselves. */
export type State = "connecting" | "open" | "reconnecting" | "closed";

/** `live`, `stale` or `offline`: how old the location is; `unknown`: there is none yet. */
export type Status = frames.Details["status"] | frames.Unknown["status"];

/** Why a connection is not there. */
export interface Reason {
  /** The WebSocket close code; 1000 for `close()` and `pause()`, 1006 for a lost connection. */
  code: number;
  /** The code of the server's last error frame, such as `forbidden`; `offline` without a network. */
  error: string | null;
  message: string;
  /** Whether the client tries again by itself. */
  retry: boolean;
}

/** An error frame of the server, or what went wrong on this side. */
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
 * What a frame says of a driver. Null where the server said nothing: without details, only the
 * degrees are there.
 */
export interface Location {
  latitude: number;
  longitude: number;
  userId: frames.FleetItem["userId"] | null;
  name: frames.FleetItem["name"];
  /** When the device measured it. */
  recordedAt: number | null;
  receivedAt: number | null;
  /** When the phone was heard last, whatever it said; as `receivedAt` if the server does not say. */
  heardAt: number | null;
  /** Seconds by which the device's clock was behind, and `recordedAt` was corrected. */
  clockOffset: frames.FleetItem["clock_offset"];
  /** Degrees clockwise from true north. */
  heading: frames.FleetItem["heading"];
  /** Metres per second. */
  speed: frames.FleetItem["speed"];
  /** Metres. */
  accuracy: frames.FleetItem["accuracy"];
  status: Status | null;
}

/** What a source gives. Without `recordedAt` it was measured now. */
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
  /** As the server stored it. */
  latitude: number;
  longitude: number;
  /** What is now stored or superseded, oldest first. */
  fixes: Fix[];
  /** How many fixes are not acknowledged yet. */
  waiting: number;
}

/**
 * Called only when a token is needed. `refresh` asks for a newly issued one, because the last
 * expires soon or was refused. Resolve to null when there is none: the connection closes. Reject
 * when there may be one later: it is asked for again. So it is after 10 s without an answer; a token
 * that comes after that is used by the next attempt.
 */
export type GetToken = (request: {
  refresh: boolean;
}) => string | null | undefined | Promise<string | null | undefined>;

/** What the client takes from the browser; tests and other runtimes replace parts of it. */
export interface Environment {
  WebSocket: new (url: string) => WebSocket;
  now: () => number;
  random: () => number;
  /** Whether the device may have a network: `navigator.onLine`. */
  isOnline: () => boolean;
  setTimeout: (action: () => void, milliseconds: number) => unknown;
  clearTimeout: (timer: any) => void;
  /** What relative addresses are relative to. */
  base: string | undefined;
  /** Where `online`, `offline` and `pageshow` are heard. */
  target: Partial<EventTarget>;
  document: (EventTarget & { readonly visibilityState: string }) | undefined;
}

export interface ConnectionOptions {
  getToken: GetToken;
  /** `reason` comes with `reconnecting` and `closed`. */
  onState?: (state: State, reason: Reason | null) => void;
  onError?: (error: TrackingError) => void;
  environment?: Partial<Environment>;
}

interface CommonOptions extends ConnectionOptions {
  /** The server's root, http(s) or ws(s), absolute or relative to the page. Default: `/`. */
  url?: string | URL;
}

/** A location frame as it came; a server of another version may send further keys. */
export type LocationFrame = frames.Location & Partial<frames.Details> & Record<string, unknown>;

export interface WatchOptions extends CommonOptions {
  driverId: frames.FleetItem["userId"];
  /** Ask for status, times, heading, speed and accuracy. Default: true. */
  details?: boolean;
  /**
   * `frame` is the server's message as it came. A new status, a renewed token and a reconnect bring
   * the last location again, with the `receivedAt` of before.
   */
  onLocation?: (location: Location, frame: LocationFrame) => void;
  /** Called when the status changes. */
  onStatus?: (status: Status) => void;
}

/** West, south, east, north. */
export type Bbox = [number, number, number, number];

export interface FleetOptions extends CommonOptions {
  /** Only drivers in here. Default: all. */
  bbox?: Bbox | null;
  /**
   * Replaces what was known. Comes first, after `setBbox()` and after every reconnect; of a large
   * fleet it is the beginning, and updates bring the rest.
   */
  onSnapshot?: (locations: Location[]) => void;
  /**
   * Called when the snapshot is complete: a driver that came neither with it nor since is not there.
   * Not called for a snapshot that another one replaces before that.
   */
  onSnapshotEnd?: () => void;
  /** The drivers that changed or appeared. */
  onUpdate?: (locations: Location[]) => void;
  /** The drivers that left the bbox, or are no more. */
  onRemove?: (userIds: frames.FleetItem["userId"][]) => void;
  /**
   * How many of the whole fleet are what, wherever the bbox is: before the snapshot, and when it
   * changes.
   */
  onCounts?: (counts: frames.Counts) => void;
}

/** Calls `take` with every fix and `fail` with every error; returns what ends it. */
export type Subscribe = (
  take: (fix: SourceFix) => void,
  fail: (error: unknown) => void,
) => (() => void) | void;

export interface ShareOptions extends CommonOptions {
  driverId: frames.FleetItem["userId"];
  source: Subscribe | AsyncIterable<SourceFix>;
  /** Milliseconds between sends, of the newest fix each. Default: 5000. */
  interval?: number;
  /** Send what gathered while offline; else only the newest. Default: true. */
  batch?: boolean;
  /** The `pending` of an earlier page's handle: sent first. */
  pending?: Fix[];
  onSent?: (fixes: Fix[]) => void;
  onAcknowledged?: (acknowledgement: Acknowledgement) => void;
}

export interface Handle {
  readonly state: State;
  /** End it for good. */
  close(): void;
}

export interface WatchHandle extends Handle {
  /** Disconnect for now. */
  pause(): void;
  /** Connect again after `pause()`, or after the server closed the connection for good. */
  resume(): void;
}

export interface FleetHandle extends WatchHandle {
  /** A new snapshot follows. */
  setBbox(bbox: Bbox | null): void;
}

export interface ShareHandle extends Handle {
  /** How many fixes are not acknowledged yet. */
  readonly waiting: number;
  /** Those fixes, oldest first: what a page keeps while it is reloaded. */
  readonly pending: Fix[];
}

export function watchDriver(options: WatchOptions): WatchHandle;
export function watchFleet(options: FleetOptions): FleetHandle;
/** Connects with the first fix. */
export function shareLocation(options: ShareOptions): ShareHandle;

/** A source from `navigator.geolocation`; asks again after `quietAfter` ms (10000) of silence. */
export function geolocationSource(
  geolocation: Geolocation,
  options?: PositionOptions & { quietAfter?: number; environment?: Partial<Environment> },
): Subscribe;
