import { useQueryClient } from '@tanstack/react-query'
import { useEffect, useState } from 'react'
import type { WorkOrder } from '@/api'
import { keepSending, queuedSteps, watchQueue, type QueuedStep } from '@/api/queue'

// What a crew did is sent by itself, whichever of its screens is open.
keepSending()

/** Steps of this phone that the server does not have yet, oldest first. When one got through, the lists are read anew. */
export function useSteps(): QueuedStep[] {
  const client = useQueryClient()
  const [steps, setSteps] = useState<QueuedStep[]>([])
  useEffect(() => {
    let before = 0
    const read = () => void queuedSteps().then(now => {
      setSteps(now)
      if (now.length < before) {
        void client.invalidateQueries({ queryKey: ['work-orders'] })
        void client.invalidateQueries({ queryKey: ['work-order'] })
      }
      before = now.length
    }, () => undefined)
    read()
    return watchQueue(read)
  }, [client])
  return steps
}

/** An order as it stands with the steps that wait to be sent. */
export function ahead(order: WorkOrder, steps: readonly QueuedStep[]): { state: string; name: string; name_en: string; waiting: number } {
  const own = steps.filter(step => step.order === order.id && step.state !== 'refused')
  let now = { state: order.state, name: order.state_name, name_en: order.state_name_en }
  for (const step of own) {
    const move = order.way.find(one => one.code === step.move && one.from.includes(now.state))
    if (move) now = { state: move.to, name: move.to_name, name_en: move.to_name_en }
  }
  return { ...now, waiting: own.length }
}

export function useOnline(): boolean {
  const [online, setOnline] = useState(navigator.onLine)
  useEffect(() => {
    const tell = () => setOnline(navigator.onLine)
    window.addEventListener('online', tell)
    window.addEventListener('offline', tell)
    return () => {
      window.removeEventListener('online', tell)
      window.removeEventListener('offline', tell)
    }
  }, [])
  return online
}
