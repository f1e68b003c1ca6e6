import { gunzipSync } from 'node:zlib';

// {'epoch': 3, 'state_dict': sd}, written by torch.save of PyTorch 2.14.1 in both formats, then gzipped. sd is that of
// BatchNorm1d(2) with weight [1.5, -2], running_var a column (strided) of [[0, 1, 2], [3, 4, 5]], num_batches_tracked 7.
const LEGACY =
  'H4sIAAAAAAACA3WSSW/TQBSAvWSh7kKhbGUte8ISYpM4zYkeUC9mq7nMBVmOPYoNrp3neQ4CKVIulYDfwIEjP6N/h5+AxIHn2C2lhJFnrHlv3vfWqfJFi3593f658fb7q/XWVHn+Q6VzAlKDrUqSNEoTTLwkcsY8FWESg0wP2DJpohAx4g6P/dCNQfnENBLihxF3RPiRC1AnUGmwKglFkKQIVUthKt3CGKFmVVglZyTxEOpWJcsOfObv+SjxApAtdYYU6CJ3/NBDUDyKJOIeUiBCe5n6POX+U9JooDbt3F2NDN7zcBiQPw+T1AtaToZhJDQn5YMsjHwHeSyS1BkbGtQaDVafuUhSd8ihXpho21Hi4utCqMEJtkJv+h29r3dNwzBM3WzDwiwXb5SBZikvEBZ3LMlS9mDJkvdg+XOQx7OCcNKG1Vmmg9AVcCogj0E9OEI0e92u0Tc7m3A6KEhrJelMTjpbkM4hnLfhAlsiszSL4zAeOrucyr7+P2Kvb8DFknipJF7OiVcK4lWEazZssMUjxLGbwvV/gZR0u2dsmh24QcAaAW/uWHIOvGWpe3C7AN5BuGtDg62RWZztOgMXvYALB1PXe8d9aBbgssLPqPGHBb53LPi2rhtwn3zJ5OsBBd9sFj4eIrRseJRNoM0WyIRqgK7vogv6TG8wEkrweAKdWV8PZrZrKUKIQT5kb/Ihm5OaPK/JyrzA1HnNq8yrf5W38nn8s6ZP6Niij/aU9rct5VC3n+v25fJWL/+K9Pc6fv8No0dQNb8DAAA=';
const ZIP =
  'H4sIAAAAAAACA8VVTW/URhie9RLv4tB88JWQ0kAptJsSNrbXy26AErSqLCRXaliEZHGxvN7p2sKx89qzoa0UKVKVQ2+tyhn1X/RYfkAv4YB6qMQBiY8Tf6Ez9mZjT5qEhgOjHdnemedjZt73nWWjeAShchntahPoOLIjx/XW8ELXJnZ19YGvt8bQ/VzbENYBVcwRCsCroeNCwSiaEv2KiU2w1fUcAoLjhL6PHeKFQSx9G3VxhLtf0xEJinNtOFIxRQp4iL2eS2DEISFVrVp94vmxZEW40/f8rkVwEIeRtaZKIFYqZimRCCO7h6GUQiTdD21yN/1TgrJZoHNkOGoW6dNZ7YNkCARG7xjIEDbhmFHYhI9+dpmDMQLjbZgw6U6gjmfHMOlSDbfkphwKHHcT7IkB9iTDnkqxpwlMtWHaPEYnRv0g8IKetYLtAM7kOFSYSTk+HnCcZRyfpByzBM614bw5muFYsyP4NEdRgwuUQiTw2R2jwCguGsVNuJRSfE7gizZUzBN0YtBfsTo2cVwcWySynQe4C3Mp1WCnvgmD3nCjvkzYNbhM2QsE5qnBubmU9QqBahsW+usgm0fpJLoyYrNgACUZV00WKVBbBy05kTUcxfSQoW4IcRx3+tVlo1R+tPXby3MCQqwv7xluU+jsMNyq34XRik2sAZ3emuaibqcpTOGPt//8xNbA+t4KM6ixozCIHcv2vV6wggOit2p7iuzTrmrMwNJDeENXh4R9DUyipaGBzg8EhywT9Nb1w+huN98jxMfMw+ZXL86wPBL39TCGbuayekHWW9fewwBCT5Yo7RPm4Nr887+YZPkABzfyDhS91USH108b0/eeX8CH0Fc/sH7t/fU32Bncoj/aN2j//RbzM/XLq1+n6cD0AX7m8340vVV5Zz+lzPpXn70KD17/OLo+1BsmeOOwG1CTmPLW4969g/NvFqk7BSBZaowjj1aAH212NVleV29V/6cRWa7XlUVZadZrqlyrL8qNZkNRF+sNRVNUTZNlVVOu1ptN5vL20xuTFeqjkrgsMLNDn9kiObHLOX8P8+hsAZzKIUMB7VVWeZJsEZvJkWxlSXZVTp4nW4gmczztItpdAHl4toqM5eDPioirXTw2m4F5LLvb81Xn3bF/81iVx2YzjdMd4bA1HpvNmjz2NY/VeGw27sfzuiLis4wHZ8NxNgd+mgH/d6IsG6I4v51WxStD5Cj3/FNIn9+XtsuEmLw1pPQ7vbFHxBQzmsxP5/4L93DtiZkKAAA=';

/** Real files of PyTorch. */
export const GOLDEN = {
  legacy: unpacked(LEGACY),
  zip: unpacked(ZIP),
};

/** What they hold. */
export const GOLDEN_STATE = {
  weight: { dtype: 'F32', shape: [2], data: Float32Array.of(1.5, -2) },
  bias: { dtype: 'F32', shape: [2], data: Float32Array.of(0, 0) },
  running_mean: { dtype: 'F32', shape: [2], data: Float32Array.of(0, 0) },
  running_var: { dtype: 'F32', shape: [2], data: Float32Array.of(1, 4) },
  num_batches_tracked: { dtype: 'I64', shape: [], data: BigInt64Array.of(7n) },
} as const;

function unpacked(base64: string): Uint8Array {
  return new Uint8Array(gunzipSync(Buffer.from(base64, 'base64')));
}
