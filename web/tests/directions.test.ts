import { readdirSync, readFileSync } from 'node:fs'
import { join, relative } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../src')

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? sources(join(folder, entry.name)) : /\.tsx?$/.test(entry.name) ? [join(folder, entry.name)] : []))
}
const files = sources(root).map(path => ({ path: relative(root, path), text: readFileSync(path, 'utf8') }))
const imports = (text: string) => [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].map(m => m[1] ?? '')

/** `app → features → {api, map, ui, i18n}`; no feature imports a feature. */
function faults(path: string, target: string): string | undefined {
  const [layer = '', noun = ''] = path.split('/')
  const wanted = target.startsWith('@/') ? target.slice(2) : target.startsWith('.') ? relative(root, join(root, path, '..', target)) : undefined
  if (wanted === undefined) return undefined
  const [to = '', toNoun = ''] = wanted.split('/')
  if (to === 'app' && layer !== 'app' && path !== 'main.tsx') return 'only app imports app'
  if (to === 'features' && layer === 'features' && noun !== toNoun) return 'a feature imports a feature'
  if (to === 'features' && !['features', 'app'].includes(layer)) return 'a lower layer imports a feature'
  return undefined
}

describe('directions', () => {
  it('are kept', () => {
    expect(files.flatMap(({ path, text }) => imports(text).flatMap(target => (faults(path, target) ? [`${path} → ${target}: ${faults(path, target)}`] : [])))).toEqual([])
  })
  it('only map/ imports the map engine', () => {
    expect(files.filter(({ path, text }) => !path.startsWith('map/') && imports(text).some(target => target.startsWith('maplibre-gl'))).map(f => f.path)).toEqual([])
  })
  it('only api/ fetches', () => {
    expect(files.filter(({ path, text }) => !path.startsWith('api/') && /\b(fetch\(|new EventSource|XMLHttpRequest|sendBeacon)/.test(text)).map(f => f.path)).toEqual([])
  })
  it('the portal does not reach for the heavy widgets', () => {
    const portal = files.filter(({ path }) => /^(app\/citizen|features\/cases\/(public|report)|features\/access\/(SignIn|Register)|features\/context\/Air|ui\/[^/]+$|api)/.test(path))
    expect(portal.filter(({ text }) => imports(text).some(target => /react-aria|react-table|react-router|echarts|ui\/rich/.test(target))).map(f => f.path)).toEqual([])
  })
})
