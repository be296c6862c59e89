import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call, type Query } from './client'
import type { Device, DeviceProfile, LonLat, Page, Series, Thing, ThingType } from './types'

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
