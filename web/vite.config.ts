import react from '@vitejs/plugin-react'
import { fileURLToPath } from 'node:url'
import { defineConfig } from 'vite'

const server = process.env['DOTHI_URL'] ?? 'http://127.0.0.1:8080'
const passed = ['/api', '/ngsi-ld', '/healthz', '/open311', '/sensorthings']

export default defineConfig({
  plugins: [react()],
  resolve: { alias: { '@': fileURLToPath(new URL('./src', import.meta.url)) } },
  server: { port: 5173, proxy: Object.fromEntries(passed.map(path => [path, { target: server, changeOrigin: false }])) },
  build: {
    target: 'es2022',
    manifest: true,
    // Fonts and icons stay files of their own, so that the first page carries no base64.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    chunkSizeWarningLimit: 1200,
    rolldownOptions: {
      checks: { pluginTimings: false },
      onwarn(warning, handle) {
        if (warning.code !== 'MODULE_LEVEL_DIRECTIVE') handle(warning)
      },
      output: {
        codeSplitting: {
          groups: [
            { name: 'react', test: /node_modules\/(react|react-dom|scheduler)\// },
            { name: 'map-engine', test: /node_modules\/(maplibre-gl|@maplibre|@mapbox)\// },
            { name: 'charts', test: /node_modules\/(echarts|zrender)\// },
            { name: 'aria', test: /node_modules\/(react-aria|react-stately|@react-aria|@react-stately|@internationalized)/ },
          ],
        },
      },
    },
  },
})
