// SPDX-License-Identifier: Apache-2.0
import { dirname } from "node:path";
import { excerpt } from "../log/excerpt.ts";
import { ConfigurationError, readPath, readRepository, type Repository } from "../observer/configuration.ts";
import { mayUsePlainHttp, readLogUrl, readRegistries, type RegistryAccess } from "../policy/address.ts";
import { checkedShape, type FileFormat, openFile } from "../policy/file-shape.ts";
import { PolicyError, WrongValue } from "../policy/policy-error.ts";
import { readSigner } from "../policy/trust.ts";
import { signerId, type TrustedSigner } from "../record/signer.ts";
import type { AuditedSigner } from "./compare.ts";
import {
  ALLOWED_KEYS,
  CONFIGURATION_SCHEMA,
  type ConfigurationShape,
  type SignerShape,
} from "./configuration-schema.ts";

/** A log as the file names it. */
export interface NamedLog {
  readonly url: string;
  readonly api?: 1 | 2;
  readonly by?: "search" | "indexes";
}

/** What an audit does, as its file says it. Paths are absolute. */
export interface AuditConfiguration {
  /** Undefined: all logs of the trusted root. */
  readonly logs?: readonly NamedLog[];
  /** Those of the file and the observers, each once. */
  readonly signers: readonly AuditedSigner[];
  readonly ledgers: readonly (Repository & { readonly observer: TrustedSigner })[];
  readonly announced?: string;
  readonly state: { readonly path: string; readonly name: string };
  readonly trustedRoot?: string;
  readonly registries: readonly RegistryAccess[];
}

/** The file that is read when no other is named, in the working directory. */
export const CONFIGURATION_FILE = "tlog-audit.yaml";

const FORMAT: FileFormat = {
  noun: "a configuration",
  begins: 'a configuration names the "signers" or "ledgers" to audit, and a "state"',
  schema: CONFIGURATION_SCHEMA,
  allowedKeys: ALLOWED_KEYS,
};

/**
 * Reads the text of a configuration; `path` is the file's absolute path, to whose directory paths in it are relative, `name` is for
 * messages. Throws ConfigurationError with all problems of the file at once.
 */
export function readConfiguration(
  text: string,
  { path, name }: { readonly path: string; readonly name: string },
): AuditConfiguration {
  try {
    return read(text, { path, name });
  } catch (cause) {
    if (cause instanceof PolicyError) throw new ConfigurationError(cause.message, { cause });
    throw cause;
  }
}

function read(
  text: string,
  { path, name }: { readonly path: string; readonly name: string },
): AuditConfiguration {
  const file = openFile(text, name, FORMAT);
  const shape = checkedShape(file, FORMAT) as ConfigurationShape;
  const { attempt, wrong } = file;
  const fileAt = (given: string) => readPath(given, dirname(path));
  const registries = readRegistries(shape.registries ?? [], { at: ["registries"], attempt });
  const logs = shape.logs?.flatMap(
    ({ url, api, by }, index) =>
      attempt(["logs", index], () => {
        if (by !== undefined && api === 2)
          throw new WrongValue('"by" is for a log of API 1: one of API 2 is read whole');
        const address = readLogUrl(url, (host) => mayUsePlainHttp(host, registries), "");
        return { url: address, ...(api !== undefined && { api }), ...(by !== undefined && { by }) };
      }) ?? [],
  );
  const ledgers = (shape.ledgers ?? []).flatMap(
    ({ repository, observer }, index) =>
      attempt(["ledgers", index], () => ({
        ...readRepository(repository),
        observer: readSigner(observer),
      })) ?? [],
  );
  const named = (shape.signers ?? []).flatMap(
    (entry, index) => attempt(["signers", index], () => readAudited(entry)) ?? [],
  );
  const signers = new Map<string, AuditedSigner>();
  for (const [index, each] of named.entries()) {
    const id = signerId(each.signer);
    if (signers.has(id)) wrong(["signers", index], "this signer is there twice");
    signers.set(id, each);
  }
  for (const { observer } of ledgers)
    if (!signers.has(signerId(observer))) signers.set(signerId(observer), { signer: observer });
  const announced = attempt(
    ["approvals-announced"],
    () => shape["approvals-announced"] && fileAt(shape["approvals-announced"]),
  );
  const state = attempt(["state"], () => fileAt(shape.state));
  const trustedRoot = attempt(["trusted-root"], () => shape["trusted-root"] && fileAt(shape["trusted-root"]));
  if (named.length === 0 && ledgers.length === 0)
    wrong(["signers"], 'there is nobody to audit; name "signers", or "ledgers" with their observers');
  file.throwReported();
  // An entry counts for the first who fits: for the observer rather than for a pattern that fits it too.
  const observers = new Set(ledgers.map(({ observer }) => signerId(observer)));
  const rank = ({ signer }: AuditedSigner) =>
    (signer.kind === "identity-pattern" ? 2 : 0) + (observers.has(signerId(signer)) ? 0 : 1);
  if (state === undefined) throw new TypeError("a value was refused, and no problem was reported");
  return {
    ...(logs && { logs }),
    signers: [...signers.values()].toSorted((one, other) => rank(one) - rank(other)),
    ledgers,
    ...(announced && { announced }),
    state: { path: state, name: excerpt(shape.state, 300) },
    ...(trustedRoot && { trustedRoot }),
    registries,
  };
}

function readAudited({ tags, hours, ...name }: SignerShape): AuditedSigner {
  return {
    signer: readSigner(name),
    ...(tags && { tags }),
    ...(hours !== undefined && { hours: readHours(hours) }),
  };
}

const HOURS = /^([01]\d|2[0-3]):([0-5]\d)-(?:([01]\d|2[0-3]):([0-5]\d)|(24):(00))$/;

function readHours(text: string): NonNullable<AuditedSigner["hours"]> {
  const found = HOURS.exec(text)
    ?.slice(1)
    .filter((part) => part !== undefined)
    .map(Number);
  const [hour = 0, minute = 0, endHour = 0, endMinute = 0] = found ?? [];
  const [from, to] = [hour * 60 + minute, endHour * 60 + endMinute];
  if (found === undefined || from === to)
    throw new WrongValue(`"${excerpt(text)}" is not hours of the day in UTC, as in "06:00-20:00"`);
  return { from, to, text };
}
