import { newQuickJSWASMModuleFromVariant } from 'quickjs-emscripten-core';
import type {
  QuickJSContext,
  QuickJSHandle,
  QuickJSRuntime,
  QuickJSWASMModule,
} from 'quickjs-emscripten-core';
import { valueText } from './value-text.ts';

/** What functions can call; arguments and answer are JSON texts. */
export type Host = (operation: string, args: string) => string | undefined;

/** What a function came to. */
export interface ScriptResult {
  /** JSON; undefined: nothing. */
  readonly value: string | undefined;
  readonly error: string | undefined;
}

/** Of all functions of one conf. */
const MEMORY_BYTES_MAX = 16 * 1024 * 1024;
const STACK_BYTES_MAX = 256 * 1024;
/** Of one call. Nothing else of the thread runs meanwhile. */
const RUN_MS_MAX = 100;
const JOBS_MAX = 10_000;

let engine: QuickJSWASMModule | undefined;
let loading: Promise<void> | undefined;

/** An engine of its own, in WebAssembly: nothing of Node is within its reach. Loaded when first wanted. */
export function loadSandbox(): Promise<void> | undefined {
  if (engine !== undefined) return undefined;
  loading ??= newQuickJSWASMModuleFromVariant(import('@jitl/quickjs-wasmfile-release-sync')).then(
    (loaded) => {
      engine = loaded;
    },
  );
  return loading;
}

/**
 * Runs functions in an engine apart. They keep what they keep between calls; a call that takes too long
 * is stopped, and one that takes too much memory takes its engine with it: the next one gets another.
 */
export class Sandbox {
  readonly #sources: readonly string[];
  readonly #prelude: string;
  #runtime: QuickJSRuntime | undefined;
  #context: QuickJSContext | undefined;
  #functions: QuickJSHandle[] = [];
  #make: QuickJSHandle | undefined;
  #host: Host = () => undefined;
  #deadlineMs = 0;

  /**
   * `prelude`: an expression whose value is a function; it gets the host and makes the arguments of
   * the functions, a list.
   */
  constructor(sources: readonly string[], prelude: string) {
    this.#sources = sources;
    this.#prelude = prelude;
  }

  get count(): number {
    return this.#sources.length;
  }

  /** `input`: JSON, for the prelude. Never throws. */
  call(index: number, input: string, host: Host): ScriptResult {
    this.#deadlineMs = performance.now() + RUN_MS_MAX;
    this.#host = host;
    try {
      const context = (this.#context ??= this.#open());
      return this.#run(context, index, input);
    } catch (error) {
      this.close();
      return failure(error);
    } finally {
      this.#host = () => undefined;
    }
  }

  close(): void {
    const handles = [...this.#functions, this.#make];
    const [context, runtime] = [this.#context, this.#runtime];
    this.#functions = [];
    this.#make = undefined;
    this.#context = undefined;
    this.#runtime = undefined;
    try {
      for (const handle of handles) handle?.dispose();
      context?.dispose();
      runtime?.dispose();
    } catch {
      // an engine that broke in the middle cannot be taken down in good order: its memory is reused
    }
  }

  #open(): QuickJSContext {
    if (engine === undefined) throw new Error('the sandbox is not loaded');
    const runtime = engine.newRuntime();
    this.#runtime = runtime;
    runtime.setMemoryLimit(MEMORY_BYTES_MAX);
    runtime.setMaxStackSize(STACK_BYTES_MAX);
    runtime.setInterruptHandler(() => performance.now() > this.#deadlineMs);
    const context = runtime.newContext();
    this.#context = context;
    const host = context.newFunction('host', (operation, args) => {
      const answer = this.#host(context.getString(operation), context.getString(args));
      return answer === undefined ? context.undefined : context.newString(answer);
    });
    const prelude = this.#evaluate(context, this.#prelude);
    this.#make = context.unwrapResult(context.callFunction(prelude, context.undefined, host));
    prelude.dispose();
    host.dispose();
    this.#functions = this.#sources.map((source) => {
      const handle = this.#evaluate(context, `(${source}\n)`);
      if (context.typeof(handle) === 'function') return handle;
      handle.dispose();
      throw new Error('only accept JavaScript function');
    });
    return context;
  }

  #evaluate(context: QuickJSContext, source: string): QuickJSHandle {
    return context.unwrapResult(context.evalCode(source, 'function.js', { strict: true }));
  }

  #run(context: QuickJSContext, index: number, input: string): ScriptResult {
    const run = this.#functions[index];
    if (run === undefined || this.#make === undefined) throw new Error('no such function');
    const given = context.newString(input);
    const result = context.callFunction(this.#make, context.undefined, given, run);
    given.dispose();
    if (result.error !== undefined) return this.#failed(context, result.error);
    const jobs = this.#runtime?.executePendingJobs(JOBS_MAX);
    jobs?.dispose();
    const settled = context.getPromiseState(result.value);
    if (settled.type === 'rejected') {
      result.value.dispose();
      return this.#failed(context, settled.error);
    }
    if (settled.type === 'pending') {
      result.value.dispose();
      return { value: undefined, error: 'it waits for what never comes' };
    }
    const type = context.typeof(settled.value);
    const value = type === 'string' ? context.getString(settled.value) : undefined;
    if (settled.value !== result.value) settled.value.dispose();
    if (result.value.alive) result.value.dispose();
    return { value, error: undefined };
  }

  #failed(context: QuickJSContext, handle: QuickJSHandle): ScriptResult {
    const error: unknown = context.dump(handle);
    handle.dispose();
    const result = failure(error);
    // what is left of its memory may not suffice for anything
    if (result.error?.includes('out of memory') === true) this.close();
    return result;
  }
}

function failure(error: unknown): ScriptResult {
  if (typeof error !== 'object' || error === null || !('message' in error)) {
    return { value: undefined, error: valueText(error) };
  }
  const { name = 'Error', message } = error as { name?: unknown; message: unknown };
  return { value: undefined, error: `${valueText(name)}: ${valueText(message)}` };
}
