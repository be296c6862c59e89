import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, call } from './client'
import { keep, kept } from './kept'
import type { LiveEvent, Page } from './types'
import { useCalmRefresh } from './useCalm'
import { useLive } from './useLive'
import type { Crew, CrewDraft, OrderDraft, OrderStep, WorkKind, WorkOrder } from './work-types'
export * from './work-types'

export function workPhoto(sha: string, size: 'thumb' | 'full' = 'full'): string {
  return `/api/cases/work/photos/${encodeURIComponent(sha)}?size=${size}`
}

const MINE = 'dothi.field'

/** Without a network the list stands in as it was when there was one, so that a crew sees its work. */
function orKept(error: unknown): Page<WorkOrder> {
  const page = error instanceof ApiError && error.offline ? kept<Page<WorkOrder>>(MINE) : undefined
  if (page) return page
  throw error
}

/** What is shown of orders is read anew when one of them was given or moved on, whoever did it. */
function useMoved(concerns: (event: LiveEvent) => boolean): void {
  const refresh = useCalmRefresh()
  useLive(['work-moved', 'hello', 'reset'], event => {
    if (event.event !== 'work-moved' || concerns(event)) refresh('work-orders', 'work-order', 'work-crews')
  })
}

/** Orders that wait for a crew of mine. */
export function useMyOrders() {
  return useQuery({
    queryKey: ['work-orders', 'mine'],
    queryFn: async ({ signal }) => {
      const page = await call<Page<WorkOrder>>('/api/cases/work/orders', { query: { view: 'mine', limit: 200 }, signal }).catch(orKept)
      keep(MINE, page)
      return page
    },
    networkMode: 'always',
    retry: false,
    refetchInterval: 60_000,
  })
}

export function useOrders(filter: { view: 'unit' | 'all'; case?: string; crew?: string; alarm?: string }, enabled = true) {
  useMoved(event => filter.case === undefined || event['case'] === filter.case)
  return useQuery({ enabled, queryKey: ['work-orders', filter], queryFn: ({ signal }) => call<Page<WorkOrder>>('/api/cases/work/orders', { query: { limit: 100, ...filter }, signal }) })
}

/** One order; while there is no network, as it stands in the kept list. */
export function useOrder(id: string) {
  useMoved(event => event['order'] === id)
  return useQuery({
    queryKey: ['work-order', id],
    queryFn: ({ signal }) => call<WorkOrder>(`/api/cases/work/orders/${encodeURIComponent(id)}`, { signal }).catch((error: unknown) => {
      const order = orKept(error).items.find(one => one.id === id)
      if (order) return order
      throw error
    }),
    networkMode: 'always',
    retry: false,
  })
}

export function useWorkKinds(enabled = true) {
  return useQuery({ queryKey: ['work-kinds'], queryFn: ({ signal }) => call<WorkKind[]>('/api/cases/work/kinds', { signal }), staleTime: 3_600_000, enabled })
}

export function useCrews(unit?: string, enabled = true) {
  return useQuery({ queryKey: ['work-crews', unit], queryFn: ({ signal }) => call<Crew[]>('/api/cases/work/crews', { query: { unit }, signal }), enabled })
}

export function useCrewPeople(unit: string | undefined) {
  return useQuery({ queryKey: ['work-people', unit], queryFn: ({ signal }) => call<{ id: string; name: string }[]>('/api/cases/work/people', { query: { unit }, signal }), enabled: Boolean(unit) })
}

export function usePutCrew() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, draft }: { id?: string | undefined; draft: CrewDraft }) => (id ? call<Crew>(`/api/cases/work/crews/${encodeURIComponent(id)}`, { method: 'PUT', json: draft }) : call<Crew>('/api/cases/work/crews', { json: draft })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['work-crews'] }),
  })
}

export function useGiveOrder() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ draft, key }: { draft: OrderDraft; key: string }) => call<WorkOrder>('/api/cases/work/orders', { json: draft, headers: { 'Idempotency-Key': key } }),
    onSuccess: order => {
      void client.invalidateQueries({ queryKey: ['work-orders'] })
      if (order.case) void client.invalidateQueries({ queryKey: ['case', order.case.id] })
    },
  })
}

/** A step of the unit; those of a crew go through the queue. */
export function useOrderMove() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ order, move, body }: { order: string; move: string; body: OrderStep }) => call<WorkOrder>(`/api/cases/work/orders/${encodeURIComponent(order)}/moves/${encodeURIComponent(move)}`, { json: body }),
    onSuccess: order => {
      client.setQueryData(['work-order', order.id], order)
      void client.invalidateQueries({ queryKey: ['work-orders'] })
      if (order.case) void client.invalidateQueries({ queryKey: ['case', order.case.id] })
    },
  })
}
