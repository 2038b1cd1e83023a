import { compileSchema } from '@polygate/model';
import { headerList, mountPlugin, validConf } from '@polygate/testing';
import { describe, expect, test } from 'vitest';
import { readCredentials } from './credential-header.ts';
import plugin from './ldap-auth-advanced.ts';

const { definition } = plugin;
/** Nobody listens there: what gets to the directory is answered 500. */
const NOWHERE = { ldap_uri: '127.0.0.1:1', base_dn: 'dc=org' };
const encoded = (text: string | Buffer) => Buffer.from(text).toString('base64');

describe('ldap-auth-advanced', () => {
  test.each([
    ['no header', {}],
    ['another scheme', { authorization: `Basic ${encoded('a:b')}` }],
    ['no base64', { authorization: 'ldap aca_a' }],
    ['no colon', { authorization: `ldap ${encoded('useronly')}` }],
    ['an empty password', { authorization: `LDAP ${encoded('user01:')}` }],
    ['an empty name', { 'proxy-authorization': `ldap ${encoded(':pass')}` }],
    ['a name that is no UTF-8', { authorization: `ldap ${encoded(Buffer.from([255, 58, 65]))}` }],
  ])('answers 401 to %s before it asks the directory', async (_case, headers) => {
    const made = mountPlugin(plugin, validConf(definition, NOWHERE));
    const { status, text, headers: answered } = await made.request({ headers });
    expect(status).toBe(401);
    expect(text).toBe('{"message":"Authorization required"}\n');
    expect(answered.get('www-authenticate')).toBe('ldap realm="ldap"');
    made.dispose();
  });

  test('asks for the scheme of the conf', async () => {
    const made = mountPlugin(plugin, validConf(definition, { ...NOWHERE, header_type: 'basic' }));
    const { headers } = await made.request({});
    expect(headers.get('www-authenticate')).toBe('Basic realm="ldap"');
    const asked = await made.request({ headers: { authorization: `basic ${encoded('a:b')}` } });
    expect(asked.status).toBe(500);
    made.dispose();
  });

  test('takes Proxy-Authorization where it can be used, and Authorization otherwise', () => {
    const credentials = (proxy: string, own: string) => {
      const list = headerList({ 'Proxy-Authorization': proxy, Authorization: own });
      const found = readCredentials(list, 'ldap');
      return typeof found === 'string' ? found : `${found.username}/${found.password.toString()}`;
    };
    const own = `ldap ${encoded('jdoe:secret')}`;
    expect(credentials(`ldap ${encoded('user01:a:b')}`, own)).toBe('user01/a:b');
    for (const unusable of ['Basic cHJveHk6eA==', 'ldap aca_a', `ldap ${encoded('user:')}`]) {
      expect(credentials(unusable, own)).toBe('jdoe/secret');
    }
  });

  test.each([
    [{ base_dn: 'dc=org' }, 'property "ldap_uri" is required'],
    [{ ldap_uri: 'a' }, 'property "base_dn" is required'],
    [{ ...NOWHERE, use_ldaps: true, use_starttls: true }, 'mutually exclusive'],
    [{ ...NOWHERE, bind_dn: 'cn=a' }, 'ldap_password is required when bind_dn is set'],
    [{ ...NOWHERE, attribute: 'c n' }, 'property "attribute" validation failed'],
    [{ ...NOWHERE, attribute: 'cn)(' }, 'property "attribute" validation failed'],
    [{ ...NOWHERE, attribute: '1' }, 'property "attribute" validation failed'],
    [{ ...NOWHERE, size_limit: 1 }, 'expected 1 to be at least 2'],
    [{ ...NOWHERE, ldap_uri: '' }, 'property "ldap_uri" validation failed'],
  ])('refuses the conf %j', (raw, message) => {
    expect(() => validConf(definition, raw)).toThrow(message);
  });

  test.each(['cn', 'sAMAccountName', '1.2.840.113556.1.4.656;binary', 'cn;lang-en'])(
    'takes the attribute %s',
    (attribute) => {
      expect(validConf(definition, { ...NOWHERE, attribute }).attribute).toBe(attribute);
    },
  );

  test('wants the name of an entry of a consumer', () => {
    const check = compileSchema(definition.consumerSchema!);
    expect(() => check({ user_dn: 'cn=a' })).not.toThrow();
    expect(() => check({})).toThrow('property "user_dn" is required');
    expect(() => check({ user_dn: '' })).toThrow('string too short');
  });
});
