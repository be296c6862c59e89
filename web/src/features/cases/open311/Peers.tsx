import { Network, Plus, Trash2 } from 'lucide-react'
import { useMemo, useState } from 'react'
import { can, useCaseTypes, useMe, useOpenForwards, useOutsideServices, usePeers, useSavePeer, type Forward, type Mapping, type Peer, type PeerDraft } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Check, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Note, PageHeader, Select, toast } from '@/ui'
import { DataTable, type Column } from '@/ui/rich'
import { Decide, FORWARD_TONE } from '../desk/Forwards'

const FRESH: PeerDraft = { name: '', url: '', api_key: '', format: 'json', services: [], repeats: false, poll_minutes: 10, active: true }

/** Which of our categories is which service there. */
function Services({ peer, rows, onChange }: { peer: Peer | undefined; rows: readonly Mapping[]; onChange: (rows: Mapping[]) => void }) {
  const t = useT()
  const lng = useLanguage()
  const types = useCaseTypes()
  const [asking, setAsking] = useState(false)
  const offered = useOutsideServices(asking ? peer?.id : undefined)
  const categories = types.data?.flatMap(type => type.categories) ?? []
  const set = (i: number, part: Partial<Mapping>) => onChange(rows.map((row, n) => (n === i ? { ...row, ...part } : row)))
  return (
    <fieldset className="stack-s">
      <legend className="field-label">{t('notify:peer.services')}</legend>
      {rows.map((row, i) => (
        <div key={i} className="row">
          <Select aria-label={t('notify:peer.category')} value={row.category} onChange={e => set(i, { category: e.target.value })}>{categories.map(c => <option key={c.code} value={c.code}>{named(lng, c.name, c.name_en)}</option>)}</Select>
          <Input aria-label={t('notify:peer.service')} list="peer-services" required maxLength={100} placeholder={t('notify:peer.service')} value={row.service_code} onChange={e => set(i, { service_code: e.target.value })} />
          <Check checked={row.auto} onChange={e => set(i, { auto: e.target.checked })}>{t('notify:peer.auto')}</Check>
          <Button look="quiet" size="small" iconOnly icon={<Trash2 size={16} aria-hidden />} onClick={() => onChange(rows.filter((_, n) => n !== i))}>{t('notify:peer.remove')}</Button>
        </div>
      ))}
      <datalist id="peer-services">{offered.data?.map(s => <option key={s.service_code} value={s.service_code}>{s.service_name}</option>)}</datalist>
      <div className="row">
        <Button look="secondary" size="small" icon={<Plus size={16} aria-hidden />} disabled={categories.length === 0} onClick={() => onChange([...rows, { category: categories[0]?.code ?? '', service_code: '', auto: false }])}>{t('notify:peer.add_service')}</Button>
        {peer ? <Button look="quiet" size="small" busy={offered.isFetching} onClick={() => (setAsking(true), void (asking && offered.refetch()))}>{t('notify:peer.ask')}</Button> : null}
        {offered.data ? <span className="small quiet">{t('notify:peer.offers', { n: offered.data.length })}</span> : null}
      </div>
      <FailedNote error={offered.error} />
    </fieldset>
  )
}

function Edit({ peer, onClose }: { peer: Peer | undefined; onClose: () => void }) {
  const t = useT()
  const save = useSavePeer(peer?.id)
  const [draft, setDraft] = useState<PeerDraft>(peer ? { ...peer, api_key: '' } : FRESH)
  const send = () => {
    const { name, url, api_key, format: form, services, repeats, poll_minutes, active, jurisdiction_id } = draft
    save.mutate({ name, url, api_key, format: form, services, repeats, poll_minutes, active, ...(jurisdiction_id ? { jurisdiction_id } : {}) }, { onSuccess: () => { toast(t('notify:peer.saved')); onClose() } })
  }
  return (
    <Dialog open wide onClose={onClose} title={peer ? peer.name : t('notify:peer.add')}>
      <form className="stack" onSubmit={event => (event.preventDefault(), send())}>
        <Field label={t('notify:peer.name')}>{ids => <Input {...ids} required maxLength={80} value={draft.name} onChange={e => setDraft({ ...draft, name: e.target.value })} />}</Field>
        <Field label={t('notify:peer.url')} hint={t('notify:peer.url_hint')}>{ids => <Input {...ids} required type="url" maxLength={300} value={draft.url} onChange={e => setDraft({ ...draft, url: e.target.value })} />}</Field>
        <Field label={t('notify:peer.key')} hint={peer ? t('notify:peer.key_kept') : undefined}>{ids => <Input {...ids} required={!peer} autoComplete="off" maxLength={300} value={draft.api_key} onChange={e => setDraft({ ...draft, api_key: e.target.value })} />}</Field>
        <div className="row">
          <Field label={t('notify:peer.jurisdiction')}>{ids => <Input {...ids} maxLength={100} value={draft.jurisdiction_id ?? ''} onChange={e => setDraft({ ...draft, jurisdiction_id: e.target.value })} />}</Field>
          <Field label={t('notify:peer.format')}>{ids => <Select {...ids} value={draft.format} onChange={e => setDraft({ ...draft, format: e.target.value === 'xml' ? 'xml' : 'json' })}><option value="json">JSON</option><option value="xml">XML</option></Select>}</Field>
          <Field label={t('notify:peer.poll')}>{ids => <Input {...ids} type="number" min={1} max={1440} value={draft.poll_minutes} onChange={e => setDraft({ ...draft, poll_minutes: Number(e.target.value) || 10 })} />}</Field>
        </div>
        <Services peer={peer} rows={draft.services} onChange={services => setDraft({ ...draft, services })} />
        <Check checked={draft.repeats} onChange={e => setDraft({ ...draft, repeats: e.target.checked })}>{t('notify:peer.repeats')}</Check>
        <Check checked={draft.active} onChange={e => setDraft({ ...draft, active: e.target.checked })}>{t('notify:peer.active')}</Check>
        <FailedNote error={save.error} />
        <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={save.isPending}>{t('ui.save')}</Button></div>
      </form>
    </Dialog>
  )
}

/** Cases under way in other systems; what is stuck stands first. */
function Open() {
  const t = useT()
  const open = useOpenForwards()
  const columns = useMemo<Column<Forward>[]>(
    () => [
      { id: 'code', header: t('citizen:case.code'), cell: f => <a href={`/work/${f.case}`}><strong>{f.code}</strong></a>, width: '8rem' },
      { id: 'peer', header: t('notify:forward.peer'), cell: f => <span>{f.peer_name} <span className="small quiet">{f.service_request_id}</span></span>, width: 'minmax(10rem, 1fr)' },
      { id: 'state', header: t('notify:admin.state'), cell: f => <Badge tone={FORWARD_TONE[f.state]}>{t(`notify:forward.states.${f.state}`)}</Badge>, width: '9rem' },
      { id: 'reason', header: t('notify:admin.said'), cell: f => <span className="small lines-2">{f.reason ?? f.status_notes ?? format.dateTime(f.at)}</span>, width: 'minmax(14rem, 2fr)' },
    ],
    [t],
  )
  return (
    <Loaded of={open} height="3.5rem" rows={1}>
      {page => {
        const rows = [...page.items].sort((a, b) => Number(b.state === 'stuck') - Number(a.state === 'stuck'))
        const stuck = rows.filter(f => f.state === 'stuck')
        return rows.length === 0 ? <p className="small quiet">{t('notify:forward.none')}</p> : (
          <div className="stack">
            {stuck.map(f => <Note key={f.id} tone="critical"><div className="stack-s"><span><a href={`/work/${f.case}`}>{f.code}</a> → {f.peer_name}: {f.reason}</span><Decide forward={f} /></div></Note>)}
            <DataTable label={t('notify:forward.title')} rows={rows} columns={columns} rowKey={f => f.id} />
          </div>
        )
      }}
    </Loaded>
  )
}

/** Other systems that cases can be handed to (GeoReport v2). */
export function Peers() {
  const t = useT()
  const me = useMe()
  const may = can(me.data, 'people-manage')
  const peers = usePeers()
  const [editing, setEditing] = useState<Peer | 'new'>()
  return (
    <section className="stack" style={{ marginTop: 'var(--s6)' }}>
      {may ? (
        <div className="spread">
          <div><h2>{t('notify:peer.title')}</h2><p className="quiet">{t('notify:peer.lead')}</p></div>
          <Button icon={<Plus size={18} aria-hidden />} onClick={() => setEditing('new')}>{t('notify:peer.add')}</Button>
        </div>
      ) : (
        <PageHeader title={t('notify:peer.title')} lead={t('notify:peer.lead')} />
      )}
      <Loaded of={peers} height="3.5rem">
        {rows => rows.length === 0 ? <Empty icon={<Network size={30} aria-hidden />} title={t('notify:peer.none')}>{t('notify:peer.none_body')}</Empty> : (
          <div className="stack-s">
            {rows.map(peer => (
              <Card key={peer.id} tight>
                <div className="spread">
                  <div className="stack-s"><span className="row"><strong>{peer.name}</strong><Badge tone={peer.active ? 'good' : 'info'}>{t(peer.active ? 'notify:peer.on' : 'notify:peer.off')}</Badge></span><span className="small quiet code">{peer.url}</span></div>
                  {may ? <Button look="secondary" size="small" onClick={() => setEditing(peer)}>{t('notify:peer.edit')}</Button> : null}
                </div>
              </Card>
            ))}
          </div>
        )}
      </Loaded>
      <h2>{t('notify:forward.title')}</h2>
      <Open />
      {editing ? <Edit peer={editing === 'new' ? undefined : editing} onClose={() => setEditing(undefined)} /> : null}
    </section>
  )
}
