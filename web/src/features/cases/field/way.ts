import type { WorkOrder } from '@/api'

interface At { lon: number; lat: number }

/** Metres between two places, near enough for a day's way. */
export function metres(a: At, b: At): number {
  const rad = Math.PI / 180
  const x = (b.lon - a.lon) * rad * Math.cos(((a.lat + b.lat) / 2) * rad)
  const y = (b.lat - a.lat) * rad
  return 6_371_000 * Math.hypot(x, y)
}

/** Orders as a crew would drive: from where it is, the nearest next. Those without a place come last, by the time they are due. */
export function byWay(orders: readonly WorkOrder[], from: At): WorkOrder[] {
  const left = orders.filter(order => order.location)
  const way: WorkOrder[] = []
  let here = from
  while (left.length > 0) {
    let next = 0
    for (let i = 1; i < left.length; i += 1) {
      const [a, b] = [left[next]?.location, left[i]?.location]
      if (a && b && metres(here, b) < metres(here, a)) next = i
    }
    const [order] = left.splice(next, 1)
    if (!order?.location) break
    way.push(order)
    here = order.location
  }
  return [...way, ...byDue(orders.filter(order => !order.location))]
}

export function byDue(orders: readonly WorkOrder[]): WorkOrder[] {
  return [...orders].sort((a, b) => a.due_at.localeCompare(b.due_at) || a.code.localeCompare(b.code))
}
