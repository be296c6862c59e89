import { useEffect, useState } from 'react'
import type { WorkOrder } from '@/api'
import { keepSending, queuedSteps, type QueuedStep } from '@/api/queue'
import { useQueued } from '@/api/useQueued'

// What a crew did is sent by itself, whichever of its screens is open.
keepSending()

/** Steps of this phone that the server does not have yet, oldest first. */
export function useSteps(): QueuedStep[] {
  return useQueued(queuedSteps, 'work-orders', 'work-order')
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
