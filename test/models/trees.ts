/** The 25 joints of NTU RGB+D (Kinect v2) with joint 21, the spine at the shoulders, as root; counted from 0. */
export const NTU_PARENTS: readonly number[] = [
  1, 20, 20, 2, 20, 4, 5, 6, 20, 8, 9, 10, 0, 12, 13, 14, 0, 16, 17, 18, -1, 22, 7, 24, 11,
];

/** The 20 joints of UTD-MHAD (Kinect v1), the hip centre as root. */
export const UTD_PARENTS: readonly number[] = [
  1, 2, 3, -1, 1, 4, 5, 6, 1, 8, 9, 10, 3, 12, 13, 14, 3, 16, 17, 18,
];

/** A chain of five joints with an arm on its third. */
export const SMALL_PARENTS: readonly number[] = [-1, 0, 1, 2, 3, 2];
