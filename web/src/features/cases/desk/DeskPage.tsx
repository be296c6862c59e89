import { useQueryClient } from '@tanstack/react-query'
import { useVirtualizer } from '@tanstack/react-virtual'
import { BellRing, CircleCheckBig, ListChecks, UserRound } from 'lucide-react'
import { useEffect, useMemo, useRef, useState, useSyncExternalStore, type CSSProperties } from 'react'
import { useCaseTypes, useCounts, useDesk, useLive, type CaseRow, type DeskFilter } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Empty, Failed, Figure, format, Loading, PageHeader, PhaseBadge, SearchBox, Segments, Select, useNow, useTitle } from '@/ui'
import { useSearch } from '@/ui/rich'
import '../cases.css'
import { BulkDialog } from './BulkDialog'

const NARROW = matchMedia('(max-width: 64rem)')
function watchWidth(change: () => void): () => void {
  NARROW.addEventListener('change', change)
  return () => NARROW.removeEventListener('change', change)
}
const VIEWS = ['todo', 'unit', 'all'] as const

/** One line of the board: when it is due, what it is, where, in which state. */
function Row({ row, names, now, fresh, style, chosen, onChoose }: { row: CaseRow; names: Map<string, string>; now: number; fresh: boolean; style: CSSProperties; chosen: boolean | undefined; onChoose: () => void }) {
  const t = useT()
  const category = names.get(`category ${row.category}`) ?? row.category_name
  const ended = row.phase === 'solved' || row.phase === 'unsolved'
  const { urgency } = format.due(row.due_at, undefined, now)
  const late = !ended && row.overdue
  // Neither overdue nor time left: the clock does not run in this state.
  const still = !ended && !row.overdue && row.minutes_left === 0
  const look = cx('board-row', late ? 'late' : !ended && !still && urgency === 'soon' && 'soon', fresh && 'new-row', chosen !== undefined && 'choosing')
  const body = (
    <>
      <span className="board-due">
        <b>{ended ? '✓' : still ? '–' : format.span(Math.abs(row.minutes_left))}</b>
        <small>{ended ? format.date(row.due_at) : still ? t('work:no_clock') : late ? t('work:overdue') : t('work:until', { at: `${format.time(row.due_at)} ${format.dayMonth(row.due_at)}` })}</small>
      </span>
      <span className="board-what">
        <strong className="clip">{row.text_short || category}</strong>
        <span className="case-meta">
          <span>{category}</span>
          <span>{row.area_name}</span>
          <span className="tnum">{row.code}</span>
          {row.part ? <Badge>{t('work:part')}</Badge> : null}
          {row.escalated ? <Badge tone="high" icon={<BellRing size={13} aria-hidden />}>{t(`work:escalated.${row.escalated}`)}</Badge> : null}
        </span>
      </span>
      <span>
        <PhaseBadge phase={row.phase}>{names.get(`state ${row.state}`) ?? row.state_name}</PhaseBadge>
      </span>
      <span className="small quiet clip">
        {row.assignee ? (
          <>
            <UserRound size={14} aria-hidden style={{ display: 'inline', verticalAlign: '-2px' }} /> {row.assignee}
          </>
        ) : (
          t('work:unassigned')
        )}
      </span>
    </>
  )
  if (chosen === undefined) return <a className={look} style={style} href={`/work/${row.id}`}>{body}</a>
  return (
    <label className={look} style={style}>
      <input type="checkbox" checked={chosen} onChange={onChoose} aria-label={`${row.code} ${category}`} />
      {body}
    </label>
  )
}

export default function DeskPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('work:title'))
  const [search, setSearch] = useSearch()
  const [words, setWords] = useState(search['q'] ?? '')
  const view = (search['view'] ?? 'todo') as (typeof VIEWS)[number]
  const filter: DeskFilter = { view, ...(search['category'] ? { category: search['category'] } : {}), ...(search['due'] ? { due: search['due'] as 'overdue' | 'soon' } : {}), ...(search['q'] ? { q: search['q'] } : {}) }
  const desk = useDesk(filter)
  const counts = useCounts()
  const types = useCaseTypes()
  const client = useQueryClient()
  const now = useNow()
  const [fresh, setFresh] = useState<string>()
  /** Chosen cases by id while several are chosen for one move. */
  const [chosen, setChosen] = useState<ReadonlyMap<string, CaseRow>>()
  const [acting, setActing] = useState(false)
  const choose = (row: CaseRow) => setChosen(before => {
    const next = new Map(before)
    if (!next.delete(row.id) && next.size < 100) next.set(row.id, row)
    return next
  })
  const scroller = useRef<HTMLDivElement>(null)
  const rows = desk.data?.pages.flatMap(page => page.items) ?? []
  const names = useMemo(() => new Map((types.data ?? []).flatMap(type => [...type.states.map(s => [`state ${s.code}`, named(lng, s.name, s.name_en)] as const), ...type.categories.map(c => [`category ${c.code}`, named(lng, c.name, c.name_en)] as const)])), [types.data, lng])
  const height = useSyncExternalStore(watchWidth, () => (NARROW.matches ? 116 : 84))
  const virtual = useVirtualizer({ count: rows.length, getScrollElement: () => scroller.current, estimateSize: () => height, overscan: 8 })
  const last = virtual.getVirtualItems().at(-1)?.index ?? -1
  const { hasNextPage, isFetchingNextPage, fetchNextPage } = desk

  useLive(['case-opened', 'case-moved', 'case-due'], event => {
    void client.invalidateQueries({ queryKey: ['desk'] })
    void client.invalidateQueries({ queryKey: ['case-counts'] })
    if (event.event === 'case-opened') setFresh(String(event['case']))
  })
  useEffect(() => {
    const timer = setTimeout(() => (search['q'] ?? '') !== words.trim() && setSearch({ q: words.trim() }), 250)
    return () => clearTimeout(timer)
  }, [words, search, setSearch])
  useEffect(() => {
    if (last >= rows.length - 10 && hasNextPage && !isFetchingNextPage) void fetchNextPage()
  }, [last, rows.length, hasNextPage, isFetchingNextPage, fetchNextPage])

  const c = counts.data
  return (
    <>
      <PageHeader title={t('work:title')} lead={format.weekday(now)} />
      {c ? (
        <div className="figures">
          <Figure value={c.open} label={t('work:counts.open')} onOpen={() => setSearch({ due: undefined, view: 'unit' })} />
          <Figure value={c.overdue} label={t('work:counts.overdue')} tone={c.overdue > 0 ? 'critical' : undefined} onOpen={() => setSearch({ due: 'overdue', view: 'unit' })} />
          <Figure value={c.soon} label={t('work:counts.soon')} tone={c.soon > 0 ? 'high' : undefined} onOpen={() => setSearch({ due: 'soon', view: 'unit' })} />
          <Figure value={c.unassigned} label={t('work:counts.unassigned')} onOpen={() => setSearch({ due: undefined, view: 'unit' })} />
          <Figure value={c.answered_today} label={t('work:counts.answered_today')} tone="good" />
        </div>
      ) : null}
      <div className="desk-tools">
        <Segments label={t('work:view')} value={view} onChange={value => setSearch({ view: value })} options={VIEWS.map(value => ({ value, label: t(`work:views.${value}`) }))} />
        <Segments label={t('work:due')} value={search['due'] ?? ''} onChange={value => setSearch({ due: value })} options={[{ value: '', label: t('ui.all') }, { value: 'overdue', label: t('work:counts.overdue') }, { value: 'soon', label: t('work:counts.soon') }]} />
        <Select aria-label={t('work:category')} value={search['category'] ?? ''} onChange={e => setSearch({ category: e.target.value })}>
          <option value="">{t('work:all_categories')}</option>
          {(types.data ?? []).flatMap(type => type.categories).map(category => (
            <option key={category.code} value={category.code}>{named(lng, category.name, category.name_en)}</option>
          ))}
        </Select>
        <SearchBox label={t('work:search')} value={words} onChange={setWords} />
        <Button look={chosen ? 'secondary' : 'quiet'} icon={<ListChecks size={18} aria-hidden />} aria-pressed={chosen !== undefined} onClick={() => setChosen(before => (before ? undefined : new Map()))}>{t('work:bulk.choose')}</Button>
      </div>
      {desk.isPending ? (
        <Loading rows={6} height="5.25rem" />
      ) : desk.error && rows.length === 0 ? (
        <Failed error={desk.error} onRetry={() => void desk.refetch()} />
      ) : rows.length === 0 ? (
        <Empty icon={<CircleCheckBig size={30} aria-hidden />} title={view === 'todo' && !search['q'] && !search['due'] ? t('work:none') : t('work:none_filtered')}>{view === 'todo' ? t('work:none_body') : t('work:none_filtered_body')}</Empty>
      ) : (
        <div className="board-list" ref={scroller} tabIndex={0} role="region" aria-label={t('work:list')}>
          <div style={{ height: virtual.getTotalSize(), position: 'relative' }}>
            {virtual.getVirtualItems().map(item => {
              const row = rows[item.index]
              return row ? <Row key={row.id} row={row} names={names} now={now} fresh={row.id === fresh} chosen={chosen?.has(row.id)} onChoose={() => choose(row)} style={{ height, transform: `translateY(${item.start}px)` }} /> : null
            })}
          </div>
        </div>
      )}
      {chosen && chosen.size > 0 ? (
        <div className="bulk-bar" role="status">
          <span className="grow">{t('work:bulk.chosen', { n: chosen.size })}</span>
          <Button onClick={() => setActing(true)}>{t('work:bulk.act')}</Button>
        </div>
      ) : null}
      {acting && chosen ? <BulkDialog rows={[...chosen.values()]} onClose={() => setActing(false)} onDone={() => (setActing(false), setChosen(undefined))} /> : null}
    </>
  )
}
