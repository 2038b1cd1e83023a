import type { Tunnel } from '../request/exchange.ts';

/** Passes bytes both ways until both sides have ended, or one is cut. `onEnd` is called once. */
export function joinTunnels(client: Tunnel, node: Tunnel, onEnd: () => void): void {
  let openSides = 2;
  const ended = (): void => {
    openSides -= 1;
    if (openSides === 0) onEnd();
  };
  const cut = (): void => {
    client.destroy();
    node.destroy();
    if (openSides > 0) onEnd();
    openSides = 0;
  };
  passOn(client, node, ended, cut);
  passOn(node, client, ended, cut);
}

function passOn(from: Tunnel, to: Tunnel, ended: () => void, cut: () => void): void {
  to.onDrain(() => from.resume());
  from.stream({
    write: (chunk) => to.write(chunk),
    end() {
      to.end();
      ended();
    },
    fail: cut,
  });
}
