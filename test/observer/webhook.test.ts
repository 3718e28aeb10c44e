// SPDX-License-Identifier: Apache-2.0
import type { RequestListener } from "node:http";
import { text } from "node:stream/consumers";
import { expect, test } from "vitest";
import { openWebhook } from "../../src/observer/webhook.ts";
import { closedPort, inTurn, json, localServer } from "../courier/local-server.ts";
import { EVENTS } from "./sample-events.ts";

const SAMPLES = EVENTS.map(([each]) => each);

test("each event is posted as JSON, one after the other", async () => {
  const bodies: unknown[] = [];
  const server = await localServer((request, response) => {
    void text(request).then((body) => {
      bodies.push(JSON.parse(body));
      response.writeHead(204).end();
    });
  });
  const webhook = openWebhook(new URL("hook?token=x", server.url));
  for (const each of SAMPLES) webhook.send(each);
  expect(await webhook.flush()).toBeUndefined();
  expect(bodies).toEqual(SAMPLES);
  expect(server.asked[0]).toBe("POST /hook?token=x");
  expect(server.headers[0]?.["content-type"]).toBe("application/json");
});

test("an answer that passes is asked for again", async () => {
  const server = await localServer(inTurn(json({}, 503), json({}, 200)));
  const webhook = openWebhook(server.url);
  webhook.send(sample());
  expect(await webhook.flush()).toBeUndefined();
  expect(server.asked).toHaveLength(2);
});

test.for<{ row: string; answer: RequestListener; says: string }>([
  { row: "refuses", answer: json({}, 403), says: "status 403" },
  { row: "leads elsewhere", answer: json({}, 302), says: "status 302" },
  {
    row: "says too much",
    answer: (_, response) => response.end("x".repeat(65_537)),
    says: "an answer of more than 65536 bytes",
  },
])("one that $row: what is not taken is counted, without the address", async ({ answer, says }) => {
  const server = await localServer(answer);
  const webhook = openWebhook(new URL("secret", server.url));
  webhook.send(sample());
  expect(await webhook.flush()).toBe(`webhook "${server.host}": 1 event was not taken: ${says}`);
});

test("one that is not there is not asked for ever", async () => {
  const url = await closedPort();
  const webhook = openWebhook(url);
  for (const each of SAMPLES) webhook.send(each);
  expect(await webhook.flush()).toBe(
    `webhook "${url.host}": ${SAMPLES.length} events were not taken: no connection`,
  );
});

test("one that is slower than the run gets so many", async () => {
  const server = await localServer(json({}));
  const webhook = openWebhook(server.url);
  for (let count = 0; count < 1_003; count++) webhook.send(sample());
  expect(await webhook.flush()).toBe(
    `webhook "${server.host}": 3 events were not taken: more than 1000 events were waiting`,
  );
  expect(server.asked).toHaveLength(1_000);
});

function sample() {
  const [first] = SAMPLES;
  if (first === undefined) throw new Error("there is no sample");
  return first;
}
