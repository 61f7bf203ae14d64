import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vite';

// The same sources give the same bytes: names come from contents, and nothing of the machine gets in.
export default defineConfig({
  plugins: [svelte()],
  build: {
    target: 'es2022',
    outDir: process.env['EASEL_WEB_OUT'] ?? 'dist',
    emptyOutDir: true,
    modulePreload: { polyfill: false }, // an inline script, which the content policy forbids
    assetsInlineLimit: 0,
  },
  server: {
    proxy: {
      '/api': {
        target: 'http://127.0.0.1:7860',
        changeOrigin: true,
        // The server refuses pages of other origins, which this one is while it is developed.
        configure: (proxy) => proxy.on('proxyReq', (request) => request.removeHeader('origin')),
      },
    },
  },
});
