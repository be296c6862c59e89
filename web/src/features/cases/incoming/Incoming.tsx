import { useVirtualizer } from '@tanstack/react-virtual'
import { ExternalLink } from 'lucide-react'
import { useEffect, useRef } from 'react'
import { photoAddress, useCase, useCaseTypes, type CaseRow } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { cx, Due, Empty, Failed, format, LinkButton, Loading, PhaseBadge, Photos } from '@/ui'
import '../cases.css'
import './incoming.css'

interface IncomingListProps {
  rows: readonly CaseRow[]
  cursor: string | undefined
  chosen: string | undefined
  fresh: ReadonlySet<string>
  now: number
  onOpen: (row: CaseRow) => void
  onEnd?: () => void
}

/** Newest reports first, for a shift that watches them come in. */
export function IncomingList({ rows, cursor, chosen, fresh, now, onOpen, onEnd }: IncomingListProps) {
  const t = useT()
  const lng = useLanguage()
  const types = useCaseTypes()
  const state = (row: CaseRow) => { const s = types.data?.flatMap(k => k.states).find(x => x.code === row.state); return s ? named(lng, s.name, s.name_en) : row.state_name }
  const category = (row: CaseRow) => { const c = types.data?.flatMap(k => k.categories).find(x => x.code === row.category); return c ? named(lng, c.name, c.name_en) : row.category_name }
  const scroller = useRef<HTMLDivElement>(null)
  const rem = typeof document === 'undefined' ? 16 : parseFloat(getComputedStyle(document.documentElement).fontSize)
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => 5.75 * rem, getItemKey: i => rows[i]?.id ?? i, overscan: 6 })
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (last >= rows.length - 8) onEnd?.()
  }, [last, rows.length, onEnd])
  useEffect(() => {
    const at = rows.findIndex(row => row.id === cursor)
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' })
    // Only the cursor scrolls.
  }, [cursor])
  if (rows.length === 0) return <Empty title={t('ioc:reports.none')}>{t('ioc:reports.none_body')}</Empty>
  return (
    <div className="incoming-scroll" ref={scroller} tabIndex={0} role="region" aria-label={t('ioc:reports.list')}>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(item => {
          const row = rows[item.index]
          if (!row) return null
          return (
            <div key={row.id} className="incoming-line" style={{ transform: `translateY(${item.start}px)`, height: item.size }}>
              <button type="button" tabIndex={-1} className={cx('incoming', row.overdue && 'late', cursor === row.id && 'cursor', chosen === row.id && 'chosen', fresh.has(row.id) && 'fresh')} aria-current={chosen === row.id ? 'true' : undefined} onClick={() => onOpen(row)}>
                <span className="incoming-top">
                  <PhaseBadge phase={row.phase}>{state(row)}</PhaseBadge>
                  <time className="tnum small quiet">{format.ago(row.opened_at, now)}</time>
                </span>
                <strong className="clip">{row.text_short || category(row)}</strong>
                <span className="clip small quiet">{[category(row), row.area_name, row.unit.name].filter(Boolean).join(' · ')}</span>
              </button>
            </div>
          )
        })}
      </div>
    </div>
  )
}

/** A report in short, with the way to the officer's desk. */
export function IncomingPanel({ id }: { id: string }) {
  const t = useT()
  const lng = useLanguage()
  const item = useCase(id)
  if (item.error && !item.data) return <Failed error={item.error} onRetry={() => void item.refetch()} />
  if (!item.data) return <Loading height="6rem" />
  const c = item.data
  return (
    <div className="stack">
      <header className="stack-s">
        <div className="row">
          <PhaseBadge phase={c.phase}>{named(lng, c.state_name, c.state_name_en)}</PhaseBadge>
          <span className="quiet tnum">{c.code}</span>
        </div>
        <h2>{named(lng, c.category_name, c.category_name_en)}</h2>
        <p className="quiet">{[c.address, c.area_name].filter(Boolean).join(', ')}</p>
      </header>
      <p className="said">{c.text}</p>
      <Photos size={128} photos={c.photos.map((photo, n) => ({ thumb: photoAddress(photo.sha, 'thumb'), full: photoAddress(photo.sha), alt: t('ui.photo_n', { n: n + 1 }) }))} />
      <dl className="facts">
        <div><dt>{t('ioc:reports.opened')}</dt><dd className="tnum">{format.dateTime(c.opened_at)}</dd></div>
        <div><dt>{t('ioc:reports.unit')}</dt><dd>{c.unit.name || t('ioc:reports.no_unit')}</dd></div>
        <div><dt>{t('ioc:reports.due')}</dt><dd><Due at={c.due_at} closed={c.closed_at ?? undefined} /></dd></div>
        {c.followers > 0 ? <div><dt>{t('ioc:reports.followers')}</dt><dd className="tnum">{c.followers}</dd></div> : null}
      </dl>
      <LinkButton href={`/work/${c.id}`} wide icon={<ExternalLink size={18} aria-hidden />}>{t('ioc:reports.open')}</LinkButton>
    </div>
  )
}
