import { createHash } from 'node:crypto';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';

/** RFC 6455 1.3. */
const guid = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';
const opcode = { close: 8, ping: 9, pong: 10 } as const;
const longestPayload = 1024 * 1024;

/** Accepts a WebSocket and sends each frame back as it came, fragments included. */
export function echoWebSocket(request: IncomingMessage, socket: Duplex): void {
  const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}${guid}`).digest('base64');
  socket.write(
    `HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`,
  );
  let buffer: Buffer = Buffer.alloc(0);
  socket.on('error', () => socket.destroy());
  socket.on('end', () => socket.end());
  socket.on('data', (data: Buffer) => {
    buffer = Buffer.concat([buffer, data]);
    for (let frame = readFrame(buffer); frame !== null; frame = readFrame(buffer)) {
      if (frame === 'too long') return void socket.destroy();
      buffer = buffer.subarray(frame.size);
      const code = frame.first & 0x0f;
      if (code === opcode.pong) continue;
      const first = code === opcode.ping ? 0x80 | opcode.pong : frame.first;
      if (!socket.write(writeFrame(first, frame.payload))) {
        socket.pause();
        socket.once('drain', () => socket.resume());
      }
      if (code === opcode.close) return void socket.end();
    }
  });
}

interface Frame {
  /** FIN, reserved bits and opcode. */
  first: number;
  payload: Buffer;
  /** The bytes of the whole frame. */
  size: number;
}

/** The first frame of a client, unmasked, or null when it is not complete (RFC 6455 5.2). */
function readFrame(buffer: Buffer): Frame | 'too long' | null {
  if (buffer.length < 6) return null;
  let length = buffer[1]! & 0x7f;
  let at = 2;
  if (length === 126) {
    length = buffer.readUInt16BE(2);
    at = 4;
  } else if (length === 127) {
    if (buffer.length < 14) return null;
    length = Number(buffer.readBigUInt64BE(2));
    at = 10;
  }
  if (length > longestPayload) return 'too long';
  const size = at + 4 + length;
  if (buffer.length < size) return null;
  const payload = Buffer.from(buffer.subarray(at + 4, size));
  for (let i = 0; i < length; i++) payload[i]! ^= buffer[at + (i & 3)]!;
  return { first: buffer[0]!, payload, size };
}

function writeFrame(first: number, payload: Buffer): Buffer {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = first;
  if (length < 126) head[1] = length;
  else if (length < 65_536) {
    head[1] = 126;
    head.writeUInt16BE(length, 2);
  } else {
    head[1] = 127;
    head.writeBigUInt64BE(BigInt(length), 2);
  }
  return Buffer.concat([head, payload]);
}
