import type { ConsumerMatch } from '@polygate/plugin-sdk';
import { mountPlugin, validConf, type MountedPlugin } from '@polygate/testing';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { hasSlapd, startSlapd, type Slapd } from '../ldap/slapd.harness.ts';
import plugin from './ldap-auth.ts';

const BASE_DN = 'ou=users,dc=example,dc=org';

const consumer = (username: string): ConsumerMatch => ({
  ...{ username, groupId: undefined, labels: undefined, customId: undefined },
  ...{ credentialId: undefined, authConf: {} },
});

const consumersByKey = {
  'ldap-auth': {
    [`cn=user01,${BASE_DN}`]: consumer('user01'),
    [`cn=comma\\,user,${BASE_DN}`]: consumer('commauser'),
  },
};

const basic = (text: string) => `Basic ${Buffer.from(text).toString('base64')}`;

describe.skipIf(!hasSlapd())('ldap-auth with a real directory', () => {
  let slapd: Slapd;
  const mounted: MountedPlugin[] = [];
  beforeAll(async () => {
    slapd = await startSlapd({
      user01: 'password1',
      'comma,user': 'a:b',
      nobody: 'password3',
    });
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
  const ask = (made: MountedPlugin, credentials: string) =>
    made.request({ headers: { authorization: basic(credentials) }, consumersByKey });

  test('lets in whose password the directory knows, as the consumer of that entry', async () => {
    const made = mount();
    const { ctx, upstreamRequest } = await ask(made, 'user01:password1');
    expect(ctx.consumer?.username).toBe('user01');
    expect(upstreamRequest?.headers.has('authorization')).toBe(true);
  });

  test('asks anew for each request, over connections that are kept', async () => {
    const made = mount({ hide_credentials: true });
    for (const [password, status] of [
      ...([['password1', 200]] as const),
      ...([['wrong', 401]] as const),
      ...([['password1', 200]] as const),
    ]) {
      const { status: got, upstreamRequest } = await ask(made, `user01:${password}`);
      expect(got).toBe(status);
      expect(upstreamRequest?.headers.has('authorization') ?? false).toBe(false);
    }
    const many = Array.from({ length: 8 }, (_, i) => ask(made, `user01:password${i}`));
    const statuses = (await Promise.all(many)).map(({ status }) => status);
    expect(statuses).toEqual([401, 200, 401, 401, 401, 401, 401, 401]);
  });

  test.each([
    ['a wrong password', 'user01:password2'],
    ['an empty password, which the directory takes for an anonymous bind', 'user01:'],
    ['an unknown user', 'ghost:password1'],
    ['a name that would be two values', 'user01,ou=users:password1'],
    ['a user without a consumer', 'nobody:password3'],
  ])('refuses %s', async (_case, credentials) => {
    const { status, text, headers } = await ask(mount({ realm: 'zone' }), credentials);
    expect(status).toBe(401);
    expect(text).toBe('{"message":"Invalid user authorization"}\n');
    expect(headers.get('www-authenticate')).toBe('Basic realm="zone"');
  });

  test('escapes a name with a comma, and takes a password with a colon', async () => {
    const { ctx } = await ask(mount(), 'comma,user:a:b');
    expect(ctx.consumer?.username).toBe('commauser');
  });

  test('speaks TLS, with a certificate that has to be good where the conf says so', async () => {
    const uri = { ldap_uri: `127.0.0.1:${slapd.tlsPort}`, use_tls: true };
    expect((await ask(mount(uri), 'user01:password1')).status).toBe(200);
    const refused = await ask(mount({ ...uri, tls_verify: true }), 'user01:password1');
    expect(refused.status).toBe(401);
    expect(refused.log.join()).toMatch(/ldap-auth failed: .*certificate/);
  });
});
