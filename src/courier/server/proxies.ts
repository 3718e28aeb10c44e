// SPDX-License-Identifier: Apache-2.0

const NAMES = ["HTTP_PROXY", "HTTPS_PROXY", "http_proxy", "https_proxy"];

/**
 * Lets all requests of this process go over the proxies that its environment names (HTTP_PROXY, HTTPS_PROXY, NO_PROXY, also in
 * lower case). Returns what is wrong with them, without their text, which may have a password in it.
 */
export function useProxies(environment: Readonly<Record<string, string | undefined>>): string | undefined {
  // It loads undici too, which takes 20 ms.
  if (!NAMES.some((name) => environment[name])) return undefined;
  try {
    process.getBuiltinModule("node:http").setGlobalProxyFromEnv(environment);
    return undefined;
  } catch {
    return "HTTP_PROXY or HTTPS_PROXY is not the URL of a proxy";
  }
}
