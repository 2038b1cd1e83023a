import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterEach, describe, expect, test } from 'vitest';
import { BER, berElement, berInteger, berString, readBerElement } from '../ldap/ber.ts';
import { readBerElements, readBerInteger } from '../ldap/ber.ts';
import plugin from './ldap-auth.ts';

const jack: ConsumerMatch = {
  ...{ username: 'jack', groupId: undefined, labels: undefined, customId: undefined },
  ...{ credentialId: undefined, authConf: {} },
};
const consumersByKey = { 'ldap-auth': { 'cn=jack,dc=org': jack } };
const basic = (text: string) => `Basic ${Buffer.from(text, 'latin1').toString('base64')}`;

let cleanUp: (() => void)[] = [];
afterEach(() => {
  for (const undo of cleanUp) undo();
  cleanUp = [];
});

function mount(ldapUri: string): MountedPlugin {
  const raw = { base_dn: 'dc=org', ldap_uri: ldapUri };
  const made = mountPlugin(plugin, validConf(plugin.definition, raw));
  cleanUp.push(() => made.dispose());
  return made;
}

const ask = (made: MountedPlugin, headers: Record<string, string>) =>
  made.request({ headers, consumersByKey });

interface Bind {
  readonly id: number;
  readonly dn: string;
  readonly password: string;
  readonly socket: Socket;
  /** Of its connection: 1 is the first. */
  readonly turn: number;
}

/** The other end of the protocol, to say what no directory says. */
async function directory(answer: (bind: Bind) => void): Promise<{ uri: string; server: Server }> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    let turn = 0;
    socket.on('error', () => undefined);
    socket.on('data', (bytes: Buffer) => {
      const message = readBerElement(bytes, 0, 4096)!;
      const [id, operation] = readBerElements(message.contents);
      const [version, dn, password] = readBerElements(operation!.contents);
      expect(readBerInteger(version!)).toBe(3);
      turn++;
      const texts = { dn: dn!.contents.toString(), password: password!.contents.toString() };
      answer({ id: readBerInteger(id!), ...texts, socket, turn });
    });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  cleanUp.push(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return { uri: `127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

const result = (id: number, code: number, tag = 0x61) => {
  const fields = [berElement(BER.enumerated, Buffer.from([code])), berString(''), berString('why')];
  return berElement(BER.sequence, berInteger(id), berElement(tag, ...fields));
};

describe('ldap-auth', () => {
  test.each([
    [undefined, 'Missing authorization in request'],
    ['Bad_header Zm9vOmZvbwo=', 'Invalid authorization in request'],
    ['Basic aca_a', 'Invalid authorization in request'],
    ['Basic Zm9v', 'Invalid authorization in request'],
  ])('answers 401 to the header %s without asking anybody', async (authorization, message) => {
    const { uri } = await directory(() => expect.unreachable());
    const headers = authorization === undefined ? {} : { authorization };
    const { status, text, headers: answered } = await ask(mount(uri), headers);
    expect(status).toBe(401);
    expect(text).toBe(`{"message":"${message}"}\n`);
    expect(answered.get('www-authenticate')).toBe('Basic realm="ldap"');
  });

  test('binds as the entry of the user below the base', async () => {
    const binds: string[] = [];
    const { uri } = await directory(({ id, dn, password, socket }) => {
      binds.push(`${dn} ${password}`);
      socket.write(result(id, 0));
    });
    const { ctx } = await ask(mount(uri), { authorization: basic('jack:se:cret') });
    expect(ctx.consumer?.username).toBe('jack');
    expect(binds).toEqual(['cn=jack,dc=org se:cret']);
  });

  test('tries another connection where a kept one was closed', async () => {
    const { uri } = await directory(({ id, socket, turn }) => {
      if (turn === 1) socket.write(result(id, 0));
      else socket.destroy();
    });
    const made = mount(uri);
    for (let i = 0; i < 3; i++) {
      expect((await ask(made, { authorization: basic('jack:a') })).status).toBe(200);
    }
  });

  test.each<[string, (bind: Bind) => Buffer | undefined]>([
    ['refuses', ({ id }) => result(id, 49)],
    ['is busy', ({ id }) => result(id, 51)],
    ['closes the connection', () => undefined],
    ['answers another message', ({ id }) => result(id + 1, 0)],
    ['answers another operation', ({ id }) => result(id, 0, 0x65)],
    ['answers twice', ({ id }) => Buffer.concat([result(id, 0), result(id, 0)])],
    ['says no code', ({ id }) => berElement(0x30, berInteger(id), berElement(0x61))],
    ['speaks another protocol', () => Buffer.from('HTTP/1.1 200 OK\r\n\r\n')],
    ['announces too much', () => Buffer.from([0x30, 0x84, 0x7f, 0xff, 0xff, 0xff])],
    ['announces no end', () => Buffer.from([0x30, 0x80, 0, 0])],
  ])('lets nobody in where the directory %s', async (_case, answer) => {
    const { uri } = await directory((bind) => {
      const bytes = answer(bind);
      if (bytes === undefined) bind.socket.destroy();
      else bind.socket.write(bytes);
    });
    const { status, text } = await ask(mount(uri), { authorization: basic('jack:a') });
    expect(status).toBe(401);
    expect(text).toBe('{"message":"Invalid user authorization"}\n');
  });

  test('reads an answer that comes byte by byte', async () => {
    const { uri } = await directory(({ id, socket }) => {
      void (async () => {
        for (const byte of result(id, 0)) {
          socket.write(Buffer.from([byte]));
          await new Promise(setImmediate);
        }
      })();
    });
    expect((await ask(mount(uri), { authorization: basic('jack:a') })).status).toBe(200);
  });

  test('lets nobody in where there is no directory, no server name and no UTF-8', async () => {
    const { uri, server } = await directory(() => expect.unreachable());
    const noText = await ask(mount(uri), { authorization: basic('j\xffck:a') });
    expect(noText.status).toBe(401);
    server.close();
    expect((await ask(mount(uri), { authorization: basic('jack:a') })).status).toBe(401);
    const unusable = await ask(mount(`ldap://${uri}`), { authorization: basic('jack:a') });
    expect(unusable.log.join()).toContain('ldap_uri is no host');
  });
});
