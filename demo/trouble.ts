import { find } from './dom.ts';

export interface Trouble {
  readonly title: string;
  readonly text: string;
  /** Offers to open a device again. */
  readonly reopen?: boolean;
}

export const NO_WEBGPU: Trouble = {
  title: 'This browser has no WebGPU',
  text: 'WebGPU is in current Chrome and Edge, in Safari 26 and in Firefox 141 on Windows, on pages served from localhost or over https. Open this page in one of them.',
};

export function cannotOpen(error: unknown): Trouble {
  return {
    title: 'WebGPU found no graphics adapter',
    text: `The browser knows WebGPU but gave no device: ${messageOf(error)}. Check that hardware acceleration is on; on Linux, Chrome may need --enable-unsafe-webgpu or --enable-features=Vulkan.`,
    reopen: true,
  };
}

export function deviceLost(reason: string): Trouble {
  return {
    title: 'The GPU device was lost',
    text: `The browser took it away (${reason}). What was trained was on it and is gone; opening it again starts afresh.`,
    reopen: true,
  };
}

export function diverged(error: unknown): Trouble {
  return {
    title: 'Training diverged',
    text: `${messageOf(error)}. Press Reset, choose a lower learning rate and train again.`,
  };
}

export function unexpected(error: unknown): Trouble {
  return { title: 'Something went wrong', text: messageOf(error), reopen: true };
}

/** Shows what is wrong in place of what was; nothing clears it. */
export function showTrouble(trouble: Trouble | undefined): void {
  find('trouble', HTMLElement).hidden = !trouble;
  find('trouble-title', HTMLElement).textContent = trouble?.title ?? '';
  find('trouble-text', HTMLElement).textContent = trouble?.text ?? '';
  find('reopen', HTMLButtonElement).hidden = !trouble?.reopen;
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
