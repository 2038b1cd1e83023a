/** What a project is made from. */
export interface ProjectNaming {
  /** Lower-case words with hyphens between them; also what a route's conf calls the plugin. */
  readonly name: string;
  /** Adds the plugin `polygate-check`, for `tools/runner-check`. */
  readonly hasCheckPlugin: boolean;
}

export interface Project {
  /** Path within the project → text. */
  readonly files: Readonly<Record<string, string>>;
  /** Shell lines that build it, run in its folder. */
  readonly build: readonly string[];
  /** What a gateway starts, with `{dir}` for the project's folder. */
  readonly command: readonly string[];
}

/** `my-plugin` → `MyPlugin`. */
export function pascalCase(name: string): string {
  return name
    .split('-')
    .map((word) => word.slice(0, 1).toUpperCase() + word.slice(1))
    .join('');
}

/** `my-plugin` → `my_plugin`. */
export function snakeCase(name: string): string {
  return name.replaceAll('-', '_');
}
