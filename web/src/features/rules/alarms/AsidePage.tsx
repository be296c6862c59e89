import { Plus } from 'lucide-react'
import { useMemo, useState, type FormEvent } from 'react'
import { can, useAsides, useCommunes, useEndAside, useMe, useRules, useSetAside, type Aside, type NewAside, type Suppression } from '@/api'
import { useT } from '@/i18n'
import { Badge, Button, Dialog, Empty, FailedNote, Field, format, Input, LinkButton, PageHeader, Segments, Select, toast, toastError, useTitle } from '@/ui'
import { PagedTable, useSearch, type Column } from '@/ui/rich'
import './alarms.css'

const KINDS: readonly Suppression[] = ['shelved', 'suppressed', 'out-of-service']

/** Planned work on a thing, an area or a rule, or taking it out of service. */
function SetAside({ onClose }: { onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const rules = useRules()
  const communes = useCommunes(me.data?.home.code)
  const set = useSetAside()
  const [kind, setKind] = useState<'suppressed' | 'out-of-service'>('suppressed')
  const [what, setWhat] = useState<'entity' | 'area' | 'rule'>('entity')
  const [value, setValue] = useState('')
  const [sector, setSector] = useState('')
  const [from, setFrom] = useState('')
  const [to, setTo] = useState('')
  const [reason, setReason] = useState('')
  const sectors = [...new Set((rules.data?.items ?? []).map(r => r.sector))].toSorted()
  const chosen = sector || sectors[0] || ''
  const send = (event: FormEvent) => {
    event.preventDefault()
    const wanted: NewAside = { kind, sector: chosen, reason: reason.trim(), [what]: value.trim(), ...(from ? { begins_at: new Date(from).toISOString() } : {}), ...(to ? { ends_at: new Date(to).toISOString() } : {}) }
    set.mutate(wanted, { onSuccess: () => { toast(t('ioc:aside.done')); onClose() } })
  }
  return (
    <Dialog open onClose={onClose} title={t('ioc:aside.add')}>
      <form className="stack" onSubmit={send}>
        <Segments label={t('ioc:aside.how')} value={kind} onChange={setKind} options={[{ value: 'suppressed', label: t('ioc:aside.kind.suppressed') }, { value: 'out-of-service', label: t('ioc:aside.kind.out-of-service') }]} />
        <Field label={t('ioc:aside.sector')}>{ids => <Select {...ids} value={chosen} onChange={e => setSector(e.target.value)}>{sectors.map(s => <option key={s} value={s}>{s}</option>)}</Select>}</Field>
        <Field label={t('ioc:aside.what')}>
          {ids => (
            <Select {...ids} value={what} onChange={e => { setWhat(e.target.value as typeof what); setValue('') }}>
              {(['entity', 'area', 'rule'] as const).map(w => <option key={w} value={w}>{t(`ioc:aside.of.${w}`)}</option>)}
            </Select>
          )}
        </Field>
        {what === 'entity' ? (
          <Field label={t('ioc:aside.of.entity')} hint={t('ioc:aside.entity_hint')}>{ids => <Input {...ids} required maxLength={500} value={value} onChange={e => setValue(e.target.value)} />}</Field>
        ) : (
          <Field label={t(`ioc:aside.of.${what}`)}>
            {ids => (
              <Select {...ids} required value={value} onChange={e => setValue(e.target.value)}>
                <option value="" />
                {what === 'area' ? (communes.data?.features ?? []).map(f => <option key={String(f.properties?.['code'])} value={String(f.properties?.['code'])}>{String(f.properties?.['name'])}</option>) : (rules.data?.items ?? []).filter(r => r.sector === chosen && r.kind !== 'derive').map(r => <option key={r.code} value={r.code}>{r.title} ({r.code})</option>)}
              </Select>
            )}
          </Field>
        )}
        <div className="rule-form">
          <Field label={t('ioc:aside.from')} hint={t('ioc:aside.from_hint')}>{ids => <Input {...ids} type="datetime-local" value={from} onChange={e => setFrom(e.target.value)} />}</Field>
          <Field label={t('ioc:aside.to')}>{ids => <Input {...ids} type="datetime-local" required={kind === 'suppressed'} value={to} onChange={e => setTo(e.target.value)} />}</Field>
        </div>
        <Field label={t('ioc:shelf.reason')}>{ids => <Input {...ids} required minLength={3} maxLength={500} value={reason} onChange={e => setReason(e.target.value)} />}</Field>
        <FailedNote error={set.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={set.isPending}>{t('ioc:aside.add')}</Button></div>
      </form>
    </Dialog>
  )
}

export default function AsidePage() {
  const t = useT()
  useTitle(t('ioc:aside.title'))
  const me = useMe()
  const [search, setSearch] = useSearch()
  const kind = KINDS.find(k => k === search['kind'])
  const ended = search['ended'] === '1'
  const pages = useAsides({ ...(kind ? { kind } : {}), ...(ended ? { ended } : {}) })
  const end = useEndAside()
  const [adding, setAdding] = useState(false)
  const may = can(me.data, 'alarm-handle')
  const columns = useMemo<Column<Aside>[]>(
    () => [
      { id: 'kind', header: t('ioc:aside.how'), cell: a => <Badge tone={a.kind === 'out-of-service' ? 'high' : 'info'}>{t(`ioc:aside.kind.${a.kind}`)}</Badge>, width: '10rem' },
      { id: 'what', header: t('ioc:aside.what'), cell: a => <span><strong>{a.entity_name ?? a.area ?? a.rule}</strong><br /><span className="code small">{[a.rule, a.entity ? undefined : a.sector].filter(Boolean).join(' · ')}</span></span>, width: 'minmax(13rem, 1.4fr)' },
      { id: 'reason', header: t('ioc:shelf.reason'), cell: a => <span className="lines-2">{a.reason}</span>, width: 'minmax(12rem, 1.4fr)' },
      { id: 'by', header: t('ioc:aside.by'), value: a => a.by, cell: a => a.by, width: '8rem' },
      { id: 'from', header: t('ioc:aside.from'), value: a => a.begins_at, cell: a => <span className="tnum">{format.dateTime(a.begins_at)}</span>, width: '10rem' },
      { id: 'to', header: t('ioc:aside.to'), value: a => a.ended_at ?? a.ends_at, cell: a => <span className="tnum">{a.ended_at ? `${format.dateTime(a.ended_at)} · ${a.ended_by ?? t('ioc:aside.by_itself')}` : a.ends_at ? format.dateTime(a.ends_at) : t('ioc:aside.open_end')}</span>, width: '12rem' },
      { id: 'end', header: '', cell: a => (a.ended_at || !may ? null : <Button look="secondary" size="small" onClick={() => end.mutate(a.id, { onSuccess: () => toast(t('ioc:aside.ended_done')), onError: toastError })}>{t('ioc:aside.end')}</Button>), width: '8rem' },
    ],
    [t, may, end],
  )
  return (
    <>
      <PageHeader title={t('ioc:aside.title')} lead={t('ioc:aside.lead')} actions={<><LinkButton look="quiet" href="/ioc">{t('ioc:title')}</LinkButton>{may ? <Button icon={<Plus size={18} aria-hidden />} onClick={() => setAdding(true)}>{t('ioc:aside.add')}</Button> : null}</>} />
      <div className="tools">
        <Select aria-label={t('ioc:aside.how')} value={kind ?? ''} onChange={e => setSearch({ kind: e.target.value || undefined })}>
          <option value="">{t('ui.all')}</option>
          {KINDS.map(k => <option key={k} value={k}>{t(`ioc:aside.kind.${k}`)}</option>)}
        </Select>
        <Segments label={t('ioc:aside.which')} value={ended ? 'ended' : 'now'} onChange={v => setSearch({ ended: v === 'ended' ? '1' : undefined })} options={[{ value: 'now', label: t('ioc:aside.now') }, { value: 'ended', label: t('ioc:aside.over') }]} />
      </div>
      <PagedTable pages={pages} label={t('ioc:aside.title')} columns={columns} rowKey={a => a.id} rowHeight={68}>
        <Empty title={t('ioc:aside.none')}>{t('ioc:aside.none_body')}</Empty>
      </PagedTable>
      {adding ? <SetAside onClose={() => setAdding(false)} /> : null}
    </>
  )
}
