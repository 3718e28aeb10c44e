// SPDX-License-Identifier: Apache-2.0
// The deciding side without BuildKit: it judges images by what a courier brings, which it starts itself, says what came of it in
// one line of JSON, and stays until its input ends.
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as answering from "../../src/build/answer.ts";
import * as judging from "../../src/build/judging.ts";
import { CourierChannel } from "../../src/courier/client/channel.ts";
import { courierCommand } from "../../src/courier/client/container.ts";
import { splitLines } from "../../src/courier/protocol.ts";
import { Bridge } from "../../src/gateway/bridge.ts";
import { parseReference } from "../../src/image/reference.ts";
import { readPolicy } from "../../src/policy/policy.ts";
import { parseTrustedRoot } from "../../src/trust/trusted-root.ts";

/** What it is asked, in JSON as its first argument. */
export interface Asked {
  /** The policy that is baked. */
  readonly policy: string;
  readonly trustedRoot: object;
  /** With tags and digests. */
  readonly images: readonly string[];
  /** The file that Node runs as the courier. */
  readonly courier: string;
}

/** What it says. */
export interface Said {
  readonly courierPid: number;
  readonly judgements: readonly {
    readonly verdict: string;
    readonly rejected: Readonly<Record<string, number>>;
  }[];
}

// A build has loaded it by then, and the bundle would leave it out.
Object.assign(globalThis, { loaded: [answering, Bridge] });
const asked = JSON.parse(process.argv[2] ?? "") as Asked;
const policy = await readPolicy({
  services: { logs: [], fulcio: undefined, timestamps: [] },
  baked: { text: asked.policy, name: "policy.yaml" },
  buildArgs: {},
});
const [node, ...args] = courierCommand(asked.courier);
const courier = spawn(node, args, {
  env: { TLOG_DEADLINE_MS: `${policy.timeoutMs}` },
  stdio: ["pipe", "pipe", "inherit"],
});
const channel = new CourierChannel({
  write: (line) => void courier.stdin.write(line),
  close: () => courier.stdin.end(),
  lines: splitLines(courier.stdout as AsyncIterable<Buffer>),
});
const trustedRoot = parseTrustedRoot(JSON.stringify(asked.trustedRoot), "trusted_root.json");
const judge = judging.openCheck({
  policy,
  courier: async () => channel,
  trustedRoot: async () => trustedRoot,
  recheck: false,
  keepsRecords: false,
  now: () => new Date(),
  deadline: () => AbortSignal.timeout(policy.timeoutMs),
});
const images = asked.images.map((image) => ({
  reference: parseReference(image),
  platforms: ["linux/amd64"],
  claimed: false,
}));
const judgements = (await judge(images)).map(({ verdict, rejected }) => ({
  verdict: verdict.kind,
  rejected: Object.fromEntries(rejected),
}));
const said: Said = { courierPid: courier.pid ?? 0, judgements };
process.stdout.write(`${JSON.stringify(said)}\n`);
process.stdin.resume();
await once(process.stdin, "end");
channel.close();
