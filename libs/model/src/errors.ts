/** Configuration that breaks a rule. The message names the field and the rule, in APISIX's words. */
export class ConfigError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'ConfigError';
  }
}
