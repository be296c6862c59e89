/** After the build: the service worker gets its list of files, and the portal's first page is held to its size limit. */
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const LIMIT_KB = 120
const dist = new URL('../dist/', import.meta.url).pathname
const manifest = JSON.parse(readFileSync(`${dist}.vite/manifest.json`, 'utf8'))
const size = file => gzipSync(readFileSync(dist + file), { level: 9 }).length

/** Every script that is needed before `key` can run. */
function scripts(keys) {
  const seen = new Set()
  const visit = key => {
    const entry = manifest[key]
    if (!entry || seen.has(entry.file)) return
    if (entry.file.endsWith('.js')) seen.add(entry.file)
    for (const next of entry.imports ?? []) visit(next)
  }
  keys.forEach(visit)
  return [...seen]
}
function styles(keys) {
  const seen = new Set()
  const done = new Set()
  const visit = key => {
    if (done.has(key)) return
    done.add(key)
    for (const css of manifest[key]?.css ?? []) seen.add(css)
    for (const next of manifest[key]?.imports ?? []) visit(next)
  }
  keys.forEach(visit)
  return [...seen]
}

const always = ['index.html', 'src/app/citizen/App.tsx']
const page = (name, ...more) => ({ name, keys: [...always, ...more] })
const pages = [page('/', 'src/app/citizen/Home.tsx'), page('/report', 'src/features/cases/report/ReportPage.tsx'), page('/r/…', 'src/features/cases/public/CasePage.tsx'), page('/map', 'src/app/citizen/MapPage.tsx'), page('/traffic', 'src/features/traffic/PublicPage.tsx')]
let over = false
for (const { name, keys } of pages) {
  const missing = keys.filter(key => !manifest[key])
  if (missing.length > 0) throw new Error(`not in the manifest: ${missing.join(', ')}`)
  const kb = scripts(keys).reduce((sum, file) => sum + size(file), 0) / 1000
  const css = styles(keys).reduce((sum, file) => sum + size(file), 0) / 1000
  console.log(`${name.padEnd(8)} ${kb.toFixed(1)} kB script, ${css.toFixed(1)} kB style (gzip)`)
  over ||= kb > LIMIT_KB
}

// Offline: the portal's pages in both languages, fonts, icons; and apart, for who does not save data, the map, so that a place can be picked.
const texts = ['vi', 'en'].flatMap(lng => ['common', 'citizen'].map(ns => `src/i18n/${lng}/${ns}.json`))
const offline = [...always, 'src/app/citizen/Home.tsx', 'src/features/cases/report/ReportPage.tsx', 'src/features/cases/report/PlaceStep.tsx', 'src/features/cases/public/MinePage.tsx', 'src/features/cases/public/CasePage.tsx']
const engine = ['src/map/CityMap.tsx']
const assets = readdirSync(`${dist}assets`)
const files = new Set(['/', '/manifest.webmanifest', '/icons/dothi.svg', '/icons/pack.svg'])
for (const file of [...scripts(offline), ...styles(offline)]) files.add(`/${file}`)
for (const key of texts) files.add(`/${manifest[key].file}`)
for (const name of assets) if (name.endsWith('.woff2')) files.add(`/assets/${name}`)
const map = new Set(['land', 'provinces', 'places', 'islands'].map(name => `/basemap/${name}.json`))
for (const file of [...scripts(engine), ...styles(engine)]) if (!files.has(`/${file}`)) map.add(`/${file}`)
for (const name of assets) if (name.includes('maplibre-gl-worker')) map.add(`/assets/${name}`)
const list = [...files].sort()
const version = createHash('sha256').update([...list, ...map].join('\n')).update(readFileSync(`${dist}index.html`)).digest('hex').slice(0, 12)
const worker = `${dist}sw.js`
if (existsSync(worker)) writeFileSync(worker, readFileSync(worker, 'utf8').replace('__VERSION__', version).replace('__FILES__', JSON.stringify(list)).replace('__MAP__', JSON.stringify([...map].sort())))
// Only this script needs the manifest; it is not served.
rmSync(`${dist}.vite`, { recursive: true })
if (over) {
  console.error(`A page of the portal needs more than ${LIMIT_KB} kB of script before the map.`)
  process.exit(1)
}
