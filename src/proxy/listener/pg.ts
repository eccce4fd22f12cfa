/**
 * What a PostgreSQL client says before TLS: "Frontend/Backend Protocol", Message Flow: SSL Session Encryption.
 * Only ways that lead to TLS are taken.
 */

export type PgStep =
  | { state: 'incomplete' }
  /** Write `bytes`, drop `consumed` bytes of the input, and push what is left (be it nothing). */
  | { state: 'answer'; bytes: Buffer; consumed: number }
  /** TLS begins after `consumed` bytes. `direct`: without a request, so that ALPN must say "postgresql". */
  | { state: 'tls'; consumed: number; direct: boolean }
  /** Write `bytes` (an ErrorResponse, or nothing) and close. */
  | { state: 'refused'; bytes: Buffer; reason: string };

const sslRequest = 80877103;
const gssEncRequest = 80877104;
const cancelRequest = 80877102;
/** PostgreSQL's own limit of a startup packet. */
const maxStartup = 10_000;

const incomplete: PgStep = { state: 'incomplete' };

export class PgPrelude {
  #state: 'start' | 'gssRefused' | 'tls' = 'start';

  /** `buf[0..end)` is what came since the last `consumed`. Never throws. */
  push(buf: Uint8Array, end: number): PgStep {
    if (this.#state === 'tls') return { state: 'tls', consumed: 0, direct: false };
    if (end === 0) return incomplete;
    // PostgreSQL 17, sslnegotiation=direct. No startup packet is that long.
    if (buf[0] === 0x16 && this.#state === 'start') return { state: 'tls', consumed: 0, direct: true };
    if (buf[0] !== 0) return refused('08P01', 'not a PostgreSQL request');
    if (end < 8) return incomplete;
    const view = new DataView(buf.buffer, buf.byteOffset, 8);
    const length = view.getInt32(0);
    const code = view.getInt32(4);
    if (length < 8 || length - 4 > maxStartup) return refused('08P01', 'invalid length of startup packet');
    if (code === cancelRequest) return cancelRefused; // there is no SNI to tell which app's
    if (code === sslRequest || (code === gssEncRequest && this.#state === 'start')) {
      if (length !== 8) return refused('08P01', 'invalid length of startup packet');
      // Client and server take turns: what came before the answer was sent in the clear, perhaps by a third party who
      // wants it taken for a part of the encrypted session (CVE-2021-23214). PostgreSQL refuses it likewise.
      if (end > 8) return refused('08P01', 'received unencrypted data after encryption request');
      this.#state = code === sslRequest ? 'tls' : 'gssRefused';
      return { state: 'answer', bytes: Buffer.from(code === sslRequest ? 'S' : 'N'), consumed: 8 };
    }
    if (code >> 16 === 2 || code >> 16 === 3) return refused('28000', 'TLS is required: connect with sslmode=require');
    return refused('08P01', 'not a PostgreSQL request');
  }
}

/** "For security reasons, no direct reply is made to the cancel request message." */
const cancelRefused: PgStep = { state: 'refused', bytes: Buffer.alloc(0), reason: 'cancel request without TLS' };

/** ErrorResponse: severity (localized and not), SQLSTATE and message. */
function refused(sqlState: string, message: string): PgStep {
  const fields = Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`);
  const bytes = Buffer.alloc(5 + fields.length);
  bytes.write('E');
  bytes.writeInt32BE(4 + fields.length, 1);
  fields.copy(bytes, 5);
  return { state: 'refused', bytes, reason: message };
}
