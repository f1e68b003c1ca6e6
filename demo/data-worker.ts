import { type FiguresOptions, makeFigures } from '../experiments/figures/figures.ts';

// Drawing the clips takes a second or more: done here, so that the page stays responsive.
self.onmessage = ({ data }: MessageEvent<FiguresOptions>) => {
  const dataset = makeFigures(data);
  const transfer = [dataset.video?.data.buffer, dataset.skeleton?.data.buffer];
  self.postMessage(dataset, { transfer: transfer.filter((buffer) => buffer instanceof ArrayBuffer) });
};
