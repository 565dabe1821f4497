// Needs `npm ci`, so its name is not one that `node --test` finds: the client's tests need no install.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { test } from "node:test";

import Ajv from "ajv";

const specification = createRequire(import.meta.url)("@asyncapi/specs/schemas/3.0.0-without-$id.json");
const kept = new URL("../../../docs/asyncapi.json", import.meta.url);

// Formats are for people only, and are not checked.
const validate = new Ajv({ strict: false, validateFormats: false }).compile(specification);

/** The protocol's document, changed in place by `change`. */
function read(change = () => {}) {
  const document = JSON.parse(readFileSync(kept, "utf8"));
  change(document);
  return document;
}

test("the protocol's document is one of AsyncAPI 3", () => {
  validate(read());
  assert.deepEqual(validate.errors, null);
});

for (const [what, change] of Object.entries({
  "without a title": (document) => delete document.info.title,
  "with an unknown key": (document) => (document.routes = {}),
  "with an operation that does nothing": (document) => {
    document.operations["getFleet.send"].action = "publish";
  },
  "with a binding that is none": (document) => (document.channels.getFleet.bindings.ws.query = 1),
  "with a schema that is none": (document) => (document.components.schemas.Send.type = "struct"),
})) {
  test(`a document ${what} is not`, () => {
    assert.equal(validate(read(change)), false);
  });
}
