'use strict';

/**
 * Updates a onefile in place, for Electron's main process and any Node.js 18 or newer on Linux.
 *
 * It fetches only the parts that no older file has, checks the hash of each part before it keeps it, and replaces
 * the file by one rename. Written from docs/format.md; README.md beside this file explains how to use it.
 *
 *     const { plan, update, rollback } = require('./onefold-update.cjs');
 */

const { createHash } = require('node:crypto');
const { constants } = require('node:fs');
const fs = require('node:fs/promises');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');

// Errors

/**
 * What this module throws, beside the errors of system calls (`ENOSPC`, `EACCES`, ...) and of an AbortSignal.
 *
 * - `ERR_ONEFOLD_HTTP`: the server answered with an error; `status` is its number
 * - `ERR_ONEFOLD_NETWORK`: no answer, or none that is complete, after all retries; `cause` says more
 * - `ERR_ONEFOLD_INSECURE`: the address, or one that it redirects to, has no TLS and no `sha256` is given
 * - `ERR_ONEFOLD_NOT_A_ONEFILE`: the server's file is something else
 * - `ERR_ONEFOLD_DAMAGED`: a onefile breaks a rule of its format, or a hash is wrong
 * - `ERR_ONEFOLD_NEWER`: a onefile whose format needs a newer version of this module
 * - `ERR_ONEFOLD_OTHER_APPLICATION`: the server's file has another name or target
 * - `ERR_ONEFOLD_DIGEST`: the server's file is whole, and not the one that `sha256` names
 * - `ERR_ONEFOLD_CHANGED`: the server's file was replaced again and again while it was fetched
 * - `ERR_ONEFOLD_FILE_CHANGED`: somebody else replaced the installed file
 * - `ERR_ONEFOLD_BUSY`: this process has a download of the same file that is not swapped or discarded
 * - `ERR_ONEFOLD_NO_PREVIOUS`: there is nothing to roll back to
 */
class UpdateError extends Error {
  constructor(code, message, properties = {}) {
    super(message, { cause: properties.cause });
    this.name = 'UpdateError';
    this.code = code;
    if (properties.status !== undefined) this.status = properties.status;
    /** Whether another try may succeed, and after how many milliseconds the server wants it. */
    this.retry = properties.retry ?? false;
    this.retryAfter = properties.retryAfter;
    /** Whether another look at the server's file may help. */
    this.again = properties.again ?? false;
  }
}

const damaged = (message) => new UpdateError('ERR_ONEFOLD_DAMAGED', message);
const newer = (message) => new UpdateError('ERR_ONEFOLD_NEWER', message);
const changed = (message) => new UpdateError('ERR_ONEFOLD_CHANGED', message, { again: true });
const noOnefile = (message) => new UpdateError('ERR_ONEFOLD_NOT_A_ONEFILE', message);

const OPINIONS = {
  ERR_ONEFOLD_DAMAGED: 'is damaged',
  ERR_ONEFOLD_NEWER: 'needs a newer version of this module',
  ERR_ONEFOLD_NOT_A_ONEFILE: 'is no onefile',
};

/** The result of `work`. An error that it throws about a onefile says which one. */
async function about(subject, work) {
  try {
    return await work();
  } catch (error) {
    const opinion = error instanceof UpdateError ? OPINIONS[error.code] : undefined;
    const isNamed = error?.message?.startsWith("'");
    if (opinion !== undefined && !isNamed) error.message = `'${subject}' ${opinion}: ${error.message}`;
    throw error;
  }
}

function need(condition, message) {
  if (!condition) throw damaged(message);
}

const sha256 = (bytes) => createHash('sha256').update(bytes).digest('hex');

// The format (docs/format.md)

const TRAILER_LENGTH = 256;
const TRAILER_MAGIC = Buffer.from('894F464C440D0A1A', 'hex');
const SIGNATURE_LIMIT = 65_536;
const MANIFEST_LIMIT = 268_435_456;
const RECORD_LIMIT = 65_536;
const FRAME_STORED_LIMIT = 17_825_792;
const FRAME_RAW_LIMIT = 16_777_216;
/** The format has no limit for it. A bootloader has less than a megabyte, and this module holds it in memory. */
const PREFIX_LIMIT = 67_108_864;

const CODECS = ['store', 'zstd', 'xz'];
const FILTERS = [0, 1, 3];
const SECTIONS = [1, 2, 3, 4];
/** Known fields of the launch record by tag: whether they are critical, and may be given many times. */
const FIELDS = new Map([
  ...[1, 3, 7].map((tag) => [tag, { critical: true, many: false }]),
  ...[4, 5, 6].map((tag) => [tag, { critical: true, many: true }]),
  ...[2, 8, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19].map((tag) => [tag, { critical: false, many: false }]),
  [20, { critical: false, many: true }],
]);
const NAME = /^[A-Za-z0-9_+][A-Za-z0-9._+-]{0,63}$/;
const SECTION_ROWS = new Map([[1, 64], [2, 80], [3, 24]]);

function u64(bytes, offset) {
  const value = bytes.readBigUInt64LE(offset);
  need(value <= Number.MAX_SAFE_INTEGER, 'an offset or length is out of range');
  return Number(value);
}

const isZero = (bytes) => bytes.every((byte) => byte === 0);

/** Finds the trailer in the last bytes of a file, which begin at `start`. Null if there is none. */
function findTrailer(tail, start) {
  for (let limit = tail.length; limit >= 0; ) {
    const at = tail.lastIndexOf(TRAILER_MAGIC, limit);
    const bytes = tail.subarray(at, at + TRAILER_LENGTH);
    if (at < 0) return null;
    const isWhole = bytes.length === TRAILER_LENGTH;
    if (isWhole && bytes.readBigUInt64LE(72) === BigInt(start + at)) return parseTrailer(bytes);
    limit = at - 1;
  }
  return null;
}

function parseTrailer(bytes) {
  const version = bytes.readUInt16LE(8);
  if (version !== 1) throw newer(`its format version is ${version}, not 1`);
  const hash = bytes.toString('hex', 224, 256);
  need(sha256(bytes.subarray(0, 224)) === hash, "the trailer's hash is wrong");
  const trailer = {
    bytes: Buffer.from(bytes),
    codec: bytes[12],
    bootloaderLength: u64(bytes, 16),
    payloadOffset: u64(bytes, 24),
    manifestOffset: u64(bytes, 32),
    manifestLength: u64(bytes, 40),
    manifestRawLength: u64(bytes, 48),
    recordOffset: u64(bytes, 56),
    recordLength: u64(bytes, 64),
    offset: u64(bytes, 72),
    prefixHash: bytes.toString('hex', 80, 112),
    manifestHash: bytes.toString('hex', 112, 144),
    recordHash: bytes.toString('hex', 144, 176),
    hash,
  };
  checkTrailer(trailer);
  return trailer;
}

function checkTrailer(trailer) {
  const { bytes, codec, payloadOffset, manifestLength, manifestRawLength, recordLength } = trailer;
  need(bytes.readUInt16LE(10) === TRAILER_LENGTH, "the trailer's length is not 256");
  const reserved = [...bytes.subarray(13, 16), ...bytes.subarray(176, 224)];
  need(isZero(reserved), 'a reserved byte of the trailer is not zero');
  if (codec >= CODECS.length) throw newer('the codec of its manifest is unknown');
  const rounded = Math.ceil(trailer.bootloaderLength / 4096) * 4096;
  need(
    trailer.bootloaderLength >= 64 && payloadOffset === rounded,
    "the bootloader's length and the payload offset do not fit",
  );
  need(
    trailer.manifestOffset >= payloadOffset && manifestLength >= 1 && manifestLength <= MANIFEST_LIMIT &&
      manifestRawLength >= 112 && manifestRawLength <= MANIFEST_LIMIT &&
      (codec !== 0 || manifestLength === manifestRawLength),
    "the manifest's offset or length is out of range",
  );
  need(
    trailer.recordOffset === trailer.manifestOffset + manifestLength &&
      recordLength >= 12 && recordLength <= RECORD_LIMIT,
    "the launch record's offset or length is out of range",
  );
  need(trailer.offset === trailer.recordOffset + recordLength, 'the trailer is not where it says it is');
}

/** The fields of the launch record that an update needs. The launcher checks the values of the others. */
function parseRecord(bytes, hash) {
  need(sha256(bytes) === hash, "the launch record's hash is wrong");
  need(bytes.length >= 12 && bytes.length <= RECORD_LIMIT, 'the launch record is cut short');
  need(bytes.toString('latin1', 0, 4) === 'OFLR', 'the launch record does not begin with OFLR');
  if (bytes.readUInt16LE(4) !== 1) throw newer("the launch record's version is not 1");
  need(isZero(bytes.subarray(6, 8)), 'a reserved byte of the launch record is not zero');
  const count = bytes.readUInt32LE(8);
  need(count <= 8_192, 'the launch record has too many fields');
  const values = new Map();
  let [at, lastTag] = [12, 0];
  for (let index = 0; index < count; index += 1) {
    need(at + 8 <= bytes.length, 'a field of the launch record is cut short');
    const [tag, flags, length] = [bytes.readUInt16LE(at), bytes.readUInt16LE(at + 2), bytes.readUInt32LE(at + 4)];
    need(at + 8 + length <= bytes.length, 'a field of the launch record is cut short');
    checkField(tag, flags, lastTag);
    values.set(tag, bytes.subarray(at + 8, at + 8 + length));
    [at, lastTag] = [at + 8 + length, tag];
  }
  need(at === bytes.length, 'bytes follow the last field of the launch record');
  need(values.has(1) && values.has(3) && values.has(7), 'the launch record lacks its name, entry or target');
  const [name, version, target] = [1, 2, 7].map((tag) => values.get(tag)?.toString() ?? null);
  need(NAME.test(name), "the application's name is not valid");
  need(NAME.test(target), "the application's target is not valid");
  const isText = (text) => text.length <= 128 && text.every((byte) => byte >= 0x20 && byte !== 0x7f);
  const texts = [2, 8].map((tag) => values.get(tag) ?? []);
  need(texts.every(isText), 'a text of the launch record is too long or holds control characters');
  return { name, version, target };
}

function checkField(tag, flags, lastTag) {
  need(flags <= 1, 'a reserved flag of a launch record field is set');
  const many = FIELDS.get(tag)?.many ?? true;
  const isNext = tag > lastTag || (tag === lastTag && many);
  need(isNext, "the launch record's fields are out of order, or one is given twice");
  if (!FIELDS.has(tag) && flags === 1) throw newer('a critical field of its launch record is unknown');
  need(flags === Number(FIELDS.get(tag)?.critical ?? false), "a launch record field's flag is not valid");
}

/** The rows of the frame table, with absolute offsets. An update needs no other section of the manifest. */
function parseFrames(stored, trailer) {
  need(sha256(stored) === trailer.manifestHash, "the manifest's hash is wrong");
  const raw = decode(stored, trailer.codec, trailer.manifestRawLength);
  const [start, end] = frameSection(raw);
  const frames = [];
  let offset = 0;
  for (let at = start; at < end; at += 64) {
    const row = raw.subarray(at, at + 64);
    const length = u64(row, 8);
    const rawLength = u64(row, 16);
    need(u64(row, 0) === offset, 'a frame is not where the one before it ends');
    need(length >= 1 && length <= FRAME_STORED_LIMIT, "a frame's stored length is out of range");
    need(rawLength >= 1 && rawLength <= FRAME_RAW_LIMIT, "a frame's raw length is out of range");
    const [codec, filter] = row.subarray(24);
    if (codec >= CODECS.length || !FILTERS.includes(filter)) throw newer('the codec or filter of a frame is unknown');
    const isPlain = filter === 0 && length === rawLength;
    need(codec !== 0 || isPlain, 'a stored frame has a filter or another raw length');
    need(isZero(row.subarray(26, 32)), 'a reserved byte of a frame is not zero');
    frames.push({ offset: trailer.payloadOffset + offset, length, hash: row.toString('hex', 32, 64) });
    offset += length;
  }
  need(trailer.payloadOffset + offset === trailer.manifestOffset, 'the frames do not end at the manifest');
  return frames;
}

/** Where the frame table stands in the raw manifest: its start and its end. */
function frameSection(raw) {
  need(raw.toString('latin1', 0, 4) === 'OFMF', 'the manifest does not begin with OFMF');
  if (raw.readUInt16LE(4) !== 1) throw newer("the manifest's version is not 1");
  need(isZero(raw.subarray(6, 8)) && isZero(raw.subarray(12, 16)), 'a reserved byte of the manifest is not zero');
  const count = raw.readUInt32LE(8);
  need(count >= 4 && count <= 64, 'the number of sections is not 4 to 64');
  need(raw.length >= 16 + 24 * count, 'the manifest is cut short');
  const places = new Map();
  let [end, lastTag] = [16 + 24 * count, 0];
  for (let at = 16; at < 16 + 24 * count; at += 24) {
    const [tag, flags, length] = [raw.readUInt32LE(at), raw.readUInt32LE(at + 4), u64(raw, at + 16)];
    need(tag > lastTag, 'the sections are out of order');
    need(flags <= 1 && (flags === 1 || !SECTIONS.includes(tag)), "a section's flags are not valid");
    need(u64(raw, at + 8) === end, 'a section is not where the one before it ends');
    if (flags === 1 && !SECTIONS.includes(tag)) throw newer('a critical section of its manifest is unknown');
    need(length % (SECTION_ROWS.get(tag) ?? 1) === 0, 'a section is not a whole number of rows');
    places.set(tag, [end, end + length]);
    [end, lastTag] = [end + length, tag];
    need(end <= raw.length, 'a section is not where the one before it ends');
  }
  need(end === raw.length, 'bytes follow the last section');
  need(SECTIONS.every((tag) => places.has(tag)), 'a section is missing');
  return places.get(1);
}

function decode(stored, codec, rawLength) {
  if (codec === 0) return stored;
  if (codec !== 1) throw newer(`its manifest is compressed with ${CODECS[codec]}, which this module can't decode`);
  return decodeZstd(stored, rawLength);
}

/**
 * All that a hash vouches for, from the first byte of the file to its trailer: the prefix, the frames, the manifest,
 * the launch record. Without gaps.
 */
function partsOf(trailer, frames) {
  return [
    { offset: 0, length: trailer.payloadOffset, hash: trailer.prefixHash },
    ...frames,
    { offset: trailer.manifestOffset, length: trailer.manifestLength, hash: trailer.manifestHash },
    { offset: trailer.recordOffset, length: trailer.recordLength, hash: trailer.recordHash },
  ];
}

// Zstandard (RFC 8878)

const ZSTD_MAGIC = 0xfd2fb528;
const ZSTD_BLOCK_LIMIT = 131_072;

const LITERAL_LENGTHS = {
  log: 6,
  limit: 9,
  counts: [
    4, 3, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 3, 2, 1, 1, 1, 1, 1, -1, -1, -1, -1,
  ],
  ...codes(0, [...Array(16).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
};
const MATCH_LENGTHS = {
  log: 6,
  limit: 9,
  counts: [
    1, 4, 3, 2, 2, 2, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1,
    1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1, -1, -1,
  ],
  ...codes(3, [...Array(32).fill(0), 1, 1, 1, 1, 2, 2, 3, 3, 4, 4, 5, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16]),
};
const OFFSETS = {
  log: 5,
  limit: 8,
  counts: [1, 1, 1, 1, 1, 1, 2, 2, 2, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, -1, -1, -1, -1, -1],
  bits: Array.from({ length: 32 }, (_, code) => code),
  bases: Array.from({ length: 32 }, (_, code) => 2 ** code),
};

/** Codes of lengths: each begins where the one before it ends, and has so many further bits. */
function codes(first, bits) {
  const bases = [];
  bits.reduce((base, count) => (bases.push(base), base + 2 ** count), first);
  return { bits, bases };
}

/** Decodes frames without dictionaries to exactly `length` bytes. Checksums are left alone: a hash came before. */
function decodeZstd(input, length) {
  const output = Buffer.alloc(length);
  const reader = { input, at: 0, output, end: 0 };
  let frames = 0;
  while (reader.at < input.length) {
    need(readLittle(reader, 4) === ZSTD_MAGIC, 'the manifest is no zstd frame');
    decodeFrame(reader);
    frames += 1;
  }
  need(frames > 0 && reader.end === length, 'the manifest has another raw length');
  return output;
}

function readLittle(reader, count) {
  need(reader.at + count <= reader.input.length, 'the compressed manifest is cut short');
  let value = 0;
  for (let index = count - 1; index >= 0; index -= 1) value = value * 256 + reader.input[reader.at + index];
  reader.at += count;
  return value;
}

function skip(reader, count) {
  need(reader.at + count <= reader.input.length, 'the compressed manifest is cut short');
  const start = reader.at;
  reader.at += count;
  return reader.input.subarray(start, reader.at);
}

function decodeFrame(reader) {
  const descriptor = readLittle(reader, 1);
  const single = (descriptor >> 5) & 1;
  need((descriptor & 8) === 0, 'a reserved bit of the compressed manifest is set');
  if (!single) skip(reader, 1);
  need(readLittle(reader, [0, 1, 2, 4][descriptor & 3]) === 0, 'the compressed manifest wants a dictionary');
  skip(reader, [single, 2, 4, 8][descriptor >> 6]);
  const state = { start: reader.end, recent: [1, 4, 8], huffman: null, tables: [null, null, null] };
  for (let last = 0; !last; ) {
    const header = readLittle(reader, 3);
    last = header & 1;
    decodeBlock(reader, (header >> 1) & 3, header >> 3, state);
  }
  if (descriptor & 4) skip(reader, 4);
}

function decodeBlock(reader, kind, size, state) {
  need(kind !== 3 && size <= ZSTD_BLOCK_LIMIT, 'a block of the compressed manifest is not valid');
  if (kind === 2) {
    const block = { input: skip(reader, size), at: 0, output: reader.output, end: reader.end };
    const literals = readLiterals(block, state);
    executeSequences(block, literals, state);
    reader.end = block.end;
  } else {
    const bytes = skip(reader, kind === 0 ? size : 1);
    room(reader, size);
    if (kind === 0) reader.output.set(bytes, reader.end);
    else reader.output.fill(bytes[0], reader.end, reader.end + size);
    reader.end += size;
  }
}

function room(reader, count) {
  need(reader.end + count <= reader.output.length, 'the manifest has another raw length');
}

function readLiterals(block, state) {
  const first = readLittle(block, 1);
  const [kind, format] = [first & 3, (first >> 2) & 3];
  block.at -= 1;
  if (kind < 2) {
    const header = readLittle(block, [1, 2, 1, 3][format]);
    const size = header >> [3, 4, 3, 4][format];
    need(size <= ZSTD_BLOCK_LIMIT, 'literals of the compressed manifest are too long');
    return kind === 0 ? skip(block, size) : Buffer.alloc(size, skip(block, 1)[0]);
  }
  const header = readLittle(block, [3, 3, 4, 5][format]);
  const width = [10, 10, 14, 18][format];
  const size = Math.floor(header / 16) % 2 ** width;
  const source = skip(block, Math.floor(header / 2 ** (4 + width)));
  need(size <= ZSTD_BLOCK_LIMIT, 'literals of the compressed manifest are too long');
  let at = 0;
  if (kind === 2) [state.huffman, at] = readHuffman(source);
  need(state.huffman !== null, 'the compressed manifest repeats a table that it has not');
  const literals = Buffer.alloc(size);
  if (format === 0) decodeHuffman(source.subarray(at), state.huffman, literals);
  else decodeFourStreams(source.subarray(at), state.huffman, literals);
  return literals;
}

function decodeFourStreams(source, table, literals) {
  need(source.length >= 6, 'the compressed manifest is cut short');
  const lengths = [0, 2, 4].map((at) => source.readUInt16LE(at));
  const quarter = Math.ceil(literals.length / 4);
  let at = 6;
  for (let stream = 0; stream < 4; stream += 1) {
    const end = stream < 3 ? at + lengths[stream] : source.length;
    need(end <= source.length && quarter * 3 <= literals.length, 'the compressed manifest is cut short');
    const target = literals.subarray(quarter * stream, stream < 3 ? quarter * (stream + 1) : literals.length);
    decodeHuffman(source.subarray(at, end), table, target);
    at = end;
  }
}

/** Reads bits from the end to the start. Before the start come zeros; who asks for them finds `at` below 0. */
class BackwardBits {
  constructor(bytes) {
    // With room to read four bytes at once.
    this.bytes = new Uint8Array(bytes.length + 4);
    this.bytes.set(bytes);
    const last = bytes.length > 0 ? bytes[bytes.length - 1] : 0;
    need(last !== 0, 'a bit stream of the compressed manifest has no end');
    this.at = bytes.length * 8 - Math.clz32(last) + 23;
  }

  /** The next bits, at most 25, without taking them. */
  peek(count) {
    const from = this.at - count;
    if (from < 0) return this.at <= 0 ? 0 : (this.slice(0) & ((1 << this.at) - 1)) << -from;
    return this.slice(from) & ((1 << count) - 1);
  }

  /** The bits from there on, at least 25. */
  slice(from) {
    const bytes = this.bytes;
    const at = from >> 3;
    return (bytes[at] | (bytes[at + 1] << 8) | (bytes[at + 2] << 16) | (bytes[at + 3] << 24)) >>> (from & 7);
  }

  take(count) {
    const value = this.peek(count);
    this.at -= count;
    return value;
  }

  /** As many as 32. */
  takeLong(count) {
    return count <= 16 ? this.take(count) : this.take(count - 16) * 65_536 + this.take(16);
  }
}

function decodeHuffman(source, table, target) {
  const bits = new BackwardBits(source);
  const { log, symbols, lengths } = table;
  for (let index = 0; index < target.length; index += 1) {
    const next = bits.peek(log);
    target[index] = symbols[next];
    bits.at -= lengths[next];
  }
  need(bits.at === 0, 'a Huffman stream of the compressed manifest has another length');
}

/** A Huffman table, and the number of bytes that describe it. */
function readHuffman(source) {
  need(source.length > 0, 'the compressed manifest is cut short');
  const header = source[0];
  let weights;
  let size;
  if (header < 128) {
    size = 1 + header;
    need(size <= source.length, 'the compressed manifest is cut short');
    weights = readWeights(source.subarray(1, size));
  } else {
    size = 1 + ((header - 126) >> 1);
    need(size <= source.length, 'the compressed manifest is cut short');
    const weight = (_, index) => (source[1 + (index >> 1)] >> (index % 2 ? 0 : 4)) & 15;
    weights = Array.from({ length: header - 127 }, weight);
  }
  return [huffmanTable(weights), size];
}

function readWeights(source) {
  const [table, size] = readFse(source, { limit: 6, symbols: 13 });
  const bits = new BackwardBits(source.subarray(size));
  const states = [bits.take(table.log), bits.take(table.log)];
  const weights = [];
  for (let turn = 0; ; turn = 1 - turn) {
    need(weights.length < 255, 'a Huffman table of the compressed manifest is not valid');
    weights.push(table.symbols[states[turn]]);
    states[turn] = table.bases[states[turn]] + bits.take(table.lengths[states[turn]]);
    if (bits.at < 0) {
      weights.push(table.symbols[states[1 - turn]]);
      return weights;
    }
  }
}

function huffmanTable(weights) {
  const sum = weights.reduce((total, weight) => total + (weight > 0 ? 2 ** (weight - 1) : 0), 0);
  const log = sum > 0 ? 32 - Math.clz32(sum) : 0;
  const rest = 2 ** log - sum;
  const isPower = (rest & (rest - 1)) === 0;
  const isShort = log >= 1 && log <= 11 && weights.length <= 255;
  need(isPower && isShort, 'a Huffman table of the compressed manifest is not valid');
  const all = [...weights, 32 - Math.clz32(rest)];
  const [symbols, lengths] = [new Uint8Array(2 ** log), new Uint8Array(2 ** log)];
  let at = 0;
  for (let weight = 1; weight <= log; weight += 1) {
    for (let symbol = 0; symbol < all.length; symbol += 1) {
      if (all[symbol] !== weight) continue;
      symbols.fill(symbol, at, at + 2 ** (weight - 1));
      lengths.fill(log + 1 - weight, at, at + 2 ** (weight - 1));
      at += 2 ** (weight - 1);
    }
  }
  need(at === 2 ** log, 'a Huffman table of the compressed manifest is not valid');
  return { log, symbols, lengths };
}

/** A table of finite state entropy codes, and the number of bytes that describe it. */
function readFse(source, { limit, symbols }) {
  let at = 0;
  const take = (count) => {
    const value = (source[at >> 3] | (source[(at >> 3) + 1] << 8) | (source[(at >> 3) + 2] << 16)) >>> (at & 7);
    at += count;
    return value & ((1 << count) - 1);
  };
  const log = take(4) + 5;
  need(log <= limit, 'a table of the compressed manifest is too large');
  const counts = [];
  let left = 2 ** log + 1;
  while (left > 1 && at <= source.length * 8) {
    const width = 32 - Math.clz32(left);
    const low = 2 ** width - 1 - left;
    let value = take(width - 1);
    if (value >= low) {
      value += take(1) << (width - 1);
      if (value >= 2 ** (width - 1)) value -= low;
    }
    counts.push(value - 1);
    left -= Math.abs(value - 1);
    if (value !== 1) continue;
    for (let zeros = 3; zeros === 3 && counts.length <= symbols; ) {
      zeros = take(2);
      counts.push(...Array(zeros).fill(0));
    }
  }
  const size = (at + 7) >> 3;
  const isValid = left === 1 && counts.length <= symbols && size <= source.length;
  need(isValid, 'a table of the compressed manifest is not valid');
  return [fseTable(counts, log), size];
}

function fseTable(counts, log) {
  const size = 2 ** log;
  const [symbols, lengths, bases] = [new Uint8Array(size), new Uint8Array(size), new Uint16Array(size)];
  let high = size;
  counts.forEach((count, symbol) => {
    if (count === -1) symbols[--high] = symbol;
  });
  let at = 0;
  counts.forEach((count, symbol) => {
    for (let index = 0; index < count; index += 1) {
      symbols[at] = symbol;
      do at = (at + (size >> 1) + (size >> 3) + 3) & (size - 1); while (at >= high);
    }
  });
  const next = counts.map((count) => Math.abs(count));
  for (let state = 0; state < size; state += 1) {
    const value = next[symbols[state]]++;
    lengths[state] = log - (31 - Math.clz32(value));
    bases[state] = (value << lengths[state]) - size;
  }
  return { log, symbols, lengths, bases };
}

function readTable(block, mode, kind, before) {
  if (mode === 0) return (kind.standard ??= fseTable(kind.counts, kind.log));
  if (mode === 1) {
    const symbol = readLittle(block, 1);
    need(symbol < kind.bits.length, 'a code of the compressed manifest is unknown');
    return { log: 0, symbols: [symbol], lengths: [0], bases: [0] };
  }
  if (mode === 2) {
    const [table, size] = readFse(block.input.subarray(block.at), { limit: kind.limit, symbols: kind.bits.length });
    block.at += size;
    return table;
  }
  need(before !== null, 'the compressed manifest repeats a table that it has not');
  return before;
}

function executeSequences(block, literals, state) {
  let used = 0;
  const count = readSequenceCount(block);
  if (count > 0) {
    const modes = readLittle(block, 1);
    need((modes & 3) === 0, 'a reserved bit of the compressed manifest is set');
    const kinds = [LITERAL_LENGTHS, OFFSETS, MATCH_LENGTHS];
    kinds.forEach((kind, index) => {
      state.tables[index] = readTable(block, (modes >> (6 - 2 * index)) & 3, kind, state.tables[index]);
    });
    used = decodeSequences(block, count, literals, state);
  } else {
    need(block.at === block.input.length, 'bytes follow the last sequence of the compressed manifest');
  }
  room(block, literals.length - used);
  block.output.set(literals.subarray(used), block.end);
  block.end += literals.length - used;
}

function readSequenceCount(block) {
  const first = readLittle(block, 1);
  if (first < 128) return first;
  if (first < 255) return ((first - 128) << 8) + readLittle(block, 1);
  return readLittle(block, 2) + 0x7f00;
}

/** Writes literals and matches; returns how many literals were used. */
function decodeSequences(block, count, literals, state) {
  const bits = new BackwardBits(block.input.subarray(block.at));
  const [lengths, offsets, matches] = state.tables;
  let [lengthState, offsetState, matchState] = state.tables.map((table) => bits.take(table.log));
  let used = 0;
  for (let index = 0; index < count; index += 1) {
    const offsetCode = offsets.symbols[offsetState];
    const matchCode = matches.symbols[matchState];
    const lengthCode = lengths.symbols[lengthState];
    const offset = OFFSETS.bases[offsetCode] + bits.takeLong(offsetCode);
    const match = MATCH_LENGTHS.bases[matchCode] + bits.take(MATCH_LENGTHS.bits[matchCode]);
    const length = LITERAL_LENGTHS.bases[lengthCode] + bits.take(LITERAL_LENGTHS.bits[lengthCode]);
    if (index < count - 1) {
      lengthState = lengths.bases[lengthState] + bits.take(lengths.lengths[lengthState]);
      matchState = matches.bases[matchState] + bits.take(matches.lengths[matchState]);
      offsetState = offsets.bases[offsetState] + bits.take(offsets.lengths[offsetState]);
    }
    need(bits.at >= 0 && used + length <= literals.length, 'a sequence of the compressed manifest is not valid');
    room(block, length + match);
    for (const end = used + length; used < end; used += 1) block.output[block.end++] = literals[used];
    copyMatch(block, distance(state.recent, offset, length), match, state.start);
  }
  need(bits.at === 0, 'bits follow the last sequence of the compressed manifest');
  return used;
}

/** Turns an offset value into a distance, and remembers it. */
function distance(recent, offset, literals) {
  if (offset > 3) {
    return remember(recent, offset - 3, 2);
  }
  const which = offset - 1 + (literals === 0 ? 1 : 0);
  const value = which === 3 ? recent[0] - 1 : recent[which];
  need(value > 0, 'a distance of the compressed manifest is zero');
  return remember(recent, value, Math.min(which, 2));
}

/** Moves a distance to the front; the one at `place` goes. */
function remember(recent, value, place) {
  if (place > 1) recent[2] = recent[1];
  if (place > 0) recent[1] = recent[0];
  recent[0] = value;
  return value;
}

function copyMatch(block, back, length, start) {
  const from = block.end - back;
  need(from >= start, 'a distance of the compressed manifest is too long');
  const { output, end } = block;
  if (back >= length) output.copyWithin(end, from, from + length);
  else for (let index = 0; index < length; index += 1) output[end + index] = output[from + index];
  block.end += length;
}

// Files

const CHUNK = 1_048_576;

/** Reads up to `length` bytes; fewer only at the end of the file. */
async function readAt(handle, offset, length, buffer = Buffer.alloc(length)) {
  let done = 0;
  while (done < length) {
    const { bytesRead } = await handle.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

async function writeAt(handle, bytes, offset) {
  for (let done = 0; done < bytes.length; ) {
    done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten;
  }
}

/** The hash of a part of a file, read piece by piece, so that a main process can answer its windows meanwhile. */
async function hashAt(handle, part, signal, whole) {
  const hash = createHash('sha256');
  const buffer = Buffer.alloc(Math.min(CHUNK, part.length));
  for (let done = 0; done < part.length; ) {
    signal?.throwIfAborted();
    const bytes = await readAt(handle, part.offset + done, Math.min(CHUNK, part.length - done), buffer);
    if (bytes.length === 0) return null;
    hash.update(bytes);
    whole?.update(bytes);
    done += bytes.length;
  }
  return hash.digest('hex');
}

/** A onefile on this machine. */
class Onefile {
  /** Reads its end. Its parts are not checked, only what says where they are. */
  static async read(handle) {
    const { size } = await handle.stat();
    const start = Math.max(0, size - TRAILER_LENGTH - SIGNATURE_LIMIT);
    const trailer = findTrailer(await readAt(handle, start, size - start), start);
    if (trailer === null) throw noOnefile('there is no trailer, or it is cut short');
    const end = await readAt(handle, trailer.manifestOffset, size - trailer.manifestOffset);
    return new Onefile(trailer, end, size);
  }

  /** `end` is all from the manifest to the end of the file. */
  constructor(trailer, end, size) {
    const split = trailer.manifestLength;
    need(split + trailer.recordLength + TRAILER_LENGTH <= end.length, 'it is cut short');
    if (trailer.payloadOffset > PREFIX_LIMIT) throw newer('its bootloader is larger than this one accepts');
    Object.assign(this, parseRecord(end.subarray(split, split + trailer.recordLength), trailer.recordHash));
    this.trailer = trailer;
    this.end = end;
    this.size = size;
    this.parts = partsOf(trailer, parseFrames(end.subarray(0, split), trailer));
  }

  /** The same bytes, as far as they are covered by the trailer, and the same signature. */
  sameAs(other) {
    const after = (file) => file.end.subarray(file.trailer.offset - file.trailer.manifestOffset);
    return after(this).equals(after(other));
  }
}

/** Runs `work` with the open file. */
async function withFile(file, flags, work) {
  const handle = await fs.open(file, flags);
  try {
    return await work(handle);
  } finally {
    await handle.close();
  }
}

/** A file that may have parts of the new one. Null if it can't be read or is no onefile: a seed only saves bytes. */
async function readSeed(file) {
  try {
    return { file, onefile: await withFile(file, 'r', Onefile.read) };
  } catch {
    return null;
  }
}

/** Checks every hash. With `digest` also that of the whole file. Throws with the reason. */
async function check(handle, { digest, signal, onPart } = {}) {
  const onefile = await Onefile.read(handle);
  const whole = digest === undefined ? null : createHash('sha256');
  for (const part of onefile.parts) {
    const hash = await hashAt(handle, part, signal, whole);
    need(hash === part.hash, `the hash of its bytes ${part.offset} to ${part.offset + part.length} is wrong`);
    onPart?.(part);
  }
  whole?.update(onefile.end.subarray(onefile.trailer.offset - onefile.trailer.manifestOffset));
  if (whole !== null && whole.digest('hex') !== digest.toLowerCase()) {
    throw new UpdateError('ERR_ONEFOLD_DIGEST', 'the SHA-256 of the whole file is not the one that was given');
  }
  return onefile;
}

/**
 * Names of temporary files beside a file: `.NAME.PID-STARTTIME-NUMBER.onefold-partial`. A name says which process it
 * belongs to, because Node.js can't lock files. If that process has ended, another may take the file, by renaming it.
 */
class Names {
  static #count = 0;

  constructor(file) {
    this.directory = path.dirname(file);
    this.prefix = `.${path.basename(file)}.`;
    /** What `onefold fetch` leaves when it is interrupted. It may be locked, so it is only read. */
    this.ofCommand = path.join(this.directory, `${this.prefix}onefold-partial`);
  }

  async next(kind) {
    Names.#count += 1;
    const owner = `${process.pid}-${(await startTime(process.pid)) ?? 0}-${Names.#count}`;
    return path.join(this.directory, `${this.prefix}${owner}.onefold-${kind}`);
  }

  /** Those of processes that have ended, and of this one: the newest first. */
  async orphans(kind) {
    const found = [];
    for (const name of await fs.readdir(this.directory)) {
      if (!name.startsWith(this.prefix)) continue;
      const match = /^(\d+)-(\d+)-\d+\.onefold-(partial|previous)$/.exec(name.slice(this.prefix.length));
      if (match === null || (kind !== undefined && match[3] !== kind)) continue;
      if (Number(match[1]) !== process.pid && (await startTime(match[1])) === match[2]) continue;
      const file = path.join(this.directory, name);
      const status = await fs.lstat(file).catch(() => null);
      if (status?.isFile()) found.push({ file, time: status.mtimeMs });
    }
    return found.sort((one, other) => other.time - one.time).map(({ file }) => file);
  }
}

/** When a process started, in clock ticks since the system did; null if there is no such process. */
async function startTime(pid) {
  try {
    const text = await fs.readFile(`/proc/${pid}/stat`, 'latin1');
    return text.slice(text.lastIndexOf(')') + 2).split(' ')[19];
  } catch {
    return null;
  }
}

async function syncDirectory(directory) {
  await withFile(directory, 'r', (handle) => handle.sync()).catch((error) => {
    // Some file systems can't.
    if (error.code !== 'EINVAL') throw error;
  });
}

// The server

const TAIL = 4_096;
/** Fetching so many bytes again costs less than another request. */
const GAP = 65_536;
const RETRIED = new Set([408, 425, 429, 500, 502, 503, 504]);
const LONGEST_PAUSE = 30_000;

/** A file on a static server. All requests of an update go through it, so that it can count them. */
class Remote {
  constructor({ url, fetch, headers, signal, timeout, retries, retryDelay, sha256: digest }) {
    Object.assign(this, { url: new URL(url), fetch, headers, signal, timeout, retries, retryDelay });
    this.mayBePlain = digest !== undefined;
    this.checkAddress(this.url);
    /** The file's length, and what tells this version of it from another. */
    this.total = null;
    this.validator = null;
    this.requests = 0;
    this.bytes = 0;
  }

  /** Who can change bytes on the way could run programs here. */
  checkAddress(url) {
    const local = /^(localhost|127\.\d+\.\d+\.\d+|\[::1\])$/.test(url.hostname);
    if (url.protocol === 'https:' || (url.protocol === 'http:' && (local || this.mayBePlain))) return;
    const isPlain = url.protocol === 'http:';
    const why = isPlain ? 'it has no TLS; use https, or give sha256' : 'only https and http are known; use https';
    throw new UpdateError('ERR_ONEFOLD_INSECURE', `cannot fetch '${shown(url)}': ${why}`);
  }

  failure(code, why, properties) {
    return new UpdateError(code, `cannot fetch '${shown(this.url)}': ${why}`, properties);
  }

  /** The last bytes of the file, and where they begin. Null if the server gives no ranges. */
  async tail(length = TAIL) {
    if (this.total === null) {
      const answer = await this.first(`-${length}`);
      if (answer !== undefined) return answer;
    }
    const start = Math.max(0, this.total - length);
    const pieces = [];
    const inRange = await this.read(start, this.total, (bytes) => pieces.push(bytes), true);
    return inRange ? { start, bytes: Buffer.concat(pieces) } : null;
  }

  /** The first answer. Undefined if the server has ranges, but none that count from the end. */
  async first(range) {
    return await this.again(range, async (answer) => {
      if (answer.status === 206) {
        const { start, total } = this.rangeOf(answer);
        this.learn(answer, total);
        const bytes = Buffer.concat(await all(answer.bytes()));
        if (start + bytes.length !== total) throw this.cutShort();
        return { start, bytes };
      }
      this.checkStatus(answer);
      const length = Number(answer.header('content-length'));
      if (answer.header('accept-ranges') !== 'bytes' || !(length > 0)) return null;
      this.learn(answer, length);
      return undefined;
    });
  }

  learn(answer, total) {
    this.total = total;
    const [tag, date] = [answer.header('etag'), answer.header('last-modified')];
    this.validator = tag !== null && !tag.startsWith('W/') ? tag : date;
    this.type = answer.header('content-type');
  }

  /**
   * Passes the bytes from `start` to `end` to `sink`, in order, and continues after interruptions. If the server does
   * not answer with a range, the file has changed; with `mayRefuse` it returns false.
   */
  async read(start, end, sink, mayRefuse = false) {
    let at = start;
    let failures = 0;
    while (at < end) {
      const before = at;
      try {
        const answer = await this.get(`${at}-${end - 1}`);
        try {
          if (mayRefuse && answer.status === 200) return false;
          this.checkRange(answer, at);
          for await (const bytes of answer.bytes()) {
            if (at + bytes.length > end) throw changed('the server sent more bytes than it was asked for');
            await sink(bytes);
            at += bytes.length;
          }
        } finally {
          await answer.close();
        }
        if (at === before) throw this.cutShort();
      } catch (error) {
        failures = at - before >= GAP ? 1 : failures + 1;
        await this.pause(error, failures);
      }
    }
    return true;
  }

  /** Passes the whole file to what `begin` returns, from its start at each try. */
  async whole(begin) {
    await this.again(null, async (answer) => {
      this.checkStatus(answer);
      this.learn(answer, Number(answer.header('content-length')) || null);
      const sink = await begin();
      let done = 0;
      for await (const bytes of answer.bytes()) {
        await sink(bytes);
        done += bytes.length;
      }
      if (this.total !== null && done !== this.total) throw this.cutShort();
    });
  }

  cutShort() {
    return this.failure('ERR_ONEFOLD_NETWORK', 'the answer ended early', { retry: true });
  }

  rangeOf(answer) {
    const match = /^bytes (\d+)-(\d+)\/(\d+)$/.exec(answer.header('content-range') ?? '');
    if (match === null) throw this.failure('ERR_ONEFOLD_NETWORK', 'the answer does not say which bytes it has');
    return { start: Number(match[1]), total: Number(match[3]) };
  }

  checkRange(answer, at) {
    const replaced = changed('the file on the server was replaced');
    if (answer.status === 200 || answer.status === 416) throw replaced;
    this.checkStatus(answer);
    const { start, total } = this.rangeOf(answer);
    if (start !== at || total !== this.total) throw replaced;
    const tag = answer.header('etag');
    if (this.validator?.startsWith('"') && tag !== null && tag !== this.validator) throw replaced;
  }

  checkStatus(answer) {
    const { status } = answer;
    if (status === 200 || status === 206) return;
    const seconds = Number(answer.header('retry-after'));
    const retryAfter = seconds > 0 ? Math.min(LONGEST_PAUSE, seconds * 1_000) : 0;
    const retry = RETRIED.has(status);
    const why = `the server answered ${status}; ${retry ? 'try again later' : 'check the address'}`;
    throw this.failure('ERR_ONEFOLD_HTTP', why, { status, retry, retryAfter });
  }

  /** One request. The caller reads `answer.bytes()`, and must call `answer.close()`. */
  async get(range) {
    this.signal?.throwIfAborted();
    const headers = { ...this.headers };
    // With a range, fetch adds the same by itself.
    if (range === null) headers['accept-encoding'] = 'identity';
    else headers.range = `bytes=${range}`;
    if (range !== null && this.validator !== null) headers['if-range'] = this.validator;
    this.requests += 1;
    const answer = new Answer(this);
    try {
      await answer.begin(headers);
      const encoding = answer.header('content-encoding');
      if (encoding !== null && encoding !== 'identity') {
        throw this.failure('ERR_ONEFOLD_NETWORK', `the server compresses the file (${encoding}); serve it as it is`);
      }
      return answer;
    } catch (error) {
      await answer.close();
      throw this.wrapped(error, answer);
    }
  }

  wrapped(error, answer) {
    if (this.signal?.aborted) return this.signal.reason;
    if (error instanceof UpdateError) return error;
    if (answer.controller.signal.aborted) return answer.controller.signal.reason;
    const why = error.cause?.message || error.cause?.code || error.message;
    return this.failure('ERR_ONEFOLD_NETWORK', why, { cause: error, retry: true });
  }

  /** The result of `work` with the answer to a request, after as many tries as are allowed. */
  async again(range, work) {
    for (let failures = 1; ; failures += 1) {
      try {
        const answer = await this.get(range);
        try {
          return await work(answer);
        } finally {
          await answer.close();
        }
      } catch (error) {
        await this.pause(error, failures);
      }
    }
  }

  /** Waits before the next try, or throws the error if there must be none. */
  async pause(error, failures) {
    if (!error?.retry || failures > this.retries) throw error;
    const delay = Math.max(error.retryAfter ?? 0, Math.min(LONGEST_PAUSE, this.retryDelay * 2 ** (failures - 1)));
    await pause(delay, this.signal);
  }
}

/** The answer to one request, which ends if no byte comes for too long, or if the signal says so. */
class Answer {
  constructor(remote) {
    this.remote = remote;
    this.controller = new AbortController();
    this.abort = () => this.controller.abort(remote.signal.reason);
    remote.signal?.addEventListener('abort', this.abort);
    this.waits = true;
    this.timer = setTimeout(() => {
      const why = `no byte came for ${remote.timeout / 1_000} seconds`;
      if (this.waits) this.controller.abort(remote.failure('ERR_ONEFOLD_NETWORK', why, { retry: true }));
    }, remote.timeout);
  }

  async begin(headers) {
    const { url, fetch } = this.remote;
    this.response = await fetch(url.href, { headers, signal: this.controller.signal, redirect: 'follow' });
    this.reader = this.response.body?.getReader();
    this.remote.checkAddress(new URL(this.response.url || url));
  }

  get status() {
    return this.response.status;
  }

  header(name) {
    return this.response.headers.get(name);
  }

  async *bytes() {
    while (this.reader !== undefined) {
      let piece;
      try {
        this.waits = true;
        this.timer.refresh();
        piece = await this.reader.read();
        this.waits = false;
      } catch (error) {
        throw this.remote.wrapped(error, this);
      }
      if (piece.done) return;
      this.remote.bytes += piece.value.length;
      yield Buffer.from(piece.value.buffer, piece.value.byteOffset, piece.value.length);
    }
  }

  async close() {
    clearTimeout(this.timer);
    this.remote.signal?.removeEventListener('abort', this.abort);
    await this.reader?.cancel().catch(() => {});
  }
}

/** An address as messages show it: without passwords and tokens. */
const shown = (url) => `${url.protocol}//${url.host}${url.pathname}`;

async function pause(milliseconds, signal) {
  await sleep(milliseconds, undefined, { signal }).catch(() => signal.throwIfAborted());
}

async function all(iterable) {
  const items = [];
  for await (const item of iterable) items.push(item);
  return items;
}

// Plan

const ATTEMPTS = 3;
const TARGETS = { x64: 'x86_64-linux', arm64: 'aarch64-linux' };
const ELF = Buffer.from('7F454C46', 'hex');
/** Files that this process is downloading, or has downloaded and not yet swapped. */
const busy = new Set();
const isBusy = (file) =>
  new UpdateError('ERR_ONEFOLD_BUSY', `there is a download of '${file}' already; swap or discard it first`);

/**
 * @typedef {object} Options
 * @property {string | URL} url - the onefile on a static server
 * @property {string} file - the installed file; it need not exist. A symlink stays one: what it names is replaced
 * @property {string[]} [seeds] - other onefiles that may have parts of the new one
 * @property {string} [sha256] - the hash of the whole file, in hexadecimal; any other file is refused
 * @property {string} [name] - the application's name; by default that of the installed file, or of the first seed
 * @property {string} [target] - `x86_64-linux` or `aarch64-linux`; by default that of `file`, or this machine
 * @property {boolean} [keepPrevious] - keep the old file as FILE.previous, for `rollback`; true
 * @property {boolean} [repair] - fetch damaged parts of the installed file even if its version is the server's; false
 * @property {boolean} [resume] - use what an earlier call has fetched; true
 * @property {(path: string, info: Plan) => Promise<void>} [check] - looks at the complete new file before it is swapped
 * @property {(progress: {phase: string, done: number, total: number | null}) => void} [onProgress] - called at most ten
 *   times a second; `phase` is `copy`, `fetch` or `verify`, the others are bytes
 * @property {AbortSignal} [signal] - ends the call; what was fetched stays for the next one
 * @property {typeof fetch} [fetch] - for instance Electron's `net.fetch`, which knows the system's proxy
 * @property {Record<string, string>} [headers] - further headers of each request
 * @property {number} [timeout] - milliseconds without a byte after which a request is given up; 60,000
 * @property {number} [retries] - how often in a row a request may fail before the call does; 4
 * @property {number} [retryDelay] - milliseconds before the first retry, doubled at each further one; 500
 */

async function normalized(options) {
  const settings = {
    seeds: [], keepPrevious: true, repair: false, resume: true, headers: {},
    timeout: 60_000, retries: 4, retryDelay: 500, fetch: globalThis.fetch, ...options,
  };
  settings.file = await realFile(settings.file);
  return settings;
}

/** The file behind symlinks. It need not exist, its directory must. */
async function realFile(file) {
  try {
    return await fs.realpath(file);
  } catch (error) {
    const dangling = await fs.lstat(file).catch(() => null);
    if (error.code !== 'ENOENT' || dangling !== null) throw error;
    return path.join(await fs.realpath(path.dirname(file)), path.basename(file));
  }
}

/** What tells a file from one that replaced it. Null if there is none. */
async function identityOf(file) {
  try {
    const status = await fs.stat(file, { bigint: true });
    if (!status.isFile()) throw noOnefile(`'${file}' is not a regular file`);
    return { text: `${status.dev} ${status.ino} ${status.size} ${status.mtimeNs}`, status };
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
}

/** The parts of a file in few ranges: those between which only a small gap is are fetched together. */
function rangesOf(parts) {
  const ranges = [];
  for (const part of parts) {
    const end = part.offset + part.length;
    const last = ranges.at(-1);
    if (last !== undefined && part.offset - last.end <= GAP) {
      last.parts.push(part);
      last.end = end;
    } else {
      ranges.push({ start: part.offset, end, parts: [part] });
    }
  }
  return ranges;
}

/** What an update will do. Made by `plan`, which changes no file. */
class Plan {
  #settings;
  #remote;
  #identity;
  #installed;
  #target;
  #names;
  #index;
  #partial;
  #present;
  #others;
  #spent = { bytes: 0, requests: 0 };

  constructor(settings) {
    this.#settings = settings;
    this.#names = new Names(settings.file);
    /** The server has no ranges: only a whole download can tell the version. */
    this.whole = false;
    this.upToDate = false;
    this.version = null;
  }

  /** Looks at the server's file and at all that may have parts of it. */
  async survey() {
    const { file, seeds, repair, resume } = this.#settings;
    this.#spend();
    this.#remote = new Remote(this.#settings);
    this.#identity = await identityOf(file);
    this.#installed = await readSeed(file);
    const unfinished = resume ? [this.#names.ofCommand, ...(await this.#names.orphans('partial'))] : [];
    this.#others = await Promise.all([`${file}.previous`, ...seeds, ...unfinished].map(readSeed));
    const found = [this.#installed, ...this.#others].filter((seed) => seed !== null);
    this.#target = await this.#look(found);
    this.whole = this.#target === null;
    this.#index = new Map();
    this.#present = new Set();
    this.#partial = null;
    if (!this.whole) {
      this.#checkApplication(this.#target);
      this.upToDate = !repair && this.#installed !== null && this.#installed.onefile.sameAs(this.#target);
      if (!this.upToDate) await this.#inspect(found, unfinished);
    }
    this.#describe();
    this.#count();
    return this;
  }

  /** What has been fetched so far, also by earlier surveys. */
  #spend() {
    this.#spent.bytes += this.#remote?.bytes ?? 0;
    this.#spent.requests += this.#remote?.requests ?? 0;
  }

  /** The server's file, as far as its end tells. Null if the server has no ranges. */
  async #look(found) {
    const remote = this.#remote;
    let tail = await remote.tail();
    let trailer = tail && findTrailer(tail.bytes, tail.start);
    if (tail !== null && trailer === null && tail.start > 0) {
      tail = await remote.tail(TRAILER_LENGTH + SIGNATURE_LIMIT);
      trailer = tail && findTrailer(tail.bytes, tail.start);
    }
    if (tail === null) return null;
    if (trailer === null) throw noOnefile(`it has no trailer, and its type is ${remote.type}; check the address`);
    const pieces = [];
    const twin = found.find(({ onefile }) => onefile.trailer.manifestHash === trailer.manifestHash);
    if (twin !== undefined) pieces.push(twin.onefile.end.subarray(0, trailer.manifestLength));
    const start = twin === undefined ? trailer.manifestOffset : trailer.recordOffset;
    if (start < tail.start) await remote.read(start, tail.start, (bytes) => pieces.push(bytes));
    pieces.push(tail.bytes.subarray(Math.max(0, start - tail.start)));
    try {
      return new Onefile(trailer, Buffer.concat(pieces), remote.total);
    } catch (error) {
      // Perhaps it was replaced between two requests.
      if (error instanceof UpdateError) error.again = error.code === 'ERR_ONEFOLD_DAMAGED';
      throw error;
    }
  }

  #checkApplication(onefile) {
    const { name, target } = this.#settings;
    const known = this.#installed ?? this.#others.find((seed) => seed !== null);
    const wanted = {
      name: name ?? known?.onefile.name ?? onefile.name,
      target: target ?? this.#installed?.onefile.target ?? TARGETS[process.arch],
    };
    for (const field of ['name', 'target']) {
      if (onefile[field] === wanted[field]) continue;
      const message = `'${shown(this.#remote.url)}' has the ${field} '${onefile[field]}', not '${wanted[field]}'`;
      throw new UpdateError('ERR_ONEFOLD_OTHER_APPLICATION', message);
    }
  }

  /** Finds out which parts are here already. */
  async #inspect(found, unfinished) {
    const orphans = unfinished.filter((file) => file !== this.#names.ofCommand);
    const isSame = ({ onefile }) => onefile.trailer.hash === this.#target.trailer.hash;
    for (const seed of found) {
      // It becomes the new file itself, see below.
      if (orphans.includes(seed.file) && isSame(seed)) continue;
      await this.#enter(seed, unfinished.includes(seed.file));
    }
    for (const orphan of orphans) {
      const seed = found.find(({ file }) => file === orphan);
      // It was begun for another version: good as a seed.
      if (seed !== undefined && !isSame(seed)) continue;
      this.#present = new Set(await this.#rightParts(orphan, this.#parts));
      this.#partial = orphan;
      if (this.#present.size > 0) return;
    }
  }

  /** Notes where a seed has parts of the new file. An unfinished one has a table of all, and only some of them. */
  async #enter({ file, onefile }, isUnfinished) {
    const wanted = new Set(this.#parts.map(({ hash }) => hash));
    const known = onefile.parts.filter(({ hash }) => wanted.has(hash));
    for (const { hash, offset, length } of isUnfinished ? await this.#rightParts(file, known) : known) {
      const places = this.#index.get(hash) ?? [];
      if (places.length === 0) this.#index.set(hash, places);
      places.push({ file, offset, length });
    }
  }

  /** All that has to be collected: the manifest and what follows it are in memory. */
  get #parts() {
    return this.#target.parts.slice(0, -2);
  }

  /** Those of the parts that an unfinished file has in their places. */
  async #rightParts(file, parts) {
    const right = [];
    const search = async (handle) => {
      for (const part of parts) {
        // Where nothing was written yet there are zeros.
        if (isZero(await readAt(handle, part.offset, Math.min(64, part.length)))) continue;
        if ((await hashAt(handle, part, this.#settings.signal)) === part.hash) right.push(part);
      }
    };
    await withFile(file, 'r', search).catch((error) => {
      // Another process took it.
      if (error.code !== 'ENOENT') throw error;
    });
    return right;
  }

  #places(part) {
    return (this.#index.get(part.hash) ?? []).filter(({ length }) => length === part.length);
  }

  /** What the caller sees of the server's file, as far as it is known. */
  #describe() {
    const target = this.#target;
    this.installedVersion = this.#installed?.onefile.version ?? null;
    this.name = target?.name ?? null;
    this.version = target?.version ?? null;
    this.target = target?.target ?? null;
    this.treeId = target?.trailer.manifestHash ?? null;
    this.size = target?.size ?? null;
  }

  /** What the download will cost, as far as it is known. */
  #count() {
    const bytes = (parts) => parts.reduce((sum, { length }) => sum + length, 0);
    const parts = this.whole || this.upToDate ? [] : this.#parts.filter((part) => !this.#present.has(part));
    const ranges = rangesOf(parts.filter((part) => this.#places(part).length === 0));
    /** Parts that an interrupted call has left. */
    this.resumeBytes = bytes([...this.#present]);
    this.reuseBytes = bytes(parts.filter((part) => this.#places(part).length > 0));
    this.fetchBytes = this.whole ? null : ranges.reduce((sum, { start, end }) => sum + end - start, 0);
    this.fetchRequests = this.whole ? 1 : ranges.length;
  }

  /** What all calls on this plan have got from the server so far. */
  get fetched() {
    return { bytes: this.#spent.bytes + this.#remote.bytes, requests: this.#spent.requests + this.#remote.requests };
  }

  /**
   * Makes the new file beside the installed one, and checks all of it. The installed file stays as it is until
   * `swap`. Null if there is nothing to do.
   * @returns {Promise<Ready | null>}
   */
  async download() {
    const { file, retryDelay, signal } = this.#settings;
    if (this.upToDate) return null;
    if (busy.has(file)) throw isBusy(file);
    busy.add(file);
    let ready = null;
    try {
      let first = true;
      ready = await attempts(retryDelay, signal, async () => {
        if (!first) await this.survey();
        first = false;
        return this.upToDate ? null : await this.#once();
      });
      return ready;
    } finally {
      if (ready === null) busy.delete(file);
    }
  }

  async #once() {
    const { file, check: look, repair } = this.#settings;
    const { partial, handle } = await this.#openPartial();
    try {
      this.#target = await about(shown(this.#remote.url), async () => {
        await (this.whole ? this.#fetchWhole(handle) : this.#assemble(handle));
        return await this.#checkAll(handle);
      });
      await this.#finish(handle);
    } catch (error) {
      // A next call continues with the parts that are right. After a whole download nobody knows them.
      if (this.whole || this.#present.size === 0) await fs.rm(partial, { force: true });
      throw error;
    } finally {
      await handle.close();
    }
    const same = this.#installed !== null && this.#installed.onefile.sameAs(this.#target);
    this.upToDate = same && !repair;
    this.#describe();
    try {
      if (!this.upToDate) await look?.(partial, this);
      await this.#sweep(partial);
    } catch (error) {
      await fs.rm(partial, { force: true });
      throw error;
    }
    if (!this.upToDate) return new Ready(this, partial, this.#settings, this.#identity);
    await fs.rm(partial, { force: true });
    return null;
  }

  /** A file of this process: the unfinished one that was found, or a new one. */
  async #openPartial() {
    const partial = await this.#names.next('partial');
    if (this.#partial !== null) {
      try {
        await fs.rename(this.#partial, partial);
        return { partial, handle: await fs.open(partial, 'r+') };
      } catch (error) {
        // Another process took it.
        if (error.code !== 'ENOENT') throw error;
        this.#present.clear();
      }
    }
    return { partial, handle: await fs.open(partial, 'wx+', 0o600) };
  }

  /** Removes what earlier calls have left. */
  async #sweep(own) {
    for (const file of await this.#names.orphans()) {
      if (file !== own) await fs.rm(file, { force: true });
    }
  }

  async #assemble(handle) {
    const { trailer, end, size } = this.#target;
    const wanted = this.#parts.filter((part) => !this.#present.has(part));
    await needSpace(this.#names.directory, wanted.reduce((sum, { length }) => sum + length, end.length));
    await handle.truncate(size);
    // First, so that even a call that wants another version finds the table.
    await writeAt(handle, end, trailer.manifestOffset);
    const missing = await this.#copy(handle, wanted);
    await this.#fetch(handle, missing);
  }

  /** Copies parts from older files. Returns those that none of them has, or not undamaged. */
  async #copy(handle, wanted) {
    const progress = this.#progress('copy', wanted.filter((part) => this.#places(part).length > 0));
    const sources = new Map();
    const missing = [];
    try {
      for (const part of wanted) {
        this.#settings.signal?.throwIfAborted();
        const bytes = await this.#search(part, sources);
        if (bytes === null) {
          missing.push(part);
          continue;
        }
        await writeAt(handle, bytes, part.offset);
        this.#present.add(part);
        progress(part.length);
      }
    } finally {
      for (const source of sources.values()) await source?.close();
    }
    return missing;
  }

  async #search(part, sources) {
    for (const { file, offset, length } of this.#places(part)) {
      if (!sources.has(file)) sources.set(file, await fs.open(file, 'r').catch(() => null));
      const source = sources.get(file);
      const bytes = await (source && readAt(source, offset, length).catch(() => null));
      if (bytes && sha256(bytes) === part.hash) return bytes;
    }
    return null;
  }

  async #fetch(handle, missing) {
    const ranges = rangesOf(missing);
    const progress = this.#progress('fetch', ranges.map(({ start, end }) => ({ length: end - start })));
    for (const { start, end, parts } of ranges) {
      const collector = new Collector(start, parts, async (part, bytes) => {
        await writeAt(handle, bytes, part.offset);
        this.#present.add(part);
      });
      await this.#remote.read(start, end, async (bytes) => {
        await collector.take(bytes);
        progress(bytes.length);
      });
    }
  }

  async #fetchWhole(handle) {
    const remote = this.#remote;
    await remote.whole(async () => {
      await handle.truncate(0);
      await needSpace(this.#names.directory, remote.total ?? 0);
      const progress = this.#progress('fetch', remote.total === null ? null : [{ length: remote.total }]);
      let at = 0;
      return async (bytes) => {
        const start = at === 0 ? bytes.subarray(0, ELF.length) : ELF;
        const isProgram = ELF.subarray(0, start.length).equals(start);
        if (!isProgram) throw noOnefile(`it is no program, and its type is ${remote.type}; check the address`);
        await writeAt(handle, bytes, at);
        at += bytes.length;
        progress(bytes.length);
      };
    });
  }

  /** Reads the complete file from the disk. */
  async #checkAll(handle) {
    const { sha256: digest, signal } = this.#settings;
    const progress = this.#progress('verify', [{ length: (await handle.stat()).size }]);
    try {
      const onefile = await check(handle, { digest, signal, onPart: ({ length }) => progress(length) });
      if (this.whole) this.#checkApplication(onefile);
      return onefile;
    } catch (error) {
      // A part has changed on this disk after it was found right.
      if (error instanceof UpdateError) error.again = !this.whole && error.code === 'ERR_ONEFOLD_DAMAGED';
      throw error;
    }
  }

  /** Gives the complete file the mode and owner of the installed one, and brings it to the disk. */
  async #finish(handle) {
    const status = this.#identity?.status;
    await handle.chmod(status === undefined ? 0o777 & ~process.umask() : Number(status.mode) & 0o777);
    if (status !== undefined) {
      // Only root may give a file to somebody else.
      await handle.chown(Number(status.uid), Number(status.gid)).catch(() => {});
    }
    await handle.sync();
  }

  /** A function that adds bytes to a phase, and tells the caller. */
  #progress(phase, parts) {
    const { onProgress } = this.#settings;
    const total = parts?.reduce((sum, { length }) => sum + length, 0) ?? null;
    let [done, told] = [0, 0];
    return (bytes) => {
      done += bytes;
      if (onProgress === undefined || (done !== total && Date.now() - told < 100)) return;
      told = Date.now();
      onProgress({ phase, done, total });
    };
  }
}

/** Cuts a stream of bytes into parts, and passes on each part whose hash is right. */
class Collector {
  constructor(start, parts, keep) {
    this.at = start;
    this.parts = [...parts];
    this.keep = keep;
    this.buffer = Buffer.allocUnsafe(Math.max(...parts.map(({ length }) => length)));
    this.begin();
  }

  begin() {
    this.hash = createHash('sha256');
    this.done = 0;
  }

  async take(bytes) {
    while (bytes.length > 0 && this.parts.length > 0) {
      const part = this.parts[0];
      const gap = Math.min(bytes.length, Math.max(0, part.offset - this.at));
      const piece = bytes.subarray(gap, gap + part.length - this.done);
      piece.copy(this.buffer, this.done);
      this.hash.update(piece);
      this.done += piece.length;
      this.at += gap + piece.length;
      bytes = bytes.subarray(gap + piece.length);
      if (this.done === part.length) await this.complete(part);
    }
  }

  async complete(part) {
    if (this.hash.digest('hex') !== part.hash) {
      const error = damaged(`the hash of its bytes ${part.offset} to ${part.offset + part.length} is wrong`);
      // Perhaps the file was replaced, and the server does not say so.
      error.again = true;
      throw error;
    }
    await this.keep(part, this.buffer.subarray(0, part.length));
    this.parts.shift();
    this.begin();
  }
}

/** Up to three results of `work`, as long as it throws what another look at the server may mend. */
async function attempts(delay, signal, work) {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await work();
    } catch (error) {
      if (!error?.again || attempt === ATTEMPTS) throw error;
      await pause(delay, signal);
    }
  }
}

async function needSpace(directory, bytes) {
  // Node.js 18.15 and newer.
  if (fs.statfs === undefined) return;
  const { bavail, bsize } = await fs.statfs(directory);
  const free = bavail * bsize;
  if (free >= bytes) return;
  throw new UpdateError('ENOSPC', `'${directory}' has ${free} bytes free, and the update needs ${bytes}; make room`);
}

// Swap and roll back

/** A complete, checked file that is not installed yet. */
class Ready {
  #settings;
  #identity;

  constructor(plan, partial, settings, identity) {
    this.plan = plan;
    /** Where the new file is. You may run it, for instance with `ONEFOLD=prewarm`. */
    this.path = partial;
    this.#settings = settings;
    this.#identity = identity;
  }

  /** Puts the new file in the place of the installed one. At each moment a complete file has that name. */
  async swap() {
    const { file, keepPrevious } = this.#settings;
    try {
      const now = await identityOf(file);
      if (now?.text !== this.#identity?.text) {
        throw new UpdateError('ERR_ONEFOLD_FILE_CHANGED', `'${file}' was replaced by somebody else; plan again`);
      }
      if (keepPrevious && now !== null) await keepAsPrevious(file);
      await fs.rename(this.path, file);
      await syncDirectory(path.dirname(file));
    } finally {
      await this.discard();
    }
  }

  /** Removes the new file. */
  async discard() {
    await fs.rm(this.path, { force: true });
    busy.delete(this.#settings.file);
  }
}

/** Names that hard links don't work there, or not for this file. */
const NO_LINK = new Set(['EPERM', 'EMLINK', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EXDEV']);

/** Gives the file a second name, FILE.previous, and does not copy it where that is possible. */
async function keepAsPrevious(file) {
  const hidden = await new Names(file).next('previous');
  try {
    try {
      await fs.link(file, hidden);
    } catch (error) {
      if (!NO_LINK.has(error.code)) throw error;
      await fs.copyFile(file, hidden, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
      await withFile(hidden, 'r', (handle) => handle.sync());
    }
    await fs.rename(hidden, `${file}.previous`);
  } finally {
    // If both are names of one file already, rename leaves both.
    await fs.rm(hidden, { force: true });
  }
}

/**
 * Puts FILE.previous, which must be whole, in the place of FILE.
 * @param {string} file
 * @returns {Promise<{version: string | null}>} what is installed now
 */
async function rollback(file) {
  const real = await realFile(file);
  const previous = `${real}.previous`;
  if ((await identityOf(previous)) === null) {
    throw new UpdateError('ERR_ONEFOLD_NO_PREVIOUS', `there is no '${previous}' to roll back to`);
  }
  const { version } = await verify(previous);
  await fs.rename(previous, real);
  // If both were names of one file, rename has left both.
  await fs.rm(previous, { force: true });
  await syncDirectory(path.dirname(real));
  return { version };
}

/**
 * Checks every byte of a onefile that a hash vouches for.
 * @param {string} file
 * @param {{sha256?: string, signal?: AbortSignal}} [options]
 */
async function verify(file, { sha256: digest, signal } = {}) {
  const onefile = await about(file, () => withFile(file, 'r', (handle) => check(handle, { digest, signal })));
  const { name, version, target, size, trailer } = onefile;
  return { name, version, target, size, treeId: trailer.manifestHash };
}

/**
 * Says what an update would do. Changes nothing.
 * @param {Options} options
 */
async function plan(options) {
  const settings = await normalized(options);
  return await attempts(settings.retryDelay, settings.signal, () => {
    const made = new Plan(settings);
    return about(shown(new URL(settings.url)), () => made.survey());
  });
}

/**
 * Updates the file, if the server has another version: plan, download, swap.
 * @param {Options} options
 */
async function update(options) {
  const made = await plan(options);
  const ready = await made.download();
  await ready?.swap();
  const { version, installedVersion, reuseBytes, resumeBytes, fetched, whole } = made;
  const updated = ready !== null;
  return { updated, version, previousVersion: installedVersion, fetched, reuseBytes, resumeBytes, whole };
}

/**
 * Removes what interrupted calls have left beside the file. The next update then begins anew.
 * @param {string} file
 */
async function clean(file) {
  const real = await realFile(file);
  if (busy.has(real)) throw isBusy(real);
  for (const orphan of await new Names(real).orphans()) await fs.rm(orphan, { force: true });
}

module.exports = { plan, update, rollback, verify, clean, UpdateError };
// For tests of the format alone.
module.exports.format = { findTrailer, parseRecord, parseFrames, decodeZstd };
