import type { Traits } from '../tensor/device.ts';

/**
 * `quad`: four lanes share one operand through the subgroup, `octet`: eight do, with up to 32 columns in a tile instead of 16;
 * `largeQuad`: four, with so many columns (in matmul up to 64) and 8 rows in a thread instead of 4; `register`: each thread loads all it needs;
 * `workgroup` (of matmul only): 64 threads share both operands through workgroup memory, for 64 rows and columns.
 */
export type TileVariant = 'quad' | 'octet' | 'largeQuad' | 'register' | 'workgroup';

/** What the choice of a tile kernel depends on. */
export type TileTraits = Pick<Traits, 'software' | 'subgroups' | 'subgroupMinSize'>;

/** How many threads share an operand, and blocks of 4 rows in a thread and of 4 columns in a tile, at most. */
export interface TileSize {
  readonly share: 4 | 8;
  /** By the subgroup; otherwise each of them loads the operand. */
  readonly bySubgroup: boolean;
  readonly rows: 1 | 2;
  readonly columns: 1 | 2 | 4 | 8 | 16;
  /** Computed by matmul-wide.wgsl, without splits. */
  readonly wide?: true;
  /** How many tiles side by side are a workgroup's; they are dealt out one by one where this is left out. */
  readonly perWorkgroup?: 8;
}

const TILES: Readonly<Record<TileVariant, TileSize>> = {
  register: { share: 4, bySubgroup: false, rows: 1, columns: 4 },
  quad: { share: 4, bySubgroup: true, rows: 1, columns: 4 },
  octet: { share: 8, bySubgroup: true, rows: 1, columns: 8 },
  largeQuad: { share: 4, bySubgroup: true, rows: 2, columns: 8 },
  workgroup: { share: 8, bySubgroup: false, rows: 2, columns: 2, perWorkgroup: 8 },
};

// Blocks of 4 columns at most where operands are not whole vectors: scalar loads take a compiler long, for eight lanes' wide loops seconds.
const SCALAR_COLUMNS: Readonly<Record<TileVariant, number>> = {
  register: 1,
  quad: 4,
  octet: 4,
  largeQuad: 8,
  workgroup: 2,
};

/** Whether every subgroup is made of whole groups of `lanes`. */
function hasGroups({ subgroups, subgroupMinSize }: TileTraits, lanes: 4 | 8): boolean {
  return subgroups && subgroupMinSize >= lanes;
}

/** A product of matrices as the choice of a tile sees it: rows, columns, and multiplications in all. */
export interface Extent {
  readonly m: number;
  readonly n: number;
  readonly work: number;
}

/** The kernels that can compute a product, best first. */
export function tileVariants({ m, n, work }: Extent, traits: TileTraits): [TileVariant, ...TileVariant[]] {
  if (!hasGroups(traits, 4)) return ['register'];
  const small = ['quad', 'register'] as const;
  if (hasGroups(traits, 8)) return traits.software && m > 16 ? ['octet', ...small] : [...small, 'octet'];
  const large =
    work >= (m * n < FEW_OUTPUTS ? 4 * LARGE_WORK : LARGE_WORK) &&
    tileCost(m, n, TILES.largeQuad) < tileCost(m, n, TILES.quad);
  return large ? ['largeQuad', ...small] : [...small, 'largeQuad'];
}

/**
 * The same for matmul: a GPU computes large products by workgroups, as its threads load from workgroup memory at several times the
 * rate of its caches. Not measured on one yet; software adapters, which have no such memory, take three times as long so.
 */
export function matmulVariants(extent: Extent, traits: TileTraits): [TileVariant, ...TileVariant[]] {
  const { m, n, work } = extent;
  const tiles = tileVariants(extent, traits);
  if (Math.min(m, n) <= 16) return tiles; // most of a workgroup would be idle
  return !traits.software && Math.min(m, n) >= 64 && work >= 2 ** 24
    ? ['workgroup', ...tiles]
    : [...tiles, 'workgroup'];
}

// A large tile takes SwiftShader .3 s more to build, which a small product does not win back in a thousand launches.
const LARGE_WORK = 2 ** 20;
// Outputs of one batch, group or phase, under which large tiles are taken to be too few to keep its cores busy.
const FEW_OUTPUTS = 2 ** 13;

// Where a subgroup has four lanes (SwiftShader), a load takes as long as a dozen multiplications.
const LOAD = 12;

/** Time of a step of all tiles, in multiplications of a vector with a number. */
function tileCost(m: number, n: number, { share, rows, columns: most }: TileSize): number {
  const columns = columnBlocks(n, most);
  const tiles = Math.ceil(m / (4 * share * rows)) * Math.ceil(n / (4 * columns));
  return tiles * (LOAD * (4 * rows + (4 * columns) / share) + 4 * 4 * rows * columns);
}

/** The tile of a variant for n columns. `vectors`: both operands can be loaded in whole vectors. */
export function tileSize(
  variant: TileVariant,
  n: number,
  { vectors }: { readonly vectors: boolean },
): TileSize {
  const size = TILES[variant];
  if (size.perWorkgroup) return size;
  return { ...size, columns: columnBlocks(n, vectors ? size.columns : SCALAR_COLUMNS[variant]) };
}

/** Whether operands can be loaded, and results stored, in whole vectors. */
export interface WholeVectors {
  readonly operands: boolean;
  readonly results: boolean;
}

/**
 * The tile of a variant for a product of so many matrices. Those of `largeQuad` on SwiftShader have 64 columns (matmul-wide.wgsl) where
 * that leaves tiles enough, and work enough to win back what they take to build: a quarter less is loaded for a multiplication.
 */
export function matmulTileSize(
  variant: TileVariant,
  { m, n, work }: Extent,
  batches: number,
  { operands, results }: WholeVectors,
  traits: SwapTraits,
): TileSize {
  const size = tileSize(variant, n, { vectors: operands });
  const may = variant === 'largeQuad' && swaps(size, traits) && operands && results;
  if (!may || work < WIDE_WORK || columnBlocks(n, 16) < 16) return size;
  const wide: TileSize = { ...size, columns: 16, wide: true };
  const { tilesM, tilesN } = tilesOver(m, n, wide);
  return tilesM * tilesN * batches < MANY_TILES ? size : wide;
}

const WIDE_WORK = 2 ** 24;

/** Tiles that keep a software adapter busy: of fewer, products are split. */
export const MANY_TILES = 128;

/** How many tiles cover m rows and n columns. */
export function tilesOver(m: number, n: number, { share, rows, columns, perWorkgroup }: TileSize) {
  const beside = perWorkgroup ?? 1;
  const tilesN = Math.ceil(n / (4 * columns * beside)) * beside;
  return { tilesM: Math.ceil(m / (4 * share * rows)), tilesN };
}

/** How tiles are dealt out to workgroups. */
export interface Groups {
  readonly threads: 16 | 64;
  readonly count: number;
}

// Fewer tiles than these leave a core of a software adapter idle, or its last workgroup half empty, which takes as long as a full one.
const FEW_TILES = 64;

/** The workgroups for so many tiles: small ones where they are few, and always on SwiftShader, which gains 5 % by them. */
export function groupsFor(
  tiles: number,
  { share, perWorkgroup }: TileSize,
  { software, subgroupMinSize }: SwapTraits,
): Groups {
  const threads = software && !perWorkgroup && (subgroupMinSize === 4 || tiles < FEW_TILES) ? 16 : 64;
  return { threads, count: Math.ceil(tiles / (threads / share)) };
}

/** What decides whether lanes swap. */
export type SwapTraits = Pick<Traits, 'software' | 'subgroupMinSize'>;

/** Whether lanes swap what they share: where four are a subgroup (SwiftShader), a broadcast takes five shuffles, a swap one. */
function swaps({ bySubgroup }: TileSize, { software, subgroupMinSize }: SwapTraits): boolean {
  return software && subgroupMinSize === 4 && bySubgroup;
}

/** A tile as the shaders' constants. */
export function tileConstants(size: TileSize, traits: SwapTraits) {
  const { share, rows, columns } = size;
  return { SHARE: share, ROWS: rows, COLS: columns, SWAP: Number(swaps(size, traits)) };
}

/** Blocks of 4 columns in a tile for n columns, up to `most`: those that take least time, counting columns that are not there. */
export function columnBlocks(n: number, most = 4): 1 | 2 | 4 | 8 | 16 {
  // A step loads four vectors of A and one for each block; a block's multiplications take about as long as a load.
  const cost = (blocks: number) => Math.ceil(n / (4 * blocks)) * (4 + 2 * blocks);
  const all = ([16, 8, 4, 2, 1] as const).filter((blocks) => blocks <= most);
  return all.reduce((best, blocks) => (cost(blocks) < cost(best) ? blocks : best));
}
