/** Intake by the centre: calls, words looked through, barred senders, working hours. */
import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { Barred, Case, Contact, MaskBox, Page, ReportDraft, ReportReceipt, Screening } from './types'

/** Enters a report for somebody; the key makes it safe to repeat. */
export function useEnterReport() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ draft, key }: { draft: ReportDraft; key: string }) => call<ReportReceipt>('/api/cases', { json: draft, headers: { 'Idempotency-Key': key } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['desk'] }),
  })
}

/** "Me too" for somebody who calls about an open report. */
export function useCallerToo() {
  return useMutation({ mutationFn: ({ code, ...input }: { code: string; contact?: Contact; note?: string }) => call<{ followers: number }>(`/api/cases/calls/${encodeURIComponent(code)}`, { json: input }) })
}

export function useScreen() {
  return useMutation({ mutationFn: (text: string) => call<Screening>('/api/cases/screen', { json: { text } }) })
}

export interface BarredDraft {
  kind?: 'phone' | 'email'
  value?: string
  case?: string
  reason: string
  days: number
}

export function useBarred() {
  return useInfiniteQuery({
    queryKey: ['barred'],
    queryFn: ({ pageParam, signal }) => call<Page<Barred>>('/api/cases/barred', { query: { limit: 50, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
  })
}

export function useBar() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (draft: BarredDraft) => call<Barred[]>('/api/cases/barred', { json: draft }), onSuccess: () => client.invalidateQueries({ queryKey: ['barred'] }) })
}

export function useUnbar() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`/api/cases/barred/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['barred'] }) })
}

/** Whether somebody is at work now, and from when. */
export function useHours() {
  return useQuery({ queryKey: ['case-hours'], queryFn: ({ signal }) => call<{ open: boolean; opens_at: string }>('/api/cases/hours', { signal }), staleTime: 60_000, retry: false })
}

/** Decides what of a photo the public sees: boxes to be made coarse, or none. */
export function useMaskPhoto(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ sha, boxes }: { sha: string; boxes: readonly MaskBox[] }) => call<Case>(`/api/cases/${encodeURIComponent(id)}/photos/${encodeURIComponent(sha)}/mask`, { json: { boxes } }),
    onSuccess: fresh => client.setQueryData(['case', id], fresh),
  })
}

/** A video or sound; never public. */
export function mediaAddress(id: string, key?: string): string {
  return `/api/cases/media/${encodeURIComponent(id)}${key ? `?key=${encodeURIComponent(key)}` : ''}`
}

/** Adds a video or sound to the own report. */
export function sendRecording(code: string, key: string, file: Blob): Promise<unknown> {
  return call<unknown>(`/api/cases/track/${encodeURIComponent(code)}/media`, { query: { key }, file, timeoutMs: 300_000 })
}
