// Live tracking as a competent Node.js developer would write it: check the JWT of each message,
// upsert, publish through Redis, acknowledge after the write; one subscription per watched driver.
import { createServer } from "node:http";
import { Redis } from "ioredis";
import jwt from "jsonwebtoken";
import pg from "pg";
import { WebSocketServer } from "ws";

const { DATABASE_URL, REDIS_URL, JWT_SIGNING_KEY } = process.env;
const port = Number(process.argv[2]);

const pool = new pg.Pool({ connectionString: DATABASE_URL, max: 10 });
// Send the publishes of one turn of the event loop together.
const publisher = new Redis(REDIS_URL, { enableAutoPipelining: true });
const subscriber = new Redis(REDIS_URL);

// Named, so that PostgreSQL parses and plans each once per connection.
const upsert = {
  name: "upsert",
  text: `INSERT INTO driver_location (driver_id, latitude, longitude, updated_at)
    VALUES ($1, $2, $3, now())
    ON CONFLICT (driver_id) DO UPDATE SET
      latitude = EXCLUDED.latitude, longitude = EXCLUDED.longitude, updated_at = now()`,
};
const select = {
  name: "select",
  text: "SELECT latitude, longitude FROM driver_location WHERE driver_id = $1",
};

// Driver id -> the sockets that watch it.
const watchers = new Map();

const channelOf = (driverId) => `driver:${driverId}`;

const locationFrame = (latitude, longitude) =>
  JSON.stringify({ location_lat: String(latitude), location_lon: String(longitude) });

subscriber.on("message", (channel, frame) => {
  const driverId = Number(channel.slice(channel.indexOf(":") + 1));
  // One copy of the bytes for all sockets.
  const bytes = Buffer.from(frame);
  for (const socket of watchers.get(driverId) ?? []) socket.send(bytes, { binary: false });
});

function refuse(socket, code, closeCode) {
  socket.send(JSON.stringify({ error: { code, message: code.replace("_", " ") } }));
  socket.close(closeCode);
}

// Return the message's payload and user, or undefined after sending the client an error.
function authenticate(socket, data) {
  let payload;
  try {
    ({ payload } = JSON.parse(data));
  } catch {
    return refuse(socket, "invalid_message", 4400);
  }
  try {
    return { payload, user: jwt.verify(payload.token, JWT_SIGNING_KEY, { algorithms: ["HS256"] }) };
  } catch {
    return refuse(socket, "token_invalid", 4401);
  }
}

function driverConnected(socket, driverId) {
  async function receive(data) {
    const message = authenticate(socket, data);
    if (!message) return;
    if (message.user.id !== driverId) return refuse(socket, "forbidden", 4403);
    const { lat, lon } = message.payload;
    if (!(Math.abs(lat) <= 90 && Math.abs(lon) <= 180)) {
      return refuse(socket, "invalid_location", 4400);
    }
    const frame = locationFrame(lat, lon);
    try {
      await pool.query({ ...upsert, values: [driverId, lat, lon] });
      publisher.publish(channelOf(driverId), frame).catch(() => {});
      socket.send(frame);
    } catch {
      socket.close(1011);
    }
  }
  // One after the other, or the pool's connections would finish a driver's fixes in any order.
  let last = Promise.resolve();
  socket.on("message", (data) => {
    last = last.then(() => receive(data));
  });
}

function watcherConnected(socket, driverId) {
  let watching = false;
  socket.on("message", async (data) => {
    if (!authenticate(socket, data) || watching) return;
    watching = true;
    try {
      let group = watchers.get(driverId);
      if (!group) {
        watchers.set(driverId, (group = new Set()));
        await subscriber.subscribe(channelOf(driverId));
      }
      group.add(socket);
      const { rows } = await pool.query({ ...select, values: [driverId] });
      if (rows.length) socket.send(locationFrame(rows[0].latitude, rows[0].longitude));
    } catch {
      socket.close(1011);
    }
  });
  socket.on("close", () => {
    const group = watchers.get(driverId);
    if (group?.delete(socket) && group.size === 0) {
      watchers.delete(driverId);
      subscriber.unsubscribe(channelOf(driverId));
    }
  });
}

const routes = new Map([
  ["/driver/set-tracking", driverConnected],
  ["/driver/get-tracking", watcherConnected],
]);

const server = createServer();
const websockets = new WebSocketServer({
  server,
  perMessageDeflate: false,
  maxPayload: 16 * 1024,
});
websockets.on("connection", (socket, request) => {
  const { pathname, searchParams } = new URL(request.url, "http://localhost");
  const driverId = Number(searchParams.get("userId"));
  socket.on("error", () => socket.terminate());
  const connected = routes.get(pathname);
  if (!connected || !Number.isInteger(driverId)) return socket.close(4400);
  connected(socket, driverId);
});

server.listen({ port, host: "127.0.0.1", backlog: 4096 });
