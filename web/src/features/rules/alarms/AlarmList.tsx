import { useVirtualizer } from '@tanstack/react-virtual'
import { Activity, BellOff, ChevronDown, ChevronRight, Hourglass, Layers, Network, ShieldAlert } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import type { Alarm } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, cx, Empty, format, SeverityIcon } from '@/ui'
import { lines, type AlarmLine } from './order'
import './alarms.css'

interface AlarmListProps {
  alarms: readonly Alarm[]
  /** Line under the operator's cursor: an alarm's id or a storm's key. */
  cursor: string | undefined
  onCursor: (key: string) => void
  chosen: string | undefined
  onOpen: (alarm: Alarm) => void
  /** Ids that came in over the live stream since the list was opened. */
  fresh: ReadonlySet<string>
  now: number
  filtered: boolean
  /** A position is in a flood: the list folds sooner, by place. */
  flood: boolean
  onEnd?: () => void
  /** Told which lines can be moved over, in their order. */
  onLines: (keys: readonly string[]) => void
  /** A storm to fold or unfold from the keyboard: a new object each time. */
  toggle: { key: string } | undefined
}

/** What else an operator should know at a glance. */
function Marks({ alarm }: { alarm: Alarm }) {
  const t = useT()
  return (
    <>
      {alarm.life_safety ? <Badge tone="critical" icon={<ShieldAlert size={14} aria-hidden />}>{t('ioc:alarms.life_safety')}</Badge> : null}
      {alarm.children > 0 ? <Badge tone={alarm.severity} icon={<Network size={14} aria-hidden />}>{t('ioc:alarms.children', { n: format.number(alarm.children) })}</Badge> : null}
      {alarm.chattering_at ? <Badge tone="medium" icon={<Activity size={14} aria-hidden />}>{t('ioc:alarms.chattering')}</Badge> : null}
      {alarm.stale ? <Badge icon={<Hourglass size={14} aria-hidden />}>{t('ioc:alarms.stale')}</Badge> : null}
      {alarm.suppressed ? <Badge>{t(`ioc:aside.kind.${alarm.suppressed}`)}</Badge> : null}
    </>
  )
}

function AlarmRow({ alarm, cursor, chosen, fresh, folded, now, onOpen }: { alarm: Alarm; cursor: boolean; chosen: boolean; fresh: boolean; folded: boolean; now: number; onOpen: () => void }) {
  const t = useT()
  const lng = useLanguage()
  return (
    <button type="button" tabIndex={-1} className={cx('alarm', `tone-${alarm.severity}`, `alarm-${alarm.state}`, cursor && 'cursor', chosen && 'chosen', fresh && 'fresh', folded && 'folded')} aria-current={chosen ? 'true' : undefined} onClick={onOpen}>
      <span className="alarm-icon"><SeverityIcon severity={alarm.severity} size={20} /></span>
      <span className="alarm-body">
        <span className="alarm-top">
          <span className="alarm-word">{t(`severity.${alarm.severity}`)}</span>
          <span className="alarm-marks"><Marks alarm={alarm} /></span>
          <time className="tnum">{format.ago(alarm.raised_at, now)}</time>
        </span>
        {/* Under the fold the title is above already: what differs is the place. */}
        <strong className="lines-2">{folded ? alarm.entity_name : named(lng, alarm.title, alarm.title_en)}</strong>
        <span className="clip quiet small">{(folded ? [alarm.area_name] : [alarm.entity_name, alarm.area_name]).filter(Boolean).join(' · ')}</span>
      </span>
      {alarm.value === undefined ? null : <b className="alarm-value tnum">{format.number(alarm.value)}</b>}
    </button>
  )
}

function heightOf(line: AlarmLine | undefined, rem: number): number {
  return (line?.kind === 'section' ? 2.25 : line?.kind === 'storm' ? 4 : line?.kind === 'alarm' && line.folded ? 4.75 : 6) * rem
}

/** The alarms as one virtual list with sections; the cursor is moved by the page (j, k). */
export function AlarmList({ alarms, cursor, onCursor, chosen, onOpen, fresh, now, filtered, flood, onEnd, onLines, toggle }: AlarmListProps) {
  const t = useT()
  const lng = useLanguage()
  const scroller = useRef<HTMLDivElement>(null)
  const [unfolded, setUnfolded] = useState<ReadonlySet<string>>(new Set())
  const rows = useMemo(() => lines(alarms, unfolded, flood), [alarms, unfolded, flood])
  const [rem, setRem] = useState(16)
  useEffect(() => setRem(parseFloat(getComputedStyle(document.documentElement).fontSize)), [])
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: i => heightOf(rows[i], rem), getItemKey: i => rows[i]?.key ?? i, overscan: 6 })
  const fold = (key: string) => setUnfolded(before => new Set(before.has(key) ? [...before].filter(k => k !== key) : [...before, key]))

  useEffect(() => virtual.measure(), [rem, rows, virtual])
  useEffect(() => onLines(rows.filter(row => row.kind !== 'section').map(row => row.key)), [rows, onLines])
  useEffect(() => {
    if (toggle) fold(toggle.key)
  }, [toggle])
  useEffect(() => {
    const at = rows.findIndex(row => row.key === cursor)
    if (at >= 0) virtual.scrollToIndex(at, { align: 'auto' })
    // Only the cursor scrolls; a list that changed under it stays where it is.
  }, [cursor])
  const items = virtual.getVirtualItems()
  const last = items.at(-1)?.index ?? 0
  useEffect(() => {
    if (last >= rows.length - 8) onEnd?.()
  }, [last, rows.length, onEnd])

  if (alarms.length === 0) return <Empty icon={<BellOff size={30} aria-hidden />} title={t(filtered ? 'ioc:alarms.none_filtered' : 'ioc:alarms.none')}>{t(filtered ? 'ioc:alarms.none_filtered_body' : 'ioc:alarms.none_body')}</Empty>
  return (
    <div className="alarm-scroll" ref={scroller} tabIndex={0} role="region" aria-label={t('ioc:alarms.list')}>
      <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
        {items.map(item => {
          const row = rows[item.index]
          if (!row) return null
          const style = { transform: `translateY(${item.start}px)`, height: item.size }
          return (
            <div key={row.key} className="alarm-line" style={style}>
              {row.kind === 'section' ? (
                <h3 className="alarm-section"><span>{t(`ioc:alarms.section.${row.section}`)}</span><span className="tnum">{row.count}</span></h3>
              ) : row.kind === 'storm' ? (
                <button type="button" tabIndex={-1} className={cx('alarm', 'storm', `tone-${row.first.severity}`, cursor === row.key && 'cursor')} aria-expanded={row.open} onClick={() => { onCursor(row.key); fold(row.key) }}>
                  <span className="alarm-icon"><Layers size={20} aria-hidden /></span>
                  <span className="alarm-body">
                    <strong className="clip">{named(lng, row.first.title, row.first.title_en)}</strong>
                    <span className="small quiet">{t('ioc:alarms.storm', { n: row.count })}{flood && row.first.area_name ? ` · ${row.first.area_name}` : ''}</span>
                  </span>
                  <Badge tone={row.first.severity}>{row.count}</Badge>
                  {row.open ? <ChevronDown size={18} aria-hidden /> : <ChevronRight size={18} aria-hidden />}
                </button>
              ) : (
                <AlarmRow alarm={row.alarm} folded={row.folded} cursor={cursor === row.key} chosen={chosen === row.alarm.id} fresh={fresh.has(row.alarm.id)} now={now} onOpen={() => { onCursor(row.key); onOpen(row.alarm) }} />
              )}
            </div>
          )
        })}
      </div>
    </div>
  )
}
