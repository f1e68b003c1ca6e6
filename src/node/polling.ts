/** So long Dawn polls without a pause: small results are there by then. */
const EAGER_MS = 0.3;
/** The shortest pause of a timer in Node. */
const PAUSE_MS = 1;

let relaxed = false;

/**
 * Lets Dawn pause while it waits. Dawn for Node polls by `setImmediate` as long as a promise is pending, which takes a core
 * of its own: with a software adapter one that should compute. So the global `setImmediate` is replaced by one that
 * tells Dawn's callbacks, functions without a name that are no JavaScript, and passes all others on.
 */
export function relaxPolling(): void {
  if (relaxed) return;
  relaxed = true;
  let polling = false;
  let begun = 0;
  globalThis.setImmediate = new Proxy(globalThis.setImmediate, {
    apply(setImmediate, self, [callback, ...values]) {
      if (!isNative(callback)) return Reflect.apply(setImmediate, self, [callback, ...values]);
      if (!polling) begun = performance.now();
      const poll = () => {
        polling = true; // a poll that is asked for meanwhile goes on with the same wait
        try {
          callback(...values);
        } finally {
          polling = false;
        }
      };
      const eager = performance.now() - begun < EAGER_MS;
      return eager ? setImmediate(poll) : setTimeout(poll, PAUSE_MS);
    },
  });
}

function isNative(callback: unknown): callback is (...values: unknown[]) => void {
  if (typeof callback !== 'function' || callback.name !== '') return false;
  return Function.prototype.toString.call(callback).endsWith('{ [native code] }');
}
