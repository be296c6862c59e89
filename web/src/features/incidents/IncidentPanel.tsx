import { ArrowUpRight, BellRing, Check, FileArchive, FileText, Link2, Phone, Send, Truck, Undo2, X } from 'lucide-react'
import { useEffect, useRef, useState, type FormEvent } from 'react'
import { evidenceAddress, useEndTask, useIncident, useIncidentAct, useIncidentLog, useMe, useOpsCatalogue, useOpsPeople, useProcedures, type IncidentMove, type IncidentView } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, cx, Dialog, Due, Failed, FailedNote, Field, format, Input, LinkButton, Loading, Note, Select, SeverityBadge, TextArea, toastError } from '@/ui'
import { clock, DrillBadge, Stamps } from './parts'
import { Runs } from './Runs'
import { SendDialog } from './SendDialog'
import { WarningsSection } from './WarningsSection'

interface PanelProps {
  id: string
  now: number
  /** A key pressed on the board: a new object each time. */
  act: { key: string } | undefined
  onClose: () => void
}

type Doing = ReturnType<typeof useIncidentAct>

/** Asks for the words that an act needs. */
function Ask({ title, label, busy, error, onSay, onClose }: { title: string; label: string; busy: boolean; error: unknown; onSay: (words: string) => void; onClose: () => void }) {
  const t = useT()
  const [words, setWords] = useState('')
  return (
    <Dialog open onClose={onClose} title={title}>
      <form className="stack" onSubmit={event => (event.preventDefault(), onSay(words.trim()))}>
        <Field label={label}>{ids => <TextArea {...ids} required rows={3} maxLength={4000} value={words} onChange={e => setWords(e.target.value)} />}</Field>
        <FailedNote error={error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={busy} disabled={!words.trim()}>{title}</Button></div>
      </form>
    </Dialog>
  )
}

function Moves({ view, doing }: { view: IncidentView; doing: Doing }) {
  const t = useT()
  const lng = useLanguage()
  const [asked, setAsked] = useState<IncidentMove>()
  const make = (move: IncidentMove, words?: string) => doing.mutate({ path: `/moves/${move.code}`, json: { version: view.version, ...(words ? { note: words, reason: words } : {}) } }, { onSuccess: () => setAsked(undefined), onError: e => (words ? undefined : toastError(e)) })
  return (
    <div className="row wrap-row">
      {view.moves.map((move, i) => <Button key={move.code} look={i === 0 ? 'primary' : 'secondary'} size="small" onClick={() => (move.requires.length > 0 ? setAsked(move) : make(move))}>{named(lng, move.name, move.name_en)}</Button>)}
      {asked ? <Ask title={named(lng, asked.name, asked.name_en)} label={t(asked.requires.includes('reason') ? 'incidents:reason' : 'incidents:note')} busy={doing.isPending} error={doing.error} onSay={words => make(asked, words)} onClose={() => setAsked(undefined)} /> : null}
    </div>
  )
}

function Tasks({ view, doing }: { view: IncidentView; doing: Doing }) {
  const t = useT()
  const end = useEndTask()
  const [draft, setDraft] = useState({ text: '', unit: view.unit.id, minutes: '30' })
  const give = (event: FormEvent) => {
    event.preventDefault()
    doing.mutate({ path: '/tasks', json: { text: draft.text.trim(), unit: draft.unit.trim(), minutes: Number(draft.minutes) || undefined } }, { onSuccess: () => setDraft(before => ({ ...before, text: '' })), onError: toastError })
  }
  return (
    <section className="stack-s" aria-labelledby="tasks">
      <h3 id="tasks">{t('incidents:tasks')}</h3>
      {view.tasks.length === 0 ? <p className="small quiet">{t('incidents:no_tasks')}</p> : (
        <ul className="plain-list stack-s">
          {view.tasks.map(task => (
            <li key={task.id} className={cx('op-line', task.state !== 'open' && 'over')}>
              <span className="grow"><b>{task.text}</b><br /><span className="small quiet">{task.unit.name}{task.note ? ` · ${task.note}` : ''}</span></span>
              {task.state === 'open' ? <>{task.due_at ? <Due at={task.due_at} /> : null}{view.may_handle ? <Button look="quiet" size="small" icon={<Check size={16} aria-hidden />} onClick={() => end.mutate({ id: task.id }, { onError: toastError })}>{t('incidents:done')}</Button> : null}</> : <Badge tone={task.state === 'done' ? 'good' : 'info'}>{t(`incidents:task.${task.state}`)}</Badge>}
            </li>
          ))}
        </ul>
      )}
      {view.may_handle && !view.ended ? (
        <form className="op-form" onSubmit={give}>
          <Field label={t('incidents:task_text')}>{ids => <Input {...ids} required maxLength={1000} value={draft.text} onChange={e => setDraft({ ...draft, text: e.target.value })} />}</Field>
          <Field label={t('incidents:unit')}>{ids => <Input {...ids} required list="task-units" value={draft.unit} onChange={e => setDraft({ ...draft, unit: e.target.value })} />}</Field>
          <datalist id="task-units">{[view.unit, ...view.tasks.map(x => x.unit), ...view.dispatches.map(x => x.unit), ...(view.place.area ? [{ id: `ubnd-${view.place.area}`, name: view.place.area_name ?? '' }] : [])].filter((u, i, all) => all.findIndex(x => x.id === u.id) === i).map(u => <option key={u.id} value={u.id}>{u.name}</option>)}</datalist>
          <Field label={t('incidents:minutes')}>{ids => <Input {...ids} type="number" min={1} max={43200} value={draft.minutes} onChange={e => setDraft({ ...draft, minutes: e.target.value })} />}</Field>
          <Button type="submit" look="secondary" busy={doing.isPending}>{t('incidents:give')}</Button>
        </form>
      ) : null}
    </section>
  )
}

function Resources({ view, doing }: { view: IncidentView; doing: Doing }) {
  const t = useT()
  const [open, setOpen] = useState(false)
  return (
    <section className="stack-s" aria-labelledby="resources">
      <div className="spread"><h3 id="resources">{t('incidents:resources')}</h3>{view.may_handle && !view.ended ? <Button look="secondary" size="small" icon={<Truck size={16} aria-hidden />} onClick={() => setOpen(true)}>{t('incidents:send_resource')}</Button> : null}</div>
      {view.dispatches.length === 0 ? <p className="small quiet">{t('incidents:nothing_sent')}</p> : (
        <ul className="plain-list stack-s">
          {view.dispatches.map(sent => (
            <li key={sent.id} className={cx('op-line', sent.ended && 'over')}>
              <span className="grow"><b className="tnum">{sent.resource_code}</b> {sent.resource_name} <span className="small quiet">{sent.unit.name}{sent.eta_s == null ? '' : ` · ${t(sent.way_by === 'road' ? 'incidents:way.eta' : 'incidents:way.eta_guess', { time: clock(sent.eta_s) })}`}</span><Stamps stamps={sent.stamps} sent={sent.sent_at} /></span>
            </li>
          ))}
        </ul>
      )}
      {open ? <SendDialog view={view} doing={doing} onClose={() => setOpen(false)} /> : null}
    </section>
  )
}

function Log({ view, doing, focus }: { view: IncidentView; doing: Doing; focus: object | undefined }) {
  const t = useT()
  const log = useIncidentLog(view.id)
  const [words, setWords] = useState('')
  const form = useRef<HTMLFormElement>(null)
  useEffect(() => {
    if (focus) form.current?.querySelector('textarea')?.focus()
  }, [focus])
  const send = (event: FormEvent) => {
    event.preventDefault()
    if (words.trim()) doing.mutate({ path: '/log', json: { text: words.trim(), message: true } }, { onSuccess: () => setWords(''), onError: toastError })
  }
  return (
    <section className="stack-s" aria-labelledby="log">
      <h3 id="log">{t('incidents:log')}</h3>
      <form ref={form} className="stack-s" onSubmit={send}>
        <Field label={t('incidents:message')} hint={t('incidents:message_hint')}>{ids => <TextArea {...ids} rows={2} maxLength={4000} value={words} onChange={e => setWords(e.target.value)} onKeyDown={e => { if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) e.currentTarget.form?.requestSubmit() }} />}</Field>
        <Button type="submit" look="secondary" size="small" icon={<Send size={16} aria-hidden />} busy={doing.isPending}>{t('incidents:write')}</Button>
      </form>
      <ol className="op-log" tabIndex={0} aria-label={t('incidents:log')}>
        {(log.data?.items ?? []).map(line => (
          <li key={line.n} className={cx((line.kind === 'note' || line.kind === 'message') && 'said')}>
            <time className="tnum">{format.time(line.at)}</time>
            <span><b>{t(`incidents:line.${line.kind}`)}</b> {line.text}{typeof line.data['what'] === 'string' && line.kind !== 'changed' ? ` · ${t(`incidents:did.${line.data['what']}`)}` : ''}{typeof line.data['reason'] === 'string' ? ` · ${line.data['reason']}` : ''} <span className="small quiet">{line.by.name}</span></span>
          </li>
        ))}
      </ol>
    </section>
  )
}

function Head({ view, now, doing }: { view: IncidentView; now: number; doing: Doing }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const catalogue = useOpsCatalogue()
  const people = useOpsPeople(view.may_handle)
  const until = view.ended_at ? Date.parse(view.ended_at) : now
  const position = catalogue.data?.positions.find(p => p.code === view.called[0]?.position)
  return (
    <>
      <div className="row wrap-row">
        <DrillBadge drill={view.drill} />
        <SeverityBadge severity={view.severity} />
        <Badge tone={view.phase}>{named(lng, view.state_name, view.state_name_en)}</Badge>
        <Badge>{named(lng, view.kind_name, view.kind_name_en)}</Badge>
        <span className="tnum quiet">{view.code}</span>
      </div>
      <h2>{view.title}</h2>
      <p className="quiet">{[view.place.address, view.place.area_name, view.unit.name].filter(Boolean).join(' · ')}</p>
      <p className="incident-big-clock tnum" aria-label={t('incidents:clock')}>{clock((until - Date.parse(view.opened_at)) / 1000)}</p>
      {view.text ? <p>{view.text}</p> : null}
      {view.above ? <p className="small">{t(view.merged ? 'incidents:merged_into' : 'incidents:split_from')} <a href={`/ioc/incidents?id=${view.above.id}${view.drill ? '&drill=yes' : ''}`}>{view.above.code} {view.above.title}</a></p> : null}
      {!view.read_at && !view.ended ? (
        <Note tone="critical" icon={<BellRing size={20} aria-hidden />}>
          {t('incidents:nobody_read')}{view.next_level_at ? ` ${t('incidents:next_level', { at: format.time(view.next_level_at) })}` : ''}{view.called.length > 0 ? ` ${t('incidents:called', { position: position ? named(lng, position.name, position.name_en) : '', people: view.called.map(d => d.person_name).join(', ') })}` : ''}{' '}
          {view.may_handle ? <Button size="small" onClick={() => doing.mutate({ path: '/read' }, { onError: toastError })}>{t('incidents:take_note')}</Button> : null}
        </Note>
      ) : null}
      {view.level > 1 && !view.ended && view.may_handle ? <Button look="quiet" size="small" icon={<Undo2 size={16} aria-hidden />} onClick={() => doing.mutate({ path: '/de-escalate', json: { text: t('incidents:back_words', { name: me.data?.name ?? '' }) } }, { onError: toastError })}>{t('incidents:de_escalate', { n: view.level })}</Button> : null}
      {view.may_handle && !view.ended ? (
        <Field label={t('incidents:commander')}>{ids => <Select {...ids} value={view.commander?.id ?? ''} onChange={e => e.target.value && doing.mutate({ path: '', method: 'PATCH', json: { version: view.version, commander: e.target.value } }, { onError: toastError })}><option value="">–</option>{(people.data ?? []).map(p => <option key={p.id} value={p.id}>{p.name}</option>)}</Select>}</Field>
      ) : view.commander ? <p>{t('incidents:commander')}: {view.commander.name}</p> : null}
    </>
  )
}

function Merge({ view, doing, onClose }: { view: IncidentView; doing: Doing; onClose: () => void }) {
  const t = useT()
  const [into, setInto] = useState('')
  const [reason, setReason] = useState('')
  return (
    <Dialog open onClose={onClose} title={t('incidents:merge')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), doing.mutate({ path: '/merge', json: { version: view.version, into: into.trim(), reason } }, { onSuccess: onClose }))}>
        <Field label={t('incidents:merge_into')} hint={t('incidents:merge_hint')}>{ids => <Input {...ids} required value={into} onChange={e => setInto(e.target.value.replace(/^.*[?&]id=([0-9a-f-]+).*$/, '$1'))} />}</Field>
        <Field label={t('incidents:reason')}>{ids => <TextArea {...ids} required rows={2} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={doing.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={doing.isPending}>{t('incidents:merge')}</Button></div>
      </form>
    </Dialog>
  )
}

function Split({ view, doing, onClose }: { view: IncidentView; doing: Doing; onClose: () => void }) {
  const t = useT()
  const [title, setTitle] = useState('')
  const [reason, setReason] = useState('')
  const [links, setLinks] = useState<readonly string[]>([])
  return (
    <Dialog open onClose={onClose} title={t('incidents:split')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), doing.mutate({ path: '/split', json: { version: view.version, title, reason, links } }, { onSuccess: onClose }))}>
        <Field label={t('incidents:what')}>{ids => <Input {...ids} required maxLength={200} value={title} onChange={e => setTitle(e.target.value)} />}</Field>
        {view.links.map(link => <label key={link.ref} className="check"><input type="checkbox" checked={links.includes(`${link.kind}:${link.ref}`)} onChange={e => setLinks(before => (e.target.checked ? [...before, `${link.kind}:${link.ref}`] : before.filter(x => x !== `${link.kind}:${link.ref}`)))} /><span>{link.title}</span></label>)}
        <Field label={t('incidents:reason')}>{ids => <TextArea {...ids} required rows={2} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={doing.error} />
        <div className="dialog-foot"><Button look="secondary" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={doing.isPending}>{t('incidents:split')}</Button></div>
      </form>
    </Dialog>
  )
}

function Panel({ view, now, act, onClose }: { view: IncidentView; now: number; act: PanelProps['act']; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const doing = useIncidentAct(view.id)
  const procedures = useProcedures()
  const [dialog, setDialog] = useState<'merge' | 'split'>()
  const [focus, setFocus] = useState<object>()
  useEffect(() => {
    if (act?.key === 'm') setFocus({})
    if (act?.key === 'r' && !view.read_at) doing.mutate({ path: '/read' }, { onError: toastError })
    if (act?.key === 's') document.querySelector<HTMLElement>('.run-active button, .run-active input, .run-active textarea')?.focus()
    // Only a new key acts.
  }, [act])
  const startable = (procedures.data ?? []).filter(p => p.state === 'approved' && !view.runs.some(r => r.procedure === p.code && !r.ended_at))
  return (
    <article className={cx('incident-panel stack', view.drill && 'drill')}>
      <div className="spread"><span className="row wrap-row">{view.links.length > 0 ? <Badge icon={<Link2 size={14} aria-hidden />}>{view.links.length}</Badge> : null}<LinkButton look="quiet" size="small" href={`/ioc/incidents/${view.id}/report`} icon={<FileText size={16} aria-hidden />}>{t('incidents:report')}</LinkButton>{view.may_handle ? <a className="btn btn-quiet btn-small" href={evidenceAddress(view.id)} download><FileArchive size={16} aria-hidden />{t('incidents:evidence')}</a> : null}</span><Button look="quiet" iconOnly icon={<X size={20} aria-hidden />} onClick={onClose}>{t('ui.close')}</Button></div>
      <Head view={view} now={now} doing={doing} />
      {view.may_handle ? <Moves view={view} doing={doing} /> : null}
      <Runs view={view} doing={doing} now={now} />
      {view.may_handle && !view.ended && startable.length > 0 ? (
        <Select aria-label={t('incidents:start_procedure')} value="" onChange={e => e.target.value && doing.mutate({ path: '/procedures', json: { procedure: e.target.value } }, { onError: toastError })}><option value="">{t('incidents:start_procedure')}</option>{startable.map(p => <option key={p.code} value={p.code}>{named(lng, p.def.name, p.def.name_en)}</option>)}</Select>
      ) : null}
      <Resources view={view} doing={doing} />
      <Tasks view={view} doing={doing} />
      <WarningsSection view={view} />
      {view.links.length > 0 ? (
        <section className="stack-s" aria-labelledby="links">
          <h3 id="links">{t('incidents:links')}</h3>
          <ul className="plain-list">{view.links.map(link => <li key={link.ref}><a href={link.href}>{link.kind === 'case' ? <Phone size={15} aria-hidden /> : <BellRing size={15} aria-hidden />} {link.title} <ArrowUpRight size={14} aria-hidden /></a></li>)}</ul>
        </section>
      ) : null}
      {view.children.length > 0 ? <ul className="plain-list">{view.children.map(child => <li key={child.id}><a href={`/ioc/incidents?id=${child.id}${child.drill ? '&drill=yes' : ''}`}>{child.code} {child.title}</a> <Badge tone={child.phase}>{named(lng, child.state_name, child.state_name_en)}</Badge></li>)}</ul> : null}
      {view.may_handle && !view.ended ? <div className="row wrap-row"><Button look="quiet" size="small" onClick={() => setDialog('merge')}>{t('incidents:merge')}</Button><Button look="quiet" size="small" onClick={() => setDialog('split')}>{t('incidents:split')}</Button></div> : null}
      <Log view={view} doing={doing} focus={focus} />
      {dialog === 'merge' ? <Merge view={view} doing={doing} onClose={() => setDialog(undefined)} /> : dialog === 'split' ? <Split view={view} doing={doing} onClose={() => setDialog(undefined)} /> : null}
    </article>
  )
}

export function IncidentPanel({ id, now, act, onClose }: PanelProps) {
  const incident = useIncident(id)
  if (incident.data) return <Panel view={incident.data} now={now} act={act} onClose={onClose} />
  return <div className="incident-panel">{incident.error ? <Failed error={incident.error} onRetry={() => void incident.refetch()} /> : <Loading />}</div>
}
