/** A DNS server for IPv4 and IPv6 addresses, over UDP on loopback (RFC 1035). */

import { createSocket, type RemoteInfo, type Socket } from 'node:dgram';
import { once } from 'node:events';
import { isIPv4 } from 'node:net';
import { ipBytes } from '../../src/base/ip.ts';

export interface Zone {
  /** IPv4 and IPv6 alike. */
  addresses?: string[];
  /** The addresses are that name's. */
  cname?: string;
  ttl?: number;
  /** `hole`: no answer; of `4` or `6` alone. */
  fault?: 'servfail' | 'hole' | 'hole 4' | 'hole 6';
}

const types: Record<number, string> = { 1: 'A', 28: 'AAAA' };

export class DnsServer {
  /** By name; what is not here does not exist. */
  readonly zones: Map<string, Zone>;
  /** `NAME TYPE`, in the order of asking. */
  readonly questions: string[] = [];
  readonly #socket: Socket;

  private constructor(socket: Socket, zones: Record<string, Zone>) {
    this.#socket = socket;
    this.zones = new Map(Object.entries(zones));
    socket.on('message', (question, from) => this.#answer(question, from));
  }

  static async start(zones: Record<string, Zone> = {}): Promise<DnsServer> {
    const socket = createSocket('udp4');
    const listening = once(socket, 'listening');
    socket.bind(0, '127.0.0.1');
    await listening;
    return new DnsServer(socket, zones);
  }

  /** `127.0.0.1:PORT`. */
  get address(): string {
    return `127.0.0.1:${this.#socket.address().port}`;
  }

  async stop(): Promise<void> {
    const closed = once(this.#socket, 'close');
    this.#socket.close();
    await closed;
  }

  #answer(question: Buffer, from: RemoteInfo): void {
    const labels: string[] = [];
    let at = 12;
    for (let length = question[at]!; length > 0; length = question[at]!) {
      labels.push(question.toString('latin1', at + 1, at + 1 + length));
      at += 1 + length;
    }
    const name = labels.join('.').toLowerCase();
    const type = question.readUInt16BE(at + 1);
    this.questions.push(`${name} ${types[type] ?? type}`);
    const zone = this.zones.get(name);
    const fault = zone?.fault;
    if (fault === 'hole' || fault === (type === 1 ? 'hole 4' : 'hole 6')) return;
    const end = at + 5;
    const target = zone?.cname === undefined ? zone : this.zones.get(zone.cname);
    const addresses = (target?.addresses ?? []).filter((address) => isIPv4(address) === (type === 1));
    const ttl = target?.ttl ?? 60;
    const records: Buffer[] = [];
    let owner = Buffer.from([0xc0, 12]);
    if (zone?.cname !== undefined) {
      owner = encoded(zone.cname);
      records.push(record(Buffer.from([0xc0, 12]), 5, zone.ttl ?? ttl, owner));
    }
    if (fault !== 'servfail') for (const each of addresses) records.push(record(owner, type, ttl, ipBytes(each)!));
    const head = Buffer.from(question.subarray(0, end));
    // RFC 1035 4.1.1: an answer, recursion available, and the code.
    head.writeUInt16BE(0x8180 | (fault === 'servfail' ? 2 : zone === undefined ? 3 : 0), 2);
    head.writeUInt16BE(records.length, 6);
    head.writeUInt32BE(0, 8);
    this.#socket.send(Buffer.concat([head, ...records]), from.port, from.address);
  }
}

const encoded = (name: string): Buffer<ArrayBuffer> =>
  Buffer.concat([
    ...name.split('.').map((label) => Buffer.concat([Buffer.from([label.length]), Buffer.from(label)])),
    Buffer.from([0]),
  ]);

function record(owner: Buffer, type: number, ttl: number, data: Buffer): Buffer {
  const fixed = Buffer.alloc(10);
  fixed.writeUInt16BE(type, 0);
  fixed.writeUInt16BE(1, 2);
  fixed.writeUInt32BE(ttl, 4);
  fixed.writeUInt16BE(data.length, 8);
  return Buffer.concat([owner, fixed, data]);
}
