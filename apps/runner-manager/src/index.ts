export {
  DEFAULT_LIMITS,
  managerOptionsFrom,
  type ManagerLog,
  type RunnerLimits,
  type RunnerManagerOptions,
  type RunnerSource,
} from './manager-options.ts';
export { startRunnerManager, type RunnerManager } from './runner-manager.ts';
