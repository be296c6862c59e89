import { queryOptions, useQuery } from '@tanstack/react-query'
import { call } from './client'
import { instant } from './context'
import type { Series, Thing, VnAqi } from './types'

const HOUR = 3_600_000

/** The official hourly index of a station: as the platform keeps it, else computed by the server's calculator from the last twelve hours. */
async function stationAqi(thing: Thing, signal: AbortSignal): Promise<number | null> {
  const kept = thing.attributes['vnAqi']?.value
  if (typeof kept === 'number') return kept
  // The hours end with the station's last observation, so that a replayed or late station has its index too.
  const end = Math.ceil(Date.parse(thing.observed_at ?? '') / HOUR) * HOUR
  if (Number.isNaN(end)) return null
  const gases = ['pm25', 'pm10', 'o3', 'no2', 'so2', 'co'].filter(name => typeof thing.attributes[name]?.value === 'number')
  if (!gases.includes('pm25') && !gases.includes('pm10')) return null
  const hours: Record<string, number>[] = Array.from({ length: 12 }, () => ({}))
  await Promise.all(
    gases.map(async name => {
      const query = { attribute: name, from: new Date(end - 12 * HOUR).toISOString(), to: new Date(end).toISOString(), bucket: 3600 }
      const series = await call<Series>(`/api/context/things/${encodeURIComponent(thing.id)}/series`, { query, signal })
      for (const point of series.points) {
        const hour = hours[Math.floor((end - 1 - instant(point.t)) / HOUR)]
        if (hour && typeof point.value === 'number') hour[name] = point.value
      }
    }),
  )
  try {
    return (await call<VnAqi>('/api/rules/vn-aqi', { json: { hours }, signal })).aqi
  } catch {
    // Too few hours for an index: the station shows its readings only.
    return null
  }
}

export function aqiQuery(thing: Thing) {
  return queryOptions({ queryKey: ['aqi', thing.id, thing.observed_at], queryFn: ({ signal }) => stationAqi(thing, signal), staleTime: 10 * 60_000, retry: false })
}

/** The index of one station; undefined while it is not known, null when there are too few hours. */
export function useAqi(thing: Thing): number | null | undefined {
  return useQuery(aqiQuery(thing)).data
}
