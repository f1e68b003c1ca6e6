import type { Tensor } from '../tensor/tensor.ts';
import type { ConvShape } from './conv-shape.ts';
import type { Direction } from './conv-window.ts';
import { partsOf, type WinogradPart, winogradPlan } from './conv-winograd.ts';
import { type Epilogue, multiply, NO_EPILOGUE } from './matmul-launch.ts';
import { type BatchAxes, type Product, SINGLE } from './matmul-product.ts';
import { run } from './run.ts';
import { winogradWgsl } from './wgsl.gen.ts';

/** Writes a convolution of x with w, or its adjoint applied to x, to y. */
export function convolveWinograd(
  direction: Direction,
  { x, w, y }: { x: Tensor; w: Tensor; y: Tensor },
  shape: ConvShape,
  epilogue: Epilogue,
): void {
  const parts = partsOf(winogradPlan(shape, direction));
  const u = filtersOf(direction, w, parts[0] as WinogradPart);
  for (const part of parts) {
    const v = tilesOf(x, part);
    const m = matrices(x, part, part.rows, part.filters);
    multiply(v, u, m, forwardProduct(part), NO_EPILOGUE);
    v.dispose();
    storeOutputs({ m, w, y }, part, epilogue);
    m.dispose();
  }
  u.dispose();
}

/** Writes the gradient of a convolution with respect to its weights to `out`; g is the gradient of its output. */
export function winogradWeightGradient(
  { x, g, out }: { x: Tensor; g: Tensor; out: Tensor },
  shape: ConvShape,
): void {
  for (const part of partsOf(winogradPlan(shape, 'weights'))) {
    const v = tilesOf(x, part);
    const m = gradientTilesOf(g, part);
    const u = matrices(x, part, part.taps * part.channels, part.filters);
    multiply(v, m, u, weightProduct(part), NO_EPILOGUE);
    for (const operand of [v, m]) operand.dispose();
    run(winogradWgsl, 'weights', { m: u, y: out }, paramsOf(part), {
      groups: groupsFor((part.kD * part.channels * part.filters) / 4),
      constants: { LINE: part.line, ADD: Number(part.firstTile > 0) },
    });
    u.dispose();
  }
}

/** A matrix for each element of a tile. */
function matrices({ device }: Tensor, { elements }: WinogradPart, height: number, width: number): Tensor {
  return device.allocate([elements, height, width], 'f32', 'conv');
}

function groupsFor(threads: number): number {
  return Math.ceil(threads / 64);
}

/** Workgroups whose threads make four elements of each matrix. */
function groupsOver(matrices: Tensor, { elements }: WinogradPart): number {
  return groupsFor(matrices.size / elements / 4);
}

function paramsOf({ channels, filters, ...part }: WinogradPart, slope = 0) {
  return { ...part, channels: channels / 4, filters: filters / 4, slope };
}

function filtersOf(direction: Direction, w: Tensor, part: WinogradPart): Tensor {
  const elements = matrices(w, part, part.taps * part.channels, part.filters);
  const constants = { LINE: part.line, ADJOINT: Number(direction !== 'forward') };
  const launch = { groups: groupsOver(elements, part), constants };
  run(winogradWgsl, 'filters', { w, wScalar: w, elements }, paramsOf(part), launch);
  return elements;
}

function tilesOf(x: Tensor, part: WinogradPart): Tensor {
  const elements = matrices(x, part, part.planes, part.channels);
  const launch = { groups: groupsOver(elements, part), constants: { LINE: part.line } };
  run(winogradWgsl, 'tiles', { x, elements }, paramsOf(part), launch);
  return elements;
}

function gradientTilesOf(g: Tensor, part: WinogradPart): Tensor {
  const elements = matrices(g, part, part.rows, part.filters);
  const launch = { groups: groupsOver(elements, part), constants: { LINE: part.line } };
  run(winogradWgsl, 'gradients', { g, elements }, paramsOf(part), launch);
  return elements;
}

function storeOutputs(
  { m, w, y }: { m: Tensor; w: Tensor; y: Tensor },
  part: WinogradPart,
  epilogue: Epilogue,
): void {
  const { bias, residual, activation: ACTIVATION, slope } = epilogue;
  const { tiles, yD, filters, line } = part;
  run(winogradWgsl, 'outputs', { m, bias: bias ?? w, residual: residual ?? w, y }, paramsOf(part, slope), {
    groups: groupsFor((tiles * yD * filters) / 4),
    constants: {
      LINE: line,
      HAS_BIAS: Number(bias !== undefined),
      HAS_RESIDUAL: Number(residual !== undefined),
      ACTIVATION,
    },
  });
}

/** A row of A is the planes that an output sees, so each row begins a plane behind the one before. */
function forwardProduct({ elements, planes, rows, taps, channels, filters }: WinogradPart): Product {
  const [m, n, k] = [rows, filters, taps * channels];
  return { ...batchOf(elements), m, n, k, ...rowsOfTiles(planes, channels), bStrides: one(k * n) };
}

/** Aᵀ · B, with A as above. */
function weightProduct({ elements, planes, rows, taps, channels, filters }: WinogradPart): Product {
  const [m, n, k] = [taps * channels, filters, rows];
  return {
    ...batchOf(elements),
    m,
    n,
    k,
    transposeA: true,
    ...rowsOfTiles(planes, channels),
    bStrides: one(k * n),
  };
}

function batchOf(elements: number) {
  return { ...SINGLE, batch: [1, 1, elements] } as const;
}

function rowsOfTiles(planes: number, channels: number): Pick<Product, 'aRows' | 'aStrides'> {
  return { aRows: { start: 0, row: channels }, aStrides: one(planes * channels) };
}

function one(stride: number): BatchAxes {
  return [0, 0, stride];
}
