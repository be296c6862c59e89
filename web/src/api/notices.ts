/** Warnings on the portal: apart from the operations room's calls, because everybody loads this. */
import { useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { WarningNotice } from './incidents'

/** Warnings in force, for everybody. */
export function useNotices() {
  return useQuery({ queryKey: ['notices'], queryFn: ({ signal }) => call<WarningNotice[]>('/api/incidents/notices', { signal }), refetchInterval: 60_000 })
}
