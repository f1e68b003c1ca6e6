import type { Rng } from '../../src/data/rng.ts';
import type { Held } from './actions.ts';
import type { Body } from './body.ts';
import { type Capsule, type Colour, hsv } from './canvas.ts';
import { addScaled, mix, subtract, unit, type Vector } from './vector.ts';

/** What a subject wears and looks like. */
export interface Outfit {
  shirt: Colour;
  shirtStripe: Colour;
  trousers: Colour;
  shoes: Colour;
  skin: Colour;
  hair: Colour;
  longSleeves: boolean;
  shorts: boolean;
}

/** Clothes of any colour; every second shirt is striped. */
export function randomOutfit(rng: Rng): Outfit {
  const cloth = () => hsv(rng.uniform(), rng.uniform(0.2, 1), rng.uniform(0.35, 1));
  const shirt = cloth();
  const skin = mix([0.42, 0.26, 0.17], [1, 0.82, 0.68], rng.uniform());
  const shirtStripe = rng.uniform() < 0.5 ? cloth() : shirt;
  return {
    shirt,
    shirtStripe,
    trousers: cloth(),
    shoes: cloth(),
    skin,
    hair: hsv(rng.uniform(0.02, 0.14), rng.uniform(0.2, 0.8), rng.uniform(0.08, 0.7)),
    longSleeves: rng.uniform() < 0.5,
    shorts: rng.uniform() < 0.4,
  };
}

/** The capsules of a dressed body whose 25 joints are given. */
export function dressBody(joints: readonly Vector[], body: Body, outfit: Outfit): Capsule[] {
  const limbs = [4, 8].flatMap((shoulder) => armCapsules(joints, shoulder, body, outfit));
  const legs = [12, 16].flatMap((hip) => legCapsules(joints, hip, body, outfit));
  return [...trunkCapsules(joints, body, outfit), ...headCapsules(joints, outfit), ...limbs, ...legs];
}

function trunkCapsules(joints: readonly Vector[], { girth }: Body, outfit: Outfit): Capsule[] {
  const part = (a: Vector, b: Vector, radius: number, stripe?: Colour): Capsule =>
    capsule(a, b, radius * girth, outfit.shirt, stripe);
  const inset = (a: number, b: number) => mix(joints[a]!, joints[b]!, 0.25);
  return [
    part(inset(4, 8), inset(12, 16), 0.085, outfit.shirtStripe),
    part(inset(8, 4), inset(16, 12), 0.085, outfit.shirtStripe),
    part(joints[20]!, joints[0]!, 0.11, outfit.shirtStripe),
    part(joints[4]!, joints[8]!, 0.07),
    capsule(joints[12]!, joints[16]!, 0.095 * girth, outfit.trousers),
  ];
}

function headCapsules(joints: readonly Vector[], outfit: Outfit): Capsule[] {
  const [neck, head] = [joints[2]!, joints[3]!];
  const crown = addScaled(head, [0, 0.05, -0.035]);
  return [
    capsule(joints[20]!, neck, 0.06, outfit.skin),
    capsule(head, addScaled(head, [0, -0.03, 0.01]), 0.1, outfit.skin),
    capsule(crown, crown, 0.105, outfit.hair),
  ];
}

function armCapsules(joints: readonly Vector[], shoulder: number, body: Body, outfit: Outfit): Capsule[] {
  const [a, b, c, d] = joints.slice(shoulder, shoulder + 4) as [Vector, Vector, Vector, Vector];
  return [
    capsule(a, b, 0.06 * body.girth, outfit.shirt),
    capsule(b, c, 0.05 * body.girth, outfit.longSleeves ? outfit.shirt : outfit.skin),
    capsule(c, d, 0.06, outfit.skin),
  ];
}

function legCapsules(joints: readonly Vector[], hip: number, body: Body, outfit: Outfit): Capsule[] {
  const [a, b, c, d] = joints.slice(hip, hip + 4) as [Vector, Vector, Vector, Vector];
  return [
    capsule(a, b, 0.085 * body.girth, outfit.trousers),
    capsule(b, c, 0.062 * body.girth, outfit.shorts ? outfit.skin : outfit.trousers),
    capsule(c, d, 0.055, outfit.shoes),
  ];
}

/** The looks of the held objects of one sample; colours are random, so that only the form tells the object. */
export interface Prop {
  colour: Colour;
  stripe: Colour;
  /** To which side a flag flies. */
  side: number;
}

export function randomProp(rng: Rng): Prop {
  const paint = () => hsv(rng.uniform(), rng.uniform(0.1, 1), rng.uniform(0.3, 1));
  return { colour: paint(), stripe: paint(), side: rng.uniform() < 0.5 ? 1 : -1 };
}

/** The capsules of the object that an action holds, in one hand (the left, or the right if `mirrored`) or both. */
export function holdProp(held: Held, prop: Prop, joints: readonly Vector[], mirrored: boolean): Capsule[] {
  const one = joints[mirrored ? 11 : 7]!;
  const middle = addScaled(mix(joints[7]!, joints[11]!, 0.5), [0, 0.02, 0.04]);
  const across = unit(subtract(joints[7]!, joints[11]!));
  if (held === 'ball') return [capsule(middle, middle, 0.19, prop.colour)];
  if (held === 'barbell') return barbell(middle, across, prop);
  if (held === 'umbrella') return [pole(one, prop), ...umbrellaCanopy(one, prop)];
  return held === 'flag' ? [pole(one, prop), ...flagCloth(one, prop)] : [];
}

function barbell(middle: Vector, across: Vector, prop: Prop): Capsule[] {
  const at = (distance: number) => addScaled(middle, across, distance);
  const disc = (side: number) => capsule(at(side * 0.56), at(side * 0.62), 0.15, prop.stripe);
  return [capsule(at(-0.68), at(0.68), 0.04, prop.colour), disc(1), disc(-1)];
}

function pole(hand: Vector, prop: Prop): Capsule {
  return capsule(addScaled(hand, [0, -0.15, 0]), addScaled(hand, [0, 0.62, 0]), 0.03, prop.stripe);
}

/** Three widening layers, the same on both sides of the pole. */
function umbrellaCanopy(hand: Vector, prop: Prop): Capsule[] {
  const layer = (half: number, up: number) =>
    capsule(addScaled(hand, [-half, up, 0]), addScaled(hand, [half, up, 0]), 0.075, prop.colour, prop.stripe);
  return [layer(0.46, 0.48), layer(0.34, 0.57), layer(0.15, 0.66)];
}

/** Five stripes on one side of the pole. */
function flagCloth(hand: Vector, prop: Prop): Capsule[] {
  return [0.2, 0.3, 0.4, 0.5, 0.6].map((up, i) => {
    const end: Vector = [prop.side * 0.36, up - 0.04, 0];
    return capsule(
      addScaled(hand, [0, up, 0]),
      addScaled(hand, end),
      0.055,
      i % 2 ? prop.stripe : prop.colour,
    );
  });
}

function capsule(a: Vector, b: Vector, radius: number, colour: Colour, stripe?: Colour): Capsule {
  return stripe ? { a, b, radius, colour, stripe } : { a, b, radius, colour };
}
