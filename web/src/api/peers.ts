import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { call } from './client'
import type { Page } from './types'

/** How one of our categories is called in another system. */
export interface Mapping {
  category: string
  service_code: string
  auto: boolean
  attributes?: Record<string, string>
}
export interface Peer {
  id: string
  name: string
  url: string
  jurisdiction_id?: string
  format: 'json' | 'xml'
  services: Mapping[]
  repeats: boolean
  poll_minutes: number
  active: boolean
  made_by: string
}
export type PeerDraft = Omit<Peer, 'id' | 'made_by'> & { api_key: string }
export interface Forward {
  id: string
  case: string
  code: string
  peer: string
  peer_name: string
  service_code: string
  state: 'waiting' | 'unsure' | 'token' | 'open' | 'closed' | 'stuck' | 'taken-back'
  tries: number
  service_request_id?: string
  reason?: string
  status?: string
  status_notes?: string
  by: string
  at: string
  checked_at?: string
}

const PEERS = '/api/cases/open311/peers'

export function usePeers(enabled = true) {
  return useQuery({ queryKey: ['peers'], queryFn: ({ signal }) => call<Peer[]>(PEERS, { signal }), enabled })
}

export function useSavePeer(id: string | undefined) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (draft: PeerDraft) => (id ? call<Peer>(`${PEERS}/${encodeURIComponent(id)}`, { method: 'PUT', json: draft }) : call<Peer>(PEERS, { json: draft })),
    onSuccess: () => client.invalidateQueries({ queryKey: ['peers'] }),
  })
}

/** What the other system offers, asked now. */
export function useOutsideServices(id: string | undefined) {
  return useQuery({ queryKey: ['peer-services', id], queryFn: ({ signal }) => call<{ service_code: string; service_name: string }[]>(`${PEERS}/${encodeURIComponent(id ?? '')}/services`, { signal }), enabled: id !== undefined, retry: false })
}

export function useOpenForwards() {
  return useQuery({ queryKey: ['forwards'], queryFn: ({ signal }) => call<Page<Forward>>('/api/cases/open311/forwards', { query: { limit: 200 }, signal }), refetchInterval: 30_000 })
}

/** Hand-overs of a case. One that is on its way arrives within seconds, and who gave it looks on. */
export function useForwards(id: string) {
  return useQuery({
    queryKey: ['forwards', id],
    queryFn: ({ signal }) => call<Forward[]>(`/api/cases/${encodeURIComponent(id)}/forwards`, { signal }),
    refetchInterval: query => (query.state.data?.some(f => f.state === 'waiting' || f.state === 'unsure') ? 3_000 : false),
  })
}

export function useHandOver(id: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (wish: { peer: string; service_code?: string }) => call<Forward>(`/api/cases/${encodeURIComponent(id)}/forwards`, { json: wish }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['forwards'] })
      void client.invalidateQueries({ queryKey: ['case', id] })
    },
  })
}

export function useDecide() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, ...decision }: { id: string; what: 'again' | 'take-back' | 'adopt'; service_request_id?: string; reason?: string }) => call<Forward>(`/api/cases/open311/forwards/${encodeURIComponent(id)}`, { json: decision }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['forwards'] }),
  })
}
