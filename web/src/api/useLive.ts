import { useEffect, useRef, useSyncExternalStore } from 'react'
import { listen, liveState, type LiveName, type LiveState } from './live'
import type { LiveEvent } from './types'

/** Calls back on the named live events while the component is mounted. */
export function useLive(names: readonly LiveName[], onEvent: (event: LiveEvent) => void): void {
  const latest = useRef(onEvent)
  useEffect(() => {
    latest.current = onEvent
  })
  const key = names.join(' ')
  useEffect(() => listen(key.split(' ') as LiveName[], event => latest.current(event)), [key])
}

export function useLiveState(): LiveState {
  return useSyncExternalStore(liveState.watch, liveState.get)
}
