// SPDX-License-Identifier: Apache-2.0
import { describe, expect, onTestFinished, test } from "vitest";
import { type ContainerOptions, ContainerError, startContainer } from "../../src/gateway/container.ts";
import {
  encodeResult,
  type ExecCall,
  type FakeBehaviour,
  FakeFailure,
  startFakeBuildkit,
} from "./fake-buildkit.ts";

const STDIN = 0;
const STDOUT = 1;
const STDERR = 2;
const OPTIONS: ContainerOptions = {
  name: "the courier",
  network: true,
  rootfs: new Uint8Array(),
  args: ["/bin/courier", "--now"],
  env: ["A=b"],
  secrets: [{ id: "key", path: "/run/secrets/key" }],
};

type Heard = Parameters<ExecCall["write"]>[0];

async function started(behaviour: FakeBehaviour): ReturnType<typeof startFakeBuildkit> {
  const fake = await startFakeBuildkit({
    solve: () => encodeResult({ ref: { id: "root", def: LLB } }),
    ...behaviour,
  });
  onTestFinished(() => fake.close());
  return fake;
}
const LLB = Buffer.from([0x0a, 0x00]);

/** A process that does this with each message, the first of which starts it. */
function processOf(hear: (message: Heard, say: (message: Heard) => void) => void): (call: ExecCall) => void {
  return (call) => void call.on("data", (message: Heard) => hear(message, (said) => void call.write(said)));
}

const out = (text: string): Heard => ({ File: { Fd: STDOUT, Data: Buffer.from(text) } });
const complain = (text: string): Heard => ({ File: { Fd: STDERR, Data: Buffer.from(text) } });

async function textOf(output: AsyncIterable<Uint8Array>): Promise<string> {
  const chunks: Uint8Array[] = [];
  for await (const chunk of output) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

test("the process has the root filesystem read-only, the secrets as optional files, and the network", async () => {
  const inits: Heard[] = [];
  const { bridge, heard } = await started({
    exec: processOf((message, say) => {
      if (!message.Init) return;
      inits.push(message);
      say({ Started: {} });
      say({ Exit: { Code: 0 } });
      say({ Done: {} });
    }),
  });
  const { output } = await startContainer(bridge, OPTIONS);
  expect(await textOf(output)).toBe("");
  expect(heard.containers).toMatchObject([
    {
      Network: 0,
      Mounts: [
        { dest: "/", readonly: true, resultID: "root", mountType: 0 },
        {
          dest: "/run/secrets/key",
          mountType: 1,
          input: -1,
          secretOpt: { ID: "key", mode: 0o400, optional: true },
        },
      ],
    },
  ]);
  expect(inits).toMatchObject([
    {
      Init: {
        ContainerID: heard.containers[0]?.ContainerID,
        Meta: { args: ["/bin/courier", "--now"], env: ["A=b"], cwd: "/" },
        Fds: [0, 1, 2],
      },
    },
  ]);
});

test("what is written arrives, and what it prints comes as it is printed", async () => {
  const { bridge } = await started({
    exec: processOf((message, say) => {
      if (message.Init) say(out("ready\n"));
      else if (message.File?.Data?.length) say(out(`heard ${Buffer.from(message.File.Data).toString()}`));
    }),
  });
  const { output, write, close } = await startContainer(bridge, OPTIONS);
  const chunks = output[Symbol.asyncIterator]();
  expect(Buffer.from((await chunks.next()).value ?? []).toString()).toBe("ready\n");
  write(Buffer.from("one"));
  expect(Buffer.from((await chunks.next()).value ?? []).toString()).toBe("heard one");
  close();
});

test("closing ends its input, gives the container back, and may be done twice", async () => {
  const inputEnded = Promise.withResolvers<void>();
  const { bridge, heard } = await started({
    exec: processOf((message) => {
      if (message.File?.Fd === STDIN && message.File.EOF) inputEnded.resolve();
    }),
  });
  const { close } = await startContainer(bridge, OPTIONS);
  close();
  await inputEnded.promise;
  await expect.poll(() => heard.released).toEqual([heard.containers[0]?.ContainerID]);
  expect(() => close()).not.toThrow();
});

describe("a process that fails is an error with its last words", () => {
  test.for([
    { row: "an exit code", said: [{ Exit: { Code: 3 } }], says: "the courier's process ended: exit code 3" },
    {
      row: "a program that is not there",
      said: [{ Exit: { Code: 4294967295, Error: { code: 2, message: "exec: no such file" } } }],
      says: "the courier's process ended: exec: no such file",
    },
    {
      row: "a complaint",
      said: [complain("courier: input is "), complain("no JSON\n"), { Exit: { Code: 1 } }],
      says: "the courier's process ended: exit code 1: courier: input is no JSON",
    },
  ])("$row", async ({ said, says }) => {
    const { bridge } = await started({
      exec: processOf((message, say) => {
        if (message.Init) for (const each of said) say(each);
      }),
    });
    const { output } = await startContainer(bridge, OPTIONS);
    const failure = textOf(output);
    await expect(failure).rejects.toThrow(ContainerError);
    await expect(failure).rejects.toThrow(says);
  });

  test("of a long complaint the end is kept", async () => {
    const { bridge } = await started({
      exec: processOf((message, say) => {
        if (!message.Init) return;
        say(complain(`begin${"x".repeat(100_000)}end`));
        say({ Exit: { Code: 1 } });
      }),
    });
    const { output } = await startContainer(bridge, OPTIONS);
    const message = await textOf(output).catch((error: unknown) => String(error));
    expect(message).toMatch(/xend$/);
    expect(message).not.toContain("begin");
    expect(message.length).toBeLessThan(2200);
  });

  test("what was printed before is still there to be read", async () => {
    const { bridge } = await started({
      exec: processOf((message, say) => {
        if (!message.Init) return;
        say(out("first"));
        say({ Exit: { Code: 1 } });
      }),
    });
    const { output } = await startContainer(bridge, OPTIONS);
    const chunks = output[Symbol.asyncIterator]();
    expect(Buffer.from((await chunks.next()).value ?? []).toString()).toBe("first");
    await expect(chunks.next()).rejects.toThrow("exit code 1");
  });

  test("a stream that breaks", async () => {
    const { bridge } = await started({
      exec: (call) => void call.emit("error", { code: 14, details: "gone" }),
    });
    const { output } = await startContainer(bridge, OPTIONS);
    await expect(textOf(output)).rejects.toMatchObject({ message: "gone" });
  });
});

test("a stream that just ends is an end", async () => {
  const { bridge } = await started({ exec: (call) => void call.end() });
  const { output } = await startContainer(bridge, OPTIONS);
  expect(await textOf(output)).toBe("");
});

test("a container that BuildKit refuses rejects with BuildKit's words", async () => {
  const { bridge } = await started({
    newContainer() {
      throw new FakeFailure("gateway exec is not supported");
    },
  });
  await expect(startContainer(bridge, OPTIONS)).rejects.toMatchObject({
    message: "gateway exec is not supported",
  });
});

test("without a root filesystem nothing is started", async () => {
  const { bridge, heard } = await started({ solve: () => encodeResult({}) });
  await expect(startContainer(bridge, OPTIONS)).rejects.toThrow(ContainerError);
  expect(heard.containers).toEqual([]);
});
