export { type AdapterChoice, type AdapterKind, nullGpu, type OpenedGpu, openGpu } from './gpu.ts';
export { readDatasetFolder } from './read-folder.ts';
