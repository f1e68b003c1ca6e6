// Shaders as they are shipped: without comments and needless spaces, every line where it was, words of their own shortened.

/** Names that mean something outside of a shader's own declarations; a declaration with such a name keeps it. */
const BUILT_IN = new Set(
  `abs acos acosh all any arrayLength asin asinh atan atan2 atanh bitcast ceil clamp cos cosh countLeadingZeros countOneBits
  countTrailingZeros cross degrees determinant distance dot dot4I8Packed dot4U8Packed exp exp2 extractBits faceForward
  firstLeadingBit firstTrailingBit floor fma fract frexp insertBits inverseSqrt ldexp length log log2 max min mix modf
  normalize pack2x16float pack2x16snorm pack2x16unorm pack4x8snorm pack4x8unorm pow quadBroadcast quadSwapDiagonal quadSwapX
  quadSwapY quantizeToF16 radians reflect refract reverseBits round saturate select sign sin sinh smoothstep sqrt step
  storageBarrier subgroupAdd subgroupAll subgroupAny subgroupBallot subgroupBroadcast subgroupBroadcastFirst subgroupElect
  subgroupExclusiveAdd subgroupInclusiveAdd subgroupMax subgroupMin subgroupMul subgroupShuffle subgroupShuffleDown
  subgroupShuffleUp subgroupShuffleXor tan tanh transpose trunc unpack2x16float unpack2x16snorm unpack2x16unorm
  unpack4x8snorm unpack4x8unorm workgroupBarrier workgroupUniformLoad
  array atomic bool f16 f32 i32 u32 mat2x2f mat2x3f mat2x4f mat3x2f mat3x3f mat3x4f mat4x2f mat4x3f mat4x4f ptr
  vec2 vec2f vec2h vec2i vec2u vec3 vec3f vec3h vec3i vec3u vec4 vec4f vec4h vec4i vec4u
  default function private read read_write storage uniform workgroup write exp fract whole
  global_invocation_id local_invocation_id local_invocation_index num_workgroups subgroup_id subgroup_invocation_id
  subgroup_size workgroup_id`.split(/\s+/),
);
/** Keywords short enough to be made by accident, and what looks like components of a vector. */
const TAKEN = /^(as|do|fn|if|of|[xyzw]{1,4}|[rgba]{1,4})$/;
const NUMBER = /(?:0[xX][\da-fA-F]+|\d+\.?\d*(?:[eE][+-]?\d+)?|\.\d+)[iufh]?/;
const TOKEN = new RegExp(`[A-Za-z_]\\w*|${NUMBER.source}|\\n|[ \\t]+|[^\\s\\w]`, 'g');
const LETTERS = 'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ';

interface Shader {
  /** The text without comments. */
  readonly code: string;
  /** Words that the library uses: entries, overrides and replaceable lines. */
  readonly kept: ReadonlySet<string>;
}

/**
 * Shortens words that shaders declare, one word to one name in all of them, so that sections which files share still look
 * alike to gzip. Returns the texts in order, with every line of code on its line.
 */
export function minifyShaders(shaders: readonly Shader[]): string[] {
  const names = shortNames(shaders);
  return shaders.map(({ code, kept }) => {
    const own = declared(code, kept);
    return code.replace(TOKEN, (token, at: number) => {
      if (/^[ \t]/.test(token)) return spaceAt(code, at, token.length);
      const attribute = code[at - 1] === '@';
      return own.has(token) && !attribute ? (names.get(token) ?? token) : token;
    });
  });
}

/** A space between words; a sign after the same sign would become another one. */
function spaceAt(code: string, at: number, length: number): string {
  const [before = '', after = ''] = [code[at - 1], code[at + length]];
  const words = /\w/.test(before) && /\w/.test(after);
  return words || (/[-+&|<>=]/.test(before) && before === after) ? ' ' : '';
}

/** Functions, parameters, structs, members and variables of a shader, those that may have another name. */
function declared(code: string, kept: ReadonlySet<string>): Set<string> {
  const after = code.matchAll(/\b(?:fn|struct|let|const|var(?:<[^>]*>)?)\s+([A-Za-z_]\w*)/g);
  const before = code.matchAll(/([A-Za-z_]\w*)\s*:/g); // members, parameters and variables with a type
  const words = [...after, ...before].map((match) => match[1] ?? '');
  const free = (word: string) =>
    word.length > 2 && !kept.has(word) && !BUILT_IN.has(word) && !TAKEN.test(word);
  return new Set(words.filter(free));
}

/** The most frequent words get the shortest names. */
function shortNames(shaders: readonly Shader[]): Map<string, string> {
  const uses = new Map<string, number>();
  const present = new Set<string>();
  for (const { code, kept } of shaders) {
    const own = declared(code, kept);
    for (const [word] of code.matchAll(/[A-Za-z_]\w*/g)) {
      if (own.has(word)) uses.set(word, (uses.get(word) ?? 0) + 1);
      else present.add(word);
    }
  }
  const words = [...uses].sort(([a, n], [b, m]) => m - n || (a < b ? -1 : 1));
  const free = namesNotIn(present);
  return new Map(words.map(([word]) => [word, free.next().value]));
}

/** `a`, `b`, … `Z`, `aa`, `ab` … without those that mean something. */
function* namesNotIn(present: ReadonlySet<string>): Generator<string, never> {
  for (let i = 1; ; i++) {
    let name = '';
    for (let rest = i; rest > 0; rest = Math.floor((rest - 1) / LETTERS.length))
      name = LETTERS[(rest - 1) % LETTERS.length] + name;
    if (!present.has(name) && !TAKEN.test(name)) yield name;
  }
}
