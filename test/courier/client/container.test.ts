// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { type CourierOptions, couriersOf } from "../../../src/courier/client/container.ts";
import { ContainerError } from "../../../src/gateway/container.ts";
import {
  encodeResult,
  type ExecCall,
  type FakeBehaviour,
  FakeFailure,
  startFakeBuildkit,
} from "../../gateway/fake-buildkit.ts";

const OPTIONS: CourierOptions = {
  image: async () => new Uint8Array(),
  command: ["/node", "/courier.js"],
  buildArgs: {},
  environment: {},
};
const WISH = { signing: false, deadlineMs: 1234 };
type Message = Parameters<ExecCall["write"]>[0];

async function started(behaviour: FakeBehaviour = {}): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit({
    solve: () => encodeResult({ ref: { id: "root", def: Buffer.from([0x0a, 0x00]) } }),
    ...behaviour,
  });
  onTestFinished(() => fake.close());
  return fake;
}

/** A courier that says `ready` and then answers each request by `answer`. */
function courier(answer: (request: { id: number }) => object): (call: ExecCall) => void {
  return (call) => {
    const say = (line: object): void =>
      void call.write({ File: { Fd: 1, Data: Buffer.from(`${JSON.stringify(line)}\n`) } });
    call.on("data", ({ Init, File }: Message) => {
      if (Init) say({ say: "ready" });
      else if (File?.Data?.length) {
        say(answer(JSON.parse(Buffer.from(File.Data).toString()) as { id: number }));
      }
    });
  };
}

const signal = new AbortController().signal;
const WHAT = { log: "https://rekor.example.org", hash: `sha256:${"ab".repeat(32)}` };

test("the courier is asked over its container's standard input and output", async () => {
  const { bridge, heard } = await started({ exec: courier(({ id }) => ({ say: "found", id })) });
  const couriers = couriersOf(bridge, OPTIONS);
  const channel = await couriers.open(WISH);
  expect(await couriers.open(WISH), "one for all").toBe(channel);
  expect(await channel.ready({ signal })).toEqual({});
  expect(await channel.find(WHAT, { signal })).toEqual({ entries: [], dropped: new Map() });
  await couriers.close();
  expect(heard.containers).toHaveLength(1);
  await expect.poll(() => heard.released).toEqual([heard.containers[0]?.ContainerID]);
});

test("when the container dies, what was asked fails with its last words", async () => {
  const { bridge } = await started({
    exec: (call) =>
      void call.on("data", ({ Init, File }: Message) => {
        if (Init) call.write({ File: { Fd: 1, Data: Buffer.from('{"say":"ready"}\n') } });
        else if (File?.Data?.length) {
          call.write({ File: { Fd: 2, Data: Buffer.from("courier: internal error") } });
          call.write({ Exit: { Code: 1 } });
        }
      }),
  });
  const channel = await couriersOf(bridge, OPTIONS).open(WISH);
  await expect(channel.find(WHAT, { signal })).rejects.toMatchObject({
    name: "CourierError",
    code: "channel-broken",
    message: expect.stringContaining("exit code 1: courier: internal error") as unknown,
  });
});

test.for([
  { signing: false, secrets: [] },
  {
    signing: true,
    secrets: [
      ["tlog-signing-key", "/run/secrets/tlog-dockerfile/tlog-signing-key"],
      ["tlog-signing-password", "/run/secrets/tlog-dockerfile/tlog-signing-password"],
      ["tlog-identity-token", "/run/secrets/tlog-dockerfile/tlog-identity-token"],
      ["ACTIONS_ID_TOKEN_REQUEST_TOKEN", "/run/secrets/tlog-dockerfile/ACTIONS_ID_TOKEN_REQUEST_TOKEN"],
      ["ACTIONS_ID_TOKEN_REQUEST_URL", "/run/secrets/tlog-dockerfile/ACTIONS_ID_TOKEN_REQUEST_URL"],
    ],
  },
])("secrets are mounted for signing ($signing) alone", async ({ signing, secrets }) => {
  const { bridge, heard } = await started();
  const couriers = couriersOf(bridge, OPTIONS);
  await couriers.open({ ...WISH, signing });
  const mounts = heard.containers[0]?.Mounts ?? [];
  expect(mounts.slice(1).map(({ secretOpt, dest }) => [secretOpt?.ID, dest])).toEqual(secrets);
  await couriers.close();
});

describe("the courier's environment", () => {
  async function environmentOf(options: Partial<CourierOptions>): Promise<readonly string[]> {
    const init = Promise.withResolvers<readonly string[]>();
    const { bridge } = await started({
      exec: (call) =>
        void call.on("data", ({ Init }: Message) => {
          if (Init) init.resolve(Init.Meta?.env ?? []);
        }),
    });
    const couriers = couriersOf(bridge, { ...OPTIONS, ...options });
    await couriers.open(WISH);
    const environment = await init.promise;
    await couriers.close();
    return environment;
  }

  test("has its limits and a path, and nothing else of ours", async () => {
    const environment = {
      HOME: "/root",
      BUILDKIT_FRONTEND_OPT_0: "build-arg:TOKEN=secret",
      PATH: "/node/bin",
    };
    expect(await environmentOf({ environment })).toEqual([
      "PATH=/node/bin",
      "TLOG_DEADLINE_MS=1234",
      "TLOG_SECRETS_DIR=/run/secrets/tlog-dockerfile",
    ]);
  });

  test("has the proxies of the build and the certificates of the image", async () => {
    const environment = await environmentOf({
      buildArgs: { HTTPS_PROXY: "http://proxy:3128", no_proxy: "localhost", TOKEN: "secret" },
      environment: { NODE_EXTRA_CA_CERTS: "/etc/ca.pem" },
    });
    expect(environment).toEqual(
      expect.arrayContaining([
        "HTTPS_PROXY=http://proxy:3128",
        "no_proxy=localhost",
        "NODE_EXTRA_CA_CERTS=/etc/ca.pem",
      ]),
    );
    expect(environment.join(" ")).not.toContain("secret ");
    expect(environment.join(" ")).not.toContain("TOKEN");
  });
});

describe("a courier that does not start is one clear error", () => {
  test.for<{ row: string; behaviour: FakeBehaviour }>([
    {
      row: "the container is refused",
      behaviour: {
        newContainer() {
          throw new FakeFailure("exec is not allowed here");
        },
      },
    },
    {
      row: "our own image does not solve",
      behaviour: {
        solve() {
          throw new FakeFailure("exec is not allowed here");
        },
      },
    },
  ])("$row", async ({ behaviour }) => {
    const { bridge } = await started(behaviour);
    const courierStarted = couriersOf(bridge, OPTIONS).open(WISH);
    await expect(courierStarted).rejects.toThrow(ContainerError);
    await expect(courierStarted).rejects.toThrow(
      "BuildKit does not start the container that asks the log: exec is not allowed here; Docker Engine 24 or newer is needed",
    );
  });

  test("BuildKit does not start it in time, and ends it when it starts all the same", async () => {
    const { bridge, heard, answer } = await startedSlowly();
    await expect(couriersOf(bridge, OPTIONS, 200).open(WISH)).rejects.toThrow(
      new ContainerError(
        "BuildKit did not start the container of the courier within 0.2 seconds; build again, and restart BuildKit or Docker Engine if that does not help",
      ),
    );
    expect(heard.released).toEqual([]);
    answer();
    await expect.poll(() => heard.released).toEqual([heard.containers[0]?.ContainerID]);
  });
});

describe("the end of a build", () => {
  test("does not wait longer than a second for couriers that BuildKit never starts", async () => {
    const { bridge, heard } = await startedSlowly();
    const couriers = couriersOf(bridge, OPTIONS);
    for (const signing of [false, true]) couriers.open({ ...WISH, signing }).catch(() => undefined);
    await expect.poll(() => heard.containers).toHaveLength(2);
    const begun = performance.now();
    await couriers.close();
    expect(performance.now() - begun).toBeLessThan(1_500);
  });

  test("ends a courier that starts within that second", async () => {
    const { bridge, heard, answer } = await startedSlowly();
    const couriers = couriersOf(bridge, OPTIONS);
    void couriers.open(WISH);
    await expect.poll(() => heard.containers).toHaveLength(1);
    const closed = couriers.close();
    answer();
    await closed;
    await expect.poll(() => heard.released).toEqual([heard.containers[0]?.ContainerID]);
  });

  test("is at once when no courier was started, or when its start failed", async () => {
    const { bridge } = await started({
      newContainer() {
        throw new FakeFailure("exec is not allowed here");
      },
    });
    const couriers = couriersOf(bridge, OPTIONS);
    await couriers.close();
    await expect(couriers.open(WISH)).rejects.toThrow(ContainerError);
    await couriers.close();
  });
});

/** A BuildKit that answers no request for a container before `answer` is called. */
async function startedSlowly(): Promise<Awaited<ReturnType<typeof started>> & { answer(): void }> {
  const { promise, resolve } = Promise.withResolvers<void>();
  return { ...(await started({ newContainer: () => promise })), answer: resolve };
}
