import dagre from '@dagrejs/dagre'
import type { FlowMove, FlowView } from '@/api'

export interface Box { code: string; x: number; y: number; width: number; height: number }
export interface Edge { from: string; to: string; moves: FlowMove[]; points: { x: number; y: number }[]; label: { x: number; y: number } }
export interface Drawing { width: number; height: number; boxes: Box[]; edges: Edge[] }

const WIDTH = 176
const HEIGHT = 58

/** Places states in layers, the way a case goes from above to below; moves between the same two states share one line. */
export function draw(view: Pick<FlowView, 'states' | 'moves'>): Drawing {
  const graph = new dagre.graphlib.Graph({ multigraph: false })
  graph.setGraph({ rankdir: 'TB', nodesep: 34, ranksep: 58, edgesep: 18, marginx: 16, marginy: 16 })
  graph.setDefaultEdgeLabel(() => ({}))
  for (const state of view.states) graph.setNode(state.code, { width: WIDTH, height: HEIGHT })
  const between = new Map<string, FlowMove[]>()
  for (const move of view.moves) {
    for (const from of move.from) {
      if (!graph.hasNode(from) || !graph.hasNode(move.to)) continue
      const key = JSON.stringify([from, move.to])
      between.set(key, [...(between.get(key) ?? []), move])
    }
  }
  for (const [key, moves] of between) {
    const [from, to] = JSON.parse(key) as [string, string]
    graph.setEdge(from, to, { width: 26, height: 20, labelpos: 'c', weight: moves.some(move => move.by !== 'system') ? 2 : 1 })
  }
  dagre.layout(graph)
  const size = graph.graph()
  const boxes = view.states.map(state => {
    const at = graph.node(state.code)
    return { code: state.code, x: at.x - WIDTH / 2, y: at.y - HEIGHT / 2, width: WIDTH, height: HEIGHT }
  })
  const edges = graph.edges().map(edge => {
    const laid = graph.edge(edge) as { points: { x: number; y: number }[]; x?: number; y?: number }
    const middle = laid.points[Math.floor(laid.points.length / 2)] ?? { x: 0, y: 0 }
    return { from: edge.v, to: edge.w, moves: between.get(JSON.stringify([edge.v, edge.w])) ?? [], points: laid.points, label: { x: laid.x ?? middle.x, y: laid.y ?? middle.y } }
  })
  return { width: size.width ?? 0, height: size.height ?? 0, boxes, edges }
}

export interface Difference { added: string[]; removed: string[]; changed: string[] }
function differ<T extends { code: string }>(before: readonly T[], after: readonly T[], same: (a: T, b: T) => boolean): Difference {
  const old = new Map(before.map(one => [one.code, one]))
  const codes = new Set(after.map(one => one.code))
  return {
    added: after.filter(one => !old.has(one.code)).map(one => one.code),
    removed: before.filter(one => !codes.has(one.code)).map(one => one.code),
    changed: after.filter(one => { const was = old.get(one.code); return was !== undefined && !same(was, one) }).map(one => one.code),
  }
}
const like = (keys: readonly string[]) => (a: object, b: object) => keys.every(key => JSON.stringify((a as Record<string, unknown>)[key]) === JSON.stringify((b as Record<string, unknown>)[key]))

/** What differs between two versions: states, moves, and deadlines by category and urgency. */
export function compare(before: FlowView, after: FlowView): { states: Difference; moves: Difference; deadlines: Difference } {
  const named = (view: FlowView) => view.deadlines.map(one => ({ ...one, code: one.category ? `${one.category} · ${one.urgency}` : one.urgency }))
  return {
    states: differ(before.states, after.states, like(['name', 'name_en', 'phase', 'clock', 'initial', 'waits_for', 'timeout_days'])),
    moves: differ(before.moves, after.moves, like(['name', 'name_en', 'from', 'to', 'by', 'requires', 'second_person', 'within'])),
    deadlines: differ(named(before), named(after), like(['minutes'])),
  }
}
