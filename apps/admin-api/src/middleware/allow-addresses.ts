import { BlockList, isIP, isIPv6 } from 'node:net';
import { refusal } from '../answer.ts';
import { type AdminContext, type Next, respond } from './admin-state.ts';

/**
 * Lets only peers of these addresses or CIDR blocks through, by the address of the connection: no
 * header can change it. Throws an Error for what is no block, because a rule that is passed over
 * would be a door left open or shut for everyone.
 */
export function allowAddresses(blocks: readonly string[]) {
  const allowed = new BlockList();
  for (const block of blocks) addBlock(allowed, block);

  return async (ctx: AdminContext, next: Next): Promise<void> => {
    const address = withoutMapping(ctx.req.socket.remoteAddress ?? '');
    const isAllowed = isIP(address) !== 0 && allowed.check(address, familyOf(address));
    if (isAllowed) await next();
    else respond(ctx, refusal(403, 'the address is not allowed'));
  };
}

function addBlock(list: BlockList, block: string): void {
  const [address = '', prefix, ...rest] = block.split('/');
  const bits = isIPv6(address) ? 128 : 32;
  const length = prefix === undefined ? bits : Number(prefix);
  const isValid = isIP(address) !== 0 && prefix !== '' && rest.length === 0;
  if (!isValid || !Number.isInteger(length) || length < 0 || length > bits) {
    throw new Error(`allow_admin: ${block} is neither an address nor a CIDR block`);
  }
  list.addSubnet(address, length, familyOf(address));
}

/** A socket that listens on `::` shows IPv4 peers as `::ffff:127.0.0.1`. */
function withoutMapping(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address;
}

function familyOf(address: string): 'ipv4' | 'ipv6' {
  return isIPv6(address) ? 'ipv6' : 'ipv4';
}
