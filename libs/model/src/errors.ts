/** Configuration that breaks a rule. The message names the field and the rule, in APISIX's words. */
export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConfigError';
  }
}

/** A text too long to be matched against a pattern in bounded time. Not a fault of the pattern. */
export class PatternSubjectError extends Error {
  constructor(source: string, subjectChars: number, subjectCharsMax: number) {
    const pattern = source.length > 100 ? `${source.slice(0, 100)}…` : source;
    super(`subject of ${subjectChars} characters exceeds ${subjectCharsMax} for "${pattern}"`);
    this.name = 'PatternSubjectError';
  }
}
