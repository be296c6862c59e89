import { useQueryClient } from '@tanstack/react-query'
import { ArrowLeft, BellRing, Eye, ExternalLink, MapPin, Pause, Printer, Split } from 'lucide-react'
import { useState } from 'react'
import { can, photoAddress, useCase, useCommunes, useIdentity, useLive, useMe, type Case, type CaseLog, type CaseMove } from '@/api'
import { casePaper } from '@/api/cases'
import { named, useLanguage, useT } from '@/i18n'
import { CityMap } from '@/map'
import { Badge, Button, Card, Check as CheckBox, cx, Due, Empty, Failed, FailedNote, format, LinkButton, Loading, Meter, Note, PhaseBadge, Photos, Stars, useTitle } from '@/ui'
import { Tabs } from '@/ui/rich'
import '../cases.css'
import { Forwards } from './Forwards'
import { AdviceCard } from './Advice'
import { BarSender, Noticed } from '../intake/Noticed'
import { PhotoDesk } from '../intake/PhotoDesk'
import { MoveDialog } from './MoveDialog'
import { SplitDialog } from './SplitDialog'
import { WorkCard } from './WorkCard'

function initials(name: string | undefined): string {
  return (name ?? '?').split(/\s+/).map(word => word[0] ?? '').slice(-2).join('').toUpperCase()
}

/** Steps that are not moves of the flow and so have no name in a pack. */
const OWN_STEPS = new Set(['open', 'note', 'rate', 'remind', 'split', 'part', 'work', 'sample-passed', 'sample-failed', 'update', 'caller', 'mask', 'media', 'mail', 'consent', 'consent-withdrawn'])

/** Photos by the address that everybody looks at: the masked picture where there is one. */
function looks(item: Case): ReadonlyMap<string, string> {
  return new Map(item.photos.map(photo => [photo.sha, photo.masked ?? photo.sha]))
}

function Log({ log, seen, draft }: { log: readonly CaseLog[]; seen: ReadonlyMap<string, string>; draft?: string | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const maker = (by: string) => (by === 'system' ? t('work:case.system') : by === 'reporter' ? t('work:case.by_reporter') : by)
  if (log.length === 0) return <Empty title={t('work:case.no_log')} />
  return (
    <ol className="log">
      {log.map((entry, i) => (
        <li key={`${entry.at}${i}`} className={cx('log-item', entry.public_text && 'public')}>
          <span className="log-dot" aria-hidden>{initials(maker(entry.by))}</span>
          <div>
            <div className="spread">
              <strong>{OWN_STEPS.has(entry.step) ? t(`work:step.${entry.step}`) : named(lng, entry.step_name, entry.step_name_en)}</strong>
              <span className="small quiet tnum">{format.dateTime(entry.at)}</span>
            </div>
            <span className="small quiet">{[maker(entry.by), entry.unit.name].filter(Boolean).join(' · ')}</span>
            {entry.public_text ? (
              <div className="log-says">
                {entry.public_text === draft
                  ? <Badge tone="working">{t('work:case.draft')}</Badge>
                  : <Badge tone="good" icon={<Eye size={14} aria-hidden />}>{t('work:case.public')}</Badge>}
                <p>{entry.public_text}</p>
              </div>
            ) : null}
            {entry.reason ? <div className="log-says">{entry.reason}</div> : null}
            {entry.note ? <div className="log-says">{entry.note}</div> : null}
            {entry.late_minutes > 0 ? <Badge tone="critical">{t('time.late', { span: format.span(entry.late_minutes) })}</Badge> : null}
            <Photos size={96} photos={entry.photos.map(sha => seen.get(sha) ?? sha).map((sha, n) => ({ thumb: photoAddress(sha, 'thumb'), full: photoAddress(sha), alt: t('ui.photo_n', { n: n + 1 }) }))} />
          </div>
        </li>
      ))}
    </ol>
  )
}

function Clock({ item }: { item: Case }) {
  const t = useT()
  const clock = item.clock
  const ended = item.phase === 'solved' || item.phase === 'unsolved'
  return (
    <Card tight>
      <div className="clock">
        <div className="spread">
          <h3>{t('work:case.clock')}</h3>
          {item.clock.stopped && !ended ? <span className="due due-done">{t('work:no_clock')}</span> : ended ? <Due at={item.due_at} closed={item.closed_at ?? item.log.at(-1)?.at} /> : <span className={cx('due', item.overdue ? 'due-late' : item.minutes_left < 240 && 'due-soon')}>{t(item.overdue ? 'time.late' : 'time.left', { span: format.span(Math.abs(item.minutes_left)) })}</span>}
        </div>
        {clock.total_minutes > 0 ? (
          <>
            <Meter share={clock.used_minutes / clock.total_minutes} tone={clock.used_minutes >= clock.total_minutes ? 'critical' : clock.used_minutes >= 0.8 * clock.total_minutes ? 'high' : 'brand'} label={t('work:case.clock')} />
            <div className="spread small quiet tnum">
              <span>{t('work:case.used', { used: format.span(clock.used_minutes), total: format.span(clock.total_minutes) })}</span>
              <span>{t('work:case.due_at', { at: format.dateTime(item.due_at) })}</span>
            </div>
            {item.escalated ? <Badge tone="high" icon={<BellRing size={14} aria-hidden />}>{t(`work:escalated.${item.escalated}`)}</Badge> : null}
            {clock.paused ? <Badge tone="waiting" icon={<Pause size={14} aria-hidden />}>{t('work:case.paused')}</Badge> : null}
          </>
        ) : null}
      </div>
    </Card>
  )
}

function Reporter({ item }: { item: Case }) {
  const t = useT()
  const me = useMe()
  const identity = useIdentity(item.id)
  const right = can(me.data, 'case-identity')
  if (!right && !(item.contact_shared && can(me.data, 'case-handle'))) return null
  const known = identity.data?.contact
  return (
    <Card tight>
      <div className="stack-s">
        <h3>{t('work:case.reporter')}</h3>
        {known ? (
          <dl className="facts">
            {(['name', 'phone', 'email'] as const).map(key => (known[key] ? <div key={key}><dt>{t(`access.${key}`)}</dt><dd>{known[key]}</dd></div> : null))}
            {identity.data?.callers.map((other, i) => <div key={i}><dt>{t('work:case.called_too')}</dt><dd>{[other.name, other.phone, other.email].filter(Boolean).join(' · ')}</dd></div>)}
            {known.name || known.phone || known.email ? null : <p className="quiet">{t('work:case.no_identity')}</p>}
          </dl>
        ) : (
          <>
            <p className="small quiet">{item.contact_shared ? t('work:case.shared', { at: format.dateTime(item.contact_shared) }) : t('work:case.identity_hint')}</p>
            <Button look="secondary" size="small" icon={<Eye size={16} aria-hidden />} busy={identity.isPending} onClick={() => identity.mutate()}>{t('work:case.show_identity')}</Button>
          </>
        )}
        <FailedNote error={identity.error} />
      </div>
    </Card>
  )
}

/** The case as a paper; with who reported only when that is asked for. */
function Printing({ item }: { item: Case }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const [identity, setIdentity] = useState(false)
  const may = can(me.data, 'case-identity') || Boolean(item.contact_shared && can(me.data, 'case-handle'))
  return (
    <Card tight>
      <div className="stack-s">
        <h3>{t('work:case.paper')}</h3>
        <p className="small quiet">{t('work:case.paper_lead')}</p>
        {may ? <CheckBox checked={identity} onChange={e => setIdentity(e.target.checked)}>{t('work:case.paper_identity')}</CheckBox> : null}
        <div><LinkButton look="secondary" size="small" href={casePaper(item.id, identity, lng)} download icon={<Printer size={16} aria-hidden />}>{t('work:case.paper_get')}</LinkButton></div>
      </div>
    </Card>
  )
}

/** Parts that other units work on, or the case that this one is a part of. */
function Parts({ item, onSplit }: { item: Case; onSplit: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const shown = item.parent ? [item.parent] : item.parts
  if (shown.length === 0 && !item.may_split) return null
  return (
    <Card tight>
      <div className="stack-s">
        <h3>{t(item.parent ? 'work:case.whole' : 'work:case.parts')}</h3>
        {shown.length > 0 ? (
          <ul className="plain-list stack-s">
            {shown.map(part => (
              <li key={part.id} className="part">
                <a href={`/work/${part.id}`}>{part.text_short || part.code}</a>
                <span className="row small">
                  <PhaseBadge phase={part.phase}>{named(lng, part.state_name, part.state_name_en)}</PhaseBadge>
                  <span className="quiet">{part.unit.name}</span>
                  {part.phase === 'solved' || part.phase === 'unsolved' ? null : <Due at={part.due_at} />}
                </span>
              </li>
            ))}
          </ul>
        ) : null}
        {item.may_split ? <Button look="secondary" size="small" icon={<Split size={16} aria-hidden />} onClick={onSplit}>{t('work:case.split')}</Button> : null}
      </div>
    </Card>
  )
}

function Desk({ item }: { item: Case }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const home = me.data?.home.code
  const communes = useCommunes(home)
  const [move, setMove] = useState<CaseMove>()
  const [splitting, setSplitting] = useState(false)
  return (
    <>
      <header className="page-header">
        <div className="grow stack-s">
          <a className="small" href="/work"><ArrowLeft size={15} aria-hidden style={{ display: 'inline', verticalAlign: '-2px' }} /> {t('work:title')}</a>
          <h1>{named(lng, item.category_name, item.category_name_en)}</h1>
          <div className="row">
            <PhaseBadge phase={item.phase}>{named(lng, item.state_name, item.state_name_en)}</PhaseBadge>
            {item.urgency_name ? <Badge>{item.urgency_name}</Badge> : null}
            {item.private ? <Badge tone="high">{t('work:case.private')}</Badge> : null}
            <span className="quiet tnum">{item.code}</span>
            <span className="quiet">{item.unit.name}</span>
            {item.rating ? <Stars value={item.rating} /> : null}
          </div>
        </div>
        <LinkButton look="quiet" href={`/r/${item.code}`} icon={<ExternalLink size={17} aria-hidden />}>{t('work:case.public_page')}</LinkButton>
      </header>
      <div className="desk">
        <div className="stack">
          {item.routing.warning ? <Note tone="high">{item.routing.warning}</Note> : null}
          <Card>
            <div className="stack">
              <p className="said">{item.text}</p>
              {item.published ? null : <Badge tone="waiting">{t('work:case.not_public')}</Badge>}
              <Noticed item={item} />
              <PhotoDesk item={item} />
              <div className="case-meta">
                <span className="bit"><MapPin size={15} aria-hidden /> {[item.address, item.area_name].filter(Boolean).join(', ')}</span>
                <span>{format.dateTime(item.opened_at)}</span>
              </div>
            </div>
          </Card>
          <Card>
            <Tabs
              label={t('work:case.about')}
              items={[
                { id: 'log', label: t('work:case.log', { n: item.log.length }), body: () => <Log log={item.log} seen={looks(item)} draft={item.answer ? undefined : item.answer_text ?? undefined} /> },
                ...(item.answer_text || item.answer
                  ? [{ id: 'answer', label: t('work:case.answer'), body: () => (
                      <div className="stack-s">
                        {item.answer ? <Badge tone="good">{t('work:case.public')}</Badge> : <Badge tone="working">{t('work:case.draft')}</Badge>}
                        <p className="said">{item.answer?.text ?? item.answer_text}</p>
                        {item.rating_comment ? <p className="log-says">{item.rating_comment}</p> : null}
                      </div>
                    ) }]
                  : []),
                {
                  id: 'routing', label: t('work:case.routing'),
                  body: () => (
                    <dl className="facts">
                      <div><dt>{t('citizen:case.unit')}</dt><dd>{item.unit.name}</dd></div>
                      <div><dt>{t('work:case.rule')}</dt><dd>{item.routing.rule || '–'}</dd></div>
                      <div><dt>{t('work:case.why')}</dt><dd>{item.routing.why || '–'}</dd></div>
                      {item.routing.road ? <div><dt>{t('work:case.road')}</dt><dd>{t('work:case.road_seen', { road: item.routing.road.name || item.routing.road.number || '–', owner: item.routing.road.owner ?? '–', metres: format.number(item.routing.road.metres, 0) })}{item.routing.road.owner_by === 'number' ? ` ${t('work:case.road_guess')}` : ''}</dd></div> : null}
                    </dl>
                  ),
                },
              ]}
            />
          </Card>
        </div>
        <div className="desk-side stack">
          <Card tight>
            <h3 style={{ marginBottom: 'var(--s3)' }}>{t('work:case.moves')}</h3>
            {item.moves.length > 0 ? (
              <div className="moves">
                {item.moves.map((m, i) => <Button key={m.code} wide look={i === 0 ? 'primary' : 'secondary'} onClick={() => setMove(m)}>{named(lng, m.name, m.name_en)}</Button>)}
              </div>
            ) : (
              <p className="small quiet">{t('work:case.no_moves')}</p>
            )}
          </Card>
          <Clock item={item} />
          <WorkCard item={item} />
          <AdviceCard item={item} />
          <Parts item={item} onSplit={() => setSplitting(true)} />
          <Forwards item={item} />
          {item.location ? (
            <Card tight>
              <div className="case-map"><CityMap label={t('citizen:case.map')} home={home} communes={communes.data} bare cluster={false} view={{ ...item.location, zoom: 13 }} points={[{ id: item.id, ...item.location, mark: item.phase }]} /></div>
            </Card>
          ) : null}
          <Reporter item={item} />
          <Printing item={item} />
          <BarSender item={item} />
        </div>
      </div>
      {move ? <MoveDialog key={move.code} item={item} move={move} onClose={() => setMove(undefined)} /> : null}
      {splitting ? <SplitDialog item={item} onClose={() => setSplitting(false)} /> : null}
    </>
  )
}

export default function CaseDesk({ params }: { params: Record<string, string> }) {
  const t = useT()
  const id = params['id'] ?? ''
  const item = useCase(id)
  const client = useQueryClient()
  useTitle(item.data ? `${item.data.code} ${item.data.category_name}` : t('work:title'))
  useLive(['case-moved', 'case-rated', 'case-due', 'work-moved'], event => {
    if (event['case'] === id) void client.invalidateQueries({ queryKey: ['case', id] })
  })
  if (item.data) return <Desk item={item.data} />
  if (item.error) return <Failed error={item.error} onRetry={() => void item.refetch()} />
  return <div style={{ paddingTop: 'var(--s5)' }}><Loading height="8rem" /></div>
}
