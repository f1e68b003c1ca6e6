// The public surface: re-exports only. What is not here is internal.
export * from './amr/action-network.ts';
export { amr, ReweightedStage } from './amr/amr.ts';
export { FeatureMemory, type FeatureMemoryOptions } from './amr/feature-memory.ts';
export { FeatureInteraction, type FimOptions, fim } from './amr/fim.ts';
export {
  type Exchanged,
  type Fused,
  type Fusion,
  FusionHead,
  type FusionSizes,
  FusionStage,
  type Pair,
  type StreamEnd,
} from './amr/fusion.ts';
export { ConcatHead, concatenation, GatedHead, gated, type HeadKind, LateHead, late } from './amr/heads.ts';
export { type ActionLossOptions, actionLoss, withAuxiliary } from './amr/loss.ts';
export { type MmtmOptions, MultimodalTransfer, mmtm } from './amr/mmtm.ts';
export { NetworkStream, type NetworkStreamOptions } from './amr/network-stream.ts';
export { AttentionModalityReweighter, type Reweighted, type ReweighterOptions } from './amr/reweighter.ts';
export { cosineSimilarity, SimMinHead, simMin } from './amr/sim-min.ts';
export { TwoStreamNetwork, type TwoStreamOptions, twoStream } from './amr/two-stream.ts';
export * from './attacks/index.ts';
export { type CheckOptions, checkGradients } from './autograd/check.ts';
export { grad, stopGradient, type ValueAndGrad, valueAndGrad } from './autograd/grad.ts';
export { type Augmentation, augmentClips, augmentSkeletons, NO_AUGMENTATION } from './data/augment.ts';
export { type BatchOptions, batches, gatherLabels, gatherSkeleton, gatherVideo } from './data/batches.ts';
export type { ActionDataset, SkeletonData, SplitName, VideoData } from './data/dataset.ts';
export { type DatasetParts, datasetOf } from './data/dataset-of.ts';
export { gunzip } from './data/gunzip.ts';
export { BatchMixer, betaShare, cutmixClips, cutmixSkeletons, type Mixing, mixup } from './data/mix.ts';
export { parseDataset, type ReadOptions } from './data/read-dataset.ts';
export { Rng } from './data/rng.ts';
export { mirrorJoints } from './data/skeleton-variations.ts';
export {
  AttackError,
  CaptureError,
  DeviceError,
  DisposedError,
  FormatError,
  KernelError,
  KernelwrightError,
  ShapeError,
  type StateDifference,
  StateError,
} from './errors.ts';
export { decodeArrays } from './formats/decode.ts';
export { decodeNpy, decodeNpz } from './formats/npy.ts';
export { type ReadBytesOptions, readBytes } from './formats/read-bytes.ts';
export { decodeSafetensors, encodeSafetensors, type StoredTensors } from './formats/safetensors.ts';
export { type StoredDtype, type StoredTensor, toNative } from './formats/stored.ts';
export { type DecodeTorchOptions, decodeTorch } from './formats/torch-file.ts';
export { encodeTorch } from './formats/torch-writer.ts';
export type { InflateOptions } from './formats/zip.ts';
export { type AttentionOptions, attention } from './kernels/attention.ts';
export { boneProjection } from './kernels/bone-projection.ts';
export { type ChannelMatmulOptions, channelMatmul } from './kernels/channel-matmul.ts';
export {
  type ConvGeometry,
  type ConvOptions,
  type ConvTransposeGeometry,
  type ConvTransposeOptions,
  conv1d,
  conv2d,
  conv3d,
  convTranspose1d,
  convTranspose2d,
  convTranspose3d,
  type Padding,
  type PerAxis,
} from './kernels/conv.ts';
export {
  abs,
  add,
  cast,
  clamp,
  div,
  equal,
  exp,
  gelu,
  greater,
  greaterEqual,
  leakyRelu,
  less,
  lessEqual,
  log,
  maximum,
  minimum,
  mul,
  neg,
  notEqual,
  type Operand,
  pow,
  relu,
  rsqrt,
  sigmoid,
  sign,
  silu,
  softplus,
  sqrt,
  square,
  sub,
  tanh,
  where,
} from './kernels/elementwise.ts';
export { full, ones, onesLike, zeros, zerosLike } from './kernels/fill.ts';
export { type GraphConvOptions, graphConv } from './kernels/graph-conv.ts';
export { type ImageOptions, tensorFromImage } from './kernels/image.ts';
export {
  broadcastTo,
  concat,
  flip,
  gather,
  oneHot,
  pad,
  reshape,
  type SliceOptions,
  slice,
  split,
  stack,
  transpose,
} from './kernels/layout.ts';
export { type CrossEntropyOptions, crossEntropy, type KlDivOptions, klDiv } from './kernels/loss.ts';
export { type Activation, type MatmulOptions, matmul } from './kernels/matmul.ts';
export {
  type BatchNormResult,
  batchNorm,
  batchNormInference,
  type GroupNormOptions,
  groupNorm,
  layerNorm,
  type NormOptions,
} from './kernels/norm.ts';
export {
  type AvgPoolOptions,
  avgPool1d,
  avgPool2d,
  avgPool3d,
  globalAvgPool,
  globalMaxPool,
  maxPool1d,
  maxPool2d,
  maxPool3d,
} from './kernels/pool.ts';
export type { PoolOptions } from './kernels/pool-geometry.ts';
export {
  dropout,
  permutation,
  randomBits,
  randomNormal,
  randomUniform,
  type Seed,
} from './kernels/random.ts';
export {
  argmax,
  argmin,
  logSumExp,
  max,
  mean,
  min,
  type ReduceOptions,
  sum,
  variance,
} from './kernels/reduce.ts';
export { type ResizeMode, type ResizeOptions, resize } from './kernels/resize.ts';
export { logSoftmax, softmax } from './kernels/softmax.ts';
export {
  type AdamwOptions,
  accumulateUpdate,
  adamwUpdate,
  emaUpdate,
  type SgdOptions,
  sgdUpdate,
} from './kernels/update.ts';
export { Backbone, Network } from './models/backbone.ts';
export { CifarBlock, CifarResNet, type CifarResNetOptions } from './models/cifar-resnet.ts';
export { Classifier } from './models/classifier.ts';
export { CtrGcn, type CtrGcnOptions } from './models/ctr-gcn.ts';
export { DividedBlock, type DividedBlockSize, type TokenGrid } from './models/divided-attention.ts';
export { Hcn, type HcnOptions } from './models/hcn.ts';
export { InflatedResNet, type InflatedResNetOptions, inflateWeights } from './models/inflated-resnet.ts';
export { Mlp, type MlpOptions } from './models/mlp.ts';
export { ResNet, type ResNetOptions } from './models/resnet.ts';
export {
  centreOf,
  directedPartition,
  hopDistances,
  NTU_PARENTS,
  type PartitionStrategy,
  skeletonPartition,
  spatialPartition,
} from './models/skeleton-graph.ts';
export { SkeletonTransformer, type SkeletonTransformerOptions } from './models/skeleton-transformer.ts';
export { type SkeletonStream, StGcn, type StGcnSize } from './models/st-gcn.ts';
export { StGcn18, type StGcn18Options } from './models/st-gcn-18.ts';
export { TimeSformer, type TimeSformerOptions } from './models/timesformer.ts';
export { VideoResNet, type VideoResNetKind, type VideoResNetSize } from './models/video-resnet.ts';
export { type Layers, runLayers } from './nn/chain.ts';
export {
  ConvTranspose1d,
  ConvTranspose2d,
  ConvTranspose3d,
  type ConvTransposeSize,
} from './nn/conv-transpose.ts';
export { GradientSum } from './nn/gradient-sum.ts';
export { Initialiser } from './nn/initialisers.ts';
export {
  Conv1d,
  Conv2d,
  Conv3d,
  type ConvSize,
  Dropout,
  GraphConv,
  Linear,
  MultiHeadAttention,
  Relu,
  Sequential,
} from './nn/layers.ts';
export { type LoadTorchOptions, loadTorch } from './nn/load-torch.ts';
export { LossScaler, type LossScalerOptions } from './nn/loss-scaler.ts';
export { EVALUATION, Layer, type Mode, Module, type NamedTensors } from './nn/module.ts';
export { BatchNorm, type BatchNormOptions, LayerNorm } from './nn/norms.ts';
export { AdamW, clipByGlobalNorm, type Optimiser, Sgd } from './nn/optimisers.ts';
export { MaxPool } from './nn/pooling.ts';
export { Residual } from './nn/residual.ts';
export { saveTorch, torchStateDict } from './nn/save-torch.ts';
export { cosine, type Schedule, stepDecay, warmUp } from './nn/schedules.ts';
export { excite, squeeze } from './nn/squeeze.ts';
export { decodeState, encodeState } from './nn/state.ts';
export { StructuredDropout } from './nn/structured-dropout.ts';
export {
  type TorchCounter,
  type TorchEntry,
  type TorchTensor,
  torchTensor,
  underPath,
} from './nn/torch-state.ts';
export { WeightAverage } from './nn/weight-average.ts';
export { type Captured, type CaptureOptions, capture } from './tensor/capture.ts';
export { captureShapes } from './tensor/capture-shapes.ts';
export { Device, type Memory, type OpenOptions, openDevice, type Traits } from './tensor/device.ts';
export type { KernelProfile, Profile, ProfiledDispatch } from './tensor/profile.ts';
export { chromeTrace, formatProfile } from './tensor/profile-report.ts';
export type { Scalar } from './tensor/scalar.ts';
export type { ScopeMemory } from './tensor/scope.ts';
export type { AxisOption, DType, FloatType, Shape } from './tensor/shape.ts';
export { type ArrayTypes, Tensor, type TypedArray } from './tensor/tensor.ts';
export * from './train/index.ts';
