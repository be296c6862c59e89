import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import { taken, watchQueue } from './queue'

/**
 * What waits on this device. What the server took leaves only when the lists it belongs to (`keys`) were read anew: in between it would look as if it had
 * never been done.
 */
export function useQueued<T extends { id: string }>(read: () => Promise<T[]>, ...keys: string[]): T[] {
  const client = useQueryClient()
  const [waiting, setWaiting] = useState<T[]>([])
  const lists = keys.join(' ')
  useEffect(() => {
    let shown: T[] = []
    let leaving: T[] = []
    let seen = taken()
    let over = false
    const show = (now: T[]) => {
      shown = now
      if (!over) setWaiting(now)
    }
    const look = async () => {
      const now = await read()
      const gone = shown.filter(one => !now.some(other => other.id === one.id))
      const fresh = gone.filter(one => !leaving.includes(one))
      leaving = gone
      show([...gone, ...now])
      // Some come and go between two looks.
      if (fresh.length === 0 && seen === taken()) return
      seen = taken()
      await Promise.all(lists.split(' ').map(key => client.invalidateQueries({ queryKey: [key] })))
      show(shown.filter(one => !fresh.includes(one)))
    }
    // A browser that keeps nothing has nothing waiting.
    const again = () => void look().catch(() => undefined)
    again()
    const stop = watchQueue(again)
    return () => {
      over = true
      stop()
    }
  }, [client, read, lists])
  return waiting
}
