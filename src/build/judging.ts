// SPDX-License-Identifier: Apache-2.0
// All that judges a build and answers it, in one piece. A snapshot has it loaded; without one it is large, and loads while BuildKit
// and the conversion are at work.
export { openCheck } from "../check/check.ts";
export { mayImport } from "../policy/cache-from.ts";
export { showPolicy, withOwnRequests } from "../subrequests/answer.ts";
export { showHistory } from "../subrequests/history.ts";
export { verifyImage } from "../subrequests/verify.ts";
export { startChecking } from "./checking.ts";
export { failureStatus } from "./failure.ts";
export { showTrace } from "./progress.ts";
export { respond } from "./respond.ts";
