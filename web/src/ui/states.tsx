import { CircleCheck, CloudOff, Inbox, Info, RotateCcw, TriangleAlert, X } from 'lucide-react'
import { Component, useSyncExternalStore, type ErrorInfo, type ReactNode } from 'react'
import { ApiError } from '@/api'
import { hasText, text, useT } from '@/i18n'
import { Button, cx } from './controls'

export function Loading({ rows = 3, height = '4.5rem' }: { rows?: number; height?: string }) {
  const t = useT()
  return (
    <div className="stack-s" role="status" aria-live="polite">
      <span className="visually-hidden">{t('ui.loading')}</span>
      {Array.from({ length: rows }, (_, i) => (
        <span key={i} className="bone" style={{ height }} />
      ))}
    </div>
  )
}

/** Says what will be here and how to begin. */
export function Empty({ icon, title, children, action, level = 3 }: { icon?: ReactNode; title: string; children?: ReactNode; action?: ReactNode; level?: 1 | 3 }) {
  const Title = `h${level}` as const
  return (
    <div className="state">
      <span className="state-art">{icon ?? <Inbox size={30} aria-hidden />}</span>
      <Title>{title}</Title>
      {children ? <p>{children}</p> : null}
      {action}
    </div>
  )
}

export function errorCode(error: unknown): string {
  return error instanceof ApiError ? error.code : 'web.unexpected'
}

/** What happened, in words: the text of the code, else of the status, else what the server said. */
export function errorWords(error: unknown): string {
  const code = errorCode(error)
  // What the server adds (`limit`, `reason` …) fills the holes of the text.
  if (hasText(`errors.${code}`)) return text(`errors.${code}`, error instanceof ApiError ? { ...error.more } : {})
  if (error instanceof ApiError) {
    if (hasText(`errors.http.${error.status}`)) return text(`errors.http.${error.status}`)
    if (error.detail) return error.detail
  }
  return text('errors.web.unexpected')
}

/** What happened, what to do, and the code to name when asking for help. */
export function Failed({ error, onRetry, kept }: { error: unknown; onRetry?: () => void; kept?: string }) {
  const t = useT()
  const offline = error instanceof ApiError && error.offline
  return (
    <div className="state state-error" role="alert">
      <span className="state-art">{offline ? <CloudOff size={30} aria-hidden /> : <TriangleAlert size={30} aria-hidden />}</span>
      <h3>{offline ? t('ui.offline_title') : t('ui.error_title')}</h3>
      <p>{errorWords(error)}</p>
      {kept ? <p>{kept}</p> : null}
      <span className="code">{errorCode(error)}</span>
      {onRetry ? (
        <Button look="secondary" icon={<RotateCcw size={18} aria-hidden />} onClick={onRetry}>
          {t('ui.retry')}
        </Button>
      ) : null}
    </div>
  )
}

export function Note({ tone = 'info', icon, children }: { tone?: string; icon?: ReactNode; children: ReactNode }) {
  return (
    <div className={cx('note', `tone-${tone}`)}>
      {icon ?? (tone === 'good' ? <CircleCheck size={20} aria-hidden /> : tone === 'info' || tone === 'low' ? <Info size={20} aria-hidden /> : <TriangleAlert size={20} aria-hidden />)}
      <div className="grow">{children}</div>
    </div>
  )
}

/** An inline failure under a form. */
export function FailedNote({ error }: { error: unknown }) {
  if (!error) return null
  return (
    <div role="alert">
      <Note tone="critical">
        {errorWords(error)} <span className="code">{errorCode(error)}</span>
      </Note>
    </div>
  )
}

/** Waits, fails, is empty or shows: the four faces of everything that is loaded. */
export function Loaded<T>({ of, children, rows, height }: { of: { data: T | undefined; error: unknown; refetch: () => unknown }; children: (data: T) => ReactNode; rows?: number; height?: string }) {
  if (of.data !== undefined) return <>{children(of.data)}</>
  if (of.error) return <Failed error={of.error} onRetry={() => void of.refetch()} />
  return <Loading rows={rows} height={height} />
}

/** Keeps a fault in one part of the page from taking the rest down. */
export class Fence extends Component<{ children: ReactNode }, { error?: unknown }> {
  override state: { error?: unknown } = {}
  static getDerivedStateFromError(error: unknown) {
    return { error }
  }
  override componentDidCatch(error: unknown, info: ErrorInfo) {
    console.error(error, info.componentStack)
  }
  override render() {
    return this.state.error ? <Failed error={this.state.error} onRetry={() => this.setState({ error: undefined })} /> : this.props.children
  }
}

// Toasts

interface ToastItem {
  id: number
  words: string
  tone: 'plain' | 'bad'
  action?: { label: string; run: () => void }
}
let toasts: readonly ToastItem[] = []
let serial = 0
const watchers = new Set<() => void>()

function set(next: readonly ToastItem[]): void {
  toasts = next
  for (const watcher of watchers) watcher()
}
const drop = (id: number) => set(toasts.filter(item => item.id !== id))

export function toast(words: string, options: { tone?: 'plain' | 'bad'; action?: ToastItem['action'] } = {}): void {
  const item: ToastItem = { id: ++serial, words, tone: options.tone ?? 'plain', ...(options.action ? { action: options.action } : {}) }
  set([...toasts.slice(-2), item])
  setTimeout(() => drop(item.id), options.tone === 'bad' ? 12_000 : 6_000)
}

export function toastError(error: unknown): void {
  toast(`${errorWords(error)} (${errorCode(error)})`, { tone: 'bad' })
}

export function Toaster() {
  const t = useT()
  const shown = useSyncExternalStore(
    watcher => {
      watchers.add(watcher)
      return () => watchers.delete(watcher)
    },
    () => toasts,
  )
  return (
    <div className="toasts" role="status" aria-live="polite">
      {shown.map(item => (
        <div key={item.id} className="toast">
          {item.tone === 'bad' ? <TriangleAlert size={20} aria-hidden /> : null}
          <span className="grow">{item.words}</span>
          {item.action ? (
            <Button look="quiet" size="small" onClick={() => (item.action?.run(), drop(item.id))}>
              {item.action.label}
            </Button>
          ) : null}
          <Button look="quiet" size="small" iconOnly icon={<X size={18} aria-hidden />} onClick={() => drop(item.id)}>
            {t('ui.close')}
          </Button>
        </div>
      ))}
    </div>
  )
}
