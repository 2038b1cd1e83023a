export {
  DEFAULT_LIMITS,
  managerOptionsFrom,
  type ManagerLog,
  type RunnerLimits,
  type RunnerManagerOptions,
} from './manager-options.ts';
export { startRunnerManager, takeRunners, type RunnerManager } from './runner-manager.ts';
