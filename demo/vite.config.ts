import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vite';

const repository = fileURLToPath(new URL('..', import.meta.url));

// The page imports the library and the embedded data set from beside this folder.
export default defineConfig({
  root: fileURLToPath(new URL('.', import.meta.url)),
  base: './',
  server: { host: '127.0.0.1', fs: { allow: [repository] } },
  build: { target: 'es2023', outDir: '../dist/demo', emptyOutDir: true },
  worker: { format: 'es' },
});
