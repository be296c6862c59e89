import { Copy, Plus } from 'lucide-react'
import { useState, type FormEvent } from 'react'
import { can, useAddTablet, useAnomalies, useEndTablet, useMe, useSatisfaction, useTablets, type AnomalyFinding } from '@/api'
import { named, useLanguage, useT } from '@/i18n'
import { Badge, Button, Card, Dialog, Empty, FailedNote, Field, format, Input, Loaded, Meter, Note, PageHeader, Select, toastError, useTitle } from '@/ui'
import './dossiers.css'

function Finding({ finding }: { finding: AnomalyFinding }) {
  const t = useT()
  const lng = useLanguage()
  const { rule } = finding
  return (
    <Card>
      <div className="spread"><h2>{named(lng, rule.name, rule.name_en)}</h2><Badge tone={finding.found.length ? 'high' : 'good'}>{t('dossiers:odd.n', { n: `${finding.found.length}${finding.more ? '+' : ''}` })}</Badge></div>
      <p className="small quiet">{t(`dossiers:odd.rule.${rule.pattern}`, { count: rule.count, minutes: rule.minutes, hours: rule.hours })} <Badge tone="high">{t(`dossiers:status.${rule.status}`)}</Badge></p>
      {finding.found.length ? (
        <ul className="figure-list">
          {finding.found.slice(0, 20).map(f => (
            <li key={`${f.code} ${f.at}`}>
              <a className="tnum" href={`/work/dossiers/${encodeURIComponent(f.code)}`}>{f.code}</a>
              <span className="grow">{f.unit.name}{f.n > 1 ? ` · ${t('dossiers:odd.heap', { n: f.n })}` : ''}</span>
              <span className="small quiet tnum">{format.dateTime(f.at)}{f.due_at ? ` · ${t('dossiers:odd.due', { at: format.dateTime(f.due_at) })}` : ''}</span>
            </li>
          ))}
        </ul>
      ) : null}
    </Card>
  )
}

function AddTablet({ onClose }: { onClose: () => void }) {
  const t = useT()
  const me = useMe()
  const add = useAddTablet()
  const own = (me.data?.grants ?? []).map(g => g.unit)
  const [unit, setUnit] = useState(own[0]?.id ?? '')
  const [name, setName] = useState('')
  const [faces, setFaces] = useState('5')
  const submit = (event: FormEvent) => {
    event.preventDefault()
    add.mutate({ unit: unit.trim(), name: name.trim(), faces: Number(faces) })
  }
  const address = add.data ? `${location.origin}/counter#${add.data.token}` : ''
  return (
    <Dialog open onClose={onClose} title={t('dossiers:tablet.add')}>
      {add.data ? (
        <div className="stack">
          <p>{t('dossiers:tablet.once')}</p>
          <p className="code break">{address}</p>
          <Button look="secondary" icon={<Copy size={18} aria-hidden />} onClick={() => void navigator.clipboard.writeText(address).catch(toastError)}>{t('dossiers:tablet.copy')}</Button>
        </div>
      ) : (
        <form className="stack" onSubmit={submit}>
          <Field label={t('dossiers:tablet.unit')}>{ids => <Input {...ids} required list="tablet-units" value={unit} onChange={e => setUnit(e.target.value)} />}</Field>
          <datalist id="tablet-units">{own.map(u => <option key={u.id} value={u.id}>{u.name}</option>)}</datalist>
          <Field label={t('dossiers:tablet.name')}>{ids => <Input {...ids} required maxLength={80} value={name} onChange={e => setName(e.target.value)} />}</Field>
          <Field label={t('dossiers:tablet.faces')}>{ids => <Select {...ids} value={faces} onChange={e => setFaces(e.target.value)}><option value="5">5</option><option value="3">3</option></Select>}</Field>
          <FailedNote error={add.error} />
          <div className="dialog-foot"><Button look="quiet" onClick={onClose}>{t('ui.cancel')}</Button><Button type="submit" busy={add.isPending}>{t('dossiers:tablet.add')}</Button></div>
        </form>
      )}
    </Dialog>
  )
}

function Satisfaction() {
  const t = useT()
  const me = useMe()
  const rated = useSatisfaction()
  const tablets = useTablets()
  const end = useEndTablet()
  const [adding, setAdding] = useState(false)
  const may = can(me.data, 'dossier-write') || can(me.data, 'case-approve')
  return (
    <Card>
      <div className="spread"><h2>{t('dossiers:tablet.title')}</h2>{may ? <Button look="secondary" size="small" icon={<Plus size={16} aria-hidden />} onClick={() => setAdding(true)}>{t('dossiers:tablet.add')}</Button> : null}</div>
      <Loaded of={rated}>
        {data =>
          data.rows.length === 0 ? (
            <p className="quiet">{t('dossiers:tablet.none')}</p>
          ) : (
            <ul className="figure-list">
              {data.rows.map(r => (
                <li key={`${r.unit.id} ${r.counter}`}>
                  <span className="grow">{r.unit.name} · {r.counter}</span>
                  <Meter share={r.rated ? r.satisfied / r.rated : 0} label={r.counter} />
                  <b className="tnum nowrap">{format.percent(r.satisfied / r.rated)} <span className="quiet">({format.number(r.rated)})</span></b>
                </li>
              ))}
            </ul>
          )
        }
      </Loaded>
      {may && tablets.data?.some(x => !x.ended_at) ? (
        <details className="marks">
          <summary>{t('dossiers:tablet.list')}</summary>
          <ul className="figure-list">
            {tablets.data.filter(x => !x.ended_at).map(x => (
              <li key={x.id}><span className="grow">{x.unit.name} · {x.name} <span className="quiet">{x.last_at ? format.ago(x.last_at) : t('dossiers:tablet.never')}</span></span><Button look="quiet" size="small" onClick={() => end.mutate(x.id, { onError: toastError })}>{t('dossiers:tablet.end')}</Button></li>
            ))}
          </ul>
        </details>
      ) : null}
      {adding ? <AddTablet onClose={() => setAdding(false)} /> : null}
    </Card>
  )
}

/** What looks odd, and how content people were. */
export default function OddPage() {
  const t = useT()
  useTitle(t('dossiers:odd.title'))
  const odd = useAnomalies()
  return (
    <div className="stack">
      <PageHeader title={t('dossiers:odd.title')} lead={t('dossiers:odd.lead')} />
      <Satisfaction />
      <Note>{t('dossiers:odd.note')}</Note>
      <Loaded of={odd} rows={4}>{data => (data.findings.length === 0 ? <Empty title={t('dossiers:odd.no_rules')} /> : <>{data.findings.map(f => <Finding key={f.rule.code} finding={f} />)}</>)}</Loaded>
    </div>
  )
}
