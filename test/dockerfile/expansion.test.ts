// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { expandWord } from "../../src/dockerfile/expansion.ts";

const VALUES = new Map<string, string | undefined>([
  ["V", "alpine"],
  ["E", ""],
  ["HOST", "reg.local/team/app:1.2"],
  ["N", "name"],
  ["LOST", undefined],
]);

function expand(expression: string, escape = "\\") {
  return expandWord(expression, { values: VALUES, escape });
}

test.for([
  ["alpine:3", "alpine:3"],
  ["$V:3", "alpine:3"],
  ["${V}3", "alpine3"],
  ["$V3", ""],
  ["$UNSET", ""],
  ["$", "$"],
  ["a$.b", "a$.b"],
  ["$1x", "x"],
  ["$12x", "x"],
  ["$@@", "@"],
  ["${V:-x}", "alpine"],
  ["${E:-x}", "x"],
  ["${E-x}", ""],
  ["${UNSET:-x}", "x"],
  ["${UNSET-x}", "x"],
  ["${V:+x}", "x"],
  ["${E:+x}", ""],
  ["${E+x}", "x"],
  ["${UNSET+x}", ""],
  ["${V?}", "alpine"],
  ["${V:?must be}", "alpine"],
  ["${E?}", ""],
  ["${UNSET:-${E:-$V}}", "alpine"],
  ["${UNSET:-a}b}", "ab}"],
  ["${UNSET:-'}'}", "}"],
  ['${UNSET:-"$V"}', "alpine"],
  ["${UNSET:-\\}}", "}"],
  ["${V#al}", "pine"],
  ["${V#pine}", "alpine"],
  ["${HOST#*/}", "team/app:1.2"],
  ["${HOST##*/}", "app:1.2"],
  ["${HOST%/*}", "reg.local/team"],
  ["${HOST%%/*}", "reg.local"],
  ["${HOST%:*}", "reg.local/team/app"],
  ["${HOST%%:?.?}", "reg.local/team/app"],
  ["${HOST#${V}}", "reg.local/team/app:1.2"],
  ["${HOST#reg.}", "local/team/app:1.2"],
  ["${HOST#reg?}", "local/team/app:1.2"],
  ["${HOST##*}", ""],
  ["${HOST#*}", "reg.local/team/app:1.2"],
  ["${UNSET#*}", ""],
  ["${V/p/P}", "alPine"],
  ["${HOST/./-}", "reg-local/team/app:1.2"],
  ["${HOST//./-}", "reg-local/team/app:1-2"],
  ["${HOST//\\//-}", "reg.local-team-app:1.2"],
  ["${HOST/t*p/x}", "reg.local/x:1.2"],
  ["${V//?/x}", "xxxxxx"],
  ["${V//*/x}", "x"],
  ["${V//a/$N}", "namelpine"],
  ["${V/}/x}", "alpine"],
  ["'$V'", "$V"],
  ['"$V"', "alpine"],
  ['"a\\"b"', 'a"b'],
  ['"a\\tb"', "a\\tb"],
  ["a\\tb", "atb"],
  ["\\$V", "$V"],
  ["a\\", "a"],
  ["a<b<<c", "a<b<<c"],
  ["\ufeffalpine", "alpine"],
  ["한${V}국", "한alpine국"],
] as const)("%s is %s", ([expression, value]) => {
  expect(expand(expression)).toEqual({ value });
});

test.for([
  ["a`$V", "a$V"],
  ["a\\$V", "a\\alpine"],
  ['"`$V"', "$V"],
] as const)("with a backquote as escape character, %s is %s", ([expression, value]) => {
  expect(expand(expression, "`")).toEqual({ value });
});

test.for([
  ["${V", 'there is no "}" that ends a "${"'],
  ["${V:", 'there is no "}"'],
  ["${V:-", 'there is no "}"'],
  ["${", "not followed by a name"],
  ["${}", "not followed by a name"],
  ["${:-x}", "not followed by a name"],
  ["${{V}}", "not followed by a name"],
  ["${.}", 'the modifier "." is not known'],
  ["${V^}", 'the modifier "^" is not known'],
  ["${V:=x}", 'the modifier ":=" is not known'],
  ["${V:#x}", 'the modifier ":#" is not known'],
  ["${V:0:2}", 'the modifier ":0" is not known'],
  ["${UNSET?}", '"UNSET" must be set'],
  ["${UNSET:?give one}", '"UNSET" must be set: give one'],
  ["${E:?}", '"E" must be set'],
  ["${V/a}", 'has no second "/"'],
  ["${V#\\a}", "escapes what needs no escape"],
  ["'a", "a single quote is not closed"],
  ['"a', "a double quote is not closed"],
  ['"a\\"', "a double quote is not closed"],
  ["$LOST", 'the value of "LOST" cannot be told'],
  ["${V:+${LOST}}", 'the value of "LOST" cannot be told'],
  ["${V//a/\\$1}", "a dollar sign"],
  ["${HOST#\n}", "a line end"],
  [`${"${UNSET:-".repeat(200)}x${"}".repeat(200)}`, "nested too deeply"],
] as const)("nobody can say what %s is: %s", ([expression, why]) => {
  expect(expand(expression)).toEqual({ unknown: expect.stringContaining(why) });
});

test("patterns that match in many ways take no time to speak of", () => {
  const values = new Map([["X", "a".repeat(4_000)]]);
  const started = performance.now();
  expect(expandWord(`\${X##${"*a".repeat(1_000)}b}`, { values })).toEqual({ value: "a".repeat(4_000) });
  expect(expandWord(`\${X//${"a*".repeat(1_000)}b/x}`, { values })).toEqual({ value: "a".repeat(4_000) });
  expect(performance.now() - started).toBeLessThan(5_000);
});

test("a pattern on a very long value is not followed", () => {
  const values = new Map([["X", "a".repeat(5_000)]]);
  expect(expandWord("${X#a}", { values })).toEqual({ unknown: expect.stringContaining("longer than 4096") });
});
