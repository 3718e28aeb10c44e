// SPDX-License-Identifier: Apache-2.0
import { describe, expect, test } from "vitest";
import { encodeFields, type Field, HpackDecoder } from "../../src/gateway/hpack.ts";
import { huffmanDecoded } from "../../src/gateway/huffman.ts";

const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

const REQUESTS: readonly (readonly Field[])[] = [
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
  ],
  [
    [":method", "GET"],
    [":scheme", "http"],
    [":path", "/"],
    [":authority", "www.example.com"],
    ["cache-control", "no-cache"],
  ],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const RESPONSES: readonly (readonly Field[])[] = [
  [
    [":status", "302"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "307"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:21 GMT"],
    ["location", "https://www.example.com"],
  ],
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", "Mon, 21 Oct 2013 20:13:22 GMT"],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"],
  ],
];
/** Sets the dynamic table's size to 256 bytes, as the examples of responses have it. */
const TABLE_OF_256 = "3fe101";

describe("the examples of RFC 7541, appendix C, are read as they stand there:", () => {
  test.for<{ row: string; blocks: string[]; lists: readonly (readonly Field[])[] }>([
    {
      row: "C.2.1",
      blocks: ["400a637573746f6d2d6b65790d637573746f6d2d686561646572"],
      lists: [[["custom-key", "custom-header"]]],
    },
    { row: "C.2.2", blocks: ["040c2f73616d706c652f70617468"], lists: [[[":path", "/sample/path"]]] },
    { row: "C.2.3", blocks: ["100870617373776f726406736563726574"], lists: [[["password", "secret"]]] },
    { row: "C.2.4", blocks: ["82"], lists: [[[":method", "GET"]]] },
    {
      row: "C.3",
      blocks: [
        "828684410f7777772e6578616d706c652e636f6d",
        "828684be58086e6f2d6361636865",
        "828785bf400a637573746f6d2d6b65790c637573746f6d2d76616c7565",
      ],
      lists: REQUESTS,
    },
    {
      row: "C.4",
      blocks: [
        "828684418cf1e3c2e5f23a6ba0ab90f4ff",
        "828684be5886a8eb10649cbf",
        "828785bf408825a849e95ba97d7f8925a849e95bb8e8b4bf",
      ],
      lists: REQUESTS,
    },
    {
      row: "C.5",
      blocks: [
        `${TABLE_OF_256}4803333032580770726976617465611d4d6f6e2c203231204f637420323031332032303a31333a323120474d546e1768747470733a2f2f7777772e6578616d706c652e636f6d`,
        "4803333037c1c0bf",
        "88c1611d4d6f6e2c203231204f637420323031332032303a31333a323220474d54c05a04677a69707738666f6f3d4153444a4b48514b425a584f5157454f50495541585157454f49553b206d61782d6167653d333630303b2076657273696f6e3d31",
      ],
      lists: RESPONSES,
    },
    {
      row: "C.6",
      blocks: [
        `${TABLE_OF_256}488264025885aec3771a4b6196d07abe941054d444a8200595040b8166e082a62d1bff6e919d29ad171863c78f0b97c8e9ae82ae43d3`,
        "4883640effc1c0bf",
        "88c16196d07abe941054d444a8200595040b8166e084a62d1bffc05a839bd9ab77ad94e7821dd7f2e6c7b335dfdfcd5b3960d5af27087f3672c1ab270fb5291f9587316065c003ed4ee5b1063d5007",
      ],
      lists: RESPONSES,
    },
  ])("$row", ({ blocks, lists }) => {
    const decoder = new HpackDecoder(1000);
    expect(blocks.map((block) => decoder.decode(hex(block)))).toEqual(lists);
  });
});

describe("a Huffman-coded string", () => {
  // Of appendix B: the shortest codes and the longest ones.
  test.for([
    { octet: 0x30, code: "00000" },
    { octet: 0x00, code: "1111111111000" },
    { octet: 0x24, code: "1111111111001" },
    { octet: 0x5c, code: "1111111111111110000" },
    { octet: 0xc3, code: "1111111111111110001" },
    { octet: 0xff, code: (0x3ffffee).toString(2) },
    { octet: 0x7f, code: (0xffffffc).toString(2) },
    { octet: 0xf9, code: (0xffffffe).toString(2) },
    { octet: 0x0a, code: (0x3ffffffc).toString(2) },
    { octet: 0x0d, code: (0x3ffffffd).toString(2) },
    { octet: 0x16, code: (0x3ffffffe).toString(2) },
  ])("has $octet in it, at any bit", ({ octet, code }) => {
    for (let before = 0; before < 8; before++) {
      const bits = "00000".repeat(before) + code + "00000";
      const padded = bits.padEnd(Math.ceil(bits.length / 8) * 8, "1").match(/.{8}/g) ?? [];
      const decoded = huffmanDecoded(Uint8Array.from(padded, (byte) => Number.parseInt(byte, 2)));
      expect(decoded).toEqual(Buffer.from([...Array<number>(before).fill(0x30), octet, 0x30]));
    }
  });

  test.for([
    { row: "padded with eight bits", coded: "1fff" },
    { row: "padded with zeros", coded: "18" },
    { row: "that has EOS in it", coded: "ffffffff" },
    { row: "that ends inside a code", coded: "fffe" },
  ])("$row is none", ({ coded }) => {
    expect(huffmanDecoded(hex(coded))).toBeUndefined();
    expect(() =>
      new HpackDecoder(100).decode(Buffer.concat([Buffer.of(0x00, 0x80 | (coded.length / 2)), hex(coded)])),
    ).toThrow("Huffman");
  });

  test("of no octet is an empty one", () => expect(huffmanDecoded(new Uint8Array())).toHaveLength(0));
});

describe("a block is refused that has", () => {
  test.for([
    { row: "the index 0", block: "80" },
    { row: "an index that nothing has", block: "be" },
    { row: "the name of an index that nothing has", block: "7e0161" },
    { row: "an integer without an end", block: "ffffffffffffffffffff" },
    { row: "an integer that is cut off", block: "ff80" },
    { row: "a string that is cut off", block: "400a6375" },
    { row: "a name without a value", block: "4001 61" },
    { row: "a larger table than we announced", block: "3fe2 1f" },
    { row: "a table's size behind a field", block: "82 20" },
  ])("$row", ({ block }) => {
    expect(() => new HpackDecoder(1000).decode(hex(block))).toThrow(
      expect.objectContaining({ code: "COMPRESSION_ERROR" }),
    );
  });

  test("more fields than the limit, even if each is one octet", () => {
    const decoder = new HpackDecoder(1000);
    const named = decoder.decode(Buffer.concat([hex("40016140"), Buffer.alloc(0x40, "x")]));
    expect(named).toHaveLength(1);
    const bomb = Buffer.alloc(20, 0xbe);
    expect(() => decoder.decode(bomb)).toThrow(expect.objectContaining({ code: "ENHANCE_YOUR_CALM" }));
  });
});

test("the dynamic table forgets the oldest field, and all of them when one is larger than the table", () => {
  const decoder = new HpackDecoder(100_000);
  decoder.decode(hex(`${TABLE_OF_256}400161016140016201624001630163`));
  expect(decoder.decode(hex("bebfc0"))).toEqual([
    ["c", "c"],
    ["b", "b"],
    ["a", "a"],
  ]);
  // Two of 34 bytes each are left beside one of 161.
  decoder.decode(Buffer.concat([hex("400164 7f01"), Buffer.alloc(128, "x")]));
  expect(decoder.decode(hex("bfc0"))).toEqual([
    ["c", "c"],
    ["b", "b"],
  ]);
  expect(() => decoder.decode(hex("c1"))).toThrow("index 65");
  decoder.decode(Buffer.concat([hex("400165 7f7f"), Buffer.alloc(254, "x")]));
  expect(() => decoder.decode(hex("be"))).toThrow("index 62");
});

test("what we write is read the same, whatever the length of its parts", () => {
  const fields: Field[] = [
    [":method", "POST"],
    [":status", "200"],
    [":status", "204"],
    [":status", "302"],
    ["content-type", "application/grpc"],
    ["grpc-status", "0"],
    ["octets", Buffer.from(Uint8Array.from({ length: 256 }, (_, octet) => octet)).toString("latin1")],
    ["", ""],
    ...[126, 127, 128, 254, 255, 16_384, 2_000_000].map((length): Field => [
      `x-${length}`,
      "v".repeat(length),
    ]),
  ];
  expect(new HpackDecoder(10_000_000).decode(encodeFields(fields))).toEqual(fields);
});
