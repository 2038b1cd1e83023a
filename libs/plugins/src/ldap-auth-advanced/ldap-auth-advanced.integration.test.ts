import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasSlapd, startSlapd, type Slapd } from '../ldap/slapd.harness.ts';
import plugin from './ldap-auth-advanced.ts';

const BASE_DN = 'ou=users,dc=example,dc=org';

const jane: ConsumerMatch = {
  ...{ username: 'jane', groupId: undefined, labels: undefined, customId: undefined },
  ...{ credentialId: undefined, authConf: {} },
};
const consumersByKey = { 'ldap-auth-advanced': { [`cn=Jane Doe,${BASE_DN}`]: jane } };

describe.skipIf(!hasSlapd())('ldap-auth-advanced with a real directory', () => {
  let slapd: Slapd;
  const mounted: MountedPlugin[] = [];
  beforeAll(async () => {
    slapd = await startSlapd({ 'Jane Doe': 'jane:pass', admin: 'root', Ümit: 'ü' });
  });
  afterAll(async () => {
    for (const one of mounted) one.dispose();
    await slapd.close();
  });

  function mount(raw: object = {}): MountedPlugin {
    const conf = { base_dn: BASE_DN, ldap_uri: `127.0.0.1:${slapd.port}`, ...raw };
    const made = mountPlugin(plugin, validConf(plugin.definition, conf));
    mounted.push(made);
    return made;
  }
  const ask = (made: MountedPlugin, credentials: string | Buffer, more: object = {}) => {
    const authorization = `ldap ${Buffer.from(credentials).toString('base64')}`;
    return made.request({ headers: { authorization, ...more }, consumersByKey });
  };

  test('finds the entry by an attribute, binds as it and attaches its consumer', async () => {
    const made = mount();
    for (let i = 0; i < 3; i++) {
      const { ctx, status } = await ask(made, 'Jane Doe:jane:pass');
      expect(status).toBe(200);
      expect(ctx.consumer?.username).toBe('jane');
    }
    expect((await ask(made, 'jane doe:jane:pass')).ctx.consumer?.username).toBe('jane');
  });

  test('takes an OID for the attribute, and searches as somebody where the conf says who', async () => {
    const made = mount({
      ...{ attribute: '2.5.4.3', bind_dn: `cn=admin,${BASE_DN}`, ldap_password: 'root' },
    });
    expect((await ask(made, 'Jane Doe:jane:pass')).status).toBe(200);
    expect((await ask(made, 'Jane Doe:root')).status).toBe(401);
    expect((await ask(made, 'Jane Doe:jane:pass')).status).toBe(200);
  });

  test.each([
    ['a wrong password', 'Jane Doe:wrong', 'user authentication failed'],
    ['an unknown user', 'nobody:x', 'user not found'],
    ['a name that is a filter', '*:x', 'user not found'],
    ['a name that closes a filter', 'Jane Doe)(cn=*:jane:pass', 'user not found'],
    ['a user without a consumer', 'admin:root', 'no Consumer maps'],
  ])('answers 401 to %s', async (_case, credentials, reason) => {
    const { status, text, headers, log } = await ask(mount({ realm: 'zone' }), credentials);
    expect(status).toBe(401);
    expect(text).toBe('{"message":"Authorization required"}\n');
    expect(headers.get('www-authenticate')).toBe('ldap realm="zone"');
    expect(log.join()).toContain(reason);
  });

  test.each([
    ['two entries have the name', 'objectClass', 'person:root', '>1 entry'],
    ['more have it than are asked for', 'objectClass', 'person:root', 'size limit exceeded'],
  ])('answers 401 where %s', async (_case, attribute, credentials, why) => {
    const sizes = why === '>1 entry' ? { size_limit: 9 } : {};
    const { status, log } = await ask(mount({ attribute, ...sizes }), credentials);
    expect(status).toBe(401);
    expect(log.join()).toContain(`ambiguous user match (${why})`);
  });

  test.each([
    ['the base is not there', { base_dn: 'ou=none,dc=example,dc=org' }, 'user search failed'],
    [
      'the searcher has another password',
      { bind_dn: `cn=admin,${BASE_DN}`, ldap_password: 'x' },
      'search bind failed',
    ],
    ['there is no server', { ldap_uri: '127.0.0.1:1' }, 'LDAP connect failed'],
    ['there is no address', { ldap_uri: 'ldap://x' }, 'ldap_uri is no host'],
  ])('answers 500 where %s', async (_case, raw, reason) => {
    const { status, log } = await ask(mount(raw), 'Jane Doe:jane:pass');
    expect(status).toBe(500);
    expect(log.join()).toContain(reason);
  });

  test('lets users in without a consumer where none is required, with no name of their own', async () => {
    const spoofed = { 'X-Consumer-Username': 'root', 'x-authenticated-groups': 'all' };
    const made = mount({ consumer_required: false });
    const { status, upstreamRequest } = await ask(made, 'Ümit:ü', spoofed);
    expect(status).toBe(200);
    expect(upstreamRequest!.headers.has('x-consumer-username')).toBe(false);
    expect(upstreamRequest!.headers.has('x-authenticated-groups')).toBe(false);
  });

  test('speaks TLS from the first byte or after StartTLS, and verifies unless told not to', async () => {
    const ldaps = { use_ldaps: true, ldap_uri: `127.0.0.1:${slapd.tlsPort}` };
    for (const raw of [ldaps, { use_starttls: true }]) {
      const made = mount({ ...raw, ssl_verify: false });
      for (let i = 0; i < 2; i++) {
        expect((await ask(made, 'Jane Doe:jane:pass')).status).toBe(200);
      }
      const verifying = await ask(mount(raw), 'Jane Doe:jane:pass');
      expect(verifying.status).toBe(500);
      expect(verifying.log.join()).toMatch(/certificate/);
    }
  });

  test('keeps no connection where it is not to', async () => {
    const made = mount({ keepalive: false });
    for (let i = 0; i < 2; i++) {
      expect((await ask(made, 'Jane Doe:jane:pass')).status).toBe(200);
    }
  });
});
