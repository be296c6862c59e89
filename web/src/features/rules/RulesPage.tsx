import { FlaskConical, Pencil, Save, Undo2 } from 'lucide-react'
import { useMemo, useState, type FormEvent } from 'react'
import { can, useChangeRule, useMe, useRule, useRules, useThingTypes, useTryRule, type Rule, type RuleChange, type RuleDetail, type Severity, type Tried } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Check, cx, Dialog, Empty, FailedNote, Field, fold, format, Input, Loaded, Note, PageHeader, SearchBox, Select, SeverityBadge, TextArea, toast, useTitle } from '@/ui'
import { DataTable, Spark, type Column } from '@/ui/rich'
import './alarms/alarms.css'

const SEVERITIES: readonly Severity[] = ['critical', 'high', 'medium', 'low', 'info']
const WORDS = ['raise', 'clear', 'when', 'suppress_when'] as const
const SECONDS = ['on_delay', 'off_delay', 'silent_for'] as const
const PARTS = [...WORDS, ...SECONDS, 'severity', 'enabled'] as const
const MONTH = 30 * 86_400_000

/** Only what differs from the pack's text: the rest goes on following the pack. */
function differing(draft: RuleChange, given: RuleChange): RuleChange {
  const change: Record<string, unknown> = {}
  for (const part of PARTS) if ((draft[part] ?? '') !== (given[part] ?? '')) change[part] = draft[part] ?? ''
  return change as RuleChange
}

function Compare({ rule, draft }: { rule: RuleDetail; draft?: RuleChange }) {
  const t = useT()
  const shown = (change: RuleChange, part: (typeof PARTS)[number]) => {
    const value = change[part]
    if (part === 'enabled') return t(value === false ? 'admin:rules.off' : 'admin:rules.on')
    if (part === 'severity') return t(`severity.${String(value)}`)
    return value === undefined || value === '' ? t('admin:rules.empty') : String(value)
  }
  const parts = PARTS.filter(part => [rule.given, rule.now, draft ?? {}].some(x => x[part] !== undefined && x[part] !== ''))
  return (
    <div className="compare-scroll" tabIndex={0} role="region" aria-label={t('admin:rules.versions')}>
      <table className="compare">
        <thead><tr><th scope="col">{t('admin:rules.part')}</th><th scope="col">{t('admin:rules.pack')}</th><th scope="col">{t('admin:rules.now')}</th>{draft ? <th scope="col">{t('admin:rules.draft')}</th> : null}</tr></thead>
        <tbody>
          {parts.map(part => (
            <tr key={part}>
              <th scope="row">{t(part === 'enabled' ? 'admin:rules.enabled_part' : `admin:rules.${part}`)}</th>
              <td className="code">{shown(rule.given, part)}</td>
              <td className={cx('code', shown(rule.now, part) !== shown(rule.given, part) && 'differs')}>{shown(rule.now, part)}</td>
              {draft ? <td className={cx('code', shown(draft, part) !== shown(rule.now, part) && 'differs')}>{shown(draft, part)}</td> : null}
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  )
}

function Trial({ tried, before }: { tried: Tried; before: Tried | undefined }) {
  const t = useT()
  const days = tried.days.map(d => d.alarms)
  return (
    <section className="stack-s" role="status">
      <p><strong>{t('admin:rules.tried', { n: format.number(tried.total), days: tried.days.length, things: tried.things })}</strong>{before ? ` ${t('admin:rules.tried_was', { n: format.number(before.total) })}` : ''}</p>
      <Spark values={days} width={320} height={48} summary={t('admin:rules.tried_days')} />
      {tried.truncated ? <Note tone="medium">{t('admin:rules.tried_more')}</Note> : null}
      <ul className="past">
        {tried.alarms.slice(0, 20).map(a => (
          <li key={`${a.entity} ${a.raised_at}`}>
            <span className="past-what">{a.entity_name}</span>
            <span className="small quiet tnum">{format.dateTime(a.raised_at)}{a.cleared_at ? ` – ${format.dateTime(a.cleared_at)}` : ''}{a.value === undefined ? '' : ` · ${format.number(a.value, 2)}`}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

/** Changing a rule: the parts, what it would have raised, why, and the version it becomes. */
function Edit({ rule, onDone }: { rule: RuleDetail; onDone: () => void }) {
  const t = useT()
  const save = useChangeRule(rule.code)
  const attempt = useTryRule()
  const before = useTryRule()
  const [draft, setDraft] = useState<RuleChange>(rule.now)
  const [reason, setReason] = useState('')
  const set = (change: RuleChange) => setDraft(was => ({ ...was, ...change }))
  const change = differing(draft, rule.given)
  const same = PARTS.every(part => (draft[part] ?? '') === (rule.now[part] ?? ''))
  const send = (event: FormEvent) => {
    event.preventDefault()
    save.mutate({ version: rule.version, change, reason: reason.trim() }, { onSuccess: detail => { toast(t('admin:rules.saved', { n: detail.version })); onDone() } })
  }
  const tryIt = () => {
    const to = new Date()
    const stretch = { rule: rule.code, from: new Date(to.getTime() - MONTH).toISOString(), to: to.toISOString() }
    attempt.mutate({ ...stretch, change })
    before.mutate(stretch)
  }
  const words = rule.kind === 'absence' || rule.kind === 'sequence' ? WORDS.filter(w => w === 'suppress_when') : WORDS
  const seconds = SECONDS.filter(s => (s === 'silent_for') === (rule.kind === 'absence')).filter(() => rule.kind !== 'sequence')
  return (
    <form className="stack" onSubmit={send}>
      <p className="small quiet">{t('admin:rules.parts_hint')}</p>
      <div className="rule-form">
        {words.map(part => (
          <div key={part} className={part === 'raise' || part === 'clear' ? undefined : 'wide'}>
            <Field label={t(`admin:rules.${part}`)}>{ids => <Input {...ids} className="code" maxLength={500} required={part === 'raise'} value={draft[part] ?? ''} onChange={e => set({ [part]: e.target.value })} />}</Field>
          </div>
        ))}
        {seconds.map(part => <Field key={part} label={t(`admin:rules.${part}`)}>{ids => <Input {...ids} type="number" min={0} value={draft[part] ?? 0} onChange={e => set({ [part]: Math.max(0, Math.round(Number(e.target.value))) })} />}</Field>)}
        <Field label={t('admin:rules.severity')}>{ids => <Select {...ids} value={draft.severity} onChange={e => { const severity = SEVERITIES.find(s => s === e.target.value); if (severity) set({ severity }) }}>{SEVERITIES.map(s => <option key={s} value={s}>{t(`severity.${s}`)}</option>)}</Select>}</Field>
        <Check checked={draft.enabled !== false} onChange={e => set({ enabled: e.target.checked })}>{t('admin:rules.enabled_part')}</Check>
      </div>
      <Compare rule={rule} draft={draft} />
      <div className="row"><Button look="secondary" icon={<FlaskConical size={18} aria-hidden />} busy={attempt.isPending} onClick={tryIt}>{t('admin:rules.try')}</Button></div>
      <FailedNote error={attempt.error} />
      {attempt.data ? <Trial tried={attempt.data} before={before.data} /> : null}
      <Field label={t('admin:rules.reason')}>{ids => <TextArea {...ids} required minLength={3} maxLength={500} rows={2} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
      <FailedNote error={save.error} />
      <div className="dialog-foot"><Button look="quiet" onClick={onDone}>{t('ui.cancel')}</Button><Button type="submit" disabled={same} busy={save.isPending} icon={<Save size={18} aria-hidden />}>{t('admin:rules.save')}</Button></div>
    </form>
  )
}

function Versions({ rule, may }: { rule: RuleDetail; may: boolean }) {
  const t = useT()
  const save = useChangeRule(rule.code)
  const back = (change: RuleChange, to: number) => save.mutate({ version: rule.version, change, reason: t('admin:rules.revert_reason', { n: to }) }, { onSuccess: detail => toast(t('admin:rules.saved', { n: detail.version })) })
  if (rule.versions.length === 0) return <p className="quiet small">{t('admin:rules.no_versions')}</p>
  return (
    <div className="stack-s">
      <FailedNote error={save.error} />
      <ol className="past">
        {rule.versions.map(v => (
          <li key={v.version}>
            <span className="past-what">{t('admin:rules.version_n', { n: v.version, by: v.by, at: format.dateTime(v.at) })}</span>
            <p className="past-note">{v.reason}<br /><span className="code small">{Object.entries(v.change).map(([part, value]) => `${part}: ${String(value)}`).join(' · ') || t('admin:rules.revert_pack')}</span></p>
            {may && v.version !== rule.version ? <Button look="quiet" size="small" icon={<Undo2 size={16} aria-hidden />} busy={save.isPending} onClick={() => back(v.change, v.version)}>{t('admin:rules.revert')}</Button> : null}
          </li>
        ))}
        {may && Object.keys(rule.versions[0]?.change ?? {}).length > 0 ? <li><Button look="quiet" size="small" icon={<Undo2 size={16} aria-hidden />} busy={save.isPending} onClick={() => back({}, 0)}>{t('admin:rules.revert_pack')}</Button></li> : null}
      </ol>
    </div>
  )
}

function Detail({ code, title, onClose }: { code: string; title: string; onClose: () => void }) {
  const t = useT()
  const lng = useLanguage()
  const me = useMe()
  const types = useThingTypes()
  const found = useRule(code)
  const [editing, setEditing] = useState(false)
  const may = can(me.data, 'pack-manage')
  return (
    <Dialog open wide onClose={onClose} title={title}>
      <Loaded of={found}>
        {rule => {
          if (editing) return <Edit rule={rule} onDone={() => setEditing(false)} />
          const type = types.data?.find(k => k.type === rule.type)
          const attribute = type?.attributes.find(a => a.name === rule.attribute)
          const rows: [string, React.ReactNode][] = [
            ['code', <span className="code">{rule.code}</span>],
            ['type', type ? named(lng, type.name, type.name_en) : rule.type],
            ['attribute', attribute ? `${named(lng, attribute.title, attribute.title_en)} (${rule.attribute})` : rule.attribute],
            ['source', rule.source_act ?? '–'],
            ['sure', rule.status ? t(`admin:rules.status.${rule.status}`) : '–'],
            ['owner', rule.owner ?? '–'],
            ['sector', rule.sector],
          ]
          return (
            <div className="stack">
              {rule.fault ? <Note tone="critical">{t('admin:rules.fault')}: {rule.fault}</Note> : null}
              <pre className="pre">{rule.condition_text}</pre>
              <dl className="pairs">{rows.map(([key, value]) => <div key={key}><dt>{t(`admin:rules.${key}`)}</dt><dd>{value}</dd></div>)}</dl>
              {may && rule.kind !== 'derive' ? <div className="row"><Button icon={<Pencil size={18} aria-hidden />} onClick={() => setEditing(true)}>{t('admin:rules.change')}</Button></div> : null}
              {rule.version > 0 ? <Compare rule={rule} /> : null}
              <section className="stack-s"><h3>{t('admin:rules.versions')}</h3><Versions rule={rule} may={may} /></section>
            </div>
          )
        }}
      </Loaded>
    </Dialog>
  )
}

export default function RulesPage() {
  const t = useT()
  const lng = useLanguage()
  useTitle(t('admin:rules.title'))
  const rules = useRules()
  const [words, setWords] = useState('')
  const [open, setOpen] = useState<Rule>()
  const columns = useMemo<Column<Rule>[]>(
    () => [
      { id: 'title', header: t('admin:rules.name'), value: r => r.title, cell: r => <span><strong>{named(lng, r.title, r.title_en)}</strong><br /><span className="code">{r.code}</span></span>, width: 'minmax(15rem, 1.6fr)' },
      { id: 'severity', header: t('admin:rules.severity'), value: r => r.severity, cell: r => (r.kind === 'derive' ? <Badge>{t('admin:rules.derive')}</Badge> : <SeverityBadge severity={r.severity} />), width: '9rem' },
      { id: 'condition', header: t('admin:rules.condition'), cell: r => <span className="clip code" title={r.condition_text}>{r.condition_text}</span>, width: 'minmax(14rem, 1.4fr)' },
      { id: 'source', header: t('admin:rules.source'), value: r => r.source_act, cell: r => <span className="lines-2 small">{r.source_act ?? '–'}</span>, width: 'minmax(11rem, 1fr)' },
      { id: 'enabled', header: t('admin:rules.enabled'), value: r => (r.enabled ? 1 : 0), cell: r => <span><Badge tone={r.fault ? 'critical' : r.enabled ? 'good' : 'info'}>{t(r.fault ? 'admin:rules.fault' : r.enabled ? 'admin:rules.on' : 'admin:rules.off')}</Badge>{r.version > 0 ? <><br /><span className="small quiet">{t('admin:rules.changed', { n: r.version })}</span></> : null}</span>, width: '11rem' },
    ],
    [t, lng],
  )
  return (
    <>
      <PageHeader title={t('admin:rules.title')} lead={t('admin:rules.lead')} />
      <div className="tools"><SearchBox label={t('admin:rules.search')} value={words} onChange={setWords} /></div>
      <Loaded of={rules}>
        {page => {
          const rows = page.items.filter(r => fold(`${r.code} ${r.title} ${r.title_en ?? ''} ${r.source_act ?? ''}`).includes(fold(words.trim())))
          return rows.length === 0 ? <Empty title={t('admin:none')}>{t('admin:none_body')}</Empty> : <DataTable label={t('admin:rules.title')} rows={rows} columns={columns} rowKey={r => r.code} onOpen={setOpen} rowHeight={72} />
        }}
      </Loaded>
      {open ? <Detail key={open.code} code={open.code} title={named(lng, open.title, open.title_en)} onClose={() => setOpen(undefined)} /> : null}
    </>
  )
}
