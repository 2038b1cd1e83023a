export { type AdminApi, type AdminApiOptions, startAdminApi } from './start-admin-api.ts';
