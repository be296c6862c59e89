/** Light and dark. A face may have its own default (the operations room is dark); what the person chose wins. */
import { useSyncExternalStore } from 'react'
import { keepText, keptText } from '@/api/kept'

export type Theme = 'light' | 'dark'
const KEPT = 'dothi.theme'
const watchers = new Set<() => void>()
let current: Theme = 'light'

function kept(): Theme | undefined {
  const value = new URLSearchParams(location.search).get('theme') ?? keptText(KEPT)
  return value === 'dark' || value === 'light' ? value : undefined
}

function show(theme: Theme): void {
  current = theme
  document.documentElement.dataset['theme'] = theme
  document.querySelector('meta[name=theme-color]')?.setAttribute('content', theme === 'dark' ? '#0b1315' : '#0a4f49')
  for (const watcher of watchers) watcher()
}

/** Called by each face with its default. */
export function startTheme(byDefault: Theme): void {
  show(kept() ?? byDefault)
}

export function chooseTheme(theme: Theme): void {
  // The choice lasts as long as the page where storage is refused.
  keepText(KEPT, theme)
  show(theme)
}

export function useTheme(): Theme {
  return useSyncExternalStore(
    watcher => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => current,
  )
}
