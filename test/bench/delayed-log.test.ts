// SPDX-License-Identifier: Apache-2.0
import { expect, onTestFinished, test } from "vitest";
import { json, localServer } from "../courier/local-server.ts";
import { RoundTrips, startDelayedLog } from "./delayed-log.ts";

test("requests at the same time are one round trip, those after an answer are more", () => {
  const counted = new RoundTrips();
  const first = [counted.begin(), counted.begin(), counted.begin()];
  for (const end of first) end();
  const second = counted.begin();
  const meanwhile = counted.begin();
  meanwhile();
  second();
  expect(counted.take()).toEqual({ requests: 5, roundTrips: 2 });
});

test("what was counted once is not counted again", () => {
  const counted = new RoundTrips();
  counted.begin()();
  counted.take();
  expect(counted.take()).toEqual({ requests: 0, roundTrips: 0 });
});

test("the delayed log gives the log's own answers, whole, and counts the requests", async () => {
  const heard: string[] = [];
  const log = await localServer((request, response) => {
    let body = "";
    request.on("data", (chunk: Buffer) => (body += chunk.toString()));
    request.on("end", () => {
      heard.push(`${request.method} ${request.url} ${body}`);
      json({ heard: body })(request, response);
    });
  });
  const delayed = await startDelayedLog(log.url.href, 1);
  onTestFinished(() => delayed.close());
  const ask = (body: string) =>
    fetch(`${delayed.url}/api/v1/index/retrieve?x=1`, { method: "POST", body }).then((answer) =>
      answer.json(),
    );
  expect(await ask("one")).toEqual({ heard: "one" });
  expect(await Promise.all([ask("two"), ask("three")])).toHaveLength(2);
  expect(heard.toSorted()).toEqual(
    ["one", "three", "two"].map((body) => `POST /api/v1/index/retrieve?x=1 ${body}`),
  );
  expect(delayed.take()).toEqual({ requests: 3, roundTrips: 2 });
});
