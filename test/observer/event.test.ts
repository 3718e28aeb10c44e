// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import * as v from "valibot";
import { EVENT_SCHEMA, eventJson, eventText } from "../../src/observer/event.ts";
import { EVENTS } from "./sample-events.ts";

describe("an event is one line", () => {
  test.for(EVENTS)("for people: $0.event", ([event, line]) => {
    expect(eventText(event)).toBe(`2026-03-01T06:00:04.120Z ${line}`);
  });

  test.for(EVENTS)("for programs, as the published schema has it: $0.event", ([event]) => {
    const json = eventJson(event);
    expect(json).not.toContain("\n");
    expect(v.parse(EVENT_SCHEMA, JSON.parse(json))).toEqual(event);
  });

  test("also when a server's words are in it", () => {
    const event = {
      event: "not-asked",
      time: "",
      image: "a",
      why: `a\nb\u001b[2J${"x".repeat(2_000)}`,
    } as const;
    expect(eventText(event)).toBe(` not-asked    a: a b?[2J${"x".repeat(993)}…`);
    expect(eventJson(event)).not.toMatch(/\n|\p{Cc}/u);
  });

  test("there is a sample of each kind", () => {
    const kinds = EVENT_SCHEMA.options.map(({ entries }) => entries.event.literal);
    expect([...new Set(EVENTS.map(([{ event }]) => event))]).toEqual(kinds);
  });

  test("the schema takes no other members", () => {
    const [first] = EVENTS[0] ?? [];
    expect(v.is(EVENT_SCHEMA, first)).toBe(true);
    expect(v.is(EVENT_SCHEMA, { ...first, more: 1 })).toBe(false);
  });
});
