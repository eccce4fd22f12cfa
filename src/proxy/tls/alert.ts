/** Alerts that are sent before there is a TLS connection (RFC 8446 6, RFC 6066 3, RFC 7301 3.2). */
export const alerts = {
  unexpectedMessage: 10,
  decodeError: 50,
  unrecognizedName: 112,
  noApplicationProtocol: 120,
} as const;

/** A fatal alert in a plaintext record; its version is 0x0303 for every record but a ClientHello's (RFC 8446 5.1). */
export function alertRecord(description: number): Buffer {
  return Buffer.from([21, 3, 3, 0, 2, 2, description]);
}
