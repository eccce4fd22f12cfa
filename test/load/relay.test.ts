import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import { Relay } from '../../load/relay.ts';

async function behind(serve: (socket: Socket) => void) {
  const server = createServer({ allowHalfOpen: true }, (socket) => {
    socket.on('error', () => {});
    serve(socket);
  });
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const relay = await Relay.open((server.address() as AddressInfo).port);
  return {
    relay,
    client: connect({ port: relay.port, host: '127.0.0.1', allowHalfOpen: true }),
    [Symbol.asyncDispose]: async () => {
      await relay.close();
      server.close();
    },
  };
}

test('half-close passes on, and each byte is counted once', async () => {
  await using run = await behind((socket) => {
    let received = 0;
    socket.on('data', (chunk) => {
      received += chunk.length;
    });
    socket.on('end', () => socket.end('x'.repeat(received * 2)));
  });
  run.client.end('y'.repeat(300_000));
  let received = 0;
  run.client.on('data', (chunk) => {
    received += chunk.length;
  });
  await once(run.client, 'end');
  await expect.poll(() => run.relay.closed).toBe(1);
  expect(received).toBe(600_000);
  expect(run.relay).toMatchObject({ opened: 1, sent: 300_000, received: 600_000, resets: 0 });
});

test('what the server still sends to a client that has ended and gone is counted', async () => {
  await using run = await behind((socket) => {
    socket.resume();
    socket.on('end', () => {
      socket.write('first');
      run.client.on('close', () => socket.end('last'));
    });
  });
  run.client.on('data', () => run.client.destroy());
  run.client.end('hello');
  await expect.poll(() => run.relay.closed).toBe(1);
  expect(run.relay).toMatchObject({ sent: 5, received: 9, resets: 0 });
});

test("a client's reset reaches the server as a reset", async () => {
  let seen: string | undefined;
  await using run = await behind((socket) => {
    socket.resume();
    socket.on('error', (error: NodeJS.ErrnoException) => {
      seen = error.code;
    });
    socket.write('hello');
  });
  await once(run.client, 'data');
  run.client.resetAndDestroy();
  await expect.poll(() => seen).toBe('ECONNRESET');
  await expect.poll(() => run.relay.closed).toBe(1);
  expect(run.relay.resets).toBe(1);
});

test("the server's reset reaches the client as a reset", async () => {
  await using run = await behind((socket) => socket.once('data', () => socket.resetAndDestroy()));
  run.client.write('hello');
  const [error] = await once(run.client, 'error').catch((error) => [error]);
  expect(error.code).toBe('ECONNRESET');
  await expect.poll(() => run.relay.closed).toBe(1);
  expect(run.relay.resets).toBe(1);
});
