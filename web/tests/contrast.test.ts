import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'

/** WCAG 2.2 AA by arithmetic: text 4.5:1, edges of controls and focus rings 3:1, in both themes. */
const css = readFileSync(join(import.meta.dirname, '../src/ui/tokens.css'), 'utf8').replace(/\/\*[\s\S]*?\*\//g, '')
const [light = '', dark = ''] = css.split("[data-theme='dark'] {")
const parse = (text: string) => Object.fromEntries([...text.matchAll(/--([\w-]+):\s*([^;]+);/g)].map(m => [m[1] ?? '', (m[2] ?? '').trim()]))
const themes: Record<string, Record<string, string>> = { light: parse(light), dark: { ...parse(light), ...parse(dark) } }

function channels(theme: Record<string, string>, name: string): number[] {
  let value = theme[name] ?? ''
  while (value.startsWith('var(')) value = theme[value.slice(6, -1)] ?? ''
  if (value.startsWith('rgb')) return (value.match(/\d+/g) ?? []).slice(0, 3).map(Number)
  const hex = value.length === 4 ? [...value.slice(1)].map(c => c + c).join('') : value.slice(1)
  return [0, 2, 4].map(i => parseInt(hex.slice(i, i + 2), 16))
}
function light01(theme: Record<string, string>, name: string): number {
  const [r = 0, g = 0, b = 0] = channels(theme, name).map(v => (v / 255 <= 0.03928 ? v / 255 / 12.92 : ((v / 255 + 0.055) / 1.055) ** 2.4))
  return 0.2126 * r + 0.7152 * g + 0.0722 * b
}
function ratio(theme: string, a: string, b: string): number {
  const [x, y] = [light01(themes[theme] ?? {}, a), light01(themes[theme] ?? {}, b)]
  return (Math.max(x, y) + 0.05) / (Math.min(x, y) + 0.05)
}

const tones = ['critical', 'high', 'medium', 'low', 'info', 'good']
const texts: [string, string][] = [
  ...['paper', 'surface', 'sunken', 'raised'].flatMap(ground => ['ink', 'ink-2', 'ink-3'].map(ink => [ink, ground] as [string, string])),
  ['brand-ink', 'surface'], ['brand-ink', 'paper'], ['brand-ink', 'brand-soft'], ['on-brand', 'brand'], ['on-warm', 'warm'], ['phase-waiting', 'phase-waiting-soft'],
  ...tones.flatMap(tone => [[tone, `${tone}-soft`], [tone, 'surface'], [tone, 'paper']] as [string, string][]),
  ...[1, 2, 3, 4, 5, 6].map(n => [`aqi-${n}-ink`, `aqi-${n}`] as [string, string]),
]
const edges: [string, string][] = [['line-strong', 'raised'], ['line-strong', 'paper'], ['focus', 'paper'], ['focus', 'surface'], ['brand', 'surface']]

it.each(['light', 'dark'])('the %s theme is readable', theme => {
  const weak = [...texts.map(pair => [...pair, 4.5] as const), ...edges.map(pair => [...pair, 3] as const)].filter(([a, b, least]) => ratio(theme, a, b) < least).map(([a, b]) => `${a} on ${b}: ${ratio(theme, a, b).toFixed(2)}`)
  expect(weak).toEqual([])
})
