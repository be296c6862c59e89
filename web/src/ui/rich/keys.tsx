/**
 * One mechanism for the keyboard. A screen says which keys it knows, with a word for each; `?` lists them all, `g` and a letter
 * goes somewhere, and nothing happens while somebody writes. Single keys can be switched off (WCAG 2.1.4); those with Ctrl stay.
 */
import { useEffect, useRef, useState, useSyncExternalStore } from 'react'
import { keepText, keptText } from '@/api/kept'
import { useT } from '@/i18n'
import { Check, Dialog } from '../controls'

export interface KeyAct {
  /** What it does, for the list; a key without a word is not listed (a second name of another). */
  label?: string
  run: () => void
  /** Works while somebody writes, too (only keys with Ctrl). */
  always?: boolean
}
/** By key as the browser names it: `j`, `Enter`, `?`, `g i` (one after the other), `Ctrl+k`. */
export type KeyActs = Record<string, KeyAct>

interface Scope {
  title: string
  acts: KeyActs
}

const OFF = 'dothi.keys'
const WAIT_MS = 1_500
let scopes: readonly { current: Scope }[] = []
let waiting: { key: string; until: number } | undefined
let listed = false
let off = keptText(OFF) === 'off'
const watchers = new Set<() => void>()
const tell = () => watchers.forEach(watcher => watcher())
const watch = (watcher: () => void) => (watchers.add(watcher), () => void watchers.delete(watcher))

/** Opens the list of keys. */
export function showKeys(): void {
  listed = true
  tell()
}

function find(name: string): KeyAct | undefined {
  // What was opened last is asked first.
  for (let i = scopes.length - 1; i >= 0; i -= 1) {
    const act = scopes[i]?.current.acts[name]
    if (act) return act
  }
  return undefined
}

function begins(key: string): boolean {
  return scopes.some(scope => Object.keys(scope.current.acts).some(name => name.length > key.length + 1 && name.startsWith(`${key} `)))
}

const WRITES = 'input:not([type=checkbox], [type=radio], [type=button]), textarea, select, [contenteditable]'
const BUSY = 'dialog[open], [role=dialog], [role=menu], [role=listbox], [role=application]'

function press(event: KeyboardEvent): void {
  if (event.defaultPrevented || event.isComposing) return
  const at = event.target instanceof Element ? event.target : undefined
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key
  if (event.ctrlKey || event.metaKey) {
    const act = event.altKey ? undefined : find(`Ctrl+${event.shiftKey ? 'Shift+' : ''}${key}`)
    if (!act || (!act.always && at?.closest(`${WRITES}, ${BUSY}`))) return
    event.preventDefault()
    act.run()
    return
  }
  if (off || event.altKey || at?.closest(`${WRITES}, ${BUSY}`) || document.querySelector('dialog[open]')) return
  // A button or a link is pressed by these; arrows belong to what has its own.
  if ((key === 'Enter' || key === ' ') && at?.closest('button, a, summary, [role=button], [role=tab]')) return
  if (key.startsWith('Arrow') && at?.closest('[role=tab], [role=radio], input, .table-scroll, .maplibregl-canvas')) return
  const first = waiting && waiting.until > Date.now() ? waiting.key : undefined
  waiting = undefined
  const act = first ? find(`${first} ${key}`) : find(event.shiftKey && key.length > 1 ? `Shift+${key}` : key)
  if (act) {
    event.preventDefault()
    act.run()
  } else if (key === '?') {
    event.preventDefault()
    showKeys()
  } else if (!first && begins(key)) {
    waiting = { key, until: Date.now() + WAIT_MS }
  }
}

/** The keys of a screen or of a part of it, while it is there. */
export function useKeys(title: string, acts: KeyActs, on = true): void {
  const scope = useRef<Scope>({ title, acts })
  useEffect(() => {
    scope.current = { title, acts }
  })
  useEffect(() => {
    if (!on) return
    if (scopes.length === 0) addEventListener('keydown', press)
    scopes = [...scopes, scope]
    return () => {
      scopes = scopes.filter(other => other !== scope)
      if (scopes.length === 0) removeEventListener('keydown', press)
    }
  }, [on])
}

const NAMES: Record<string, string> = { ArrowUp: '↑', ArrowDown: '↓', ArrowLeft: '←', ArrowRight: '→', Escape: 'Esc', ' ': '␣', Delete: 'Del' }

function Name({ of }: { of: string }) {
  return of.split(' ').filter(Boolean).map((part, i) => (
    <kbd key={i}>{part.split('+').map(word => NAMES[word] ?? (word.length === 1 ? word.toUpperCase() : word)).join(' + ')}</kbd>
  ))
}

/** The list of keys, mounted once. */
export function KeysHelp() {
  const t = useT()
  const open = useSyncExternalStore(watch, () => listed)
  const [single, setSingle] = useState(!off)
  const close = () => {
    listed = false
    tell()
  }
  const shown = open ? scopes.map(scope => scope.current).filter(scope => Object.values(scope.acts).some(act => act.label)).toReversed() : []
  return (
    <Dialog open={open} onClose={close} wide title={t('staff:keys.title')}>
      <div className="keys-list">
        {shown.map(scope => (
          <section key={scope.title}>
            <h3>{scope.title}</h3>
            <dl className="keys">
              {Object.entries(scope.acts).filter(([, act]) => act.label).map(([name, act]) => (
                <div key={name}>
                  <dt><Name of={name} /></dt>
                  <dd>{act.label}</dd>
                </div>
              ))}
            </dl>
          </section>
        ))}
      </div>
      <Check
        checked={single}
        onChange={event => {
          off = !event.target.checked
          setSingle(event.target.checked)
          keepText(OFF, off ? 'off' : 'on')
        }}
      >
        {t('staff:keys.single')}
      </Check>
    </Dialog>
  )
}
