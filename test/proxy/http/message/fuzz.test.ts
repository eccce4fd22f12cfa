import { expect, test } from 'vitest';
import { Framing } from '../../../../src/proxy/http/message/framing.ts';
import type { RequestHead } from '../../../../src/proxy/http/message/request-head.ts';
import type { ResponseHead } from '../../../../src/proxy/http/message/response-head.ts';
import { mutate, request, response } from './generate.ts';
import { knownMethods, Llhttp, type Reading } from './llhttp.ts';
import { Random } from './random.ts';
import { type Kind, type OurReading, Reader } from './reader.ts';

/**
 * We and Node's own parser read the same inputs. What both accept, both must frame alike; what only we accept must have
 * a reason that is listed here; what only Node accepts is counted by the rule of ours that it breaks.
 */

const count = Number(process.env.FUZZ_COUNT ?? 300_000);
const seed = Number(process.env.FUZZ_SEED ?? 20_261_122);

const reader = new Reader();
const llhttp = new Llhttp();

/** At the end of a message. */
const framingTrailer = /\r\n(?:content-length|transfer-encoding):[^\n]*\n(?:[^\r\n]+\r\n)*\r\n$/i;

/** Why Node refuses what we accept; undefined when there is no reason, which fails the test. */
function whyOnlyWe(kind: Kind, error: string): string | undefined {
  // PRI and the methods of RTSP get as far as the version; after PRI it may wait for more of HTTP/2's preface.
  const ofMethod = ['', 'HPE_INVALID_METHOD', 'HPE_INVALID_VERSION', 'HPE_INVALID_CONSTANT'].includes(error);
  if (kind === 'request' && ofMethod && !knownMethods.has(reader.request.method)) {
    return 'a method that Node does not know (RFC 9110 9.1: any token)';
  }
  const ofLength = ['HPE_UNEXPECTED_CONTENT_LENGTH', 'HPE_INVALID_CONTENT_LENGTH'].includes(error);
  if (kind === 'response' && ofLength && reader.response.respelled) {
    return 'a length that a recipient may read (RFC 9110 8.6), and that goes on written anew';
  }
  return undefined;
}

/** Where Node's keep-alive or upgrade is known to be another than RFC 9112 says; undefined when nothing is known. */
function knownDifference(kind: Kind, method: string, our: OurReading, node: Reading): string | undefined {
  const head = reader.head(kind);
  if (head.minor === 0 && !head.keepAlive && node.keepAlive && /\bclose\b/i.test(connection(head))) {
    return 'close next to keep-alive in 1.0 (RFC 9112 9.3: close wins)';
  }
  if (method === 'HEAD' && head.keepAlive && !node.keepAlive && our.framing === Framing.none) {
    return 'the answer to HEAD without a length: Node says keep-alive before it knows of HEAD';
  }
  if (head.minor === 0 && node.upgrade && !head.upgrade) return 'Upgrade in 1.0 (RFC 9110 7.8: ignored)';
  return undefined;
}

function fields(head: RequestHead | ResponseHead): string[] {
  const list: string[] = [];
  for (let i = 0; i < 4 * head.count; i += 2) list.push(head.text.slice(head.bounds[i], head.bounds[i + 1]));
  return list;
}

function connection(head: RequestHead | ResponseHead): string {
  const list = fields(head);
  return list.filter((_, i) => i % 2 === 1 && list[i - 1].toLowerCase() === 'connection').join();
}

/** All that two readers must agree on, as one text; keep-alive and upgrade apart. */
function ours(kind: Kind, reading: OurReading): string {
  const { request, response } = reader;
  const head = reader.head(kind);
  const line =
    kind === 'request'
      ? [request.method, request.target]
      : [response.status, response.text.slice(response.reasonStart, response.reasonEnd)];
  return JSON.stringify([line, head.minor, fields(head), reading.bodyBytes]);
}

function theirs(kind: Kind, reading: Reading): string {
  const line = kind === 'request' ? [reading.method, reading.target] : [reading.status, reading.reason];
  return JSON.stringify([line, reading.minor, reading.fields, reading.bodyBytes]);
}

function sameFlags(kind: Kind, node: Reading): boolean {
  const head = reader.head(kind);
  // Node's flag also says that CONNECT makes a tunnel, and that only 101 does in a response.
  const tunnel =
    kind === 'request'
      ? head.upgrade || reader.request.method === 'CONNECT'
      : head.upgrade && reader.response.status === 101;
  return head.keepAlive === node.keepAlive && tunnel === node.upgrade;
}

/** Node must not be done before the byte at which we are, and must be done with it. */
function readByNode(kind: Kind, input: Buffer, method: string, our: OurReading): Reading {
  llhttp.reset(kind, method === 'HEAD');
  if (our.verdict !== 'accepted') {
    llhttp.execute(input);
    return llhttp.reading;
  }
  const last = our.framing === Framing.untilClose ? our.end : our.end - 1;
  llhttp.execute(input.subarray(0, last));
  if (llhttp.reading.complete > 0) llhttp.reading.complete = -1;
  if (our.framing === Framing.untilClose) llhttp.finish();
  else llhttp.execute(input.subarray(last, our.end));
  return llhttp.reading;
}

test(`RFC 9112: ${count} inputs are framed as Node frames them (FUZZ_SEED=${seed})`, { timeout: 600_000 }, () => {
  const table = new Map<string, number>();
  const tally = (name: string) => table.set(name, (table.get(name) ?? 0) + 1);

  for (let i = 0; i < count; i++) {
    const random = new Random(seed + i);
    const kind: Kind = random.chance(65) ? 'request' : 'response';
    let text = kind === 'request' ? request(random) : response(random);
    if (random.chance(35)) text = mutate(random, text);
    if (random.chance(20)) text += 'GET /next HTTP/1.1\r\nHost: next\r\n\r\n';
    const input = Buffer.from(text, 'latin1');
    const method = kind === 'response' && random.chance(10) ? 'HEAD' : 'GET';
    const fail = (what: string, more = ''): never =>
      expect.fail(`${what}: FUZZ_SEED=${seed + i} FUZZ_COUNT=1 ${kind} (${method}) ${JSON.stringify(text)}${more}`);

    const inPieces = reader.split(kind, input, method, random);
    const partsInPieces = inPieces.verdict === 'accepted' ? ours(kind, inPieces) : '';
    const our = reader.whole(kind, input, method);
    const parts = our.verdict === 'accepted' ? ours(kind, our) : '';
    if (JSON.stringify(inPieces) !== JSON.stringify(our) || partsInPieces !== parts) {
      fail('how the input is split matters', `\n${JSON.stringify(inPieces)} ${partsInPieces}`);
    }

    if (our.verdict === 'accepted' && our.framing === Framing.chunked && framingTrailer.test(text.slice(0, our.end))) {
      tally('not compared: a trailer that frames (RFC 9110 6.5.1) goes no further; Node would read it');
      continue;
    }
    const node = readByNode(kind, input, method, our);
    if (our.verdict === 'accepted' && node.error === '' && node.heads > 0) {
      tally('both');
      if (node.complete === 1 && parts === theirs(kind, node)) {
        if (sameFlags(kind, node)) continue;
        const difference = knownDifference(kind, method, our, node) ?? fail('other flags', ` ${JSON.stringify(node)}`);
        tally(`both, but: ${difference}`);
      } else if (kind === 'request' && reader.request.method === 'CONNECT') {
        tally('both, but: CONNECT with a body is a tunnel to Node (405 here)');
      } else fail('framed otherwise', `\nours ${parts}\nNode ${theirs(kind, node)} ${node.complete}`);
    } else if (our.verdict === 'accepted') {
      tally(`only we: ${whyOnlyWe(kind, node.error) ?? fail(`only we accept (${node.error})`)}`);
    } else if (node.complete > 0) {
      if (our.verdict === 'incomplete') fail('we wait for more than Node');
      tally(`only Node: ${our.fault}`);
    } else {
      tally(our.verdict === 'refused' ? `neither: ${our.fault}` : 'neither: incomplete');
    }
  }

  const rows = [...table].sort(([, a], [, b]) => b - a).map(([name, times]) => `${`${times}`.padStart(8)}  ${name}`);
  console.log(`${count} inputs, FUZZ_SEED=${seed}\n${rows.join('\n')}`);
  // A run that compares next to nothing says nothing.
  if (count >= 1000) expect(table.get('both')! / count).toBeGreaterThan(0.25);
});
