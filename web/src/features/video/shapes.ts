/** Shapes over a camera's picture, in fractions of its width and height: privacy masks, places, lines that are counted across. */

export type Point = readonly [x: number, y: number]
export interface Shape {
  points: readonly Point[]
  name?: string | undefined
}
export type ShapeKind = 'mask' | 'zone' | 'line'

/** Most corners of an area, as the server has it. */
export const MOST_CORNERS = 64

export const clamp = (v: number): number => Math.max(0, Math.min(1, v))
/** A thousandth of the picture is finer than a finger, and short to store. */
const rounded = (v: number): number => Math.round(clamp(v) * 1000) / 1000
export const point = (x: number, y: number): Point => [rounded(x), rounded(y)]

export const fewest = (kind: ShapeKind): number => (kind === 'line' ? 2 : 3)

export function near(a: Point, b: Point, aspect: number, reach: number): boolean {
  return Math.hypot((a[0] - b[0]) * aspect, a[1] - b[1]) <= reach
}

/** Twice the area that is wound around; 0 for what has no extent. */
function extent(points: readonly Point[]): number {
  return Math.abs(points.reduce((sum, [x, y], i) => {
    const [nx, ny] = points[(i + 1) % points.length] ?? [x, y]
    return sum + x * ny - nx * y
  }, 0))
}

/** Whether the server will take it. */
export function sound(kind: ShapeKind, points: readonly Point[]): boolean {
  const [a, b] = points
  if (kind === 'line') return points.length === 2 && a !== undefined && b !== undefined && Math.hypot(a[0] - b[0], a[1] - b[1]) >= 0.01
  return points.length >= 3 && points.length <= MOST_CORNERS && extent(points) >= 1e-5
}

export function moved(shape: Shape, corner: number, to: Point): Shape {
  return { ...shape, points: shape.points.map((p, i) => (i === corner ? point(to[0], to[1]) : p)) }
}

export function without(kind: ShapeKind, shape: Shape, corner: number): Shape {
  return shape.points.length <= fewest(kind) ? shape : { ...shape, points: shape.points.filter((_, i) => i !== corner) }
}

/** A corner more, in the middle of the longest side. */
export function split(shape: Shape, aspect: number): Shape {
  const n = shape.points.length
  if (n < 3 || n >= MOST_CORNERS) return shape
  const length = (i: number): number => {
    const [a, b] = [shape.points[i]!, shape.points[(i + 1) % n]!]
    return Math.hypot((a[0] - b[0]) * aspect, a[1] - b[1])
  }
  const longest = shape.points.reduce((best, _, i) => (length(i) > length(best) ? i : best), 0)
  const [a, b] = [shape.points[longest]!, shape.points[(longest + 1) % n]!]
  return { ...shape, points: shape.points.toSpliced(longest + 1, 0, point((a[0] + b[0]) / 2, (a[1] + b[1]) / 2)) }
}

/** What the button makes, to be moved from there: as good for the keyboard as a drawn one. */
export function begun(kind: ShapeKind): Shape {
  return kind === 'line' ? { points: [[0.5, 0.75], [0.5, 0.25]] } : { points: [[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]] }
}

/** The other way counts as forward. */
export const turned = (shape: Shape): Shape => ({ ...shape, points: shape.points.toReversed() })

/** An arrow from a line's middle to the side that counts as forward: the right one, seen from its first end to its second. */
export function arrow(points: readonly Point[], aspect: number): { from: Point; to: Point } | undefined {
  const [a, b] = points
  if (!a || !b) return undefined
  const [dx, dy] = [(b[0] - a[0]) * aspect, b[1] - a[1]]
  const long = Math.hypot(dx, dy)
  if (long === 0) return undefined
  const from: Point = [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]
  return { from, to: [from[0] - (dy / long) * (0.1 / aspect), from[1] + (dx / long) * 0.1] }
}
