/** A configuration file that cannot be used. Names every problem at once, each by its path. */
export class ConfigFileError extends Error {
  readonly file: string;
  /** As `deployment.etcd.host: expected a list of URLs, got number`. */
  readonly problems: readonly string[];

  constructor(file: string, problems: readonly string[], options?: ErrorOptions) {
    super(`${file}: ${problems.join('; ')}`, options);
    this.name = 'ConfigFileError';
    this.file = file;
    this.problems = problems;
  }
}
