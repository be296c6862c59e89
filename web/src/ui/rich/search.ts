import { useNavigate, useSearch as useRouterSearch } from '@tanstack/react-router'
import { useCallback, useEffect, useState } from 'react'

export type Search = Record<string, string | undefined>

/** Filters that live in the address, so that a view can be shared, reloaded and gone back to. Staff faces only. */
export function useSearch(): [Search, (change: Search) => void] {
  const raw = useRouterSearch({ strict: false }) as Record<string, unknown>
  const navigate = useNavigate()
  const set = useCallback(
    (change: Search) => {
      const search = (before: Record<string, unknown>) => Object.fromEntries(Object.entries({ ...before, ...change }).filter(([, value]) => value !== undefined && value !== ''))
      void navigate({ to: '.', search: search as never, replace: true })
    },
    [navigate],
  )
  return [Object.fromEntries(Object.entries(raw).map(([key, value]) => [key, value === undefined ? undefined : String(value)])), set]
}

/** What is being typed, once the fingers rest: searches are asked for words, not for letters. */
export function useSettled(words: string, restMs = 200): string {
  const [settled, setSettled] = useState(words)
  useEffect(() => {
    const timer = setTimeout(() => setSettled(words), restMs)
    return () => clearTimeout(timer)
  }, [words, restMs])
  return settled
}
