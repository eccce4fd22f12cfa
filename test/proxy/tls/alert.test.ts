import { once } from 'node:events';
import { createServer } from 'node:net';
import { connect } from 'node:tls';
import { describe, expect, test } from 'vitest';
import { alertRecord, alerts } from '../../../src/proxy/tls/alert.ts';

describe('alertRecord', () => {
  test.each([
    [alerts.unrecognizedName, 'ERR_SSL_TLSV1_UNRECOGNIZED_NAME'],
    [alerts.unexpectedMessage, 'ERR_SSL_SSL/TLS_ALERT_UNEXPECTED_MESSAGE'],
    [alerts.decodeError, 'ERR_SSL_TLSV1_ALERT_DECODE_ERROR'],
    [alerts.noApplicationProtocol, 'ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL'],
  ])('is understood by OpenSSL: %i', async (description, code) => {
    const server = createServer((socket) => socket.once('data', () => socket.end(alertRecord(description))));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    const { port } = server.address() as { port: number };
    const client = connect({ port, host: '127.0.0.1', rejectUnauthorized: false });
    const [error] = await once(client, 'error').catch((thrown) => [thrown]);
    expect(error.code).toBe(code);
    client.destroy();
    server.close();
  });
});
