import { useInfiniteQuery, useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { ApiError, call } from './client'
import { keepText, keptText } from './kept'
import type { Page } from './types'

export interface Both {
  vi: string
  en: string
}
export interface Offer {
  mail: boolean
  push_key: string
}
export interface FollowView {
  id: string
  topic: string
  title: Both
  path: string
  via: 'mail' | 'push'
  address: string
  pace: 'now' | 'daily'
  waiting: boolean
  since: string
}
export interface FollowWish {
  topic: string
  key?: string | undefined
  mail?: string
  push?: PushSubscriptionJSON
  lang: 'vi' | 'en'
}
interface FollowReceipt {
  state: 'confirm' | 'following'
  token?: string
}
export interface MessageRow {
  id: string
  via: 'mail' | 'push'
  address: string
  template: string
  code?: string
  state: 'waiting' | 'held' | 'sent' | 'dead' | 'withdrawn' | 'folded'
  urgency: 'normal' | 'high'
  tries: number
  due_at: string
  at: string
  done_at?: string
  receipt?: string
  reason?: string
}
export interface NotifyHealth {
  mail: boolean
  waiting: number
  dead: number
  sent_today: number
  templates: { code: string; name: { vi: string; en: string } }[]
}
export interface Preview {
  subject: string
  text: string
  html: string
  push: string
}

const KEPT = 'dothi.follows'

/** Opens what this browser follows; kept here, because nobody else may have it. */
export function browserToken(): string | undefined {
  return keptText(KEPT)
}

function keepToken(token: string | undefined): void {
  // Where storage is refused, messages come all the same, and can be ended in the browser's own settings.
  if (token) keepText(KEPT, token)
}

export function canPush(): boolean {
  return 'serviceWorker' in navigator && 'PushManager' in window && 'Notification' in window
}

/** Asks for permission; call it on a person's click only. */
async function browserPush(key: string): Promise<PushSubscriptionJSON> {
  if (!canPush()) throw new ApiError('notify.push.none', 0)
  if ((await Notification.requestPermission()) !== 'granted') throw new ApiError('notify.push.denied', 0)
  const worker = await navigator.serviceWorker.ready
  const there = await worker.pushManager.getSubscription()
  const padded = key.replace(/-/g, '+').replace(/_/g, '/').padEnd(Math.ceil(key.length / 4) * 4, '=')
  const bytes = Uint8Array.from(atob(padded), c => c.charCodeAt(0))
  const made = there ?? (await worker.pushManager.subscribe({ userVisibleOnly: true, applicationServerKey: bytes }))
  return made.toJSON()
}

export function useOffer() {
  return useQuery({ queryKey: ['notify-offer'], queryFn: ({ signal }) => call<Offer>('/api/notify/offer', { signal }), staleTime: 3_600_000 })
}

/** Follows by mail (with an address) or in this browser (without one). */
export function useFollowTopic(offer: Offer | undefined) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: async (wish: Omit<FollowWish, 'push'>) => {
      const push = wish.mail ? undefined : await browserPush(offer?.push_key ?? '')
      const receipt = await call<FollowReceipt>('/api/notify/follows', { json: { ...wish, ...(push ? { push: { endpoint: push.endpoint, keys: push.keys } } : {}) } })
      keepToken(receipt.token)
      return receipt
    },
    onSuccess: () => client.invalidateQueries({ queryKey: ['notify-follows'] }),
  })
}

/** What an address, this browser or the signed-in person follows. */
export function useFollows(token: string | undefined, enabled = true) {
  return useQuery({ queryKey: ['notify-follows', token], queryFn: ({ signal }) => call<FollowView[]>('/api/notify/follows', { query: { token }, signal }), enabled, retry: false })
}

export function useConfirmFollow() {
  return useMutation({ mutationFn: (token: string) => call<FollowView[]>('/api/notify/confirm', { json: { token } }) })
}

export function useUnfollow(token: string | undefined) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: (id: string) => call<void>(`/api/notify/follows/${encodeURIComponent(id)}`, { method: 'DELETE', query: { token } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['notify-follows'] }),
  })
}

export function useStopAll(token: string) {
  const client = useQueryClient()
  return useMutation({
    mutationFn: () => call<void>('/api/notify/stop', { method: 'POST', query: { token } }),
    onSuccess: () => client.invalidateQueries({ queryKey: ['notify-follows'] }),
  })
}

// For who runs the platform

export function useNotifyHealth() {
  return useQuery({ queryKey: ['notify-health'], queryFn: ({ signal }) => call<NotifyHealth>('/api/notify/health', { signal }), refetchInterval: 30_000 })
}

export function useMessages(state: string | undefined) {
  return useInfiniteQuery({
    queryKey: ['notify-messages', state],
    queryFn: ({ pageParam, signal }) => call<Page<MessageRow>>('/api/notify/messages', { query: { state, limit: 100, after: pageParam }, signal }),
    initialPageParam: undefined as string | undefined,
    getNextPageParam: page => page.next,
  })
}

export function useMessageAct() {
  const client = useQueryClient()
  return useMutation({
    mutationFn: ({ id, act }: { id: string; act: 'again' | 'withdraw' }) =>
      act === 'again' ? call<void>(`/api/notify/messages/${encodeURIComponent(id)}/again`, { method: 'POST' }) : call<void>(`/api/notify/messages/${encodeURIComponent(id)}`, { method: 'DELETE' }),
    onSuccess: () => {
      void client.invalidateQueries({ queryKey: ['notify-messages'] })
      void client.invalidateQueries({ queryKey: ['notify-health'] })
    },
  })
}

export function usePreview(template: string | undefined, lang: string) {
  return useQuery({ queryKey: ['notify-preview', template, lang], queryFn: ({ signal }) => call<Preview>('/api/notify/preview', { query: { template, lang }, signal }), enabled: template !== undefined })
}

// The account's address and password, by mail

export function useAddress(enabled: boolean) {
  return useQuery({ queryKey: ['address'], queryFn: ({ signal }) => call<{ email?: string; confirmed: boolean }>('/api/access/address', { signal }), enabled })
}

export function useAskAddress() {
  return useMutation({ mutationFn: (email: string) => call<void>('/api/access/address', { json: { email } }) })
}

export function useConfirmAddress() {
  return useMutation({ mutationFn: (token: string) => call<void>('/api/access/address/confirm', { json: { token } }) })
}

export function useAskPassword() {
  return useMutation({ mutationFn: (login: string) => call<void>('/api/access/password/forgotten', { json: { login } }) })
}

export function useResetPassword() {
  return useMutation({ mutationFn: (form: { token: string; new: string }) => call<void>('/api/access/password/reset', { json: form }) })
}
