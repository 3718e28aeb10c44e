// SPDX-License-Identifier: Apache-2.0

/** This frontend's version, as in package.json. */
export const VERSION = "0.1.0";
