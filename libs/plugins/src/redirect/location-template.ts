import type { Variables } from '@polygate/plugin-sdk';

/** Gives the location for one request. */
export type LocationTemplate = (vars: Variables) => string;

// `\$name` stays as it stands, `${name}` and `$name` are variables; a lone backslash is dropped
const PIECE = /(\\\$\w+)|\$\{(\w+)\}|\$(\w+)|(\$|[^$\\]+)/g;

interface Piece {
  readonly text: string;
  readonly isVariable: boolean;
}

/** Source: parse_uri and concat_new_uri of apisix/plugins/redirect.lua. */
export function compileLocation(template: string): LocationTemplate {
  const pieces = Array.from(template.matchAll(PIECE), toPiece);
  return (vars) => {
    let location = '';
    for (const { text, isVariable } of pieces) {
      location += isVariable ? (vars.get(text) ?? '') : text;
    }
    return location;
  };
}

function toPiece([text, , braced, plain]: RegExpMatchArray): Piece {
  const name = braced ?? plain;
  return name === undefined ? { text, isVariable: false } : { text: name, isVariable: true };
}
