import { useInfiniteQuery, useMutation, useQuery, useQueryClient, type QueryClient } from '@tanstack/react-query'
import { address, call, ApiError } from './client'
import type { LonLat, Named, Page, Severity } from './types'

export type CameraRecord = 'none' | 'always' | 'hours' | 'event'
export interface CameraMask {
  name: string
  corners: [number, number][]
}
export type CameraCounting = { kind: 'line'; a: [number, number]; b: [number, number] } | { kind: 'zone'; corners: [number, number][] }
export interface CameraDetector {
  code: string
  model: string
  classes: string[]
  counting: CameraCounting
  attribute: string
  every_seconds: number
}
export interface CameraRow {
  id: string
  code: string
  name: string
  address: string
  location?: LonLat | null
  bearing?: number | null
  angle?: number | null
  reach?: number | null
  commune?: Named | null
  unit?: Named | null
  sector: string
  purpose: string
  state: string
  state_since?: string | null
  looked_at?: string | null
  record: CameraRecord
  recording: boolean
  viewers: number
  masked: boolean
  active: boolean
  version: number
}
export interface CameraView extends CameraRow {
  legal: string
  retention_days: number
  retention_own: boolean
  hours: { from: string; to: string }[]
  entity: string
  url?: string | null
  credentials?: boolean | null
  masks: CameraMask[]
  unmasked: boolean
  detectors: CameraDetector[]
  health: { at: string; state: string; before: string }[]
  counts: { detector: string; attribute: string; at: string; n: number }[]
  link: { state: 'idle' | 'connecting' | 'playing' | 'failed'; why?: string | null }
  at: string
  by: string
}
export interface CameraInput {
  version?: number
  code: string
  name: string
  address: string
  location?: LonLat
  bearing?: number
  angle?: number
  reach?: number
  commune?: string
  unit?: string
  sector: string
  purpose: string
  legal: string
  retention_days?: number
  record: CameraRecord
  hours: { from: string; to: string }[]
  url: string
  user?: string
  password?: string
  masks?: CameraMask[]
  detectors?: CameraDetector[]
  active: boolean
}
export interface CameraCatalogue {
  policy?: { retention_days: number; retention_most: number; export_minutes: number; export_days: number; export_approval: boolean; live_reason: boolean; look_seconds: number; log_days: number; marks: { of: string; source_act: string; status: 'confirmed' | 'secondary' | 'unconfirmed' | 'proposed'; note: string }[] } | null
  states: { code: string; name: string; name_en: string; severity?: Severity | null }[]
  purposes: { code: string; name: string; name_en: string; legal: string }[]
  models: { code: string; name: string; name_en: string; counts: { attribute: string; name: string; name_en: string; classes: string[] }[]; source: string; licence: string; note: string }[]
  private_networks: boolean
}
export interface CameraBoard {
  cameras: number
  states: Record<string, number>
  recording: number
  viewers: number
  asked: number
}
export interface CameraBookmark {
  id: string
  at: string
  words: string
  who: string
}
export interface CameraHold {
  id: string
  from: string
  to: string
  reason: string
  who: string
  made_at: string
  ended_at?: string | null
}
export interface CameraRecordings {
  spans: { from: string; to: string }[]
  bookmarks: CameraBookmark[]
  holds: CameraHold[]
  first?: string | null
  last?: string | null
  bytes: number
}
export interface CameraReplay {
  id: string
  segments: { id: string; from: string; to: string; base: number; sha256: string; size: number }[]
  masks: CameraMask[]
  unmasked: boolean
  mime: string
}
export interface CameraLogRow {
  id: string
  camera: Named
  who: string
  kind: 'live' | 'replay' | 'snapshot' | 'export'
  reason: string
  unmasked: boolean
  from?: string | null
  to?: string | null
  begun_at: string
  ended_at?: string | null
}
export interface CameraExport {
  id: string
  camera: Named
  from: string
  to: string
  reason: string
  state: 'asked' | 'waiting' | 'ready' | 'refused' | 'failed' | 'gone'
  who: string
  asked_at: string
  settled_by?: string | null
  settled_why?: string | null
  fault?: string | null
  sha256?: string | null
  size?: number | null
  until?: string | null
  mine_to_settle: boolean
  version: number
  incident?: string | null
}
export interface CameraImport {
  read: number
  added: number
  changed: number
  rejected: number
  rejects: { line: number; camera: string; code: string; detail: string }[]
}
export interface CameraProbed {
  service: string
  name: string
  hardware: string
  known: boolean
}
export interface CameraDevice {
  manufacturer: string
  model: string
  firmware: string
  serial: string
  profiles: { token: string; name: string; encoding: string; width: number; height: number; url: string }[]
}
export interface CameraSpan {
  from: string
  to: string
  reason: string
}
/** Which cameras a list shows. */
export interface CameraFind {
  q?: string | undefined
  state?: string | undefined
  unit?: string | undefined
  sector?: string | undefined
}

const at = (id: string) => encodeURIComponent(id)
const next = { initialPageParam: undefined as string | undefined, getNextPageParam: (page: { next?: string }) => page.next }

function anew(client: QueryClient): void {
  for (const key of ['cameras', 'camera', 'camera-board', 'camera-recordings', 'camera-log', 'camera-exports']) void client.invalidateQueries({ queryKey: [key] })
}

export function useCameraCatalogue() {
  return useQuery({ queryKey: ['camera-catalogue'], queryFn: ({ signal }) => call<CameraCatalogue>('/api/video/catalogue', { signal }), staleTime: 300_000 })
}

export function useCameraBoard() {
  return useQuery({ queryKey: ['camera-board'], queryFn: ({ signal }) => call<CameraBoard>('/api/video/board', { signal }), refetchInterval: 30_000 })
}

export function useCameras(find: CameraFind) {
  return useInfiniteQuery({ queryKey: ['cameras', find], queryFn: ({ pageParam, signal }) => call<Page<CameraRow>>('/api/video/cameras', { query: { ...find, limit: 200, after: pageParam }, signal }), ...next })
}

export function useCamera(id: string | undefined) {
  return useQuery({ queryKey: ['camera', id], queryFn: ({ signal }) => call<CameraView>(`/api/video/cameras/${at(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

export function useSaveCamera() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, input }: { id?: string; input: CameraInput }) => (id ? call<CameraView>(`/api/video/cameras/${at(id)}`, { method: 'PUT', json: input }) : call<CameraView>('/api/video/cameras', { json: input })), onSuccess: () => anew(client) })
}

export function useConfirmView() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, beside }: { id: string; beside: boolean }) => call<CameraView>(address(`/api/video/cameras/${at(id)}/view`, { beside }), { method: 'POST' }), onSuccess: () => anew(client) })
}

export function useCameraRecordings(id: string, from: string, to: string, enabled: boolean) {
  return useQuery({ queryKey: ['camera-recordings', id, from, to], queryFn: ({ signal }) => call<CameraRecordings>(`/api/video/cameras/${at(id)}/recordings`, { query: { from, to }, signal }), enabled, refetchInterval: 60_000 })
}

export function useOpenReplay() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...span }: { id: string } & CameraSpan) => call<CameraReplay>(`/api/video/cameras/${at(id)}/replays`, { json: span }), onSuccess: () => void client.invalidateQueries({ queryKey: ['camera-log'] }) })
}

/** Says that a replay is over; nothing waits for it. */
export function endReplay(id: string): void {
  void call(`/api/video/replays/${at(id)}/end`, { method: 'POST' }).catch(() => undefined)
}

export function useBookmark() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...mark }: { id: string; at: string; words: string }) => call<CameraBookmark>(`/api/video/cameras/${at(id)}/bookmarks`, { json: mark }), onSuccess: () => anew(client) })
}

export function useHold() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...span }: { id: string } & CameraSpan) => call<CameraHold>(`/api/video/cameras/${at(id)}/holds`, { json: span }), onSuccess: () => anew(client) })
}

export function useLift() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, hold, reason }: { id: string; hold: string; reason: string }) => call<undefined>(`/api/video/cameras/${at(id)}/holds/${at(hold)}/lift`, { json: { reason } }), onSuccess: () => anew(client) })
}

export function useAskExport() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...span }: { id: string; incident?: string } & CameraSpan) => call<CameraExport>(`/api/video/cameras/${at(id)}/exports`, { json: span }), onSuccess: () => anew(client) })
}

export function useCameraExports(camera?: string) {
  return useInfiniteQuery({ queryKey: ['camera-exports', camera], queryFn: ({ pageParam, signal }) => call<Page<CameraExport>>('/api/video/exports', { query: { camera, after: pageParam }, signal }), ...next, refetchInterval: 15_000 })
}

export function useSettleExport() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, ...said }: { id: string; version: number; approve: boolean; reason: string }) => call<CameraExport>(`/api/video/exports/${at(id)}/settle`, { json: said }), onSuccess: () => anew(client) })
}

export function exportFile(id: string): string {
  return `/api/video/exports/${at(id)}/file`
}

export function useCameraLog(find: { camera?: string | undefined; who?: string | undefined; kind?: string | undefined }, enabled = true) {
  return useInfiniteQuery({ queryKey: ['camera-log', find], queryFn: ({ pageParam, signal }) => call<Page<CameraLogRow>>('/api/video/log', { query: { ...find, after: pageParam }, signal }), ...next, enabled })
}

/** A picture as an address that an `img` can show; give it back with `URL.revokeObjectURL`. */
async function picture(path: string, json?: unknown): Promise<string> {
  const bytes = await call<Blob>(path, { method: 'POST', json: json ?? {}, blob: true, timeoutMs: 40_000 })
  if (bytes.size === 0) throw new ApiError('video.silent', 503)
  return URL.createObjectURL(bytes)
}

export function useSnapshot() {
  const client = useQueryClient()
  return useMutation({ mutationFn: ({ id, reason }: { id: string; reason: string }) => picture(`/api/video/cameras/${at(id)}/snapshot`, { reason }), onSuccess: () => void client.invalidateQueries({ queryKey: ['camera-log'] }) })
}

export function useDrawingBoard() {
  return useMutation({ mutationFn: (id: string) => picture(`/api/video/cameras/${at(id)}/drawing-board`) })
}

export function useProbe() {
  return useMutation({ mutationFn: (addresses: string[]) => call<CameraProbed[]>('/api/video/probe', { json: { addresses } }) })
}

export function useAskDevice() {
  return useMutation({ mutationFn: (device: { service: string; user: string; password: string }) => call<CameraDevice>('/api/video/device', { json: device, timeoutMs: 60_000 }) })
}

export function useImportCameras() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (file: File) => call<CameraImport>('/api/video/import', { method: 'POST', file, timeoutMs: 120_000 }), onSuccess: () => anew(client) })
}

/** The bytes of one recorded file. */
export function replayFile(replay: string, segment: string, signal: AbortSignal): Promise<Blob> {
  return call<Blob>(`/api/video/replays/${at(replay)}/${at(segment)}`, { signal, blob: true, timeoutMs: 60_000 })
}
