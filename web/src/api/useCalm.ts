import { useQueryClient } from '@tanstack/react-query'
import { useCallback, useEffect, useRef } from 'react'

/** At most one refresh of each list in `everyMs`, however fast events come. */
export function useCalmRefresh(everyMs = 500): (...keys: string[]) => void {
  const client = useQueryClient()
  const waiting = useRef(new Set<string>())
  const timer = useRef<ReturnType<typeof setTimeout>>(undefined)
  useEffect(() => () => clearTimeout(timer.current), [])
  return useCallback(
    (...keys: string[]) => {
      for (const key of keys) waiting.current.add(key)
      timer.current ??= setTimeout(() => {
        timer.current = undefined
        for (const key of waiting.current) void client.invalidateQueries({ queryKey: [key] })
        waiting.current.clear()
      }, everyMs)
    },
    [client, everyMs],
  )
}
