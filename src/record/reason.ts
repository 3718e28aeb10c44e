// SPDX-License-Identifier: Apache-2.0

/** The longest reason of an approval, in characters. */
export const MAX_REASON_LENGTH = 500;
/** What a reason is: nothing in it ends a line, moves a terminal's cursor or turns the direction of writing round. */
export const REASON = /^[^\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]+$/u;
/** What is wrong with any other text. */
export const NO_REASON = "is empty, or has control characters or more than one line";
/** What is wrong with a longer one. */
export const TOO_LONG_REASON = `is longer than ${MAX_REASON_LENGTH} characters`;
