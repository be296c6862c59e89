import { FlaskConical, Pause, Square } from 'lucide-react'
import { useMemo, useState } from 'react'
import { reportType, useCaseTypes, useFlow, useTryFlow, type FlowTrial, type FlowView } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, cx, FailedNote, Field, Figure, format, Input, Loaded, Note, PageHeader, PhaseBadge, Select, TextArea, useTitle } from '@/ui'
import { Tabs } from '@/ui/rich'
import '../cases.css'
import './flow.css'
import { compare, draw, type Difference } from './layout'

function path(points: readonly { x: number; y: number }[]): string {
  const [first, ...rest] = points
  if (!first) return ''
  const last = rest.at(-1) ?? first
  const curves = rest.slice(0, -1).map((point, i) => { const next = rest[i + 1] ?? point; return `Q ${point.x} ${point.y} ${(point.x + next.x) / 2} ${(point.y + next.y) / 2}` })
  return `M ${first.x} ${first.y} ${curves.join(' ')} L ${last.x} ${last.y}`
}

/** The same way from above to below for narrow screens: every state with the moves that lead on from it. */
function Ladder({ view, order, marks }: { view: FlowView; order: readonly string[]; marks: Difference | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const states = new Map(view.states.map(state => [state.code, state]))
  const spot = (code: string) => `flow-${view.version}-${code}`
  return (
    <ol className="flow-ladder plain-list" aria-label={t('flow:diagram')}>
      {order.map(code => {
        const state = states.get(code)
        if (!state) return null
        const out = view.moves.filter(move => move.from.includes(code))
        return (
          <li key={code} id={spot(code)} className={cx(`phase-${state.phase}`, state.initial && 'initial', marks?.added.includes(code) && 'added', marks?.changed.includes(code) && 'changed')}>
            <div className="spread">
              <strong>{named(lng, state.name, state.name_en)}</strong>
              <span className="row small quiet">{state.clock === 'paused' ? <Pause size={14} aria-label={t('flow:clock.paused')} /> : state.clock === 'stopped' ? <Square size={13} aria-label={t('flow:clock.stopped')} /> : null}{state.cases > 0 ? t('flow:here', { n: state.cases }) : null}</span>
            </div>
            {out.length === 0 ? <p className="small quiet">{t('flow:end')}</p> : (
              <ul className="plain-list">
                {out.map(move => (
                  <li key={move.code} className={cx('small', move.by === 'system' && 'by-system')}>
                    {named(lng, move.name, move.name_en)} <span className="quiet">({t(`flow:by.${move.by}`)})</span> → <a href={`#${spot(move.to)}`}>{named(lng, states.get(move.to)?.name ?? move.to, states.get(move.to)?.name_en ?? move.to)}</a>
                  </li>
                ))}
              </ul>
            )}
          </li>
        )
      })}
    </ol>
  )
}

/** The workflow as a picture, or on narrow screens as a ladder; the same as a list stands below it. */
function Diagram({ view, marks }: { view: FlowView; marks: Difference | undefined }) {
  const t = useT()
  const lng = useLanguage()
  const drawing = useMemo(() => draw(view), [view])
  const [chosen, setChosen] = useState<string>()
  const states = new Map(view.states.map(state => [state.code, state]))
  const open = view.states.find(state => state.code === chosen)
  const out = view.moves.filter(move => chosen !== undefined && move.from.includes(chosen))
  const order = useMemo(() => [...drawing.boxes].sort((a, b) => a.y - b.y || a.x - b.x).map(box => box.code), [drawing])
  return (
    <div className="stack">
      <Ladder view={view} order={order} marks={marks} />
      <div className="flow-picture" tabIndex={0} role="region" aria-label={t('flow:diagram')}>
        <svg width={drawing.width} height={drawing.height} viewBox={`0 0 ${drawing.width} ${drawing.height}`} role="group" aria-label={t('flow:diagram')}>
          <defs><marker id="flow-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto-start-reverse"><path d="M0 0 8 4 0 8z" /></marker></defs>
          {drawing.edges.map(edge => (
            <g key={`${edge.from} ${edge.to}`} className={cx('flow-edge', edge.moves.every(move => move.by === 'system') && 'by-system', (edge.from === chosen || edge.to === chosen) && 'near')}>
              <path d={path(edge.points)} markerEnd="url(#flow-tip)" />
              {edge.moves.length > 1 ? <text x={edge.label.x} y={edge.label.y} textAnchor="middle" dominantBaseline="middle">{edge.moves.length}</text> : null}
              <title>{edge.moves.map(move => named(lng, move.name, move.name_en)).join(', ')}</title>
            </g>
          ))}
          {drawing.boxes.map(box => {
            const state = states.get(box.code)
            if (!state) return null
            return (
              <foreignObject key={box.code} x={box.x} y={box.y} width={box.width} height={box.height}>
                <button type="button" className={cx('flow-state', `phase-${state.phase}`, state.initial && 'initial', chosen === box.code && 'chosen', marks?.added.includes(box.code) && 'added', marks?.changed.includes(box.code) && 'changed')} aria-pressed={chosen === box.code} onClick={() => setChosen(chosen === box.code ? undefined : box.code)}>
                  <span>{named(lng, state.name, state.name_en)}</span>
                  <small>{state.clock === 'paused' ? <Pause size={12} aria-label={t('flow:clock.paused')} /> : state.clock === 'stopped' ? <Square size={11} aria-label={t('flow:clock.stopped')} /> : null} {state.cases > 0 ? t('flow:here', { n: state.cases }) : ''}</small>
                </button>
              </foreignObject>
            )
          })}
        </svg>
      </div>
      {open ? (
        <Card tight>
          <div className="stack-s">
            <div className="row"><h3>{named(lng, open.name, open.name_en)}</h3><PhaseBadge phase={open.phase} /><Badge>{t(`flow:clock.${open.clock}`)}</Badge>{open.waits_for.map(who => <Badge key={who}>{t('flow:waits_for', { who: t(`flow:by.${who}`) })}</Badge>)}{open.timeout_days ? <Badge>{t('flow:timeout', { n: open.timeout_days })}</Badge> : null}</div>
            {out.length === 0 ? <p className="quiet">{t('flow:end')}</p> : <ul className="plain-list stack-s">{out.map(move => <li key={move.code}><strong>{named(lng, move.name, move.name_en)}</strong> → {named(lng, states.get(move.to)?.name ?? move.to, states.get(move.to)?.name_en ?? move.to)} <span className="quiet small">{t(`flow:by.${move.by}`)}</span></li>)}</ul>}
          </div>
        </Card>
      ) : <p className="small quiet flow-pick">{t('flow:pick')}</p>}
    </div>
  )
}

function Moves({ view }: { view: FlowView }) {
  const t = useT()
  const lng = useLanguage()
  const name = (code: string) => { const state = view.states.find(one => one.code === code); return state ? named(lng, state.name, state.name_en) : code }
  return (
    <div className="stats-table" tabIndex={0} role="region" aria-label={t('flow:moves')}>
      <table className="flow-table">
        <thead><tr><th scope="col">{t('flow:move')}</th><th scope="col">{t('flow:who')}</th><th scope="col">{t('flow:from_to')}</th><th scope="col">{t('flow:needs')}</th></tr></thead>
        <tbody>
          {view.moves.map(move => (
            <tr key={move.code}>
              <th scope="row">{named(lng, move.name, move.name_en)}</th>
              <td>{t(`flow:by.${move.by}`)}</td>
              <td>{move.from.map(name).join(', ')} → <strong>{name(move.to)}</strong></td>
              <td>{[...move.requires.map(field => t(`flow:field.${field}`)), ...(move.second_person.length > 0 ? [t('flow:second_person')] : []), ...(move.within ? [t('flow:within', { time: move.within })] : [])].join(', ') || '–'}</td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Lines({ title, found }: { title: string; found: Difference }) {
  const t = useT()
  const all = found.added.length + found.removed.length + found.changed.length
  if (all === 0) return null
  return (
    <div className="stack-s">
      <h3>{title}</h3>
      {found.added.length > 0 ? <p><Badge tone="good">{t('flow:added')}</Badge> {found.added.join(', ')}</p> : null}
      {found.removed.length > 0 ? <p><Badge tone="critical">{t('flow:removed')}</Badge> {found.removed.join(', ')}</p> : null}
      {found.changed.length > 0 ? <p><Badge tone="high">{t('flow:changed')}</Badge> {found.changed.join(', ')}</p> : null}
    </div>
  )
}

function Compared({ before, after }: { before: FlowView; after: FlowView }) {
  const t = useT()
  const found = compare(before, after)
  const none = [found.states, found.moves, found.deadlines].every(one => one.added.length + one.removed.length + one.changed.length === 0)
  if (none) return <p className="quiet">{t('flow:same')}</p>
  return <div className="stack"><Lines title={t('flow:states')} found={found.states} /><Lines title={t('flow:moves')} found={found.moves} /><Lines title={t('flow:deadlines')} found={found.deadlines} /></div>
}

function Versions({ kind, view }: { kind: string; view: FlowView }) {
  const t = useT()
  const [other, setOther] = useState<number>()
  const before = useFlow(other === undefined ? undefined : kind, other)
  const older = view.versions.filter(one => one.version !== view.version)
  if (older.length === 0) return <p className="quiet">{t('flow:one_version')}</p>
  return (
    <div className="stack">
      <Field label={t('flow:compare_with')}>{ids => <Select {...ids} value={other ?? ''} onChange={e => setOther(e.target.value ? Number(e.target.value) : undefined)}><option value="">–</option>{older.map(one => <option key={one.version} value={one.version}>{t('flow:version_line', { n: one.version, pack: one.pack, at: format.dateTime(one.at) })}</option>)}</Select>}</Field>
      {other === undefined ? null : <Loaded of={before}>{data => <><Compared before={data} after={view} /><Diagram view={data} marks={undefined} /></>}</Loaded>}
    </div>
  )
}

function Result({ trial, now }: { trial: FlowTrial; now: FlowView }) {
  const t = useT()
  if (trial.faults.length > 0) return <Note tone="critical"><strong>{t('flow:faults')}</strong><ul>{trial.faults.map(fault => <li key={fault}><code>{fault}</code></li>)}</ul></Note>
  const losses = [['lost_states', trial.lost_states], ['lost_categories', trial.lost_categories], ['lost_moves', trial.lost_moves]] as const
  return (
    <div className="stack">
      <div className="figures">
        <Figure value={format.number(trial.cases)} label={t('flow:looked')} />
        <Figure value={format.number(trial.late_before)} label={t('flow:late_before')} />
        <Figure value={format.number(trial.late_after)} label={t('flow:late_after')} tone={trial.late_after > trial.late_before ? 'critical' : undefined} />
        <Figure value={format.number(trial.lost_states.reduce((sum, one) => sum + one.count, 0))} label={t('flow:stranded')} tone={trial.lost_states.length > 0 ? 'critical' : undefined} />
      </div>
      {losses.map(([key, list]) => list.length > 0 ? <Note key={key} tone="high">{t(`flow:${key}`)}: {list.map(one => `${one.code} (${format.number(one.count)})`).join(', ')}</Note> : null)}
      {trial.samples.length > 0 ? (
        <div className="stats-table" tabIndex={0} role="region" aria-label={t('flow:samples')}>
          <table>
            <thead><tr><th scope="col">{t('flow:case')}</th><th scope="col">{t('flow:used')}</th><th scope="col">{t('flow:before')}</th><th scope="col">{t('flow:after')}</th><th scope="col">{t('flow:would')}</th></tr></thead>
            <tbody>{trial.samples.map(one => <tr key={one.code}><th scope="row"><a href={`/r/${one.code}`}>{one.code}</a></th><td>{format.span(one.used)}</td><td>{format.span(one.before)}</td><td>{format.span(one.after)}</td><td>{t(one.late ? 'flow:late' : 'flow:in_time')}</td></tr>)}</tbody>
          </table>
        </div>
      ) : null}
      {trial.view ? <><Compared before={now} after={trial.view} /><Diagram view={trial.view} marks={compare(now, trial.view).states} /></> : null}
    </div>
  )
}

function Trial({ kind, view }: { kind: string; view: FlowView }) {
  const t = useT()
  const run = useTryFlow(kind)
  const [changes, setChanges] = useState('')
  const [days, setDays] = useState(30)
  return (
    <div className="stack">
      <form className="stack" onSubmit={event => (event.preventDefault(), run.mutate({ changes, days }))}>
        <Field label={t('flow:changes')} hint={t('flow:changes_hint')}>{ids => <TextArea {...ids} rows={8} className="mono" spellCheck={false} placeholder={'[deadline]\nnormal = "3d"\n\n[flow.states]\nplanned = false'} value={changes} onChange={e => setChanges(e.target.value)} />}</Field>
        <div className="row">
          <Field label={t('flow:days')}>{ids => <Input {...ids} type="number" min={1} max={366} value={days} onChange={e => setDays(Number(e.target.value) || 30)} />}</Field>
          <Button type="submit" busy={run.isPending} icon={<FlaskConical size={18} aria-hidden />}>{t('flow:try')}</Button>
        </div>
        <FailedNote error={run.error} />
      </form>
      {run.data ? <Result trial={run.data} now={view} /> : null}
    </div>
  )
}

export default function FlowPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('flow:title'))
  const types = useCaseTypes()
  const [wanted, setWanted] = useState<string>()
  const kind = wanted ?? reportType(types.data)?.kind
  const flow = useFlow(kind)
  return (
    <>
      <PageHeader title={t('flow:title')} lead={t('flow:lead')} actions={types.data && types.data.length > 1 ? <Select aria-label={t('flow:kind')} value={kind ?? ''} onChange={e => setWanted(e.target.value)}>{types.data.map(one => <option key={one.kind} value={one.kind}>{named(lng, one.title, one.title_en)}</option>)}</Select> : undefined} />
      <Loaded of={flow}>
        {view => (
          <div className="stack" key={view.kind}>
            <p className="small quiet">{t('flow:policy', { act: view.policy.source_act, version: view.version })} <Badge tone={view.policy.status === 'in-force' ? 'good' : 'high'}>{t(`flow:status.${view.policy.status}`)}</Badge></p>
            <Tabs label={t('flow:title')} items={[
              { id: 'picture', label: t('flow:diagram'), body: () => <Diagram view={view} marks={undefined} /> },
              { id: 'moves', label: t('flow:moves'), body: () => <Moves view={view} /> },
              { id: 'versions', label: t('flow:versions'), body: () => <Versions kind={view.kind} view={view} /> },
              { id: 'try', label: t('flow:dry_run'), body: () => <Trial kind={view.kind} view={view} /> },
            ]} />
          </div>
        )}
      </Loaded>
    </>
  )
}
