// SPDX-License-Identifier: Apache-2.0
import { expect, test } from "vitest";
import { readLogUrl, readRegistryHost } from "../../src/policy/address.ts";
import { allowsPlainHttp } from "../../src/policy/policy.ts";

const POLICY = {
  registries: [
    { host: "registry.local:5000", plainHttp: true },
    { host: "plain.local", plainHttp: true },
    { host: "tls.local:5000", plainHttp: false },
  ],
};

test.for([
  ["localhost", true],
  ["LOCALHOST:5000", true],
  ["127.0.0.1", true],
  ["127.0.0.1:5000", true],
  ["127.255.255.254:1", true],
  ["[::1]:5000", true],
  ["[::1]", true],
  ["::1", true],
  ["registry.local:5000", true],
  ["Registry.Local:5000", true],
  ["plain.local", true],
  ["plain.local:5000", false],
  ["registry.local", false],
  ["registry.local:5001", false],
  ["tls.local:5000", false],
  ["xregistry.local:5000", false],
  ["localhost.example.org", false],
  ["127.0.0.1.example.org", false],
  ["127.0.0.1.example.org:5000", false],
  ["127.0.0.256", false],
  ["127.0.0.01", false],
  ["127.1", false],
  ["128.0.0.1", false],
  ["0.0.0.0:5000", false],
  ["[::2]:5000", false],
  ["[::1]x", false],
  ["docker.io", false],
  ["", false],
] as const)("whether %s may be asked in plain http: %s", ([host, want]) => {
  expect(allowsPlainHttp(POLICY, host)).toBe(want);
});

test.for([
  ["registry.local:5000", "registry.local:5000"],
  ["Registry.LOCAL", "registry.local"],
  ["docker.io", "docker.io"],
  ["index.docker.io", "docker.io"],
  ["localhost", "localhost"],
  ["[::1]:5000", "[::1]:5000"],
] as const)("reads the registry %s as %s", ([text, host]) => {
  expect(readRegistryHost(text)).toBe(host);
});

test.for([
  ["https://registry.local", 'without "http://"'],
  ["registry.local/team", "without a path"],
  ["registry", 'write it with its port, as in "registry:5000"'],
  ["a b.local", "not a host"],
  ["registry.local:http", "not a host"],
  ["registry.local:0", "not between 1 and 65535"],
  ["registry.local:65536", "not between 1 and 65535"],
  ["regis\u00adtry.local", "not a host"],
  ["", "not a host"],
  ["*.local", "not a host"],
] as const)("refuses the registry %s", ([text, why]) => {
  expect(() => readRegistryHost(text)).toThrow(why);
});

const isNamed = (host: string) => allowsPlainHttp(POLICY, host);

test.for([
  ["https://rekor.example.org", "https://rekor.example.org"],
  ["https://rekor.example.org/", "https://rekor.example.org"],
  ["HTTPS://Rekor.Example.org:443/path//", "https://rekor.example.org/path"],
  ["http://localhost:3000", "http://localhost:3000"],
  ["http://127.0.0.1", "http://127.0.0.1"],
  ["http://[::1]:3000/", "http://[::1]:3000"],
  ["http://registry.local:5000", "http://registry.local:5000"],
  ["http://plain.local:80", "http://plain.local"],
] as const)("takes the log %s as %s", ([text, url]) => {
  expect(readLogUrl(text, isNamed)).toBe(url);
});

test.for([
  ["rekor.example.org", 'begins with "https://"'],
  ["ftp://rekor.example.org", 'begins with "https://"'],
  ["https:rekor.example.org", 'begins with "https://"'],
  ["https://", 'begins with "https://"'],
  ["https://me@rekor.example.org", "credentials"],
  ["https://me:secret@rekor.example.org", "credentials"],
  ["https://rekor.example.org?x=1", "a query or a fragment"],
  ["https://rekor.example.org/?", "a query or a fragment"],
  ["https://rekor.example.org/#x", "a query or a fragment"],
  [" https://rekor.example.org", "a blank"],
  ["https://rekor.example.org\\@evil.example", "a backslash"],
  ["https://rekor.\texample.org", "a blank"],
  ["http://rekor.example.org", 'name "rekor.example.org" there'],
  ["http://tls.local:5000", "plain http is for loopback"],
  ["http://registry.local", "plain http is for loopback"],
  ["http://localhost.example.org", "plain http is for loopback"],
  ["http://127.0.0.1.example.org", "plain http is for loopback"],
  ["http://[::ffff:127.0.0.1]", "plain http is for loopback"],
  [`https://rekor.example.org/${"x".repeat(2_048)}`, "longer than 2048"],
] as const)("refuses the log %s", ([text, why]) => {
  expect(() => readLogUrl(text, isNamed)).toThrow(why);
});
