import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'

const root = join(import.meta.dirname, '../src')
type Tree = { [key: string]: string | Tree }
const read = (lng: string, file: string) => JSON.parse(readFileSync(join(root, 'i18n', lng, file), 'utf8')) as Tree

function leaves(tree: Tree, at = ''): [string, string][] {
  return Object.entries(tree).flatMap(([key, value]) => (typeof value === 'string' ? [[at + key, value] as [string, string]] : leaves(value, `${at}${key}.`)))
}
/** Plural forms count as one text: Vietnamese has one form, English two. */
const plain = (key: string) => key.replace(/_(one|other)$/, '')
const holes = (text: string) => [...text.matchAll(/\{\{\s*(\w+)/g)].map(m => m[1]).sort()
const files = readdirSync(join(root, 'i18n/vi')).filter(name => name.endsWith('.json'))

function sources(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? sources(join(folder, entry.name)) : /\.tsx?$/.test(entry.name) ? [join(folder, entry.name)] : []))
}

function rust(folder: string): string[] {
  if (!existsSync(folder)) return []
  return readdirSync(folder, { withFileTypes: true }).flatMap(entry => (entry.isDirectory() ? rust(join(folder, entry.name)) : entry.name.endsWith('.rs') ? [join(folder, entry.name)] : []))
}

describe('texts', () => {
  it('exist for the same namespaces in both languages', () => {
    expect(readdirSync(join(root, 'i18n/en')).filter(name => name.endsWith('.json')).sort()).toEqual([...files].sort())
  })
  it.each(files)('%s has the same keys and the same holes in both languages', file => {
    const vi = new Map(leaves(read('vi', file)).map(([key, value]) => [plain(key), value]))
    const en = new Map(leaves(read('en', file)).map(([key, value]) => [plain(key), value]))
    expect([...en.keys()].sort()).toEqual([...vi.keys()].sort())
    for (const [key, value] of vi) {
      expect(value.trim(), key).not.toBe('')
      expect(holes(en.get(key) ?? ''), key).toEqual(holes(value))
    }
  })
  it('has every key that the code names', () => {
    const known = new Set(files.flatMap(file => leaves(read('vi', file)).map(([key]) => `${file.replace('.json', '')}:${plain(key)}`)))
    const missing: string[] = []
    for (const file of sources(root)) {
      for (const [, key = ''] of readFileSync(file, 'utf8').matchAll(/\b(?:t|text)\('([a-z_]+(?::[\w.-]+|\.[\w.-]+))'/g)) {
        const full = key.includes(':') ? key : `common:${key}`
        if (!known.has(full)) missing.push(`${file.slice(root.length + 1)}: ${key}`)
      }
    }
    expect(missing).toEqual([])
  })
  it('has words for every action of the audit log', () => {
    const said = (lng: string) => new Set(leaves(read(lng, 'audit.json')['action'] as Tree).map(([key]) => key))
    const crates = join(root, '../../crates')
    const files = readdirSync(crates).flatMap(name => rust(join(crates, name, 'src'))).map(file => readFileSync(file, 'utf8'))
    const calls = files.flatMap(code => [...code.matchAll(/\baudit\(\s*(?:&format!\()?"([^"]+)"/g), ...code.matchAll(/let action = [^;]*?"([a-z-]+\.[^"]+)"[^;]*?"([a-z-]+\.[^"]+)"/g)])
    const actions = new Set(calls.flatMap(([, ...found]) => found).filter(Boolean).map(action => action.replaceAll('.', '_')))
    expect(actions.size).toBeGreaterThan(90)
    for (const lng of ['vi', 'en']) {
      const known = said(lng)
      // What a value completes has words for one value at least.
      const missing = [...actions].filter(action => (action.includes('{') ? ![...known].some(key => key.startsWith(action.split('{')[0] ?? action)) : !known.has(action)))
      expect(missing, `audit.json (${lng})`).toEqual([])
    }
  })
  it('is not written into components', () => {
    const accented = /[ăâđêôơưàảãáạằẳẵắặầẩẫấậèẻẽéẹềểễếệìỉĩíịòỏõóọồổỗốộờởỡớợùủũúụừửữứựỳỷỹýỵ]/i
    const found = sources(root).filter(file => file.endsWith('.tsx')).flatMap(file => {
      const code = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '')
      return accented.test(code) ? [file.slice(root.length + 1)] : []
    })
    expect(found).toEqual([])
  })
})
