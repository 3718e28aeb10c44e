// SPDX-License-Identifier: Apache-2.0

/** What a path of an image holds. Mode: permission bits, 0o644 if not given. */
export type FileContent =
  | string
  | Uint8Array
  | { readonly content: string | Uint8Array; readonly mode: number }
  | { readonly symlink: string };

/** Paths from the root, without a leading slash; the directories above them come by themselves. */
export type Files = Readonly<Record<string, FileContent>>;

const BLOCK = 512;

/** The same bytes for the same files, whatever their order: a POSIX ustar archive, all of root's, of 1970. */
export function tar(files: Files): Buffer {
  const paths = Object.keys(files).toSorted();
  const blocks: Uint8Array[] = [];
  for (const directory of directoriesOf(paths))
    blocks.push(header({ path: `${directory}/`, mode: 0o755, type: "5" }));
  for (const path of paths) {
    const file = files[path] ?? "";
    if (typeof file === "object" && "symlink" in file) {
      blocks.push(header({ path, mode: 0o777, type: "2", link: file.symlink }));
      continue;
    }
    const { content, mode } =
      typeof file === "object" && "content" in file ? file : { content: file, mode: 0o644 };
    const bytes = typeof content === "string" ? Buffer.from(content) : content;
    blocks.push(header({ path, mode, type: "0", size: bytes.length }), bytes, padding(bytes.length));
  }
  blocks.push(Buffer.alloc(2 * BLOCK));
  return Buffer.concat(blocks);
}

function directoriesOf(paths: readonly string[]): readonly string[] {
  const directories = new Set<string>();
  for (const path of paths) {
    const names = path.split("/").slice(0, -1);
    names.forEach((_, index) => directories.add(names.slice(0, index + 1).join("/")));
  }
  return [...directories].toSorted();
}

function padding(size: number): Buffer {
  return Buffer.alloc((BLOCK - (size % BLOCK)) % BLOCK);
}

/** POSIX.1-1988's header: fixed fields, numbers in octal, the sum of all bytes with the sum's own field as spaces. */
function header(entry: {
  readonly path: string;
  readonly mode: number;
  readonly type: "0" | "2" | "5";
  readonly size?: number;
  readonly link?: string;
}): Buffer {
  const block = Buffer.alloc(BLOCK);
  const { name, prefix } = split(entry.path);
  block.write(name, 0);
  block.write(octal(entry.mode, 7), 100);
  block.write(octal(0, 7), 108);
  block.write(octal(0, 7), 116);
  block.write(octal(entry.size ?? 0, 11), 124);
  block.write(octal(0, 11), 136);
  block.write(" ".repeat(8), 148);
  block.write(entry.type, 156);
  block.write(entry.link ?? "", 157, 100);
  block.write("ustar\x0000", 257);
  block.write(prefix, 345);
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148);
  return block;
}

function octal(value: number, digits: number): string {
  return `${value.toString(8).padStart(digits, "0")}\0`;
}

/** A path over 100 bytes is cut at a slash: the first part, of at most 155 bytes, has a field of its own. */
function split(path: string): { readonly name: string; readonly prefix: string } {
  if (Buffer.byteLength(path) <= 100) return { name: path, prefix: "" };
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    const prefix = path.slice(0, slash);
    const name = path.slice(slash + 1);
    if (name !== "" && Buffer.byteLength(name) <= 100 && Buffer.byteLength(prefix) <= 155)
      return { name, prefix };
  }
  throw new RangeError(`path does not fit into a tar header: "${path}"`);
}
