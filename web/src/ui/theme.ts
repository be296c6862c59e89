/** Light and dark. A face may have its own default (the operations room is dark); what the person chose wins. */
import { useSyncExternalStore } from 'react'

export type Theme = 'light' | 'dark'
const KEPT = 'dothi.theme'
const watchers = new Set<() => void>()
let current: Theme = 'light'

function kept(): Theme | undefined {
  try {
    const value = new URLSearchParams(location.search).get('theme') ?? localStorage.getItem(KEPT)
    return value === 'dark' || value === 'light' ? value : undefined
  } catch {
    return undefined
  }
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
  try {
    localStorage.setItem(KEPT, theme)
  } catch {
    // The choice lasts as long as the page where storage is refused.
  }
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
