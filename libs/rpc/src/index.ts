export type {
  ClientDuplexStream,
  ClientUnaryCall,
  handleBidiStreamingCall,
  handleUnaryCall,
  sendUnaryData,
  ServerDuplexStream,
  ServerUnaryCall,
  ServiceError,
} from '@grpc/grpc-js';
export {
  connectControlService,
  connectRunnerService,
  waitUntilConnected,
  type ConnectTo,
} from './clients.ts';
export { connectOptions, MESSAGE_BYTES_MAX, type ClientTls } from './connect-options.ts';
export { RPC_STATUS, RpcError, type RpcStatus } from './errors.ts';
export { FrameBatcher, type FrameBatcherOptions } from './frame-batcher.ts';
export {
  Applied,
  ConnectRequest as ControlConnectRequest,
  ConnectResponse as ControlConnectResponse,
  ControlServiceClient,
  ControlServiceService,
  Hello,
  PluginSet,
  RejectedItem,
  ReloadPlugins,
  type ControlServiceServer,
} from './gen/polygate/control/v1/control.ts';
export {
  CallFailure,
  CancelCall,
  ConfReference,
  ConnectRequest as RunnerConnectRequest,
  ConnectResponse as RunnerConnectResponse,
  ContinueAction,
  DataPlaneFrame,
  Entry,
  ExtraInfoAnswer,
  ExtraInfoQuestion,
  FailureReason,
  ListRunnersRequest,
  ListRunnersResponse,
  ManagerFrame,
  PluginConf,
  RequestBodyQuestion,
  RequestCall,
  RequestResult,
  ResponseBodyQuestion,
  ResponseCall,
  ResponseResult,
  RewriteAction,
  Runner,
  RunnerServiceClient,
  RunnerServiceService,
  RunnerState,
  StopAction,
  VariableQuestion,
  type RunnerServiceServer,
} from './gen/polygate/runner/v1/runner.ts';
export { checkHealth, type HealthQuestion } from './health.ts';
export {
  controlService,
  runnerService,
  startGrpcServer,
  type GrpcServer,
  type GrpcServerOptions,
  type GrpcService,
  type ServerTls,
} from './server.ts';
