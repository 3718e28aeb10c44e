// SPDX-License-Identifier: Apache-2.0
// Run by the Node of the base image while the frontend image is built: puts into a directory all that this Node takes to run, and
// nothing else. There is no shell and no package manager in it.
import {
  copyFileSync,
  lutimesSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";

const [, , out = ""] = process.argv;
if (out === "") throw new Error("usage: node image-root.ts DIRECTORY");

/** The same files give the same layer, whenever it is made. */
const EPOCH = 0;
const LOADABLE = 1;
const INTERPRETER = 3;

interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly size: number;
}

/** The program headers of a 64-bit little-endian ELF file (its specification, "Program Header"). */
function segmentsOf(elf: Buffer): readonly Segment[] {
  if (!elf.subarray(0, 6).equals(Buffer.from("\x7fELF\x02\x01", "latin1")))
    throw new Error(`"${process.execPath}" is not a 64-bit little-endian ELF file`);
  const [table, entry, count] = [Number(elf.readBigUInt64LE(32)), elf.readUInt16LE(54), elf.readUInt16LE(56)];
  return Array.from({ length: count }, (_, index) => {
    const at = table + index * entry;
    return {
      type: elf.readUInt32LE(at),
      offset: Number(elf.readBigUInt64LE(at + 8)),
      size: Number(elf.readBigUInt64LE(at + 32)),
    };
  });
}

/**
 * The program without what only debuggers read (symbols and the table of sections, which lie behind all that is loaded): 18 of 126
 * MB.
 */
function withoutSymbols(elf: Buffer, segments: readonly Segment[]): Buffer {
  const ends = segments.filter(({ type }) => type === LOADABLE).map(({ offset, size }) => offset + size);
  const program = Buffer.from(elf.subarray(0, Math.max(...ends)));
  program.writeBigUInt64LE(0n, 40);
  program.writeUInt16LE(0, 60);
  program.writeUInt16LE(0, 62);
  return program;
}

/** The libraries that this process has loaded, by their paths. */
function loadedLibraries(): readonly string[] {
  const maps = readFileSync("/proc/self/maps", "utf8");
  return [...new Set([...maps.matchAll(/\s(\/\S+\.so(?:\.\d+)*)$/gm)].map(([, path = ""]) => path))];
}

function place(path: string): string {
  const inside = join(out, path);
  mkdirSync(dirname(inside), { recursive: true });
  return inside;
}

/** A library, and the names beside it by which programs ask for it. */
function copyLibrary(path: string): void {
  const file = realpathSync(path);
  copyFileSync(file, place(file));
  for (const name of readdirSync(dirname(file))) {
    const other = join(dirname(file), name);
    if (name !== basename(file) && name.includes(".so") && realpathSync(other) === file)
      symlinkSync(basename(file), place(other));
  }
}

function setTimes(directory: string): void {
  for (const entry of readdirSync(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) setTimes(path);
    lutimesSync(path, EPOCH, EPOCH);
  }
}

const elf = readFileSync(process.execPath);
const segments = segmentsOf(elf);
writeFileSync(place("/usr/local/bin/node"), withoutSymbols(elf, segments), { mode: 0o755 });
for (const library of loadedLibraries()) copyLibrary(library);
const interpreter = segments.find(({ type }) => type === INTERPRETER);
if (interpreter !== undefined) {
  const path = elf.toString("latin1", interpreter.offset, interpreter.offset + interpreter.size - 1);
  copyFileSync(path, place(path));
}
// Who runs a command of the image is root, and has a home.
writeFileSync(place("/etc/passwd"), "root:x:0:0:root:/root:/sbin/nologin\n");
writeFileSync(place("/etc/group"), "root:x:0:\n");
setTimes(out);
