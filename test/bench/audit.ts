// SPDX-License-Identifier: Apache-2.0
// What an audit costs, as a Markdown table: `npm run bench:audit`, or `npm run bench:audit -- 20000 1000000` for so many entries. The log
// is made once and kept below the directory for temporary files: entries by strangers of the size that the public log's have, one in
// a thousand by the audited signer, and a tree of them that is signed. It is served from there over loopback by this process; each run is
// the program that ships, in a process of its own.
import { spawn } from "node:child_process";
import { createHash, generateKeyPairSync, type KeyObject, randomBytes } from "node:crypto";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import type { AuditResult } from "../../src/audit/finding.ts";
import { tilePath } from "../../src/log/tiles.ts";
import { merkleTree } from "../sigstore/merkle-tree.ts";
import { ed25519NoteSigner, signCheckpoint, spki } from "../sigstore/signed-note.ts";
import { trustedRoot } from "../sigstore/trusted-root.ts";

const ENTRIES = [20_000];
const WIDTH = 256;
/** An entry with a certificate of a CI job has some 3 KB, one with a key 1 KB; 2.5 KB on average. */
const CERTIFICATE_BYTES = 1_650;
const OURS_EVERY = 1_000;
const ORIGIN = "127.0.0.1";
const PROGRAM = new URL("../../dist/frontend.cjs", import.meta.url).pathname;
const LOOK_MS = 50;

interface Made {
  readonly directory: string;
  readonly logKey: string;
  readonly signerKey: string;
}

/** The log of so many entries, made when it is not there yet. */
function logOf(entries: number): Made {
  const directory = join(tmpdir(), `tlog-audit-bench-1-${entries}`);
  const keys = join(directory, "keys.json");
  if (!existsSync(keys)) make(directory, entries);
  return { directory, ...(JSON.parse(readFileSync(keys, "utf8")) as Omit<Made, "directory">) };
}

function make(directory: string, entries: number): void {
  const parts = mkdtempSync(`${directory}-`);
  const { privateKey } = generateKeyPairSync("ed25519");
  const signer = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const ours = spki(signer.publicKey);
  const tree = merkleTree();
  // Random bytes are dear, and strangers are told apart by their digests.
  const certificate = randomBytes(CERTIFICATE_BYTES).toString("base64");
  let bundle: Buffer[] = [];
  for (let n = 0; n < entries; n++) {
    const body = bodyOf(n, n % OURS_EVERY === 0 ? { publicKey: ours.toString("base64") } : { certificate });
    tree.append(body);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(body.length);
    bundle.push(length, body);
    if ((n + 1) % WIDTH !== 0 && n + 1 !== entries) continue;
    const tile = Math.floor(n / WIDTH);
    const width = (n % WIDTH) + 1;
    const path = join(parts, "tile", "entries", `${tilePath(tile)}${width < WIDTH ? `.p/${width}` : ""}`);
    mkdirSync(join(path, ".."), { recursive: true });
    writeFileSync(path, Buffer.concat(bundle));
    bundle = [];
  }
  const checkpoint = { origin: ORIGIN, size: tree.size, root: tree.root() };
  writeFileSync(join(parts, "checkpoint"), signCheckpoint(checkpoint, ed25519NoteSigner(ORIGIN, privateKey)));
  const pem = (key: KeyObject) => key.export({ type: "pkcs8", format: "pem" });
  const signerKey = signer.publicKey.export({ type: "spki", format: "pem" });
  writeFileSync(join(parts, "keys.json"), JSON.stringify({ logKey: pem(privateKey), signerKey }));
  renameSync(parts, directory);
}

/** A body as the log's canonical ones are; nobody verifies a stranger's signature. */
function bodyOf(n: number, by: { readonly publicKey: string } | { readonly certificate: string }): Buffer {
  const digest = createHash("sha256").update(String(n)).digest("base64");
  const [name, rawBytes] =
    "publicKey" in by ? ["publicKey", by.publicKey] : ["x509Certificate", by.certificate];
  const verifier = { keyDetails: "PKIX_ECDSA_P256_SHA_256", [name]: { rawBytes } };
  const hashedRekordV002 = {
    data: { algorithm: "SHA2_256", digest },
    signature: { content: Buffer.from(digest.repeat(2)).subarray(0, 71).toString("base64"), verifier },
  };
  return Buffer.from(
    JSON.stringify({ apiVersion: "0.0.2", kind: "hashedrekord", spec: { hashedRekordV002 } }),
  );
}

async function row(entries: number): Promise<string> {
  const { directory, logKey, signerKey } = logOf(entries);
  const server = createServer((request, response) => {
    try {
      const path = new URL(request.url ?? "", "http://localhost").pathname.replace("/api/v2/", "");
      response.end(readFileSync(join(directory, path)));
    } catch {
      response.writeHead(404).end();
    }
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const work = mkdtempSync(join(tmpdir(), "tlog-audit-"));
  try {
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const { createPrivateKey, createPublicKey } = await import("node:crypto");
    const key = createPublicKey(logKey);
    const { keyId: logId } = ed25519NoteSigner(ORIGIN, createPrivateKey(logKey));
    const root = trustedRoot({
      logs: [{ url, key, logId }],
      certificateLogs: [],
      certificateAuthorities: [],
      timestampAuthorities: [],
    });
    writeFileSync(join(work, "root.json"), JSON.stringify(root));
    const signers = `signers: [{ key: ${JSON.stringify(signerKey)} }]`;
    writeFileSync(join(work, "audit.yaml"), `${signers}\nstate: audit.sqlite\ntrusted-root: root.json\n`);
    const begun = performance.now();
    const args = [PROGRAM, "audit", "--config", "audit.yaml", "--from-scratch", "--json", "--quiet"];
    const run = spawn(process.execPath, args, { cwd: work, stdio: ["ignore", "pipe", "inherit"] });
    let [peakBytes, processorSeconds] = [0, 0];
    // The kernel forgets both with the process.
    const looking = setInterval(() => {
      const now = costOf(run.pid);
      if (now !== undefined) [peakBytes, processorSeconds] = [now.peakBytes, now.processorSeconds];
    }, LOOK_MS);
    const [out] = await Promise.all([text(run.stdout), once(run, "exit")]);
    clearInterval(looking);
    const seconds = (performance.now() - begun) / 1_000;
    const result = JSON.parse(out) as AuditResult;
    const [log] = result.logs;
    if (log?.read !== entries || result.entries !== Math.ceil(entries / OURS_EVERY))
      throw new Error(`the audit of ${entries} entries saw something else: ${out.slice(0, 1_000)}`);
    const cells = [
      entries,
      (log.bytes / 1e6).toFixed(1),
      seconds.toFixed(1),
      Math.round(entries / seconds),
      processorSeconds.toFixed(1),
      (peakBytes / 1e6).toFixed(0),
    ];
    return `| ${cells.join(" | ")} |`;
  } finally {
    server.close();
    server.closeAllConnections();
    rmSync(work, { recursive: true, force: true });
  }
}

const TICKS_A_SECOND = 100;

/** The most memory that a process has had, and the time it has used; undefined when it is gone. */
function costOf(pid = 0): { readonly peakBytes: number; readonly processorSeconds: number } | undefined {
  try {
    const [, peak] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const [user, system] = stat
      .slice(stat.lastIndexOf(")") + 2)
      .split(" ")
      .slice(11, 13);
    if (peak === undefined) return undefined;
    return {
      peakBytes: Number(peak) * 1024,
      processorSeconds: (Number(user) + Number(system)) / TICKS_A_SECOND,
    };
  } catch {
    return undefined;
  }
}

const given = process.argv.slice(2).map(Number);
console.log("| entries | MB received | seconds | entries a second | processor seconds | peak memory, MB |");
console.log("|---|---|---|---|---|---|");
for (const entries of given.length > 0 ? given : ENTRIES) console.log(await row(entries));
