// SPDX-License-Identifier: Apache-2.0
// Our HTTP/2 against Node's, over one connection: it serves our client, and asks our server.
import { once } from "node:events";
import {
  type ClientHttp2Session,
  connect,
  constants,
  type IncomingHttpHeaders,
  performServerHandshake,
  type ServerHttp2Session,
  type ServerHttp2Stream,
  type Settings,
} from "node:http2";
import { describe, expect, onTestFinished, test } from "vitest";
import { Bridge } from "../../src/gateway/bridge.ts";
import { frameOf, FrameReader } from "../../src/gateway/grpc-frame.ts";
import { type Answer, serveGateway } from "../../src/gateway/server.ts";
import { CallError } from "../../src/gateway/status.ts";
import { socketPair } from "./stdio-pair.ts";

/** Our client to a server of Node's, which does this with each call. */
async function clientTo(
  serve: (call: ServerHttp2Stream, headers: IncomingHttpHeaders) => void,
  settings: Settings = {},
): Promise<{ bridge: Bridge; session: ServerHttp2Session }> {
  const [ours, theirs] = await socketPair();
  const session = performServerHandshake(theirs, { settings, maxSendHeaderBlockLength: 1 << 24 });
  session.on("error", () => undefined);
  session.on("stream", (call: ServerHttp2Stream, headers) => {
    call.on("error", () => undefined);
    serve(call, headers);
  });
  const bridge = new Bridge(ours);
  onTestFinished(() => {
    bridge.close();
    session.destroy();
  });
  return { bridge, session };
}

/** A client of Node's to our server. */
async function serverOf(answer: Answer, settings: Settings = {}): Promise<ClientHttp2Session> {
  const [ours, theirs] = await socketPair();
  serveGateway(ours, answer);
  const client = connect("http://gateway", {
    createConnection: () => theirs,
    settings: { maxHeaderListSize: 1 << 25, ...settings },
  });
  client.on("error", () => undefined);
  onTestFinished(() => client.destroy());
  return client;
}

/** Asks as gRPC does, and gives what came. */
async function asked(
  client: ClientHttp2Session,
  method: string,
  request: Uint8Array,
): Promise<{ answer: Buffer; trailers: IncomingHttpHeaders }> {
  const call = client.request({
    ":method": "POST",
    ":path": `/moby.buildkit.v1.frontend.LLBBridge/${method}`,
    "content-type": "application/grpc",
    te: "trailers",
  });
  call.end(frameOf(request));
  const chunks: Buffer[] = [];
  let trailers: IncomingHttpHeaders = {};
  call.on("data", (chunk: Buffer) => chunks.push(chunk));
  call.on("trailers", (said) => (trailers = said));
  await once(call, "close");
  const [message] = new FrameReader().push(Buffer.concat(chunks));
  return { answer: Buffer.from(message ?? []), trailers };
}

/** Answers as gRPC does, when the request is whole. */
function echo(call: ServerHttp2Stream): void {
  const chunks: Buffer[] = [];
  call.on("data", (chunk: Buffer) => chunks.push(chunk));
  call.on("end", () => {
    call.respond({ ":status": 200 }, { waitForTrailers: true });
    call.on("wantTrailers", () => call.sendTrailers({ "grpc-status": "0" }));
    call.end(Buffer.concat(chunks));
  });
}

const LARGE = Buffer.alloc(16 * 1024 * 1024 - 100, "0123456789abcdef-");
const SMALL = { initialWindowSize: 50, maxConcurrentStreams: 3 };

describe("our client", () => {
  test("asks with what gRPC takes, and reads the answer", async () => {
    const heard: IncomingHttpHeaders[] = [];
    const { bridge } = await clientTo((call, headers) => {
      heard.push(Object.fromEntries(Object.entries(headers)));
      echo(call);
    });
    expect(await bridge.forward("Ping", Buffer.from("hello"))).toEqual(Buffer.from("hello"));
    expect(heard).toEqual([
      {
        ":method": "POST",
        ":scheme": "http",
        ":authority": "buildkit",
        ":path": "/moby.buildkit.v1.frontend.LLBBridge/Ping",
        "content-type": "application/grpc",
        te: "trailers",
      },
    ]);
  });

  test("sends and takes 16 MiB, also when frames may be larger", async () => {
    for (const settings of [{}, { maxFrameSize: 1 << 20 }]) {
      const { bridge } = await clientTo(echo, settings);
      expect(Buffer.compare(await bridge.forward("Solve", LARGE), LARGE)).toBe(0);
    }
  });

  test("keeps to small windows and to the number of streams", async () => {
    let open = 0;
    const most: number[] = [];
    const { bridge } = await clientTo((call) => {
      most.push(++open);
      call.on("close", () => open--);
      echo(call);
    }, SMALL);
    // Until it knows better, it opens a hundred.
    await bridge.forward("Ping", new Uint8Array());
    most.length = 0;
    const requests = Array.from({ length: 20 }, (_, index) => Buffer.alloc(1000 + index, index));
    const answers = await Promise.all(requests.map((request) => bridge.forward("Solve", request)));
    expect(answers).toEqual(requests);
    expect(Math.max(...most)).toBe(3);
  });

  test("has five hundred calls at once answered, however many streams there may be", async () => {
    const { bridge } = await clientTo(echo, { maxConcurrentStreams: 250 });
    const requests = Array.from({ length: 500 }, (_, index) => Buffer.from(`call ${index}`));
    expect(await Promise.all(requests.map((request) => bridge.forward("Solve", request)))).toEqual(requests);
  });

  test("reads a failure of more than one frame", async () => {
    const details = Buffer.alloc(300_000, "details");
    const { bridge } = await clientTo((call) => {
      call.respond({
        ":status": 200,
        "grpc-status": "2",
        "grpc-message": "it%20failed",
        "grpc-status-details-bin": details.toString("base64"),
      });
      call.end();
    });
    const error: unknown = await bridge.forward("Solve", new Uint8Array()).catch((cause: unknown) => cause);
    expect(error).toMatchObject({ code: 2, message: "it failed" });
    expect((error as CallError).status).toEqual(details);
  });

  test("hears an answer that comes before its request is taken", async () => {
    const { bridge } = await clientTo((call) => {
      call.respond({ ":status": 200, "grpc-status": "8", "grpc-message": "enough" }, { endStream: true });
    }, SMALL);
    await expect(bridge.forward("Solve", LARGE)).rejects.toMatchObject({ code: 8, message: "enough" });
  });

  test.for([
    { code: constants.NGHTTP2_CANCEL, says: "BuildKit hung up before it answered Solve" },
    {
      code: constants.NGHTTP2_ENHANCE_YOUR_CALM,
      says: "BuildKit does not answer Solve: the call was ended with ENHANCE_YOUR_CALM",
    },
  ])("fails a call that is reset with $code alone", async ({ code, says }) => {
    const { bridge } = await clientTo((call, headers) => {
      if (headers[":path"]?.endsWith("Solve")) call.close(code);
      else echo(call);
    });
    await expect(bridge.forward("Solve", new Uint8Array())).rejects.toMatchObject({
      code: 14,
      message: says,
    });
    expect(await bridge.forward("Ping", new Uint8Array())).toHaveLength(0);
  });

  test("lets open calls end after GOAWAY, and opens none", async () => {
    const calls: ServerHttp2Stream[] = [];
    const { bridge, session } = await clientTo((call) => void calls.push(call));
    const first = bridge.forward("Solve", Buffer.from("first"));
    await once(session, "stream");
    session.goaway(constants.NGHTTP2_NO_ERROR, 1);
    await expect.poll(() => bridge.forward("Ping", new Uint8Array()).catch(String)).toContain("hung up");
    for (const call of calls) echo(call);
    expect(await first).toEqual(Buffer.from("first"));
  });

  test("fails open calls when the connection is closed with an error, and all later ones", async () => {
    const { bridge, session } = await clientTo((call) => {
      call.respond({ ":status": 200 });
      session.destroy(new Error("broken"), constants.NGHTTP2_INTERNAL_ERROR);
    });
    const says = {
      code: 14,
      message: "BuildKit does not answer Solve: the connection was closed with INTERNAL_ERROR",
    };
    await expect(bridge.forward("Solve", new Uint8Array())).rejects.toMatchObject(says);
    await expect(bridge.forward("Solve", new Uint8Array())).rejects.toMatchObject(says);
  });

  test("answers PING", async () => {
    const { bridge, session } = await clientTo(echo);
    await bridge.forward("Ping", new Uint8Array());
    const payload = Buffer.from("12345678");
    const { promise, resolve } = Promise.withResolvers<Buffer>();
    session.ping(payload, (_, __, back) => resolve(back));
    expect(Buffer.from(await promise)).toEqual(payload);
  });

  test("resets a stream that is cancelled", async () => {
    const closed = Promise.withResolvers<number | undefined>();
    const { bridge } = await clientTo((call, headers) => {
      if (headers[":path"]?.endsWith("Ping")) return echo(call);
      call.respond({ ":status": 200 });
      return void call.on("close", () => closed.resolve(call.rstCode));
    });
    const stream = bridge.execProcess();
    const ended = new Promise((resolve) => stream.listen({ message: () => undefined, end: resolve }));
    stream.write({ ProcessID: "a" });
    await bridge.forward("Ping", new Uint8Array());
    stream.cancel();
    expect(await closed.promise).toBe(constants.NGHTTP2_CANCEL);
    expect(await ended).toBeUndefined();
  });

  test("gives up a process that does not read 128 MiB of its input, and goes on with others", async () => {
    const { bridge } = await clientTo((call, headers) => {
      if (headers[":path"]?.endsWith("Ping")) echo(call);
    }, SMALL);
    const stream = bridge.execProcess();
    const ended = new Promise((resolve) => stream.listen({ message: () => undefined, end: resolve }));
    const message = { ProcessID: "a", File: { Fd: 0, Data: LARGE } };
    for (let nth = 0; nth < 8; nth++) stream.write(message);
    expect(await bridge.forward("Ping", new Uint8Array())).toHaveLength(0);
    stream.write(message);
    expect(await ended).toEqual(new CallError(8, "the process does not read its input"));
    expect(await bridge.forward("Ping", new Uint8Array())).toHaveLength(0);
  });
});

describe("our server", () => {
  const same: Answer = async (_, request) => request;

  test("is asked for a method with a request, and its answer arrives", async () => {
    const client = await serverOf(async (method, request) => Buffer.from(`${method} ${String(request)}`));
    const { answer, trailers } = await asked(client, "Solve", Buffer.from("this"));
    expect(answer.toString()).toBe("Solve this");
    expect(trailers["grpc-status"]).toBe("0");
  });

  test("takes and sends 16 MiB, also by small windows", async () => {
    const client = await serverOf(same);
    expect(Buffer.compare((await asked(client, "Solve", LARGE)).answer, LARGE)).toBe(0);
    const slow = await serverOf(same, { initialWindowSize: 70 });
    const request = LARGE.subarray(0, 10_000);
    expect((await asked(slow, "Solve", request)).answer).toEqual(request);
  });

  test("answers five hundred calls at once", async () => {
    const client = await serverOf(same);
    const requests = Array.from({ length: 500 }, (_, index) => Buffer.from(`call ${index}`));
    const answers = await Promise.all(requests.map((request) => asked(client, "Solve", request)));
    expect(answers.map(({ answer }) => answer)).toEqual(requests);
  });

  const failing =
    (status: Uint8Array): Answer =>
    async () => {
      throw new CallError(2, "größer: 100%\n", status);
    };

  test("sends an error of several frames, and what is not ASCII", async () => {
    const status = Buffer.alloc(40_000, "Dockerfile");
    const client = await serverOf(failing(status));
    const { trailers } = await asked(client, "Solve", new Uint8Array());
    expect(decodeURIComponent(String(trailers["grpc-message"]))).toBe("größer: 100%\n");
    expect(Buffer.from(String(trailers["grpc-status-details-bin"]), "base64")).toEqual(status);
  });

  test("sends our client an error with a Dockerfile of 10 MB in it, which no client of Node's takes", async () => {
    const status = Buffer.alloc(10_000_000, "Dockerfile");
    const [ours, theirs] = await socketPair();
    serveGateway(ours, failing(status));
    const bridge = new Bridge(theirs);
    onTestFinished(() => bridge.close());
    const error: unknown = await bridge.forward("Solve", new Uint8Array()).catch((cause: unknown) => cause);
    expect(Buffer.compare((error as CallError).status, status)).toBe(0);
  });

  test("sends an error that is too large for any header without its details", async () => {
    const client = await serverOf(async () => {
      throw new CallError(2, "huge", Buffer.alloc(16 * 1024 * 1024));
    });
    const { trailers } = await asked(client, "Solve", new Uint8Array());
    expect(trailers).toMatchObject({ "grpc-status": "8" });
  });

  test("whatever is thrown is an error of the call", async () => {
    const client = await serverOf(() => {
      throw new Error("half \ud800");
    });
    const { trailers } = await asked(client, "Solve", new Uint8Array());
    expect(trailers).toMatchObject({ "grpc-status": "13", "grpc-message": "half%20%EF%BF%BD" });
  });

  test("a call that ends without a message, and one that is compressed or too large, are errors", async () => {
    const client = await serverOf(same);
    const path = "/moby.buildkit.v1.frontend.LLBBridge/Solve";
    for (const [bytes, status] of [
      [Buffer.alloc(3), "13"],
      [Buffer.from([1, 0, 0, 0, 0]), "13"],
      [Buffer.from([0, 0xff, 0, 0, 0]), "8"],
    ] as const) {
      const call = client.request({ ":method": "POST", ":path": path });
      call.end(bytes);
      call.resume();
      const [trailers] = (await once(call, "trailers")) as [IncomingHttpHeaders];
      expect(trailers["grpc-status"]).toBe(status);
    }
  });

  test("goes on when a call is given up before it is answered", async () => {
    const started = Promise.withResolvers<void>();
    const answered = Promise.withResolvers<Uint8Array>();
    const client = await serverOf((method, request) => {
      if (method !== "Solve") return Promise.resolve(request);
      started.resolve();
      return answered.promise;
    });
    const call = client.request({ ":method": "POST", ":path": "/moby.buildkit.v1.frontend.LLBBridge/Solve" });
    call.on("error", () => undefined);
    call.end(frameOf(new Uint8Array()));
    await started.promise;
    call.close(constants.NGHTTP2_CANCEL);
    await once(call, "close");
    answered.resolve(Buffer.from("late"));
    expect((await asked(client, "Ping", Buffer.from("a"))).answer).toEqual(Buffer.from("a"));
  });

  test("answers the first message of a stream that stays open", async () => {
    const client = await serverOf(same);
    const call = client.request({ ":method": "POST", ":path": "/moby.buildkit.v1.frontend.LLBBridge/Exec" });
    call.write(Buffer.concat([frameOf(Buffer.from("one")), frameOf(Buffer.from("two"))]));
    const [data] = (await once(call, "data")) as [Buffer];
    expect(data).toEqual(frameOf(Buffer.from("one")));
    await once(call, "close");
    expect(call.rstCode).toBe(constants.NGHTTP2_NO_ERROR);
  });
});
