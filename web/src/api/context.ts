import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { BulkItem, Credential, Device, DeviceCommand, DeviceGroup, DeviceGroupLife, DeviceProfile, ImportDone, LonLat, Page, Series, Thing, ThingType } from './types'

export function useThings(query: { type?: string; q?: string; area?: string; bbox?: string; limit?: number }, enabled = true) {
  return useQuery({
    queryKey: ['things', query],
    queryFn: ({ signal }) => call<Page<Thing>>('/api/context/things', { query, signal }),
    refetchInterval: 60_000,
    enabled,
  })
}

export function useThing(id: string | undefined) {
  return useQuery({ queryKey: ['thing', id], queryFn: ({ signal }) => call<Thing>(`/api/context/things/${encodeURIComponent(id ?? '')}`, { signal }), enabled: Boolean(id) })
}

export function useThingTypes() {
  return useQuery({ queryKey: ['thing-types'], queryFn: ({ signal }) => call<ThingType[]>('/api/context/types', { signal }), staleTime: 3_600_000 })
}

export function useThingsGeo(type?: string) {
  return useQuery({
    queryKey: ['things-geo', type],
    queryFn: ({ signal }) => call<GeoJSON.FeatureCollection>('/api/context/map', { query: { type }, signal }),
    refetchInterval: 60_000,
  })
}

export function useSeries(id: string | undefined, attribute: string | undefined, hours: number, bucket: number) {
  return useQuery({
    queryKey: ['series', id, attribute, hours, bucket],
    queryFn: ({ signal }) => {
      const to = Math.ceil(Date.now() / 60_000) * 60_000
      const query = { attribute, from: new Date(to - hours * 3_600_000).toISOString(), to: new Date(to).toISOString(), bucket }
      return call<Series>(`/api/context/things/${encodeURIComponent(id ?? '')}/series`, { query, signal })
    },
    enabled: Boolean(id && attribute),
  })
}

/** Milliseconds of a series point, whichever way the instant is written. */
export function instant(t: number | string): number {
  return typeof t === 'number' ? t / 1000 : Date.parse(t)
}

// Devices

export interface DeviceFilter {
  q?: string
  profile?: string
  state?: string
  area?: string
  group?: string
  doubtful?: string
}

export function useDevices(filter: DeviceFilter) {
  return useInfiniteQuery({
    queryKey: ['devices', filter],
    queryFn: ({ pageParam, signal }) => call<Page<Device>>('/api/context/devices', { query: { limit: 200, ...filter, after: pageParam } satisfies Query, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    refetchInterval: 60_000,
  })
}

export function useProfiles(enabled = true) {
  return useQuery({ queryKey: ['device-profiles'], queryFn: ({ signal }) => call<DeviceProfile[]>('/api/context/profiles', { signal }), staleTime: 300_000, enabled })
}

export interface NewDevice {
  id: string
  name: string
  profile: string
  transport: 'mqtt' | 'http'
  location?: LonLat
  area?: string
}
export interface DeviceSecret {
  device: Device
  secret: string
}

export function useAddDevice() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (device: NewDevice) => call<DeviceSecret>('/api/context/devices', { json: device }), onSuccess: () => client.invalidateQueries({ queryKey: ['devices'] }) })
}

/** The old secret stops working at once. */
export function useRenewSecret() {
  return useMutation({ mutationFn: (id: string) => call<DeviceSecret>(`/api/context/devices/${encodeURIComponent(id)}/secret`, { method: 'POST' }) })
}

export function useRemoveDevice() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<void>(`/api/context/devices/${encodeURIComponent(id)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['devices'] }) })
}

/** One device with its series; looked at again every few seconds while it is open. */
export function useDevice(id: string | undefined) {
  return useQuery({ queryKey: ['device', id], queryFn: ({ signal }) => call<Device>(`/api/context/devices/${encodeURIComponent(id ?? '')}`, { signal }), enabled: Boolean(id), refetchInterval: 10_000 })
}

export function useChangeDevice(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (change: { name?: string; groups?: string[] }) => call<Device>(`/api/context/devices/${encodeURIComponent(id)}`, { method: 'PATCH', json: change }),
    onSuccess: () => Promise.all(['device', 'devices', 'device-groups'].map(key => client.invalidateQueries({ queryKey: [key] }))),
  })
}

// Commands

/** Commands of a device, newest first; followed closely while one is under way. */
export function useCommands(device: string, state?: string) {
  return useInfiniteQuery({
    queryKey: ['device-commands', device, state],
    queryFn: ({ pageParam, signal }) => call<Page<DeviceCommand>>('/api/context/commands', { query: { device, state, limit: 20, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
    refetchInterval: query => (query.state.data?.pages.some(page => page.items.some(c => !c.ended)) ? 3_000 : 30_000),
  })
}

/** `key` names the sending: pressed twice, it is still one command. */
export function useSendCommand(device: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ key, ...command }: { command: string; parameters: Record<string, unknown>; key: string }) =>
      call<DeviceCommand>(`/api/context/devices/${encodeURIComponent(device)}/commands`, { json: command, headers: { 'Idempotency-Key': key } }),
    onSuccess: () => Promise.all([client.invalidateQueries({ queryKey: ['device-commands', device] }), client.invalidateQueries({ queryKey: ['device', device] })]),
  })
}

export function useCancelCommand(device: string) {
  const client = useQueryClient()
  return useMutation({ mutationFn: (id: string) => call<DeviceCommand>(`/api/context/commands/${id}/cancel`, { method: 'POST' }), onSettled: () => client.invalidateQueries({ queryKey: ['device-commands', device] }) })
}

// Credentials

export function useCredentials(device: string) {
  return useQuery({ queryKey: ['device-credentials', device], queryFn: ({ signal }) => call<Credential[]>(`/api/context/devices/${encodeURIComponent(device)}/credentials`, { signal }) })
}

export interface NewCredential {
  label: string
  certificate?: string
  fingerprint?: string
  name?: string
}

export function useAddCredential(device: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (credential: NewCredential) => call<{ credential: Credential; secret?: string }>(`/api/context/devices/${encodeURIComponent(device)}/credentials`, { json: credential }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['device-credentials', device] }),
  })
}

export function useDropCredential(device: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => call<void>(`/api/context/devices/${encodeURIComponent(device)}/credentials/${id}`, { method: 'DELETE' }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['device-credentials', device] }),
  })
}

// Groups

export function useDeviceGroups() {
  return useQuery({ queryKey: ['device-groups'], queryFn: ({ signal }) => call<Page<DeviceGroupLife>>('/api/context/device-groups', { query: { limit: 200 }, signal }), refetchInterval: 60_000 })
}

export function usePutGroup() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (group: DeviceGroup) => call<DeviceGroup>('/api/context/device-groups', { method: 'PUT', json: group }), onSuccess: () => client.invalidateQueries({ queryKey: ['device-groups'] }) })
}

export function useDropGroup() {
  const client = useQueryClient()
  return useMutation({ mutationFn: (path: string) => call<void>(`/api/context/device-groups/${encodeURIComponent(path)}`, { method: 'DELETE' }), onSuccess: () => client.invalidateQueries({ queryKey: ['device-groups'] }) })
}

/** One thing with many devices; each has its own result. */
export function useBulk() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (bulk: { devices?: string[]; group?: string; action: unknown }) => call<{ items: BulkItem[]; failed: number }>('/api/context/devices-bulk', { json: bulk }),
    onSuccess: () => Promise.all(['devices', 'device-groups', 'device-commands'].map(key => client.invalidateQueries({ queryKey: [key] }))),
  })
}

// Files

export function useImport() {
  return useMutation({
    mutationFn: ({ file, ...query }: { file: File; profile?: string; device?: string; device_column?: string }) => call<ImportDone>('/api/context/import', { query: { ...query, name: file.name }, file, timeoutMs: 90_000 }),
  })
}
