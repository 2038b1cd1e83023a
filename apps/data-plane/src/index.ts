export { startDataPlane, type DataPlane, type DataPlaneOptions } from './data-plane.ts';
