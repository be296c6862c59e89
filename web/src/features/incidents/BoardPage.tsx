import { useQueryClient } from '@tanstack/react-query'
import { FlaskConical, Keyboard, Plus, Siren } from 'lucide-react'
import { useEffect, useMemo, useState } from 'react'
import { can, useIncidents, useLive, useMe, type Incident } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Empty, Loaded, Note, PageHeader, Segments, SeverityIcon, useNow, useTitle } from '@/ui'
import { showKeys, useKeys, useSearch } from '@/ui/rich'
import { IncidentPanel } from './IncidentPanel'
import './incidents.css'
import { NewIncidentDialog } from './NewIncidentDialog'
import { clock, DrillBadge } from './parts'

function Row({ incident, cursor, chosen, now, onOpen }: { incident: Incident; cursor: boolean; chosen: boolean; now: number; onOpen: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const until = incident.ended_at ? Date.parse(incident.ended_at) : now
  return (
    <button type="button" className={cx('incident', `tone-${incident.severity}`, incident.drill && 'drill', cursor && 'cursor', chosen && 'chosen')} aria-current={chosen ? 'true' : undefined} onClick={onOpen}>
      <span className="incident-icon"><SeverityIcon severity={incident.severity} size={20} /></span>
      <span className="incident-body">
        <span className="incident-top"><span className="tnum">{incident.code}</span><time className="tnum incident-clock">{clock((until - Date.parse(incident.opened_at)) / 1000)}</time></span>
        <strong className="lines-2">{incident.title}</strong>
        <span className="small quiet clip">{[named(lng, incident.kind_name, incident.kind_name_en), incident.place.area_name].filter(Boolean).join(' · ')}</span>
        <span className="row"><Badge tone={incident.phase}>{named(lng, incident.state_name, incident.state_name_en)}</Badge><DrillBadge drill={incident.drill} />{incident.read_at || incident.ended ? null : <Badge tone="critical">{t('incidents:unread')}</Badge>}{incident.level > 1 && !incident.ended ? <Badge tone="high">{t('incidents:level', { n: incident.level })}</Badge> : null}</span>
      </span>
    </button>
  )
}

/** All incidents with their clocks; the one that is open with everything that belongs to it. Keyboard first. */
export default function BoardPage() {
  const t = useT()
  useTitle(t('incidents:title'))
  const me = useMe()
  const client = useQueryClient()
  const now = useNow(1_000)
  const [search, setSearch] = useSearch()
  const drill = search['drill'] === 'yes'
  const view = search['view'] === 'ended' ? 'ended' : 'open'
  const list = useIncidents({ view, drill })
  const items = useMemo(() => list.data?.pages.flatMap(page => page.items) ?? [], [list.data])
  const [cursor, setCursor] = useState(0)
  const from = search['alarm'] ? { alarm: search['alarm'] } : search['case'] ? { case: search['case'] } : undefined
  const [adding, setAdding] = useState(Boolean(from))
  const [act, setAct] = useState<{ key: string }>()
  const id = search['id']
  const handles = can(me.data, 'incident-handle')
  useLive(['incident-opened', 'incident-changed', 'incident-escalated', 'hello', 'reset'], event => {
    void client.invalidateQueries({ queryKey: ['incidents'] })
    if (!event['incident'] || event['incident'] === id) for (const key of ['incident', 'incident-log', 'incident-warnings']) void client.invalidateQueries({ queryKey: [key] })
  })
  useEffect(() => setCursor(at => Math.min(at, Math.max(0, items.length - 1))), [items.length])
  const open = (incident: Incident) => setSearch({ id: incident.id })
  const key = (name: string, run: () => void) => ({ label: t(`incidents:keys.${name}`), run })
  useKeys(t('incidents:title'), {
    j: key('j', () => setCursor(at => Math.min(items.length - 1, at + 1))),
    k: key('k', () => setCursor(at => Math.max(0, at - 1))),
    Enter: key('enter', () => items[cursor] && open(items[cursor])),
    ...(handles ? { n: key('n', () => setAdding(true)) } : {}),
    r: key('r', () => setAct({ key: 'r' })),
    a: { run: () => setAct({ key: 'r' }) },
    m: key('m', () => setAct({ key: 'm' })),
    s: key('s', () => setAct({ key: 's' })),
    d: key('d', () => setSearch({ drill: drill ? undefined : 'yes', id: undefined })),
    Escape: { run: () => setSearch({ id: undefined }) },
  })
  return (
    <div className={cx('board-page', drill && 'in-drill')}>
      <PageHeader
        title={t('incidents:title')}
        actions={
          <>
            <Button look="quiet" iconOnly icon={<Keyboard size={20} aria-hidden />} onClick={showKeys}>{t('staff:keys.title')}</Button>
            {handles ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t(drill ? 'incidents:new_drill' : 'incidents:new')}</Button> : null}
          </>
        }
      />
      <div className="row wrap-row">
        <Segments label={t('incidents:which')} value={drill ? 'drill' : 'life'} onChange={value => setSearch({ drill: value === 'drill' ? 'yes' : undefined, id: undefined })} options={[{ value: 'life', label: t('incidents:life') }, { value: 'drill', label: <><FlaskConical size={15} aria-hidden /> {t('incidents:drills')}</> }]} />
        <Segments label={t('incidents:view')} value={view} onChange={value => setSearch({ view: value === 'ended' ? 'ended' : undefined })} options={[{ value: 'open', label: t('incidents:open'), count: view === 'open' ? items.length : undefined, hot: true }, { value: 'ended', label: t('incidents:ended') }]} />
      </div>
      {drill ? <Note tone="drill" icon={<FlaskConical size={20} aria-hidden />}>{t('incidents:drill_note')}</Note> : null}
      <div className={cx('board-split', id && 'has-panel')}>
        <section className="board-list" aria-label={t('incidents:list')}>
          <Loaded of={{ data: list.data, error: list.error, refetch: list.refetch }}>
            {() =>
              items.length === 0 ? (
                <Empty icon={<Siren size={30} aria-hidden />} title={t('incidents:none')}>{t('incidents:none_body')}</Empty>
              ) : (
                <>
                  {items.map((incident, i) => <Row key={incident.id} incident={incident} cursor={cursor === i} chosen={incident.id === id} now={now} onOpen={() => (setCursor(i), open(incident))} />)}
                  {list.hasNextPage ? <Button look="secondary" busy={list.isFetchingNextPage} onClick={() => void list.fetchNextPage()}>{t('ui.more')}</Button> : null}
                </>
              )
            }
          </Loaded>
        </section>
        {id ? <IncidentPanel key={id} id={id} now={now} act={act} onClose={() => setSearch({ id: undefined })} /> : null}
      </div>
      {adding ? <NewIncidentDialog drill={drill} from={from} onClose={() => (setAdding(false), setSearch({ alarm: undefined, case: undefined }))} onOpened={view => (setAdding(false), setSearch({ id: view.id, drill: view.drill ? 'yes' : undefined, view: undefined, alarm: undefined, case: undefined }))} /> : null}
    </div>
  )
}
