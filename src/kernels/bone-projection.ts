import { check } from '../errors.ts';
import { type Spec, sameShape } from '../tensor/shape.ts';
import type { Tensor } from '../tensor/tensor.ts';
import { groupsOf } from './elementwise-broadcast.ts';
import { checkF32, defineOp, f32 } from './op.ts';
import { run } from './run.ts';
import { boneProjectionWgsl } from './wgsl.gen.ts';

type Poses = { moved: Tensor; origin: Tensor; order: Tensor; parents: Tensor };

const boneProjectionOp = defineOp<Poses, { epsilon: number }, [Spec]>({
  name: 'boneProjection',
  outputs({ moved, origin, parents }) {
    const op = 'boneProjection';
    checkF32(op, 'moved', moved);
    checkF32(op, 'origin', origin);
    const same = sameShape(moved.shape, origin.shape);
    check(same, op, () => `moved must be like ${origin}; got ${moved}`);
    const [joints, axes] = moved.shape.slice(-2);
    const fits = joints === parents.size && axes === 3;
    check(
      fits,
      op,
      () => `poses must be [..., ${parents.size}, 3] for ${parents.size} parents; got ${moved}`,
    );
    return [f32(moved.shape)];
  },
  forward({ moved, origin, order, parents }, [out], { epsilon }) {
    const joints = parents.size;
    const frames = out.size / (joints * 3);
    if (frames === 0) return;
    const tensors = { moved, origin, order, parents, out };
    run(boneProjectionWgsl, 'project', tensors, { frames, joints, epsilon }, { groups: groupsOf(frames) });
  },
});

/**
 * Joints put back on the spheres around their parents, root to leaf: bones are as long as in `origin`, and every coordinate stays
 * within ε of it, where the joints of `moved` are. Poses [..., V, 3] and the parent of each joint (−1 for a root) → the shape of `moved`.
 * No gradient. Throws `ShapeError` for shapes that do not fit, and parents that are no tree.
 */
export function boneProjection(
  moved: Tensor,
  origin: Tensor,
  { parents, epsilon }: { readonly parents: readonly number[]; readonly epsilon: number },
): Tensor {
  const { device } = moved;
  const [order, above] = [jointOrder(parents), parents].map((list) => device.tensor(Int32Array.from(list)));
  return boneProjectionOp(
    { moved, origin, order: order as Tensor, parents: above as Tensor },
    { epsilon },
  )[0];
}

/** The joints of a skeleton, parents before children. Throws `ShapeError` for parents that are no tree (or several). */
export function jointOrder(parents: readonly number[]): number[] {
  const order = parents.flatMap((parent, v) => (parent < 0 ? [v] : []));
  for (const joint of order) for (const [v, parent] of parents.entries()) if (parent === joint) order.push(v);
  const tree = order.length === parents.length && order.length > 0;
  check(tree, 'skeleton', () => `parents must form a tree, with -1 for its root; got [${parents}]`);
  return order;
}
