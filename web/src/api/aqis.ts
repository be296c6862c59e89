import { useQueries } from '@tanstack/react-query'
import { aqiQuery } from './aqi'
import type { Thing } from './types'

/** Indexes of stations by id; absent while they are not known. Apart from `aqi.ts`, so that the portal's first page stays light. */
export function useAqis(things: readonly Thing[]): ReadonlyMap<string, number> {
  return useQueries({
    queries: things.slice(0, 60).map(aqiQuery),
    combine: answers => new Map(answers.flatMap((answer, i) => (typeof answer.data === 'number' && things[i] ? [[things[i].id, answer.data] as const] : []))),
  })
}
