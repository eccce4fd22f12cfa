export type AlpnChoice =
  /** The handshake goes on without ALPN. */
  | { state: 'none' }
  | { state: 'chosen'; protocol: string }
  /** End it with `no_application_protocol` (120). */
  | { state: 'refused' };

const none: AlpnChoice = { state: 'none' };
const refused: AlpnChoice = { state: 'refused' };

/**
 * The server's choice: of what the port offers, the first that the client knows. No common one ends the handshake, as
 * RFC 7301 3.2 says ("SHALL") and nginx does, so that no TLS connection meant for another protocol is answered by this
 * one (ALPACA); HAProxy goes on without ALPN. A client or a port without a list goes on without ALPN everywhere.
 *
 * @param offered the port's protocols, by preference; empty for bytes that nothing is known of
 */
export function alpnFor(offered: readonly string[], client: readonly string[]): AlpnChoice {
  if (offered.length === 0 || client.length === 0) return none;
  for (const protocol of offered) if (client.includes(protocol)) return { state: 'chosen', protocol };
  return refused;
}
