/** Symbols of the map, drawn once a theme: each tone has a colour and a shape of its own, so that colour never stands alone. */
import type { Map as Engine } from 'maplibre-gl'

export type Mark =
  | 'critical' | 'high' | 'medium' | 'low' | 'info'
  | 'open' | 'working' | 'waiting' | 'solved' | 'unsolved'
  | 'aqi-1' | 'aqi-2' | 'aqi-3' | 'aqi-4' | 'aqi-5' | 'aqi-6'
  | 'ok' | 'silent' | 'unknown'

const SIZE = 56
const token = (name: string) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()

const COLOUR: Record<Mark, string> = {
  critical: 'critical', high: 'high', medium: 'medium', low: 'low', info: 'info',
  open: 'low', working: 'medium', waiting: 'phase-waiting', solved: 'good', unsolved: 'info',
  'aqi-1': 'aqi-1', 'aqi-2': 'aqi-2', 'aqi-3': 'aqi-3', 'aqi-4': 'aqi-4', 'aqi-5': 'aqi-5', 'aqi-6': 'aqi-6',
  ok: 'brand', silent: 'ink-3', unknown: 'ink-3',
}

export function markColour(mark: Mark): string {
  return token(COLOUR[mark] ?? 'brand')
}
export { token }

function polygon(c: CanvasRenderingContext2D, sides: number, radius: number, turn: number): void {
  c.beginPath()
  for (let i = 0; i < sides; i++) {
    const a = turn + (i * 2 * Math.PI) / sides
    c.lineTo(SIZE / 2 + radius * Math.cos(a), SIZE / 2 + radius * Math.sin(a))
  }
  c.closePath()
}

function shape(c: CanvasRenderingContext2D, mark: Mark): void {
  if (mark === 'critical') polygon(c, 8, 24, Math.PI / 8)
  else if (mark === 'high') polygon(c, 3, 27, -Math.PI / 2)
  else if (mark === 'medium') polygon(c, 4, 25, 0)
  else if (mark.startsWith('aqi')) {
    c.beginPath()
    c.roundRect(6, 6, SIZE - 12, SIZE - 12, 14)
  } else {
    c.beginPath()
    c.arc(SIZE / 2, SIZE / 2, 21, 0, 7)
  }
}

function inner(c: CanvasRenderingContext2D, mark: Mark): void {
  c.strokeStyle = c.fillStyle = token('surface')
  c.lineWidth = 5
  c.lineCap = c.lineJoin = 'round'
  const m = SIZE / 2
  const path = (points: [number, number][]) => {
    c.beginPath()
    points.forEach(([x, y]) => c.lineTo(m + x, m + y))
    c.stroke()
  }
  const dot = (y: number, r = 3.4) => {
    c.beginPath()
    c.arc(m, m + y, r, 0, 7)
    c.fill()
  }
  if (mark === 'critical' || mark === 'high') {
    path([[0, -8], [0, 3]])
    dot(11)
  } else if (mark === 'medium') path([[-6, 2], [0, -5], [6, 2]])
  else if (mark === 'low') path([[-6, -3], [0, 4], [6, -3]])
  else if (mark === 'info') {
    dot(-8)
    path([[0, 0], [0, 9]])
  } else if (mark === 'open') {
    c.beginPath()
    c.arc(m, m, 9, 0, 7)
    c.stroke()
  } else if (mark === 'working' || mark === 'ok') dot(0, 7)
  else if (mark === 'waiting') {
    path([[-5, -7], [-5, 7]])
    path([[5, -7], [5, 7]])
  } else if (mark === 'solved') path([[-8, 1], [-2, 7], [9, -6]])
  else if (mark === 'unsolved') {
    path([[-6, -6], [6, 6]])
    path([[6, -6], [-6, 6]])
  } else if (mark === 'silent' || mark === 'unknown') path([[-8, 0], [8, 0]])
}

export function addMarks(map: Engine): void {
  for (const mark of Object.keys(COLOUR) as Mark[]) {
    const canvas = document.createElement('canvas')
    canvas.width = canvas.height = SIZE
    const c = canvas.getContext('2d', { willReadFrequently: true })
    if (!c) return
    shape(c, mark)
    c.fillStyle = markColour(mark)
    c.strokeStyle = token('raised')
    c.lineWidth = 5
    c.lineJoin = 'round'
    c.stroke()
    c.fill()
    inner(c, mark)
    if (!map.hasImage(`mark-${mark}`)) map.addImage(`mark-${mark}`, c.getImageData(0, 0, SIZE, SIZE), { pixelRatio: 2 })
  }
}
