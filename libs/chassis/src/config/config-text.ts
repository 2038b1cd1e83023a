import { parseDocument, type YAMLParseError } from 'yaml';
import { ConfigFileError } from './config-file-error.ts';
import { substituteVariables } from './environment-variables.ts';
import { isMapping, type Findings } from './keys/key-rules.ts';

export interface ParsedConfig {
  readonly document: Readonly<Record<string, unknown>>;
  readonly findings: Findings;
}

/**
 * YAML 1.2 with merge keys; `only` names the top-level keys to look at. Throws a ConfigFileError
 * for text that is no YAML; what is wrong with variables is in `findings.problems`.
 */
export function parseConfigText(
  text: string,
  file: string,
  env: Readonly<Record<string, string | undefined>>,
  only?: readonly string[],
): ParsedConfig {
  const yaml = parseDocument(text, { merge: true, logLevel: 'error' });
  if (yaml.errors.length > 0) {
    const problems = yaml.errors.map(describeYamlError);
    throw new ConfigFileError(file, problems);
  }
  const root = toPlain(yaml, file) ?? {};
  if (!isMapping(root)) throw new ConfigFileError(file, ['the file: expected a mapping of keys']);
  const chosen = only
    ? Object.fromEntries(Object.entries(root).filter(([key]) => only.includes(key)))
    : root;
  const { value, texts, problems } = substituteVariables(chosen, env);
  const document = value as Readonly<Record<string, unknown>>;
  return {
    document,
    findings: { problems: [...problems], withoutEffect: [], unknownKeys: [], texts },
  };
}

/** Without what stands behind a colon or on further lines: an excerpt, which may hold a secret. */
function describeYamlError({ code, message, linePos }: YAMLParseError): string {
  const many = code === 'MULTIPLE_DOCS' ? 'More than one document' : undefined;
  const rule = many ?? message.replace(/( at line \d+|:|\n)[^]*/, '');
  const place = linePos && ` at line ${linePos[0].line}, column ${linePos[0].col}`;
  return `${rule}${place ?? ''}`;
}

function toPlain(yaml: ReturnType<typeof parseDocument>, file: string): unknown {
  try {
    return yaml.toJS();
  } catch (cause) {
    // Aliases that do not exist, or that multiply without end.
    throw new ConfigFileError(file, [(cause as Error).message.replace(/:[^]*/, '')]);
  }
}
