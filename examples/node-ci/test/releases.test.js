import assert from "node:assert/strict";
import test from "node:test";

import { newest } from "../src/releases.js";

const releases = [
  { version: "1.4.0", date: "2026-01-05" },
  { version: "1.5.0", date: "2026-02-20" },
  { version: "2.0.0", date: "2026-01-31" },
];
const now = Date.parse("2026-02-21");

test("takes the newest release in the range", () => {
  assert.equal(newest(releases, { range: "^1.0.0", age: "1h", now }), "1.5.0");
});

test("passes over a release that is too young", () => {
  assert.equal(newest(releases, { range: "^1.0.0", age: "7 days", now }), "1.4.0");
});

test("finds none outside the range", () => {
  assert.equal(newest(releases, { range: "^3.0.0", age: "1h", now }), null);
});
