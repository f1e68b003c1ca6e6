/** Base of every error this library throws on purpose: `op` says who threw it. */
export class KernelwrightError extends Error {
  readonly op: string;
  constructor(op: string, message: string, options?: ErrorOptions) {
    super(`${op}: ${message}`, options);
    this.op = op;
    this.name = new.target.name;
  }
}

/** Shapes, dtypes or attributes that do not fit together. */
export class ShapeError extends KernelwrightError {}

/** No adapter, a lost device, exhausted memory, or a GPU error reported by the driver. */
export class DeviceError extends KernelwrightError {}

/** A shader that does not compile or a launch that does not match its shader. */
export class KernelError extends KernelwrightError {}

/** A tensor used after it was disposed of. */
export class DisposedError extends KernelwrightError {}

/** A step that cannot be recorded and replayed, or is called with what it was not recorded for. */
export class CaptureError extends KernelwrightError {}

/** A file that is not what its format promises. */
export class FormatError extends KernelwrightError {}

/** Throws a `ShapeError` of `op` unless `condition` holds. The message is only built on failure. */
export function check(condition: boolean, op: string, message: () => string): asserts condition {
  if (!condition) throw new ShapeError(op, message());
}
