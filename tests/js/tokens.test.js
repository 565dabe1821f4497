import assert from "node:assert/strict";
import { test } from "node:test";

import { watchDriver } from "./client.js";
import { FakeBrowser, makeToken, settle } from "./fakes.js";

const FRAME = { location_lat: "0.5", location_lon: "102.4" };

async function watching(overrides) {
  const browser = new FakeBrowser();
  const handle = watchDriver(browser.options(overrides));
  await settle();
  await browser.socket?.open();
  return { browser, handle, clock: browser.clock };
}

/** Reconnect, be refused, and so on until the client stops or `times` is reached. */
async function refuse({ browser, clock }, times) {
  for (let round = 0; round < times; round += 1) {
    await browser.socket.refuse(4401, "token_expired");
    const { length } = browser.sockets;
    while (browser.sockets.length === length) {
      if (browser.states.at(-1) === "closed") return;
      await clock.advance(100);
    }
    await browser.socket.open();
  }
}

test("one token serves every reconnect until it is close to its expiry", async () => {
  const { browser, clock } = await watching();
  for (let round = 0; round < 5; round += 1) {
    await browser.socket.drop();
    await clock.advance(20_000);
    await browser.socket.open();
  }
  assert.deepEqual(browser.tokenRequests, [false]);
});

test("a token of 5 minutes is renewed on the same connection a minute before", async () => {
  const { browser, clock } = await watching();
  await clock.advance(239_000);
  assert.deepEqual(browser.tokenRequests, [false]);
  await clock.advance(2000);
  assert.deepEqual(browser.tokenRequests, [false, true]);
  assert.equal(browser.sockets.length, 1);
  assert.deepEqual(browser.socket.payloads.at(-1), { command: "start", details: true });
  assert.notEqual(browser.socket.tokens.at(-1), browser.socket.tokens[0]);
});

test("renewal goes on for as long as the connection lives", async () => {
  const { browser, clock, handle } = await watching();
  await clock.advance(3_600_000);
  assert.equal(handle.state, "open");
  assert.equal(browser.tokenRequests.length, 1 + 3600 / 240);
});

test("a short-lived token is renewed in the last quarter of its life", async () => {
  const { browser, clock } = await watching({ lifetime: 20 });
  await clock.advance(14_000);
  assert.equal(browser.tokenRequests.length, 1);
  await clock.advance(1500);
  assert.equal(browser.tokenRequests.length, 2);
});

test("the server's expiry warning renews at once", async () => {
  const { browser } = await watching();
  await browser.socket.receive({ token_expires_in: 30 });
  assert.deepEqual(browser.tokenRequests, [false, true]);
  assert.equal(browser.socket.sent.length, 2);
});

test("a token that is old when it comes is replaced before it is used", async () => {
  const requests = [];
  const browser = new FakeBrowser();
  const getToken = ({ refresh }) => {
    requests.push(refresh);
    return makeToken(browser.clock, { age: refresh ? 0 : 290 });
  };
  watchDriver(browser.options({ getToken }));
  await settle();
  await browser.socket.open();
  assert.deepEqual(requests, [false, true]);
  assert.equal(browser.socket.sent.length, 1);
});

test("a device clock that is an hour ahead does not make it ask for tokens in a loop", async () => {
  let requests = 0;
  const browser = new FakeBrowser();
  const getToken = () => {
    requests += 1;
    return makeToken(browser.clock, { age: 3600 });
  };
  watchDriver(browser.options({ getToken }));
  await settle();
  await browser.socket.open();
  await browser.clock.advance(230_000);
  assert.equal(requests, 2);
});

test("a token that is no JWT, or never expires, is used until it is refused", async () => {
  for (const token of ["opaque", `x.${Buffer.from('{"id":19}').toString("base64url")}.x`]) {
    let requests = 0;
    const getToken = () => {
      requests += 1;
      return token;
    };
    const { browser, clock } = await watching({ getToken });
    await clock.advance(86_400_000);
    assert.equal(requests, 1);
    await browser.socket.refuse(4401, "token_invalid");
    await clock.advance(0);
    assert.equal(requests, 2);
  }
});

test("a refused token is replaced at once", async () => {
  const { browser, clock } = await watching();
  await browser.socket.refuse(4401, "token_expired");
  await clock.advance(0);
  assert.deepEqual(browser.tokenRequests, [false, true]);
  assert.equal(browser.sockets.length, 2);
});

test("two refused fresh tokens in a row end it", async () => {
  const client = await watching();
  await refuse(client, 10);
  assert.deepEqual(client.browser.tokenRequests, [false, true, true]);
  assert.equal(client.browser.reasons.at(-1).code, 4401);
  assert.equal(client.browser.reasons.at(-1).error, "token_expired");
});

test("refusals with accepted tokens between them do not end it", async () => {
  const client = await watching();
  for (let round = 0; round < 5; round += 1) {
    await refuse(client, 1);
    await client.browser.socket.receive(FRAME);
  }
  assert.equal(client.handle.state, "open");
});

test("resume() after refused tokens tries once more", async () => {
  const client = await watching();
  await refuse(client, 10);
  client.handle.resume();
  await settle();
  await client.browser.socket.open();
  assert.equal(client.handle.state, "open");
});

test("getToken that gives nothing ends it without a socket", async () => {
  const { browser } = await watching({ getToken: () => null });
  assert.deepEqual(browser.states, ["connecting", "closed"]);
  assert.equal(browser.reasons.at(-1).code, 4401);
  assert.equal(browser.sockets.length, 0);
});

test("getToken that fails is reported and asked again with backoff", async () => {
  let requests = 0;
  const getToken = async () => {
    requests += 1;
    throw new TypeError("offline");
  };
  const { browser, clock } = await watching({ getToken });
  assert.equal(browser.states.at(-1), "reconnecting");
  assert.equal(browser.errors[0].code, "token_unavailable");
  await clock.advance(2000);
  assert.ok(requests >= 2);
});

test("a renewal that fails keeps the connection and is tried again 5 s later", async () => {
  let requests = 0;
  const browser = new FakeBrowser();
  const getToken = async () => {
    requests += 1;
    if (requests === 2) throw new TypeError("offline");
    return makeToken(browser.clock);
  };
  const handle = watchDriver(browser.options({ getToken }));
  await settle();
  await browser.socket.open();
  await browser.clock.advance(241_000);
  assert.equal(requests, 2);
  await browser.clock.advance(5000);
  assert.equal(requests, 3);
  assert.equal(handle.state, "open");
});

test("one request for a token runs at a time", async () => {
  let requests = 0;
  const getToken = () => {
    requests += 1;
    return new Promise(() => {});
  };
  const { browser, clock } = await watching({ getToken });
  await browser.dispatch("online");
  await clock.advance(9_000);
  assert.equal(requests, 1);
});

test("getToken that never answers is asked again after 10 s, and so on", async () => {
  let requests = 0;
  const getToken = () => {
    requests += 1;
    return requests < 3 ? new Promise(() => {}) : makeToken(browser.clock);
  };
  const browser = new FakeBrowser();
  const handle = watchDriver(browser.options({ getToken }));
  await browser.clock.advance(10_000);
  assert.deepEqual(browser.states, ["connecting", "reconnecting"]);
  assert.equal(browser.errors[0].code, "token_unavailable");
  await browser.dispatch("online");
  assert.equal(requests, 2);
  await browser.clock.advance(10_000 + 4_000);
  assert.equal(requests, 3);
  await browser.socket.open();
  assert.equal(handle.state, "open");
});

test("a token that comes too late serves the next attempt", async () => {
  const answers = [];
  const browser = new FakeBrowser();
  const getToken = () => new Promise((resolve) => answers.push(resolve));
  watchDriver(browser.options({ getToken }));
  await browser.clock.advance(10_000);
  answers[0](makeToken(browser.clock, { name: "late" }));
  await browser.clock.advance(2_000);
  assert.equal(answers.length, 1);
  assert.equal(browser.sockets.length, 1);
});

for (const late of ["token", "null"]) {
  test(`an answer that comes after a later one's does nothing: a ${late}`, async () => {
    const answers = [];
    const browser = new FakeBrowser();
    const getToken = () => new Promise((resolve) => answers.push(resolve));
    const handle = watchDriver(browser.options({ getToken }));
    await browser.clock.advance(10_000 + 2_000);
    const token = makeToken(browser.clock, { name: "second" });
    answers[1](token);
    await settle();
    answers[0](late === "null" ? null : makeToken(browser.clock, { name: "first" }));
    await browser.socket.open();
    assert.deepEqual(browser.socket.tokens, [token]);
    assert.equal(handle.state, "open");
  });
}

test("a renewal that never answers keeps the connection and is tried again", async () => {
  let requests = 0;
  const browser = new FakeBrowser();
  const getToken = () => {
    requests += 1;
    return requests === 2 ? new Promise(() => {}) : makeToken(browser.clock);
  };
  const handle = watchDriver(browser.options({ getToken }));
  await settle();
  await browser.socket.open();
  await browser.clock.advance(241_000);
  assert.equal(requests, 2);
  await browser.clock.advance(10_000 + 5_000);
  assert.equal(requests, 3);
  assert.equal(handle.state, "open");
});
