import type { ActionNetwork } from '../amr/action-network.ts';
import type { ActionDataset } from '../data/dataset.ts';
import { check, need } from '../errors.ts';
import { Device } from '../tensor/device.ts';
import type { Tensor } from '../tensor/tensor.ts';

/** Throws `ShapeError` for what plain JavaScript may pass in place of a device, a network, a data set and samples of it. */
export function checkSubjects(
  op: string,
  device: Device,
  network: ActionNetwork,
  dataset: ActionDataset,
  indices: readonly number[],
): void {
  need(device instanceof Device, op, 'a device', device);
  checkNetwork(op, network);
  need(
    Array.isArray(dataset?.classes) && Object(dataset.labels) === dataset.labels,
    op,
    'a data set',
    dataset,
  );
  need(Array.isArray(indices), op, 'the indices of samples, a list', indices);
}

/** Throws `ShapeError` for what is no network, or one that does not say of which modalities it is. */
export function checkNetwork(op: string, network: ActionNetwork): void {
  const runs = typeof network?.forward === 'function' && typeof network.namedParameters === 'function';
  need(runs, op, 'a network', network);
  need(Array.isArray(network.modalities), op, 'a network of modalities; wrap it in NetworkStream', network);
}

/** Throws `ShapeError` unless a number of steps, samples or passes is a whole one of at least 1. */
export function checkCount(op: string, name: string, value: number): void {
  check(
    Number.isInteger(value) && value >= 1,
    op,
    () => `${name} must be a count of at least 1; got ${value}`,
  );
}

/** Throws `ShapeError` unless a rate or weight is finite and at least 0. */
export function checkWeight(op: string, name: string, value: number): void {
  check(
    value >= 0 && value < Number.POSITIVE_INFINITY,
    op,
    () => `${name} must be a finite number of at least 0; got ${value}`,
  );
}

/** Throws `ShapeError` where logits [N, C] have fewer classes than the data, whose other labels would give NaN. */
export function checkLogits(op: string, logits: Tensor, classes: number): void {
  const [, given = 0] = logits.shape;
  check(given >= classes, op, () => `the network has ${given} logits for the ${classes} classes of the data`);
}
