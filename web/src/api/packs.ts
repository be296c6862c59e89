import { useQuery } from '@tanstack/react-query'
import { call } from './client'
import type { Pack } from './types'

export function usePacks() {
  return useQuery({ queryKey: ['packs'], queryFn: ({ signal }) => call<Pack[]>('/api/packs', { signal }) })
}
